//! What a survey did not find, or could not read.

use std::sync::Arc;

use crate::aws::AwsError;
use crate::engine::EngineError;
use crate::image::{Digest, ImageRef, Kind, Repository};
use crate::mapping::{NoUpstream, Only, TagMistake};
use crate::selection::TooMany;

/// What says which repositories are looked after, and finds none.
#[derive(Debug)]
pub struct Unmatched {
    /// The keyword, which no repository has in its name; none where resource tags alone say it, and no repository has them.
    pub keyword: Option<String>,
    /// The registry's host.
    pub registry: String,
    /// The region that was asked.
    pub region: String,
}

/// A repository that is passed over, or what an entry of `images` would bring there.
#[derive(Debug, Clone)]
pub struct Closed {
    /// Its name in the run's own registry, or with the registry before it.
    pub repository: String,
    /// The entry; none where the repository's own tags are passed over.
    pub from: Option<String>,
    /// Why.
    pub why: SurveyError,
}

/// A name that the run was narrowed down to, and that nothing has.
#[derive(Debug, Clone)]
pub struct Absent {
    /// Which.
    pub only: Only,
    /// The repository that was most likely meant.
    pub near: Option<String>,
    /// Whether the keyword leaves it out.
    pub keyword: bool,
    /// Why it is none of what is looked after, where that is known.
    pub passed_over: Option<PassedOver>,
}

/// Why a tag is not looked after.
#[derive(Debug, Clone)]
pub enum PassedOver {
    /// What the rules of an entry of `images` say of it.
    Rules(String),
    /// Only what is named is looked after, and nothing names its repository.
    NotNamed,
    /// It keeps what another tag named before.
    Backup,
    /// The upstream that its repository follows has no such tag.
    NotUpstream(Repository),
}

/// A target's tag and the upstream's that it follows.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The target's tag.
    pub target: ImageRef,
    /// What it names; none where there is no such tag.
    pub digest: Option<Digest>,
    /// What that is.
    pub kind: Option<Kind>,
    /// The upstream's tag.
    pub follows: ImageRef,
    /// Whether the repository lets the tag move.
    pub can_move: bool,
}

/// A target of which something could not be read.
#[derive(Debug)]
pub struct Unread {
    /// Which target.
    pub target: Followed,
    /// Why. Several targets may follow one upstream tag, and share its error.
    pub why: Arc<EngineError>,
}

/// What could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SurveyError {
    /// ECR did not list its images.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Its name tells no upstream.
    #[error(transparent)]
    NoUpstream(#[from] NoUpstream),
    /// A registry did not answer for an image.
    #[error(transparent)]
    Engine(Arc<EngineError>),
    /// The rules choose more than they may.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The rules choose nothing.
    #[error("the rules choose none of the {tags} tags of {upstream}")]
    NothingChosen {
        /// The upstream.
        upstream: Repository,
        /// How many tags it has.
        tags: usize,
    },
    /// The target has no such repository.
    #[error(
        "there is no such repository; create it: aws ecr create-repository --region {region} --repository-name {name}"
    )]
    NoRepository {
        /// Its name.
        name: String,
        /// Where.
        region: String,
    },
    /// Nothing that is set leads to its registry.
    #[error("the settings lead to no registry {0}, or not to its API")]
    NoRegistry(Arc<str>),
    /// Its API is that of another registry.
    #[error("{host} is no registry of ECR: its API would be that of {own}")]
    OtherRegistry {
        /// The registry's host.
        host: Arc<str>,
        /// Whose API it is.
        own: String,
    },
    /// Two say who to be at a registry, and not the same.
    #[error("another target of {0} assumes another role there; name one role for a registry")]
    TwoRoles(Arc<str>),
    /// Two say what holds for a repository.
    #[error(
        "platforms, policy and the digest of a tag hold for all of a repository, which {0} names before by another spelling"
    )]
    OwnRulesTwice(String),
    /// ECR creates no such repository by itself.
    #[error("there is no such repository, and no repository creation template of {region} creates {name} on push")]
    NoTemplate {
        /// Its name.
        name: String,
        /// Where.
        region: String,
    },
    /// ECR itself keeps it current.
    #[error("the repository belongs to a pull-through cache, which ECR keeps current itself")]
    Cached,
    /// A resource tag of it says nothing.
    #[error(transparent)]
    Tag(#[from] TagMistake),
    /// Two say what its upstream is, and not the same.
    #[error("{} would come by {}, and {} by {}", .0[0].1, .0[0].0, .0[1].1, .0[1].0)]
    TwoUpstreams([(String, Repository); 2]),
}
