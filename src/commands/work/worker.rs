//! One of those who share the work, and what all its messages have in common.

use std::sync::{Arc, Once};
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::sync::Semaphore;

use super::bench::{Benches, Daemon};
use super::without_dead_letters;
use crate::aws::queue::{DeadLetters, Queue, Received};
use crate::aws::s3::Bucket;
use crate::commands::Context;
use crate::commands::desk::open_ledger;
use crate::commands::watch::Watch;
use crate::ledger::Ledger;
use crate::report::{Failure, Worked};
use crate::settings::Settings;
use crate::work::{Board, Claims, Place, Task};

/// When a message comes again that S3 or the worker itself stood in the way of.
pub(super) const AFTER_TROUBLE: Duration = Duration::from_secs(30);

/// Somebody who does work.
pub(super) struct Worker<'a> {
    pub(super) settings: &'a Settings,
    pub(super) board: Board,
    pub(super) claims: Claims,
    pub(super) queue: Queue,
    pub(super) dead: DeadLetters,
    pub(super) benches: Benches<'a>,
    /// As many images as may be at work at once.
    pub(super) turns: Semaphore,
    ledger: Arc<Ledger>,
    /// That SQS does not hide messages is told once.
    unhidden: Once,
}

impl<'a> Worker<'a> {
    /// Finds the queue, and where its hopeless messages go: without such a place they would come again for ever.
    pub(super) async fn open(
        context: &'a Context,
        settings: &'a Settings,
        queue: Queue,
        state: &Place,
        daemon: Daemon,
    ) -> Result<Self, Failure> {
        let dead = queue.dead_letters(&settings.aws).await;
        let Some(dead) = dead.map_err(|error| Failure::from(&error))? else {
            return Err(without_dead_letters(&queue));
        };
        if dead.after < 2 {
            tracing::warn!("{queue} hands a message out once (maxReceiveCount): what fails is not tried again");
        }
        let bucket = Bucket::connect(&settings.aws, &state.bucket).await;
        let bucket = bucket.map_err(|error| Failure::from(&error))?;
        let holder = format!("{}-{}-{:08x}", host_name(), std::process::id(), fastrand::u32(..));
        let ledger = open_ledger(settings).await?;
        Ok(Self {
            settings,
            board: Board::new(bucket.clone(), state),
            claims: Claims::new(bucket, state, &holder, settings.work.lease),
            queue,
            dead,
            benches: Benches::new(context, Arc::clone(&ledger), daemon),
            turns: Semaphore::new(settings.concurrency),
            ledger,
            unhidden: Once::new(),
        })
    }

    /// What fits this worker first: of what does not it is known then that it is by itself.
    pub(super) fn in_order(mut messages: Vec<Received>) -> Vec<Received> {
        messages.sort_by_cached_key(|message| Task::read(&message.body).is_err());
        messages
    }

    /// Does what messages say that somebody else took. All of them are this worker's from now on, also those that have to wait for their turn.
    /// Answers those that are to come again, and what was done.
    pub(super) async fn all(&self, messages: Vec<Received>, watch: &Watch) -> (Vec<String>, Worked) {
        let messages = Self::in_order(messages);
        let mut lives = stream::iter(&messages)
            .map(|message| async move { (message, self.live(message, watch).await) })
            .buffer_unordered(messages.len().max(1));
        let (mut again, mut worked) = (Vec::new(), Worked::begin());
        while let Some((message, lived)) = lives.next().await {
            if lived.comes_again {
                again.push(message.id.clone());
            }
            worked.add(lived.worked);
        }
        (again, worked)
    }

    /// When a message comes again that was given back because of trouble.
    pub(super) fn after_trouble(&self) -> Duration {
        AFTER_TROUBLE.min(self.settings.work.lease)
    }

    /// Hides a message from everybody else, if it can be done: else it comes again while somebody is at it.
    pub(super) async fn hide(&self, receipt: &str, hidden: Duration) {
        let Err(error) = self.queue.hide(receipt, hidden).await else {
            return;
        };
        let failure = Failure::from(&error).in_one_line();
        self.unhidden
            .call_once(|| tracing::warn!("messages come again too soon: {failure}"));
        tracing::debug!("{failure}");
    }

    /// Keeps what was done in the ledger. Nothing is lost without it but time.
    pub(super) async fn close(&self, worked: &mut Worked) {
        if self.ledger.is_changed()
            && let Err(error) = self.ledger.save().await
        {
            worked.fail(Failure::from(&error));
        }
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
