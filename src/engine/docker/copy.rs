//! One copy: what the target holds, the pull, the tag, the push, the check.

use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use super::claims::Claim;
use super::daemon::Store;
use super::local::Local;
use super::ready::{Ready, agrees};
use super::refusal::Refusal;
use super::{Session, unless_stopped};
use crate::engine::{Copied, EngineError, Goal, Held, Likeness, Order, Side, Trouble};
use crate::events::{Bytes, CopyStep};
use crate::image::{Digest, ImageRef, Platform};
use crate::plan::Brings;

/// A pull that finds its image there already may see it go at that very moment, with the last name that another copy gave it.
const PULLS: usize = 3;

/// What a target holds, as far as it is known.
#[derive(Debug, Default)]
struct HeldImage {
    /// As [`Ready::likeness`] of the upstream's image.
    likeness: Option<String>,
    platform: Option<Platform>,
}

/// What a pull came to, and the name that it used, which is to be undone before the turn ends.
struct Brought {
    /// None where the target has it already.
    ready: Result<Option<Ready>, EngineError>,
    source: Claim,
    turn: OwnedMutexGuard<()>,
}

/// How far a copy has come that did not fail.
#[derive(Debug)]
pub(super) enum Done {
    /// Pushed as this digest; nobody has looked yet.
    Pushed(Digest),
    /// The target holds the upstream's image already.
    Unneeded(Likeness),
}

/// One order on its way, with the names that it has claimed so far.
pub(super) struct Copy<'a> {
    session: &'a Session,
    order: &'a Order,
    goal: &'a Goal,
    step: &'a (dyn Fn(CopyStep) + Send + Sync),
    claims: Vec<Claim>,
    /// The local image that is copied, once it is there.
    id: Option<String>,
}

impl<'a> Copy<'a> {
    pub(super) fn of(
        session: &'a Session,
        order: &'a Order,
        goal: &'a Goal,
        step: &'a (dyn Fn(CopyStep) + Send + Sync),
    ) -> Self {
        Self {
            session,
            order,
            goal,
            step,
            claims: Vec::new(),
            id: None,
        }
    }

    /// What it left in the daemon: names, and the image that they were given to.
    pub(super) fn take_traces(&mut self) -> (Vec<Claim>, Option<String>) {
        (std::mem::take(&mut self.claims), self.id.take())
    }

    /// All but the check of what was pushed, which needs nothing that is in the daemon.
    pub(super) async fn run(&mut self, stop: &CancellationToken) -> Result<Done, EngineError> {
        let Brought { ready, source, turn } = unless_stopped(stop, self.bring()).await?;
        // A stop does not cut this off: the daemon would go on with it while the other names are removed, and two removals at
        // once can leave an image without any name.
        let undo = async {
            // A name that could not be undone is tried, and told, again when it is released.
            let _ = self.session.claims.undo(&self.session.daemon, &source).await;
            drop(turn);
        };
        match ready {
            // What is pushed has the target's tag by now, and needs no other name.
            Ok(Some(ready)) => {
                let (pushed, ()) = tokio::join!(unless_stopped(stop, self.push(&ready)), undo);
                pushed.map(Done::Pushed)
            }
            Ok(None) => {
                undo.await;
                Ok(Done::Unneeded(match self.store() {
                    Store::Containerd => Likeness::SamePlatformManifest,
                    Store::Classic | Store::Podman => Likeness::SameContentRepacked,
                }))
            }
            Err(error) => {
                undo.await;
                Err(error)
            }
        }
    }

    async fn bring(&mut self) -> Result<Brought, EngineError> {
        let held = self.held().await?;
        let platforms: Vec<Option<Platform>> = match &self.order.brings {
            Brings::Platform(platform) => vec![platform.clone().or(held.platform)],
            Brings::Whole(all) if all.is_empty() => vec![None],
            Brings::Whole(all) | Brings::Part { platforms: all, .. } => all.iter().cloned().map(Some).collect(),
        };
        let (name, source) = self.source(platforms[0].as_ref()).await?;
        // One name of one digest cannot be two platforms' images: who uses it does so alone, and leaves it as it was.
        let turn = self.session.turns.wait_for(name.to_string()).await;
        let ready = self
            .pull_and_tag(&name, &source, &platforms, held.likeness.as_deref())
            .await;
        Ok(Brought { ready, source, turn })
    }

    fn store(&self) -> Store {
        self.session.about.store
    }

    /// The target's own content and platform. What the registry did not tell, a pull of it does.
    async fn held(&mut self) -> Result<HeldImage, EngineError> {
        let (manifest, config) = match &self.goal.held {
            None | Some(Held::Index) => return Ok(HeldImage::default()),
            Some(Held::Image { manifest, config }) => (manifest, config),
        };
        let platform_is_known = !matches!(self.order.brings, Brings::Platform(None));
        let likeness = match self.store() {
            Store::Containerd => Some(manifest),
            Store::Classic | Store::Podman => config.as_ref(),
        };
        if let (Some(likeness), true) = (likeness, platform_is_known) {
            return Ok(HeldImage {
                likeness: Some(likeness.to_string()),
                platform: None,
            });
        }
        let by_digest = self.goal.target.repository.image(manifest.clone());
        let (image, claim) = self.name_for(by_digest, self.goal.target.clone(), None).await?;
        let (local, _) = self.pull(&image, Side::Target, None).await?;
        claim.gives(&local.id).await;
        // A pull would not fetch the upstream's layers where their content is there, packed in another way.
        if self.store() == Store::Containerd {
            for claim in std::mem::take(&mut self.claims).into_iter().rev() {
                self.session.claims.release(&self.session.daemon, claim).await?;
            }
        }
        Ok(HeldImage {
            likeness: Some(likeness.map_or(local.id, Digest::to_string)),
            platform: local.platform,
        })
    }

    /// What to pull: the planned digest; the tag, where that name must not be used.
    async fn source(&mut self, platform: Option<&Platform>) -> Result<(ImageRef, Claim), EngineError> {
        let Order { upstream, digest, .. } = self.order;
        let by_digest = self.session.place_of(&upstream.repository.image(digest.clone()));
        let by_tag = self.session.place_of(upstream);
        self.name_for(by_digest, by_tag, platform).await
    }

    /// Claims the name by digest, or the tag where a daemon would harm somebody's image by that name.
    async fn name_for(
        &mut self,
        by_digest: ImageRef,
        by_tag: ImageRef,
        platform: Option<&Platform>,
    ) -> Result<(ImageRef, Claim), EngineError> {
        let claim = self.claim(&by_digest).await?;
        let wanted = platform.or(self.session.about.platform.as_ref());
        let before = claim.before().await;
        let harm = match self.store() {
            // It will not overwrite a digest that names another platform's image; Podman would leave that without a name.
            Store::Classic | Store::Podman => before.is_some_and(|before| !agrees(before.platform.as_ref(), wanted)),
            // With the name by digest it would remove all tags that the image has in that repository.
            Store::Containerd => before.is_none() && self.is_tagged_in_repository(&by_digest).await?,
        };
        match harm {
            true => Ok((by_tag.clone(), self.claim(&by_tag).await?)),
            false => Ok((by_digest, claim)),
        }
    }

    async fn is_tagged_in_repository(&self, by_digest: &ImageRef) -> Result<bool, EngineError> {
        let image = self.session.daemon.local(by_digest.reference.as_str()).await?;
        let of_repository = format!("{}:", by_digest.repository);
        Ok(image.is_some_and(|image| image.tags.iter().any(|name| name.starts_with(&of_repository))))
    }

    /// Pulls the upstream's image and gives it the target's tag; none when it is the image that the target has.
    async fn pull_and_tag(
        &mut self,
        name: &ImageRef,
        source: &Claim,
        platforms: &[Option<Platform>],
        held: Option<&str>,
    ) -> Result<Option<Ready>, EngineError> {
        let target = &self.goal.target;
        let mut local = None;
        for platform in platforms {
            let (pulled, found) = self.pull(name, Side::Upstream, platform.as_ref()).await?;
            source.gives(&pulled.id).await;
            self.is_as_planned(&pulled, found)?;
            local = Some(pulled);
        }
        let Some(local) = local else { return Ok(None) };
        let ready = match self.store() {
            Store::Containerd => {
                let daemons = self.session.about.platform.as_ref();
                Ready::in_containerd(self.order, &local, platforms, daemons)?
            }
            Store::Classic | Store::Podman => Ready::by_config(self.order, local, platforms[0].as_ref())?,
        };
        if held == Some(ready.likeness.as_str()) {
            (self.step)(CopyStep::AlreadyThere);
            return Ok(None);
        }
        let claim = self.claim(target).await?;
        self.id = Some(ready.id.clone());
        self.session
            .claims
            .give(&self.session.daemon, &claim, &ready.id)
            .await?;
        Ok(Some(ready))
    }

    /// A tag may have moved since it was looked up.
    fn is_as_planned(&self, local: &Local, found: Option<Digest>) -> Result<(), EngineError> {
        // Podman does not tell what it pulled; its image names the digests that it came under.
        let named = || {
            let digests = local
                .digests
                .iter()
                .filter_map(|name| name.rsplit_once('@')?.1.parse().ok());
            let digests: Vec<Digest> = digests.collect();
            match digests.contains(&self.order.digest) {
                true => None,
                false => digests.into_iter().next(),
            }
        };
        let found = match found {
            Some(found) => Some(found).filter(|found| *found != self.order.digest),
            None => named(),
        };
        match found {
            None => Ok(()),
            Some(found) => Err(EngineError::Moved {
                image: self.order.upstream.clone(),
                planned: self.order.digest.clone(),
                found,
            }),
        }
    }

    async fn push(&self, ready: &Ready) -> Result<Digest, EngineError> {
        let target = &self.goal.target;
        // Two tags of one image: the second finds the layers there that the first has uploaded.
        let _turn = self
            .session
            .turns
            .wait_for(format!("{} to {}", ready.id, target.repository))
            .await;
        let pushed = self.push_tag(ready.platform.as_ref()).await?;
        match ready.expected.as_ref().filter(|expected| **expected != pushed) {
            Some(expected) => Err(EngineError::PushedAnother {
                image: target.clone(),
                expected: expected.clone(),
                pushed,
            }),
            None => Ok(pushed),
        }
    }

    /// Makes sure that the target's registry has what was pushed.
    pub(super) async fn check(&self, pushed: Digest) -> Result<Copied, EngineError> {
        let target = &self.goal.target;
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
            true => Ok(Copied::Pushed(pushed.into())),
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

    /// Pulls from a place; answers what came, and the digest that the place's name has, where the daemon tells.
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
        let daemon = &self.session.daemon;
        let progress = |bytes: Bytes| (self.step)(CopyStep::Pulled(bytes));
        let pull = async |credential: Option<&_>| daemon.pull(place, platform, credential, progress).await;
        for _ in 0..PULLS {
            tracing::debug!("pull {place} for {}", self.goal.target);
            let digest = self.session.trying("pull", side, image, place, pull).await?;
            if let Some(local) = daemon.local(&place.to_string()).await? {
                return Ok((local, digest));
            }
        }
        Err(EngineError::Daemon {
            attempt: format!("pull {side} {image}"),
            trouble: Trouble::Other,
            message: "the daemon says it is done and has no such image".to_owned(),
        })
    }

    async fn push_tag(&self, platform: Option<&Platform>) -> Result<Digest, EngineError> {
        let target = &self.goal.target;
        tracing::debug!("push {target}");
        let daemon = &self.session.daemon;
        let progress = |bytes: Bytes| (self.step)(CopyStep::Pushed(bytes));
        let push = async |credential: Option<&_>| -> Result<Option<Digest>, Refusal> {
            daemon.push(target, platform, credential, progress).await
        };
        let pushed = self.session.trying("push", Side::Target, target, target, push).await?;
        pushed.ok_or_else(|| EngineError::PushWithoutDigest { image: target.clone() })
    }
}
