use std::io::{self, Write};

use crate::aws::Trouble;
use crate::aws::ecr::{Contents, Ecr, ImageDetails, RepositoryDetails};
use crate::commands::ask::{Consent, declined};
use crate::commands::guard::Guard;
use crate::commands::in_use::{InUse, Whom};
use crate::commands::watch::Watch;
use crate::commands::which::{named, names_here, repository};
use crate::commands::{CommandError, Context, ExitCode};
use crate::mapping::Only;
use crate::report::{
    Failure, Goes, GoesWithIt, OneRepository, ProtectedImage, Repositories, RepositoryOutcome, SCHEMA_VERSION,
    WhoWasAsked,
};
use crate::settings::Settings;
use crate::stop::Stop;

/// What `repositories delete` is told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Their names
    #[arg(value_name = "REPOSITORY", required = true, value_parser = repository)]
    pub repositories: Vec<Only>,
    /// Also with images in them, which go too
    #[arg(long)]
    pub force: bool,
    /// Also where somebody uses these, or may use them, and where one is protected: by `protect` in the settings, as a last copy, as a backup
    #[arg(long, requires = "force")]
    pub protected_too: bool,
    /// Take one that is not there for well
    #[arg(long)]
    pub if_exists: bool,
    /// Only print what would go; change nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

/// What lets go what is in use or protected.
const EVEN_SO: &str = "--protected-too";

/// A repository that is to go, with what goes with it.
struct Doomed {
    details: RepositoryDetails,
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
    let guard = Guard::open(settings).await?;
    let looking = async {
        let found = look(options, settings, &ecr).await?;
        Ok::<_, CommandError>(judged(found, options, &guard, settings, &ecr, &watch.stop).await)
    };
    let (mut found, mut who_runs_what) = watch.unless_stopped("looking at repositories", looking).await?;
    if !options.dry_run && found.iter().any(Result::is_ok) {
        show(&found, who_runs_what.as_ref(), watch).await?;
        if !ask(options, &found, &ecr, watch).await? {
            return Ok(None);
        }
        if !options.consent.yes {
            // The question may have stood there for long.
            let judging =
                async { Ok::<_, CommandError>(judged(found, options, &guard, settings, &ecr, &watch.stop).await) };
            (found, who_runs_what) = watch.unless_stopped("asking who uses images", judging).await?;
        }
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

/// Each that is named, once.
async fn look(options: &Options, settings: &Settings, ecr: &Ecr) -> Result<Vec<Looked>, CommandError> {
    let all = ecr.repository_details().await.map_err(|error| Failure::from(&error))?;
    let mut found: Vec<Looked> = Vec::new();
    for only in names_here(&options.repositories, &all, ecr, settings).await? {
        let is_this = |one: &Looked| match one {
            Ok(doomed) => doomed.details.name == only.repository,
            Err(ended) => ended.repository == only.repository,
        };
        if !found.iter().any(is_this) {
            found.push(look_at(only, &all, options, ecr).await);
        }
    }
    Ok(found)
}

/// With those who use them, where one has images: what has none nobody runs.
async fn judged(
    found: Vec<Looked>,
    options: &Options,
    guard: &Guard<'_>,
    settings: &Settings,
    ecr: &Ecr,
    stop: &Stop,
) -> (Vec<Looked>, Option<WhoWasAsked>) {
    let Some(full) = found.iter().flatten().find(|one| !one.images.is_empty()) else {
        return (found, None);
    };
    let in_use = InUse::ask(settings, ecr, &full.details, Whom::Everybody, stop).await;
    let judged = found.into_iter().map(|one| one?.judged(&in_use, guard, options));
    (judged.collect(), Some(in_use.who_was_asked()))
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
            details,
            goes: Goes::new(&images, None, Vec::new()),
            images,
        }),
        Err(error) => Err(ended(RepositoryOutcome::Failed, Some(Failure::from(&error)))),
    }
}

/// On standard error, for whoever answers, and for a pipeline's log.
async fn show(found: &[Looked], asked: Option<&WhoWasAsked>, watch: &Watch) -> Result<(), Failure> {
    watch.hush().await;
    let shown = |error: io::Error| Failure::new(&error, None);
    let mut out = io::stderr().lock();
    for one in found.iter().flatten() {
        writeln!(out, "{}\n  {}", one.details.name, one.goes.in_words()).map_err(shown)?;
    }
    if let Some(asked) = asked {
        asked.write_text(&mut out).map_err(shown)?;
    }
    out.flush().map_err(shown)
}

async fn ask(options: &Options, found: &[Looked], ecr: &Ecr, watch: &Watch) -> Result<bool, Failure> {
    let doomed: Vec<&Doomed> = found.iter().flatten().collect();
    let what = match doomed.as_slice() {
        [one] => one.details.name.clone(),
        several => format!("these {} repositories", several.len()),
    };
    let question = format!("Delete {what} in {}? Nobody can undo this.", ecr.region());
    options.consent.ask(&question, watch).await
}

fn has_images(also: &[Failure]) -> Failure {
    let all = also.iter().map(|one| one.message.as_str());
    let all: Vec<&str> = ["it has images"].into_iter().chain(all).collect();
    let force = match also.is_empty() {
        true => "--force deletes them too".to_owned(),
        false => format!("--force with {EVEN_SO} deletes them too"),
    };
    Failure {
        message: all.join(", and "),
        causes: Vec::new(),
        hint: Some(format!("{force}; `ecr-keeper images list --in-use` shows them").into()),
    }
}

impl Doomed {
    /// With those who use it, and what is protected in it. What has images goes only by force; what is used, or protected, only by a word
    /// more.
    fn judged(self, in_use: &InUse, guard: &Guard<'_>, options: &Options) -> Looked {
        if self.images.is_empty() {
            return Ok(self);
        }
        let uri = &self.details.uri;
        let users = in_use.of_repository(uri);
        let protected = self.images.iter().filter_map(|image| {
            let because = guard.keeps(uri, image, GoesWithIt::Image)?;
            Some(ProtectedImage::new(image, because))
        });
        let goes = Goes::new(&self.images, Some(users.clone()), protected.collect());
        let one = Self { goes, ..self };
        let unknown = guard.knows_last_copies(&one.details.name).err();
        let refusals: Vec<Failure> = [users.refusal(EVEN_SO), one.protected(), unknown]
            .into_iter()
            .flatten()
            .collect();
        let refusal = match (options.force, options.protected_too) {
            (true, true) => None,
            (true, false) => refusals.into_iter().next(),
            (false, _) => Some(has_images(&refusals)),
        };
        match refusal {
            None => Ok(one),
            Some(refusal) => Err(Box::new(one.ended(RepositoryOutcome::Refused, Some(refusal)))),
        }
    }

    /// Why it may not go though nobody uses it.
    fn protected(&self) -> Option<Failure> {
        Some(Failure {
            message: self.goes.protected_in_words()?,
            causes: Vec::new(),
            hint: Some(
                format!(
                    "`ecr-keeper images prune {} --all-images` shows all that stays, and deletes the rest; {EVEN_SO} deletes it all the same",
                    self.details.name
                )
                .into(),
            ),
        })
    }

    fn ended(&self, outcome: RepositoryOutcome, failure: Option<Failure>) -> OneRepository {
        OneRepository {
            repository: self.details.name.clone(),
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
            match ecr.image_details(&self.details.name).await {
                Ok(now) if self.has_all_of(&now) => {}
                Ok(_) => return self.ended(RepositoryOutcome::Refused, Some(has_more())),
                Err(error) => return self.ended(RepositoryOutcome::Failed, Some(Failure::from(&error))),
            }
        }
        match ecr.delete_repository(&self.details.name, contents).await {
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
