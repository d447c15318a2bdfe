//! Who is at a target: an object of Amazon S3 that one at a time writes on a condition, for as long as it gives signs of life.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};

use super::{Place, WorkError, corrupt, word_of};
use crate::aws::AwsError;
use crate::aws::s3::{Bucket, Object, Written};
use crate::image::ImageRef;

/// Where claims are kept.
#[derive(Debug, Clone)]
pub struct Claims {
    bucket: Bucket,
    prefix: String,
    holder: String,
    lease: Duration,
}

/// That nobody else is at a target, until the lease ends.
#[derive(Debug)]
pub struct Claim {
    object: Object,
    /// What S3 calls what is there, as far as is known.
    etag: Option<String>,
    holder: String,
    lease: Duration,
    /// Its own word, by which it knows what it has written itself.
    nonce: String,
    /// When it is no longer sure to be ours.
    ends: Instant,
}

/// What came of asking for a claim.
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Claim(Claim),
    /// Somebody else is at it.
    Held {
        /// Who.
        by: String,
        /// How long at most, if it gives no more signs of life.
        left: Duration,
    },
}

/// Why a claim is no longer ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Somebody has taken it, since its lease had ended.
    #[error("somebody else has taken the image meanwhile")]
    Taken,
    /// It could not be renewed before its lease ended.
    #[error("the claim on the image could not be renewed in time")]
    NotRenewed,
}

#[derive(Debug, Serialize, Deserialize)]
struct Held {
    by: String,
    nonce: String,
    until: Timestamp,
}

impl Held {
    fn left(&self) -> Duration {
        Duration::try_from(self.until.duration_since(Timestamp::now())).unwrap_or_default()
    }
}

impl Claims {
    /// In a bucket, at a place of it. `holder` is how others are told of us. The clocks of those who share claims may differ by far less than `lease`.
    pub fn new(bucket: Bucket, place: &Place, holder: &str, lease: Duration) -> Self {
        Self {
            bucket,
            prefix: format!("{}claims/", place.prefix),
            holder: holder.to_owned(),
            lease,
        }
    }

    /// Asks for a target.
    pub async fn take(&self, target: &ImageRef) -> Result<Taken, WorkError> {
        let mut claim = Claim {
            object: self.bucket.object(&format!("{}{}.json", self.prefix, word_of(target))),
            etag: None,
            holder: self.holder.clone(),
            lease: self.lease,
            nonce: format!("{:016x}", fastrand::u64(..)),
            ends: Instant::now(),
        };
        // Whoever loses against somebody else is told of them by the next look.
        for _ in 0..TRIES {
            if claim.write(self.lease).await? {
                return Ok(Taken::Claim(claim));
            }
            match claim.look().await? {
                None => claim.etag = None,
                Some((held, etag)) if held.nonce == claim.nonce || held.left().is_zero() => claim.etag = Some(etag),
                Some((held, _)) => {
                    let left = held.left();
                    return Ok(Taken::Held { by: held.by, left });
                }
            }
        }
        Ok(Taken::Held {
            by: "somebody else".to_owned(),
            left: self.lease,
        })
    }
}

/// How often a write is tried that others come before.
const TRIES: usize = 3;

impl Claim {
    /// Whether nobody else can have it yet.
    pub fn is_live(&self) -> bool {
        Instant::now() < self.ends
    }

    /// Gives signs of life until it is dropped; ends where it is lost.
    pub async fn keep(&mut self) -> Lost {
        loop {
            sleep(self.lease / 3).await;
            match timeout_at(self.ends, self.renew_at_last()).await {
                Ok(true) => {}
                Ok(false) => return Lost::Taken,
                Err(_) => return Lost::NotRenewed,
            }
        }
    }

    /// What S3 fails at is tried again for as long as it is waited for.
    async fn renew_at_last(&mut self) -> bool {
        loop {
            match self.own_write(self.lease).await {
                Ok(is_ours) => return is_ours,
                Err(error) => tracing::warn!("{}", crate::report::Failure::from(&error).in_one_line()),
            }
            sleep(self.lease / 15).await;
        }
    }

    /// Leaves it to whoever comes next.
    pub async fn release(mut self) -> Result<(), WorkError> {
        // Where it is no longer ours, there is nothing to leave.
        self.own_write(Duration::ZERO).await.map(drop)
    }

    /// Writes what is ours already. False where it is not.
    async fn own_write(&mut self, lease: Duration) -> Result<bool, WorkError> {
        for _ in 0..TRIES {
            if self.write(lease).await? {
                return Ok(true);
            }
            match self.look().await? {
                // A write of ours that was sent twice, or whose answer nobody waited for.
                Some((held, etag)) if held.nonce == self.nonce => self.etag = Some(etag),
                Some(_) | None => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Writes it, if what is there is what is known.
    async fn write(&mut self, lease: Duration) -> Result<bool, WorkError> {
        let begun = Instant::now();
        let held = Held {
            by: self.holder.clone(),
            nonce: self.nonce.clone(),
            until: Timestamp::now() + lease,
        };
        let bytes = serde_json::to_vec(&held).map_err(|error| corrupt(&self.object, &error))?;
        let written = self.object.write(bytes, self.etag.as_deref()).await;
        match written.map_err(asking)? {
            Written::Done(etag) => {
                self.etag = Some(etag);
                // Others' clocks may be a little before ours.
                self.ends = begun + lease - lease / 10;
                Ok(true)
            }
            Written::Conflict => Ok(false),
        }
    }

    async fn look(&self) -> Result<Option<(Held, String)>, WorkError> {
        let Some(there) = self.object.read().await.map_err(asking)? else {
            return Ok(None);
        };
        let held = serde_json::from_slice(&there.bytes);
        let held = held.map_err(|error| corrupt(&self.object, &error))?;
        Ok(Some((held, there.etag)))
    }
}

fn asking(source: AwsError) -> WorkError {
    WorkError::Aws {
        attempt: "claim an image",
        source,
    }
}
