//! The daemon's API, as far as it is needed: bollard, and what bollard lacks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bollard::errors::Error;
use bollard::models::DistributionInspect;
use bollard::query_parameters::{CreateImageOptionsBuilder, PushImageOptionsBuilder, TagImageOptions};
use bollard::{API_DEFAULT_VERSION, Docker, body_full};
use tokio::sync::Mutex;

use super::address::{Address, Whereabouts};
use super::answers;
use super::refusal::{Refusal, has_gone, no_daemon};
use super::requests::{at, credentials, in_json, url_safe_auth};
use super::transfer::follow;
use crate::engine::{EngineError, Trouble};
use crate::events::Bytes;
use crate::image::{Digest, ImageRef, Platform};
use crate::plan::Keeps;
use crate::registry::Credential;

/// How often a daemon that has gone is asked whether it is back.
const PING_EVERY: Duration = Duration::from_millis(250);

/// How often something is asked while images go.
const WHILE_IMAGES_GO: usize = 20;

/// How long the daemon is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For its answer to a question.
    pub answer: Duration,
    /// For the next sign of life of a pull or push.
    pub transfer: Duration,
    /// For its return, when it has gone.
    pub daemon: Duration,
}

/// A connection to a daemon that has answered.
#[derive(Debug, Clone)]
pub(super) struct Daemon {
    pub(super) docker: Docker,
    pub(super) address: Address,
    pub(super) patience: Patience,
    absence: Arc<Absence>,
}

/// A daemon that was there and has gone.
#[derive(Debug, Default)]
struct Absence {
    /// Held by the one who waits for it; all others wait for that one.
    waiting: Mutex<()>,
    /// It did not come back in time.
    lost: AtomicBool,
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
    /// containerd's: an image's id is its manifest's or index's digest, and both are pushed as they came.
    Containerd,
    /// Podman's: an image's id is its config digest.
    Podman,
}

impl Store {
    pub(super) fn keeps(self) -> Keeps {
        match self {
            Self::Classic | Self::Podman => Keeps::Content,
            Self::Containerd => Keeps::Manifests,
        }
    }
}

impl Daemon {
    /// Connects to where the daemon is said to be, or to the usual places.
    pub(super) async fn connect(whereabouts: &Whereabouts, patience: Patience) -> Result<Self, EngineError> {
        let address = whereabouts.find()?;
        let failed = |error: &Error| no_daemon(&address, error);
        // bollard's bound is for the head of an answer, which a pull or push may not have before its first line.
        let seconds = patience.transfer.as_secs().max(1);
        let docker = match &address {
            Address::Unix(path) => Docker::connect_with_unix(&path.display().to_string(), seconds, API_DEFAULT_VERSION),
            Address::Tcp { host, tls: None } => {
                Docker::connect_with_http(&format!("tcp://{host}"), seconds, API_DEFAULT_VERSION)
            }
            Address::Tcp { host, tls: Some(files) } => {
                // Another one that was there before is as good.
                let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
                let (key, cert, ca) = (&files.key, &files.cert, &files.ca);
                Docker::connect_with_ssl(&format!("tcp://{host}"), key, cert, ca, seconds, API_DEFAULT_VERSION)
            }
        };
        let docker = docker
            .map_err(|error| failed(&error))?
            .with_request_modifier(url_safe_auth);
        let docker = tokio::time::timeout(patience.answer, docker.negotiate_version())
            .await
            .map_err(|_| failed(&Error::RequestTimeoutError))?
            .map_err(|error| failed(&error))?;
        Ok(Self {
            docker,
            address,
            patience,
            absence: Arc::default(),
        })
    }

    pub(super) async fn about(&self) -> Result<About, EngineError> {
        let asked = |error| no_daemon(&self.address, &error);
        let info = self
            .asked_once(&async || self.docker.info().await)
            .await
            .map_err(asked)?;
        let version = self
            .asked_once(&async || self.docker.version().await)
            .await
            .map_err(asked)?;
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
        let api = version.api_version.unwrap_or_default();
        // From here on the daemon says which manifests an image has (Docker Engine API, version history).
        if containerd && !podman && !reaches(&api, 48) {
            return Err(EngineError::StoreNotHandled {
                address: self.address.to_string(),
                found: format!(
                    "Docker {} with the containerd image store and API {api}",
                    version.version.unwrap_or_default()
                ),
            });
        }
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

    /// Whether the daemon has gone for good: it did not come back in the time that it is given.
    pub(super) fn is_lost(&self) -> bool {
        self.absence.lost.load(Ordering::Relaxed)
    }

    /// Waits until a daemon that has gone is back, or the time for that is over.
    pub(super) async fn wait_until_back(&self) {
        let Ok(_alone) = self.absence.waiting.try_lock() else {
            drop(self.absence.waiting.lock().await);
            return;
        };
        let (began, mut told) = (Instant::now(), false);
        loop {
            if self.is_lost() {
                return;
            }
            let ping = tokio::time::timeout(self.patience.answer, self.docker.ping());
            if matches!(ping.await, Ok(Ok(_))) {
                if told {
                    tracing::warn!("the daemon at {} is back", self.address);
                }
                return;
            }
            if began.elapsed() > self.patience.daemon {
                self.absence.lost.store(true, Ordering::Relaxed);
                return;
            }
            if !told {
                tracing::warn!(
                    "the daemon at {} has gone; waiting up to {} for it to come back",
                    self.address,
                    humantime::format_duration(self.patience.daemon)
                );
                told = true;
            }
            tokio::time::sleep(PING_EVERY).await;
        }
    }

    fn refusal(&self, error: Error) -> Refusal {
        let lost = has_gone(&error) && self.is_lost();
        let refusal = Refusal::from(error);
        match lost {
            true => Refusal {
                trouble: Trouble::DaemonLost,
                ..refusal
            },
            false => refusal,
        }
    }

    /// Asks a question that may be asked twice: again where an image went just then.
    pub(super) async fn ask<T>(&self, question: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
        for _ in 1..WHILE_IMAGES_GO {
            match self.asked(&question).await {
                // Podman takes the list of all images and then looks at each, also to answer about one.
                Err(Error::DockerResponseServerError {
                    status_code: 500,
                    message,
                }) if answers::went_meanwhile(&message) => tokio::time::sleep(PING_EVERY / 10).await,
                answer => return answer,
            }
        }
        self.asked(&question).await
    }

    /// Asks a daemon that goes meanwhile again when it is back.
    async fn asked<T>(&self, question: &impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
        const TIMES: usize = 3;
        for _ in 1..TIMES {
            match self.asked_once(question).await {
                // It may be a registry that does not answer the daemon: who is asked again would wait as long again.
                Err(Error::RequestTimeoutError) => {
                    self.wait_until_back().await;
                    return Err(Error::RequestTimeoutError);
                }
                Err(error) if has_gone(&error) && !self.is_lost() => self.wait_until_back().await,
                answer => return answer,
            }
        }
        self.asked_once(question).await
    }

    async fn asked_once<T>(&self, question: &impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
        let answer = tokio::time::timeout(self.patience.answer, question()).await;
        answer.unwrap_or(Err(Error::RequestTimeoutError))
    }

    /// Checks a login with the registry. The daemon keeps nothing of it.
    pub(super) async fn check_login(&self, registry: &str, credential: &Credential) -> Result<(), Refusal> {
        let body = serde_json::to_vec(&credentials(registry, credential)).unwrap_or_default();
        // bollard has no POST /auth: a request without a body is turned into one, so that it takes bollard's own way
        // to the daemon, whatever that is.
        let auth = self.docker.clone().with_request_modifier(move |mut request| {
            at(&mut request, "/auth".to_owned());
            *request.body_mut() = body_full(body.clone().into());
            request
        });
        self.ask(async || auth.tag_image("login", None::<TagImageOptions>).await)
            .await
            .map_err(|error| self.refusal(error))
    }

    /// The digest and platforms that a registry has for an image, without a pull.
    pub(super) async fn distribution(
        &self,
        image: &ImageRef,
        credential: Option<&Credential>,
    ) -> Result<DistributionInspect, Refusal> {
        let credentials = credential.map(|credential| credentials(&image.repository.host, credential));
        let name = image.to_string();
        let asked = async || self.docker.inspect_registry_image(&name, credentials.clone()).await;
        self.ask(asked).await.map_err(|error| self.refusal(error))
    }

    /// Pulls an image; answers the digest of what the registry has under that name, where the daemon tells.
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
        self.transferred(follow(lines, self.patience.transfer, progress).await)
            .await
    }

    /// Pushes a tag, all of it or one platform's manifest; answers the digest that the daemon says it pushed.
    pub(super) async fn push(
        &self,
        image: &ImageRef,
        platform: Option<&Platform>,
        credential: Option<&Credential>,
        progress: impl FnMut(Bytes),
    ) -> Result<Option<Digest>, Refusal> {
        // Without a tag the daemon pushes every tag of the repository.
        let mut options = PushImageOptionsBuilder::default().tag(image.reference.as_str());
        let platform = platform.map(|platform| in_json(platform).to_string());
        if let Some(platform) = &platform {
            options = options.platform(platform);
        }
        let credentials = credential.map(|credential| credentials(&image.repository.host, credential));
        let lines = self
            .docker
            .push_image(&image.repository.to_string(), Some(options.build()), credentials);
        self.transferred(follow(lines, self.patience.transfer, progress).await)
            .await
    }

    /// The end of a transfer. Where the daemon has gone, it is waited for here: whoever tries again finds it back.
    async fn transferred(&self, ended: Result<Option<Digest>, Error>) -> Result<Option<Digest>, Refusal> {
        let error = match ended {
            Ok(digest) => return Ok(digest),
            Err(error) => error,
        };
        if has_gone(&error) {
            self.wait_until_back().await;
        }
        Err(self.refusal(error))
    }

    pub(super) fn failed(&self, attempt: String, error: Error) -> EngineError {
        let refusal = self.refusal(error);
        EngineError::Daemon {
            attempt,
            trouble: refusal.trouble,
            message: refusal.message,
        }
    }
}

/// Whether an API version `1.MINOR` is at least `1.minor`.
fn reaches(api: &str, minor: u32) -> bool {
    let own = api.strip_prefix("1.").and_then(|rest| rest.parse::<u32>().ok());
    own.is_some_and(|own| own >= minor)
}
