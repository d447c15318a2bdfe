use serde::{Deserialize, Serialize};

use super::{ByRegion, EcsService, Function, Repository};

/// What was found in one account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Twelve digits; none where it could not be asked who it is.
    pub id: Option<String>,
    /// The name in the settings.
    pub name: Option<String>,
    /// The e-mail address in the settings.
    pub email: Option<String>,
    /// The ARN that asked.
    pub asked_as: Option<String>,
    /// Who answered.
    pub regions: Vec<Asked>,
    /// The largest region first; one without repositories is left out.
    pub ecr: ByRegion<Region>,
    /// A region without functions is left out.
    pub lambda: ByRegion<Vec<Function>>,
    /// A region without services is left out.
    pub ecs: ByRegion<Vec<EcsService>>,
}

impl Account {
    /// How people call it: its name, or its number.
    pub fn title(&self) -> &str {
        let title = self.name.as_deref().or(self.id.as_deref());
        title.unwrap_or("unknown account")
    }

    /// Who answered in a region.
    pub fn asked(&self, region: &str) -> Option<&Asked> {
        self.regions.iter().find(|asked| asked.region == region)
    }
}

/// Who answered in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its code.
    pub region: String,
    /// The registry's host, where that is known.
    pub registry: Option<String>,
    /// Repositories and images.
    pub ecr: Answer,
    /// Functions.
    pub lambda: Answer,
    /// Services.
    pub ecs: Answer,
}

/// What a service answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// All of it.
    Read,
    /// Some calls failed; the rest is there.
    Incomplete,
    /// Nothing of it.
    Failed,
    /// It was not wanted.
    NotAsked,
}

impl Answer {
    /// As it stands in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::NotAsked => "not_asked",
        }
    }
}

/// ECR of one region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// By size, then last push, both descending.
    pub repositories: Vec<Repository>,
    /// All images, in GB.
    #[serde(rename = "totalSizeGB")]
    pub total_size_gb: f64,
    /// All images.
    pub bytes: u64,
    /// Each layer once within its repository.
    pub distinct_bytes: Option<u64>,
    /// Whether every repository and image was read.
    pub complete: bool,
}
