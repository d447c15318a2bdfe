//! What several did, or are to do, who share the work.

use std::io::{self, Write};

use serde::Serialize;

use super::{Failure, ImageReport, Outcome, Report, SCHEMA_VERSION};

/// A plan that was cut into messages.
#[derive(Debug, Clone, Serialize)]
pub struct Enqueued {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The run's name.
    pub run: String,
    /// The target registry's host, once it is known.
    pub registry: Option<String>,
    /// The queue's URL.
    pub queue: String,
    /// How many messages it took.
    pub queued: usize,
    /// How many images are current.
    pub unchanged: usize,
    /// Those that should change and will not, or of which something could not be read.
    pub images: Vec<ImageReport>,
    /// What failed that is not one image's.
    pub failures: Vec<Failure>,
}

impl Enqueued {
    /// Of a run before its first message is sent.
    pub fn new(run: &str, queue: String, report: &Report) -> Self {
        let unwell: &[Outcome] = &[Outcome::Refused, Outcome::Failed];
        Self {
            schema_version: SCHEMA_VERSION,
            run: run.to_owned(),
            registry: report.registry.clone(),
            queue,
            queued: 0,
            unchanged: report.totals.unchanged,
            images: report.ended(unwell).cloned().collect(),
            failures: report.failures.clone(),
        }
    }

    /// Whether everything that is to be done is in the queue.
    pub fn is_well(&self) -> bool {
        self.images.is_empty() && self.failures.is_empty()
    }

    /// What is not as it should be, then the run's name.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for image in &self.images {
            image.write_text(out, self.registry.as_deref())?;
        }
        for failure in &self.failures {
            failure.write_item(out)?;
        }
        writeln!(out, "{} queued, {} unchanged", self.queued, self.unchanged)?;
        let run = &self.run;
        writeln!(
            out,
            "run {run}: `ecr-keeper work report --run {run}` tells what becomes of it"
        )
    }
}

/// What one of those who share the work has done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Worked {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Images that were pushed.
    pub updated: usize,
    /// Images that were current already, by then.
    pub unchanged: usize,
    /// Images that had moved since they were queued.
    pub refused: usize,
    /// Tries that failed, and that are made again.
    pub failed: usize,
    /// Messages that somebody else was at, that a stop left, or that the worker could not begin with.
    pub returned: usize,
    /// Messages that went to the dead-letter queue.
    pub buried: usize,
    /// How tries failed, the latest last, and no more than a hundred of them.
    pub tries: Vec<Failure>,
    /// What was given up or refused, and what failed that is not one image's: the latest last, and no more than a hundred of it.
    pub failures: Vec<Failure>,
}

impl Worked {
    /// Of somebody who has done nothing yet.
    pub fn begin() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            ..Self::default()
        }
    }

    /// Counts an image that is done, or was tried.
    pub fn count(&mut self, image: &ImageReport) {
        let counter = match image.outcome {
            Outcome::Updated => &mut self.updated,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Refused => &mut self.refused,
            Outcome::Failed | Outcome::NotAttempted => &mut self.failed,
        };
        *counter += 1;
        if let Some(failure) = &image.failure {
            let failure = Failure {
                message: format!("{}: {}", image.target, failure.message),
                ..(**failure).clone()
            };
            match image.outcome {
                Outcome::Failed | Outcome::NotAttempted => self.fail_try(failure),
                Outcome::Updated | Outcome::Unchanged | Outcome::Refused => self.fail(failure),
            }
        }
    }

    /// Adds what failed.
    pub fn fail(&mut self, failure: Failure) {
        push(&mut self.failures, failure);
    }

    /// Adds what failed and is tried again.
    pub fn fail_try(&mut self, failure: Failure) {
        push(&mut self.tries, failure);
    }

    /// Adds what came of another message.
    pub fn add(&mut self, other: Self) {
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.refused += other.refused;
        self.failed += other.failed;
        self.returned += other.returned;
        self.buried += other.buried;
        other.tries.into_iter().for_each(|failure| self.fail_try(failure));
        other.failures.into_iter().for_each(|failure| self.fail(failure));
    }

    /// Whether nothing failed for good: what is tried again is somebody's who tries it.
    pub fn is_well(&self) -> bool {
        self.failures.is_empty()
    }

    /// What failed, then the counts.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for failure in self.tries.iter().chain(&self.failures) {
            failure.write_item(out)?;
        }
        writeln!(out, "{}", self.counted())
    }

    /// How many ended how, in words.
    pub fn counted(&self) -> String {
        format!(
            "{} updated, {} unchanged, {} refused, {} failed tries, {} returned, {} given up",
            self.updated, self.unchanged, self.refused, self.failed, self.returned, self.buried
        )
    }
}

/// No more than anybody reads.
fn push(failures: &mut Vec<Failure>, failure: Failure) {
    const MOST: usize = 100;
    if failures.len() >= MOST {
        failures.remove(0);
    }
    failures.push(failure);
}
