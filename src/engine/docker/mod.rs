//! Copies through a Docker daemon: pull, tag, push.
//!
//! Every byte of a copy passes through the daemon, so that its proxies, mirrors and certificates hold. What a daemon does
//! to an image on the way is told in `docs/engines.md`; the config digest is what survives, and what is compared.

mod answers;
mod claims;
mod daemon;
mod transfer;
mod turns;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::claims::{Claim, Claims};
use self::daemon::{About, Daemon, Local, Refusal, Store};
use self::turns::Turns;
use super::{Copied, EngineError, Held, Order, Side};
use crate::credentials::{Credential, Keyring};
use crate::events::{Bytes, CopyStep};
use crate::image::{Digest, ImageRef, Kind, Observed, Platform, Repository};

/// A daemon ends a cut-off pull or push some moments after its client has gone, and may still name an image in them.
/// Nothing tells when it has let go, so it is given this long before its names are looked at.
const LETTING_GO: Duration = Duration::from_millis(500);

/// A pull that finds its image there already may see it go at that very moment, with the last name that another copy gave it.
const PULLS: usize = 3;

/// Where the daemon is and where it finds upstream registries.
#[derive(Debug, Clone, Default)]
pub struct DockerOptions {
    /// `unix:///PATH` or `tcp://HOST:PORT`; none for Docker's usual socket.
    pub host: Option<String>,
    /// By registry host, the `host[:port][/prefix]` that is asked in its place.
    pub mirrors: BTreeMap<String, String>,
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
    mirrors: BTreeMap<String, String>,
}

/// What a copy left in the daemon although it should not have.
#[derive(Debug, Default)]
pub struct Cleanup {
    /// Why each name could not be undone.
    pub left: Vec<EngineError>,
}

impl Session {
    /// Connects to the daemon, finds out how it keeps images, and logs in to `target`, the registry's host.
    pub async fn open(options: &DockerOptions, keyring: Keyring, target: &str) -> Result<Self, EngineError> {
        let daemon = Daemon::connect(options.host.as_deref()).await?;
        let about = daemon.about().await?;
        if about.store != Store::Classic {
            return Err(EngineError::StoreNotHandled {
                address: daemon.address,
                found: describe(&about),
            });
        }
        let session = Self {
            claims: Claims::open(&daemon).await?,
            turns: Turns::default(),
            daemon,
            about,
            keyring,
            mirrors: options.mirrors.clone(),
        };
        session.log_in(target).await?;
        Ok(session)
    }

    async fn log_in(&self, registry: &str) -> Result<(), EngineError> {
        let Some(credential) = self.keyring.of(registry).await? else {
            return Ok(());
        };
        let checked = self.daemon.check_login(registry, &credential).await;
        checked.map_err(|refusal| EngineError::Login {
            registry: registry.to_owned(),
            message: refusal.message,
        })
    }

    /// The daemon, its version and its store, in one line.
    pub fn describe(&self) -> String {
        format!("{} at {}", describe(&self.about), self.daemon.address)
    }

    /// What a registry has under a name, without a pull. On some registries it counts as one.
    pub async fn observe(&self, image: &ImageRef, side: Side) -> Result<Observed, EngineError> {
        let place = self.place_of(image);
        let credential = self.credential_for(&place).await?;
        tracing::debug!("look up {side} {place}");
        let found = self
            .daemon
            .distribution(&place, credential.as_ref())
            .await
            .map_err(|refusal| refused("look up", side, image, refusal))?;
        let digest = found.descriptor.digest.unwrap_or_default();
        let top = digest.parse().map_err(|error| EngineError::Daemon {
            attempt: format!("look up {side} {image}"),
            message: format!("the daemon answers no digest: {error}"),
        })?;
        // An image made by hand may name no platform in its config.
        let platforms = found.platforms.into_iter().filter_map(|platform| {
            Some(Platform {
                os: platform.os.filter(|os| !os.is_empty())?,
                architecture: platform.architecture.filter(|architecture| !architecture.is_empty())?,
                variant: platform.variant.filter(|variant| !variant.is_empty()),
            })
        });
        Ok(Observed {
            top,
            kind: Kind::of_media_type(&found.descriptor.media_type.unwrap_or_default()),
            platforms: platforms.filter(|platform| !platform.is_unknown()).collect(),
        })
    }

    /// Carries out one order, and undoes in the daemon whatever it did there, also when it fails or `stop` cuts it off.
    pub async fn copy(
        &self,
        order: &Order,
        stop: &CancellationToken,
        step: &(dyn Fn(CopyStep) + Send + Sync),
    ) -> (Result<Copied, EngineError>, Cleanup) {
        let mut copy = Copy {
            session: self,
            order,
            step,
            claims: Vec::new(),
            id: None,
        };
        let result = tokio::select! {
            result = copy.run() => result,
            () = stop.cancelled() => Err(EngineError::Stopped),
        };
        let (claims, id) = (std::mem::take(&mut copy.claims), copy.id.take());
        if matches!(result, Err(EngineError::Stopped)) {
            tokio::time::sleep(LETTING_GO).await;
        }
        let mut cleanup = self.undo(claims).await;
        if let Some(id) = id {
            let swept = self.claims.sweep(&self.daemon, &id, &order.target.repository).await;
            cleanup.left.extend(swept.err());
        }
        (result, cleanup)
    }

    async fn undo(&self, claims: Vec<Claim>) -> Cleanup {
        let mut cleanup = Cleanup::default();
        // Newest first: a tag goes before the digest that keeps its image.
        for claim in claims.into_iter().rev() {
            if let Err(error) = self.claims.release(&self.daemon, claim).await {
                cleanup.left.push(error);
            }
        }
        cleanup
    }

    /// Where an image is really asked for: a mirror, where its registry has one.
    fn place_of(&self, image: &ImageRef) -> ImageRef {
        let repository = &image.repository;
        let Some(mirror) = self.mirrors.get(&repository.host) else {
            return image.clone();
        };
        let (host, path) = match mirror.split_once('/') {
            Some((host, prefix)) => (host, format!("{prefix}/{}", repository.path)),
            None => (mirror.as_str(), repository.path.clone()),
        };
        ImageRef {
            repository: Repository {
                host: host.to_owned(),
                path,
            },
            reference: image.reference.clone(),
        }
    }

    async fn credential_for(&self, place: &ImageRef) -> Result<Option<Credential>, EngineError> {
        Ok(self.keyring.of(&place.repository.host).await?)
    }
}

/// What a target holds, as far as it is known.
#[derive(Debug, Default)]
struct HeldImage {
    id: Option<String>,
    platform: Option<Platform>,
}

/// One order on its way, with the names that it has claimed so far.
struct Copy<'a> {
    session: &'a Session,
    order: &'a Order,
    step: &'a (dyn Fn(CopyStep) + Send + Sync),
    claims: Vec<Claim>,
    /// The local image that is copied, once it is there.
    id: Option<String>,
}

impl Copy<'_> {
    async fn run(&mut self) -> Result<Copied, EngineError> {
        let held = self.held().await?;
        let platform = self.order.platform.clone().or(held.platform);
        let (name, source) = self.source(platform.as_ref()).await?;
        // One name of one digest cannot be two platforms' images: who uses it does so alone, and leaves it as it was.
        let turn = self.session.turns.wait_for(name.to_string()).await;
        let tagged = self.pull_and_tag(&name, platform.as_ref(), held.id.as_deref()).await;
        let undone = self.session.claims.undo(&self.session.daemon, &source).await;
        drop(turn);
        // A name that could not be undone is tried, and told, again when it is released.
        drop(undone);
        match tagged? {
            Some(id) => self.push_and_check(&id).await,
            None => Ok(Copied::Unneeded),
        }
    }

    /// The target's own content and platform. What the registry did not tell, a pull of it does.
    async fn held(&mut self) -> Result<HeldImage, EngineError> {
        let (manifest, config) = match &self.order.held {
            Held::Index => return Ok(HeldImage::default()),
            Held::Image { manifest, config } => (manifest, config),
        };
        if let (Some(config), Some(_)) = (config, &self.order.platform) {
            return Ok(HeldImage {
                id: Some(config.to_string()),
                platform: None,
            });
        }
        let image = self.order.target.repository.image(manifest.clone());
        self.claim(&image).await?;
        let (local, _) = self.pull(&image, Side::Target, None).await?;
        Ok(HeldImage {
            id: Some(local.id),
            platform: local.platform,
        })
    }

    /// What to pull: the planned digest. Where the daemon holds another platform of it under that name, which it will not
    /// overwrite, the tag.
    async fn source(&mut self, platform: Option<&Platform>) -> Result<(ImageRef, Claim), EngineError> {
        let Order { upstream, digest, .. } = self.order;
        let by_digest = self.session.place_of(&upstream.repository.image(digest.clone()));
        let claim = self.claim(&by_digest).await?;
        let wanted = platform.or(self.session.about.platform.as_ref());
        match claim.before().await {
            Some(before) if !agrees(before.platform.as_ref(), wanted) => {
                let by_tag = self.session.place_of(upstream);
                let claim = self.claim(&by_tag).await?;
                Ok((by_tag, claim))
            }
            _ => Ok((by_digest, claim)),
        }
    }

    /// Pulls the upstream's image and gives it the target's tag; answers its local id, none when it is the image `held` that
    /// the target has.
    async fn pull_and_tag(
        &mut self,
        name: &ImageRef,
        platform: Option<&Platform>,
        held: Option<&str>,
    ) -> Result<Option<String>, EngineError> {
        let target = &self.order.target;
        let (local, found) = self.pull(name, Side::Upstream, platform).await?;
        if let Some(found) = found.filter(|found| *found != self.order.digest) {
            return Err(EngineError::Moved {
                image: self.order.upstream.clone(),
                planned: self.order.digest.clone(),
                found,
            });
        }
        // A daemon ignores which platform was asked for where the upstream has a single image.
        if !agrees(local.platform.as_ref(), platform) {
            return Err(EngineError::OtherPlatform {
                image: self.order.upstream.clone(),
                wanted: platform.map(Platform::to_string).unwrap_or_default(),
                found: local.platform.map(|found| found.to_string()).unwrap_or_default(),
            });
        }
        if held == Some(local.id.as_str()) {
            (self.step)(CopyStep::AlreadyThere);
            return Ok(None);
        }
        self.claim(target).await?;
        self.id = Some(local.id.clone());
        self.session
            .daemon
            .tag(&local.id, &target.repository, target.reference.as_str())
            .await?;
        Ok(Some(local.id))
    }

    async fn push_and_check(&self, id: &str) -> Result<Copied, EngineError> {
        let target = &self.order.target;
        // Two tags of one image: the second finds the layers there that the first has uploaded.
        let turn = self
            .session
            .turns
            .wait_for(format!("{id} to {}", target.repository))
            .await;
        let pushed = self.push().await?;
        drop(turn);
        (self.step)(CopyStep::Checking);
        let checked = self.session.observe(target, Side::Target).await;
        let found = match checked {
            Ok(observed) => observed.top,
            Err(error) => {
                return Err(EngineError::NotChecked {
                    image: target.clone(),
                    pushed,
                    source: Box::new(error),
                });
            }
        };
        match found == pushed {
            true => Ok(Copied::Pushed(pushed)),
            false => Err(EngineError::PushNotConfirmed {
                image: target.clone(),
                pushed,
                found,
            }),
        }
    }

    /// Claims a name, to be released with the order whatever happens.
    async fn claim(&mut self, image: &ImageRef) -> Result<Claim, EngineError> {
        let claim = self.session.claims.claim(&self.session.daemon, image).await?;
        self.claims.push(claim.clone());
        Ok(claim)
    }

    /// Pulls from a place; answers what came, and the digest that the place's name has.
    async fn pull(
        &self,
        place: &ImageRef,
        side: Side,
        platform: Option<&Platform>,
    ) -> Result<(Local, Option<Digest>), EngineError> {
        // People know an upstream by its own name, not by its mirror's.
        let image = match side {
            Side::Upstream => &self.order.upstream,
            Side::Target => place,
        };
        let credential = self.session.credential_for(place).await?;
        let daemon = &self.session.daemon;
        let progress = |bytes: Bytes| (self.step)(CopyStep::Pulled(bytes));
        for _ in 0..PULLS {
            tracing::debug!("pull {place} for {}", self.order.target);
            let digest = daemon
                .pull(place, platform, credential.as_ref(), progress)
                .await
                .map_err(|refusal| refused("pull", side, image, refusal))?;
            if let Some(local) = daemon.local(&place.to_string()).await? {
                return Ok((local, digest));
            }
        }
        Err(EngineError::Daemon {
            attempt: format!("pull {side} {image}"),
            message: "the daemon says it is done and has no such image".to_owned(),
        })
    }

    async fn push(&self) -> Result<Digest, EngineError> {
        let target = &self.order.target;
        tracing::debug!("push {target}");
        let credential = self.session.credential_for(target).await?;
        let progress = |bytes: Bytes| (self.step)(CopyStep::Pushed(bytes));
        let pushed = self
            .session
            .daemon
            .push(target, credential.as_ref(), progress)
            .await
            .map_err(|refusal| refused("push", Side::Target, target, refusal))?;
        pushed.ok_or_else(|| EngineError::PushWithoutDigest { image: target.clone() })
    }
}

/// Whether an image's platform is the wanted one; where either is not known there is nothing to disagree about.
fn agrees(own: Option<&Platform>, wanted: Option<&Platform>) -> bool {
    match (own, wanted) {
        (Some(own), Some(wanted)) => own.is_for(wanted),
        _ => true,
    }
}

fn refused(attempt: &'static str, side: Side, image: &ImageRef, refusal: Refusal) -> EngineError {
    EngineError::Refused {
        attempt,
        side,
        image: image.clone(),
        trouble: refusal.trouble,
        message: refusal.message,
    }
}

fn describe(about: &About) -> String {
    let (engine, store) = match about.store {
        Store::Classic => ("Docker", "classic"),
        Store::Containerd => ("Docker", "containerd"),
        Store::Podman => ("Podman", "own"),
    };
    format!("{engine} {}, {store} image store ({})", about.version, about.driver)
}
