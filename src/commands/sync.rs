//! `sync`: brings every image up to date with its upstream.

use super::desk::Desk;
use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::events::Event;
use crate::execute::{Conduct, execute};
use crate::plan;
use crate::record;
use crate::report::{Failure, Report};
use crate::settings::Settings;
use crate::stop::Stop;
/// What `sync` may be told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only print what would be done; change nothing, anywhere
    #[arg(long)]
    pub dry_run: bool,
    /// Folder for the result files [setting: results.dir]
    #[arg(long, value_name = "DIR")]
    pub results_dir: Option<String>,
}

/// Syncs, writes the result files, posts to the webhook and prints the report.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    if options.dry_run {
        return super::plan::run(context).await;
    }
    let (settings, keyword) = context.settings_with_keyword()?;
    let mut watch = Watch::begin(context, settings.grace)?;
    let mut report = Report::begin();
    if let Err(failure) = attempt(&settings, keyword, &mut report, &watch).await {
        watch.events.send(Event::Trouble(failure.in_one_line()));
        report.failures.push(failure);
    }
    let asked = watch.end_view().await;
    report.stopped_by = asked.map(|asked| asked.name);
    report.finish();
    tell(&settings, &mut report, &watch.stop).await;
    context.print(&report, |report, out| report.write_text(out))?;
    Ok(match asked {
        Some(asked) => asked.exit_code,
        None => u8::from(!report.is_well()),
    })
}

async fn attempt(settings: &Settings, keyword: String, report: &mut Report, watch: &Watch) -> Result<(), Failure> {
    let Watch { stop, events, .. } = watch;
    let mut desk = Desk::open(settings, keyword, watch).await?;
    report.registry = Some(desk.registry.clone());
    report.engine = Some(desk.session.describe());
    let mut survey = desk.survey(stop).await?;
    report.add_survey(&survey);
    let plan = plan::sync(std::mem::take(&mut survey.viewed), &desk.policy);
    report.add_plan(&plan);
    let conduct = Conduct {
        at_once: settings.concurrency,
        platform: settings.platform.clone(),
    };
    let execution = execute(&plan, &conduct, &desk.session, &mut desk.ledger, stop, events).await;
    report.add_execution(&execution);
    Ok(())
}

/// Files first: they matter more than a message. What a sink could not do is in the report too.
async fn tell(settings: &Settings, report: &mut Report, stop: &Stop) {
    let hint = "name a folder that can be written with --results-dir or results.dir";
    let unwritten = record::write_all(report, &settings.results);
    report
        .failures
        .extend(unwritten.iter().map(|error| Failure::new(error, Some(hint))));
    let Some(webhook) = &settings.webhook else { return };
    let hint = "check webhook.url (DISCORD_WEBHOOK) and webhook.kind";
    let failure = match stop.hard.run_until_cancelled(webhook.post(report)).await {
        Some(Ok(())) => return,
        Some(Err(error)) => Failure::new(&error, Some(hint)),
        None => Failure::stopped("posting to the webhook"),
    };
    report.failures.push(failure);
    // Trouble with the folder has been told already.
    let _ = record::write_json(report, &settings.results);
}
