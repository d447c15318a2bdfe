//! Copies through a Docker daemon: pull, tag, push.
//!
//! Every byte of a copy passes through the daemon, so that its proxies, mirrors and certificates hold. What a daemon does
//! to an image on the way depends on how it keeps images, and is told in `docs/engines.md`.

mod address;
mod answers;
mod claims;
mod copy;
mod daemon;
mod local;
mod names;
mod ready;
mod refusal;
mod requests;
mod transfer;

pub use self::address::Whereabouts;
pub use self::daemon::Patience;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::claims::{Claim, Claims};
use self::copy::{Copy, Done};
use self::daemon::{About, Daemon, Store};
use self::local::platform_of;
use self::refusal::Refusal;
use super::registries::login_failed;
use super::turns::Turns;
use super::{Copied, EngineError, Goal, Order, Registries, Side, Trouble};
use crate::credentials::Keyring;
use crate::events::CopyStep;
use crate::image::{Digest, ImageRef, Kind, Observed, Platform, Repository};
use crate::plan::Keeps;
use crate::registry::Credential;
use crate::retry::{Passes, Retry};

/// A daemon ends a cut-off pull or push some moments after its client has gone, and may still name an image in them.
/// Nothing tells when it has let go, so it is given this long before its names are looked at.
const LETTING_GO: Duration = Duration::from_millis(500);

/// Where the daemon is, how it is dealt with, and where it finds upstream registries.
#[derive(Debug, Clone)]
pub struct DockerOptions {
    /// Where it listens.
    pub whereabouts: Whereabouts,
    /// How long it is waited for.
    pub patience: Patience,
    /// How often something that passes is tried.
    pub retry: Retry,
    /// Who asks upstream registries for digests.
    pub look_up: LookUp,
}

/// Who asks upstream registries for digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookUp {
    /// The daemon, through its proxies and with its certificates.
    Daemon,
    /// This program.
    Direct,
}

/// An open engine: a daemon that has answered, and the logins for both sides, which are forgotten with it:
/// the daemon is told them with each request and keeps none.
#[derive(Debug)]
pub struct Session {
    daemon: Daemon,
    about: About,
    claims: Claims,
    turns: Turns,
    keyring: Keyring,
    registries: Registries,
    look_up: LookUp,
    retry: Retry,
    /// Registries that failed through all tries: until they answer again, each further image tries once.
    ill: Mutex<BTreeSet<String>>,
    /// This program could not read configs in the target's registry.
    configs_closed: AtomicBool,
}

/// What a copy left in the daemon although it should not have.
#[derive(Debug, Default)]
pub struct Cleanup {
    /// Why each name could not be undone.
    pub left: Vec<EngineError>,
}

impl Session {
    /// Connects to the daemon, finds out how it keeps images, and logs in to `target`, the registry's host.
    pub async fn open(
        options: &DockerOptions,
        registries: Registries,
        keyring: Keyring,
        target: &str,
    ) -> Result<Self, EngineError> {
        let daemon = Daemon::connect(&options.whereabouts, options.patience).await?;
        let about = daemon.about().await?;
        let session = Self {
            claims: Claims::open(&daemon, about.store).await?,
            turns: Turns::default(),
            daemon,
            about,
            keyring,
            registries,
            look_up: options.look_up,
            retry: options.retry,
            ill: Mutex::default(),
            configs_closed: AtomicBool::new(false),
        };
        session.log_in(target).await?;
        Ok(session)
    }

    async fn log_in(&self, registry: &str) -> Result<(), EngineError> {
        let Some(credential) = self.keyring.of(registry).await? else {
            return Ok(());
        };
        if self.about.store == Store::Podman {
            // It checks over TLS only, also where it pulls without.
            let checked = self.registries.client.ping(registry).await;
            return checked.map_err(|error| login_failed(registry, error));
        }
        let checked = self
            .retry
            .run(
                async || self.daemon.check_login(registry, &credential).await,
                |refusal, delay| again("log in to", registry, refusal, delay),
            )
            .await;
        checked.map_err(|refusal| EngineError::Login {
            registry: registry.to_owned(),
            trouble: None,
            message: refusal.message,
        })
    }

    /// What this program itself asks registries.
    pub fn registries(&self) -> &Registries {
        &self.registries
    }

    /// The daemon, its version and its store, in one line.
    pub fn describe(&self) -> String {
        format!("{} at {}", describe(&self.about), self.daemon.address)
    }

    /// What the daemon keeps of an image between a pull and a push.
    pub fn keeps(&self) -> Keeps {
        self.about.store.keeps()
    }

    /// Whether the daemon has gone and did not come back: nothing that begins now can end well.
    pub fn is_lost(&self) -> bool {
        self.daemon.is_lost()
    }

    /// What a registry has under a name, without a pull. On some registries it counts as one.
    pub async fn observe(&self, image: &ImageRef, side: Side) -> Result<Observed, EngineError> {
        let direct = match (self.about.store, side) {
            // It cannot be asked.
            (Store::Podman, _) => LookUp::Direct,
            (_, Side::Upstream) => self.look_up,
            (_, Side::Target) => LookUp::Daemon,
        };
        if direct == LookUp::Direct {
            return self.registries.observe(image, side).await;
        }
        let place = self.place_of(image);
        tracing::debug!("look up {side} {place}");
        self.trying("look up", side, image, &place, async |credential| {
            self.ask_daemon(&place, credential).await
        })
        .await
    }

    /// The manifests and platforms of an upstream's index, where this program asks upstreams itself.
    pub async fn read_index(&self, image: &ImageRef, observed: &mut Observed) -> Result<(), EngineError> {
        let is_asked = self.look_up == LookUp::Direct || self.about.store == Store::Podman;
        match is_asked {
            true => self.registries.read_index(image, observed).await,
            false => Ok(()),
        }
    }

    /// What a single image of the target runs on, read from its config by this program: a daemon tells that of some manifests
    /// only. It is a saving, so one failure ends the asking: perhaps only the daemon reaches the registry.
    pub async fn platform(&self, repository: &Repository, config: &Digest) -> Option<Platform> {
        if self.configs_closed.load(Ordering::Relaxed) {
            return None;
        }
        match self.registries.platform(repository, config, Side::Target).await {
            Ok(platform) => platform,
            Err(error) => {
                tracing::debug!("{error}; images whose platform is not known are pulled to see it");
                self.configs_closed.store(true, Ordering::Relaxed);
                None
            }
        }
    }

    async fn ask_daemon(&self, place: &ImageRef, credential: Option<&Credential>) -> Result<Observed, Refusal> {
        let found = self.daemon.distribution(place, credential).await?;
        let digest = found.descriptor.digest.unwrap_or_default();
        let top: Digest = digest.parse().map_err(|error| Refusal {
            trouble: Trouble::Other,
            message: format!("the daemon answers no digest: {error}"),
            retry_after: None,
        })?;
        let platforms = found
            .platforms
            .into_iter()
            .filter_map(|platform| platform_of(platform.os?, platform.architecture?, platform.variant));
        Ok(Observed {
            top,
            kind: Kind::of_media_type(&found.descriptor.media_type.unwrap_or_default()),
            platforms: platforms.filter(|platform| !platform.is_unknown()).collect(),
            children: None,
        })
    }

    /// Carries out one order, and undoes in the daemon whatever it did there, also when it fails or `stop` cuts it off.
    pub async fn copy(
        &self,
        order: &Order,
        goal: &Goal,
        stop: &CancellationToken,
        step: &(dyn Fn(CopyStep) + Send + Sync),
    ) -> (Result<Copied, EngineError>, Cleanup) {
        let mut copy = Copy::of(self, order, goal, step);
        let done = copy.run(stop).await;
        let is_cut_off = matches!(done, Err(EngineError::Stopped));
        let (claims, id) = copy.take_traces();
        let clean_up = async {
            if is_cut_off {
                tokio::time::sleep(LETTING_GO).await;
            }
            self.clean_up(claims, id, &goal.target.repository).await
        };
        let check = async {
            match done? {
                Done::Pushed(digest) => unless_stopped(stop, copy.check(digest)).await,
                Done::Unneeded(likeness) => Ok(Copied::Unneeded(likeness)),
            }
        };
        // The check is of the registry, and needs nothing that goes from the daemon meanwhile.
        tokio::join!(check, clean_up)
    }

    async fn clean_up(&self, claims: Vec<Claim>, id: Option<String>, pushed_to: &Repository) -> Cleanup {
        let mut cleanup = Cleanup::default();
        // Newest first: a tag goes before the digest that keeps its image.
        for claim in claims.into_iter().rev() {
            if let Err(error) = self.claims.release(&self.daemon, claim).await {
                cleanup.left.push(error);
            }
        }
        if let Some(id) = id {
            let swept = self.claims.sweep(&self.daemon, &id, pushed_to).await;
            cleanup.left.extend(swept.err());
        }
        cleanup
    }

    /// Asks something of a registry, through the daemon or not, with the login for it: a token that has expired meanwhile is
    /// renewed, and what passes is tried again.
    async fn trying<T>(
        &self,
        attempt: &'static str,
        side: Side,
        image: &ImageRef,
        place: &ImageRef,
        work: impl AsyncFn(Option<&Credential>) -> Result<T, Refusal>,
    ) -> Result<T, EngineError> {
        let host = &place.repository.host;
        let retry = match self.is_ill(host) {
            true => Retry { tries: 1, ..self.retry },
            false => self.retry,
        };
        let result = retry
            .run(
                async || self.with_login(host, &work).await,
                |error, delay| {
                    if let Attempt::Refused(refusal) = error {
                        again(attempt, &format!("{side} {image}"), refusal, delay);
                    }
                },
            )
            .await;
        self.note_health(host, result.as_ref().err());
        result.map_err(|error| match error {
            Attempt::Credential(error) => error.into(),
            Attempt::Refused(refusal) => EngineError::Refused {
                attempt,
                side,
                image: image.clone(),
                trouble: refusal.trouble,
                message: refusal.message,
            },
        })
    }

    async fn with_login<T>(
        &self,
        host: &str,
        work: &impl AsyncFn(Option<&Credential>) -> Result<T, Refusal>,
    ) -> Result<T, Attempt> {
        let credential = self.keyring.of(host).await?;
        let refusal = match work(credential.as_ref()).await {
            Ok(done) => return Ok(done),
            Err(refusal) => refusal,
        };
        match refusal.trouble.is_of_login() && self.keyring.renew(host, credential.as_ref()).await? {
            true => {
                tracing::debug!("{host} refused its login; trying once more with a new one");
                let credential = self.keyring.of(host).await?;
                work(credential.as_ref()).await.map_err(Attempt::Refused)
            }
            false => Err(Attempt::Refused(refusal)),
        }
    }

    fn is_ill(&self, host: &str) -> bool {
        self.ill.lock().is_ok_and(|ill| ill.contains(host))
    }

    fn note_health(&self, host: &str, error: Option<&Attempt>) {
        let Ok(mut ill) = self.ill.lock() else { return };
        let of_registry =
            |error: &Attempt| matches!(error, Attempt::Refused(refusal) if refusal.trouble.is_of_registry());
        match error.is_some_and(of_registry) {
            true => ill.insert(host.to_owned()),
            false => ill.remove(host),
        };
    }

    /// Where an image is really asked for: the first of its registry's mirrors. A daemon has others of its own.
    fn place_of(&self, image: &ImageRef) -> ImageRef {
        self.registries.mirrors.place_of(image)
    }
}

async fn unless_stopped<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    tokio::select! {
        // A push that has just ended is no push that was cut off.
        biased;
        result = work => result,
        () = stop.cancelled() => Err(EngineError::Stopped),
    }
}

/// Why one try came to nothing.
#[derive(Debug)]
enum Attempt {
    Credential(crate::credentials::CredentialError),
    Refused(Refusal),
}

impl From<crate::credentials::CredentialError> for Attempt {
    fn from(error: crate::credentials::CredentialError) -> Self {
        Self::Credential(error)
    }
}

impl Passes for Attempt {
    fn passes(&self) -> bool {
        match self {
            Self::Credential(_) => false,
            Self::Refused(refusal) => refusal.passes(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Credential(_) => None,
            Self::Refused(refusal) => refusal.retry_after(),
        }
    }
}

fn again(attempt: &str, what: &str, refusal: &Refusal, delay: Duration) {
    tracing::warn!(
        "{attempt} {what}: {}; trying again in {:.1} s",
        refusal.message,
        delay.as_secs_f64()
    );
}

fn describe(about: &About) -> String {
    let (engine, store) = match about.store {
        Store::Classic => ("Docker", "classic"),
        Store::Containerd => ("Docker", "containerd"),
        Store::Podman => ("Podman", "own"),
    };
    format!("{engine} {}, {store} image store ({})", about.version, about.driver)
}
