//! `sync`: brings every image up to date with its upstream.

use std::path::PathBuf;
use std::time::Duration;

use super::desk::{Desk, Range};
use super::signals::Asked;
use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::events::{Event, Events};
use crate::execute::{Conduct, execute};
use crate::ledger::{Lock, LockError, Place};
use crate::mapping::{InvalidShard, Only, Shard};
use crate::plan::{self, EngineKind};
use crate::record::{self, RecordError, Records};
use crate::report::{Failure, Report};
use crate::settings::{Settings, usual_ledger};
use crate::stop::Stop;

/// What `sync` may be told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only print what would be done; change nothing, anywhere
    #[arg(long, conflicts_with_all = ["csv", "csv_header", "action"])]
    pub dry_run: bool,
    /// Only this repository, or this tag of it; may be given more than once
    #[arg(long, value_name = "REPOSITORY[:TAG]")]
    pub only: Vec<Only>,
    /// Only the I-th of N parts: every image is in exactly one. auto goes by the runner's variables
    #[arg(long, value_name = "I/N|auto", value_parser = shard, allow_hyphen_values = true)]
    pub shard: Option<Shard>,
    /// What becomes of what is not current: sync copies it, s3 puts a list of it into a bucket [setting: s3.bucket]
    #[arg(long, value_enum, default_value_t)]
    pub action: Action,
    /// Copy nothing: write what would be copied as CSV, a row each: source, ECR URL, tag
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// With a first row that names the columns of the list
    #[arg(long)]
    pub csv_header: bool,
    /// What every run that copies may be told.
    #[command(flatten)]
    pub run: RunOptions,
}

/// What becomes of what is not current.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Action {
    /// It is copied.
    #[default]
    Sync,
    /// A list of it goes to S3.
    S3,
}

/// A part that is named, or the one of this job among those that a runner works on side by side.
pub(super) fn shard(text: &str) -> Result<Shard, String> {
    let shard = match text {
        "auto" => Shard::of_runner(|name| std::env::var(name).ok())
            .ok_or("no runner says which part this is: CI_NODE_INDEX and CI_NODE_TOTAL, or their like, are not set")?
            .map_err(|why| why.to_string())?,
        text => text.parse().map_err(|why: InvalidShard| why.to_string())?,
    };
    Ok(shard)
}

/// What every run may be told that looks after a registry.
#[derive(Debug, clap::Args)]
pub struct RunOptions {
    /// Who copies [setting: engine]
    #[arg(long, value_name = "docker|direct")]
    pub engine: Option<String>,
    /// Wait for another run that holds the same ledger, an hour unless said; without it serve waits until its next run is due
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1h",
        value_parser = humantime::parse_duration
    )]
    pub wait: Option<Duration>,
    /// Folder for the result files [setting: results.dir]
    #[arg(long, value_name = "DIR")]
    pub results_dir: Option<String>,
}

/// Syncs, writes the result files, posts what happened and prints the report.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    if options.csv_header && options.csv.is_none() && options.action == Action::Sync {
        return Err(CommandError::Unusable(Failure {
            message: "--csv-header is of a list, and none is asked for".to_owned(),
            causes: Vec::new(),
            hint: Some("add --csv FILE or --action s3, or leave it out".into()),
        }));
    }
    if options.dry_run || options.action == Action::S3 || options.csv.is_some() {
        let only = options.only.clone();
        let options = super::plan::Options {
            only,
            shard: options.shard,
            engine: options.run.engine.clone(),
            csv: options.csv.clone(),
            csv_header: options.csv_header,
            to_s3: options.action == Action::S3,
            wait: options.run.wait,
            ..super::plan::Options::default()
        };
        return super::plan::run(&options, context).await;
    }
    let settings = context.settings().await?;
    let range = Range::of(context, &settings, &options.only)?.part(options.shard);
    let watch = Watch::begin(context, settings.grace)?;
    let ended = whole(&settings, range, options.run.wait, watch, context).await;
    answer(&ended, context)
}

/// A run that has ended, with its files written and its messages posted.
pub(crate) struct Ended {
    pub(crate) report: Report,
    asked: Option<Asked>,
}

/// One run with its lock, for which another one is waited for so long.
pub(crate) async fn whole(
    settings: &Settings,
    range: Range,
    wait: Option<Duration>,
    watch: Watch,
    context: &Context,
) -> Ended {
    let mut report = Report::begin();
    report.shard = range.shard;
    match lock(settings, wait, &watch).await {
        Ok(alone) => once(settings, range, alone, report, watch, context).await,
        Err(held) => conclude(Err(held), report, settings, watch, context).await,
    }
}

/// One run from its beginning to its end, as `sync` and `serve` have it; nothing is printed yet.
pub(super) async fn once(
    settings: &Settings,
    range: Range,
    alone: Alone,
    mut report: Report,
    watch: Watch,
    context: &Context,
) -> Ended {
    let attempted = attempt_all(settings, &range, &mut report, &watch).await;
    // Files and messages keep no other run waiting.
    drop(alone);
    conclude(attempted, report, settings, watch, context).await
}

/// That no other run works with the same ledger, as far as that can be made sure of, until this is dropped.
#[derive(Default)]
pub(super) struct Alone {
    _lock: Option<Lock>,
}

/// Makes sure that no other run works with the same ledger, and shows it where that one has to be waited for.
pub(super) async fn lock(settings: &Settings, wait: Option<Duration>, watch: &Watch) -> Result<Alone, Failure> {
    let tell = |held: &LockError| watch.events.send(Event::Waiting(held.to_string()));
    alone(settings, wait.unwrap_or_default(), &watch.stop, tell).await
}

/// Makes sure that no other run works with the same ledger: each would take the other's images for ones that were there
/// before. `tell` is told of the one that is waited for.
pub(super) async fn alone(
    settings: &Settings,
    patience: Duration,
    stop: &Stop,
    tell: impl FnOnce(&LockError),
) -> Result<Alone, Failure> {
    let entries = settings.images.iter().filter_map(|entry| entry.engine);
    let mut engines = entries.chain([settings.engine]);
    let ledger = match &settings.ledger {
        Place::File(path) => path.clone(),
        // Runs may write an object at once, but not work through one daemon.
        Place::Object { .. } if engines.any(|engine| engine == EngineKind::Docker) => usual_ledger(),
        Place::Object { .. } => return Ok(Alone::default()),
    };
    let taken = Lock::take(&ledger, patience, tell);
    match stop.soft.run_until_cancelled(taken).await {
        Some(Ok(lock)) => Ok(Alone { _lock: Some(lock) }),
        Some(Err(error @ LockError::Held { .. })) => Err(Failure::from(&error)),
        // What can not be locked can not be written either, which is told when it is tried.
        Some(Err(error @ LockError::Unusable { .. })) => {
            tracing::warn!(
                "{}; this run goes on without a lock",
                Failure::new(&error, None).in_one_line()
            );
            Ok(Alone::default())
        }
        None => Ok(Alone::default()),
    }
}

/// Puts an end to a run, whatever became of it: files and messages.
pub(super) async fn conclude(
    attempted: Result<(), Failure>,
    mut report: Report,
    settings: &Settings,
    mut watch: Watch,
    context: &Context,
) -> Ended {
    if let Err(failure) = attempted {
        watch.events.send(Event::Trouble(failure.in_one_line()));
        report.failures.push(failure);
    }
    let asked = watch.end_view().await;
    report.stopped_by = asked.map(|asked| asked.name);
    report.finish();
    tell(settings, &mut report, context, &watch.telling).await;
    Ended { report, asked }
}

/// Prints the report of a run, and answers with the exit code.
pub(super) fn answer(ended: &Ended, context: &Context) -> Result<ExitCode, CommandError> {
    context.print(&ended.report, |report, out| report.write_text(out))?;
    context.view.annotate(&ended.report);
    Ok(match ended.asked {
        Some(asked) => asked.exit_code,
        None => u8::from(!ended.report.is_well()),
    })
}

/// One engine after the other: what fails of one leaves the other alone.
async fn attempt_all(settings: &Settings, range: &Range, report: &mut Report, watch: &Watch) -> Result<(), Failure> {
    let mut ended = Ok(());
    for settings in settings.by_engine() {
        let Some(range) = range.within(&settings) else { continue };
        if let Err(failure) = std::mem::replace(&mut ended, attempt(&settings, range, report, watch).await) {
            watch.events.send(Event::Trouble(failure.in_one_line()));
            report.failures.push(failure);
        }
    }
    ended
}

async fn attempt(settings: &Settings, range: Range, report: &mut Report, watch: &Watch) -> Result<(), Failure> {
    let desk = Desk::open(settings, range, watch).await?;
    report.registry = Some(desk.registry.clone());
    report.add_engine(desk.session.describe());
    let mut survey = desk.survey(&watch.stop).await?;
    report.add_survey(&survey);
    desk.remember(&survey.viewed);
    let plan = desk.plan(&mut survey);
    carry_out(&plan, settings, &desk, report, (&watch.stop, &watch.events)).await;
    Ok(())
}

/// Does what a plan says, and adds to the report what became of it.
pub(super) async fn carry_out(
    plan: &plan::Plan,
    settings: &Settings,
    desk: &Desk,
    report: &mut Report,
    (stop, events): (&Stop, &Events),
) {
    report.add_plan(plan);
    let conduct = Conduct {
        at_once: settings.concurrency,
        platforms: settings.wanted_platforms(),
        attestations: settings.direct.attestations,
        remember: desk.remember,
    };
    let execution = execute(plan, &conduct, &desk.ecrs(), &desk.session, &desk.ledger, stop, events).await;
    report.add_execution(&execution);
    report.limits.extend(desk.limits());
}

/// Files first: they matter more than a message. What a sink could not do is in the report too.
async fn tell(settings: &Settings, report: &mut Report, context: &Context, stop: &Stop) {
    let records = Records::open(&settings.results);
    let told = report.failures.len();
    let unwritten = records.write_all(report);
    report.failures.extend(unwritten.iter().map(of_file));
    let untold = settings.notify.post(report, stop).await;
    report.failures.extend(untold);
    // Only once, and therefore last: it is added to what is there already.
    let summary = context.summary.as_deref();
    let unwritten = summary.and_then(|path| record::append_summary(report, path));
    report.failures.extend(unwritten.iter().map(of_file));
    if report.failures.len() > told {
        // Trouble with these has been told already.
        let _ = records.write_reports(report);
    }
}

fn of_file(error: &RecordError) -> Failure {
    Failure::new(error, Some(error.hint()))
}
