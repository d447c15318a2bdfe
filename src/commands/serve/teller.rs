//! What is logged of a process that stays. Each run is two lines, and one for each failure.

use jiff::Timestamp;

use crate::commands::teller::images;
use crate::commands::{CommandError, Output, print_json_line};
use crate::ledger::LockError;
use crate::report::{Failure, Report, one_line};
use crate::schedule::Schedule;
use crate::service::{Door, RunOutcome};
use crate::settings::Settings;

pub(super) fn serving(schedule: &Schedule, door: Option<&Door>) {
    tracing::info!("serving: runs {schedule}{}", address(door));
}

pub(super) fn first(due: Option<Timestamp>) {
    match due {
        Some(due) => tracing::info!("run 1 is due at {due:.0}"),
        None => tracing::warn!("no run is due: the calendar has no such time left"),
    }
}

/// What is said about the schedule and comes to nothing.
pub(super) fn notes(settings: &Settings) {
    let notes = settings.without_effect.iter();
    for note in notes.filter(|note| note.key.starts_with("schedule.")) {
        tracing::warn!("{note}");
    }
}

fn address(door: Option<&Door>) -> String {
    let told = door.map(|door| format!("; http://{}/healthz and /metrics tell of them", door.address()));
    told.unwrap_or_default()
}

pub(super) fn begins(number: u64) {
    tracing::info!("run {number} begins");
}

pub(super) fn waits(number: u64, held: &LockError) {
    tracing::info!("run {number} is due and waits: {held}");
}

/// Nothing but this is told of a run that never began.
pub(super) fn missed(number: u64, why: &Failure, next: Option<Timestamp>) {
    let next = next.map(|next| format!("; the next is due at {next:.0}"));
    let why = why.in_one_line();
    tracing::warn!("run {number} did not begin: {why}{}", next.unwrap_or_default());
}

/// The totals, and before them what failed. With JSON, the report is one line on standard output.
pub(super) fn ended(number: u64, report: &Report, next: Option<Timestamp>, output: Output) {
    if output == Output::Json
        && let Err(error) = print_json_line(report)
    {
        tracing::error!("write the report to standard output: {error}");
    }
    images(report);
    let seconds = report.ended.duration_since(report.started).as_secs_f64();
    let how = match (RunOutcome::of(report), report.stopped_by) {
        (RunOutcome::Well, _) => "ended well".to_owned(),
        (RunOutcome::Failed, _) => "ended with failures".to_owned(),
        (RunOutcome::Stopped, by) => format!("was stopped by {}", by.unwrap_or("a signal")),
    };
    let next = next.map(|next| format!("; the next is due at {next:.0}"));
    let line = format!(
        "run {number} {how}: {} in {seconds:.1} s{}",
        report.counted(),
        next.unwrap_or_default()
    );
    match RunOutcome::of(report) {
        RunOutcome::Failed => tracing::warn!("{line}"),
        RunOutcome::Well | RunOutcome::Stopped => tracing::info!("{line}"),
    }
}

pub(super) fn reloaded(why: &str, schedule: &Schedule, door: Option<&Door>) {
    tracing::info!(
        "the settings were read again ({why}) and hold from the next run on: runs {schedule}{}",
        address(door)
    );
}

pub(super) fn kept(why: &str, error: &CommandError) {
    let (told, hint) = match error {
        CommandError::Settings(error) => (Failure::new(error, None).in_one_line(), None),
        CommandError::Unusable(failure) | CommandError::Failed(failure) => {
            (failure.in_one_line(), failure.hint.as_deref())
        }
        other => (one_line(&other.to_string()), None),
    };
    let hint = hint.unwrap_or("mend them; until then the ones before stay in use");
    tracing::error!("the settings were read again ({why}) and cannot be used: {told}; {hint}");
}

pub(super) fn stops(signal: Option<&str>) {
    let signal = signal.unwrap_or("a signal");
    tracing::info!(
        "{signal}: no new run begins, and one that is at work is let end within stop.grace; once more cuts it off"
    );
}
