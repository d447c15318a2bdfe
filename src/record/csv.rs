use std::io;

use crate::image::{Digest, Platform};
use crate::report::{ImageReport, Report};

const HEADER: [&str; 12] = [
    "registry",
    "repository",
    "tag",
    "upstream",
    "outcome",
    "digest_before",
    "digest_after",
    "upstream_digest",
    "platforms",
    "seconds",
    "reason",
    "notes",
];

/// One row for each image, by target (RFC 4180, with line feeds alone between rows).
pub(super) fn render(report: &Report) -> io::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(HEADER)?;
    for image in &report.images {
        table.write_record(row(image).map(inert))?;
    }
    table.into_inner().map_err(|error| error.into_error())
}

fn row(image: &ImageReport) -> [String; 12] {
    let digest = |digest: &Option<Digest>| digest.as_ref().map(ToString::to_string).unwrap_or_default();
    let platforms: Vec<String> = image.platforms.iter().map(Platform::to_string).collect();
    [
        image.target.repository.host.to_string(),
        image.target.repository.path.to_string(),
        image.target.reference.as_str().to_owned(),
        image.upstream.to_string(),
        image.outcome.word().to_owned(),
        image
            .digest_before
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        digest(&image.digest_after),
        digest(&image.upstream_digest),
        platforms.join(" "),
        image.seconds.to_string(),
        image.why(),
        image.notes.join("; "),
    ]
}

/// A spreadsheet takes a cell that begins like this for a formula (OWASP, "CSV Injection"). Names, digests and numbers never
/// do, by their grammar, and stay as they are; a reason may be the words of a registry that somebody else runs.
pub(super) fn inert(cell: String) -> String {
    match cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{cell}"),
        false => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    #[test]
    fn every_image_is_a_row_below_the_header() {
        let text = String::from_utf8(render(&sample::report()).unwrap()).unwrap();
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(
            rows[0],
            "registry,repository,tag,upstream,outcome,digest_before,digest_after,upstream_digest,platforms,seconds,reason,notes"
        );
        let [old, new, top] = [sample::OLD, sample::NEW, sample::TOP];
        assert_eq!(
            rows[1],
            format!(
                "ecr.example:5000,base/image/app,new,docker.io/library/app:new,updated,{old},{new},{top},\
                 linux/amd64 linux/arm64/v8,1.25,the upstream's image is another one,rebuilt; 2 | left"
            )
        );
        assert_eq!(rows.len(), 6);
    }

    #[test]
    fn what_has_commas_quotes_or_line_feeds_is_one_cell() {
        let mut report = sample::report();
        report.images[0].reason = "said \"no\", twice".into();
        let text = String::from_utf8(render(&report).unwrap()).unwrap();
        // RFC 4180, 2.6 and 2.7.
        assert!(text.contains(",\"said \"\"no\"\", twice\","), "{text}");
    }

    #[test]
    fn no_cell_is_a_formula() {
        let mut report = sample::report();
        report.images[0].reason = "=HYPERLINK(\"http://evil.example\")".into();
        let text = String::from_utf8(render(&report).unwrap()).unwrap();
        assert!(text.contains(",\"'=HYPERLINK("), "{text}");
    }
}
