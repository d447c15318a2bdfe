use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{LastRun, Repository, Terms, Use, cost};
use crate::aws::account_and_region_of;

/// A repository that could go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Twelve digits.
    pub account: String,
    /// Its code.
    pub region: String,
    /// Its name.
    #[serde(rename = "repositoryName")]
    pub repository_name: String,
    /// `HOST/NAME`.
    #[serde(rename = "repositoryUri")]
    pub repository_uri: String,
    /// Why.
    pub because: CandidateBecause,
    /// The youngest image's push.
    #[serde(rename = "lastPushedDate")]
    pub last_pushed_date: Option<Timestamp>,
    /// Of its functions.
    pub last_run: Option<LastRun>,
    /// ARNs of its functions.
    pub used_by: Vec<String>,
    /// How many.
    pub images: usize,
    /// What would be free.
    pub bytes: u64,
    /// The same with each layer once, where that was read.
    pub distinct_bytes: Option<u64>,
    /// What that costs, estimated.
    pub cost_per_month: f64,
}

/// Why a repository could go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CandidateBecause {
    /// Nobody uses it, and its last push is long ago.
    Unused,
    /// Only functions use it, and each of them last ran long ago.
    NotRun,
}

impl CandidateBecause {
    /// As it stands in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::NotRun => "not_run",
        }
    }
}

/// Why a repository could go, if it could. `is_known`: whether everybody was asked who could use it.
pub(super) fn because<'a>(
    repository: &Repository,
    is_known: bool,
    last_run_of: impl Fn(&str) -> Option<&'a LastRun>,
    terms: &Terms,
) -> Option<CandidateBecause> {
    let pushed = repository.last_pushed_date?;
    if !repository.complete || !is_known {
        return None;
    }
    // Whoever is no function has no last run.
    let last_ran = |user: &String| last_run_of(user).and_then(|run| run.at());
    let all_ran_long_ago = || {
        let mut users = repository.used_by.iter();
        users.all(|user| last_ran(user).is_some_and(|at| at < terms.ran_before))
    };
    match repository.r#use {
        Use::Unused if pushed < terms.pushed_before => Some(CandidateBecause::Unused),
        Use::Used if all_ran_long_ago() => Some(CandidateBecause::NotRun),
        _ => None,
    }
}

impl Candidate {
    pub(super) fn of(repository: &Repository, because: CandidateBecause, terms: &Terms) -> Self {
        let (account, region) = account_and_region_of(&repository.arn).unwrap_or_default();
        let free = repository.distinct_bytes.unwrap_or(repository.bytes);
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            repository_name: repository.repository_name.clone(),
            repository_uri: repository.repository_uri.clone(),
            because,
            last_pushed_date: repository.last_pushed_date,
            last_run: repository.last_run,
            used_by: repository.used_by.clone(),
            images: repository.images.len(),
            bytes: repository.bytes,
            distinct_bytes: repository.distinct_bytes,
            cost_per_month: cost(free, terms.price_per_gb_month),
        }
    }

    /// How many bytes would be free: of each layer once, where manifests were read.
    pub fn frees(&self) -> u64 {
        self.distinct_bytes.unwrap_or(self.bytes)
    }
}
