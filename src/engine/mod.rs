//! The ways to bring an image from one registry to another.

pub mod docker;

use std::fmt;

use reqwest::StatusCode;

use crate::credentials::CredentialError;
use crate::image::{Digest, ImageRef};
use crate::plan::Brings;

/// One image to bring to one target.
#[derive(Debug, Clone)]
pub struct Order {
    /// The upstream's tag.
    pub upstream: ImageRef,
    /// The digest that it named when the copy was planned: this is what is copied.
    pub digest: Digest,
    /// The target's tag.
    pub target: ImageRef,
    /// How much of it.
    pub brings: Brings,
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
    /// The target holds the upstream's image already.
    Unneeded(Likeness),
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
    /// Anything else.
    Other,
}

impl Trouble {
    /// What a registry's HTTP status means; none for one that did not answer.
    pub fn of_status(status: Option<StatusCode>) -> Self {
        match status.map(|status| status.as_u16()) {
            None => Self::Unreachable,
            Some(401) => Self::Unauthorized,
            Some(403) => Self::Denied,
            Some(404) => Self::Gone,
            Some(429) => Self::RateLimited,
            Some(code) if (500..=599).contains(&code) => Self::ServerError,
            Some(_) => Self::Other,
        }
    }

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
            }
        )
    }
}
