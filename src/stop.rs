//! Stopping as one value: a signal, or a deadline, passes through all that runs alike.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// Two requests: to begin nothing new, and to cut off what runs.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Begin nothing new; let what runs finish.
    pub soft: CancellationToken,
    /// Cut off what runs, and clean up.
    pub hard: CancellationToken,
}

impl Stop {
    /// Whether anything was asked for.
    pub fn is_asked(&self) -> bool {
        self.soft.is_cancelled() || self.hard.is_cancelled()
    }
}

/// The times of a run that has to be over before somebody ends the whole process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// From here on nothing new begins.
    pub soft: Instant,
    /// Here what runs is cut off; what is left of the time is for remembering and telling.
    pub hard: Instant,
    /// Here messages end that are on their way.
    pub told: Instant,
    /// Here everything ends.
    pub last: Instant,
}

/// What is kept back of a long time.
const RESERVE: Duration = Duration::from_secs(10);

impl Deadline {
    /// Of what is left of the time, ten seconds or a fifth is kept back, whichever is less.
    pub fn within(left: Duration, now: Instant) -> Self {
        let reserve = RESERVE.min(left / 5);
        let before = |kept: Duration| now + left.saturating_sub(kept);
        Self {
            soft: before(reserve),
            hard: before(reserve / 2),
            told: before(reserve / 5),
            last: before(reserve / 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_seconds_or_a_fifth_are_kept_back() {
        let now = Instant::now();
        let after = |at: Instant| at.duration_since(now).as_millis();
        let of = |seconds: u64| {
            let times = Deadline::within(Duration::from_secs(seconds), now);
            [times.soft, times.hard, times.told, times.last].map(after)
        };
        assert_eq!(of(3), [2400, 2700, 2880, 2940]);
        assert_eq!(of(50), [40_000, 45_000, 48_000, 49_000]);
        assert_eq!(of(900), [890_000, 895_000, 898_000, 899_000]);
        assert_eq!(of(0), [0, 0, 0, 0]);
    }
}
