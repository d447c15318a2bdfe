//! What happened, as a value: printed, written to files and posted, always the same.

mod deletions;
mod explanation;
mod failure;
mod hints;
mod image;
mod images;
mod logins;
mod preview;
mod prune;
mod refusal;
mod repositories;
mod rollback;
mod sample;
mod tags;
mod text;
mod users;
mod work;

pub use deletions::{DeletionOutcome, Deletions, GoesWithIt, OneDeletion};
pub use explanation::Explanation;
pub use failure::Failure;
pub use image::ImageReport;
pub use images::{ImageLine, Images, ImagesOfOne};
pub use logins::{LoginOutcome, Logins, OneLogin};
pub use preview::{Listed, Preview, copied_because};
pub use prune::{AskedIn, GoingImage, KeptImage, NOT_SEEN, PruneOutcome, Pruned, PrunedImage, PrunedRepository};
pub use repositories::{
    Goes, OneRepository, ProtectedImage, Repositories, RepositoryLine, RepositoryList, RepositoryOutcome, bytes_of,
    so_many_images,
};
pub use rollback::Rollback;
pub use tags::Tags;
pub use text::{limit_left, one_line, wrapped};
pub use users::{Users, WhoWasAsked};
pub use work::{Enqueued, Worked};

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::EngineError;
use crate::execute::{Ended, Execution, NotAttempted};
use crate::image::{ImageRef, Repository};
use crate::mapping::Shard;
use crate::plan::{Copy, Plan};
use crate::registry::Limit;
use crate::survey::{Survey, SurveyError};

/// The version of [`Report`]'s and [`Preview`]'s JSON: raised when a field changes its meaning or goes, not when one comes.
pub const SCHEMA_VERSION: u32 = 1;

/// What a run did. Its JSON is `result.json` (`docs/result.md`).
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The run's name, where several share it (`work`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// When the run began.
    pub started: Timestamp,
    /// When its last image was done.
    pub ended: Timestamp,
    /// The target registry's host, once it is known.
    pub registry: Option<String>,
    /// The daemon and its image store, once they are known.
    pub engine: Option<String>,
    /// Which part of the images it was about, where it was not about all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Repositories that the run created.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<Repository>,
    /// How many repositories the keyword matched.
    pub repositories: usize,
    /// How many of their images have no tag, and were passed over.
    pub untagged: usize,
    /// How many tags are places of signatures and other referrers, passed over.
    pub signature_tags: usize,
    /// How many tags are backups, passed over.
    #[serde(skip_serializing_if = "is_zero")]
    pub backups: usize,
    /// Repositories that ECR keeps current itself, as a cache of an upstream registry, and that were passed over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cached: Vec<String>,
    /// What registries said of their limits, by host.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Limit>,
    /// How many images ended how.
    pub totals: Totals,
    /// Every image, by target.
    pub images: Vec<ImageReport>,
    /// What failed that is not one image's.
    pub failures: Vec<Failure>,
    /// The signal that stopped the run.
    pub stopped_by: Option<&'static str>,
}

/// How many images ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Pushed.
    pub updated: usize,
    /// Current already, or kept.
    pub unchanged: usize,
    /// How many of these are held back: the upstream has another image, which does not come for now.
    #[serde(skip_serializing_if = "is_zero")]
    pub held: usize,
    /// Not changed although they should be, for a reason that is no error.
    pub refused: usize,
    /// Failed.
    pub failed: usize,
    /// Not done because the run was stopped.
    pub not_attempted: usize,
}

/// How an image ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Pushed.
    Updated,
    /// Current already, or kept.
    Unchanged,
    /// Not changed although it should be, for a reason that is no error.
    Refused,
    /// Failed.
    Failed,
    /// Not done because the run was stopped.
    NotAttempted,
}

impl Outcome {
    /// The ways to end that are not well.
    pub const UNWELL: &[Self] = &[Self::Failed, Self::Refused, Self::NotAttempted];

    /// Its word, as in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::NotAttempted => "not-attempted",
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Totals {
    /// Each way to end, and how many images did.
    pub fn counts(&self) -> [(Outcome, usize); 5] {
        [
            (Outcome::Updated, self.updated),
            (Outcome::Unchanged, self.unchanged),
            (Outcome::Refused, self.refused),
            (Outcome::Failed, self.failed),
            (Outcome::NotAttempted, self.not_attempted),
        ]
    }
}

impl Report {
    /// A report of a run that has done nothing yet.
    pub fn begin() -> Self {
        let now = Timestamp::now();
        Self {
            schema_version: SCHEMA_VERSION,
            run: None,
            started: now,
            ended: now,
            registry: None,
            engine: None,
            shard: None,
            created: Vec::new(),
            repositories: 0,
            untagged: 0,
            signature_tags: 0,
            backups: 0,
            cached: Vec::new(),
            limits: BTreeMap::new(),
            totals: Totals::default(),
            images: Vec::new(),
            failures: Vec::new(),
            stopped_by: None,
        }
    }

    /// Adds who copies.
    pub fn add_engine(&mut self, engine: String) {
        self.engine = Some(match self.engine.take() {
            Some(first) => format!("{first}; and {engine}"),
            None => engine,
        });
    }

    /// Adds what the survey could not read or was stopped before.
    pub fn add_survey(&mut self, survey: &Survey) {
        self.repositories += survey.repositories;
        self.untagged += survey.untagged;
        self.signature_tags += survey.signature_tags;
        self.backups += survey.backups;
        self.cached.extend(survey.cached.iter().cloned());
        self.failures.extend(Failure::of_survey(survey));
        self.images.extend(survey.unread.iter().map(ImageReport::unread));
        self.images.extend(survey.unasked.iter().map(ImageReport::unasked));
    }

    /// Adds what the plan left as it is.
    pub fn add_plan(&mut self, plan: &Plan) {
        self.images.extend(plan.kept.iter().map(ImageReport::kept));
        self.images.extend(plan.refused.iter().map(ImageReport::refused));
    }

    /// Adds a planned copy whose sides could not be looked at again; without an error, because of a stop.
    pub fn add_unseen(&mut self, copy: &Copy, error: Option<&SurveyError>) {
        let (outcome, failure) = match error {
            Some(error) => (Outcome::Failed, Failure::from(error)),
            None => (Outcome::NotAttempted, Failure::not_attempted(NotAttempted::Stopped)),
        };
        let image = ImageReport::of(&copy.target, &copy.upstream, copy.target_digest.as_ref(), outcome, "");
        self.images.push(image.failed(failure));
    }

    /// Adds a planned copy that is in a queue for others to do.
    pub fn add_queued(&mut self, copy: &Copy) {
        let image = ImageReport {
            upstream_digest: Some(copy.upstream_digest.clone()),
            ..ImageReport::of(
                &copy.target,
                &copy.upstream,
                copy.target_digest.as_ref(),
                Outcome::NotAttempted,
                "",
            )
        };
        self.images.push(image.failed(Failure::queued()));
    }

    /// Adds a planned copy that came to nothing before it was looked at.
    pub fn add_failed(&mut self, copy: &Copy, failure: Failure) {
        let image = ImageReport::of(
            &copy.target,
            &copy.upstream,
            copy.target_digest.as_ref(),
            Outcome::Failed,
            "",
        );
        self.images.push(image.failed(failure));
    }

    /// Adds a target of which something could not be read.
    pub fn add_unread(&mut self, target: &ImageRef, upstream: &ImageRef, error: &EngineError) {
        let image = ImageReport::of(target, upstream, None, Outcome::Failed, String::new());
        self.images.push(image.failed(Failure::from(error)));
    }

    /// Adds what the execution did.
    pub fn add_execution(&mut self, execution: &Execution) {
        self.images.extend(execution.done.iter().map(ImageReport::done));
        let moved = execution.done.iter().filter(|done| done.copy.moved_version);
        let moved = moved.filter(|done| matches!(done.ended, Ended::Updated(_)));
        self.failures
            .extend(moved.map(|done| Failure::of_moved_version(&done.copy)));
        self.created.extend(execution.created.iter().cloned());
        let uncreated = execution.uncreated.iter();
        self.failures
            .extend(uncreated.map(|(repository, why)| Failure::of_creation(repository, why)));
        self.failures.extend(Failure::of_leftovers(&execution.left));
        self.failures.extend(execution.forgotten.iter().map(Failure::from));
    }

    /// Puts the images in order and counts them.
    pub fn finish(&mut self) {
        self.ended = Timestamp::now();
        self.images.sort_by(|one, other| one.target.cmp(&other.target));
        self.count();
    }

    fn count(&mut self) {
        let count = |outcome| self.images.iter().filter(|image| image.outcome == outcome).count();
        self.totals = Totals {
            updated: count(Outcome::Updated),
            unchanged: count(Outcome::Unchanged),
            held: self.images.iter().filter(|image| image.held).count(),
            refused: count(Outcome::Refused),
            failed: count(Outcome::Failed),
            not_attempted: count(Outcome::NotAttempted),
        };
    }

    /// The images that ended in one of these ways, by target.
    pub fn ended(&self, outcomes: &'static [Outcome]) -> impl Iterator<Item = &ImageReport> {
        self.images
            .iter()
            .filter(move |image| outcomes.contains(&image.outcome))
    }

    /// What an image is called where the run's own registry is told already.
    pub fn name_of(&self, image: &ImageRef) -> String {
        match &self.registry {
            Some(own) => image.beside(own),
            None => image.in_registry(),
        }
    }

    /// Whether everything that should be done was done.
    pub fn is_well(&self) -> bool {
        self.failures.is_empty() && self.images.iter().all(|image| image.failure.is_none())
    }

    /// Whether that is so, and the run was not stopped before its end.
    pub fn ended_well(&self) -> bool {
        self.is_well() && self.stopped_by.is_none()
    }
}
