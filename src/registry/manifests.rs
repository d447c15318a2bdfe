//! Manifests: what a name names, reading them and putting them.

use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Body, Method, Response, StatusCode, Url};

use super::host::Ask;
use super::{Cause, RegistryError, Remote};
use crate::image::{Digest, Kind, Manifest, NoManifest, Reference};
use crate::retry::Passes;

/// Every kind of manifest that can be copied; without the header a registry may answer another one.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.artifact.manifest.v1+json";

/// No registry has to accept a larger manifest (OCI distribution specification, "Pushing Manifests").
const LARGEST_MANIFEST: usize = 4 << 20;

const DIGEST: &str = "docker-content-digest";
const SUBJECT: &str = "oci-subject";

/// What a registry says of a name without showing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The digest that it names.
    pub digest: Digest,
    /// What that is, as far as the registry says.
    pub kind: Kind,
}

/// How a manifest was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put {
    /// Whether the registry looks after what belongs to a subject itself (OCI distribution specification, "Pushing
    /// Manifests with Subject").
    pub knows_subjects: bool,
    /// Whether it said which digest it took: the right one.
    pub is_confirmed: bool,
}

impl Remote {
    /// What a name names, by a HEAD, which no registry counts as a pull; by reading it, where the answer says no digest.
    pub async fn head(&self, reference: &Reference) -> Result<Head, RegistryError> {
        let answered = self.ask_for(Method::HEAD, reference).await?;
        let attempt = self.attempt(Method::HEAD);
        let digest = match answered.headers().get(DIGEST).map(HeaderValue::to_str) {
            Some(text) => {
                let said = text.unwrap_or_default();
                said.parse()
                    .map_err(|error| attempt.odd(format!("Docker-Content-Digest: {error}")))?
            }
            None => {
                let Manifest { digest, kind, .. } = self.manifest(reference).await?;
                return Ok(Head { digest, kind });
            }
        };
        if let Reference::Digest(wanted) = reference
            && *wanted != digest
        {
            return Err(attempt.odd(format!("it was asked for {wanted} and says that this is {digest}")));
        }
        Ok(Head {
            digest,
            kind: Kind::of_media_type(media_type(answered.headers())),
        })
    }

    /// Whether there is a manifest of this digest.
    pub async fn has_manifest(&self, digest: &Digest) -> Result<bool, RegistryError> {
        match self.ask_for(Method::HEAD, &digest.clone().into()).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What a name names, checked against its digest where it is one, and read.
    pub async fn manifest(&self, reference: &Reference) -> Result<Manifest, RegistryError> {
        let attempt = self.attempt(Method::GET);
        let (headers, bytes) = self
            .read(self.manifest_at(reference)?, accept(), LARGEST_MANIFEST)
            .await?;
        let bytes = bytes.ok_or_else(|| attempt.odd("the manifest is larger than 4 MiB"))?;
        let media_type = media_type(&headers);
        // What stands before a network's way out answers so, and its digest would say little.
        if media_type == "text/html" {
            return Err(attempt.odd("a web page (text/html) was sent in place of the manifest"));
        }
        let said = headers
            .get(DIGEST)
            .and_then(|value| value.to_str().ok()?.parse::<Digest>().ok());
        let wanted = match reference {
            Reference::Digest(wanted) => Some(wanted),
            Reference::Tag(_) => said.as_ref(),
        };
        if let Some(wanted) = wanted.filter(|wanted| !wanted.is_of(&bytes)) {
            let sent = Digest::of(&bytes);
            return Err(attempt.odd(format!(
                "it should be {wanted}, and the manifest that was sent is {sent}"
            )));
        }
        let mut manifest = Manifest::read(media_type, bytes).map_err(|why| match why {
            NoManifest::Schema1 | NoManifest::Unknown(_) => attempt.error(Cause::NoManifest, why),
            why => attempt.odd(format!("the manifest cannot be read: {why}")),
        })?;
        // The name that it goes by, whichever algorithm that is of.
        if let Some(wanted) = wanted {
            manifest.digest = wanted.clone();
        }
        Ok(manifest)
    }

    /// Puts a manifest under its digest, or under a tag. The registry has to answer with the same digest.
    pub async fn put(&self, manifest: &Manifest, reference: &Reference) -> Result<Put, RegistryError> {
        let attempt = self.attempt(Method::PUT);
        let url = self.manifest_at(reference)?;
        let mut headers = HeaderMap::new();
        let media_type = HeaderValue::from_str(manifest.media_type()).map_err(|error| attempt.odd(error))?;
        headers.insert(CONTENT_TYPE, media_type);
        let bytes = bytes::Bytes::from(manifest.bytes.clone());
        let body = || Body::from(bytes.clone());
        let answered = self
            .host
            .ask(&Ask {
                method: Method::PUT,
                url,
                access: &self.access,
                headers,
                body: Some(&body),
                bound: self.host.timeouts.answer,
            })
            .await?;
        let headers = answered.response.headers();
        let said = headers.get(DIGEST).and_then(|value| value.to_str().ok());
        match (answered.response.status(), said) {
            (StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED, None) => {}
            (StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED, Some(said))
                if said == manifest.digest.as_str() => {}
            (StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED, Some(said)) => {
                return Err(attempt.odd(format!("{} was put, and it says that it took {said}", manifest.digest)));
            }
            (status, _) => return Err(attempt.odd(format!("{status} is no answer to a manifest"))),
        }
        Ok(Put {
            knows_subjects: headers.contains_key(SUBJECT),
            is_confirmed: said.is_some(),
        })
    }

    async fn ask_for(&self, method: Method, reference: &Reference) -> Result<Response, RegistryError> {
        Ok(self.ask(method, self.manifest_at(reference)?, accept()).await?.response)
    }

    fn manifest_at(&self, reference: &Reference) -> Result<Url, RegistryError> {
        self.place(&format!("manifests/{}", reference.as_str()))
    }

    /// A whole answer with its headers; none where it is larger than `most` bytes. One that breaks off is asked for again.
    pub(super) async fn read(
        &self,
        url: Url,
        headers: HeaderMap,
        most: usize,
    ) -> Result<(HeaderMap, Option<Vec<u8>>), RegistryError> {
        let mut breaks = 0;
        loop {
            let mut answered = self.ask(Method::GET, url.clone(), headers.clone()).await?;
            let error = match self.whole(&mut answered.response, most).await {
                Ok(whole) => return Ok((std::mem::take(answered.response.headers_mut()), whole)),
                Err(error) => error,
            };
            breaks += 1;
            let Some(delay) = self.host.retry.delay(breaks).filter(|_| error.passes()) else {
                return Err(error);
            };
            tracing::warn!("{error}; trying again in {:.1} s", delay.as_secs_f64());
            // It counts as open until then.
            drop(answered);
            tokio::time::sleep(delay).await;
        }
    }

    /// A whole answer; none where it is larger than `most` bytes.
    async fn whole(&self, response: &mut Response, most: usize) -> Result<Option<Vec<u8>>, RegistryError> {
        let attempt = self.attempt(Method::GET);
        let said = response
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        if said.is_some_and(|said: usize| said > most) {
            return Ok(None);
        }
        let mut whole = Vec::with_capacity(said.unwrap_or_default());
        loop {
            match tokio::time::timeout(self.host.timeouts.answer, response.chunk()).await {
                Err(_) => return Err(attempt.timeout()),
                Ok(Err(error)) => return Err(attempt.transport(error)),
                Ok(Ok(None)) => return Ok(Some(whole)),
                Ok(Ok(Some(piece))) => whole.extend_from_slice(&piece),
            }
            if whole.len() > most {
                return Ok(None);
            }
        }
    }
}

fn accept() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(MANIFESTS))])
}

fn media_type(headers: &HeaderMap) -> &str {
    let media_type = headers.get(CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.split(';').next().unwrap_or_default().trim()
}
