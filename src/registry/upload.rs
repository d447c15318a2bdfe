//! Sending a blob: in one request, or in several where a registry wants that.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Body, Method, Response, StatusCode, Url};

use super::host::{Ask, Resend};
use super::{Cause, RegistryError, Remote};
use crate::image::Digest;

/// One request of an upload to a registry that would not take a blob in one: what ECR documents for its parts is 5 to 10 MiB.
const CHUNK: u64 = 8 << 20;

/// An upload that has begun.
#[derive(Debug, Clone)]
pub struct Upload {
    remote: Remote,
    url: Url,
    /// The least that a request may carry where there are several.
    least: u64,
}

/// Pieces of a blob, in order. Where they end early, or with an error, so does the upload, and the registry takes nothing.
pub type Pieces = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

impl Remote {
    /// Begins an upload.
    pub async fn upload(&self) -> Result<Upload, RegistryError> {
        let url = self.place("blobs/uploads/")?;
        let answered = self.ask(Method::POST, url, HeaderMap::new()).await?;
        self.begun(&answered.response)
    }

    pub(super) fn begun(&self, answer: &Response) -> Result<Upload, RegistryError> {
        let least = answer.headers().get("oci-chunk-min-length");
        Ok(Upload {
            url: self.location(Method::POST, answer)?,
            remote: self.clone(),
            least: least
                .and_then(|value| value.to_str().ok()?.parse().ok())
                .unwrap_or_default(),
        })
    }

    /// Where an upload goes on, which may be said in full or as a path.
    fn location(&self, method: Method, answer: &Response) -> Result<Url, RegistryError> {
        let attempt = self.attempt(method);
        let said = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let said = said.ok_or_else(|| attempt.odd("its answer to an upload has no Location"))?;
        let place = answer
            .url()
            .join(said)
            .map_err(|error| attempt.odd(format!("its Location: {error}")))?;
        match (answer.url().scheme(), place.scheme()) {
            ("https", "http") => Err(attempt.odd("its Location leads from TLS to plain HTTP, which is refused")),
            _ => Ok(place),
        }
    }
}

impl Upload {
    /// Sends a blob of `size` bytes and closes the upload with its digest, which the registry checks. It is bound to no time:
    /// who hands over the pieces sees whether they are taken.
    pub async fn send(self, digest: &Digest, size: u64, pieces: Pieces) -> Result<(), RegistryError> {
        let host = &self.remote.host;
        let chunk = match (host.options.chunk, host.wants_chunks.load(Ordering::Relaxed)) {
            (None, false) => return self.send_whole(digest, size, pieces).await,
            (Some(chunk), _) => chunk,
            (None, true) => CHUNK,
        };
        self.send_in_chunks(digest, size, pieces, chunk).await
    }

    async fn send_whole(self, digest: &Digest, size: u64, pieces: Pieces) -> Result<(), RegistryError> {
        let sent = self
            .write(Method::PUT, closing(&self.url, digest), size, None, pieces)
            .await;
        match sent {
            Err(error) if error.status() == Some(StatusCode::PAYLOAD_TOO_LARGE) => {
                self.remote.host.wants_chunks.store(true, Ordering::Relaxed);
                Err(self
                    .remote
                    .attempt(Method::PUT)
                    .error(Cause::WantsChunks, error.message))
            }
            Err(error) => Err(error),
            Ok(answer) => self.is_taken(digest, &answer),
        }
    }

    async fn send_in_chunks(
        mut self,
        digest: &Digest,
        size: u64,
        pieces: Pieces,
        chunk: u64,
    ) -> Result<(), RegistryError> {
        let chunk = chunk.max(self.least).max(1);
        let pieces = Arc::new(tokio::sync::Mutex::new(Rest {
            pieces,
            left: Bytes::new(),
        }));
        let mut at = 0;
        while at < size {
            let length = chunk.min(size - at);
            let range = format!("{at}-{}", at + length - 1);
            let part = Rest::first(pieces.clone(), length);
            let answer = self
                .write(Method::PATCH, self.url.clone(), length, Some(range), part)
                .await?;
            self.url = self.remote.location(Method::PATCH, &answer)?;
            at += length;
        }
        let end = Box::pin(futures::stream::empty());
        let answer = self
            .write(Method::PUT, closing(&self.url, digest), 0, None, end)
            .await?;
        self.is_taken(digest, &answer)
    }

    async fn write(
        &self,
        method: Method,
        url: Url,
        length: u64,
        range: Option<String>,
        pieces: Pieces,
    ) -> Result<Response, RegistryError> {
        let attempt = self.remote.attempt(method.clone());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(CONTENT_LENGTH, length.into());
        if let Some(range) = range {
            headers.insert(
                CONTENT_RANGE,
                HeaderValue::from_str(&range).map_err(|error| attempt.odd(error))?,
            );
        }
        // It can be sent once.
        let body = Mutex::new(Some(match length {
            0 => Body::from(Bytes::new()),
            _ => Body::wrap_stream(pieces),
        }));
        let body = || {
            body.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
                .unwrap_or_default()
        };
        let ask = Ask {
            method,
            url,
            access: &self.remote.access,
            headers,
            body: Some(&body),
            bound: std::time::Duration::MAX,
        };
        Ok(self.remote.host.ask_once(&ask, Resend::Never).await?.response)
    }

    fn is_taken(&self, digest: &Digest, answer: &Response) -> Result<(), RegistryError> {
        let attempt = self.remote.attempt(Method::PUT);
        let said = answer
            .headers()
            .get("docker-content-digest")
            .and_then(|value| value.to_str().ok());
        match (answer.status(), said) {
            (StatusCode::CREATED | StatusCode::NO_CONTENT, None) => Ok(()),
            (StatusCode::CREATED | StatusCode::NO_CONTENT, Some(said)) if said == digest.as_str() => Ok(()),
            (StatusCode::CREATED | StatusCode::NO_CONTENT, Some(said)) => {
                Err(attempt.odd(format!("{digest} was uploaded, and it says that it took {said}")))
            }
            (status, _) => Err(attempt.odd(format!("{status} is no answer to the end of an upload"))),
        }
    }

    /// Tells the registry that nothing more comes. It is a courtesy: registries throw away what nobody closes.
    pub async fn cancel(&self) {
        let asked = Ask {
            method: Method::DELETE,
            url: self.url.clone(),
            access: &self.remote.access,
            headers: HeaderMap::new(),
            body: None,
            bound: self.remote.host.timeouts.connect,
        };
        if let Err(error) = self.remote.host.ask_once(&asked, Resend::AfterLogin).await {
            tracing::debug!("cancel an upload: {error}");
        }
    }
}

/// What is left of a blob between the requests of its upload.
struct Rest {
    pieces: Pieces,
    left: Bytes,
}

impl Rest {
    /// The first `length` bytes of what is left.
    fn first(rest: Arc<tokio::sync::Mutex<Self>>, length: u64) -> Pieces {
        Box::pin(futures::stream::try_unfold(
            (rest, length),
            |(rest, length)| async move {
                if length == 0 {
                    return Ok(None);
                }
                let mut own = rest.lock().await;
                if own.left.is_empty() {
                    match own.pieces.next().await {
                        Some(piece) => own.left = piece?,
                        None => return Ok(None),
                    }
                }
                let most = usize::try_from(length).unwrap_or(usize::MAX).min(own.left.len());
                let piece = own.left.split_to(most);
                drop(own);
                let left = length - piece.len() as u64;
                Ok(Some((piece, (rest, left))))
            },
        ))
    }
}

fn closing(url: &Url, digest: &Digest) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().append_pair("digest", digest.as_str());
    url
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn a_blob_is_cut_into_requests_of_a_size() {
        let pieces = ["abc", "defgh", "i"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
        let rest = Arc::new(tokio::sync::Mutex::new(Rest {
            pieces: Box::pin(futures::stream::iter(pieces)),
            left: Bytes::new(),
        }));
        let mut requests = Vec::new();
        for length in [4, 4, 1] {
            let request: Vec<Bytes> = Rest::first(rest.clone(), length).try_collect().await.unwrap();
            requests.push(request.concat());
        }
        assert_eq!(requests, [&b"abcd"[..], b"efgh", b"i"]);
    }
}
