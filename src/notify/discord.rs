//! Discord's messages.

use serde_json::{Value, json};

use super::fit::joined;
use crate::report::{Outcome, Report};

/// Discord's limit for a message's content (Discord API, "Create Message").
const MESSAGE_LIMIT: usize = 2000;

/// One list each of updated, unchanged and failed images; an empty one is told where `send_empty` says so.
pub(super) fn messages(report: &Report, send_empty: bool) -> Vec<Value> {
    let list = |outcomes, mark: &'static str| -> Vec<String> {
        report
            .ended(outcomes)
            .map(|image| format!("{mark} {}", image.target))
            .collect()
    };
    let mut failed: Vec<String> = report
        .failures
        .iter()
        .map(|failure| format!(":x: {}", failure.in_one_line()))
        .collect();
    let unwell: &[Outcome] = &[Outcome::Failed, Outcome::Refused, Outcome::NotAttempted];
    failed.extend(report.ended(unwell).map(|image| {
        let cause = image.failure.as_ref().map(|failure| failure.in_one_line());
        format!(":x: {} — {}", image.target, cause.unwrap_or_default())
    }));
    [
        ("Updated images!", list(&[Outcome::Updated], ":white_check_mark:")),
        ("Images not updated!", list(&[Outcome::Unchanged], ":warning:")),
        ("Failed images!", failed),
    ]
    .into_iter()
    .filter(|(_, lines)| send_empty || !lines.is_empty())
    .flat_map(|(head, lines)| joined([head.to_owned()].into_iter().chain(lines), MESSAGE_LIMIT))
    .map(|content| json!({ "content": content, "allowed_mentions": { "parse": [] } }))
    .collect()
}
