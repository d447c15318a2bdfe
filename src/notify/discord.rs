//! Discord's messages.

use serde_json::{Value, json};

use super::chat::{Line, MOST_LINES, Part, unwell};
use super::fit::headed;
use crate::image::ImageRef;
use crate::report::{Outcome, Report};

/// Discord's limit for a message's content (Discord API, "Create Message").
const MESSAGE_LIMIT: usize = 2000;

/// One list each of updated, unchanged and failed images; an empty one is told where `send_empty` says so. Where there are more lines
/// than anybody reads, those of what failed are kept first, then those of what was updated.
pub(super) fn messages(report: &Report, send_empty: bool) -> Vec<Value> {
    let of_shard = report
        .shard
        .map(|shard| format!(" (shard {shard})"))
        .unwrap_or_default();
    let [updates, unchanges, failures] =
        ["Updated images!", "Images not updated!", "Failed images!"].map(|head| format!("{head}{of_shard}"));
    let list = |subject, outcomes, mark, most| {
        let lines = report.ended(outcomes).map(|image| Line {
            mark,
            names: vec![image.target.to_string()],
            why: None,
        });
        Part::of(subject, lines, most)
    };
    let failed = Part::of(&failures, unwell(report, ":x:", ImageRef::to_string), MOST_LINES);
    let room = MOST_LINES - failed.lines.len();
    let updated = list(&updates, &[Outcome::Updated], ":white_check_mark:", room);
    let room = room - updated.lines.len();
    let unchanged = list(&unchanges, &[Outcome::Unchanged], ":warning:", room);
    [updated, unchanged, failed]
        .iter()
        .filter(|part| send_empty || !part.is_empty())
        .flat_map(texts)
        .map(|content| json!({ "content": content, "allowed_mentions": { "parse": [] } }))
        .collect()
}

fn texts(part: &Part) -> Vec<String> {
    let lines = part.lines.iter().map(|line| line.told(str::to_owned, str::to_owned));
    headed(part.subject, lines.chain(part.rest()), MESSAGE_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(report: &Report) -> Vec<String> {
        let content = |message: &Value| message["content"].as_str().unwrap().to_owned();
        messages(report, false).iter().map(content).collect()
    }

    #[test]
    fn a_part_of_a_run_says_which_one_it_is() {
        let mut report = Report::sample();
        report.shard = "2/5".parse().ok();
        let contents = contents(&report);
        assert!(
            contents.iter().all(|text| text.contains("! (shard 2/5)")),
            "{contents:?}"
        );
    }

    #[test]
    fn more_lines_than_anybody_reads_are_counted() {
        let mut report = Report::sample();
        let of = |outcome| {
            report
                .images
                .iter()
                .find(|image| image.outcome == outcome)
                .unwrap()
                .clone()
        };
        let (updated, unchanged) = (of(Outcome::Updated), of(Outcome::Unchanged));
        report.images.extend(vec![updated; 400]);
        report.images.extend(vec![unchanged; 400]);
        let all = contents(&report).join("\n");
        let lines = |mark: &str| all.lines().filter(|line| line.starts_with(mark)).count();
        // One image that failed, and what the sample says of itself.
        assert_eq!(
            (lines(":x:"), lines(":white_check_mark:"), lines(":warning:")),
            (2, 401, 97)
        );
        assert!(
            all.contains("\nand 304 more, which the result files (result.json) have"),
            "{all}"
        );
    }

    #[test]
    fn each_of_several_messages_of_a_list_has_its_head() {
        let mut report = Report::sample();
        let updated = report.images[1].clone();
        report.images = vec![updated; 100];
        report.failures.clear();
        let contents = contents(&report);
        let of = contents.len();
        assert!(of > 1);
        for (at, content) in contents.iter().enumerate() {
            assert!(
                content.starts_with(&format!("Updated images! ({} of {of})\n", at + 1)),
                "{content}"
            );
            assert!(content.encode_utf16().count() <= 2000);
        }
    }

    #[test]
    fn a_stop_is_told_with_what_failed() {
        let mut report = Report::begin();
        report.stopped_by = Some("SIGTERM");
        assert_eq!(contents(&report), ["Failed images!\n:x: stopped by SIGTERM"]);
    }
}
