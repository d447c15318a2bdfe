//! What is answered to who asked: the original's `message` and `ok`, and what stands behind them.

use serde::Serialize;

use super::event::Verb;
use crate::commands::teller::with_hint;
use crate::plan::{Copy, CopyBecause};
use crate::report::{Failure, ImageReport, Outcome, Preview, Report, Totals, copied_because, so_many_images};

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
    /// Images that were or are to be updated, and those that were not although they should be.
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
        let unread = report.not_read().map(|(told, _)| told);
        let failures: Vec<String> = unread.take(NAMED).chain(lines(unposted)).collect();
        let fits = serde_json::to_vec(&report).is_ok_and(|json| json.len() <= LARGEST_REPORT);
        let counted = |number: usize, one: &str, many: &str| match number {
            1 => format!("1 {one}"),
            number => format!("{number} {many}"),
        };
        Self {
            message: format!(
                "{} of {} in {}, {}, {}; {}",
                counted(totals.images.all, "image", "images"),
                counted(totals.repositories.all, "repository", "repositories"),
                counted(totals.regions.asked, "region", "regions"),
                counted(totals.functions, "function", "functions"),
                counted(totals.candidates.repositories, "candidate", "candidates"),
                counted(failed, "failure", "failures"),
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
        last_line(self.ok, &self.message);
    }
}

/// One image of an answer.
#[derive(Debug, Serialize)]
struct Image {
    image: String,
    outcome: &'static str,
    why: String,
}

impl Image {
    /// What became of one, in the registry that is the run's own.
    fn of(image: &ImageReport, registry: Option<&str>) -> Self {
        Self {
            image: match registry {
                Some(own) => image.target.beside(own),
                None => image.target.in_registry(),
            },
            outcome: image.outcome.word(),
            why: image.why(),
        }
    }

    /// One that a sync would update.
    fn to_update(copy: &Copy, registry: &str) -> Self {
        Self {
            image: copy.target.beside(registry),
            outcome: "to-update",
            why: copied_because(copy).to_owned(),
        }
    }
}

/// The most images, and failures, that are named.
const NAMED: usize = 500;

impl Answer {
    pub(super) fn of_sync(report: &Report) -> Self {
        let told = report
            .images
            .iter()
            .filter(|image| image.outcome == Outcome::Updated || image.failure.is_some());
        let registry = report.registry.as_deref();
        Self {
            message: format!("{}{}", stopped(report.stopped_by), report.counted()),
            ok: report.ended_well(),
            totals: report.totals,
            to_update: None,
            stopped_by: report.stopped_by,
            images: told.take(NAMED).map(|image| Image::of(image, registry)).collect(),
            failures: lines(&report.failures),
        }
    }

    /// Of what a sync would do, which was told or put into S3. What is not as it should be comes first: there may be room for no more.
    pub(super) fn of_plan(preview: &Preview, verb: Verb, stopped_by: Option<&'static str>) -> Self {
        let is_row = |copy: &&Copy| verb == Verb::Plan || copy.because != CopyBecause::ReferrersMissing;
        let copies = || preview.plan.copies().filter(is_row);
        let to_update = copies().count();
        let what = match (verb, stopped_by) {
            (_, Some(_)) => format!("{to_update} to update were found"),
            (Verb::List, None) if preview.failures.is_empty() => format!("listed {}", so_many_images(to_update)),
            (_, None) => format!("{to_update} to update"),
        };
        let registry = preview.registry.as_str();
        let unwell = preview.unwell().map(|image| Image::of(&image, Some(registry)));
        let images = unwell.chain(copies().map(|copy| Image::to_update(copy, registry)));
        Self {
            message: format!("{}{}", stopped(stopped_by), preview.counted(what)),
            ok: preview.is_well() && stopped_by.is_none(),
            totals: preview.totals(),
            to_update: Some(to_update),
            stopped_by,
            images: images.take(NAMED).collect(),
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
        last_line(self.ok, &self.message);
    }
}

/// The last line of an invocation. An alarm goes by its field `ok`: notes and tries that are made again have none.
pub(super) fn last_line(ok: bool, message: &str) {
    match ok {
        true => tracing::info!(ok, "{message}"),
        false => tracing::warn!(ok, "{message}"),
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

/// What stopped a run, before what is told of it.
fn stopped(by: Option<&str>) -> String {
    by.map_or_else(String::new, |by| format!("stopped by {by}: "))
}

fn lines(failures: &[Failure]) -> Vec<String> {
    failures.iter().take(NAMED).map(with_hint).collect()
}
