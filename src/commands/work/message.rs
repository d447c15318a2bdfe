//! The life of one message: it is taken on, what it says is carried out, and the queue is told what is to become of it.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::sleep;

use super::bench::{Bench, Unopened};
use super::worker::Worker;
use crate::aws::queue::Received;
use crate::commands::watch::Watch;
use crate::image::ImageRef;
use crate::report::{Failure, Outcome, Report, Worked};
use crate::retry::Retry;
use crate::stop::Stop;
use crate::work::{Claim, InvalidTask, Lost, Taken, Task, Word, WorkError};

/// The shortest time after which it is looked again whether somebody else is still at an image.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is to become of a message.
#[derive(Debug)]
enum Verdict {
    /// Nobody needs it any more.
    Done,
    /// It was tried and failed, and is to be tried again.
    Tried {
        /// After this.
        after: Duration,
        /// How it failed.
        why: String,
    },
    /// Somebody is to have it again, through no fault of its own.
    Returned {
        /// After this; none where it is no longer ours to say.
        after: Option<Duration>,
        /// Why it is not done.
        why: String,
    },
    /// Nobody can do anything with it.
    Hopeless(String),
}

impl Verdict {
    fn returned(after: Duration, why: impl ToString) -> Self {
        Self::Returned {
            after: Some(after),
            why: why.to_string(),
        }
    }
}

/// What came of a message.
pub(super) struct Lived {
    pub(super) comes_again: bool,
    pub(super) worked: Worked,
}

struct Life<'a> {
    worker: &'a Worker<'a>,
    message: &'a Received,
    watch: &'a Watch,
    /// How its image failed this time.
    failed: Option<Word>,
    worked: Worked,
}

impl Worker<'_> {
    /// Does what a message says, and tells the queue what became of it.
    pub(super) async fn live(&self, message: &Received, watch: &Watch) -> Lived {
        let mut life = Life {
            worker: self,
            message,
            watch,
            failed: None,
            worked: Worked::begin(),
        };
        let verdict = match Task::read(&message.body) {
            Ok(task) => life.of_task(&task).await,
            Err(error) => life.of_other(&error).await,
        };
        Lived {
            comes_again: life.settle(verdict).await,
            worked: life.worked,
        }
    }
}

impl Life<'_> {
    async fn of_task(&mut self, task: &Task) -> Verdict {
        let (worker, receipt) = (self.worker, &self.message.receipt);
        let verdict = tokio::select! {
            verdict = self.attempt(task) => verdict,
            never = hide(worker, receipt) => match never {},
        };
        // SQS would not hand it out again, and put it aside without a reason.
        match verdict {
            Verdict::Tried { why, .. } if self.is_last_time() => self.give_up(task, why).await,
            Verdict::Returned { after, why } if self.is_last_time() => self.renew(task, after, why).await,
            verdict => verdict,
        }
    }

    /// What becomes of a message that says no task: another application's, where the queue is the wrong one.
    async fn of_other(&mut self, error: &InvalidTask) -> Verdict {
        let failure = Failure {
            hint: Some("see that work.queue is the queue that `work enqueue` was given".into()),
            ..Failure::new(error, None)
        };
        let why = failure.in_one_line();
        if self.watch.stop.is_asked() && !self.is_last_time() {
            self.worked.returned += 1;
            return Verdict::returned(Duration::ZERO, "stopped before it was begun");
        }
        match self.worker.benches.of_none(&self.message.id, failure).await {
            Unopened::Unfit { others_fit: true, .. } => Verdict::Hopeless(why),
            _ if self.is_last_time() => Verdict::Hopeless(why),
            unopened => self.not_begun(unopened),
        }
    }

    /// What nobody could try costs no image its last time: a new message takes the place of this one.
    async fn renew(&mut self, task: &Task, after: Option<Duration>, why: String) -> Verdict {
        let renewed = self.worker.queue.renew(self.message, after.unwrap_or_default());
        match renewed.await {
            Ok(()) => Verdict::Done,
            Err(error) => {
                self.worked.fail(Failure::from(&error));
                self.give_up(task, why).await
            }
        }
    }

    fn is_last_time(&self) -> bool {
        self.message.times >= self.worker.dead.after
    }

    async fn attempt(&mut self, task: &Task) -> Verdict {
        let Some(target) = task.copy().map(|copy| &copy.target) else {
            return Verdict::Hopeless("it has no copy".to_owned());
        };
        let stop = &self.watch.stop;
        let turn = self.worker.turns.acquire();
        let _turn = stop.soft.run_until_cancelled(turn).await;
        if stop.is_asked() {
            self.worked.returned += 1;
            return Verdict::returned(Duration::ZERO, "stopped before it was begun");
        }
        let bench = match self.worker.benches.of(&task.plan, &self.message.id, self.watch).await {
            Ok(bench) => bench,
            Err(Unopened::Unfit {
                failure,
                others_fit: true,
            }) => {
                self.worked.returned += 1;
                return self.give_up(task, failure.in_one_line()).await;
            }
            Err(unopened) => return self.not_begun(unopened),
        };
        let mut claim = match self.claim(target).await {
            Ok(claim) => claim,
            Err(verdict) => return verdict,
        };
        let verdict = self.under(&mut claim, task, &bench).await;
        if let Err(error) = claim.release().await {
            tracing::debug!("{error}");
        }
        verdict
    }

    /// What becomes of a message that this worker cannot begin with.
    fn not_begun(&mut self, unopened: Unopened) -> Verdict {
        self.worked.returned += 1;
        match unopened {
            Unopened::Trouble(_) if self.watch.stop.is_asked() => {
                Verdict::returned(Duration::ZERO, "stopped before it was begun")
            }
            // Whoever ends because of it says so once.
            Unopened::Trouble(failure) => Verdict::returned(self.worker.after_trouble(), failure.in_one_line()),
            // It may be the settings that are wrong, and others have better ones.
            Unopened::Unfit { failure, .. } => {
                let why = failure.in_one_line();
                self.worked.fail_try(failure);
                let after = self.wait_before();
                Verdict::Tried { after, why }
            }
        }
    }

    /// Claims the target, unless somebody else is at it.
    async fn claim(&mut self, target: &ImageRef) -> Result<Claim, Verdict> {
        match self.worker.claims.take(target).await {
            Ok(Taken::Claim(claim)) => Ok(claim),
            Ok(Taken::Held { by, left }) => {
                let left = left.max(LOOK_AGAIN);
                let why = format!("{by} is at {target}, for {} s at most", left.as_secs());
                tracing::debug!("{why}");
                self.worked.returned += 1;
                Err(Verdict::returned(left, why))
            }
            Err(error) => Err(self.trouble(&error)),
        }
    }

    /// Under the claim: whoever was at it before has told.
    async fn under(&mut self, claim: &mut Claim, task: &Task, bench: &Bench) -> Verdict {
        match self.worker.board.outcome(&task.run, &task.id).await {
            Ok(Some(known)) if !known.given_up => {
                self.worked.returned += 1;
                return Verdict::Done;
            }
            Ok(_) => {}
            Err(error) => return self.trouble(&error),
        }
        let stop = Stop {
            soft: self.watch.stop.soft.child_token(),
            hard: self.watch.stop.hard.child_token(),
        };
        let (report, lost) = self.carry_out(claim, task, bench, &stop).await;
        if let Some(lost) = lost.or_else(|| (!claim.is_live()).then_some(Lost::NotRenewed)) {
            self.worked.returned += 1;
            // Whoever has it now decides.
            return Verdict::Returned {
                after: None,
                why: lost.to_string(),
            };
        }
        match Word::of(report) {
            Some(word) => self.told(task, word).await,
            None => Verdict::Tried {
                after: self.wait_before(),
                why: "nothing came of it".to_owned(),
            },
        }
    }

    /// Two at one target would overtake each other: a claim that is lost cuts off what is done under it.
    async fn carry_out(&self, claim: &mut Claim, task: &Task, bench: &Bench, stop: &Stop) -> (Report, Option<Lost>) {
        let benches = &self.worker.benches;
        let mut work = std::pin::pin!(benches.carry_out(bench, &task.plan.plan, stop, self.watch));
        let lost = tokio::select! {
            report = &mut work => return (report, None),
            lost = claim.keep() => lost,
        };
        tracing::warn!("{lost}: what is done under it is cut off");
        stop.hard.cancel();
        (work.await, Some(lost))
    }

    /// Tells everybody what became of the image.
    async fn told(&mut self, task: &Task, word: Word) -> Verdict {
        let image = &word.image;
        let board = &self.worker.board;
        if is_last(image.outcome) {
            self.worked.count(image);
            word.failures
                .iter()
                .for_each(|failure| self.worked.fail(failure.clone()));
            return match board.tell(&task.run, &task.id, &word).await {
                Ok(()) => Verdict::Done,
                Err(error) => self.trouble(&error),
            };
        }
        let why = image.why();
        let is_left = image.outcome == Outcome::NotAttempted;
        // What was at work when it was cut off was tried: it may be too large for the time that there ever is.
        let is_unbegun = is_left && self.watch.stop.is_asked() && !image.cut_off;
        if is_unbegun || self.worker.benches.trouble().is_some() {
            self.worked.returned += 1;
            let after = match is_unbegun {
                true => Duration::ZERO,
                false => self.worker.after_trouble(),
            };
            return Verdict::returned(after, why);
        }
        if is_left && self.watch.stop.is_asked() {
            self.worked.returned += 1;
            let after = Duration::ZERO;
            return Verdict::Tried { after, why };
        }
        self.worked.count(image);
        if !self.is_last_time()
            && let Err(error) = board.tell_try(&task.run, &task.id, &word).await
        {
            tracing::warn!("{}", Failure::from(&error).in_one_line());
        }
        self.failed = Some(word);
        let after = self.wait_before();
        Verdict::Tried { after, why }
    }

    /// Tells everybody that nobody tries it any more. Whoever has done it all the same is believed.
    async fn give_up(&mut self, task: &Task, why: String) -> Verdict {
        if let Some(word) = Word::given_up(task, self.failed.take(), &why)
            && let Err(error) = self.worker.board.tell(&task.run, &task.id, &word).await
        {
            self.worked.fail(Failure::from(&error));
        }
        Verdict::Hopeless(why)
    }

    /// Tells the queue. Answers whether the message comes again.
    async fn settle(&mut self, verdict: Verdict) -> bool {
        let Worker { queue, dead, .. } = self.worker;
        match verdict {
            Verdict::Done => {}
            Verdict::Hopeless(reason) => {
                if let Err(error) = dead.queue.bury(self.message, &reason).await {
                    self.worked.fail(Failure::from(&error));
                    return true;
                }
                self.worked.buried += 1;
                self.worked.fail(buried(self.message, reason));
            }
            Verdict::Tried { after, .. } => {
                self.worker.hide(&self.message.receipt, after).await;
                return true;
            }
            Verdict::Returned { after, .. } => {
                if let Some(after) = after {
                    self.worker.hide(&self.message.receipt, after).await;
                }
                return true;
            }
        }
        match queue.delete(&[&self.message.receipt]).await {
            // They come again, and turn out to be done.
            Ok(left) => left
                .iter()
                .for_each(|why| tracing::warn!("a message stays in the queue: {why}")),
            Err(error) => self.worked.fail(Failure::from(&error)),
        }
        false
    }

    /// What is kept in S3 could not be read or written.
    fn trouble(&mut self, error: &WorkError) -> Verdict {
        let failure = Failure::from(error);
        let why = failure.in_one_line();
        self.worked.fail_try(failure);
        Verdict::returned(self.worker.after_trouble(), why)
    }

    /// How long an image rests that was tried so often.
    fn wait_before(&self) -> Duration {
        let retry = Retry {
            tries: usize::MAX,
            ..self.worker.settings.aws.retry
        };
        retry.delay(self.message.times as usize).unwrap_or(retry.longest)
    }
}

/// Whether nothing more is to be done about an image that ended so. One that is refused has moved since, which a new plan has to see.
fn is_last(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Updated | Outcome::Unchanged | Outcome::Refused => true,
        Outcome::Failed | Outcome::NotAttempted => false,
    }
}

/// Hides a message from everybody else until this is dropped.
async fn hide(worker: &Worker<'_>, receipt: &str) -> Infallible {
    let lease = worker.settings.work.lease;
    loop {
        sleep(lease / 3).await;
        worker.hide(receipt, lease).await;
    }
}

fn buried(message: &Received, reason: String) -> Failure {
    Failure {
        message: format!("message {} went to the dead-letter queue", message.id),
        causes: vec![reason],
        hint: None,
    }
}
