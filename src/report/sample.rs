use super::{Failure, ImageReport, Outcome, Report, Totals};

/// The registry of AWS's own examples.
const REGISTRY: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";

impl Report {
    /// A report that says of itself that it is a test, to try a message with: one image that was updated, one that is current, and one
    /// that failed.
    pub fn sample() -> Self {
        let unreadable = Failure {
            message: "upstream docker.io/library/busybox:1.0 does not exist".to_owned(),
            causes: Vec::new(),
            hint: Some("remove the tag from ECR".into()),
        };
        let updated = image("grafana/grafana:11.0", Outcome::Updated);
        let current = image("library/nginx:1.27", Outcome::Unchanged);
        let failed = image("library/busybox:1.0", Outcome::Failed).map(|image| image.failed(unreadable));
        Self {
            registry: Some(REGISTRY.to_owned()),
            engine: Some("nobody: this is a test".to_owned()),
            repositories: 3,
            images: [failed, updated, current].into_iter().flatten().collect(),
            totals: Totals {
                updated: 1,
                unchanged: 1,
                failed: 1,
                ..Totals::default()
            },
            failures: vec![Failure {
                message: "this is a test, made by \"ecr-keeper notify test\": no image was looked at".to_owned(),
                causes: Vec::new(),
                hint: None,
            }],
            ..Self::begin()
        }
    }
}

/// None would be a name that is none.
fn image(name: &str, outcome: Outcome) -> Option<ImageReport> {
    let upstream = format!("docker.io/{name}").parse().ok()?;
    let target = format!("{REGISTRY}/base/image/{}", name.trim_start_matches("library/"));
    let reason = match outcome {
        Outcome::Updated => "the upstream's image is another one",
        _ => "the same digest on both sides",
    };
    Some(ImageReport::of(&target.parse().ok()?, &upstream, None, outcome, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_what_it_has_and_is_not_well() {
        let mut sample = Report::sample();
        assert_eq!(sample.images.len(), 3);
        let counted = sample.totals;
        sample.finish();
        assert_eq!(sample.totals, counted);
        assert!(!sample.is_well(), "who is told of failures alone is told, too");
    }
}
