//! Pure decisions: what a run should do, as a value that can be printed before anything is done.

mod safety;
mod saved;
mod sync;
mod viewed;

pub use safety::{Facts, Requirements, Retag, Safety, Vanished};
pub use saved::{Now, SAVED_VERSION, Saved, recheck};
pub use sync::sync;
pub use viewed::{Policies, Policy, Upstream, Viewed, backwards};

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::image::{Attestations, Digest, ImageRef, Kind, Platform, Platforms, Repository, Tag};
use crate::mapping::NewRepository;

/// What a run will do, keep and refuse. Nothing is changed by making one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
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

    /// Every copy, in order.
    pub fn copies(&self) -> impl Iterator<Item = &Copy> {
        self.actions().filter_map(|action| match action {
            Action::Copy(copy) => Some(&**copy),
            Action::CreateRepository(_) => None,
        })
    }

    /// Every repository that is created, in order.
    pub fn creates(&self) -> impl Iterator<Item = &CreateRepository> {
        self.actions().filter_map(|action| match action {
            Action::CreateRepository(create) => Some(create),
            Action::Copy(_) => None,
        })
    }

    /// With the repositories that its copies go to, and that are not there, created before; but for those of which nothing is said:
    /// ECR creates them.
    #[must_use]
    pub fn creating(mut self, missing: &BTreeMap<Repository, Option<NewRepository>>) -> Self {
        let targets: BTreeSet<&Repository> = self.copies().map(|copy| &copy.target.repository).collect();
        let creates = targets.into_iter().filter_map(|repository| {
            let with = missing.get(repository)?.clone()?;
            let repository = repository.clone();
            Some(Action::CreateRepository(CreateRepository { repository, with }))
        });
        let creates: Vec<Action> = creates.collect();
        if !creates.is_empty() {
            self.stages.insert(0, creates);
        }
        self
    }

    /// A target of which it says two things, which no plan does that was made here.
    pub fn listed_twice(&self) -> Option<&ImageRef> {
        let copied = self.copies().map(|copy| &copy.target);
        let kept = self.kept.iter().map(|kept| &kept.target);
        let refused = self.refused.iter().map(|refused| &refused.target);
        let mut seen = BTreeSet::new();
        copied.chain(kept).chain(refused).find(|target| !seen.insert(*target))
    }
}

/// One change to a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Make a repository that copies of a later stage go to.
    CreateRepository(CreateRepository),
    /// Bring an upstream image to a target's tag.
    Copy(Box<Copy>),
}

/// A repository that is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateRepository {
    /// Which.
    pub repository: Repository,
    /// What it will be like.
    #[serde(flatten)]
    pub with: NewRepository,
}

/// One upstream image for one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// The target's tag.
    pub target: ImageRef,
    /// The upstream's tag.
    pub upstream: ImageRef,
    /// What that tag names now.
    pub upstream_digest: Digest,
    /// What that is.
    pub upstream_kind: Kind,
    /// The platforms that it has, where they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstream_platforms: Vec<Platform>,
    /// What the target's tag names now; none where there is no such tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_digest: Option<Digest>,
    /// What that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_kind: Option<Kind>,
    /// The config digest of what the target holds, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_config: Option<Digest>,
    /// What comes.
    pub brings: Brings,
    /// The platforms that were asked for, where those are the repository's own and not the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Platforms>,
    /// The digest that the target's tag will name, where that is known and another than the upstream's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub makes: Option<Digest>,
    /// The platforms that the target has and will lose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<Platform>,
    /// The tag under which the image stays that the target's tag names now. Where that is another's already, one with a number behind its
    /// date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Tag>,
    /// Whether it is a version's tag that has moved upstream, which somebody should know.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved_version: bool,
    /// Why.
    pub because: CopyBecause,
}

impl Copy {
    /// The digest that the target's tag names after it, where that is known beforehand.
    pub fn leaves(&self) -> Option<&Digest> {
        match &self.brings {
            Brings::Whole(_) => Some(&self.upstream_digest),
            Brings::Platform(_) | Brings::Part { .. } if !self.upstream_kind.is_index() => Some(&self.upstream_digest),
            Brings::Platform(_) | Brings::Part { .. } => self.makes.as_ref(),
        }
    }
}

/// How much of an upstream's image comes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Brings {
    /// One platform's image; none for the platform that the target has, which only a pull tells.
    Platform(Option<Platform>),
    /// All that the tag names, an index with all its platforms; those that are known.
    Whole(Vec<Platform>),
    /// An index made anew of some of its entries.
    Part {
        /// For these platforms; empty for all.
        platforms: Vec<Platform>,
        /// With what attests them, or without.
        attestations: Attestations,
    },
}

impl Brings {
    /// The platforms that come, as far as they are known.
    pub fn platforms(&self) -> &[Platform] {
        match self {
            Self::Platform(platform) => platform.as_slice(),
            Self::Whole(platforms) | Self::Part { platforms, .. } => platforms,
        }
    }

    /// Whether every platform comes that the upstream has.
    pub fn is_of_all(&self) -> bool {
        match self {
            Self::Platform(_) => false,
            Self::Whole(_) => true,
            Self::Part { platforms, .. } => platforms.is_empty(),
        }
    }
}

/// Who carries a plan out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// A Docker daemon.
    Docker,
    /// This program.
    Direct,
}

impl EngineKind {
    /// Its word, as in the settings and in saved plans.
    pub fn word(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Direct => "direct",
        }
    }
}

/// What the way to the target keeps of an image, which decides what can be brought and what equal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// The content of one platform's image. Its manifest is written anew, so that only the config digest stays.
    Content,
    /// Manifests as they are, and an index when all its platforms come along.
    Manifests,
    /// Everything as it is, and any part of an index.
    Everything,
}

/// Why an image is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyBecause {
    /// The target has no such tag.
    Missing,
    /// The digests differ and so do the images.
    DigestDiffers,
    /// The digests differ, which through this daemon they may do for one and the same image: the pull tells, and a copy
    /// that turns out to be unneeded is not pushed.
    OnlyAPullTells,
    /// The images are the same, and the target lacks some of what refers to the upstream's: a signature that came later.
    ReferrersMissing,
}

/// A target that is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The target's tag.
    pub target: ImageRef,
    /// The upstream's tag.
    pub upstream: ImageRef,
    /// What the target's tag names; none where there is no such tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_digest: Option<Digest>,
    /// What the upstream's tag names, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_digest: Option<Digest>,
    /// Until when it waits, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    pub because: KeptBecause,
}

/// Why a target is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptBecause {
    /// Both sides name the same digest.
    SameDigest,
    /// The target is the upstream index's own manifest for its platform.
    SamePlatformManifest,
    /// An earlier run made the target from the digest that the upstream names today.
    MadeFromThisUpstream,
    /// The target is what would be made of the upstream today.
    SamePart,
    /// Its tag is one that never moves (`immutable_tags`): nobody was asked.
    FixedTag,
    /// It is there, which is enough (`compare: missing-only`): nobody was asked.
    Present,
    /// The upstream has no such tag any more, and the settings say that this is well.
    UpstreamGone,
    /// The upstream has no such tag any more, and nothing here deletes what may be the last copy.
    Protected,
    /// The upstream's image has not been seen long enough (`policy.min_age`).
    TooYoung,
    /// It was rolled back from what the upstream has today.
    RolledBack,
}

impl KeptBecause {
    /// Whether the upstream has another image, which does not come for now.
    pub fn holds_back(self) -> bool {
        matches!(self, Self::TooYoung | Self::RolledBack)
    }
}

/// A target that should be changed and will not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The target's tag.
    pub target: ImageRef,
    /// The upstream's tag.
    pub upstream: ImageRef,
    /// What the target's tag names; none where there is no such tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_digest: Option<Digest>,
    /// What the upstream's tag names, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_digest: Option<Digest>,
    /// Why.
    pub because: RefusedBecause,
}

/// Why a target is not changed although it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum RefusedBecause {
    /// The upstream has no such tag.
    UpstreamGone,
    /// The target's repository does not let its tags move.
    ImmutableTag,
    /// The target holds several platforms, or their attestations, and one alone would replace them.
    WouldLosePlatforms {
        /// What the target's tag names.
        kind: Kind,
        /// The platforms that it holds, where they could be read.
        platforms: Vec<Platform>,
    },
    /// It is a version's tag that has moved upstream, and `policy.retag` is freeze.
    VersionMoved {
        /// The upstream's digest that the target was made of, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was: Option<Digest>,
    },
    /// The upstream's image is not what `policy.require` asks for.
    Requirements {
        /// What is asked for and not so, in words.
        unmet: Vec<String>,
    },
    /// The tag under which the image would stay that is replaced is longer than a tag may be.
    NoBackup,
    /// The plan was made for another digest than the upstream's tag names now.
    UpstreamMoved {
        /// What it named.
        planned: Digest,
    },
    /// The plan was made for another digest than the target's tag names now.
    TargetMoved {
        /// What it named; none where there was no such tag.
        planned: Option<Digest>,
        /// What it names; none where it has gone.
        now: Option<Digest>,
    },
    /// Several platforms are asked for, and the engine brings one at a time.
    OnePlatformAtATime,
    /// The plan was made for another daemon, which brings what this one cannot.
    OtherEngine,
    /// The upstream has no image for some of the platforms that are asked for.
    PlatformsMissing {
        /// Which.
        missing: Vec<Platform>,
        /// The platforms that it has.
        #[serde(default)]
        there: Vec<Platform>,
    },
    /// The upstream's index has more platforms than are asked for, and an index is brought whole.
    IndexHasOthers {
        /// Which.
        others: Vec<Platform>,
    },
}
