//! The daemon's API, as far as it is needed: bollard, and what bollard lacks.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::{DistributionInspect, ImageInspect, ImageSummary};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptions, PushImageOptionsBuilder, RemoveImageOptionsBuilder,
    TagImageOptionsBuilder,
};
use bollard::{Docker, body_full};
use secrecy::ExposeSecret;

use super::answers;
use super::transfer::follow;
use crate::credentials::Credential;
use crate::engine::{DaemonTrouble, EngineError, Trouble};
use crate::events::Bytes;
use crate::image::{Digest, ImageRef, Platform, Reference, Repository};

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// A connection to a daemon that has answered.
#[derive(Debug, Clone)]
pub(super) struct Daemon {
    docker: Docker,
    pub(super) address: String,
}

/// What the daemon says of itself.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) version: String,
    pub(super) driver: String,
    pub(super) store: Store,
    /// What it pulls when nobody says.
    pub(super) platform: Option<Platform>,
}

/// How a daemon keeps images, which decides what a push changes (`docs/engines.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    /// Docker's own: an image's id is its config digest.
    Classic,
    /// containerd's: an image's id is its manifest's or index's digest.
    Containerd,
    /// Podman's.
    Podman,
}

/// A local image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Local {
    /// In the classic store, the config digest.
    pub(super) id: String,
    pub(super) platform: Option<Platform>,
    /// Its names by tag.
    pub(super) tags: Vec<String>,
    /// Its names by digest.
    pub(super) digests: Vec<String>,
}

/// What the daemon refused, with what it means.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) trouble: Trouble,
    pub(super) message: String,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let refusal = match error {
            Error::DockerResponseServerError { status_code, message } => Self {
                trouble: answers::meaning(Some(status_code), &message),
                message,
            },
            Error::DockerStreamError { error } => Self {
                trouble: answers::meaning(None, &error),
                message: error,
            },
            other => Self {
                trouble: Trouble::Other,
                message: format!("the daemon's answer broke off: {}", innermost(&other)),
            },
        };
        Self {
            message: answers::without_queries(&refusal.message),
            ..refusal
        }
    }
}

impl Daemon {
    /// Connects to `host`, or to Docker's usual socket.
    pub(super) async fn connect(host: Option<&str>) -> Result<Self, EngineError> {
        let address = host.unwrap_or(DEFAULT_HOST).to_owned();
        // Speaking plainly where TLS was asked for would show ECR's token to the network.
        let tls = std::env::var_os("DOCKER_TLS_VERIFY").is_some_and(|value| !value.is_empty());
        if tls && address.starts_with("tcp://") {
            return Err(EngineError::NoDaemon {
                address,
                trouble: DaemonTrouble::Tls,
                why: "DOCKER_TLS_VERIFY asks for TLS, which this version does not speak".to_owned(),
            });
        }
        let failed = |error: &Error| no_daemon(&address, error);
        let docker = Docker::connect_with_host(&address).map_err(|error| failed(&error))?;
        let docker = docker
            .with_request_modifier(url_safe_auth)
            .negotiate_version()
            .await
            .map_err(|error| failed(&error))?;
        Ok(Self { docker, address })
    }

    pub(super) async fn about(&self) -> Result<About, EngineError> {
        let asked = |error| no_daemon(&self.address, &error);
        let info = self.docker.info().await.map_err(asked)?;
        let version = self.docker.version().await.map_err(asked)?;
        let podman = version
            .components
            .iter()
            .flatten()
            .any(|component| component.name.contains("Podman"));
        let containerd = info
            .driver_status
            .iter()
            .flatten()
            .flatten()
            .any(|word| word.starts_with("io.containerd.snapshotter"));
        let platform = match (&version.os, &version.arch) {
            (Some(os), Some(architecture)) => format!("{os}/{architecture}").parse().ok(),
            _ => None,
        };
        Ok(About {
            platform,
            version: version.version.unwrap_or_else(|| "of unknown version".to_owned()),
            driver: info.driver.unwrap_or_default(),
            store: match (podman, containerd) {
                (true, _) => Store::Podman,
                (false, true) => Store::Containerd,
                (false, false) => Store::Classic,
            },
        })
    }

    /// Checks a login with the registry. The daemon keeps nothing of it.
    pub(super) async fn check_login(&self, registry: &str, credential: &Credential) -> Result<(), Refusal> {
        let body = serde_json::to_vec(&credentials(registry, credential)).unwrap_or_default();
        // bollard has no POST /auth: a request without a body is turned into one, so that it takes bollard's own way
        // to the daemon, whatever that is.
        let auth = self.docker.clone().with_request_modifier(move |mut request| {
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/auth"));
            if let Ok(uri) = http::Uri::from_parts(parts) {
                *request.uri_mut() = uri;
                *request.body_mut() = body_full(body.clone().into());
            }
            request
        });
        auth.tag_image("login", None::<bollard::query_parameters::TagImageOptions>)
            .await
            .map_err(Refusal::from)
    }

    /// The digest and platforms that a registry has for an image, without a pull.
    pub(super) async fn distribution(
        &self,
        image: &ImageRef,
        credential: Option<&Credential>,
    ) -> Result<DistributionInspect, Refusal> {
        let credentials = credential.map(|credential| credentials(&image.repository.host, credential));
        Ok(self
            .docker
            .inspect_registry_image(&image.to_string(), credentials)
            .await?)
    }

    /// Pulls an image; answers the digest of what the registry has under that name.
    pub(super) async fn pull(
        &self,
        image: &ImageRef,
        platform: Option<&Platform>,
        credential: Option<&Credential>,
        progress: impl FnMut(Bytes),
    ) -> Result<Option<Digest>, Refusal> {
        let mut options = CreateImageOptionsBuilder::default()
            .from_image(&image.repository.to_string())
            .tag(image.reference.as_str());
        let platform = platform.map(Platform::to_string);
        if let Some(platform) = &platform {
            options = options.platform(platform);
        }
        let credentials = credential.map(|credential| credentials(&image.repository.host, credential));
        let lines = self.docker.create_image(Some(options.build()), None, credentials);
        Ok(follow(lines, progress).await?)
    }

    /// Pushes a tag; answers the digest that the daemon says it pushed.
    pub(super) async fn push(
        &self,
        image: &ImageRef,
        credential: Option<&Credential>,
        progress: impl FnMut(Bytes),
    ) -> Result<Option<Digest>, Refusal> {
        // Without a tag the daemon pushes every tag of the repository.
        let options = PushImageOptionsBuilder::default().tag(image.reference.as_str()).build();
        let credentials = credential.map(|credential| credentials(&image.repository.host, credential));
        let lines = self
            .docker
            .push_image(&image.repository.to_string(), Some(options), credentials);
        Ok(follow(lines, progress).await?)
    }

    /// What a local name or id names; none where the daemon has no such image.
    pub(super) async fn local(&self, name: &str) -> Result<Option<Local>, EngineError> {
        match self.docker.inspect_image(name).await {
            Ok(image) => Ok(local(image)),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(self.failed(format!("inspect local {name}"), error)),
        }
    }

    pub(super) async fn images(&self) -> Result<Vec<ImageSummary>, EngineError> {
        self.docker
            .list_images(None::<ListImagesOptions>)
            .await
            .map_err(|error| self.failed("list the local images".to_owned(), error))
    }

    /// Gives a local image a tag.
    pub(super) async fn tag(&self, id: &str, repository: &Repository, tag: &str) -> Result<(), EngineError> {
        let options = TagImageOptionsBuilder::default()
            .repo(&repository.to_string())
            .tag(tag)
            .build();
        self.docker
            .tag_image(id, Some(options))
            .await
            .map_err(|error| self.failed(format!("tag {id} as {repository}:{tag}"), error))
    }

    /// Removes a name, and with the last one the image; none of its parents. One that has gone already is well.
    pub(super) async fn remove(&self, name: &str) -> Result<(), EngineError> {
        let options = RemoveImageOptionsBuilder::default().noprune(true).build();
        match self.docker.remove_image(name, Some(options), None).await {
            Ok(_) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            Err(error) => Err(self.failed(format!("remove local {name}"), error)),
        }
    }

    /// Takes a name from the image `id`, and nothing else: the image stays without it, also when it was its last, and its
    /// names by digest stay. Removing a name cannot do that; naming something else by it can.
    pub(super) async fn take_name_away(&self, image: &ImageRef, id: &str) -> Result<(), EngineError> {
        const KEEPS: &str = "ecr-keeper-keeps-this";
        let ImageRef { repository, reference } = image;
        let tag = match reference {
            Reference::Tag(tag) => tag.as_str(),
            // A digest cannot be given to something else: a tag keeps the image until the digest has gone.
            Reference::Digest(_) => {
                self.tag(id, repository, KEEPS).await?;
                self.remove(&image.to_string()).await?;
                KEEPS
            }
        };
        self.import_nothing(repository, tag).await?;
        self.remove(&format!("{repository}:{tag}")).await
    }

    /// Gives a tag to a new, empty image.
    async fn import_nothing(&self, repository: &Repository, tag: &str) -> Result<(), EngineError> {
        let options = CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(&repository.to_string())
            .tag(tag)
            .build();
        // Two empty blocks end a tar archive.
        let nothing = body_full(vec![0; 1024].into());
        let lines = self.docker.create_image(Some(options), Some(nothing), None);
        let read = follow(lines, |_| ()).await;
        read.map(drop)
            .map_err(|error| self.failed(format!("take {repository}:{tag} from its image"), error))
    }

    fn failed(&self, attempt: String, error: Error) -> EngineError {
        EngineError::Daemon {
            attempt,
            message: Refusal::from(error).message,
        }
    }
}

fn local(image: ImageInspect) -> Option<Local> {
    let platform = match (&image.os, &image.architecture) {
        (Some(os), Some(architecture)) => {
            let variant = image.variant.filter(|variant| !variant.is_empty());
            Some(Platform {
                os: os.clone(),
                architecture: architecture.clone(),
                variant,
            })
        }
        _ => None,
    };
    image.id.map(|id| Local {
        id,
        platform,
        tags: image.repo_tags.unwrap_or_default(),
        digests: image.repo_digests.unwrap_or_default(),
    })
}

fn credentials(registry: &str, credential: &Credential) -> DockerCredentials {
    let server = Some(registry.to_owned());
    match credential {
        Credential::Password { username, password } => DockerCredentials {
            username: Some(username.clone()),
            password: Some(password.expose_secret().to_owned()),
            serveraddress: server,
            ..DockerCredentials::default()
        },
        Credential::IdentityToken(token) => DockerCredentials {
            identitytoken: Some(token.expose_secret().to_owned()),
            serveraddress: server,
            ..DockerCredentials::default()
        },
    }
}

/// The daemon reads X-Registry-Auth as padded, URL-safe base64 (Docker Engine API, "Authentication"); bollard writes the
/// standard alphabet, which the daemon takes for no credentials at all once it holds `+` or `/`.
fn url_safe_auth(mut request: bollard::BollardRequest) -> bollard::BollardRequest {
    if let Some(value) = request.headers_mut().get_mut("x-registry-auth") {
        let mended = STANDARD
            .decode(value.as_bytes())
            .ok()
            .and_then(|json| URL_SAFE.encode(json).parse().ok());
        if let Some(mended) = mended {
            *value = mended;
            value.set_sensitive(true);
        }
    }
    request
}

fn innermost(error: &Error) -> String {
    anyhow::Chain::new(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn no_daemon(address: &str, error: &Error) -> EngineError {
    let kind = anyhow::Chain::new(error)
        .find_map(|cause| cause.downcast_ref::<io::Error>())
        .map(io::Error::kind);
    let trouble = match (error, kind) {
        (Error::SocketNotFoundError(_), _) => DaemonTrouble::Absent,
        (Error::UnsupportedURISchemeError { .. } | Error::InvalidURIError { .. }, _) => DaemonTrouble::Address,
        (_, Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)) => DaemonTrouble::Absent,
        (_, Some(io::ErrorKind::PermissionDenied)) => DaemonTrouble::NoPermission,
        _ => DaemonTrouble::Other,
    };
    EngineError::NoDaemon {
        address: address.to_owned(),
        trouble,
        why: match trouble {
            DaemonTrouble::Absent => "nothing listens there".to_owned(),
            DaemonTrouble::NoPermission => "permission denied".to_owned(),
            DaemonTrouble::Address => "not an address of a daemon (unix:///PATH or tcp://HOST:PORT)".to_owned(),
            DaemonTrouble::Tls | DaemonTrouble::Other => innermost(error),
        },
    }
}
