use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A moment, as a clock shows it, and as one counts that nobody sets and that stands still while the machine is asleep: what has
/// taken too long is told by that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What is told of it.
    pub shown: Timestamp,
    /// What others are apart from it.
    pub counted: Instant,
}

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self {
            shown: Timestamp::now(),
            counted: Instant::now(),
        }
    }

    /// The one at which the clock shows this, unless it is set: later than `self`, or `self`.
    pub fn when(self, shown: Timestamp) -> Self {
        let left = Duration::try_from(shown.duration_since(self.shown)).unwrap_or_default();
        Self {
            shown,
            counted: self.counted + left,
        }
    }

    /// By how much the clock has been set since `earlier`.
    pub fn set_since(self, earlier: Self) -> SignedDuration {
        let counted = self.counted.saturating_duration_since(earlier.counted);
        let counted = SignedDuration::try_from(counted).unwrap_or(SignedDuration::MAX);
        self.shown.duration_since(earlier.shown).saturating_sub(counted)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::LazyLock;

    use super::*;

    /// By a clock that nobody sets.
    pub(in crate::service) fn at(text: &str) -> Moment {
        static START: LazyLock<Moment> = LazyLock::new(|| Moment {
            shown: "2026-01-01T00:00:00Z".parse().unwrap(),
            counted: Instant::now(),
        });
        START.when(text.parse().unwrap())
    }

    #[test]
    fn a_clock_that_is_set_is_told_from_time_that_passes() {
        let (earlier, later) = (at("2026-01-01T10:00:00Z"), at("2026-01-01T11:00:00Z"));
        assert_eq!(later.set_since(earlier), SignedDuration::ZERO);
        for hours in [-72, 24] {
            let by = SignedDuration::from_hours(hours);
            let set = Moment {
                shown: later.shown + by,
                ..later
            };
            assert_eq!(set.set_since(earlier), by);
        }
    }
}
