//! Runs a plan. The only writer.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::engine::docker::Session;
use crate::engine::{Copied, EngineError, Held, Likeness, Order};
use crate::events::{Event, Events, How};
use crate::image::{Digest, Platforms};
use crate::ledger::{Ledger, LedgerError, Made};
use crate::plan::{Action, Copy, Plan};
use crate::stop::Stop;

/// How a plan is carried out.
#[derive(Debug, Clone)]
pub struct Conduct {
    /// How many images are copied at once.
    pub at_once: usize,
    /// The platforms that the settings ask for.
    pub platforms: Platforms,
}

/// What became of one copy.
#[derive(Debug)]
pub struct Done {
    /// What was planned.
    pub copy: Copy,
    /// How it ended.
    pub ended: Ended,
    /// How long it took.
    pub took: Duration,
}

/// How a copy ended.
#[derive(Debug)]
pub enum Ended {
    /// The target's tag names this digest now.
    Updated(Digest),
    /// The target held the upstream's image already.
    Unneeded(Likeness),
    /// It failed. Unless the error says otherwise, the target's tag is as it was.
    Failed(EngineError),
    /// It was not begun.
    NotAttempted(NotAttempted),
    /// The run was stopped while it was at work.
    CutOff,
}

/// Why a copy was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAttempted {
    /// The run was stopped before.
    Stopped,
    /// The daemon went away before, and did not come back.
    DaemonLost,
}

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Execution {
    /// One for each copy.
    pub done: Vec<Done>,
    /// What the run left in the daemon although it should not have.
    pub left: Vec<EngineError>,
    /// Why the ledger does not remember all of it.
    pub forgotten: Option<LedgerError>,
}

/// Carries out `plan`, some images at once; one that fails leaves the others alone.
pub async fn execute(
    plan: &Plan,
    conduct: &Conduct,
    session: &Session,
    ledger: &mut Ledger,
    stop: &Stop,
    events: &Events,
) -> Execution {
    if !stop.is_asked() {
        events.send(Event::Planned {
            copies: plan.actions().count(),
        });
    }
    let ledger = Mutex::new((ledger, None));
    let mut execution = Execution::default();
    for stage in &plan.stages {
        let mut running = stream::iter(stage)
            .map(|Action::Copy(copy)| run(copy, conduct, session, &ledger, stop, events))
            .buffer_unordered(conduct.at_once);
        while let Some((done, left)) = running.next().await {
            execution.done.push(done);
            execution.left.extend(left);
        }
    }
    let (ledger, forgotten) = ledger.into_inner();
    // A run that copied nothing has nothing to remember.
    let saved = match execution.done.is_empty() {
        true => Ok(()),
        false => ledger.save(),
    };
    execution.forgotten = forgotten.or(saved.err());
    execution
}

type Shared<'a> = Mutex<(&'a mut Ledger, Option<LedgerError>)>;

async fn run(
    copy: &Copy,
    conduct: &Conduct,
    session: &Session,
    ledger: &Shared<'_>,
    stop: &Stop,
    events: &Events,
) -> (Done, Vec<EngineError>) {
    let began = Instant::now();
    let hindrance = match (stop.is_asked(), session.is_lost()) {
        (true, _) => Some(NotAttempted::Stopped),
        (false, true) => Some(NotAttempted::DaemonLost),
        (false, false) => None,
    };
    if let Some(why) = hindrance {
        events.send(Event::Ended(copy.target.clone(), How::NotAttempted));
        return (done(copy, Ended::NotAttempted(why), began), Vec::new());
    }
    events.send(Event::Began(copy.target.clone()));
    let step = |step| events.send(Event::Step(copy.target.clone(), step));
    let (result, cleanup) = session.copy(&order(copy), &stop.hard, &step).await;
    let ended = match result {
        Ok(Copied::Pushed(digest)) => Ended::Updated(digest),
        Ok(Copied::Unneeded(likeness)) => Ended::Unneeded(likeness),
        Err(EngineError::Stopped) => Ended::CutOff,
        Err(error) => Ended::Failed(error),
    };
    let holds = match &ended {
        Ended::Updated(digest) => Some(digest.clone()),
        Ended::Unneeded(_) => Some(copy.target_digest.clone()),
        Ended::Failed(_) | Ended::NotAttempted(_) | Ended::CutOff => None,
    };
    if let Some(digest) = holds {
        remember(copy, digest, conduct, ledger).await;
    }
    events.send(Event::Ended(
        copy.target.clone(),
        match &ended {
            Ended::Updated(_) => How::Updated,
            Ended::Unneeded(likeness) => How::Unneeded(likeness.to_string()),
            Ended::Failed(error) => How::Failed(error.to_string()),
            Ended::NotAttempted(_) => How::NotAttempted,
            Ended::CutOff => How::CutOff,
        },
    ));
    (done(copy, ended, began), cleanup.left)
}

fn done(copy: &Copy, ended: Ended, began: Instant) -> Done {
    Done {
        copy: copy.clone(),
        ended,
        took: began.elapsed(),
    }
}

fn order(copy: &Copy) -> Order {
    Order {
        upstream: copy.upstream.clone(),
        digest: copy.upstream_digest.clone(),
        target: copy.target.clone(),
        brings: copy.brings.clone(),
        held: match copy.target_kind.is_index() {
            true => Held::Index,
            false => Held::Image {
                manifest: copy.target_digest.clone(),
                config: copy.target_config.clone(),
            },
        },
    }
}

async fn remember(copy: &Copy, digest: Digest, conduct: &Conduct, ledger: &Shared<'_>) {
    let made = Made {
        digest,
        upstream: copy.upstream.repository.clone(),
        from: copy.upstream_digest.clone(),
        platforms: conduct.platforms.clone(),
        at: Timestamp::now(),
    };
    let (ledger, forgotten) = &mut *ledger.lock().await;
    if let Err(error) = ledger.record(copy.target.clone(), made) {
        forgotten.get_or_insert(error);
    }
}
