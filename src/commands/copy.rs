//! `copy`: brings one image to one or several targets, by hand.

use std::str::FromStr;

use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::desk::{Targets, keyring, open_session};
use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::engine::{EngineError, Session, Side};
use crate::events::Event;
use crate::execute::{Conduct, Ecrs, Remember, execute};
use crate::image::{ImageRef, InvalidReference, Observed, Reference, Repository, Tag};
use crate::ledger::Ledger;
use crate::plan::{self, Policy, Safety, Upstream, Viewed};
use crate::report::{Failure, Report};
use crate::settings::Settings;

/// What `copy` is told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// What is copied: REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST
    #[arg(value_name = "SOURCE")]
    pub source: ImageRef,
    /// Where it goes: REPOSITORY:TAG, or REPOSITORY to keep the source's tag
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<Destination>,
    /// Who copies [setting: engine]
    #[arg(long, value_name = "docker|direct")]
    pub engine: Option<String>,
    /// Which platforms: one, several with commas between, or all [setting: platforms]
    #[arg(long, value_name = "PLATFORM")]
    pub platforms: Option<String>,
}

/// A repository, and the tag in it where one was written.
#[derive(Debug, Clone)]
pub struct Destination {
    repository: Repository,
    tag: Option<Tag>,
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let why = |error: InvalidReference| error.to_string();
        let (repository, tag) = match text.parse::<Repository>() {
            Ok(repository) => (repository, None),
            Err(InvalidReference::NotARepository(_)) => {
                let image: ImageRef = text.parse().map_err(why)?;
                match image.reference {
                    Reference::Tag(tag) => (image.repository, Some(tag)),
                    Reference::Digest(_) => {
                        return Err("a target is a tag: a digest names what is there already".to_owned());
                    }
                }
            }
            Err(error) => return Err(why(error)),
        };
        Ok(Self { repository, tag })
    }
}

impl Options {
    fn targets(&self) -> Result<Vec<ImageRef>, CommandError> {
        let mut targets = Vec::new();
        for Destination { repository, tag } in &self.targets {
            let tag = match (tag, &self.source.reference) {
                (Some(tag), _) | (None, Reference::Tag(tag)) => tag.clone(),
                (None, Reference::Digest(_)) => {
                    return Err(CommandError::Unusable(Failure {
                        message: format!(
                            "{repository} is given no tag, and the source has none that it could take over"
                        ),
                        causes: Vec::new(),
                        hint: Some("write the target as REPOSITORY:TAG".into()),
                    }));
                }
            };
            let target = repository.image(tag);
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        Ok(targets)
    }
}

/// Copies what differs, and prints what became of each target.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    let targets = options.targets()?;
    let mut watch = Watch::begin(context, settings.grace)?;
    let mut report = Report::begin();
    let attempt = attempt(&settings, &options.source, &targets, &mut report, &watch);
    // Nothing is written before the plan is made, and from then on the plan minds a stop itself.
    if let Err(failure) = attempt.await {
        watch.events.send(Event::Trouble(failure.in_one_line()));
        report.failures.push(failure);
    }
    let asked = watch.end_view().await;
    report.stopped_by = asked.map(|asked| asked.name);
    report.finish();
    context.print(&report, |report, out| report.write_text(out))?;
    context.view.annotate(&report);
    Ok(match asked {
        Some(asked) => asked.exit_code,
        None => u8::from(!report.is_well()),
    })
}

async fn attempt(
    settings: &Settings,
    source: &ImageRef,
    targets: &[ImageRef],
    report: &mut Report,
    Watch { stop, events, .. }: &Watch,
) -> Result<(), Failure> {
    let looked = async {
        let session = open(settings, &targets[0].repository.host).await?;
        events.send(Event::Opened(session.describe()));
        let there = stream::iter(targets).map(|target| look(&session, target));
        let there = there.buffered(settings.concurrency).collect::<Vec<_>>();
        let (upstream, there) = tokio::join!(session.observe(source, Side::Upstream), there);
        let seen = |(target, there): (&ImageRef, _)| Ok(view(source, upstream.clone()?, target, there?));
        let viewed: Vec<Result<Viewed, EngineError>> = targets.iter().zip(there).map(seen).collect();
        Ok::<_, Failure>((session, viewed))
    };
    let (session, looked) = match stop.soft.run_until_cancelled(looked).await {
        Some(looked) => looked?,
        None => return Err(Failure::stopped("looking at both sides")),
    };
    let policy = Policy {
        platforms: settings.wanted_platforms(),
        keeps: session.keeps(),
        attestations: settings.direct.attestations,
        safety: Safety::default(),
        now: Timestamp::now(),
    };
    let mut viewed = Vec::new();
    for (target, one) in targets.iter().zip(looked) {
        let seen = match one {
            Ok(mut one) => look_closer(&mut one, &policy, &session).await.map(|()| one),
            Err(error) => Err(error),
        };
        match seen {
            Ok(one) => viewed.push(one),
            Err(error) => report.add_unread(target, source, &error),
        }
    }
    let plan = plan::sync(viewed, &policy.into());
    report.engine = Some(session.describe());
    report.add_plan(&plan);
    let conduct = Conduct {
        at_once: settings.concurrency,
        platforms: settings.wanted_platforms(),
        attestations: settings.direct.attestations,
        remember: Remember::AtTheEnd,
    };
    // The ledger is of what a run looks after, and another run may hold it.
    let execution = execute(
        &plan,
        &conduct,
        &Ecrs::new(),
        &session,
        &Ledger::in_memory(),
        stop,
        events,
    )
    .await;
    report.add_execution(&execution);
    report.limits = session.limits();
    Ok(())
}

async fn open(settings: &Settings, target: &str) -> Result<Session, Failure> {
    let keyring = keyring(settings, Some(target)).await?;
    open_session(settings, keyring, target, Targets::Several)
        .await
        .map_err(|error| Failure::from(&error))
}

/// As a sync does; and an index that will be copied is read now, so that it can be said what came.
async fn look_closer(one: &mut Viewed, policy: &Policy, session: &Session) -> Result<(), EngineError> {
    one.look_closer(policy, session).await?;
    match &mut one.upstream {
        Upstream::Has(upstream) if one.digest.as_ref() != Some(&upstream.top) => {
            session.read_index(&one.follows, upstream).await
        }
        _ => Ok(()),
    }
}

/// What a target's tag names; none where it is not there.
async fn look(session: &Session, target: &ImageRef) -> Result<Option<Observed>, EngineError> {
    match session.observe(target, Side::Target).await {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.is_gone() => Ok(None),
        Err(error) => Err(error),
    }
}

fn view(source: &ImageRef, upstream: Observed, target: &ImageRef, there: Option<Observed>) -> Viewed {
    Viewed {
        target: target.clone(),
        digest: there.as_ref().map(|there| there.top.clone()),
        kind: there.as_ref().map(|there| there.kind.clone()),
        config: None,
        platforms: there.map(|there| there.platforms).unwrap_or_default(),
        follows: source.clone(),
        upstream: Upstream::Has(Box::new(upstream)),
        made: None,
        outcome: None,
        first_seen: None,
        facts: None,
        can_move: true,
        lacks_referrers: false,
    }
}
