//! Whether a queue is empty, which SQS itself knows only some time later.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::aws::queue::{Depth, Queue};
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
}

impl Quiet {
    /// Whether nothing is left: each image of each run is done, or the queue has been empty long enough.
    pub(super) async fn is_over(&mut self, queue: &Queue, board: &Board) -> Result<bool, Failure> {
        if self.is_believed(queue).await? {
            return Ok(true);
        }
        let all = board.is_all_done(&mut self.done);
        Ok(self.since.is_some() && all.await.map_err(|error| Failure::from(&error))?)
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
