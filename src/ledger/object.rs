//! A ledger in an object of Amazon S3, which others may write at the same time.

use std::time::Duration;

use super::entries::Entries;
use super::{LedgerError, file, parse};
use crate::aws::AwsOptions;
use crate::aws::s3::{Object, Written};
use crate::retry::Retry;

/// How often a write is tried that others keep coming before, and how long is waited in between.
const TRIES: usize = 10;
const AGAIN: Retry = Retry {
    tries: TRIES,
    wait: Duration::from_millis(50),
    longest: Duration::from_secs(2),
};

/// What is done is done, and a ledger only saves time.
const PATIENCE: Duration = Duration::from_secs(10);

/// The object, as it was when this run last read or wrote it.
#[derive(Debug)]
pub(super) struct Shared {
    object: Object,
    /// None where it is not there yet, or could not be read.
    etag: Option<String>,
    /// What is there is none that can be read: it is not written over.
    other: Option<LedgerError>,
}

impl Shared {
    pub(super) async fn connect(aws: &AwsOptions, bucket: &str, key: &str) -> Result<Self, LedgerError> {
        let object = Object::connect(aws, bucket, key).await;
        let object = object.map_err(|source| LedgerError::Object {
            attempt: "find",
            object: format!("s3://{bucket}/{key}"),
            source,
        })?;
        Ok(Self {
            object,
            etag: None,
            other: None,
        })
    }

    pub(super) async fn read(&mut self) -> Result<Entries, LedgerError> {
        let there = self.object.read().await.map_err(|source| LedgerError::Object {
            attempt: "read",
            object: self.object.to_string(),
            source,
        })?;
        let Some(there) = there else {
            self.etag = None;
            return Ok(Entries::default());
        };
        self.etag = Some(there.etag);
        let read = parse(&there.bytes, || self.object.to_string());
        self.other = read.as_ref().err().cloned();
        read
    }

    /// Writes what is known, to which it adds what others have written since.
    ///
    /// # Errors
    /// Also where S3 takes longer than a run should wait for a ledger.
    pub(super) async fn save(&mut self, entries: &mut Entries) -> Result<(), LedgerError> {
        // Unlike a file it cannot be moved out of the way.
        if let Some(other) = &self.other {
            return Err(other.clone());
        }
        let late = LedgerError::Late {
            object: self.object.to_string(),
            seconds: PATIENCE.as_secs(),
        };
        tokio::time::timeout(PATIENCE, self.save_in_time(entries))
            .await
            .unwrap_or(Err(late))
    }

    async fn save_in_time(&mut self, entries: &mut Entries) -> Result<(), LedgerError> {
        for tries in 0..TRIES {
            let bytes = serde_json::to_vec(&file(entries)).map_err(|error| LedgerError::Corrupt {
                place: self.object.to_string(),
                why: error.to_string(),
            })?;
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
                    // All who were late together would be so again.
                    tokio::time::sleep(AGAIN.delay(tries + 1).unwrap_or(AGAIN.longest)).await;
                    entries.add(self.read().await?);
                }
            }
        }
        Err(LedgerError::Contended {
            object: self.object.to_string(),
            times: TRIES,
        })
    }
}
