use serde::{Deserialize, Serialize};

use super::{Account, Answer, Candidate, GB, Repository, Terms, Use, cost};
use crate::aws::ecr::Status;

/// Sums over all accounts and regions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Pairs of account and region.
    pub regions: RegionTotals,
    /// By their use.
    pub repositories: RepositoryTotals,
    /// Some of them by what they are.
    pub images: ImageTotals,
    /// Found in Lambda; each version that is run by its own.
    pub functions: usize,
    /// Found in ECS.
    pub services: usize,
    /// All images, in GB.
    #[serde(rename = "totalSizeGB")]
    pub total_size_gb: f64,
    /// All images.
    pub bytes: u64,
    /// Each layer once within its repository.
    pub distinct_bytes: Option<u64>,
    /// Of `bytes`, what is archived.
    pub archived_bytes: u64,
    /// Estimated, for all images.
    pub cost_per_month: f64,
    /// What could go.
    pub candidates: CandidateTotals,
}

impl CandidateTotals {
    /// How many bytes would be free: of each layer once, where manifests were read.
    pub fn frees(&self) -> u64 {
        self.distinct_bytes.unwrap_or(self.bytes)
    }
}

/// Pairs of account and region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionTotals {
    /// That were to be asked.
    pub asked: usize,
    /// That have a repository.
    pub with_images: usize,
    /// Whose ECR failed or is incomplete.
    pub not_read: usize,
}

/// Repositories by their use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryTotals {
    /// The sum of the others.
    pub all: usize,
    /// Somebody uses them.
    pub used: usize,
    /// Nobody does.
    pub unused: usize,
    /// Not everybody could be asked.
    pub unknown: usize,
}

/// Images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageTotals {
    /// All of them.
    pub all: usize,
    /// Of these, without a tag.
    pub untagged: usize,
    /// Of these, archived.
    pub archived: usize,
    /// Of these, run by somebody.
    pub used: usize,
}

/// What could go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CandidateTotals {
    /// How many.
    pub repositories: usize,
    /// All their images.
    pub bytes: u64,
    /// Each layer once within its repository.
    pub distinct_bytes: Option<u64>,
    /// Estimated.
    pub cost_per_month: f64,
}

impl Totals {
    pub(super) fn of(accounts: &[Account], candidates: &[Candidate], terms: &Terms) -> Self {
        let asked: Vec<_> = accounts.iter().flat_map(|account| &account.regions).collect();
        let regions: Vec<_> = accounts.iter().flat_map(|account| account.ecr.values()).collect();
        let repositories: Vec<&Repository> = regions.iter().flat_map(|region| &region.repositories).collect();
        let images: Vec<_> = repositories.iter().flat_map(|repository| &repository.images).collect();
        let used = |wanted| repositories.iter().filter(|one| one.r#use == wanted).count();
        let archived = || images.iter().filter(|image| image.status == Status::Archived);
        let bytes = repositories.iter().map(|repository| repository.bytes).sum();
        let distinct_bytes = repositories.iter().map(|one| one.distinct_bytes).sum();
        let is_not_read = |answer| matches!(answer, Answer::Failed | Answer::Incomplete);
        Self {
            regions: RegionTotals {
                asked: asked.len(),
                with_images: regions.len(),
                not_read: asked.iter().filter(|asked| is_not_read(asked.ecr)).count(),
            },
            repositories: RepositoryTotals {
                all: repositories.len(),
                used: used(Use::Used),
                unused: used(Use::Unused),
                unknown: used(Use::Unknown),
            },
            images: ImageTotals {
                all: images.len(),
                untagged: images.iter().filter(|image| image.tags.is_empty()).count(),
                archived: archived().count(),
                used: images.iter().filter(|image| image.r#use == Use::Used).count(),
            },
            functions: accounts
                .iter()
                .flat_map(|account| account.lambda.values())
                .map(Vec::len)
                .sum(),
            services: accounts
                .iter()
                .flat_map(|account| account.ecs.values())
                .map(Vec::len)
                .sum(),
            total_size_gb: bytes as f64 / GB,
            bytes,
            distinct_bytes,
            archived_bytes: archived().map(|image| image.bytes).sum(),
            cost_per_month: cost(distinct_bytes.unwrap_or(bytes), terms.price_per_gb_month),
            candidates: CandidateTotals {
                repositories: candidates.len(),
                bytes: candidates.iter().map(|one| one.bytes).sum(),
                distinct_bytes: candidates.iter().map(|one| one.distinct_bytes).sum(),
                cost_per_month: cost(candidates.iter().map(Candidate::frees).sum(), terms.price_per_gb_month),
            },
        }
    }
}
