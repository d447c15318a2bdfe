//! A report with one of everything, for the tests of all formats.

use jiff::Timestamp;

use crate::image::Digest;
use crate::registry::Limit;
use crate::report::{Failure, ImageReport, Outcome, Report, SCHEMA_VERSION, Totals};

pub(super) const OLD: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
pub(super) const NEW: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";
pub(super) const TOP: &str = "sha256:3333333333333333333333333333333333333333333333333333333333333333";

pub(super) fn failure(message: &str) -> Failure {
    Failure {
        message: message.to_owned(),
        causes: Vec::new(),
        hint: None,
    }
}

fn digest(text: &str) -> Digest {
    text.parse().unwrap()
}

fn image(name: &str, outcome: Outcome, failure: Option<Failure>) -> ImageReport {
    ImageReport {
        target: format!("ecr.example:5000/base/image/{name}").parse().unwrap(),
        upstream: format!("docker.io/library/{name}").parse().unwrap(),
        outcome,
        held: false,
        digest_before: Some(digest(OLD)),
        digest_after: None,
        upstream_digest: None,
        notes: Vec::new(),
        platforms: Vec::new(),
        upstream_platforms: Vec::new(),
        reason: match &failure {
            Some(failure) => failure.message.clone().into(),
            None => "the same digest on both sides".into(),
        },
        failure: failure.map(Box::new),
        seconds: 0.0,
        cut_off: false,
    }
}

/// A run without images in which all is well: 12.5 s up to 2025-01-02T03:04:17.5Z.
pub(super) fn empty() -> Report {
    Report {
        schema_version: SCHEMA_VERSION,
        run: None,
        started: "2025-01-02T03:04:05Z".parse::<Timestamp>().unwrap(),
        ended: "2025-01-02T03:04:17.5Z".parse::<Timestamp>().unwrap(),
        registry: Some("ecr.example:5000".to_owned()),
        engine: Some("Docker 20.10.24".to_owned()),
        shard: None,
        created: Vec::new(),
        repositories: 2,
        untagged: 0,
        backups: 0,
        signature_tags: 0,
        cached: Vec::new(),
        limits: Default::default(),
        totals: Totals::default(),
        images: Vec::new(),
        failures: Vec::new(),
        stopped_by: None,
    }
}

/// One image of each outcome, and a failure that is no image's.
pub(super) fn report() -> Report {
    let denied = Failure {
        causes: vec!["denied:\nby = policy".to_owned()],
        hint: Some("log in".into()),
        ..failure("push <app> | \"x\"")
    };
    let updated = ImageReport {
        digest_after: Some(digest(NEW)),
        upstream_digest: Some(digest(TOP)),
        platforms: vec!["linux/amd64".parse().unwrap(), "linux/arm64/v8".parse().unwrap()],
        notes: vec!["rebuilt".to_owned(), "2 | left".to_owned()],
        reason: "the upstream's image is another one".into(),
        seconds: 1.25,
        ..image("app:new", Outcome::Updated, None)
    };
    let limit = Limit {
        remaining: 76,
        of: Some(100),
        seconds: Some(21_600),
    };
    Report {
        totals: Totals {
            updated: 1,
            unchanged: 1,
            held: 0,
            refused: 1,
            failed: 1,
            not_attempted: 1,
        },
        images: vec![
            updated,
            image("app:bad", Outcome::Failed, Some(denied)),
            image("app:index", Outcome::Refused, Some(failure("several platforms"))),
            image("app:later", Outcome::NotAttempted, Some(failure("not attempted"))),
            image("other:1", Outcome::Unchanged, None),
        ],
        limits: [("docker.io".to_owned(), limit)].into(),
        failures: vec![failure("no daemon")],
        ..empty()
    }
}
