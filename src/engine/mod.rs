//! The ways to bring an image from one registry to another.

pub mod docker;

use std::fmt;

use crate::credentials::CredentialError;
use crate::image::{Digest, ImageRef, Platform};

/// One image to bring to one target.
#[derive(Debug, Clone)]
pub struct Order {
    /// The upstream's tag.
    pub upstream: ImageRef,
    /// The digest that it named when the copy was planned: this is what is copied.
    pub digest: Digest,
    /// The target's tag.
    pub target: ImageRef,
    /// Which platform; none for the one that the target has.
    pub platform: Option<Platform>,
    /// What the target holds now, to see whether the copy is needed at all.
    pub held: Held,
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
    /// Pushed, and the target's registry answers with this digest.
    Pushed(Digest),
    /// The target holds this content already.
    Unneeded,
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
    /// The registry could not be reached.
    Unreachable,
    /// The registry answered that it is ill.
    ServerError,
    /// Anything else.
    Other,
}

/// A copy, or a look at a registry, that failed.
#[derive(Debug, thiserror::Error)]
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
        /// What it said.
        message: String,
    },
    /// The run was stopped.
    #[error("stopped")]
    Stopped,
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
    /// TLS is asked for.
    Tls,
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
            }
        )
    }
}
