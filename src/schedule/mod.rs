//! When runs begin: at an interval, or at the times of a cron expression. Nothing waits here: who waits is told when.

mod cron;
#[cfg(test)]
mod tests;

pub use cron::{Cron, InvalidCron};

use std::time::Duration;
use std::{fmt, iter};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// When runs begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The rule.
    pub when: When,
    /// A run begins at most so much later, by chance: many who share a schedule do not begin at once.
    pub jitter: Duration,
}

/// The rule of a schedule.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// The first run at once, each later one so long after the beginning of the one before.
    Every(Duration),
    /// At the times of an expression, as clocks show them in a zone.
    Cron(Cron, TimeZone),
}

/// What has been, as far as the next run depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Past {
    /// Since when the schedule counts.
    pub since: Timestamp,
    /// When the last run began.
    pub began: Option<Timestamp>,
}

impl Past {
    /// As far as it has been by `now`. A clock that was set back leaves the rest ahead, and nobody waits until it comes again.
    pub fn until(self, now: Timestamp) -> Self {
        Self {
            since: self.since.min(now),
            began: self.began.map(|began| began.min(now)),
        }
    }

    /// As the clock would have shown it, had it been set `by` so much before: what is so far away stays so.
    pub fn moved(self, by: SignedDuration) -> Self {
        let moved = |at: Timestamp| at.checked_add(by).unwrap_or(at);
        Self {
            since: moved(self.since),
            began: self.began.map(moved),
        }
    }
}

impl Schedule {
    /// When the next run is due, no earlier than `now`. However many times have passed, they are made up for by one run: each
    /// answer goes by the beginning of the last one. `chance` is from 0 to 1. None where no time is left in the calendar.
    pub fn next(&self, past: Past, now: Timestamp, chance: f64) -> Option<Timestamp> {
        let jitter = self.jitter.mul_f64(chance.clamp(0.0, 1.0));
        let past = past.until(now);
        let due = match (&self.when, past.began) {
            (When::Every(_), None) => later(past.since, jitter)?,
            // The first one was put off by chance, and later ones keep its distance.
            (When::Every(interval), Some(began)) => later(began, *interval)?,
            (When::Cron(cron, zone), began) => {
                let after = began.map_or(past.since, |began| began.max(past.since));
                later(cron.next(after, zone)?, jitter)?
            }
        };
        Some(due.max(now))
    }

    /// What has been, where this one takes the place of `before`. Other times make up for nothing; the same ones do for what they missed,
    /// wherever chance puts it now.
    pub fn after(&self, before: &Self, past: Past, now: Timestamp) -> Past {
        match self.when == before.when {
            true => past,
            false => Past { since: now, ..past },
        }
    }

    /// The shortest time between two runs, without the jitter: of a cron expression, within a year or its next 500 times.
    pub fn shortest(&self) -> Option<Duration> {
        const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
        let (cron, zone) = match &self.when {
            When::Every(interval) => return Some(*interval),
            When::Cron(cron, zone) => (cron, zone),
        };
        // Any year does; that of the first of all moments is always the same.
        let first = cron.next(Timestamp::UNIX_EPOCH, zone)?;
        let end = later(first, YEAR)?;
        let times = iter::successors(Some(first), |last| cron.next(*last, zone));
        let times: Vec<Timestamp> = times.take_while(|time| *time <= end).take(500).collect();
        let gaps = times.windows(2).map(|two| two[1].duration_since(two[0]).unsigned_abs());
        gaps.min()
    }

    /// Whether the times are ones that a clock shows, and not distances from each other.
    pub fn goes_by_the_clock(&self) -> bool {
        matches!(self.when, When::Cron(..))
    }
}

fn later(at: Timestamp, by: Duration) -> Option<Timestamp> {
    at.checked_add(by).ok()
}

/// As a person is told: `every 15m`, `at "0 3 * * *" (Europe/Berlin)`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.when {
            When::Every(interval) => write!(f, "every {}", humantime::format_duration(*interval))?,
            When::Cron(cron, zone) => write!(f, "at \"{cron}\" ({})", zone.iana_name().unwrap_or("UTC"))?,
        }
        match self.jitter.is_zero() {
            true => Ok(()),
            false => write!(f, ", up to {} later", humantime::format_duration(self.jitter)),
        }
    }
}
