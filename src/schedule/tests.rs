//! Intervals, and times of a clock.

mod cron;

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Past, Schedule, When};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn every(interval: &str) -> Schedule {
    Schedule {
        when: When::Every(humantime::parse_duration(interval).unwrap()),
        jitter: Duration::ZERO,
    }
}

fn cron(expression: &str) -> Schedule {
    Schedule {
        when: When::Cron(expression.parse().unwrap(), TimeZone::UTC),
        jitter: Duration::ZERO,
    }
}

fn next(schedule: &Schedule, since: &str, began: Option<&str>, now: &str) -> String {
    let past = Past {
        since: at(since),
        began: began.map(at),
    };
    schedule.next(past, at(now), 0.5).unwrap().to_string()
}

#[test]
fn an_interval_begins_at_once_and_counts_from_beginning_to_beginning() {
    let (schedule, start) = (every("15m"), "2026-01-01T10:00:00Z");
    assert_eq!(next(&schedule, start, None, start), start);
    for (began, now, due) in [
        // A short run.
        ("2026-01-01T10:00:00Z", "2026-01-01T10:02:00Z", "2026-01-01T10:15:00Z"),
        // One that took as long as three intervals: one begins at once, not three.
        ("2026-01-01T10:00:00Z", "2026-01-01T10:47:00Z", "2026-01-01T10:47:00Z"),
        ("2026-01-01T10:47:00Z", "2026-01-01T10:48:00Z", "2026-01-01T11:02:00Z"),
        // The clock was set back by a day.
        ("2026-01-02T10:00:00Z", "2026-01-01T10:05:00Z", "2026-01-01T10:20:00Z"),
    ] {
        assert_eq!(next(&schedule, start, Some(began), now), due, "{began} {now}");
    }
    assert_eq!(
        next(&every("1s"), start, Some(start), start),
        "2026-01-01T10:00:01Z",
        "the shortest"
    );
    assert_eq!(
        next(&every("30d"), start, Some(start), start),
        "2026-01-31T10:00:00Z",
        "the longest"
    );
}

#[test]
fn a_cron_expression_waits_for_its_time_and_makes_up_once() {
    let (schedule, start) = (cron("0 * * * *"), "2026-01-01T10:00:20Z");
    for (began, now, due) in [
        // Ten o'clock has passed.
        (None, "2026-01-01T10:00:20Z", "2026-01-01T11:00:00Z"),
        (
            Some("2026-01-01T11:00:00Z"),
            "2026-01-01T11:00:00Z",
            "2026-01-01T12:00:00Z",
        ),
        // A run that was at work at twelve and at one.
        (
            Some("2026-01-01T11:00:00Z"),
            "2026-01-01T13:20:00Z",
            "2026-01-01T13:20:00Z",
        ),
        (
            Some("2026-01-01T13:20:00Z"),
            "2026-01-01T13:21:00Z",
            "2026-01-01T14:00:00Z",
        ),
    ] {
        assert_eq!(next(&schedule, start, began, now), due, "{began:?} {now}");
    }
    // A schedule that is new since then makes up for nothing.
    let changed = next(
        &schedule,
        "2026-01-03T09:30:00Z",
        Some("2026-01-01T11:00:00Z"),
        "2026-01-03T09:30:00Z",
    );
    assert_eq!(changed, "2026-01-03T10:00:00Z");
}

#[test]
fn a_clock_that_was_set_back_by_years_makes_nobody_wait_for_them() {
    let (ahead, now) = ("2036-01-01T10:00:20Z", "2026-01-01T10:30:00Z");
    let (hourly, interval) = (cron("0 * * * *"), every("15m"));
    for began in [None, Some(ahead)] {
        assert_eq!(next(&hourly, ahead, began, now), "2026-01-01T11:00:00Z", "{began:?}");
    }
    assert_eq!(next(&interval, ahead, None, now), now, "the first one");
    // What was ahead when the clock was set stays where that was, and is not put off each time that somebody asks.
    let past = Past {
        since: at(ahead),
        began: Some(at(ahead)),
    };
    let past = past.until(at(now));
    for (schedule, due) in [(&hourly, "2026-01-01T11:00:00Z"), (&interval, "2026-01-01T10:45:00Z")] {
        for asked in ["2026-01-01T10:40:00Z", due] {
            assert_eq!(schedule.next(past, at(asked), 0.5), Some(at(due)), "{schedule} {asked}");
        }
    }
}

#[test]
fn a_distance_stays_as_long_wherever_the_clock_is_set() {
    let past = Past {
        since: at("2026-01-01T10:00:00Z"),
        began: Some(at("2026-01-01T10:00:00Z")),
    };
    for (by, now, due) in [
        (
            SignedDuration::from_hours(24),
            "2026-01-02T10:05:00Z",
            "2026-01-02T10:15:00Z",
        ),
        (
            SignedDuration::from_hours(-24),
            "2025-12-31T10:05:00Z",
            "2025-12-31T10:15:00Z",
        ),
    ] {
        assert_eq!(every("15m").next(past.moved(by), at(now), 0.5), Some(at(due)), "{by}");
    }
}

#[test]
fn another_chance_loses_no_run_that_is_due_and_other_times_make_up_for_nothing() {
    let before = Schedule {
        jitter: Duration::from_secs(3600),
        ..cron("0 * * * *")
    };
    let (since, now) = (at("2026-01-01T10:30:00Z"), at("2026-01-01T11:10:00Z"));
    let past = Past { since, began: None };
    // Eleven o'clock was put off until half past.
    let at_once = cron("0 * * * *");
    let kept = at_once.after(&before, past, now);
    assert_eq!(at_once.next(kept, now, 0.5), Some(now));
    let other = cron("5 * * * *");
    let counted = other.after(&before, past, now);
    assert_eq!(other.next(counted, now, 0.5), Some(at("2026-01-01T12:05:00Z")));
}

#[test]
fn chance_puts_off_every_time_of_an_expression_and_the_first_of_an_interval() {
    let start = "2026-01-01T10:00:00Z";
    let jitter = Duration::from_secs(600);
    let hourly = Schedule {
        jitter,
        ..cron("0 * * * *")
    };
    assert_eq!(next(&hourly, start, None, start), "2026-01-01T11:05:00Z");
    let interval = Schedule { jitter, ..every("1h") };
    assert_eq!(next(&interval, start, None, start), "2026-01-01T10:05:00Z");
    let began = "2026-01-01T10:05:00Z";
    assert_eq!(next(&interval, start, Some(began), began), "2026-01-01T11:05:00Z");
}

#[test]
fn the_shortest_time_between_two_runs_is_known() {
    for (schedule, gap) in [
        (every("90s"), Some(90)),
        (cron("*/15 * * * *"), Some(15 * 60)),
        // From 4:00 to 23:30 is longer than over midnight.
        (cron("0,30 4,23 * * *"), Some(30 * 60)),
        (cron("0 4,23 * * *"), Some(5 * 3600)),
        (cron("@weekly"), Some(7 * 24 * 3600)),
        (cron("0 0 28 2 *"), Some(365 * 24 * 3600)),
    ] {
        assert_eq!(schedule.shortest(), gap.map(Duration::from_secs), "{schedule}");
    }
}

#[test]
fn schedules_are_told_as_they_are_written() {
    assert_eq!(every("90s").to_string(), "every 1m 30s");
    let nightly = Schedule {
        jitter: Duration::from_secs(300),
        ..cron("0 3 * * *")
    };
    assert_eq!(nightly.to_string(), "at \"0 3 * * *\" (UTC), up to 5m later");
}
