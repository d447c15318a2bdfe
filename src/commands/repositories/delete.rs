use std::io::{self, Write};

use crate::aws::Trouble;
use crate::aws::ecr::{Contents, Ecr, ImageDetails};
use crate::commands::ask::{Consent, declined};
use crate::commands::watch::Watch;
use crate::commands::which::{named, repository};
use crate::commands::{CommandError, Context, ExitCode};
use crate::mapping::Only;
use crate::report::{Failure, Goes, OneRepository, Repositories, RepositoryOutcome, SCHEMA_VERSION};
use crate::settings::Settings;

/// What `repositories delete` is told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Their names
    #[arg(value_name = "REPOSITORY", required = true, value_parser = repository)]
    pub repositories: Vec<Only>,
    /// Also with images in them, which go too
    #[arg(long)]
    pub force: bool,
    /// Take one that is not there for well
    #[arg(long)]
    pub if_exists: bool,
    /// Only print what would go; change nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

/// A repository that is to go, with what goes with it.
struct Doomed {
    name: String,
    images: Vec<ImageDetails>,
    goes: Goes,
}

/// Looks, shows what goes, asks, and deletes one after the other.
pub(super) async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    if !options.dry_run {
        options.consent.can_be_had()?;
    }
    let mut watch = Watch::begin(context, settings.grace)?;
    let deleted = look_ask_and_delete(options, &settings, &watch).await;
    let asked = watch.end_view().await;
    let deleted = deleted.map_err(|failure| CommandError::without_an_answer(failure, asked))?;
    let deleted = deleted.ok_or_else(declined)?;
    context.print(&deleted, |deleted, out| deleted.write_text(out))?;
    Ok(match asked {
        Some(asked) => asked.exit_code,
        None => u8::from(!deleted.is_well()),
    })
}

async fn look_ask_and_delete(
    options: &Options,
    settings: &Settings,
    watch: &Watch,
) -> Result<Option<Repositories>, Failure> {
    let ecr = Ecr::connect(&settings.aws, settings.account.clone()).await;
    let ecr = ecr.map_err(|error| Failure::from(&error))?;
    let looking = look(options, &ecr);
    let found = watch.unless_stopped("looking at repositories", looking).await?;
    let doomed: Vec<&Doomed> = found.iter().filter_map(|one| one.as_ref().ok()).collect();
    if !options.dry_run && !doomed.is_empty() && !ask(options, &doomed, &ecr, watch).await? {
        return Ok(None);
    }
    let mut done = Vec::new();
    for one in found {
        done.push(match (one, options.dry_run, watch.stop.soft.is_cancelled()) {
            (Err(ended), ..) => ended,
            (Ok(one), true, _) => one.ended(RepositoryOutcome::Deleted, None),
            (Ok(one), false, true) => one.ended(
                RepositoryOutcome::Failed,
                Some(Failure::stopped("deleting repositories")),
            ),
            (Ok(one), false, false) => one.delete(&ecr).await,
        });
    }
    Ok(Some(Repositories {
        schema_version: SCHEMA_VERSION,
        dry_run: options.dry_run,
        repositories: done,
    }))
}

/// Each that is named, once: what is to go, or how it has ended already.
async fn look(options: &Options, ecr: &Ecr) -> Result<Vec<Result<Doomed, OneRepository>>, Failure> {
    let all = ecr.repository_details().await.map_err(|error| Failure::from(&error))?;
    let mut found: Vec<Result<Doomed, OneRepository>> = Vec::new();
    for only in &options.repositories {
        let mut meant = named(std::slice::from_ref(only), all.clone());
        let Some(details) = meant.repositories.pop() else {
            let failure = meant.failures.pop().filter(|_| !options.if_exists);
            found.push(Err(OneRepository {
                repository: only.repository.clone(),
                outcome: match failure {
                    Some(_) => RepositoryOutcome::Failed,
                    None => RepositoryOutcome::Absent,
                },
                like: None,
                goes: None,
                failure,
            }));
            continue;
        };
        let is_this = |one: &Result<Doomed, OneRepository>| match one {
            Ok(doomed) => doomed.name == details.name,
            Err(ended) => ended.repository == details.name,
        };
        if found.iter().any(is_this) {
            continue;
        }
        let images = ecr.image_details(&details.name).await;
        let images = images.map_err(|error| Failure::from(&error))?;
        let one = Doomed {
            name: details.name,
            // Who runs them is nobody's question here yet.
            goes: Goes::new(&images, None),
            images,
        };
        found.push(match one.images.is_empty() || options.force {
            true => Ok(one),
            false => Err(one.ended(RepositoryOutcome::Refused, Some(has_images()))),
        });
    }
    Ok(found)
}

async fn ask(options: &Options, doomed: &[&Doomed], ecr: &Ecr, watch: &Watch) -> Result<bool, Failure> {
    let shown = |error: io::Error| Failure::new(&error, None);
    if !options.consent.yes {
        for one in doomed {
            writeln!(io::stderr().lock(), "{}\n  {}", one.name, one.goes.in_words()).map_err(shown)?;
        }
    }
    let what = match doomed {
        [one] => one.name.clone(),
        several => format!("these {} repositories", several.len()),
    };
    let question = format!("Delete {what} in {}? Nobody can undo this.", ecr.region());
    options.consent.ask(&question, watch).await
}

fn has_images() -> Failure {
    Failure {
        message: "it has images".to_owned(),
        causes: Vec::new(),
        hint: Some("--force deletes them too; `ecr-keeper images list` shows them".into()),
    }
}

impl Doomed {
    fn ended(&self, outcome: RepositoryOutcome, failure: Option<Failure>) -> OneRepository {
        OneRepository {
            repository: self.name.clone(),
            outcome,
            like: None,
            goes: Some(self.goes.clone()),
            failure,
        }
    }

    /// What goes is what was shown: where something came meanwhile, it stays.
    async fn delete(&self, ecr: &Ecr) -> OneRepository {
        let contents = match self.images.is_empty() {
            true => Contents::None,
            false => Contents::All,
        };
        if contents == Contents::All {
            match ecr.image_details(&self.name).await {
                Ok(now) if self.has_all_of(&now) => {}
                Ok(_) => return self.ended(RepositoryOutcome::Refused, Some(has_more())),
                Err(error) => return self.ended(RepositoryOutcome::Failed, Some(Failure::from(&error))),
            }
        }
        match ecr.delete_repository(&self.name, contents).await {
            Ok(()) => self.ended(RepositoryOutcome::Deleted, None),
            // Somebody else was quicker.
            Err(error) if error.trouble == Trouble::NotFound => self.ended(RepositoryOutcome::Absent, None),
            Err(error) => self.ended(RepositoryOutcome::Failed, Some(Failure::from(&error))),
        }
    }

    fn has_all_of(&self, now: &[ImageDetails]) -> bool {
        let is_known = |image: &ImageDetails| self.images.iter().any(|known| known.digest == image.digest);
        now.iter().all(is_known)
    }
}

fn has_more() -> Failure {
    Failure {
        message: "images have come since it was looked at".to_owned(),
        causes: Vec::new(),
        hint: Some("look at it again: somebody pushes there".into()),
    }
}
