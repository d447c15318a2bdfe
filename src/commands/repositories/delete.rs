use std::io::{self, Write};

use crate::aws::Trouble;
use crate::aws::ecr::{Contents, Ecr, ImageDetails, RepositoryDetails};
use crate::commands::ask::{Consent, declined};
use crate::commands::in_use::{InUse, Whom};
use crate::commands::watch::Watch;
use crate::commands::which::{named, names_here, repository};
use crate::commands::{CommandError, Context, ExitCode};
use crate::mapping::Only;
use crate::report::{
    Failure, Goes, OneRepository, Repositories, RepositoryOutcome, SCHEMA_VERSION, Users, WhoWasAsked,
};
use crate::settings::Settings;
use crate::stop::Stop;

/// What `repositories delete` is told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Their names
    #[arg(value_name = "REPOSITORY", required = true, value_parser = repository)]
    pub repositories: Vec<Only>,
    /// Also with images in them, which go too, and where somebody uses these
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
    /// `HOST/NAME`
    uri: String,
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
    let deleted = deleted.map_err(|error| error.unless_asked(asked))?;
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
) -> Result<Option<Repositories>, CommandError> {
    let ecr = Ecr::connect(&settings.aws, settings.account.clone()).await;
    let ecr = ecr.map_err(|error| Failure::from(&error))?;
    let looking = look(options, settings, &ecr, &watch.stop);
    let (found, who_runs_what) = watch.unless_stopped("looking at repositories", looking).await?;
    let doomed: Vec<&Doomed> = found.iter().filter_map(|one| one.as_ref().ok()).collect();
    let asked = who_runs_what.as_ref();
    if !options.dry_run && !doomed.is_empty() && !ask(options, &doomed, asked, &ecr, watch).await? {
        return Ok(None);
    }
    let mut done = Vec::new();
    for one in found {
        done.push(match (one, options.dry_run, watch.stop.soft.is_cancelled()) {
            (Err(ended), ..) => *ended,
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
        who_runs_what,
    }))
}

/// What is to go, or how it has ended already.
type Looked = Result<Doomed, Box<OneRepository>>;

/// Each that is named, once, and who was asked who uses it.
async fn look(
    options: &Options,
    settings: &Settings,
    ecr: &Ecr,
    stop: &Stop,
) -> Result<(Vec<Looked>, Option<WhoWasAsked>), CommandError> {
    let all = ecr.repository_details().await.map_err(|error| Failure::from(&error))?;
    let mut found: Vec<Looked> = Vec::new();
    for only in names_here(&options.repositories, &all, ecr, settings).await? {
        let is_this = |one: &Looked| match one {
            Ok(doomed) => doomed.name == only.repository,
            Err(ended) => ended.repository == only.repository,
        };
        if !found.iter().any(is_this) {
            found.push(look_at(only, &all, options, ecr).await);
        }
    }
    // What has no images nobody runs.
    let full = found.iter().flatten().find(|one| !one.images.is_empty());
    let full = full.and_then(|full| all.iter().find(|one| one.name == full.name));
    let Some(full) = full else {
        return Ok((found, None));
    };
    let in_use = InUse::ask(settings, ecr, full, Whom::Everybody, stop).await;
    let judged = found.into_iter().map(|one| one?.judged(&in_use, options.force));
    Ok((judged.collect(), Some(in_use.who_was_asked())))
}

async fn look_at(only: Only, all: &[RepositoryDetails], options: &Options, ecr: &Ecr) -> Looked {
    let ended = |outcome, failure| {
        Box::new(OneRepository {
            repository: only.repository.clone(),
            outcome,
            like: None,
            goes: None,
            failure,
        })
    };
    let mut meant = named(std::slice::from_ref(&only), all.to_vec());
    let Some(details) = meant.repositories.pop() else {
        return Err(match meant.failures.pop().filter(|_| !options.if_exists) {
            Some(failure) => ended(RepositoryOutcome::Failed, Some(failure)),
            None => ended(RepositoryOutcome::Absent, None),
        });
    };
    match ecr.image_details(&details.name).await {
        Ok(images) => Ok(Doomed {
            name: details.name,
            uri: details.uri,
            goes: Goes::new(&images, None),
            images,
        }),
        Err(error) => Err(ended(RepositoryOutcome::Failed, Some(Failure::from(&error)))),
    }
}

async fn ask(
    options: &Options,
    doomed: &[&Doomed],
    asked: Option<&WhoWasAsked>,
    ecr: &Ecr,
    watch: &Watch,
) -> Result<bool, Failure> {
    let shown = |error: io::Error| Failure::new(&error, None);
    if !options.consent.yes {
        for one in doomed {
            writeln!(io::stderr().lock(), "{}\n  {}", one.name, one.goes.in_words()).map_err(shown)?;
        }
        if let Some(asked) = asked {
            asked.write_text(&mut io::stderr().lock()).map_err(shown)?;
        }
    }
    let what = match doomed {
        [one] => one.name.clone(),
        several => format!("these {} repositories", several.len()),
    };
    let question = format!("Delete {what} in {}? Nobody can undo this.", ecr.region());
    options.consent.ask(&question, watch).await
}

fn has_images(users: &Users) -> Failure {
    let also = users.refusal().map(|refusal| format!(", and {}", refusal.message));
    Failure {
        message: format!("it has images{}", also.unwrap_or_default()),
        causes: Vec::new(),
        hint: Some("--force deletes them too; `ecr-keeper images list --in-use` shows them".into()),
    }
}

impl Doomed {
    /// With those who use it. What has images goes only by force.
    fn judged(self, in_use: &InUse, by_force: bool) -> Looked {
        if self.images.is_empty() {
            return Ok(self);
        }
        let users = in_use.of_repository(&self.uri);
        let one = Self {
            goes: Goes::new(&self.images, Some(users.clone())),
            ..self
        };
        match by_force {
            true => Ok(one),
            false => Err(Box::new(
                one.ended(RepositoryOutcome::Refused, Some(has_images(&users))),
            )),
        }
    }

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
