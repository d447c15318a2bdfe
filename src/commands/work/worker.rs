//! One of those who share the work: takes a few messages at once and says what is to become of each.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::sleep;

use super::board;
use crate::aws::queue::{DeadLetters, Queue, Received};
use crate::commands::Context;
use crate::commands::apply::{carry_out_again, fits, is_own};
use crate::commands::desk::{Desk, Range};
use crate::commands::watch::Watch;
use crate::execute::Remember;
use crate::image::{ImageRef, Platforms};
use crate::plan::{Action, Plan, Saved};
use crate::report::{Failure, ImageReport, Outcome, Report, Worked};
use crate::retry::Retry;
use crate::settings::Settings;
use crate::stop::Stop;
use crate::work::{Board, Claim, Claims, Place, Taken, Task, WorkError};

/// What is to become of a message.
#[derive(Debug)]
enum Verdict {
    /// Nobody needs it any more.
    Done,
    /// Somebody is to have it again, after this.
    Again(Duration),
    /// Nobody can do anything with it.
    Hopeless(String),
}

/// Somebody who does work.
pub(crate) struct Worker<'a> {
    context: &'a Context,
    settings: &'a Settings,
    board: Board,
    claims: Claims,
    queue: Queue,
    dead: DeadLetters,
    desks: Vec<Bench>,
    /// What was done so far.
    pub(crate) worked: Worked,
}

/// A desk, and for which plans it may be used.
struct Bench {
    terms: Terms,
    settings: Settings,
    desk: Desk,
}

/// What a plan says in the place of settings.
#[derive(Debug, Clone, PartialEq)]
struct Terms {
    registry: String,
    said: Vec<(&'static str, String)>,
    platforms: Platforms,
}

impl Terms {
    fn of(saved: &Saved) -> Self {
        Self {
            registry: saved.registry.clone(),
            said: saved.as_settings(),
            platforms: saved.platforms.clone(),
        }
    }
}

/// A message that we are at.
struct Begun {
    /// Which of those that came together.
    at: usize,
    task: Task,
    target: ImageRef,
    claim: Claim,
}

impl<'a> Worker<'a> {
    /// Finds the queue, and where its hopeless messages go: without such a place they would come again for ever.
    pub(crate) async fn open(
        context: &'a Context,
        settings: &'a Settings,
        queue: Queue,
        state: &Place,
    ) -> Result<Self, Failure> {
        let dead = queue.dead_letters(&settings.aws).await;
        let Some(dead) = dead.map_err(|error| Failure::from(&error))? else {
            return Err(Failure {
                message: format!("{queue} has no dead-letter queue: what nobody can do would come again for ever"),
                causes: Vec::new(),
                hint: Some("give the queue a RedrivePolicy with a deadLetterTargetArn and a maxReceiveCount".into()),
            });
        };
        let (board, bucket) = board(settings, state).await?;
        let holder = format!("{}-{}-{:08x}", host_name(), std::process::id(), fastrand::u32(..));
        Ok(Self {
            context,
            settings,
            board,
            claims: Claims::new(bucket, state, &holder, settings.work.lease),
            queue,
            dead,
            desks: Vec::new(),
            worked: Worked::begin(),
        })
    }

    /// The queue.
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Does what a few messages say, and tells the queue what became of each. Answers those that are to come again.
    pub(crate) async fn work(&mut self, messages: &[Received], watch: &Watch) -> Vec<String> {
        let verdicts = self.verdicts(messages, watch).await;
        let (mut done, mut again) = (Vec::new(), Vec::new());
        for (message, verdict) in messages.iter().zip(verdicts) {
            match verdict {
                Verdict::Done => done.push(message.receipt.as_str()),
                Verdict::Hopeless(reason) => match self.dead.queue.bury(message, &reason).await {
                    Ok(()) => {
                        self.worked.buried += 1;
                        self.worked.fail(buried(message, reason));
                        done.push(message.receipt.as_str());
                    }
                    Err(error) => {
                        self.worked.fail(Failure::from(&error));
                        again.push(message.id.clone());
                    }
                },
                Verdict::Again(after) => {
                    again.push(message.id.clone());
                    // Where that is not heard, it comes again when it is no longer hidden.
                    if let Err(error) = self.queue.hide(&message.receipt, after).await {
                        tracing::debug!("{error}");
                    }
                }
            }
        }
        match self.queue.delete(&done).await {
            // They come again, and turn out to be done.
            Ok(left) => left
                .iter()
                .for_each(|why| tracing::warn!("a message stays in the queue: {why}")),
            Err(error) => self.worked.fail(Failure::from(&error)),
        }
        again
    }

    /// Keeps what was done in the ledger. Nothing is lost without it but time.
    pub(crate) async fn close(&mut self) {
        for bench in &mut self.desks {
            let ledger = &mut bench.desk.ledger;
            if ledger.is_changed()
                && let Err(error) = ledger.save().await
            {
                self.worked.fail(Failure::from(&error));
            }
        }
    }

    /// In the order of the messages.
    async fn verdicts(&mut self, messages: &[Received], watch: &Watch) -> Vec<Verdict> {
        let mut verdicts = BTreeMap::new();
        let mut begun = Vec::new();
        for (at, message) in messages.iter().enumerate() {
            match self.begin(at, message).await {
                Ok(one) => begun.push(one),
                Err(verdict) => {
                    verdicts.insert(at, verdict);
                }
            }
        }
        // A claim that is lost cuts off what is done under it.
        let stop = Stop {
            soft: watch.stop.soft.child_token(),
            hard: watch.stop.hard.child_token(),
        };
        let (tasks, mut claims): (Vec<(usize, Task, ImageRef)>, Vec<Claim>) = begun
            .into_iter()
            .map(|one| ((one.at, one.task, one.target), one.claim))
            .unzip();
        let receipts: Vec<&str> = tasks.iter().map(|(at, ..)| messages[*at].receipt.as_str()).collect();
        let (queue, lease) = (self.queue.clone(), self.settings.work.lease);
        let images = tokio::select! {
            images = self.carry_out(&tasks, &stop, watch) => images,
            never = beat(&queue, &receipts, &mut claims, lease, &stop) => match never {},
        };
        for (at, task, target) in &tasks {
            let verdict = self.settle(task, &messages[*at], images.get(target), &stop).await;
            verdicts.insert(*at, verdict);
        }
        for released in join_all(claims.into_iter().map(Claim::release)).await {
            if let Err(error) = released {
                tracing::debug!("{error}");
            }
        }
        verdicts.into_values().collect()
    }

    /// Takes a message on, unless there is nothing to do about it for now.
    async fn begin(&mut self, at: usize, message: &Received) -> Result<Begun, Verdict> {
        let task = Task::read(&message.body).map_err(|error| Verdict::Hopeless(error.to_string()))?;
        let Some(target) = task.copy().map(|copy| copy.target.clone()) else {
            return Err(Verdict::Hopeless("it has no copy".to_owned()));
        };
        let unknown = |worked: &mut Worked, error: WorkError| {
            worked.fail(Failure::from(&error));
            Verdict::Again(Duration::from_secs(30))
        };
        let claim = match self.claims.take(&target).await {
            Ok(Taken::Claim(claim)) => claim,
            Ok(Taken::Held { by, left }) => {
                tracing::debug!("{by} is at {target}, for {left:?} at most");
                self.worked.returned += 1;
                return Err(Verdict::Again(left.max(Duration::from_secs(1))));
            }
            Err(error) => return Err(unknown(&mut self.worked, error)),
        };
        // Under the claim: whoever was at it before has told.
        let verdict = match self.board.outcome(&task.run, &task.id).await {
            Ok(Some(known)) if is_last(known.outcome) => {
                self.worked.returned += 1;
                Verdict::Done
            }
            Ok(_) => {
                return Ok(Begun {
                    at,
                    task,
                    target,
                    claim,
                });
            }
            Err(error) => unknown(&mut self.worked, error),
        };
        if let Err(error) = claim.release().await {
            tracing::debug!("{error}");
        }
        Err(verdict)
    }

    /// Carries out all that can be carried out together, and answers what became of each target.
    async fn carry_out(
        &mut self,
        tasks: &[(usize, Task, ImageRef)],
        stop: &Stop,
        watch: &Watch,
    ) -> BTreeMap<ImageRef, ImageReport> {
        let mut groups: Vec<(Terms, Vec<&Task>)> = Vec::new();
        for (_, task, _) in tasks {
            let terms = Terms::of(&task.plan);
            match groups.iter_mut().find(|(known, _)| *known == terms) {
                Some((_, group)) => group.push(task),
                None => groups.push((terms, vec![task])),
            }
        }
        let mut images = BTreeMap::new();
        for (terms, group) in groups {
            let mut report = Report::begin();
            let done = self.together(terms, &group, &mut report, stop, watch).await;
            if let Err(failure) = done {
                for copy in group.iter().filter_map(|task| task.copy()) {
                    report.add_failed(copy, failure.clone());
                }
            }
            report
                .failures
                .into_iter()
                .for_each(|failure| self.worked.fail(failure));
            images.extend(report.images.into_iter().map(|image| (image.target.clone(), image)));
        }
        images
    }

    async fn together(
        &mut self,
        terms: Terms,
        group: &[&Task],
        report: &mut Report,
        stop: &Stop,
        watch: &Watch,
    ) -> Result<(), Failure> {
        let at = match self.desks.iter().position(|bench| bench.terms == terms) {
            Some(at) => at,
            None => {
                let bench = self.bench(terms, watch).await?;
                self.desks.push(bench);
                self.desks.len() - 1
            }
        };
        let Some(Bench { settings, desk, .. }) = self.desks.get_mut(at) else {
            return Ok(());
        };
        let mut fitting = Vec::new();
        for task in group {
            match fits("the message", &task.plan, settings) {
                Ok(_) => fitting.push(*task),
                Err(failure) => task
                    .copy()
                    .into_iter()
                    .for_each(|copy| report.add_failed(copy, failure.clone())),
            }
        }
        carry_out_again(&merged(&fitting), settings, desk, report, (stop, &watch.events)).await;
        Ok(())
    }

    async fn bench(&self, terms: Terms, watch: &Watch) -> Result<Bench, Failure> {
        let settings = self.context.settings_for(terms.said.clone()).await;
        let mut settings = settings.map_err(|error| Failure::new(&error, None))?;
        settings.platforms = Some(terms.platforms.clone());
        let mut desk = Desk::open(&settings, Range::default(), watch).await?;
        desk.remember = Remember::NowAndThen;
        is_own("the message", &terms.registry, &desk)?;
        Ok(Bench { terms, settings, desk })
    }

    /// Tells everybody what became of an image, and says what is to become of its message.
    async fn settle(&mut self, task: &Task, message: &Received, image: Option<&ImageReport>, stop: &Stop) -> Verdict {
        let Some(image) = image.filter(|image| image.outcome != Outcome::NotAttempted || !stop.is_asked()) else {
            self.worked.returned += 1;
            return Verdict::Again(Duration::ZERO);
        };
        self.worked.count(image);
        if let Err(error) = self.board.tell(&task.run, &task.id, image).await {
            self.worked.fail(Failure::from(&error));
            return Verdict::Again(Duration::from_secs(30));
        }
        match is_last(image.outcome) {
            true => Verdict::Done,
            false if message.times >= self.dead.after => Verdict::Hopeless(image.why()),
            false => Verdict::Again(self.wait_before(message.times)),
        }
    }

    /// How long an image rests that was tried so often.
    fn wait_before(&self, tries: u32) -> Duration {
        let retry = Retry {
            tries: usize::MAX,
            ..self.settings.aws.retry
        };
        retry.delay(tries as usize).unwrap_or(retry.longest)
    }
}

/// Whether nothing more is to be done about an image that ended so. One that is refused has moved since, which a new plan has to see.
fn is_last(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Updated | Outcome::Unchanged | Outcome::Refused => true,
        Outcome::Failed | Outcome::NotAttempted => false,
    }
}

/// Gives signs of life until it is dropped: to the queue, and to whoever waits for the targets.
async fn beat(queue: &Queue, receipts: &[&str], claims: &mut [Claim], lease: Duration, stop: &Stop) -> Infallible {
    loop {
        sleep(lease / 3).await;
        for hidden in join_all(receipts.iter().map(|receipt| queue.hide(receipt, lease))).await {
            if let Err(error) = hidden {
                tracing::debug!("{error}");
            }
        }
        for renewed in join_all(claims.iter_mut().map(Claim::renew)).await {
            match renewed {
                Ok(true) => {}
                // Two at one target would overtake each other.
                Ok(false) => stop.hard.cancel(),
                Err(error) => tracing::warn!("{}", Failure::from(&error).in_one_line()),
            }
        }
    }
}

/// All copies as one plan, with each repository created once.
fn merged(tasks: &[&Task]) -> Plan {
    let mut creates: Vec<Action> = Vec::new();
    let mut copies = Vec::new();
    for action in tasks.iter().flat_map(|task| task.plan.plan.actions()) {
        match action {
            Action::Copy(_) => copies.push(action.clone()),
            Action::CreateRepository(_) if creates.contains(action) => {}
            Action::CreateRepository(_) => creates.push(action.clone()),
        }
    }
    Plan {
        stages: [creates, copies]
            .into_iter()
            .filter(|stage| !stage.is_empty())
            .collect(),
        ..Plan::default()
    }
}

fn buried(message: &Received, reason: String) -> Failure {
    Failure {
        message: format!("message {} went to the dead-letter queue", message.id),
        causes: vec![reason],
        hint: None,
    }
}

/// What others are told who wait for us.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "somebody".to_owned(),
        name => name.to_owned(),
    }
}
