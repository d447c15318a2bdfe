//! Images that go and images that stay, for people and programs.

use std::collections::BTreeMap;
use std::io::{self, Write};

use indicatif::DecimalBytes;
use jiff::Timestamp;
use serde::Serialize;

use super::repositories::{minute, so_many_images, write_failures, write_rows};
use super::{Failure, SCHEMA_VERSION};
use crate::aws::ecr::{ImageDetails, Sort, Status};
use crate::image::{Digest, Tag};
use crate::prune::{Freed, GoesBecause, KeptBecause, LifecyclePolicy, Plan, Rules, Shown};

/// Who may run images and is not seen.
pub const NOT_SEEN: [&str; 8] = [
    "EKS and other Kubernetes",
    "App Runner",
    "Batch",
    "SageMaker",
    "scheduled tasks of ECS (EventBridge, Step Functions)",
    "other task definitions that no service and no running task is of",
    "whoever pulls by itself",
    "accounts and regions that were not asked",
];

/// Where functions of Lambda, services and tasks of ECS were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AskedIn {
    /// Accounts, by their numbers, as far as these are known.
    pub accounts: Vec<String>,
    /// Codes of regions.
    pub regions: Vec<String>,
}

impl AskedIn {
    fn in_words(&self) -> String {
        let all = |names: &[String], nothing: &str| match names.is_empty() {
            true => nothing.to_owned(),
            false => names.join(", "),
        };
        format!(
            "asked who runs them: functions of Lambda, services and tasks of ECS in {} of {}",
            all(&self.regions, "no region"),
            all(&self.accounts, "an account whose number is not known")
        )
    }
}

/// A plan, or what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Pruned {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Whether it was carried out.
    pub applied: bool,
    /// What had to hold.
    pub rules: Rules,
    /// By name.
    pub repositories: Vec<PrunedRepository>,
    /// What is free once all of it is gone.
    pub freed: Freed,
    /// Where it was asked who runs images.
    pub asked: AskedIn,
    /// Who may run images and was not seen.
    pub not_seen: Vec<&'static str>,
    /// What is to be known beside it.
    pub notes: Vec<String>,
    /// What could not be read, or done, that is not one image's.
    pub failures: Vec<Failure>,
}

/// Those of one repository.
#[derive(Debug, Clone, Serialize)]
pub struct PrunedRepository {
    /// Its name in the registry.
    pub repository: String,
    /// `HOST/NAME`
    pub uri: String,
    /// In the order in which they are deleted.
    pub goes: Vec<GoingImage>,
    /// The newest first.
    pub kept: Vec<KeptImage>,
    /// What is free once these are gone.
    pub freed: Freed,
    /// What is to be known beside it.
    pub notes: Vec<String>,
}

/// An image.
#[derive(Debug, Clone, Serialize)]
pub struct PrunedImage {
    /// The digest of its manifest or index.
    pub digest: Digest,
    /// Its tags; none where it is untagged.
    pub tags: Vec<Tag>,
    /// What it is.
    pub kind: Sort,
    /// Whether it can be pulled.
    pub status: Status,
    /// Its size, compressed; of an index that of its largest image.
    pub bytes: Option<u64>,
    /// When it was pushed.
    pub pushed: Option<Timestamp>,
    /// When it was pulled last, as far as ECR keeps a record of that.
    pub last_pulled: Option<Timestamp>,
}

/// One that goes.
#[derive(Debug, Clone, Serialize)]
pub struct GoingImage {
    /// Which.
    #[serde(flatten)]
    pub image: PrunedImage,
    /// Why.
    pub because: GoesBecause,
    /// What became of it; none where nothing was to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<PruneOutcome>,
    /// Why it is there still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// One that stays.
#[derive(Debug, Clone, Serialize)]
pub struct KeptImage {
    /// Which.
    #[serde(flatten)]
    pub image: PrunedImage,
    /// Why.
    pub because: KeptBecause,
    /// Whether it was to go by the plan that was shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub after_all: bool,
}

/// What became of an image that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PruneOutcome {
    /// It is not there any more.
    Deleted,
    /// It is not there any more, and ECR did not say that this run deleted it: it had gone before, or with a call of which the answer got lost.
    Absent,
    /// It is there still.
    Failed,
    /// It was not tried, for the run was stopped or something else failed before.
    NotAttempted,
}

impl PruneOutcome {
    fn word(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Absent => "absent",
            Self::Failed => "failed",
            Self::NotAttempted => "not attempted",
        }
    }
}

impl PrunedImage {
    fn of(image: &ImageDetails) -> Self {
        Self {
            kind: Sort::of(image),
            digest: image.digest.clone(),
            tags: image.tags.clone(),
            status: image.status,
            bytes: image.bytes,
            pushed: image.pushed,
            last_pulled: image.pulled,
        }
    }

    fn cells(&self, word: &str, why: String) -> Vec<String> {
        let tags: Vec<&str> = self.tags.iter().map(Tag::as_str).collect();
        vec![
            format!("  {word}"),
            minute(self.pushed),
            minute(self.last_pulled),
            self.bytes
                .map_or("-".to_owned(), |bytes| DecimalBytes(bytes).to_string()),
            self.digest.short().to_owned(),
            match self.status {
                Status::Active => self.kind.word().to_owned(),
                Status::Archived => format!("{} (archived)", self.kind.word()),
                Status::Activating => format!("{} (being restored)", self.kind.word()),
            },
            match tags.is_empty() {
                true => "-".to_owned(),
                false => tags.join(", "),
            },
            why,
        ]
    }
}

impl PrunedRepository {
    /// What is planned.
    pub fn new(repository: String, uri: String, plan: &Plan, notes: Vec<String>) -> Self {
        let goes = plan.goes.iter().map(|going| GoingImage {
            image: PrunedImage::of(&going.image),
            because: going.because.clone(),
            outcome: None,
            failure: None,
        });
        let kept = plan.kept.iter().map(|kept| KeptImage {
            image: PrunedImage::of(&kept.image),
            because: kept.because.clone(),
            after_all: false,
        });
        Self {
            repository,
            uri,
            goes: goes.collect(),
            kept: kept.collect(),
            freed: plan.freed,
            notes,
        }
    }

    /// What has stayed after all of what was shown to go.
    pub fn stays_after_all(mut self, shown: &Shown) -> Self {
        for one in &mut self.kept {
            one.after_all = shown.contains_key(&one.image.digest);
        }
        self
    }

    /// The same of those for which there was a reason while others went.
    pub fn keep(&mut self, reasons: &BTreeMap<Digest, KeptBecause>) {
        let (stays, goes) = std::mem::take(&mut self.goes)
            .into_iter()
            .partition(|one: &GoingImage| reasons.contains_key(&one.image.digest));
        self.goes = goes;
        let stays: Vec<GoingImage> = stays;
        self.kept.extend(stays.into_iter().filter_map(|one| {
            Some(KeptImage {
                because: reasons.get(&one.image.digest)?.clone(),
                image: one.image,
                after_all: true,
            })
        }));
    }

    fn heading(&self) -> String {
        let all = self.goes.len() + self.kept.len();
        let archived = self
            .goes
            .iter()
            .filter(|one| one.image.status == Status::Archived)
            .count();
        let archived = match archived {
            0 => String::new(),
            some => format!(" ({some} archived)"),
        };
        match self.goes.len() {
            0 => format!("{}  {}, none goes", self.uri, so_many_images(all)),
            some => format!(
                "{}  {some} of {} go{}{archived}, {}",
                self.uri,
                so_many_images(all),
                if some == 1 { "es" } else { "" },
                in_words(self.freed)
            ),
        }
    }

    fn write_plan(&self, rules: &Rules, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", self.heading())?;
        let headings = [
            "",
            "pushed (UTC)",
            "last pulled",
            "size",
            "digest",
            "kind",
            "tags",
            "why",
        ];
        let mut rows = vec![headings.map(str::to_owned).to_vec()];
        let goes = self.goes.iter();
        rows.extend(goes.map(|one| one.image.cells("goes", one.because.in_words(rules))));
        rows.extend(
            self.kept
                .iter()
                .map(|one| one.image.cells("stays", one.because.in_words())),
        );
        if rows.len() > 1 {
            write_rows(out, &rows)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(out, "  note: {note}"))
    }

    fn write_outcome(&self, out: &mut impl Write) -> io::Result<()> {
        let count = |outcome| self.goes.iter().filter(|one| one.outcome == Some(outcome)).count();
        let deleted = count(PruneOutcome::Deleted);
        let all = [PruneOutcome::Absent, PruneOutcome::Failed, PruneOutcome::NotAttempted];
        let others = all.into_iter().filter(|outcome| count(*outcome) > 0);
        let others: Vec<String> = others.map(|one| format!(", {} {}", count(one), one.word())).collect();
        writeln!(
            out,
            "{}  {} deleted{}",
            self.uri,
            so_many_images(deleted),
            others.concat()
        )?;
        for one in &self.goes {
            if let Some(failure) = &one.failure {
                writeln!(out, "  {}  {}", one.image.digest.short(), failure.in_one_line())?;
            }
        }
        let mut stays: BTreeMap<String, usize> = BTreeMap::new();
        for one in self.kept.iter().filter(|one| one.after_all) {
            *stays.entry(one.because.in_words()).or_default() += 1;
        }
        stays.iter().try_for_each(|(why, count)| {
            let stay = if *count == 1 { "stays" } else { "stay" };
            writeln!(out, "  {} {stay} after all: {why}", so_many_images(*count))
        })
    }
}

fn in_words(freed: Freed) -> String {
    match freed.distinct_bytes {
        Some(bytes) => format!("{} free, shared layers once", DecimalBytes(bytes)),
        None => format!("{} at most, with what they share", DecimalBytes(freed.bytes)),
    }
}

impl Pruned {
    /// A plan.
    pub fn new(
        rules: Rules,
        repositories: Vec<PrunedRepository>,
        asked: AskedIn,
        notes: Vec<String>,
        failures: Vec<Failure>,
    ) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            applied: false,
            rules,
            freed: Freed::of_all(repositories.iter().map(|one| one.freed)),
            repositories,
            asked,
            not_seen: NOT_SEEN.to_vec(),
            notes,
            failures,
        }
    }

    /// How many images go.
    pub fn going(&self) -> usize {
        self.repositories.iter().map(|one| one.goes.len()).sum()
    }

    /// Whether all was read, and all went that was to go.
    pub fn is_well(&self) -> bool {
        let bad = [PruneOutcome::Failed, PruneOutcome::NotAttempted];
        let goes = self.repositories.iter().flat_map(|one| &one.goes);
        let mut outcomes = goes.filter_map(|one| one.outcome);
        self.failures.is_empty() && !outcomes.any(|outcome| bad.contains(&outcome))
    }

    /// Each repository with all its images, and what nobody can see.
    pub fn write_plan(&self, out: &mut impl Write) -> io::Result<()> {
        for one in &self.repositories {
            one.write_plan(&self.rules, out)?;
        }
        if self.repositories.len() > 1 {
            writeln!(out, "{} go, {}", so_many_images(self.going()), in_words(self.freed))?;
        }
        writeln!(out, "{}", self.asked.in_words())?;
        writeln!(out, "not seen, and maybe run by: {}", self.not_seen.join(", "))?;
        self.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))?;
        write_failures(out, &self.failures)
    }

    /// What became of it.
    pub fn write_outcome(&self, out: &mut impl Write) -> io::Result<()> {
        for one in self
            .repositories
            .iter()
            .filter(|one| !one.goes.is_empty() || one.kept.iter().any(|kept| kept.after_all))
        {
            one.write_outcome(out)?;
        }
        write_failures(out, &self.failures)
    }
}

impl LifecyclePolicy {
    /// The document alone, as ECR takes it.
    pub fn write_document(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", serde_json::to_string_pretty(&self.policy)?)
    }
}
