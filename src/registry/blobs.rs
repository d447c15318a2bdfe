//! Blobs: whether they are there, small ones whole, and mounts.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use reqwest::header::{CONTENT_LENGTH, HeaderMap};
use reqwest::{Method, StatusCode};

use super::{RegistryError, Remote, Upload};
use crate::image::Digest;
use crate::retry::Passes;

/// What became of a mount.
#[derive(Debug)]
pub enum Mounted {
    /// The blob is there.
    Done,
    /// It has to be uploaded, and this upload has begun.
    Not(Box<Upload>),
    /// The other repository is not one that this login may mount from.
    Refused,
}

/// What a registry has shown of how it mounts.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    /// It answered a mount with an upload: it does none.
    none: bool,
    /// From which repository to which it refused to mount.
    refused: BTreeSet<(String, String)>,
}

impl Remote {
    /// Whether the repository has a blob of `size` bytes.
    ///
    /// # Errors
    /// Where it is there and has another size: then the manifest that names it lies.
    pub async fn has_blob(&self, digest: &Digest, size: u64) -> Result<bool, RegistryError> {
        let url = self.place(&format!("blobs/{digest}"))?;
        match self.ask(Method::HEAD, url, HeaderMap::new()).await {
            Ok(answered) => {
                let length = answered.response.headers().get(CONTENT_LENGTH);
                match length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok()) {
                    Some(there) if there != size => Err(self.attempt(Method::HEAD).odd(format!(
                        "the blob {digest} is there with {there} bytes, and the manifest says that it has {size}"
                    ))),
                    _ => Ok(true),
                }
            }
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A whole small blob, such as a config; none where it is larger than `most` bytes.
    pub async fn small_blob(&self, digest: &Digest, most: usize) -> Result<Option<Vec<u8>>, RegistryError> {
        let url = self.place(&format!("blobs/{digest}"))?;
        let (_, blob) = self.read(url, HeaderMap::new(), most).await?;
        match blob {
            Some(blob) if !digest.is_of(&blob) => {
                let sent = Digest::of(&blob);
                Err(self
                    .attempt(Method::GET)
                    .odd(format!("it should be {digest}, and the blob that was sent is {sent}")))
            }
            blob => Ok(blob),
        }
    }

    /// Asks for a blob that the repository `from` of the same registry has; where the registry does not mount it, an upload
    /// has begun.
    pub async fn mount(&self, digest: &Digest, from: &str) -> Result<Mounted, RegistryError> {
        let mut url = self.place("blobs/uploads/")?;
        url.query_pairs_mut()
            .append_pair("mount", digest.as_str())
            .append_pair("from", from);
        let mut with_from = self.clone();
        with_from.access.from = Some(from.to_owned());
        match with_from.ask(Method::POST, url, HeaderMap::new()).await {
            Ok(answered) if answered.response.status() == StatusCode::CREATED => Ok(Mounted::Done),
            Ok(answered) => {
                self.mounts().none = true;
                Ok(Mounted::Not(Box::new(self.begun(&answered.response)?)))
            }
            Err(error) if !error.passes() => {
                tracing::debug!("{error}");
                self.mounts()
                    .refused
                    .insert((from.to_owned(), self.access.path.clone()));
                Ok(Mounted::Refused)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether mounts from a repository are worth a try: a registry that answered one with an upload does none.
    pub fn may_mount(&self, from: &str) -> bool {
        let way = (from.to_owned(), self.access.path.clone());
        let mounts = self.mounts();
        !mounts.none && !mounts.refused.contains(&way)
    }

    /// Whether the registry may mount: it has not shown yet that it does not.
    pub fn mounts_at_all(&self) -> bool {
        !self.mounts().none
    }

    fn mounts(&self) -> MutexGuard<'_, Mounts> {
        self.host.mounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
