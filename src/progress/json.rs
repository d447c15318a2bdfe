use std::collections::HashMap;
use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::events::{CopyStep, Event, How};
use crate::image::{ImageRef, Repository};
use crate::report::Outcome;

/// The version of the lines (`docs/progress.md`): raised when a field changes its meaning or goes, not when one comes.
const SCHEMA_VERSION: u32 = 1;

/// How often one image's bytes are told.
const STEP: SignedDuration = SignedDuration::from_millis(500);

pub(super) async fn show(mut events: UnboundedReceiver<Event>) {
    let mut told = Told::default();
    print(&line(Timestamp::now(), &Said::BEGAN));
    while let Some(event) = events.recv().await {
        if matches!(event, Event::Over) {
            return;
        }
        if let Some(text) = told.line(&event, Timestamp::now()) {
            print(&text);
        }
    }
}

/// In one piece, so that no log line comes between.
fn print(line: &str) {
    // Progress that cannot be written is no reason to stop working.
    let _ = io::stderr().write_all(line.as_bytes());
}

#[derive(Serialize)]
struct Line<'a> {
    time: Timestamp,
    #[serde(flatten)]
    said: &'a Said<'a>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Said<'a> {
    Hello {
        schema_version: u32,
        version: &'static str,
    },
    Waiting {
        reason: &'a str,
    },
    Taking {
        queue: &'a str,
    },
    Opened {
        engine: &'a str,
    },
    Listing {
        repositories: usize,
    },
    Comparing {
        tags: usize,
    },
    Planned {
        copies: usize,
    },
    Created {
        repository: &'a Repository,
    },
    Began {
        target: &'a ImageRef,
    },
    Step {
        target: &'a ImageRef,
        step: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        done: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    Ended {
        target: &'a ImageRef,
        outcome: Outcome,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    Stopping {
        by: &'static str,
        hard: bool,
    },
    Trouble {
        message: &'a str,
    },
}

impl Said<'_> {
    const BEGAN: Self = Self::Hello {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION"),
    };
}

fn line(time: Timestamp, said: &Said<'_>) -> String {
    let json = serde_json::to_string(&Line { time, said });
    // Names, numbers and texts have no way to fail.
    json.map(|json| json + "\n").unwrap_or_default()
}

/// Which step of each running image was told last, and when.
#[derive(Debug, Default)]
struct Told(HashMap<ImageRef, (&'static str, Timestamp)>);

impl Told {
    fn line(&mut self, event: &Event, now: Timestamp) -> Option<String> {
        let said = match event {
            Event::Waiting(reason) => Said::Waiting { reason },
            Event::Taking(queue) => Said::Taking { queue },
            Event::Opened(engine) => Said::Opened { engine },
            Event::Listing { repositories } => Said::Listing {
                repositories: *repositories,
            },
            Event::Comparing { tags } => Said::Comparing { tags: *tags },
            Event::Planned { copies } => Said::Planned { copies: *copies },
            Event::Created(repository) => Said::Created { repository },
            Event::Began(target) => Said::Began { target },
            Event::Step(target, step) => self.step(target, *step, now)?,
            Event::Ended(target, how) => {
                self.0.remove(target);
                ended(target, how)
            }
            Event::Stopping { by, hard } => Said::Stopping { by, hard: *hard },
            Event::Trouble(message) => Said::Trouble { message },
            Event::Over => return None,
        };
        Some(line(now, &said))
    }

    fn step<'a>(&mut self, target: &'a ImageRef, step: CopyStep, now: Timestamp) -> Option<Said<'a>> {
        let (step, bytes) = match step {
            CopyStep::Pulled(bytes) => ("pulling", Some(bytes)),
            CopyStep::AlreadyThere => ("already-there", None),
            CopyStep::Pushed(bytes) => ("pushing", Some(bytes)),
            CopyStep::Copied(bytes) => ("copying", Some(bytes)),
            CopyStep::Checking => ("checking", None),
        };
        let again = self
            .0
            .get(target)
            .is_some_and(|(last, at)| *last == step && now.duration_since(*at).abs() < STEP);
        if again {
            return None;
        }
        self.0.insert(target.clone(), (step, now));
        Some(Said::Step {
            target,
            step,
            done: bytes.map(|bytes| bytes.done),
            total: bytes.map(|bytes| bytes.total),
        })
    }
}

fn ended<'a>(target: &'a ImageRef, how: &'a How) -> Said<'a> {
    let (outcome, reason) = match how {
        How::Updated => (Outcome::Updated, None),
        How::Unneeded(why) => (Outcome::Unchanged, Some(why.as_str())),
        How::Failed(why) => (Outcome::Failed, Some(why.as_str())),
        How::NotAttempted => (Outcome::NotAttempted, None),
        How::CutOff => (Outcome::NotAttempted, Some("cut off")),
    };
    Said::Ended {
        target,
        outcome,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Bytes;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_735_787_045_000 + milliseconds).unwrap()
    }

    fn image() -> ImageRef {
        "ecr.example/base/image/app:1".parse().unwrap()
    }

    /// docs/progress.md shows each of these lines.
    #[test]
    fn every_event_is_the_line_that_the_documentation_shows() {
        let bytes = Bytes { done: 1, total: 2 };
        let told: String = [
            Event::Waiting("another run holds ledger.json.lock".to_owned()),
            Event::Taking("https://sqs.eu-central-1.amazonaws.com/123456789012/images".to_owned()),
            Event::Opened("Docker 20.10.24".to_owned()),
            Event::Listing { repositories: 3 },
            Event::Comparing { tags: 42 },
            Event::Planned { copies: 1 },
            Event::Created(image().repository),
            Event::Began(image()),
            Event::Step(image(), CopyStep::Pulled(bytes)),
            Event::Ended(image(), How::Failed("push: denied".to_owned())),
            Event::Stopping {
                by: "SIGTERM",
                hard: false,
            },
            Event::Trouble("no daemon".to_owned()),
        ]
        .iter()
        .filter_map(|event| Told::default().line(event, at(0)))
        .collect();
        let first = line(at(0), &Said::BEGAN).replace(env!("CARGO_PKG_VERSION"), "0.1.0");
        let documented = include_str!("../../docs/progress.md");
        for line in first.lines().chain(told.lines()) {
            assert!(
                documented.lines().any(|shown| shown == line),
                "{line} is not documented"
            );
        }
    }

    #[test]
    fn bytes_are_told_twice_a_second_and_a_new_step_at_once() {
        let mut told = Told::default();
        let mut step = |milliseconds, step| told.line(&Event::Step(image(), step), at(milliseconds)).is_some();
        let bytes = |done| Bytes { done, total: 100 };
        assert!(step(0, CopyStep::Pulled(bytes(1))));
        assert!(!step(100, CopyStep::Pulled(bytes(2))));
        assert!(!step(499, CopyStep::Pulled(bytes(3))));
        assert!(step(500, CopyStep::Pulled(bytes(4))));
        assert!(step(501, CopyStep::Pushed(bytes(1))), "another step");
        assert!(!step(502, CopyStep::Pushed(bytes(100))));
        assert!(step(503, CopyStep::Checking), "which tells that the transfer is over");
    }

    #[test]
    fn an_end_has_the_report_s_words() {
        let target = image();
        let text = line(at(0), &ended(&target, &How::CutOff));
        assert!(
            text.contains(r#""outcome":"not-attempted","reason":"cut off""#),
            "{text}"
        );
    }
}
