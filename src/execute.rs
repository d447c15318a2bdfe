//! Runs a plan. The only writer.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::aws::ecr::{Ecr, NotCreated};
use crate::engine::{Copied, EngineError, Goal, Held, Likeness, Note, Order, Receipt, Session};
use crate::events::{Event, Events, How};
use crate::image::{Attestations, Digest, ImageRef, Platforms, Repository, Tag};
use crate::ledger::{Ledger, LedgerError, Made};
use crate::plan::{Action, Copy, CreateRepository, Plan};
use crate::stop::Stop;

/// How a plan is carried out.
#[derive(Debug, Clone)]
pub struct Conduct {
    /// How many images are copied at once.
    pub at_once: usize,
    /// The platforms that the settings ask for, but for copies that tell of others.
    pub platforms: Platforms,
    /// What the settings say of attestations.
    pub attestations: Attestations,
    /// When the ledger is kept.
    pub remember: Remember,
}

/// When what was done is kept in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remember {
    /// At the plan's end.
    AtTheEnd,
    /// Now and then: many small plans follow each other, and whoever has them carried out sees to the end.
    NowAndThen,
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
    /// The target's tag names this now.
    Updated(Receipt),
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
    /// The target's repository is not there, and was not created.
    NoRepository,
}

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Execution {
    /// One for each copy.
    pub done: Vec<Done>,
    /// The repositories that were created.
    pub created: Vec<Repository>,
    /// Those that were not.
    pub uncreated: BTreeMap<Repository, NotCreated>,
    /// What the run left in the daemon although it should not have.
    pub left: Vec<EngineError>,
    /// Why the ledger does not remember all of it.
    pub forgotten: Option<LedgerError>,
}

/// The registries of ECR in which repositories may be created, by their hosts.
pub type Ecrs = BTreeMap<Arc<str>, Ecr>;

/// Carries out `plan`, some images at once; one that fails leaves the others alone.
pub async fn execute(
    plan: &Plan,
    conduct: &Conduct,
    ecrs: &Ecrs,
    session: &Session,
    ledger: &Ledger,
    stop: &Stop,
    events: &Events,
) -> Execution {
    if !stop.is_asked() {
        events.send(Event::Planned {
            copies: plan.copies().count(),
        });
    }
    let book = Book {
        ledger,
        forgotten: OnceLock::new(),
    };
    let mut execution = Execution::default();
    for stage in &plan.stages {
        create(stage, conduct, ecrs, stop, events, &mut execution).await;
        let (copies, unhoused) = housed(stage, &execution.uncreated);
        execution.done.extend(unhoused.into_iter().map(|copy| {
            events.send(Event::Ended(copy.target.clone(), How::NotAttempted));
            done(copy, Ended::NotAttempted(NotAttempted::NoRepository), Instant::now())
        }));
        let mut running = stream::iter(together(copies, session))
            .map(|copies| run(copies, conduct, session, &book, stop, events))
            .buffer_unordered(conduct.at_once);
        while let Some(ended) = running.next().await {
            for (done, left) in ended {
                execution.done.push(done);
                execution.left.extend(left);
            }
        }
    }
    let forgotten = book.forgotten.into_inner();
    execution.forgotten = match conduct.remember {
        Remember::NowAndThen => None,
        // A run that copied nothing has nothing more to remember than what it saw.
        Remember::AtTheEnd if execution.done.is_empty() && !ledger.is_changed() => forgotten,
        Remember::AtTheEnd => forgotten.or(ledger.save().await.err()),
    };
    execution
}

/// Creates the repositories of a stage.
async fn create(
    stage: &[Action],
    conduct: &Conduct,
    ecrs: &Ecrs,
    stop: &Stop,
    events: &Events,
    execution: &mut Execution,
) {
    let creates = stage.iter().filter_map(|action| match action {
        Action::CreateRepository(create) => Some((ecrs.get(&create.repository.host)?, create)),
        Action::Copy(_) => None,
    });
    let create = async |(ecr, CreateRepository { repository, with }): (&Ecr, &CreateRepository)| {
        (repository.clone(), ecr.create(&repository.path, with).await)
    };
    let mut running = stream::iter(creates)
        .take_until(stop.soft.cancelled())
        .map(create)
        .buffer_unordered(conduct.at_once)
        .boxed_local();
    while let Some((repository, created)) = running.next().await {
        match created {
            // Somebody else was quicker.
            Ok(false) => {}
            Ok(true) => {
                events.send(Event::Created(repository.clone()));
                execution.created.push(repository);
            }
            Err(why) => {
                execution.uncreated.insert(repository, why);
            }
        }
    }
    execution.created.sort();
}

/// The copies of a stage: those whose repository should be there, and those whose is not.
fn housed<'a>(stage: &'a [Action], uncreated: &BTreeMap<Repository, NotCreated>) -> (Vec<&'a Copy>, Vec<&'a Copy>) {
    let copies = stage.iter().filter_map(|action| match action {
        Action::Copy(copy) => Some(&**copy),
        Action::CreateRepository(_) => None,
    });
    copies.partition(|copy| !uncreated.contains_key(&copy.target.repository))
}

/// The ledger, and why it does not remember all of what was done.
struct Book<'a> {
    ledger: &'a Ledger,
    forgotten: OnceLock<LedgerError>,
}

/// Copies of one stage that are carried out as one: what reads once can write to many targets.
fn together<'a>(copies: Vec<&'a Copy>, session: &Session) -> Vec<Vec<&'a Copy>> {
    if matches!(session, Session::Docker(_)) {
        return copies.into_iter().map(|copy| vec![copy]).collect();
    }
    let mut orders: Vec<Vec<&Copy>> = Vec::new();
    let mut known = HashMap::new();
    for copy in copies {
        let image = (&copy.upstream, &copy.upstream_digest, &copy.brings);
        match known.get(&image) {
            Some(&at) => Vec::push(&mut orders[at], copy),
            None => {
                known.insert(image, orders.len());
                orders.push(vec![copy]);
            }
        }
    }
    orders
}

async fn run(
    copies: Vec<&Copy>,
    conduct: &Conduct,
    session: &Session,
    book: &Book<'_>,
    stop: &Stop,
    events: &Events,
) -> Vec<(Done, Vec<EngineError>)> {
    let began = Instant::now();
    let hindrance = match (stop.is_asked(), session.is_lost()) {
        (true, _) => Some(NotAttempted::Stopped),
        (false, true) => Some(NotAttempted::DaemonLost),
        (false, false) => None,
    };
    if let Some(why) = hindrance {
        let not = |copy: &&Copy| {
            events.send(Event::Ended(copy.target.clone(), How::NotAttempted));
            (done(copy, Ended::NotAttempted(why), began), Vec::new())
        };
        return copies.iter().map(not).collect();
    }
    for copy in &copies {
        events.send(Event::Began(copy.target.clone()));
    }
    let steps = |target: &ImageRef, step| events.send(Event::Step(target.clone(), step));
    let mut all = Vec::new();
    let (copies, unsaved) = back_up(copies, session).await;
    for (copy, error) in unsaved {
        let ended = Ended::Failed(error);
        settle(copy, &ended, conduct, book, events).await;
        all.push((done(copy, ended, began), Vec::new()));
    }
    let (copies, backups): (Vec<&Copy>, Vec<Option<Tag>>) = copies.into_iter().unzip();
    let Some(order) = order(&copies) else { return all };
    let results = session.copy(&order, &stop.hard, &steps).await;
    for ((copy, backup), (result, left)) in copies.into_iter().zip(backups).zip(results) {
        let mut ended = ended(result);
        if let (Ended::Updated(receipt), Some(backup)) = (&mut ended, backup) {
            receipt.notes.push(Note::BackedUp(backup));
        }
        settle(copy, &ended, conduct, book, events).await;
        all.push((done(copy, ended, began), left));
    }
    all
}

type BackedUp<'a> = (Vec<(&'a Copy, Option<Tag>)>, Vec<(&'a Copy, EngineError)>);

/// Gives what is replaced another name first, where that is planned. What cannot be kept is not replaced.
async fn back_up<'a>(copies: Vec<&'a Copy>, session: &Session) -> BackedUp<'a> {
    let (mut saved, mut unsaved) = (Vec::new(), Vec::new());
    for copy in copies {
        let (Some(backup), Some(digest)) = (&copy.backup, &copy.target_digest) else {
            saved.push((copy, None));
            continue;
        };
        match session.registries().back_up(&copy.target, digest, backup).await {
            Ok(name) => saved.push((copy, Some(name))),
            Err(error) => unsaved.push((copy, error)),
        }
    }
    (saved, unsaved)
}

fn ended(result: Result<Copied, EngineError>) -> Ended {
    match result {
        Ok(Copied::Pushed(receipt)) => Ended::Updated(receipt),
        Ok(Copied::Unneeded(likeness)) => Ended::Unneeded(likeness),
        Err(EngineError::Stopped) => Ended::CutOff,
        Err(error) => Ended::Failed(error),
    }
}

/// Remembers how a copy ended, and tells of it.
async fn settle(copy: &Copy, ended: &Ended, conduct: &Conduct, book: &Book<'_>, events: &Events) {
    let holds = match ended {
        Ended::Updated(receipt) => Some(receipt.digest.clone()),
        Ended::Unneeded(_) => copy.target_digest.clone(),
        Ended::Failed(_) | Ended::NotAttempted(_) | Ended::CutOff => None,
    };
    if let Some(digest) = holds {
        remember(copy, digest, conduct, book).await;
    }
    events.send(Event::Ended(
        copy.target.clone(),
        match ended {
            Ended::Updated(_) => How::Updated,
            Ended::Unneeded(likeness) => How::Unneeded(likeness.to_string()),
            Ended::Failed(error) => How::Failed(error.to_string()),
            Ended::NotAttempted(_) => How::NotAttempted,
            Ended::CutOff => How::CutOff,
        },
    ));
}

fn done(copy: &Copy, ended: Ended, began: Instant) -> Done {
    Done {
        copy: copy.clone(),
        ended,
        took: began.elapsed(),
    }
}

/// One order for copies of one image; none for no copies.
fn order(copies: &[&Copy]) -> Option<Order> {
    let goal = |copy: &&Copy| Goal {
        target: copy.target.clone(),
        held: match (&copy.target_kind, &copy.target_digest) {
            (Some(kind), _) if kind.is_index() => Some(Held::Index),
            (_, Some(digest)) => Some(Held::Image {
                manifest: digest.clone(),
                config: copy.target_config.clone(),
            }),
            (_, None) => None,
        },
    };
    let first = copies.first()?;
    Some(Order {
        upstream: first.upstream.clone(),
        digest: first.upstream_digest.clone(),
        brings: first.brings.clone(),
        goals: copies.iter().map(goal).collect(),
    })
}

async fn remember(copy: &Copy, digest: Digest, conduct: &Conduct, book: &Book<'_>) {
    let made = Made {
        digest,
        upstream: copy.upstream.repository.clone(),
        from: copy.upstream_digest.clone(),
        platforms: copy.asked.as_ref().unwrap_or(&conduct.platforms).clone(),
        attestations: conduct.attestations,
        rolled_back: false,
        at: Timestamp::now(),
    };
    if let Err(error) = book.ledger.record(copy.target.clone(), made).await {
        book.forgotten.get_or_init(|| error);
    }
}
