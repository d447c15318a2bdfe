//! The ways to bring an image from one registry to another.

pub mod direct;
pub mod docker;

mod registries;
mod turns;

pub use registries::Registries;

use std::collections::BTreeMap;
use std::fmt;

use tokio_util::sync::CancellationToken;

use crate::credentials::CredentialError;
use crate::events::CopyStep;
use crate::image::{Digest, ImageRef, Kind, Observed, Platform, Repository};
use crate::plan::{Brings, Keeps};
use crate::registry::{Cause, Limit, RegistryError};

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

    /// The manifests and platforms of an upstream's index, where this program asks upstreams itself.
    pub async fn read_index(&self, image: &ImageRef, observed: &mut Observed) -> Result<(), EngineError> {
        match self {
            Self::Docker(session) => session.read_index(image, observed).await,
            Self::Direct(session) => session.registries().read_index(image, observed).await,
        }
    }

    /// What an index of the target lists, where this program itself asks targets.
    pub async fn read_target(&self, image: &ImageRef, top: &Digest, kind: &Kind) -> Result<Observed, EngineError> {
        match self {
            Self::Direct(session) => {
                let manifest = session.registries().manifest(image, top, Side::Target).await?;
                Ok(Observed::from(&manifest))
            }
            Self::Docker(_) => Ok(Observed {
                top: top.clone(),
                kind: kind.clone(),
                platforms: Vec::new(),
                children: None,
            }),
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
    /// The target takes no referrers; so many stayed behind.
    ReferrersRefused(usize),
    /// The layers of which the registry has only an address, and the target too; so many.
    ForeignLayers(usize),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IndexRebuilt => f.write_str(
                "the index was rebuilt for these platforms: signatures of the upstream's index do not cover it",
            ),
            Self::ReferrersRefused(count) => write!(f, "the target takes no referrers, and {count} stayed behind"),
            Self::ForeignLayers(count) => {
                write!(
                    f,
                    "{count} foreign layers stay where their URLs say; foreign_layers: true brings them too"
                )
            }
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

/// Which side of a copy something happened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where the image comes from.
    Upstream,
    /// Where it goes.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upstream => "upstream",
            Self::Target => "target",
        })
    }
}

/// What a registry's, or the daemon's, refusal means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The registry has no such tag, digest or repository.
    Gone,
    /// A login is needed, or the one we have is wrong.
    Unauthorized,
    /// The login is good and may not do this; or there is no such repository, which some registries say the same way.
    Denied,
    /// ECR's token has expired.
    TokenExpired,
    /// Too many requests or pulls.
    RateLimited,
    /// The image has no manifest for the platform.
    NoPlatform,
    /// The target's repository refuses to move a tag.
    ImmutableTag,
    /// The registry's certificate is not one that the daemon trusts.
    Certificate,
    /// The daemon cannot unpack a layer.
    Unpack,
    /// The daemon has no room.
    DiskFull,
    /// The registry could not be reached, or the connection broke.
    Unreachable,
    /// There is no host of that name.
    UnknownHost,
    /// The registry answered that it is ill.
    ServerError,
    /// The registry refused in words that say nothing more: the daemon does not hand on with which status.
    Unclear,
    /// The daemon went away while it was at work.
    DaemonGone,
    /// The daemon went away and did not come back in time.
    DaemonLost,
    /// The daemon is there and says nothing.
    NoAnswer,
    /// The daemon's own image lacks content that a push needs.
    Incomplete,
    /// The registry's answer is none that it may give: other content than its digest says, another size, no JSON.
    Broken,
    /// What the name stands for is no image, index or artifact.
    NotAnImage,
    /// Anything else.
    Other,
}

impl From<&RegistryError> for Trouble {
    fn from(error: &RegistryError) -> Self {
        let (status, code) = match &error.cause {
            Cause::Refused { status, code } => (status.as_u16(), code.as_deref()),
            Cause::Odd => return Self::Broken,
            Cause::NoManifest => return Self::NotAnImage,
            Cause::UnknownHost => return Self::UnknownHost,
            Cause::Certificate => return Self::Certificate,
            Cause::Connection | Cause::Timeout => return Self::Unreachable,
            Cause::LimitReached => return Self::RateLimited,
            Cause::Credential(_) | Cause::Setup | Cause::WantsChunks => return Self::Other,
        };
        match (status, code) {
            (_, Some("TAG_INVALID")) => Self::ImmutableTag,
            (401, _) => Self::Unauthorized,
            // The words of ECR, which has no code of its own for it.
            (403, _) if error.message.contains("token has expired") => Self::TokenExpired,
            (403, _) => Self::Denied,
            (404, _) => Self::Gone,
            (429, _) => Self::RateLimited,
            (500..=599, _) => Self::ServerError,
            _ => Self::Other,
        }
    }
}

impl Trouble {
    /// Whether the same request may do better a moment later.
    pub fn passes(self) -> bool {
        matches!(
            self,
            Self::RateLimited | Self::ServerError | Self::Unclear | Self::Unreachable | Self::DaemonGone
        )
    }

    /// Whether it is the registry that is ill, whoever asks it for whatever.
    pub fn is_of_registry(self) -> bool {
        matches!(self, Self::RateLimited | Self::ServerError | Self::Unreachable)
    }

    /// Whether another login could help.
    pub fn is_of_login(self) -> bool {
        matches!(self, Self::TokenExpired | Self::Unauthorized | Self::Denied)
    }
}

/// A copy, or a look at a registry, that failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// No daemon answers.
    #[error("reach the Docker daemon at {address}: {why}")]
    NoDaemon {
        /// Where it was looked for.
        address: String,
        /// What is in the way.
        trouble: DaemonTrouble,
        /// In words.
        why: String,
    },
    /// The daemon's image store changes images in a way that this version does not handle.
    #[error("the daemon at {address} is {found}, which this version cannot copy through")]
    StoreNotHandled {
        /// Where it is.
        address: String,
        /// What was found.
        found: String,
    },
    /// A registry, or the daemon on the way to it, refused.
    #[error("{attempt} {side} {image}: {message}")]
    Refused {
        /// `look up`, `pull`, `push`.
        attempt: &'static str,
        /// Which side.
        side: Side,
        /// Which image.
        image: ImageRef,
        /// What it means.
        trouble: Trouble,
        /// The daemon's own words.
        message: String,
    },
    /// A registry that this program itself asked refused, or answered what it may not.
    #[error("{attempt} {side} {image}: {message}")]
    Registry {
        /// `look up`, `read`, `write`.
        attempt: &'static str,
        /// Which side.
        side: Side,
        /// Which image.
        image: ImageRef,
        /// What it means.
        trouble: Trouble,
        /// What was asked of whom, and what came back.
        message: String,
    },
    /// The upstream's single image is for another platform than the one that was asked for.
    #[error("pull upstream {image}: it is for {found}, not for {wanted}")]
    OtherPlatform {
        /// Which image.
        image: ImageRef,
        /// What was asked for.
        wanted: String,
        /// What it is for.
        found: String,
    },
    /// A tag names another image than it did when it was looked up.
    #[error("pull upstream {image}: the tag moved while the run was at work, from {planned} to {found}")]
    Moved {
        /// Which tag.
        image: ImageRef,
        /// What it named.
        planned: Digest,
        /// What it names now.
        found: Digest,
    },
    /// The daemon said it pushed one digest, and the registry answers another.
    #[error("check target {image}: the daemon pushed {pushed} and the registry has {found}")]
    PushNotConfirmed {
        /// Which image.
        image: ImageRef,
        /// What the daemon said.
        pushed: Digest,
        /// What the registry said.
        found: Digest,
    },
    /// The push ended well, and the registry could not be asked for what it has now.
    #[error("check target {image}: {pushed} was pushed, and the registry could not be asked whether it has it")]
    NotChecked {
        /// Which image.
        image: ImageRef,
        /// What the daemon said it pushed.
        pushed: Digest,
        /// Why not.
        #[source]
        source: Box<EngineError>,
    },
    /// The daemon pushed another manifest than the one that it holds: some of an index's content was not there.
    #[error("push target {image}: {expected} was to be pushed, and the daemon pushed {pushed}")]
    PushedAnother {
        /// Which image.
        image: ImageRef,
        /// What should have been pushed.
        expected: Digest,
        /// What was.
        pushed: Digest,
    },
    /// The daemon did not keep all that it pulled.
    #[error("pull upstream {image}: the daemon's image lacks content{}", of_what(.lacking))]
    Incomplete {
        /// Which image.
        image: ImageRef,
        /// Of which platforms, or which manifests.
        lacking: Vec<String>,
    },
    /// The daemon ended a push without the digest that every good one ends with.
    #[error("push target {image}: the daemon's answer ends without a digest")]
    PushWithoutDigest {
        /// Which image.
        image: ImageRef,
    },
    /// The daemon itself failed.
    #[error("{attempt}: {message}")]
    Daemon {
        /// What was asked of it.
        attempt: String,
        /// What it means.
        trouble: Trouble,
        /// What it said.
        message: String,
    },
    /// A credential could not be had.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The registry refused the login.
    #[error("log in to {registry}: {message}")]
    Login {
        /// The registry's host.
        registry: String,
        /// What it means, where this program itself asked.
        trouble: Option<Trouble>,
        /// What it said.
        message: String,
    },
    /// The run was stopped.
    #[error("stopped")]
    Stopped,
}

fn of_what(lacking: &[String]) -> String {
    match lacking.is_empty() {
        true => String::new(),
        false => format!(" of {}", lacking.join(", ")),
    }
}

/// What is in the way of a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaemonTrouble {
    /// No socket, or nothing listens there.
    Absent,
    /// The socket may not be opened by this user.
    NoPermission,
    /// The address is none that can be used.
    Address,
    /// TLS with it does not come about.
    Tls,
    /// The docker context cannot be used.
    Context,
    /// It is there and does not answer.
    Silent,
    /// Something else.
    Other,
}

impl EngineError {
    /// Whether the registry answered that there is no such image.
    pub fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                trouble: Trouble::Gone,
                ..
            } | Self::Registry {
                trouble: Trouble::Gone,
                ..
            }
        )
    }
}
