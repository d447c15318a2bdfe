//! Reports of nothing that happened, to try messages with.

use std::collections::BTreeMap;

use super::{Failure, ImageReport, Outcome, Report, Totals};
use crate::image::Digest;
use crate::registry::Limit;

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

    /// What a template is tried with: a report with some of everything, in words that no format takes as they are; the same without
    /// what may be absent; one of a run that came to nothing; and one of a run that had nothing to do.
    pub fn trials() -> [Self; 4] {
        let bare = ended_in_every_way();
        let mut full = Self {
            shard: "2/5".parse().ok(),
            created: bare
                .images
                .iter()
                .map(|image| image.target.repository.clone())
                .collect(),
            untagged: 1,
            signature_tags: 1,
            backups: 1,
            cached: vec!["docker-hub/library/nginx".to_owned()],
            limits: BTreeMap::from([("docker.io".to_owned(), limit())]),
            stopped_by: Some("SIGTERM"),
            ..bare.clone()
        };
        full.images.extend(bare.images.iter().cloned().map(filled));
        full.images.sort_by(|one, other| one.target.cmp(&other.target));
        full.count();
        let nothing = Self {
            failures: vec![rough()],
            ..Self::begin()
        };
        [full, bare, nothing, Self::begin()]
    }
}

/// As registries and daemons say it: nobody bounds what their words hold.
fn rough() -> Failure {
    let words = "it said: \"no\" \\ 'nor' <that> & {{ this }}\n\tü 🚢";
    Failure {
        message: words.to_owned(),
        causes: vec![words.to_owned(), words.to_owned()],
        hint: Some(words.into()),
    }
}

/// One image for each way to end, and one that is held back, all without what may be absent.
fn ended_in_every_way() -> Report {
    let mut report = Report::sample();
    report.failures = vec![rough(), rough()];
    let held = image("library/held:1.0", Outcome::Unchanged).map(|image| ImageReport { held: true, ..image });
    let unwell = Outcome::UNWELL.iter().filter_map(|&outcome| {
        let image = image(&format!("library/{}:1.0", outcome.word()), outcome)?;
        Some(image.failed(rough()))
    });
    report.images.extend(unwell.chain(held));
    report.count();
    report
}

/// The same image, with all that may be known of one.
fn filled(image: ImageReport) -> ImageReport {
    let digest: Option<Digest> = format!("sha256:{}", "1f".repeat(32)).parse().ok();
    let platforms: Vec<_> = ["linux/amd64", "linux/arm64"]
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    ImageReport {
        digest_before: digest.clone(),
        digest_after: digest.clone(),
        upstream_digest: digest,
        platforms: platforms.clone(),
        upstream_platforms: platforms,
        notes: vec![rough().message],
        seconds: 1.5,
        ..image
    }
}

fn limit() -> Limit {
    Limit {
        remaining: 76,
        of: Some(100),
        seconds: Some(21600),
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
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn trials_have_every_way_to_end_and_all_that_may_be_known() {
        let [full, bare, ..] = Report::trials();
        for report in [&full, &bare] {
            assert!(
                report.totals.counts().iter().all(|(_, count)| *count > 0),
                "{:?}",
                report.totals
            );
            assert!(report.totals.held > 0);
        }
        let json = serde_json::to_value(&full).unwrap();
        // All fields of a report, and of an image (docs/result.md).
        assert_eq!(json.as_object().unwrap().len(), 17);
        let images = json["images"].as_array().unwrap().iter();
        let fields: BTreeSet<&String> = images.flat_map(|image| image.as_object().unwrap().keys()).collect();
        assert_eq!(fields.len(), 13, "{fields:?}");
    }

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
