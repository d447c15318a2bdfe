//! Blobs: looking, reading with a check of every byte, mounting and uploading.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Body, Method, Response, StatusCode, Url};

use super::host::{Answered, Ask, Resend};
use super::{Cause, RegistryError, Remote};
use crate::image::{Digest, Hasher};
use crate::retry::Passes;

/// One request of an upload to a registry that would not take a blob in one: what ECR documents for its parts is 5 to 10 MiB.
const CHUNK: u64 = 8 << 20;

/// A blob on its way in. What it hands out is checked: the last piece only comes when the digest of all is right.
#[derive(Debug)]
pub struct BlobReader {
    remote: Remote,
    url: Url,
    digest: Digest,
    size: u64,
    /// Bytes handed out.
    at: u64,
    hasher: Option<Hasher>,
    answer: Option<Answered>,
    /// Bytes that come once more, of a registry that does not continue where it broke off.
    skip: u64,
    /// Breaks since the last byte came.
    breaks: usize,
}

/// What became of a mount.
#[derive(Debug)]
pub enum Mounted {
    /// The blob is there.
    Done,
    /// It has to be uploaded, and this upload has begun.
    Not(Box<Upload>),
}

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

    /// Begins to read a blob of `size` bytes.
    pub async fn blob(&self, digest: &Digest, size: u64) -> Result<BlobReader, RegistryError> {
        let url = self.place(&format!("blobs/{digest}"))?;
        self.blob_at(url, digest, size).await
    }

    /// Begins to read a layer from an address that its descriptor names. No login is shown there.
    pub async fn foreign_blob(&self, url: &str, digest: &Digest, size: u64) -> Result<BlobReader, RegistryError> {
        let attempt = self.attempt(Method::GET);
        let url = Url::parse(url).map_err(|error| attempt.odd(format!("a foreign layer's address: {error}")))?;
        match url.scheme() {
            "https" => self.blob_at(url, digest, size).await,
            "http" if !self.host.base().starts_with("https://") => self.blob_at(url, digest, size).await,
            other => Err(attempt.odd(format!(
                "a foreign layer is at a {other} address, which is not followed"
            ))),
        }
    }

    async fn blob_at(&self, url: Url, digest: &Digest, size: u64) -> Result<BlobReader, RegistryError> {
        let mut reader = BlobReader {
            remote: self.clone(),
            url,
            digest: digest.clone(),
            size,
            at: 0,
            hasher: Some(digest.hasher()),
            answer: None,
            skip: 0,
            breaks: 0,
        };
        reader.open().await?;
        Ok(reader)
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

    /// Begins an upload.
    pub async fn upload(&self) -> Result<Upload, RegistryError> {
        let url = self.place("blobs/uploads/")?;
        let answered = self.ask(Method::POST, url, HeaderMap::new()).await?;
        self.begun(&answered.response)
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
        let answered = with_from.ask(Method::POST, url, HeaderMap::new()).await?;
        match answered.response.status() {
            StatusCode::CREATED => Ok(Mounted::Done),
            _ => Ok(Mounted::Not(Box::new(self.begun(&answered.response)?))),
        }
    }

    /// Whether mounts are worth a try: a registry that answered one with an upload does none.
    pub fn may_mount(&self) -> bool {
        !self.host.mounts_nothing.load(Ordering::Relaxed)
    }

    /// Remembers that this registry mounts nothing.
    pub fn mounts_nothing(&self) {
        self.host.mounts_nothing.store(true, Ordering::Relaxed);
    }

    fn begun(&self, answer: &Response) -> Result<Upload, RegistryError> {
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

impl BlobReader {
    /// The next piece; none at the end. A connection that breaks is continued where it broke.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        loop {
            if self.at == self.size {
                return self.end().map(|()| None);
            }
            match self.piece().await {
                Ok(Some(piece)) => {
                    let Some(piece) = self.fresh(piece) else { continue };
                    self.breaks = 0;
                    self.take_in(&piece)?;
                    return Ok(Some(piece));
                }
                Ok(None) => {
                    let broken = self.attempt().error(Cause::Connection, "the blob broke off");
                    self.resume(broken).await?;
                }
                Err(error) => self.resume(error).await?,
            }
        }
    }

    fn take_in(&mut self, piece: &[u8]) -> Result<(), RegistryError> {
        self.at += piece.len() as u64;
        if self.at > self.size {
            return Err(self.odd("is longer"));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(piece);
        }
        // Before the last piece is handed out: whoever gets it may take the blob for whole.
        if self.at == self.size { self.end() } else { Ok(()) }
    }

    /// Makes sure of the digest, once.
    fn end(&mut self) -> Result<(), RegistryError> {
        self.answer = None;
        match self.hasher.take().map(Hasher::finish) {
            Some(sent) if sent != self.digest => Err(self.attempt().odd(format!(
                "it should be {}, and the blob that was sent is {sent}",
                self.digest
            ))),
            _ => Ok(()),
        }
    }

    /// What of a piece has not come before.
    fn fresh(&mut self, mut piece: Bytes) -> Option<Bytes> {
        let known = self.skip.min(piece.len() as u64);
        self.skip -= known;
        let fresh = piece.split_off(usize::try_from(known).unwrap_or(piece.len()));
        (!fresh.is_empty()).then_some(fresh)
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let bound = self.remote.host.timeouts.answer;
        let Some(answer) = &mut self.answer else {
            return Ok(None);
        };
        match tokio::time::timeout(bound, answer.response.chunk()).await {
            Err(_) => Err(self.attempt().timeout()),
            Ok(piece) => piece.map_err(|error| self.attempt().transport(error)),
        }
    }

    async fn resume(&mut self, broken: RegistryError) -> Result<(), RegistryError> {
        self.answer = None;
        self.breaks += 1;
        let delay = self.remote.host.retry.delay(self.breaks);
        let Some(delay) = delay.filter(|_| broken.passes()) else {
            return Err(broken);
        };
        tracing::warn!(
            "{broken}; reading {} on from byte {} in {:.1} s",
            self.digest.short(),
            self.at,
            delay.as_secs_f64()
        );
        tokio::time::sleep(delay).await;
        self.open().await
    }

    async fn open(&mut self) -> Result<(), RegistryError> {
        let mut headers = HeaderMap::new();
        if self.at > 0 {
            let range = HeaderValue::from_str(&format!("bytes={}-", self.at));
            headers.insert(RANGE, range.map_err(|error| self.attempt().odd(error))?);
        }
        let answered = match self.remote.ask(Method::GET, self.url.clone(), headers).await {
            Err(error) if error.status() == Some(StatusCode::RANGE_NOT_SATISFIABLE) => {
                return Err(self.odd("is shorter"));
            }
            answered => answered?,
        };
        let header = |name| {
            answered
                .response
                .headers()
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let comes: Option<u64> = header(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        self.skip = match answered.response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let range = header(CONTENT_RANGE);
                let from = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
                match from {
                    Some(from) if from == self.at => 0,
                    // Part of what is there already comes again.
                    Some(from) if from < self.at => self.at - from,
                    _ => {
                        return Err(self
                            .attempt()
                            .odd("it was asked for the rest of a blob, and sends another part"));
                    }
                }
            }
            // It does not know about ranges.
            _ => self.at,
        };
        if comes.is_some_and(|comes| comes != self.size - self.at + self.skip) {
            return Err(self.odd("has another size"));
        }
        self.answer = Some(answered);
        Ok(())
    }

    fn attempt(&self) -> super::error::Attempt<'_> {
        self.remote.host.attempt(Method::GET, &self.url, &self.remote.access)
    }

    fn odd(&self, how: &str) -> RegistryError {
        self.attempt().odd(format!(
            "the blob {} {how} than the manifest says, which is {} bytes",
            self.digest, self.size
        ))
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
