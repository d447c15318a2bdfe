//! A client of the OCI distribution specification, as far as this program asks registries by itself: what a name's manifest
//! is, and which manifests an image index lists.

mod auth;
mod error;

pub use auth::Credential;
pub use error::RegistryError;

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::image::{Child, Digest, ImageRef, Kind, Observed, Platform, Repository};
use crate::retry::Timeouts;
use auth::Bearer;

/// Every kind of manifest that can be copied; without the header a registry may answer another one.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// No registry has to accept a larger manifest (OCI distribution specification, "Pushing Manifests").
const LARGEST_MANIFEST: usize = 4 << 20;

/// Asks registries. Clones share connections and tokens.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Follows no redirect.
    tokens: reqwest::Client,
    /// Tokens by what they were given for.
    bearers: Arc<Mutex<HashMap<String, Bearer>>>,
}

impl Client {
    /// A client that takes proxies from the environment, and trusts the system's certificates.
    pub fn new(timeouts: Timeouts) -> Result<Self, RegistryError> {
        let builder = || {
            reqwest::Client::builder()
                .connect_timeout(timeouts.connect)
                .timeout(timeouts.answer)
                .user_agent(concat!("ecr-keeper/", env!("CARGO_PKG_VERSION")))
        };
        // A login is for whom the registry named, not for whom that one names.
        let tokens = builder().redirect(reqwest::redirect::Policy::none()).build();
        Ok(Self {
            http: builder().build().map_err(RegistryError::setup)?,
            tokens: tokens.map_err(RegistryError::setup)?,
            bearers: Arc::default(),
        })
    }

    /// Whether a registry takes a login.
    pub async fn check_login(&self, host: &str, credential: Option<&Credential>) -> Result<(), RegistryError> {
        let url = format!("{}/", base(host));
        self.ask(Method::GET, host, "", &url, credential).await.map(drop)
    }

    /// What a registry has under a name, by a HEAD, which no registry counts as a pull.
    pub async fn observe(&self, image: &ImageRef, credential: Option<&Credential>) -> Result<Observed, RegistryError> {
        let answer = self.manifest(Method::HEAD, image, credential).await?;
        let kind = kind_of(&answer);
        let digest = answer.headers().get("docker-content-digest");
        let told = digest.and_then(|value| value.to_str().ok()?.parse::<Digest>().ok());
        match told {
            Some(top) => Ok(Observed {
                top,
                kind,
                platforms: Vec::new(),
                children: None,
            }),
            None => self.read(image, credential).await,
        }
    }

    /// What an image runs on, by its config blob; none where that does not say.
    pub async fn platform(
        &self,
        repository: &Repository,
        config: &Digest,
        credential: Option<&Credential>,
    ) -> Result<Option<Platform>, RegistryError> {
        let Repository { host, path } = repository;
        let url = format!("{}/{path}/blobs/{config}", base(host));
        let blob = repository.image(config.clone());
        let answer = self.ask(Method::GET, host, path, &url, credential).await?;
        let text = self.text(&blob, answer).await?;
        match Digest::of(text.as_bytes()) {
            sent if sent == *config => {}
            sent => {
                return Err(RegistryError::odd(
                    Method::GET,
                    &blob,
                    format!("the blob that was sent is {sent}"),
                ));
            }
        }
        let own: EntryPlatform =
            serde_json::from_str(&text).map_err(|error| RegistryError::odd(Method::GET, &blob, error))?;
        Ok(own.platform())
    }

    /// What a registry has under a name, by reading it: with the manifests that an index lists.
    pub async fn read(&self, image: &ImageRef, credential: Option<&Credential>) -> Result<Observed, RegistryError> {
        let answer = self.manifest(Method::GET, image, credential).await?;
        let kind = kind_of(&answer);
        let text = self.text(image, answer).await?;
        let top = Digest::of(text.as_bytes());
        if let crate::image::Reference::Digest(wanted) = &image.reference
            && *wanted != top
        {
            return Err(RegistryError::odd(
                Method::GET,
                image,
                format!("the manifest that was sent is {top}"),
            ));
        }
        let children = match kind.is_index() {
            true => Some(children(&text).map_err(|why| RegistryError::odd(Method::GET, image, why))?),
            false => None,
        };
        let platforms = children.iter().flatten().filter_map(|child| child.platform.clone());
        Ok(Observed {
            top,
            kind,
            platforms: platforms.collect(),
            children,
        })
    }

    async fn text(&self, image: &ImageRef, mut answer: Response) -> Result<String, RegistryError> {
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| {
            RegistryError::transport(Method::GET, &image.repository.host, &image.repository.path, error)
        })? {
            body.extend_from_slice(&piece);
            if body.len() > LARGEST_MANIFEST {
                return Err(RegistryError::odd(
                    Method::GET,
                    image,
                    "the manifest is larger than 4 MiB",
                ));
            }
        }
        String::from_utf8(body).map_err(|error| RegistryError::odd(Method::GET, image, error))
    }

    async fn manifest(
        &self,
        method: Method,
        image: &ImageRef,
        credential: Option<&Credential>,
    ) -> Result<Response, RegistryError> {
        let ImageRef { repository, reference } = image;
        let url = format!(
            "{}/{}/manifests/{}",
            base(&repository.host),
            repository.path,
            reference.as_str()
        );
        self.ask(method, &repository.host, &repository.path, &url, credential)
            .await
    }

    /// Asks, logs in where the registry says how, and asks again.
    async fn ask(
        &self,
        method: Method,
        host: &str,
        path: &str,
        url: &str,
        credential: Option<&Credential>,
    ) -> Result<Response, RegistryError> {
        let scope = format!("{host}/{path}");
        let known = self.bearers.lock().await.get(&scope).cloned();
        let mut authorization = known.filter(Bearer::is_fresh).map(|bearer| bearer.header());
        for challenged in [false, true] {
            let mut request = self.http.request(method.clone(), url).header(ACCEPT, MANIFESTS);
            if let Some(authorization) = authorization.take() {
                request = request.header(AUTHORIZATION, authorization);
            }
            let answer = request
                .send()
                .await
                .map_err(|error| RegistryError::transport(method.clone(), host, path, error))?;
            match answer.status() {
                status if status.is_success() => return Ok(answer),
                StatusCode::UNAUTHORIZED if !challenged => {
                    authorization = self.answer_challenge(&answer, host, path, &scope, credential).await?;
                    if authorization.is_none() {
                        return Err(RegistryError::refused(method, host, path, answer).await);
                    }
                }
                _ => return Err(RegistryError::refused(method, host, path, answer).await),
            }
        }
        unreachable!("the second answer is returned, whatever it is")
    }
}

/// Where a registry's API is.
fn base(host: &str) -> String {
    // Docker Hub's has a name of its own.
    let host = match host {
        "docker.io" => "registry-1.docker.io",
        host => host,
    };
    format!("{}://{host}/v2", scheme(host))
}

/// Plain HTTP on this machine's own loopback addresses, as Docker does; TLS everywhere else.
fn scheme(host: &str) -> &'static str {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let loopback = name == "localhost"
        || name
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    match loopback {
        true => "http",
        false => "https",
    }
}

fn kind_of(answer: &Response) -> Kind {
    let media_type = answer.headers().get(CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    Kind::of_media_type(media_type.split(';').next().unwrap_or_default().trim())
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: Digest,
    platform: Option<EntryPlatform>,
}

#[derive(Deserialize)]
struct EntryPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

impl EntryPlatform {
    /// None where it names none, or the one under which BuildKit files attestations.
    fn platform(self) -> Option<Platform> {
        let named = !self.os.is_empty() && !self.architecture.is_empty();
        let platform = Platform {
            os: self.os,
            architecture: self.architecture,
            variant: self.variant.filter(|variant| !variant.is_empty()),
        };
        (named && !platform.is_unknown()).then_some(platform)
    }
}

/// The manifests that an image index lists.
fn children(index: &str) -> Result<Vec<Child>, serde_json::Error> {
    let index: Index = serde_json::from_str(index)?;
    let child = |entry: Entry| Child {
        digest: entry.digest,
        platform: entry.platform.and_then(EntryPlatform::platform),
    };
    Ok(index.manifests.into_iter().map(child).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_asked_plainly_and_all_else_over_tls() {
        for host in ["127.0.0.1:5000", "localhost:80", "[::1]:5000", "127.1.2.3"] {
            assert_eq!(scheme(host), "http", "{host}");
        }
        for host in ["registry.example.com", "10.0.0.1:5000", "localhost.example.com:443"] {
            assert_eq!(scheme(host), "https", "{host}");
        }
    }

    #[test]
    fn an_index_lists_platforms_and_attestations() {
        // The shape of the OCI image specification's "image-index.md", with BuildKit's attestation as an entry.
        let digit = |digit: char| format!("sha256:{}", digit.to_string().repeat(64));
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
            {{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"{}",
              "platform":{{"architecture":"arm","os":"linux","variant":"v7"}}}},
            {{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"{}",
              "platform":{{"architecture":"unknown","os":"unknown"}}}}]}}"#,
            digit('a'),
            digit('b')
        );
        let children = children(&index).unwrap();
        assert_eq!(children[0].platform, Some("linux/arm/v7".parse().unwrap()));
        assert_eq!(
            (children[1].digest.as_str(), &children[1].platform),
            (digit('b').as_str(), &None)
        );
    }
}
