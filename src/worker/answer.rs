//! What is answered to who asked: the original's `message` and `ok`, and what stands behind them.

use serde::Serialize;

use super::event::Verb;
use crate::commands::teller::with_hint;
use crate::plan::CopyBecause;
use crate::report::{Failure, Outcome, Preview, Report, Totals};

/// What an event is answered with.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answered {
    /// Of a run.
    Run(Box<Answer>),
    /// Of who was asked what there is.
    Usage(Box<UsageAnswer>),
    /// Of messages of a queue: those that are to come again.
    Work(PartialFailure),
}

/// As Lambda reads it (AWS Lambda Developer Guide, "Reporting batch item failures").
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartialFailure {
    batch_item_failures: Vec<Item>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    item_identifier: String,
}

impl PartialFailure {
    pub(super) fn of(messages: Vec<String>) -> Self {
        let items = messages.into_iter().map(|item_identifier| Item { item_identifier });
        Self {
            batch_item_failures: items.collect(),
        }
    }
}

impl From<Answer> for Answered {
    fn from(answer: Answer) -> Self {
        Self::Run(Box::new(answer))
    }
}

/// An answer. Lambda takes up to 6 MB of it, so that of very many images only the first are named.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    /// For people.
    message: String,
    /// Whether everything that should be done was done.
    ok: bool,
    #[serde(flatten)]
    totals: Totals,
    /// How many a sync would update, where none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_update: Option<usize>,
    /// What stopped the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_by: Option<&'static str>,
    /// Images that were updated, and those that were not although they should be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image>,
    /// What failed that is not one image's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<String>,
}

/// What there is, and who runs it. The report is left out where Lambda would not take it.
#[derive(Debug, Serialize)]
pub(super) struct UsageAnswer {
    /// For people.
    message: String,
    /// Whether all was read, and told.
    ok: bool,
    totals: crate::usage::Totals,
    failures: Vec<String>,
    report: Option<crate::usage::Report>,
}

/// Lambda takes 6 MB, and what it has to be told besides (AWS Lambda Developer Guide, "Lambda quotas").
const LARGEST_REPORT: usize = 5_000_000;

impl UsageAnswer {
    pub(super) fn of(report: crate::usage::Report, unposted: &[Failure]) -> Self {
        let totals = report.totals.clone();
        let failed = report.failures.len() + unposted.len();
        let unread = report.not_read().into_iter().map(|(told, _)| told);
        let failures: Vec<String> = unread.take(NAMED).chain(lines(unposted)).collect();
        let fits = serde_json::to_vec(&report).is_ok_and(|json| json.len() <= LARGEST_REPORT);
        Self {
            message: format!(
                "{} images of {} repositories in {} regions, {} functions, {} candidates; {} failures",
                totals.images.all,
                totals.repositories.all,
                totals.regions.asked,
                totals.functions,
                totals.candidates.repositories,
                failed
            ),
            ok: report.complete && unposted.is_empty(),
            totals,
            failures,
            report: fits.then_some(report),
        }
    }

    /// The last line of an invocation, and what failed.
    pub(super) fn log(&self) {
        for failure in &self.failures {
            tracing::error!("failed — {failure}");
        }
        match self.ok {
            true => tracing::info!("{}", self.message),
            false => tracing::warn!("{}", self.message),
        }
    }
}

/// One image of an answer.
#[derive(Debug, Serialize)]
struct Image {
    image: String,
    outcome: Outcome,
    why: String,
}

/// The most images, and failures, that are named.
const NAMED: usize = 500;

impl Answer {
    pub(super) fn of_sync(report: &Report) -> Self {
        let told = report
            .images
            .iter()
            .filter(|image| image.outcome == Outcome::Updated || image.failure.is_some());
        let how = match report.stopped_by {
            Some(by) => format!("stopped by {by}: "),
            None => String::new(),
        };
        Self {
            message: format!("{how}{}", report.counted()),
            ok: report.ended_well(),
            totals: report.totals,
            to_update: None,
            stopped_by: report.stopped_by,
            images: told
                .take(NAMED)
                .map(|image| Image {
                    image: report.name_of(&image.target),
                    outcome: image.outcome,
                    why: image.why(),
                })
                .collect(),
            failures: lines(&report.failures),
        }
    }

    /// Of what a sync would do, which was told or put into S3.
    pub(super) fn of_plan(preview: &Preview, verb: Verb, stopped_by: Option<&'static str>) -> Self {
        let is_row = |because| verb == Verb::Plan || because != CopyBecause::ReferrersMissing;
        let to_update = preview.plan.copies().filter(|copy| is_row(copy.because)).count();
        let not_attempted = |outcome| outcome == Outcome::NotAttempted;
        let (unasked, failed): (Vec<_>, Vec<_>) = preview.unread.iter().partition(|image| not_attempted(image.outcome));
        let what = match (verb, stopped_by) {
            (_, Some(by)) => format!("stopped by {by}: {to_update} to update were found"),
            (Verb::List, None) if preview.failures.is_empty() => format!("listed {to_update} images"),
            (_, None) => format!("{to_update} to update"),
        };
        let images = preview.unread.iter().take(NAMED).map(|image| Image {
            image: image.target.in_registry(),
            outcome: image.outcome,
            why: image.why(),
        });
        Self {
            message: format!("{what}, {} unchanged", preview.plan.kept.len()),
            ok: preview.is_well() && stopped_by.is_none(),
            totals: Totals {
                updated: 0,
                unchanged: preview.plan.kept.len(),
                held: preview
                    .plan
                    .kept
                    .iter()
                    .filter(|kept| kept.because.holds_back())
                    .count(),
                refused: preview.plan.refused.len(),
                failed: failed.len(),
                not_attempted: unasked.len(),
            },
            to_update: Some(to_update),
            stopped_by,
            images: images.collect(),
            failures: lines(&preview.failures),
        }
    }

    /// Where there is nothing to tell but this.
    pub(super) fn of_failure(failure: &Failure) -> Self {
        Self {
            message: failure.in_one_line(),
            ok: false,
            totals: Totals::default(),
            to_update: None,
            stopped_by: None,
            images: Vec::new(),
            failures: lines(std::slice::from_ref(failure)),
        }
    }

    /// The last line of an invocation, and what failed.
    pub(super) fn log(&self) {
        match self.ok {
            true => tracing::info!("{}", self.message),
            false => tracing::warn!("{}", self.message),
        }
    }
}

/// Where not even the telling was done in time.
pub(super) fn out_of_time() -> Failure {
    Failure {
        message:
            "the time was over before it could be told what was done: images that the log does not name may be done too"
                .to_owned(),
        causes: Vec::new(),
        hint: Some("give the function more time, or narrow the run down with only or shard".into()),
    }
}

fn lines(failures: &[Failure]) -> Vec<String> {
    failures.iter().take(NAMED).map(with_hint).collect()
}
