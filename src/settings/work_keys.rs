//! `work`: a run that is shared by a queue.

use std::time::Duration;

use super::keys::{Key, key};
use super::reader::Reader;
use super::values::{duration, url};
use crate::work::{Place, WorkOptions};

/// In the order of `settings.yaml`.
pub(super) const OF_WORK: [Key; 3] = [
    key("work.queue", None, "a http:// or https:// URL")
        .about("The queue of Amazon SQS that images are put into and taken from. It needs a dead-letter queue."),
    key("work.state", None, "s3://BUCKET or s3://BUCKET/PREFIX")
        .about("Where in Amazon S3 is kept who is at which image, and what became of each."),
    key("work.lease", Some("2m"), "a duration from 15s to 12h, such as 2m")
        .about("How long an image stays with whoever took it and gives no sign of life; then somebody else does it."),
];

impl Reader {
    pub(super) fn work(&mut self) -> Option<WorkOptions> {
        let queue = self.parse("work.queue", url);
        let state = self.parse("work.state", place);
        let lease = self.parse("work.lease", |text| {
            duration(text).filter(|lease| (LEAST..=MOST).contains(lease))
        });
        Some(WorkOptions {
            queue,
            state,
            lease: lease?,
        })
    }
}

/// A third of it is the time between two signs of life, in which S3 and SQS have to answer, if need be at the second try.
const LEAST: Duration = Duration::from_secs(15);

/// SQS hides no message for longer (SQS Developer Guide, "Visibility timeout").
const MOST: Duration = Duration::from_secs(12 * 60 * 60);

fn place(text: &str) -> Option<Place> {
    let rest = text.strip_prefix("s3://")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_end_matches('/');
    (!bucket.is_empty() && !prefix.starts_with('/')).then(|| Place {
        bucket: bucket.to_owned(),
        prefix: match prefix {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_bucket_and_what_keys_begin_with() {
        for (text, expected) in [
            ("s3://bucket", Some(("bucket", ""))),
            ("s3://bucket/", Some(("bucket", ""))),
            ("s3://bucket/a/b/", Some(("bucket", "a/b/"))),
            ("s3:///a", None),
            ("bucket/a", None),
        ] {
            let found = place(text).map(|place| (place.bucket, place.prefix));
            let expected = expected.map(|(bucket, prefix)| (bucket.to_owned(), prefix.to_owned()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
