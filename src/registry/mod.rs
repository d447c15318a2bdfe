//! A client of the OCI distribution specification, version 1.1: manifests, blobs, tags and referrers of any registry.
//!
//! What passes by itself is tried again here; what streams through, and cannot be sent twice, by who holds both ends. Every digest and size is checked while it comes in.

mod auth;
mod blobs;
mod error;
mod host;
mod listings;
mod manifests;
mod pace;
mod reader;
mod upload;
mod ways;

pub use auth::{Credential, Credentials};
pub use blobs::Mounted;
pub use error::{Cause, MANIFEST_BLOB_UNKNOWN, RegistryError};
pub use host::HostOptions;
pub use manifests::{Head, Put};
pub use pace::{Limit, OnLimit};
pub use reader::BlobReader;
pub use upload::{Pieces, Upload};

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::HeaderMap;
use reqwest::{Method, Url};

use crate::image::{ImageRef, Repository};
use crate::retry::{Retry, Timeouts};
use error::Attempt;
use host::{Ask, Host};
use ways::Ways;

/// How registries are dealt with.
#[derive(Debug, Clone)]
pub struct Options {
    /// How often something that passes is tried.
    pub retry: Retry,
    /// How long a registry is waited for.
    pub timeouts: Timeouts,
    /// What is special about some of them, by `host[:port]`.
    pub hosts: BTreeMap<String, HostOptions>,
}

/// Asks registries. Clones share connections, logins and limits.
#[derive(Debug, Clone)]
pub struct Client {
    options: Arc<Options>,
    credentials: Arc<dyn Credentials>,
    hosts: Arc<Mutex<Hosts>>,
}

/// Registries that were asked.
#[derive(Debug, Default)]
struct Hosts {
    by_name: HashMap<String, Arc<Host>>,
    usual: Option<Ways>,
}

/// A repository of a registry, as it is asked.
#[derive(Debug, Clone)]
pub struct Remote {
    host: Arc<Host>,
    repository: Repository,
    access: Access,
}

/// What a login is for (distribution's "Token Scope Documentation").
#[derive(Debug, Clone)]
struct Access {
    path: String,
    push: bool,
    /// A repository that blobs are mounted from.
    from: Option<String>,
}

impl Access {
    fn path(&self) -> &str {
        &self.path
    }

    fn scopes(&self) -> impl Iterator<Item = String> {
        let actions = if self.push { "pull,push" } else { "pull" };
        let own = (!self.path.is_empty()).then(|| format!("repository:{}:{actions}", self.path));
        let from = self.from.as_ref().map(|from| format!("repository:{from}:pull"));
        own.into_iter().chain(from)
    }

    fn key(&self) -> String {
        self.scopes().collect::<Vec<_>>().join(" ")
    }
}

impl Client {
    /// A client that takes proxies from the environment, trusts the system's certificates, and logs in with `credentials`.
    pub fn new(options: Options, credentials: Arc<dyn Credentials>) -> Self {
        Self {
            options: Arc::new(options),
            credentials,
            hosts: Arc::default(),
        }
    }

    fn host(&self, name: &str) -> Result<Arc<Host>, RegistryError> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.by_name.get(name) {
            return Ok(known.clone());
        }
        let Options {
            retry,
            timeouts,
            hosts: own,
        } = &*self.options;
        let options = own.get(name).cloned().unwrap_or_default();
        let credentials = self.credentials.clone();
        let host = Host::new(name, options, *retry, *timeouts, credentials, &mut hosts.usual)?;
        let host = Arc::new(host);
        hosts.by_name.insert(name.to_owned(), host.clone());
        Ok(host)
    }

    /// A repository to read from.
    ///
    /// # Errors
    /// Where the HTTP client cannot be set up.
    pub fn source(&self, repository: &Repository) -> Result<Remote, RegistryError> {
        self.remote(repository, false)
    }

    /// A repository to write to.
    ///
    /// # Errors
    /// Where the HTTP client cannot be set up.
    pub fn target(&self, repository: &Repository) -> Result<Remote, RegistryError> {
        self.remote(repository, true)
    }

    fn remote(&self, repository: &Repository, push: bool) -> Result<Remote, RegistryError> {
        Ok(Remote {
            host: self.host(&repository.host)?,
            access: Access {
                path: repository.path.to_string(),
                push,
                from: None,
            },
            repository: repository.clone(),
        })
    }

    /// Whether a registry answers, and takes the login.
    pub async fn ping(&self, host: &str) -> Result<(), RegistryError> {
        let remote = self.source(&Repository {
            host: host.into(),
            path: "".into(),
        })?;
        let url = remote.url(&format!("{}/", remote.host.base()))?;
        remote.ask(Method::GET, url, HeaderMap::new()).await.map(drop)
    }

    /// What registries said about their limits, by host.
    pub fn limits(&self) -> BTreeMap<String, Limit> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let hosts = hosts.by_name.iter();
        hosts
            .filter_map(|(name, host)| Some((name.clone(), host.limit()?)))
            .collect()
    }
}

impl Remote {
    /// Which repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// What is there is not what belongs there.
    pub fn odd(&self, why: impl ToString) -> RegistryError {
        self.attempt(Method::GET).odd(why)
    }

    fn attempt(&self, method: Method) -> Attempt<'_> {
        Attempt {
            method,
            host: self.host.name(),
            path: &self.access.path,
        }
    }

    fn url(&self, text: &str) -> Result<Url, RegistryError> {
        Url::parse(text).map_err(|error| self.attempt(Method::GET).odd(format!("no address: {error}")))
    }

    /// The address of something in this repository.
    fn place(&self, rest: &str) -> Result<Url, RegistryError> {
        self.url(&format!("{}/{}/{rest}", self.host.base(), self.access.path))
    }

    async fn ask(&self, method: Method, url: Url, headers: HeaderMap) -> Result<host::Answered, RegistryError> {
        let ask = Ask {
            method,
            url,
            access: &self.access,
            headers,
            body: None,
            bound: self.host.timeouts.answer,
        };
        self.host.ask(&ask).await
    }
}

/// Where registries are really asked: in their order, `host[:port][/prefix]` by the registry's host. A registry that has any
/// is not asked itself, unless it is named among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors(pub BTreeMap<String, Vec<String>>);

impl Mirrors {
    /// Where an image is asked for, the first place first; never none.
    pub fn places_of(&self, image: &ImageRef) -> Vec<ImageRef> {
        let repositories = self.repositories_of(&image.repository).into_iter();
        repositories
            .map(|repository| repository.image(image.reference.clone()))
            .collect()
    }

    /// Where a repository is asked for.
    pub fn repositories_of(&self, repository: &Repository) -> Vec<Repository> {
        let place = |mirror: &String| {
            let (host, path) = match mirror.split_once('/') {
                Some((host, prefix)) => (host, format!("{prefix}/{}", repository.path).into()),
                None => (mirror.as_str(), repository.path.clone()),
            };
            Repository {
                host: host.into(),
                path,
            }
        };
        let mirrors = self.0.get(repository.host.as_ref()).into_iter().flatten();
        let places: Vec<Repository> = mirrors.map(place).collect();
        match places.is_empty() {
            true => vec![repository.clone()],
            false => places,
        }
    }

    /// The first of them.
    pub fn place_of(&self, image: &ImageRef) -> ImageRef {
        self.places_of(image).swap_remove(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_asked_in_their_order_and_nobody_else() {
        let of = ["mirror.example.com/hub", "docker.io"].map(str::to_owned).to_vec();
        let mirrors = Mirrors(BTreeMap::from([("docker.io".to_owned(), of)]));
        let places = |image: &str| -> Vec<String> {
            let places = mirrors.places_of(&image.parse().unwrap());
            places.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            places("nginx:1"),
            ["mirror.example.com/hub/library/nginx:1", "docker.io/library/nginx:1"]
        );
        assert_eq!(places("quay.io/a/b:1"), ["quay.io/a/b:1"]);
    }
}
