//! Reading a blob, with a check of every byte, and on from where it broke off.

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, StatusCode, Url};

use super::host::Answered;
use super::{Cause, RegistryError, Remote};
use crate::image::{Digest, Hasher};
use crate::retry::Passes;

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

impl Remote {
    /// Begins to read a blob of `size` bytes.
    pub async fn blob(&self, digest: &Digest, size: u64) -> Result<BlobReader, RegistryError> {
        let url = self.place(&format!("blobs/{digest}"))?;
        self.blob_at(url, digest, size).await
    }

    /// Begins to read a layer from the first of the addresses that its descriptor names which has it. No login is shown there.
    pub async fn foreign_blob(
        &self,
        addresses: &[String],
        digest: &Digest,
        size: u64,
    ) -> Result<BlobReader, RegistryError> {
        let mut failed = None;
        for address in addresses {
            match self.blob_elsewhere(address, digest, size).await {
                Ok(reader) => return Ok(reader),
                Err(error) => {
                    if let Some(before) = failed.replace(error) {
                        tracing::debug!("{before}");
                    }
                }
            }
        }
        Err(failed.unwrap_or_else(|| self.attempt(Method::GET).odd("a foreign layer without an address")))
    }

    async fn blob_elsewhere(&self, url: &str, digest: &Digest, size: u64) -> Result<BlobReader, RegistryError> {
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
