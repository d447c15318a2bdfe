//! What goes wrong on the way of an image, and what it means.

use std::fmt;

use crate::credentials::CredentialError;
use crate::image::{Digest, ImageRef, Repository};
use crate::registry::{Cause, MANIFEST_BLOB_UNKNOWN, RegistryError};

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
    /// The registry lacks content that a manifest names, and does not take the manifest.
    Lacking,
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
            (_, Some(MANIFEST_BLOB_UNKNOWN)) => Self::Lacking,
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
    /// A registry did not list an upstream's tags.
    #[error("list the tags of upstream {repository}: {message}")]
    Tags {
        /// Whose.
        repository: Repository,
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
    #[error("check target {image}: {pushed} was pushed, and the registry has {found}")]
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
