//! Pure decisions: what a run should do, as a value that can be printed before anything is done.

mod sync;

pub use sync::{Policy, Upstream, Viewed, sync};

use serde::Serialize;

use crate::image::{Digest, ImageRef, Kind, Platform};

/// What a run will do, keep and refuse. Nothing is changed by making one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Plan {
    /// In order; a stage may start when the one before has ended.
    pub stages: Vec<Vec<Action>>,
    /// What is left as it is, by target.
    pub kept: Vec<Kept>,
    /// What should be done and will not be, by target.
    pub refused: Vec<Refused>,
}

impl Plan {
    /// Every action, in order.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.stages.iter().flatten()
    }
}

/// One change to a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Bring an upstream image to a target's tag.
    Copy(Copy),
}

/// One upstream image for one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copy {
    /// The target's tag.
    pub target: ImageRef,
    /// The upstream's tag.
    pub upstream: ImageRef,
    /// What that tag names now.
    pub upstream_digest: Digest,
    /// What the target's tag names now.
    pub target_digest: Digest,
    /// The config digest of what the target holds, where it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_config: Option<Digest>,
    /// The platform to bring; none for the one that the target has, which only a pull tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The platforms that the target has and will lose, because the settings ask for another one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<Platform>,
    /// Why.
    pub because: CopyBecause,
}

/// Why an image is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyBecause {
    /// The digests differ and so do the images.
    DigestDiffers,
    /// The digests differ, which through this daemon they may do for one and the same image: the pull tells, and a copy
    /// that turns out to be unneeded is not pushed.
    OnlyAPullTells,
}

/// A target that is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The target's tag.
    pub target: ImageRef,
    /// The upstream's tag.
    pub upstream: ImageRef,
    /// What the target's tag names.
    pub target_digest: Digest,
    /// What the upstream's tag names, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_digest: Option<Digest>,
    /// Why.
    pub because: KeptBecause,
}

/// Why a target is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptBecause {
    /// Both sides name the same digest.
    SameDigest,
    /// An earlier run made the target from the digest that the upstream names today.
    MadeFromThisUpstream,
    /// The upstream has no such tag any more, and `missing_upstream: keep` says that this is well.
    UpstreamGone,
}

/// A target that should be changed and will not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The target's tag.
    pub target: ImageRef,
    /// The upstream's tag.
    pub upstream: ImageRef,
    /// What the target's tag names.
    pub target_digest: Digest,
    /// What the upstream's tag names, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_digest: Option<Digest>,
    /// Why.
    pub because: RefusedBecause,
}

/// Why a target is not changed although it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum RefusedBecause {
    /// The upstream has no such tag.
    UpstreamGone,
    /// The target holds several platforms, or their attestations, and one alone would replace them.
    WouldLosePlatforms {
        /// What the target's tag names.
        kind: Kind,
        /// The platforms that it holds, where they could be read.
        platforms: Vec<Platform>,
    },
}
