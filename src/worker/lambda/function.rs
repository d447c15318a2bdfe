//! What a function does with an event: a run by its settings, and by what the event says in their place.

use std::collections::BTreeSet;
use std::env::temp_dir;

use anstream::ColorChoice;
use serde_json::Value;

use super::Refused;
use crate::aws::ecr::account_and_region;
use crate::aws::queue::is_queue_of;
use crate::commands::teller::{self, with_hint};
use crate::commands::work::handed;
use crate::commands::{CommandError, Context, Output, Range, Watch, plan, sync, usage};
use crate::ledger::Place;
use crate::mapping::Only;
use crate::progress::{Screen, View};
use crate::record::UsagePart;
use crate::report::Failure;
use crate::settings::{Given, Mistake, Settings, SettingsError, Written, environment, named_file, show, usual_file};
use crate::stop::Deadline;
use crate::worker::answer::{Answer, Answered, PartialFailure, UsageAnswer, last_line};
use crate::worker::event::{Asked, Batch, ORIGIN, Run, Verb};

/// Everything is read anew: what was changed holds from the next invocation on, and none knows of another.
pub(super) async fn carry_out(event: &Value, deadline: Deadline) -> Result<Answered, Refused> {
    match Asked::read(event).map_err(Refused::Event)? {
        Asked::Run(run) if run.verb == Verb::Usage => usage_report(&run, deadline).await,
        Asked::Run(run) => {
            let answer = one_run(&run, deadline).await?;
            answer.log();
            Ok(answer.into())
        }
        Asked::Work(batch) => work(batch, deadline).await.map(Answered::Work),
    }
}

/// Asks everybody what there is, and tells Slack of it.
async fn usage_report(run: &Run, deadline: Deadline) -> Result<Answered, Refused> {
    let (settings, context) = settings(run).await?;
    tell_notes(&settings);
    let options = usage::Options {
        candidates: run.part == Some(UsagePart::Candidates),
        coverage: run.part == Some(UsagePart::Coverage),
        include: run.include.clone(),
        ..usage::Options::default()
    };
    let watch = Watch::until(deadline, &context);
    let report = usage::look(&options, &settings, None, &watch).await;
    let unposted = usage::post(&report, &options, &settings, &watch).await;
    let answer = UsageAnswer::of(report, &unposted);
    answer.log();
    Ok(Answered::Usage(Box::new(answer)))
}

/// What is not done when the time is over comes again.
async fn work(batch: Batch, deadline: Deadline) -> Result<PartialFailure, Refused> {
    let (settings, context) = settings(&Run::default()).await?;
    is_own_queue(&batch, &settings)?;
    let mut watch = Watch::until(deadline, &context);
    let handed = handed(batch.messages, &settings, &context, &mut watch).await;
    let (again, worked) = handed.map_err(Refused::Unusable)?;
    for failure in worked.tries.iter().chain(&worked.failures) {
        tracing::error!("failed — {}", with_hint(failure));
    }
    last_line(worked.is_well(), &worked.counted());
    Ok(PartialFailure::of(again))
}

/// Whoever may invoke the function writes its events: which queue it works for, its settings alone say.
fn is_own_queue(batch: &Batch, settings: &Settings) -> Result<(), Refused> {
    match &settings.work.queue {
        Some(url) if !is_queue_of(url, &batch.queue) => Err(Refused::Event(vec![Mistake {
            origin: ORIGIN.to_owned(),
            key: "Records".to_owned(),
            problem: format!("they are of {}, and work.queue is {url}", batch.queue),
        }])),
        // That it has to be set is told with what else has to be.
        Some(_) | None => Ok(()),
    }
}

/// What is set and comes to nothing.
fn tell_notes(settings: &Settings) {
    for note in &settings.without_effect {
        tracing::warn!("{note}");
    }
}

async fn one_run(run: &Run, deadline: Deadline) -> Result<Answer, Refused> {
    let (mut settings, context) = settings(run).await?;
    let only = narrowed(run, &mut settings)?;
    for note in &run.notes {
        tracing::warn!("{note}");
    }
    tell_notes(&settings);
    if let Place::File(path) = &settings.ledger {
        let path = path.display();
        tracing::warn!(
            "the ledger is {path}, which goes with this copy of the function: name an object, s3://BUCKET/KEY"
        );
    }
    let watch = Watch::until(deadline, &context);
    match run.verb {
        Verb::Sync => {
            let range = Range::of(&context, &settings, &only)?.part(run.shard);
            let range = match run.repositories.is_empty() {
                true => range,
                false => range.named_alone(),
            };
            let ended = sync::whole(&settings, range, None, watch, &context).await;
            teller::images(&ended.report);
            Ok(Answer::of_sync(&ended.report))
        }
        Verb::Plan | Verb::List | Verb::Usage => {
            let options = plan::Options {
                only,
                shard: run.shard,
                to_s3: run.verb == Verb::List,
                named_alone: !run.repositories.is_empty(),
                ..plan::Options::default()
            };
            match plan::look(&options, &settings, watch, &context).await {
                Ok((preview, asked)) => {
                    teller::preview(&preview);
                    Ok(Answer::of_plan(&preview, run.verb, asked.map(|asked| asked.name)))
                }
                Err(CommandError::Failed(failure) | CommandError::Stopped { failure, .. }) => {
                    Ok(Answer::of_failure(&failure))
                }
                Err(CommandError::Settings(error)) => Err(error.into()),
                Err(CommandError::Unusable(failure)) => Err(Refused::Unusable(failure)),
                Err(CommandError::Several(several)) => Err(Refused::Unusable(several.into())),
                Err(CommandError::Output(error)) => Err(Refused::Unusable(Failure::new(&error, None))),
            }
        }
    }
}

/// The function's settings, and over them what the event says.
async fn settings(run: &Run) -> Result<(Settings, Context), Refused> {
    // The one place that a function may write to.
    let folder = temp_dir().join("ecr-keeper");
    let usual = [
        ("engine", "direct".to_owned()),
        ("ledger", folder.join("ledger.json").display().to_string()),
        ("results.dir", folder.display().to_string()),
    ];
    let event = (!run.settings.is_empty()).then(|| Value::from(run.settings.clone()).to_string());
    let given = Given {
        environment: environment()?,
        usual: usual.to_vec(),
        event: event.map(|text| Written::said(ORIGIN, text)),
        ..Given::default()
    };
    let place = named_file().or_else(usual_file);
    let file = match &place {
        Some(place) => Some(Written::fetch(place, &given).await?),
        None => None,
    };
    let settings = Settings::with_secrets(file.as_ref(), &given).await?;
    without_daemon(file.as_ref(), &given)?;
    let context = Context {
        file: place,
        given,
        output: Output::Json,
        view: View::None,
        screen: Screen::default(),
        color: ColorChoice::Never,
        width: None,
        summary: None,
    };
    Ok((settings, context))
}

/// A function has no daemon beside it.
fn without_daemon(file: Option<&Written>, given: &Given) -> Result<(), SettingsError> {
    let shown = show(file, given)?.into_iter();
    let asks = shown.filter(|one| one.value.as_deref() == Some("docker") && is_engine(&one.key));
    let mistakes: Vec<Mistake> = asks
        .map(|one| Mistake {
            origin: one.origin.unwrap_or_default(),
            key: one.key,
            problem: "docker needs a daemon, and a function has none: direct, or nothing, is allowed here".to_owned(),
        })
        .collect();
    match mistakes.is_empty() {
        true => Ok(()),
        false => Err(SettingsError::Invalid(mistakes)),
    }
}

fn is_engine(key: &str) -> bool {
    key == "engine" || key.starts_with("images.") && key.ends_with(".engine")
}

/// What the run is narrowed down to. As with lambda-ecr-image-sync, the repositories' own tags say what to do where nothing else does.
fn narrowed(run: &Run, settings: &mut Settings) -> Result<Vec<Only>, Refused> {
    let names_nothing = settings.keyword.is_none() && settings.images.is_empty() && run.only.is_empty();
    settings.resource_tags |= names_nothing || !run.repositories.is_empty();
    let hosts: BTreeSet<&str> = run.repositories.iter().filter_map(|one| one.host.as_deref()).collect();
    if hosts.len() > 1 {
        let hosts: Vec<&str> = hosts.into_iter().collect();
        return Err(Refused::Event(vec![Mistake {
            origin: ORIGIN.to_owned(),
            key: "repositories".to_owned(),
            problem: format!(
                "they are of several registries ({}): ask for each by itself",
                hosts.join(", ")
            ),
        }]));
    }
    let of_ecr = |host: &String| account_and_region(host).is_some();
    // A registry by another name, such as one's own domain, says no account that could be another one.
    if settings.registry.as_ref().is_none_or(of_ecr)
        && let Some((host, (account, region))) = hosts.first().and_then(|host| Some((host, account_and_region(host)?)))
    {
        settings.registry = Some((*host).to_owned());
        settings.account = Some(account.to_owned());
        // Ledger, list and queue stay where the function is.
        settings.aws.home = settings.aws.region.replace(region.to_owned());
    }
    let repositories = run.repositories.iter().map(|one| Only {
        repository: one.name.clone(),
        tag: None,
    });
    Ok(run.only.iter().cloned().chain(repositories).collect())
}
