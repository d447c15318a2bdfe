//! A ledger in an object of Amazon S3, which others may write at the same time.

use std::collections::BTreeSet;

use super::{Entries, LedgerError, file, parse};
use crate::aws::AwsOptions;
use crate::aws::s3::{Object, Written};
use crate::image::ImageRef;

/// How often a write is tried that others keep coming before.
const TRIES: usize = 10;

/// The object, as it was when this run last read or wrote it.
#[derive(Debug)]
pub(super) struct Shared {
    object: Object,
    /// None where it is not there yet, or could not be read.
    etag: Option<String>,
}

impl Shared {
    pub(super) async fn connect(aws: &AwsOptions, bucket: &str, key: &str) -> Result<Self, LedgerError> {
        let object = Object::connect(aws, bucket, key).await;
        let object = object.map_err(|source| LedgerError::Object {
            attempt: "find",
            object: format!("s3://{bucket}/{key}"),
            source,
        })?;
        Ok(Self { object, etag: None })
    }

    pub(super) async fn read(&mut self) -> Result<Entries, LedgerError> {
        let there = self.object.read().await.map_err(|source| LedgerError::Object {
            attempt: "read",
            object: self.object.to_string(),
            source,
        })?;
        let Some(there) = there else {
            self.etag = None;
            return Ok(Entries::new());
        };
        // Also of one that nobody can read: it is then replaced, as a file would be.
        self.etag = Some(there.etag);
        parse(&there.bytes, || self.object.to_string())
    }

    /// Writes `made`, to which it adds what others have written since, but for what this run knows better.
    pub(super) async fn save(&mut self, made: &mut Entries, own: &BTreeSet<ImageRef>) -> Result<(), LedgerError> {
        for _ in 0..TRIES {
            let bytes = serde_json::to_vec(&file(made)).unwrap_or_default();
            let written = self.object.write(bytes, self.etag.as_deref()).await;
            let written = written.map_err(|source| LedgerError::Object {
                attempt: "write",
                object: self.object.to_string(),
                source,
            })?;
            match written {
                Written::Done(etag) => {
                    self.etag = Some(etag);
                    return Ok(());
                }
                Written::Conflict => {
                    let theirs = self.read().await?;
                    made.extend(theirs.into_iter().filter(|(target, _)| !own.contains(target)));
                }
            }
        }
        Err(LedgerError::Contended {
            object: self.object.to_string(),
            times: TRIES,
        })
    }
}
