//! The ways to bring an image from one registry to another.

pub mod direct;
pub mod docker;

mod error;
mod facts;
mod registries;
mod tagging;
mod turns;

pub use error::{DaemonTrouble, EngineError, Side, Trouble};
pub use registries::Registries;

use std::collections::BTreeMap;
use std::fmt;

use tokio_util::sync::CancellationToken;

use crate::events::CopyStep;
use crate::image::{Digest, ImageRef, Observed, Platform, Repository, Tag};
use crate::plan::{Brings, Keeps};
use crate::registry::Limit;

/// One image to bring to one target, or to several.
#[derive(Debug, Clone)]
pub struct Order {
    /// The upstream's tag.
    pub upstream: ImageRef,
    /// The digest that it named when the copy was planned: this is what is copied.
    pub digest: Digest,
    /// How much of it.
    pub brings: Brings,
    /// Where it goes.
    pub goals: Vec<Goal>,
}

/// A target of an [`Order`].
#[derive(Debug, Clone)]
pub struct Goal {
    /// The target's tag.
    pub target: ImageRef,
    /// What it holds now, to see whether the copy is needed at all; none where it holds nothing.
    pub held: Option<Held>,
}

/// An engine that is ready to work, and closes itself with the last of its uses.
#[derive(Debug)]
pub enum Session {
    /// Through a Docker daemon.
    Docker(Box<docker::Session>),
    /// From registry to registry.
    Direct(Box<direct::Session>),
}

/// Who is told what a copy is at, for which target.
pub type Steps<'a> = &'a (dyn Fn(&ImageRef, CopyStep) + Send + Sync);

impl Session {
    /// The engine and how it was found, in one line.
    pub fn describe(&self) -> String {
        match self {
            Self::Docker(session) => session.describe(),
            Self::Direct(session) => session.describe(),
        }
    }

    /// What stays of an image on the way.
    pub fn keeps(&self) -> Keeps {
        match self {
            Self::Docker(session) => session.keeps(),
            Self::Direct(_) => Keeps::Everything,
        }
    }

    /// What registries that this program itself asked said about their limits, by host.
    pub fn limits(&self) -> BTreeMap<String, Limit> {
        match self {
            Self::Docker(session) => session.registries().client.limits(),
            Self::Direct(session) => session.registries().client.limits(),
        }
    }

    /// Whether nothing that begins now can end well.
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Docker(session) => session.is_lost(),
            Self::Direct(_) => false,
        }
    }

    /// What a registry has under a name, without a pull. Through a daemon it counts as one on some registries.
    pub async fn observe(&self, image: &ImageRef, side: Side) -> Result<Observed, EngineError> {
        match self {
            Self::Docker(session) => session.observe(image, side).await,
            Self::Direct(session) => session.registries().observe(image, side).await,
        }
    }

    /// What this program itself asks registries, whichever engine copies.
    pub fn registries(&self) -> &Registries {
        match self {
            Self::Docker(session) => session.registries(),
            Self::Direct(session) => session.registries(),
        }
    }

    /// All tags of an upstream. No daemon can list them: this program itself does.
    pub async fn tags(&self, upstream: &Repository) -> Result<Vec<Tag>, EngineError> {
        match self {
            Self::Docker(session) => session.registries().tags(upstream).await,
            Self::Direct(session) => session.registries().tags(upstream).await,
        }
    }

    /// The manifests and platforms of an upstream's index, where this program asks upstreams itself.
    pub async fn read_index(&self, image: &ImageRef, observed: &mut Observed) -> Result<(), EngineError> {
        match self {
            Self::Docker(session) => session.read_index(image, observed).await,
            Self::Direct(session) => session.registries().read_index(image, observed).await,
        }
    }

    /// The platforms of an index of the target, where this program itself asks targets.
    pub async fn target_platforms(&self, image: &ImageRef, top: &Digest) -> Result<Vec<Platform>, EngineError> {
        match self {
            Self::Direct(session) => {
                let manifest = session.registries().manifest(image, top, Side::Target).await?;
                Ok(Observed::from(&manifest).platforms)
            }
            Self::Docker(_) => Ok(Vec::new()),
        }
    }

    /// What a single image of the target runs on, read from its config; none where that is not to be had.
    pub async fn platform(&self, repository: &Repository, config: &Digest) -> Option<Platform> {
        match self {
            Self::Docker(session) => session.platform(repository, config).await,
            Self::Direct(session) => session
                .registries()
                .platform(repository, config, Side::Target)
                .await
                .ok()?,
        }
    }

    /// What a copy of `brings` would leave under the target's tag, where that can be told without one.
    pub async fn outcome(
        &self,
        image: &ImageRef,
        top: &Digest,
        brings: &Brings,
    ) -> Result<Option<Digest>, EngineError> {
        match self {
            Self::Docker(_) => Ok(None),
            Self::Direct(session) => session.outcome(image, top, brings).await.map(Some),
        }
    }

    /// Whether what refers to an image comes along with it.
    pub fn brings_referrers(&self) -> bool {
        match self {
            Self::Docker(_) => false,
            Self::Direct(session) => session.brings_referrers(),
        }
    }

    /// Whether something refers to `digest` in the upstream's repository that the target's has not got, where that is to come.
    pub async fn lacks_referrers(
        &self,
        upstream: &ImageRef,
        digest: &Digest,
        target: &ImageRef,
    ) -> Result<bool, EngineError> {
        match self {
            Self::Docker(_) => Ok(false),
            Self::Direct(session) => session.lacks_referrers(upstream, digest, target).await,
        }
    }

    /// Carries out one order; answers for each goal, in order. Whatever it did in a daemon is undone, also when it fails or
    /// `stop` cuts it off; what could not be undone is answered too.
    pub async fn copy(
        &self,
        order: &Order,
        stop: &CancellationToken,
        steps: Steps<'_>,
    ) -> Vec<(Result<Copied, EngineError>, Vec<EngineError>)> {
        match self {
            Self::Docker(session) => {
                let mut ended = Vec::new();
                for goal in &order.goals {
                    let step = |step| steps(&goal.target, step);
                    let (result, cleanup) = session.copy(order, goal, stop, &step).await;
                    ended.push((result, cleanup.left));
                }
                ended
            }
            Self::Direct(session) => {
                let ended = session.copy(order, stop, steps).await;
                ended.into_iter().map(|result| (result, Vec::new())).collect()
            }
        }
    }
}

/// What is known of the content that a target holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// An index, which one platform's image never equals.
    Index,
    /// A single image.
    Image {
        /// Its manifest's digest.
        manifest: Digest,
        /// The digest of its config blob; without it, its content has to be pulled to be compared.
        config: Option<Digest>,
    },
}

/// How a copy ended that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Copied {
    /// The target's registry answers with what was brought.
    Pushed(Receipt),
    /// The target holds the upstream's image already.
    Unneeded(Likeness),
}

/// What a target's tag names after a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The digest.
    pub digest: Digest,
    /// What a person should know of it.
    pub notes: Vec<Note>,
}

impl From<Digest> for Receipt {
    fn from(digest: Digest) -> Self {
        let notes = Vec::new();
        Self { digest, notes }
    }
}

/// Something that is another way at the target than upstream, although the copy ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The index was made anew from some of its entries: what signs the upstream's index does not cover it.
    IndexRebuilt,
    /// What the target's tag named before stays under this one.
    BackedUp(Tag),
    /// The target takes no referrers; so many stayed behind.
    ReferrersRefused(usize),
    /// The target has signatures of its own under such tags, which stay; so many.
    SignaturesKept(usize),
    /// The upstream lists referrers that it has not got; so many.
    ReferrersGone(usize),
    /// Of several platforms that were asked for, the upstream has an image for one: this, where its config says which.
    SingleImage(Option<Platform>),
    /// The layers of which the registry has only an address, and the target too; so many.
    ForeignLayers(usize),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IndexRebuilt => f.write_str(
                "the index was rebuilt for these platforms: signatures of the upstream's index do not cover it",
            ),
            Self::BackedUp(tag) => write!(f, "what it was stays as {tag}"),
            Self::ReferrersRefused(count) => write!(f, "the target takes no referrers, and {count} stayed behind"),
            Self::SignaturesKept(1) => {
                f.write_str("1 signature tag of the target stays: what it has is not the upstream's")
            }
            Self::SignaturesKept(count) => {
                write!(
                    f,
                    "{count} signature tags of the target stay: what they have is not the upstream's"
                )
            }
            Self::ReferrersGone(count) => write!(f, "the upstream lists {count} referrers that it has not got"),
            Self::SingleImage(Some(platform)) => write!(f, "the upstream has a single image, for {platform}"),
            Self::SingleImage(None) => f.write_str("the upstream has a single image"),
            Self::ForeignLayers(1) => {
                f.write_str("1 foreign layer stays where its URLs say; foreign_layers: true brings it too")
            }
            Self::ForeignLayers(count) => write!(
                f,
                "{count} foreign layers stay where their URLs say; foreign_layers: true brings them too"
            ),
        }
    }
}

/// In what way a target holds its upstream's image, although their digests differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// It is the upstream index's own manifest for the platform.
    SamePlatformManifest,
    /// The same content, in a manifest that a daemon wrote anew.
    SameContentRepacked,
}

impl fmt::Display for Likeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SamePlatformManifest => "the upstream's own manifest for this platform",
            Self::SameContentRepacked => "the same image, packed again by a daemon",
        })
    }
}
