//! What a run is about, and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Task;
use crate::image::Repository;
use crate::mapping::Shard;
use crate::registry::Limit;
use crate::report::{Failure, ImageReport, Report};

/// What a run is about, as it was when it was cut into messages.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sheet {
    /// Its name.
    pub run: String,
    /// When it began.
    pub started: Timestamp,
    /// The target registry's host.
    pub registry: Option<String>,
    /// Who copies, in words.
    pub engine: Option<String>,
    /// Which part of the images it is about, where it is not about all.
    pub shard: Option<Shard>,
    /// How many repositories it is about.
    pub repositories: usize,
    /// How many images without a tag were passed over.
    pub untagged: usize,
    /// How many tags of signatures were passed over.
    pub signature_tags: usize,
    /// How many backups were passed over.
    pub backups: usize,
    /// Repositories that ECR keeps current itself.
    pub cached: Vec<String>,
    /// What registries said of their limits when they were asked what there is.
    pub limits: BTreeMap<String, Limit>,
    /// Every image, with what is known of it: those that are in the queue were not attempted yet.
    pub images: Vec<ImageReport>,
    /// By the ids of their messages, where in [`images`](Self::images) they are.
    pub queued: BTreeMap<String, usize>,
    /// What failed that is not one image's.
    pub failures: Vec<Failure>,
}

/// What somebody who was at an image tells of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Word {
    /// When.
    pub at: Timestamp,
    /// What became of it.
    pub image: ImageReport,
    /// Whether nobody tries it any more, although it is not done.
    pub given_up: bool,
    /// Repositories that were created for it.
    pub created: Vec<Repository>,
    /// What registries said of their limits.
    pub limits: BTreeMap<String, Limit>,
    /// What failed besides, or what somebody should know.
    pub failures: Vec<Failure>,
}

impl Word {
    /// Of a report of this one image. None where it tells of no image.
    pub fn of(report: Report) -> Option<Self> {
        Some(Self {
            at: Timestamp::now(),
            image: report.images.into_iter().next()?,
            given_up: false,
            created: report.created,
            limits: report.limits,
            failures: report.failures,
        })
    }

    /// That nobody tries it any more: what became of it at the last time, or only why.
    pub fn given_up(task: &Task, last: Option<Self>, why: &str) -> Option<Self> {
        let word = last.or_else(|| {
            let mut report = Report::begin();
            report.add_failed(task.copy()?, Failure::given_up(why));
            Self::of(report)
        })?;
        Some(Self { given_up: true, ..word })
    }
}

impl Sheet {
    /// Of a run whose messages are about to be sent; `report` tells of all its images.
    pub fn new(run: &str, tasks: &[Task], report: &Report) -> Self {
        let places: BTreeMap<_, usize> = report
            .images
            .iter()
            .enumerate()
            .map(|(at, image)| (&image.target, at))
            .collect();
        let queued = tasks.iter().filter_map(|task| {
            let at = places.get(&task.copy()?.target)?;
            Some((task.id.clone(), *at))
        });
        Self {
            run: run.to_owned(),
            started: report.started,
            registry: report.registry.clone(),
            engine: report.engine.clone(),
            shard: report.shard,
            repositories: report.repositories,
            untagged: report.untagged,
            signature_tags: report.signature_tags,
            backups: report.backups,
            cached: report.cached.clone(),
            limits: report.limits.clone(),
            queued: queued.collect(),
            images: report.images.clone(),
            failures: report.failures.clone(),
        }
    }

    /// Without those that did not get into the queue.
    pub fn leave_out(&mut self, unsent: &BTreeSet<String>) {
        for id in unsent {
            if let Some(image) = self.queued.remove(id).and_then(|at| self.images.get_mut(at)) {
                *image = image.clone().failed(Failure::not_queued());
            }
        }
    }

    /// The report of the run, with what became of those images of which somebody has told. Not finished yet.
    pub fn report(mut self, words: BTreeMap<String, Word>) -> Report {
        let mut words: Vec<(String, Word)> = words.into_iter().collect();
        words.sort_by_key(|(_, word)| word.at);
        let mut created = BTreeSet::new();
        for (id, word) in words {
            let Some(image) = self.queued.get(&id).and_then(|at| self.images.get_mut(*at)) else {
                continue;
            };
            *image = word.image;
            created.extend(word.created);
            self.limits.extend(word.limits);
            self.failures.extend(word.failures);
        }
        Report {
            run: Some(self.run),
            started: self.started,
            registry: self.registry,
            engine: self.engine,
            shard: self.shard,
            created: created.into_iter().collect(),
            repositories: self.repositories,
            untagged: self.untagged,
            signature_tags: self.signature_tags,
            backups: self.backups,
            cached: self.cached,
            limits: self.limits,
            images: self.images,
            failures: self.failures,
            ..Report::begin()
        }
    }
}
