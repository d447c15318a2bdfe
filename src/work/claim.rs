//! Who is at a target: an object of Amazon S3 that one at a time writes on a condition, for as long as it gives signs of life.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Place, WorkError, word_of};
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
    etag: String,
    holder: String,
    lease: Duration,
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

#[derive(Debug, Serialize, Deserialize)]
struct Held {
    by: String,
    until: Timestamp,
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
        let object = self.bucket.object(&format!("{}{}.json", self.prefix, word_of(target)));
        let mut known = None;
        // Whoever loses against somebody else is told of them by the second look.
        for _ in 0..2 {
            let written = object.write(self.held(self.lease)?, known.as_deref()).await;
            match written.map_err(asking)? {
                Written::Done(etag) => {
                    return Ok(Taken::Claim(Claim {
                        object,
                        etag,
                        holder: self.holder.clone(),
                        lease: self.lease,
                    }));
                }
                Written::Conflict => {}
            }
            let Some(there) = object.read().await.map_err(asking)? else {
                known = None;
                continue;
            };
            let held: Held = serde_json::from_slice(&there.bytes).map_err(|error| WorkError::Corrupt {
                object: object.to_string(),
                why: error.to_string(),
            })?;
            let left = Duration::try_from(held.until.duration_since(Timestamp::now())).unwrap_or_default();
            if !left.is_zero() {
                return Ok(Taken::Held { by: held.by, left });
            }
            known = Some(there.etag);
        }
        Ok(Taken::Held {
            by: "somebody else".to_owned(),
            left: self.lease,
        })
    }

    fn held(&self, lease: Duration) -> Result<Vec<u8>, WorkError> {
        held(&self.holder, lease)
    }
}

impl Claim {
    /// Says that we are still at it. False where somebody else has taken it meanwhile, since the lease had ended.
    pub async fn renew(&mut self) -> Result<bool, WorkError> {
        let written = self
            .object
            .write(held(&self.holder, self.lease)?, Some(&self.etag))
            .await;
        match written.map_err(asking)? {
            Written::Done(etag) => {
                self.etag = etag;
                Ok(true)
            }
            Written::Conflict => Ok(false),
        }
    }

    /// Leaves it to whoever comes next.
    pub async fn release(self) -> Result<(), WorkError> {
        // Where it is no longer ours, there is nothing to leave.
        let written = self
            .object
            .write(held(&self.holder, Duration::ZERO)?, Some(&self.etag))
            .await;
        written.map(drop).map_err(asking)
    }
}

fn held(by: &str, lease: Duration) -> Result<Vec<u8>, WorkError> {
    let held = Held {
        by: by.to_owned(),
        until: Timestamp::now() + lease,
    };
    serde_json::to_vec(&held).map_err(|error| WorkError::Corrupt {
        object: "a claim".to_owned(),
        why: error.to_string(),
    })
}

fn asking(source: AwsError) -> WorkError {
    WorkError::Aws {
        attempt: "claim an image",
        source,
    }
}
