use crate::aws::ecr::Ecr;
use crate::commands::ask::{Consent, declined};
use crate::commands::watch::Watch;
use crate::commands::which::{names_here, repository};
use crate::commands::{CommandError, Context, ExitCode};
use crate::mapping::Only;
use crate::report::{Failure, OneRepository, Repositories, RepositoryOutcome, SCHEMA_VERSION};
use crate::settings::Settings;

/// What `repositories create` is told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Their names
    #[arg(value_name = "REPOSITORY", required = true, value_parser = repository)]
    pub repositories: Vec<Only>,
    /// Take one that is there already for well, and leave it as it is
    #[arg(long)]
    pub if_not_exists: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Asks, and creates one after the other.
pub(super) async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    options.consent.can_be_had()?;
    let mut watch = Watch::begin(context, settings.grace)?;
    let created = ask_and_create(options, &settings, &watch).await;
    let asked = watch.end_view().await;
    let created = created.map_err(|error| error.unless_asked(asked))?;
    let created = created.ok_or_else(declined)?;
    context.print(&created, |created, out| created.write_text(out))?;
    Ok(match asked {
        Some(asked) => asked.exit_code,
        None => u8::from(!created.is_well()),
    })
}

async fn ask_and_create(
    options: &Options,
    settings: &Settings,
    watch: &Watch,
) -> Result<Option<Repositories>, CommandError> {
    let ecr = Ecr::connect(&settings.aws, settings.account.clone()).await;
    let ecr = ecr.map_err(|error| Failure::from(&error))?;
    let named = names_here(&options.repositories, &[], &ecr, settings);
    let named = watch.unless_stopped("looking whose registry it is", named).await?;
    let mut names: Vec<&str> = Vec::new();
    for only in &named {
        if !names.contains(&only.repository.as_str()) {
            names.push(&only.repository);
        }
    }
    let (all, new) = (names.join(", "), &settings.new_repository);
    let question = format!("Create {all} in {} ({new})?", ecr.region());
    if !options.consent.ask(&question, watch).await? {
        return Ok(None);
    }
    let mut done = Vec::new();
    for name in names {
        // What has begun is not cut off: half a repository would be left.
        done.push(match watch.stop.soft.is_cancelled() {
            true => of(
                name,
                RepositoryOutcome::Failed,
                Some(Failure::stopped("creating repositories")),
            ),
            false => match ecr.create(name, new).await {
                Ok(true) => OneRepository {
                    like: Some(new.clone()),
                    ..of(name, RepositoryOutcome::Created, None)
                },
                Ok(false) if options.if_not_exists => of(name, RepositoryOutcome::Exists, None),
                Ok(false) => of(name, RepositoryOutcome::Failed, Some(exists(name))),
                Err(error) => of(
                    name,
                    RepositoryOutcome::Failed,
                    Some(Failure::of_creation(&name, &error)),
                ),
            },
        });
    }
    Ok(Some(Repositories {
        schema_version: SCHEMA_VERSION,
        dry_run: false,
        repositories: done,
        who_runs_what: None,
    }))
}

fn exists(name: &str) -> Failure {
    Failure {
        message: format!("create repository {name}: it is there already"),
        causes: Vec::new(),
        hint: Some("--if-not-exists takes that for well; `repositories` in the settings is for new ones alone".into()),
    }
}

fn of(name: &str, outcome: RepositoryOutcome, failure: Option<Failure>) -> OneRepository {
    OneRepository {
        repository: name.to_owned(),
        outcome,
        like: None,
        goes: None,
        failure,
    }
}
