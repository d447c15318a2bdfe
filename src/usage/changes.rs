use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Account, Answer, Report, Repository, Service, Use};
use crate::aws::account_and_region_of;

/// What changed since an earlier report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// When that was begun.
    pub since: Timestamp,
    /// Then, of all that was read both times.
    pub bytes_before: u64,
    /// Now, of the same.
    pub bytes_now: u64,
    /// Only those that changed, the largest difference first.
    pub repositories: Vec<RepositoryChange>,
    /// Regions that were not read both times.
    pub not_compared: Vec<NotCompared>,
    /// Whether the same kinds of users were asked for both times; else nothing is newly used or unused.
    #[serde(default)]
    pub use_compared: bool,
}

/// A repository that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryChange {
    /// Twelve digits.
    pub account: String,
    /// Its code.
    pub region: String,
    /// Its name.
    #[serde(rename = "repositoryName")]
    pub repository_name: String,
    /// How.
    pub changes: Vec<Change>,
    /// None where it was not there.
    pub bytes_before: Option<u64>,
    /// None where it is not there.
    pub bytes_now: Option<u64>,
    /// None where it was not there.
    pub images_before: Option<usize>,
    /// None where it is not there.
    pub images_now: Option<usize>,
}

/// How a repository changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was not there.
    New,
    /// It is not there any more.
    Gone,
    /// It has more bytes.
    Grown,
    /// It has fewer.
    Shrunk,
    /// It was used, and is not any more.
    NewlyUnused,
    /// It was not used, and is now.
    NewlyUsed,
}

impl Change {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Grown => "grown",
            Self::Shrunk => "shrunk",
            Self::NewlyUnused => "newly unused",
            Self::NewlyUsed => "newly used",
        }
    }
}

/// A region that was not read both times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCompared {
    /// Twelve digits, where that is known.
    pub account: Option<String>,
    /// Its code.
    pub region: String,
    /// Why not.
    pub because: NotComparedBecause,
}

/// Why a region was not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotComparedBecause {
    /// Some of it, or all, failed now.
    NotReadNow,
    /// Some of it, or all, failed then.
    NotReadBefore,
    /// It was not to be asked now.
    NotAskedNow,
    /// It was not to be asked then.
    NotAskedBefore,
}

impl NotComparedBecause {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::NotReadNow => "not read now",
            Self::NotReadBefore => "not read then",
            Self::NotAskedNow => "not asked now",
            Self::NotAskedBefore => "not asked then",
        }
    }
}

type Place = (Option<String>, String);

impl Changes {
    /// From an earlier report to a later one.
    pub fn between(before: &Report, now: &Report) -> Self {
        let (answers_before, answers_now) = (answers(&before.accounts), answers(&now.accounts));
        let places: BTreeSet<&Place> = answers_before.keys().chain(answers_now.keys()).collect();
        let not_compared: Vec<NotCompared> = places
            .into_iter()
            .filter_map(|place| {
                let sides = (answers_before.get(place), answers_now.get(place));
                let because = why_not(sides, [before, now].map(|report| is_unread(report, place)))?;
                let (account, region) = place.clone();
                Some(NotCompared {
                    account,
                    region,
                    because,
                })
            })
            .collect();
        let is_whole = |account: &str, region: &str| {
            let mut others = not_compared.iter();
            !others.any(|one| one.region == region && one.account.as_deref().is_none_or(|own| own == account))
        };
        let asked = |report: &Report| report.settings.include.iter().copied().collect::<BTreeSet<_>>();
        let use_compared = asked(before) == asked(now);
        let (old, new) = (by_arn(before), by_arn(now));
        let arns: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
        let (mut bytes_before, mut bytes_now, mut changed) = (0, 0, Vec::new());
        for arn in arns {
            let (account, region) = account_and_region_of(arn).unwrap_or_default();
            let sides = (old.get(arn).copied(), new.get(arn).copied());
            let is_compared = match sides {
                (Some(old), Some(new)) => old.complete && new.complete,
                _ => is_whole(account, region),
            };
            if !is_compared {
                continue;
            }
            bytes_before += sides.0.map_or(0, |old| old.bytes);
            bytes_now += sides.1.map_or(0, |new| new.bytes);
            changed.extend(change(account, region, sides, use_compared));
        }
        changed.sort_by_key(|one: &RepositoryChange| {
            let difference = one.bytes_now.unwrap_or(0).abs_diff(one.bytes_before.unwrap_or(0));
            std::cmp::Reverse(difference)
        });
        Self {
            since: before.generated_at,
            bytes_before,
            bytes_now,
            repositories: changed,
            not_compared,
            use_compared,
        }
    }
}

fn answers(accounts: &[Account]) -> BTreeMap<Place, Answer> {
    let regions = accounts.iter().flat_map(|account| {
        let regions = account.regions.iter();
        regions.map(|asked| ((account.id.clone(), asked.region.clone()), asked.ecr))
    });
    regions.collect()
}

/// Whether a region is left out because nobody could tell which there are.
fn is_unread(report: &Report, (id, _): &Place) -> bool {
    let is_unlisted = |account: &Account| {
        let mut failures = report.failures.iter();
        account.regions.is_empty() || failures.any(|one| one.service == Service::Account && one.account == account.id)
    };
    report.accounts.iter().any(|one| one.id == *id && is_unlisted(one))
}

fn why_not(
    (before, now): (Option<&Answer>, Option<&Answer>),
    [is_unread_before, is_unread_now]: [bool; 2],
) -> Option<NotComparedBecause> {
    let is_asked = |answer: Option<&Answer>| answer.is_some_and(|answer| *answer != Answer::NotAsked);
    match (before, now) {
        (_, None) if is_unread_now => Some(NotComparedBecause::NotReadNow),
        (None, _) if is_unread_before => Some(NotComparedBecause::NotReadBefore),
        (_, now) if !is_asked(now) => Some(NotComparedBecause::NotAskedNow),
        (before, _) if !is_asked(before) => Some(NotComparedBecause::NotAskedBefore),
        (_, Some(now)) if *now != Answer::Read => Some(NotComparedBecause::NotReadNow),
        (Some(before), _) if *before != Answer::Read => Some(NotComparedBecause::NotReadBefore),
        _ => None,
    }
}

fn by_arn(report: &Report) -> BTreeMap<&str, &Repository> {
    let repositories = report.repositories();
    repositories
        .map(|(_, _, repository)| (repository.arn.as_str(), repository))
        .collect()
}

/// What became of a repository; none where nothing did.
fn change(
    account: &str,
    region: &str,
    (old, new): (Option<&Repository>, Option<&Repository>),
    use_compared: bool,
) -> Option<RepositoryChange> {
    let changes = match (old, new) {
        (None, _) => vec![Change::New],
        (_, None) => vec![Change::Gone],
        (Some(old), Some(new)) => {
            let by_size = match new.bytes.cmp(&old.bytes) {
                std::cmp::Ordering::Less => Some(Change::Shrunk),
                std::cmp::Ordering::Equal => None,
                std::cmp::Ordering::Greater => Some(Change::Grown),
            };
            let by_use = match (old.r#use, new.r#use) {
                (Use::Used, Use::Unused) if use_compared => Some(Change::NewlyUnused),
                (Use::Unused, Use::Used) if use_compared => Some(Change::NewlyUsed),
                _ => None,
            };
            by_size.into_iter().chain(by_use).collect()
        }
    };
    (!changes.is_empty()).then(|| RepositoryChange {
        account: account.to_owned(),
        region: region.to_owned(),
        repository_name: new.or(old).map(|one| one.repository_name.clone()).unwrap_or_default(),
        changes,
        bytes_before: old.map(|old| old.bytes),
        bytes_now: new.map(|new| new.bytes),
        images_before: old.map(|old| old.images.len()),
        images_now: new.map(|new| new.images.len()),
    })
}
