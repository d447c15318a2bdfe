use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A function whose package is an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Function {
    /// Its name.
    pub function_name: String,
    /// In MB.
    pub memory_size: Option<u64>,
    /// When it was changed last.
    pub last_modified: Option<Timestamp>,
    /// Always `Image`.
    pub package_type: String,
    /// None where the function itself could not be asked.
    pub image_uri: Option<String>,
    /// What people wrote about it; empty where nobody did.
    pub description: String,
    /// The group that its logs go to, whether there is one or not.
    pub log_group_name: String,
    /// Of a published version with the version at its end.
    #[serde(rename = "arn")]
    pub arn: String,
    /// `$LATEST` or a published version.
    #[serde(rename = "version")]
    pub version: String,
    /// What of this report that is.
    #[serde(rename = "image")]
    pub image: RanImage,
    /// When it ran last, as far as its logs tell.
    #[serde(rename = "last_run")]
    pub last_run: LastRun,
}

/// A service of ECS, with one revision of its task definition that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub service: String,
    /// Its cluster's name.
    pub cluster: String,
    /// Its ARN.
    pub arn: String,
    /// The ARN of the revision that runs.
    pub task_definition: String,
    /// How many tasks run.
    pub running: u64,
    /// How many should.
    pub desired: u64,
    /// What one task consists of.
    pub containers: Vec<Container>,
}

/// A container of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its name in the task definition.
    pub container: String,
    /// The image's address there.
    #[serde(rename = "ImageUri")]
    pub image_uri: String,
    /// What of this report that is.
    pub image: RanImage,
}

/// What an address that is run comes to in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RanImage {
    /// It is in this report.
    Found {
        /// Its repository.
        #[serde(rename = "repositoryUri")]
        repository_uri: String,
        /// Its digest.
        digest: String,
        /// By what it was found.
        by: FoundBy,
    },
    /// Its registry, or repository, was read, and has no such image.
    Gone {
        /// The repository that it names.
        #[serde(rename = "repositoryUri")]
        repository_uri: String,
    },
    /// It comes from a registry that the report is not about.
    Outside {
        /// Its host.
        registry: String,
    },
    /// Its address, or the repository that it names, could not be read.
    Unknown,
}

impl RanImage {
    /// The repository that it names, where that was asked.
    pub fn repository_uri(&self) -> Option<&str> {
        match self {
            Self::Found { repository_uri, .. } | Self::Gone { repository_uri } => Some(repository_uri),
            Self::Outside { .. } | Self::Unknown => None,
        }
    }

    /// As it stands in the JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Found { .. } => "found",
            Self::Gone { .. } => "gone",
            Self::Outside { .. } => "outside",
            Self::Unknown => "unknown",
        }
    }
}

/// By what an image was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// By the digest that runs.
    Digest,
    /// By the tag, which may have moved since.
    Tag,
}

/// When something ran last, or why that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LastRun {
    /// The last event in the newest stream of its log group.
    Ran {
        /// Up to an hour late.
        at: Timestamp,
    },
    /// There is no such log group.
    NoLogGroup,
    /// The group is there, and no stream in it yet.
    NoStreams,
    /// The log group may not be read.
    NotAllowed,
    /// It could not be read for another reason.
    Failed,
}

impl LastRun {
    /// When it ran, where that is known.
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Self::Ran { at } => Some(at),
            _ => None,
        }
    }

    /// As it stands in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ran { .. } => "ran",
            Self::NoLogGroup => "no_log_group",
            Self::NoStreams => "no_streams",
            Self::NotAllowed => "not_allowed",
            Self::Failed => "failed",
        }
    }

    /// Of several the latest; without one that ran, what keeps most from being known.
    pub(super) fn latest(all: impl Iterator<Item = Self>) -> Option<Self> {
        all.max_by_key(|run| match run {
            Self::Ran { at } => (4, *at),
            Self::Failed => (3, Timestamp::MIN),
            Self::NotAllowed => (2, Timestamp::MIN),
            Self::NoStreams => (1, Timestamp::MIN),
            Self::NoLogGroup => (0, Timestamp::MIN),
        })
    }
}
