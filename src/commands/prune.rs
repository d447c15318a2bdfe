//! `images prune`: a plan of what goes and what stays, and, where that is asked for, what goes is deleted.

mod ground;
mod notes;
mod scope;
mod sweep;

use std::io::{self, Write};

use jiff::Timestamp;

use self::ground::Ground;
use self::scope::{Candidates, Scope};
use self::sweep::sweep;
use super::ask::{Consent, declined};
use super::watch::Watch;
use super::which::Found;
use super::{CommandError, Context, ExitCode, Output};
use crate::aws::ecr::Ecr;
use crate::prune::{Contradiction, Rules, nearest};
use crate::report::{Failure, Pruned, so_many_images};
use crate::selection::{InvalidPattern, Pattern};
use crate::settings::Settings;

/// What `images prune` is told.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    rules: Asked,
    /// Delete what goes, once that was shown and agreed to
    #[arg(long)]
    apply: bool,
    /// Go on where not everybody could be asked who may run the images; who was seen to is heeded all the same
    #[arg(long)]
    without_usage: bool,
    /// Count each layer once in what is freed: reads the manifests of all images of a repository of which some go, which ECR takes for a pull
    #[arg(long, conflicts_with = "not_pulled_for")]
    count_layers: bool,
    #[command(flatten)]
    consent: Consent,
}

/// What has to hold for an image to go: all that is said.
#[derive(Debug, clap::Args)]
struct Asked {
    /// So many tagged images stay in any case, those pushed last; alone it is the rule [setting: prune.keep]
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Versions with different suffixes, such as alpine, have their own newest
    #[arg(long)]
    per_suffix: bool,
    /// Pushed so long ago
    #[arg(long, value_name = "90d", value_parser = humantime::parse_duration)]
    older_than: Option<std::time::Duration>,
    /// Without a tag
    #[arg(long)]
    untagged: bool,
    /// Not pulled for so long; never pulled counts from the push
    #[arg(long, value_name = "180d", value_parser = humantime::parse_duration)]
    not_pulled_for: Option<std::time::Duration>,
    /// With tags that all match this regular expression as a whole
    #[arg(long, value_name = "REGEX", value_parser = pattern)]
    tags: Option<Pattern>,
    /// Signatures and the like that refer to what is not in the repository
    #[arg(long)]
    orphans: bool,
    /// Archived images too, which stay otherwise
    #[arg(long)]
    archived: bool,
    /// Every image that nothing protects, archived ones too: to empty a repository
    #[arg(long, conflicts_with_all = ["keep", "per_suffix", "older_than", "untagged", "not_pulled_for", "tags", "orphans", "archived"])]
    all_images: bool,
}

fn pattern(text: &str) -> Result<Pattern, String> {
    text.parse().map_err(|why: InvalidPattern| why.to_string())
}

impl Asked {
    fn rules(&self, settings: &Settings) -> Result<Rules, Contradiction> {
        let rules = Rules {
            per_suffix: self.per_suffix,
            older_than: self.older_than,
            untagged: self.untagged,
            not_pulled_for: self.not_pulled_for,
            tags: self.tags.clone(),
            orphans: self.orphans,
            archived: self.archived,
            ..Rules::keeping(self.keep.unwrap_or(settings.prune.keep))
        };
        match self.all_images {
            true => Ok(Rules::all_images()),
            false => rules.checked(),
        }
    }
}

/// What is to be done in some repositories.
pub(super) struct Job {
    /// What has to hold.
    pub(super) rules: Rules,
    /// Whether it is enough that those are heeded who were seen to run something.
    pub(super) without_usage: bool,
    /// Whether manifests are read to count each layer once.
    pub(super) count_layers: bool,
    /// Since when nobody has used these repositories, where a report says so.
    pub(super) unused_at: Option<Timestamp>,
    /// Who agrees to it; none where it is only planned.
    pub(super) consent: Option<Consent>,
}

impl Options {
    /// What empties repositories names them, where nobody types their names.
    fn is_meant(&self) -> Result<(), CommandError> {
        let refused = |message: &str, hint: &'static str| {
            Err(CommandError::Unusable(Failure {
                message: message.to_owned(),
                causes: Vec::new(),
                hint: Some(hint.into()),
            }))
        };
        match self.rules.all_images && !self.scope.is_named() {
            true if self.without_usage => refused(
                "--all-images with --without-usage is for repositories that are named",
                "name each; who runs what is not known of any",
            ),
            true if self.apply && self.consent.yes => refused(
                "--all-images with --yes is for repositories that are named",
                "name each, or answer at a terminal, where each name is to be typed",
            ),
            _ => Ok(()),
        }
    }
}

/// Shows what goes, asks, deletes, and tells what became of it.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    let rules = options.rules.rules(&settings).map_err(|why| contradiction(&why))?;
    if options.scope.as_lifecycle_policy && rules.all_images {
        let hint = "keep some (--keep), or empty it once with --apply";
        let why = "a lifecycle policy of --all-images would be a standing order to empty the repository";
        return Err(CommandError::Unusable(Failure {
            message: why.to_owned(),
            causes: Vec::new(),
            hint: Some(hint.into()),
        }));
    }
    if options.scope.as_lifecycle_policy {
        return Ok(print_policy(&rules, context)?);
    }
    let mut job = Job {
        rules,
        without_usage: options.without_usage,
        count_layers: options.count_layers,
        unused_at: None,
        consent: options.apply.then_some(options.consent),
    };
    job.consent.map_or(Ok(()), Consent::can_be_had)?;
    options.is_meant()?;
    let mut watch = Watch::begin(context, settings.grace)?;
    let pruned = async {
        let ecr = Ecr::connect(&settings.aws, settings.account.clone()).await;
        let ecr = ecr.map_err(|error| Failure::from(&error))?;
        let candidates = options.scope.candidates()?;
        job.unused_at = candidates.as_ref().map(Candidates::unused_at);
        let finding = options.scope.find(candidates.as_ref(), &ecr, &settings);
        let found = watch.unless_stopped("looking for repositories", finding).await?;
        Ok(prune(&job, found, &ecr, &settings, context, &watch).await?)
    };
    let pruned = pruned.await;
    finish(pruned, &job, "--apply deletes it", context, &mut watch).await
}

/// Prints what became of it, or what is planned with how it is carried out, unless that was shown already.
pub(super) async fn finish(
    pruned: Result<Option<Pruned>, CommandError>,
    job: &Job,
    how: &str,
    context: &Context,
    watch: &mut Watch,
) -> Result<ExitCode, CommandError> {
    let asked = watch.end_view().await;
    let pruned = pruned.map_err(|error| error.unless_asked(asked))?;
    let pruned = pruned.ok_or_else(declined)?;
    context.print(&pruned, |pruned, out| match job.consent {
        Some(_) => pruned.write_outcome(out),
        None => {
            pruned.write_plan(out)?;
            match pruned.going() {
                0 => Ok(()),
                _ => writeln!(out, "nothing was deleted: {how}"),
            }
        }
    })?;
    Ok(match asked {
        Some(asked) => asked.exit_code,
        None => u8::from(!pruned.is_well()),
    })
}

/// Plans, and where somebody agrees carries it out; none where nobody does.
pub(super) async fn prune(
    job: &Job,
    found: Found,
    ecr: &Ecr,
    settings: &Settings,
    context: &Context,
    watch: &Watch,
) -> Result<Option<Pruned>, Failure> {
    let looking = Ground::look(job, found, ecr, settings, &watch.stop);
    let (mut ground, looked) = watch.unless_stopped("looking at images", looking).await?;
    let plan = ground.told(&looked);
    let Some(consent) = job.consent else {
        return Ok(Some(plan));
    };
    watch.hush().await;
    show(&plan, context)?;
    if plan.going() > 0 && !agreed(consent, job, &plan, ecr, watch).await? {
        return Ok(None);
    }
    Ok(Some(sweep(&mut ground, looked, watch).await))
}

/// The plan is always shown: where JSON follows on standard output, beside it.
fn show(plan: &Pruned, context: &Context) -> Result<(), Failure> {
    let shown = match context.output {
        Output::Json => plan.write_plan(&mut io::stderr().lock()),
        _ => context.print(plan, |plan, out| plan.write_plan(out)),
    };
    shown.map_err(|error| Failure::new(&error, None))
}

async fn agreed(consent: Consent, job: &Job, plan: &Pruned, ecr: &Ecr, watch: &Watch) -> Result<bool, Failure> {
    if !job.rules.all_images {
        let repositories = plan.repositories.iter().filter(|one| !one.goes.is_empty()).count();
        let of = match repositories {
            1 => "of 1 repository".to_owned(),
            many => format!("of {many} repositories"),
        };
        let question = format!("Delete {} {of} in {}?", so_many_images(plan.going()), ecr.region());
        return consent.ask(&question, watch).await;
    }
    for one in plan.repositories.iter().filter(|one| !one.goes.is_empty()) {
        let images = so_many_images(one.goes.len());
        let question = format!(
            "Delete {images} of {} in {}, all that nothing protects?",
            one.repository,
            ecr.region()
        );
        if !consent.ask_for(&one.repository, &question, watch).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn print_policy(rules: &Rules, context: &Context) -> io::Result<ExitCode> {
    let policy = nearest(rules);
    context.print(&policy, |policy, out| policy.write_document(out))?;
    // The document alone is what ECR takes.
    if context.output != Output::Json {
        let mut beside = io::stderr().lock();
        let mut unsaid = policy.cannot_say.iter();
        unsaid.try_for_each(|what| writeln!(beside, "not said: {what}"))?;
    }
    Ok(0)
}

fn contradiction(why: &Contradiction) -> CommandError {
    let hint = match why {
        Contradiction::TagsOfUntagged => "say --untagged or --tags",
        Contradiction::Everything => "say --all-images to empty a repository, or keep some (--keep, prune.keep)",
    };
    CommandError::Unusable(Failure::new(why, Some(hint)))
}
