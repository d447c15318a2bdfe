//! Whether a queue is empty, which SQS itself knows only some time later.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::aws::queue::{Depth, Queue};
use crate::events::{Event, Events};
use crate::report::Failure;
use crate::work::Board;

/// How long a queue has to be said to be empty until it is believed: what SQS says of its messages is right "at least 1 minute after
/// the producers stop sending" (SQS API reference, GetQueueAttributes).
const BELIEVED: Duration = Duration::from_secs(60);

/// What was heard of a queue.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    since: Option<Instant>,
    /// Runs that are known to be done.
    done: BTreeSet<String>,
    /// What is waited for was told.
    told: bool,
}

impl Quiet {
    /// The runs that an empty queue may still have messages of. None where nothing is left: each image of each run is done, or the queue has been
    /// empty long enough.
    pub(super) async fn left(&mut self, queue: &Queue, board: &Board) -> Result<Option<Vec<String>>, Failure> {
        if self.is_believed(queue).await? {
            return Ok(None);
        }
        if self.since.is_none() {
            return Ok(Some(Vec::new()));
        }
        let open = board.open_runs(&mut self.done).await;
        let open = open.map_err(|error| Failure::from(&error))?;
        Ok((!open.is_empty()).then_some(open))
    }

    /// Tells once why an empty queue is not the end.
    pub(super) fn tell(&mut self, runs: &[String], events: &Events) {
        let [first, others @ ..] = runs else { return };
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let others = match others.len() {
            0 => "has".to_owned(),
            1 => "and 1 other have".to_owned(),
            more => format!("and {more} others have"),
        };
        let told = format!("the queue is empty, and run {first} {others} images without an outcome: a minute at most");
        events.send(Event::Waiting(told));
    }

    /// Whether a queue has been empty long enough.
    pub(super) async fn is_believed(&mut self, queue: &Queue) -> Result<bool, Failure> {
        let depth = queue.depth().await.map_err(|error| Failure::from(&error))?;
        Ok(self.hear(depth, Instant::now()))
    }

    /// There was a message in it.
    pub(super) fn broken(&mut self) {
        self.since = None;
    }

    fn hear(&mut self, depth: Depth, now: Instant) -> bool {
        if depth.visible + depth.hidden > 0 {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now.duration_since(since) >= BELIEVED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_queue_is_believed_after_a_minute_without_a_message() {
        let (mut quiet, begun) = (Quiet::default(), Instant::now());
        let mut hear =
            |visible, hidden, seconds| quiet.hear(Depth { visible, hidden }, begun + Duration::from_secs(seconds));
        assert!(!hear(0, 0, 0) && !hear(0, 0, 59));
        assert!(!hear(0, 1, 59), "somebody is at one");
        assert!(!hear(0, 0, 60) && !hear(0, 0, 119));
        assert!(hear(0, 0, 120));
        assert!(!hear(1, 0, 121));
    }
}
