//! `apply`: carries out a plan that was saved, by exactly what it says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::desk::{Desk, Range};
use super::elsewhere::may_lead_to;
use super::sync::{RunOptions, answer, carry_out, conclude, lock};
use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::events::Events;
use crate::image::Repository;
use crate::plan::{self, Policies, SAVED_VERSION, Saved};
use crate::report::{Failure, Report};
use crate::settings::{Entry, Settings};
use crate::stop::Stop;
use crate::survey::Seen;

/// What `apply` may be told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The plan that `plan --out` wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What every run that copies may be told.
    #[command(flatten)]
    pub run: RunOptions,
}

/// Looks at both sides of each planned copy again, carries out those that hold, and tells of it as `sync` does.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let saved = read(&options.file)?;
    agree_on_engine(&options.file, &saved, options.run.engine.as_deref())?;
    let mut settings = context.settings_for(saved.as_settings()).await?;
    agree(&options.file, &saved, &mut settings)?;
    let watch = Watch::begin(context, settings.grace)?;
    let mut report = Report::begin();
    let attempted = match lock(&settings, options.run.wait, &watch).await {
        Ok(_lock) => attempt(&settings, saved, &mut report, &watch).await,
        Err(held) => Err(held),
    };
    answer(&conclude(attempted, report, &settings, watch, context).await, context)
}

fn read(path: &Path) -> Result<Saved, CommandError> {
    let unusable = |why: String| {
        CommandError::Unusable(Failure {
            message: format!("read the plan {}: it {why}", path.display()),
            causes: Vec::new(),
            hint: Some("make a new one with `ecr-keeper plan --out FILE`".into()),
        })
    };
    let text = std::fs::read(path).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    let version = serde_json::from_slice::<serde_json::Value>(&text)
        .ok()
        .and_then(|plan| plan.get("version")?.as_u64());
    match version {
        Some(version) if version == u64::from(SAVED_VERSION) => {
            let saved: Saved =
                serde_json::from_slice(&text).map_err(|error| unusable(format!("is not whole: {error}")))?;
            match saved.plan.listed_twice() {
                Some(target) => Err(unusable(format!("lists {target} twice"))),
                None => Ok(saved),
            }
        }
        Some(other) => Err(unusable(format!(
            "is of version {other}, and this program reads version {SAVED_VERSION}"
        ))),
        None => Err(unusable("is not one that plan --out wrote".to_owned())),
    }
}

/// Settings may say another engine, and the plan counts; who writes one on the command line has to mean the same.
fn agree_on_engine(path: &Path, saved: &Saved, given: Option<&str>) -> Result<(), CommandError> {
    match given.filter(|given| *given != saved.engine.word()) {
        None => Ok(()),
        Some(other) => Err(CommandError::Unusable(Failure {
            message: format!(
                "the plan {} was made with --engine {}, and --engine {other} is given",
                path.display(),
                saved.engine.word()
            ),
            causes: Vec::new(),
            hint: Some("leave --engine out: the plan says who copies; or make a new one with the other".into()),
        })),
    }
}

/// The plan says which registry it is for, and which platforms were asked for. What it copies has to go to that registry, or to one that the
/// settings name besides.
fn agree(path: &Path, saved: &Saved, settings: &mut Settings) -> Result<(), CommandError> {
    let what = format!("the plan {}", path.display());
    let written = fits(&what, saved, settings).map_err(CommandError::Unusable)?;
    // Registries that it does not write to are not opened.
    let is_written = |entry: &Entry| written.iter().any(|one| may_write(entry, &one.host, settings));
    let is_needed = |entry: &&Entry| entry.named.elsewhere.is_none() || is_written(entry);
    let images = settings.images.iter().filter(is_needed).cloned().collect();
    settings.images = images;
    settings.platforms = Some(saved.platforms.clone());
    Ok(())
}

/// Whether `what` may be carried out with these settings; answers the repositories that it writes to.
pub(super) fn fits<'a>(what: &str, saved: &'a Saved, settings: &Settings) -> Result<BTreeSet<&'a Repository>, Failure> {
    let unfit = |message: String| Failure {
        message,
        causes: Vec::new(),
        hint: Some(AGREE.into()),
    };
    if let Some(own) = settings.registry.as_ref().filter(|own| **own != saved.registry) {
        return Err(unfit(format!(
            "{what} is for {}, and the settings (ecr) name {own}",
            saved.registry
        )));
    }
    let copied = saved.plan.copies().map(|copy| &copy.target.repository);
    let created = saved.plan.creates().map(|create| &create.repository);
    let written: BTreeSet<&Repository> = copied.chain(created).collect();
    let is_other = |repository: &&Repository| {
        let mut entries = settings.images.iter();
        *repository.host != *saved.registry && !entries.any(|entry| may_write(entry, &repository.host, settings))
    };
    match written.iter().copied().find(is_other) {
        Some(other) => Err(unfit(format!(
            "{what} is for {}, and would write to {other}, which no target of `images` names",
            saved.registry
        ))),
        None => Ok(written),
    }
}

fn may_write(entry: &Entry, host: &str, settings: &Settings) -> bool {
    let elsewhere = entry.named.elsewhere.as_ref();
    elsewhere.is_some_and(|elsewhere| may_lead_to(elsewhere, host, &settings.aws))
}

const AGREE: &str = "apply it with the settings and in the account that it was made with, or make a new one";

async fn attempt(settings: &Settings, saved: Saved, report: &mut Report, watch: &Watch) -> Result<(), Failure> {
    let desk = Desk::open(settings, Range::default(), watch).await?;
    is_own("the plan", &saved.registry, &desk)?;
    report.registry = Some(desk.registry.clone());
    report.engine = Some(desk.session.describe());
    carry_out_again(&saved.plan, settings, &desk, report, (&watch.stop, &watch.events)).await;
    Ok(())
}

/// Without `ecr` the registry is the account's own, which nobody has compared yet.
pub(super) fn is_own(what: &str, registry: &str, desk: &Desk) -> Result<(), Failure> {
    match desk.registry == registry {
        true => Ok(()),
        false => Err(Failure {
            message: format!(
                "{what} is for {registry}, and this account's registry is {}",
                desk.registry
            ),
            causes: Vec::new(),
            hint: Some(AGREE.into()),
        }),
    }
}

/// Looks at both sides of each copy again, and carries out what still holds.
pub(super) async fn carry_out_again(
    plan: &plan::Plan,
    settings: &Settings,
    desk: &Desk,
    report: &mut Report,
    (stop, events): (&Stop, &Events),
) {
    let seen = desk.look_again(plan, settings.concurrency, stop).await;
    let missing = plan.creates().cloned();
    let missing = missing.map(|create| (create.repository, Some(create.with)));
    let plan = still_good(seen, &desk.policies, report).creating(&missing.collect());
    carry_out(&plan, settings, desk, report, (stop, events)).await;
}

/// What could not be looked at again fails by name; what a stop left out was not attempted.
fn still_good(seen: Vec<Seen>, policies: &Policies, report: &mut Report) -> plan::Plan {
    let mut known = Vec::new();
    for (copy, now) in seen {
        match now {
            Some(Ok(now)) => known.push((copy, now)),
            Some(Err(error)) => report.add_unseen(&copy, Some(&error)),
            None => report.add_unseen(&copy, None),
        }
    }
    plan::recheck(known, policies)
}
