use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::sleep;

use crate::service::Moment;

/// How long nobody looks whether the clock was set.
const GLANCE: Duration = Duration::from_secs(1);
/// What a clock is off by is put right in steps that are no matter.
const STEP: SignedDuration = SignedDuration::from_secs(1);

/// Why a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// The moment has come.
    Due,
    /// The clock was set, or the machine was asleep: when the moment comes has to be asked anew.
    ClockSet,
}

/// Waits until a moment has come; without one, for ever. One that is a distance comes after that; a time by the clock comes when
/// the clock shows it.
pub(super) async fn wait_until(moment: Option<Moment>, by_the_clock: bool) -> Woken {
    let Some(moment) = moment else {
        return std::future::pending().await;
    };
    let began = Moment::now();
    loop {
        match glance(moment, by_the_clock, began, Moment::now()) {
            Ok(left) => sleep(left.min(GLANCE)).await,
            Err(woken) => return woken,
        }
    }
}

/// How long is left of a wait, as seen now.
fn glance(moment: Moment, by_the_clock: bool, began: Moment, now: Moment) -> Result<Duration, Woken> {
    let left = match by_the_clock {
        true => Duration::try_from(moment.shown.duration_since(now.shown)).unwrap_or_default(),
        false => moment.counted.saturating_duration_since(now.counted),
    };
    let is_set = now.set_since(began).abs() >= STEP;
    match (left.is_zero(), is_set) {
        (true, _) => Err(Woken::Due),
        (false, true) => Err(Woken::ClockSet),
        (false, false) => Ok(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(moment: Moment, counted: u64, shown: i64) -> Moment {
        Moment {
            shown: moment.shown + SignedDuration::from_mins(shown),
            counted: moment.counted + Duration::from_mins(counted),
        }
    }

    #[test]
    fn a_clock_that_is_set_ends_a_wait_only_where_it_shows_the_time() {
        let began = Moment::now();
        let in_an_hour = later(began, 60, 60);
        let set = Err(Woken::ClockSet);
        for (by_the_clock, counted, shown, expected) in [
            (false, 10, 10, Ok(Duration::from_mins(50))),
            (true, 10, 10, Ok(Duration::from_mins(50))),
            (false, 60, 60, Err(Woken::Due)),
            (true, 60, 60, Err(Woken::Due)),
            // Put forward, or asleep, past the moment and not so far.
            (false, 10, 90, set),
            (true, 10, 90, Err(Woken::Due)),
            (true, 10, 40, set),
            // Put back.
            (false, 10, -1000, set),
            (true, 10, -1000, set),
            (false, 60, 50, Err(Woken::Due)),
            (true, 60, 50, set),
        ] {
            let found = glance(in_an_hour, by_the_clock, began, later(began, counted, shown));
            assert_eq!(found, expected, "{by_the_clock} {counted} {shown}");
        }
    }
}
