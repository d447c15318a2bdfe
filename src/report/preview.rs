//! What would be done, and why.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Failure, ImageReport, Outcome, SCHEMA_VERSION, Totals};
use crate::mapping::Shard;
use crate::plan::{Copy, CopyBecause, Kept, KeptBecause, Plan};
use crate::registry::Limit;
use crate::survey::Survey;

/// Why an image is copied, in words.
pub fn copied_because(copy: &Copy) -> &'static str {
    match copy.because {
        CopyBecause::Missing => "the target has no such tag",
        CopyBecause::DigestDiffers if copy.makes.is_some() => {
            "the target is not what the settings make of the upstream"
        }
        CopyBecause::DigestDiffers => "the digests differ",
        CopyBecause::ReferrersMissing => "the target lacks some of what refers to the upstream's image",
        CopyBecause::OnlyAPullTells => "the digests differ; a pull tells whether the images do",
    }
}

/// Why an image is left as it is, in words.
fn kept_because(because: KeptBecause) -> &'static str {
    match because {
        KeptBecause::SameDigest => "the same digest on both sides",
        KeptBecause::SamePlatformManifest => "the upstream's own manifest for this platform",
        KeptBecause::MadeFromThisUpstream => "made from what the upstream has today",
        KeptBecause::SamePart => "what would be made of the upstream today",
        KeptBecause::FixedTag => "immutable_tags says that this tag never moves",
        KeptBecause::Present => "it is there, and compare is missing-only",
        KeptBecause::UpstreamGone => "the upstream has no such tag any more, and the settings keep it",
        KeptBecause::Protected => "the upstream has no such tag any more, and policy.vanished protects it",
        KeptBecause::TooYoung => "the upstream's image has not been seen for policy.min_age yet",
        KeptBecause::RolledBack => "it was rolled back from what the upstream has today",
    }
}

/// Why an image is left as it is, with until when it waits where it does.
pub(super) fn kept(kept: &Kept) -> String {
    let because = kept_because(kept.because);
    match kept.until {
        Some(until) => format!("{because}: it waits until {until:.0}"),
        None => because.to_owned(),
    }
}

/// What a run would do: a plan, and what could not be found out for it.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The target registry's host.
    pub registry: String,
    /// The daemon and its image store.
    pub engine: String,
    /// How many of the repositories' images have no tag, and were passed over.
    pub untagged: usize,
    /// How many tags are places of signatures and other referrers, passed over.
    pub signature_tags: usize,
    /// How many tags are backups, passed over.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub backups: usize,
    /// Repositories that ECR keeps current itself, and that were passed over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cached: Vec<String>,
    /// What registries said of their limits, by host.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Limit>,
    /// Which part of the images it is about, where it is not about all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The plan itself.
    #[serde(flatten)]
    pub plan: Plan,
    /// Images of which something could not be read.
    pub unread: Vec<ImageReport>,
    /// What failed that is not one image's.
    pub failures: Vec<Failure>,
    /// Where lists of what is to be copied were put.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<Listed>,
}

/// A list of what is to be copied, for another pipeline.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// The file, or `s3://BUCKET/KEY`.
    pub place: String,
    /// How many images it has.
    pub images: usize,
}

impl Preview {
    /// Of a plan and the survey that it was made from. Nobody has said anything of limits yet.
    pub fn new(registry: String, engine: String, plan: Plan, survey: &Survey) -> Self {
        let unread = survey.unread.iter().map(ImageReport::unread);
        let unasked = survey.unasked.iter().map(ImageReport::unasked);
        Self {
            schema_version: SCHEMA_VERSION,
            registry,
            engine,
            untagged: survey.untagged,
            signature_tags: survey.signature_tags,
            backups: survey.backups,
            cached: survey.cached.clone(),
            limits: BTreeMap::new(),
            shard: None,
            plan,
            unread: unread.chain(unasked).collect(),
            failures: Failure::of_survey(survey).collect(),
            lists: Vec::new(),
        }
    }

    /// Adds what another engine would do.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.engine = format!("{}; and {}", self.engine, other.engine);
        self.untagged += other.untagged;
        self.signature_tags += other.signature_tags;
        self.backups += other.backups;
        self.cached.extend(other.cached);
        self.limits.extend(other.limits);
        self.plan.stages.extend(other.plan.stages);
        self.plan.kept.extend(other.plan.kept);
        self.plan.refused.extend(other.plan.refused);
        self.unread.extend(other.unread);
        self.failures.extend(other.failures);
        self
    }

    /// What is refused, or could not be read, as images of a report.
    pub fn unwell(&self) -> impl Iterator<Item = ImageReport> {
        let refused = self.plan.refused.iter().map(ImageReport::refused);
        refused.chain(self.unread.iter().cloned())
    }

    /// How many images would end how, of which nothing is updated yet.
    pub fn totals(&self) -> Totals {
        let unread = |outcome| self.unread.iter().filter(|image| image.outcome == outcome).count();
        let held = self.plan.kept.iter().filter(|kept| kept.because.holds_back());
        Totals {
            updated: 0,
            unchanged: self.plan.kept.len(),
            held: held.count(),
            refused: self.plan.refused.len(),
            failed: unread(Outcome::Failed),
            not_attempted: unread(Outcome::NotAttempted),
        }
    }

    /// The same in words, behind what is told of those that are to be updated.
    pub fn counted(&self, to_update: String) -> String {
        self.totals().in_words(to_update, self.failures.len())
    }

    /// Whether something could not be read, so that nobody knows what would become of it.
    pub fn is_blind(&self) -> bool {
        !self.unread.is_empty() || !self.failures.is_empty()
    }

    /// Whether everything could be read and nothing is refused.
    pub fn is_well(&self) -> bool {
        !self.is_blind() && self.plan.refused.is_empty()
    }
}
