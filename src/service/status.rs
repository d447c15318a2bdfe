use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use super::moment::Moment;
use crate::record::Page;
use crate::report::Report;

/// What a process that stays knows of itself.
#[derive(Debug, Clone)]
pub struct Status {
    /// When the process began.
    pub began: Timestamp,
    /// When the run that is at work began.
    pub running_since: Option<Moment>,
    /// When the next run is due, while none is at work.
    pub next_run: Option<Moment>,
    /// Whether it is due and waits for another one's lock.
    pub waiting: bool,
    /// The last run that has ended.
    pub last_run: Option<Run>,
    /// How many runs ended well, with failures, and because of a stop.
    pub runs: [u64; 3],
    /// How many never began, for another one's lock.
    pub missed: u64,
    /// Whether the process was told to stop.
    pub stopping: bool,
    /// Whether the settings that were read last can be used.
    pub settings_valid: bool,
    /// How often settings were read again, and used.
    pub reloads_applied: u64,
    /// How often they could not be used.
    pub reloads_rejected: u64,
    /// How long a run may be due, or at work, without an end.
    pub overdue: Duration,
    /// The metrics of the last run, or what outlived the process before.
    pub metrics: String,
}

/// A run that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Run {
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How it ended.
    pub outcome: RunOutcome,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// All that should be done was done.
    Well,
    /// Something failed or was refused.
    Failed,
    /// It was told to stop.
    Stopped,
}

impl RunOutcome {
    const ALL: [Self; 3] = [Self::Well, Self::Failed, Self::Stopped];

    /// Of a run's report.
    pub fn of(report: &Report) -> Self {
        match report.stopped_by {
            Some(_) => Self::Stopped,
            None if report.is_well() => Self::Well,
            None => Self::Failed,
        }
    }

    /// Its word, as in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// The answer of `/healthz`.
#[derive(Debug, Serialize)]
pub(super) struct Health {
    /// `idle`, `waiting`, `running` or `stopping`.
    state: &'static str,
    /// Why the process is not well; none where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trouble: Option<String>,
    running_since: Option<Timestamp>,
    next_run: Option<Timestamp>,
    last_run: Option<Run>,
    settings_valid: bool,
}

impl Status {
    /// Of a process that has done nothing yet.
    pub fn new(overdue: Duration) -> Self {
        Self {
            began: Timestamp::now(),
            running_since: None,
            next_run: None,
            waiting: false,
            last_run: None,
            runs: [0; 3],
            missed: 0,
            stopping: false,
            settings_valid: true,
            reloads_applied: 0,
            reloads_rejected: 0,
            overdue,
            metrics: String::new(),
        }
    }

    /// Notes that a run begins.
    pub fn begin(&mut self, at: Moment) {
        self.running_since = Some(at);
        self.next_run = None;
        self.waiting = false;
    }

    /// Notes that the run that was due does not begin.
    pub fn miss(&mut self) {
        self.waiting = false;
        self.missed += 1;
    }

    /// Notes how the run ended, with its metrics, and when the next one is due.
    pub fn end(&mut self, report: &Report, metrics: String, next: Option<Moment>) {
        let outcome = RunOutcome::of(report);
        self.running_since = None;
        self.next_run = next;
        self.last_run = Some(Run {
            started: report.started,
            ended: report.ended,
            outcome,
        });
        self.runs[outcome as usize] += 1;
        self.metrics = metrics;
    }

    /// Notes that settings were read again: whether they can be used, and what they say then.
    pub fn reloaded(&mut self, valid: bool, overdue: Duration) {
        self.settings_valid = valid;
        self.overdue = overdue;
        match valid {
            true => self.reloads_applied += 1,
            false => self.reloads_rejected += 1,
        }
    }

    /// How many runs have ended.
    pub fn ended(&self) -> u64 {
        self.runs.iter().sum()
    }

    pub(super) fn health(&self, now: Instant) -> Health {
        Health {
            state: match (self.stopping, self.running_since) {
                (true, _) => "stopping",
                (false, Some(_)) => "running",
                (false, None) if self.waiting => "waiting",
                (false, None) => "idle",
            },
            trouble: self.trouble(now),
            running_since: self.running_since.map(|since| since.shown),
            next_run: self.next_run.map(|next| next.shown),
            last_run: self.last_run,
            settings_valid: self.settings_valid,
        }
    }

    fn trouble(&self, now: Instant) -> Option<String> {
        if self.stopping {
            return Some("it was told to stop".to_owned());
        }
        let due = self.running_since.or(self.next_run)?;
        let late = now.saturating_duration_since(due.counted) > self.overdue;
        let due = due.shown;
        let overdue = humantime::format_duration(self.overdue);
        late.then(|| match self.running_since {
            Some(_) => format!("the run that began at {due} has not ended within {overdue} (serve.overdue)"),
            None => format!("the run that was due at {due} has not begun within {overdue} (serve.overdue)"),
        })
    }

    /// The answer of `/metrics`: the last run's, and the process's own.
    pub(super) fn page(&self) -> String {
        let mut page = Page::default();
        let one = |value: f64| [(None, value)];
        let of_outcome = |outcome: RunOutcome| {
            let count = self.runs[outcome as usize];
            (Some(("outcome", outcome.word())), count as f64)
        };
        page.counter(
            "ecr_keeper_runs_total",
            "Runs that have ended since the process began, by how.",
            RunOutcome::ALL.map(of_outcome),
        );
        page.counter(
            "ecr_keeper_runs_missed_total",
            "Runs that were due and never began, since another one held the lock.",
            one(self.missed as f64),
        );
        page.gauge(
            "ecr_keeper_running",
            "Whether a run is at work.",
            one(flag(self.running_since.is_some())),
        );
        if let Some(run) = &self.last_run {
            page.gauge(
                "ecr_keeper_last_run_start_timestamp_seconds",
                "When the last run that has ended began.",
                one(seconds(run.started)),
            );
        }
        if let Some(next) = self.next_run {
            page.gauge(
                "ecr_keeper_next_run_timestamp_seconds",
                "When the next run is due; absent while one is at work.",
                one(seconds(next.shown)),
            );
        }
        // Prometheus's clients have this name for it.
        page.gauge(
            "process_start_time_seconds",
            "When the process began.",
            one(seconds(self.began)),
        );
        page.gauge(
            "ecr_keeper_settings_valid",
            "Whether the settings that were read last can be used; the ones before stay in use where they cannot.",
            one(flag(self.settings_valid)),
        );
        page.counter(
            "ecr_keeper_settings_reloads_total",
            "How often settings were read again, by what came of it.",
            [
                (Some(("result", "applied")), self.reloads_applied as f64),
                (Some(("result", "rejected")), self.reloads_rejected as f64),
            ],
        );
        self.metrics.clone() + &page.into_text()
    }
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::moment::tests::at;

    /// Due at ten, with an hour's patience.
    fn waiting() -> Status {
        Status {
            next_run: Some(at("2026-01-01T10:00:00Z")),
            ..Status::new(Duration::from_secs(3600))
        }
    }

    fn state(status: &Status, now: &str) -> (&'static str, Option<String>) {
        let health = status.health(at(now).counted);
        (health.state, health.trouble)
    }

    #[test]
    fn a_run_without_an_end_is_trouble_after_a_while() {
        let mut status = waiting();
        assert_eq!(state(&status, "2026-01-01T11:00:00Z"), ("idle", None));
        let (_, trouble) = state(&status, "2026-01-01T11:00:01Z");
        let says = "the run that was due at 2026-01-01T10:00:00Z has not begun within 1h (serve.overdue)";
        assert_eq!(trouble.as_deref(), Some(says));

        status.begin(at("2026-01-01T10:30:00Z"));
        assert_eq!(state(&status, "2026-01-01T11:30:00Z"), ("running", None));
        let (_, trouble) = state(&status, "2026-01-01T11:31:00Z");
        assert!(
            trouble
                .unwrap()
                .starts_with("the run that began at 2026-01-01T10:30:00Z has not ended"),
        );
        status.end(&Report::begin(), String::new(), None);
        assert_eq!(
            state(&status, "2026-01-01T12:00:00Z"),
            ("idle", None),
            "until it is due"
        );
    }

    #[test]
    fn a_clock_that_is_set_makes_no_trouble_and_hides_none() {
        let (begun, soon, late) = ("2026-01-01T10:00:00Z", "2026-01-01T10:50:00Z", "2026-01-01T11:01:00Z");
        // As it was shown before the clock was put forward, and before it was put back.
        for shown in ["1999-01-01T00:00:00Z", "2036-01-01T00:00:00Z"] {
            let moment = Moment {
                shown: shown.parse().unwrap(),
                ..at(begun)
            };
            let mut status = waiting();
            for is_running in [false, true] {
                match is_running {
                    true => status.begin(moment),
                    false => status.next_run = Some(moment),
                }
                assert_eq!(state(&status, soon).1, None, "{shown}");
                let (_, trouble) = state(&status, late);
                assert!(trouble.is_some_and(|trouble| trouble.contains(shown)), "{shown}");
            }
        }
    }

    #[test]
    fn a_run_that_never_begins_is_counted_apart() {
        let mut status = waiting();
        status.waiting = true;
        assert_eq!(state(&status, "2026-01-01T10:30:00Z"), ("waiting", None));
        assert!(
            state(&status, "2026-01-01T11:30:00Z").1.is_some(),
            "it is due all the same"
        );
        status.miss();
        assert_eq!(state(&status, "2026-01-01T10:30:00Z").0, "idle");
        assert_eq!(status.ended(), 0);
        assert!(status.page().contains("\necr_keeper_runs_missed_total 1\n"));
    }

    #[test]
    fn who_stops_takes_no_more_traffic() {
        let mut status = waiting();
        status.stopping = true;
        let (state, trouble) = state(&status, "2026-01-01T09:00:00Z");
        assert_eq!((state, trouble.is_some()), ("stopping", true));
    }

    #[test]
    fn runs_are_counted_by_how_they_ended() {
        let mut status = waiting();
        let well = Report::begin();
        let stopped = Report {
            stopped_by: Some("SIGTERM"),
            ..Report::begin()
        };
        for report in [&well, &well, &stopped] {
            status.begin(at("2026-01-01T10:00:00Z"));
            assert!(status.page().contains("\necr_keeper_running 1\n"));
            status.end(report, "of_the_run 1\n".to_owned(), None);
        }
        let page = status.page();
        // Prometheus, "Exposition formats", text-based format.
        for line in [
            "of_the_run 1",
            "# TYPE ecr_keeper_runs_total counter",
            "ecr_keeper_runs_total{outcome=\"well\"} 2",
            "ecr_keeper_runs_total{outcome=\"failed\"} 0",
            "ecr_keeper_runs_total{outcome=\"stopped\"} 1",
            "ecr_keeper_running 0",
            "ecr_keeper_settings_valid 1",
            "ecr_keeper_settings_reloads_total{result=\"rejected\"} 0",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
        assert!(!page.contains("next_run"), "nobody has said when that is:\n{page}");
        assert!(
            waiting()
                .page()
                .contains("ecr_keeper_next_run_timestamp_seconds 1767261600\n")
        );
    }
}
