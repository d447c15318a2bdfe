//! What people read in a chat, whichever it is: what was updated, what failed, how many, when.

use super::fit::cut;
use crate::image::ImageRef;
use crate::report::{ImageReport, Outcome, Report};

/// The words around what happened, and when there is a message at all.
#[derive(Debug, Clone)]
pub struct Chat {
    /// The title.
    pub header: String,
    /// What stands before the images that were updated.
    pub subject: String,
    /// What stands before what failed.
    pub error_subject: String,
    /// When something is posted.
    pub when: Occasion,
}

/// When something is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// When not all is well.
    Unwell,
    /// When something was updated, too.
    Changed,
    /// After each run.
    Always,
}

/// A report as a chat tells it.
#[derive(Debug)]
pub(super) struct Story<'a> {
    pub(super) header: &'a str,
    pub(super) parts: Vec<Part<'a>>,
    /// How many, and when.
    pub(super) end: String,
}

/// Lines of one kind.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) subject: &'a str,
    pub(super) lines: Vec<Line>,
    /// How many lines more there would be.
    pub(super) left_out: usize,
}

/// One image, or one failure that is no image's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) mark: &'static str,
    /// The image; of one that was updated its upstream, then its own name.
    pub(super) names: Vec<String>,
    pub(super) why: Option<String>,
}

/// Who has more than these in a chat does not read them: the others are counted.
pub(super) const MOST_LINES: usize = 500;
/// The longest reason, in UTF-16 units.
const LONGEST_REASON: usize = 600;

impl Chat {
    /// The most characters of a header: Slack's limit (Block Kit, "Header block").
    pub const LONGEST_HEADER: usize = 150;
    /// The most characters of what stands before a list: less than any chat's limit.
    pub const LONGEST_SUBJECT: usize = 1000;

    /// What there is to tell of a report; none where nobody wants to be told. What failed comes first.
    pub(super) fn story<'a>(&'a self, report: &Report) -> Option<Story<'a>> {
        let is_changed = report.ended(&[Outcome::Updated]).next().is_some();
        let is_told = match self.when {
            Occasion::Unwell => !report.ended_well(),
            Occasion::Changed => is_changed || !report.ended_well(),
            Occasion::Always => true,
        };
        if !is_told {
            return None;
        }
        let updated = |image: &ImageReport| Line {
            mark: "✅",
            names: vec![image.upstream.to_string(), report.name_of(&image.target)],
            why: None,
        };
        let name = |image: &ImageRef| report.name_of(image);
        let failed = Part::of(&self.error_subject, unwell(report, "❌", name), MOST_LINES);
        let room = MOST_LINES - failed.lines.len();
        let updated = Part::of(&self.subject, report.ended(&[Outcome::Updated]).map(updated), room);
        let parts = [failed, updated].into_iter();
        Some(Story {
            header: &self.header,
            parts: parts.filter(|part| !part.is_empty()).collect(),
            end: end(report),
        })
    }
}

/// How many, of which part of the images, and when.
fn end(report: &Report) -> String {
    let part = report
        .shard
        .map(|shard| format!(" · shard {shard}"))
        .unwrap_or_default();
    let at = report.ended.strftime("%Y-%m-%d %H:%M:%S UTC");
    format!("{}{part} · {at}", report.counted())
}

/// What did not go well: that the run was stopped, what failed that is no image's, then images.
pub(super) fn unwell(
    report: &Report,
    mark: &'static str,
    name: impl Fn(&ImageRef) -> String,
) -> impl Iterator<Item = Line> {
    let line = move |names, why: &str| Line {
        mark,
        names,
        why: Some(cut(why, LONGEST_REASON)),
    };
    let stop = report
        .stopped_by
        .map(|by| line(Vec::new(), &format!("stopped by {by}")));
    let of_run = report
        .failures
        .iter()
        .map(move |failure| line(Vec::new(), &failure.in_one_line()));
    let of_images = report.ended(Outcome::UNWELL);
    let of_images = of_images.map(move |image| line(vec![name(&image.target)], &image.why()));
    stop.into_iter().chain(of_run).chain(of_images)
}

impl Line {
    /// Names and reason on one line, each written as the chat wants it.
    pub(super) fn told(&self, name: impl Fn(&str) -> String, why: impl Fn(&str) -> String) -> String {
        let names: Vec<String> = self.names.iter().map(|one| name(one)).collect();
        let names = (!names.is_empty()).then(|| names.join(" → "));
        let words: Vec<String> = names.into_iter().chain(self.why.as_deref().map(why)).collect();
        format!("{} {}", self.mark, words.join(" — "))
    }
}

impl<'a> Part<'a> {
    pub(super) fn of(subject: &'a str, mut lines: impl Iterator<Item = Line>, most: usize) -> Self {
        Self {
            subject,
            lines: lines.by_ref().take(most).collect(),
            left_out: lines.count(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.left_out == 0
    }

    /// What is said of lines that are left out.
    pub(super) fn rest(&self) -> Option<String> {
        let more = (self.left_out > 0).then_some(self.left_out);
        more.map(|more| format!("and {more} more, which the result files (result.json) have"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Failure;

    fn chat(when: Occasion) -> Chat {
        Chat {
            header: "h".to_owned(),
            subject: "s".to_owned(),
            error_subject: "e".to_owned(),
            when,
        }
    }

    #[test]
    fn a_run_is_told_when_that_is_wanted() {
        let (unwell, idle) = (Report::sample(), Report::begin());
        let mut updated = Report::sample();
        updated.failures.clear();
        updated.images.retain(|image| image.failure.is_none());
        let is_told = |when, report: &Report| chat(when).story(report).is_some();
        assert_eq!(
            [&unwell, &updated, &idle].map(|it| is_told(Occasion::Unwell, it)),
            [true, false, false]
        );
        assert_eq!(
            [&unwell, &updated, &idle].map(|it| is_told(Occasion::Changed, it)),
            [true, true, false]
        );
        assert_eq!(
            [&unwell, &updated, &idle].map(|it| is_told(Occasion::Always, it)),
            [true, true, true]
        );
    }

    #[test]
    fn a_part_of_a_run_says_which_one_it_is() {
        let mut report = Report::sample();
        let chat = chat(Occasion::Always);
        let end = |report: &Report| chat.story(report).unwrap().end;
        assert!(!end(&report).contains("shard"));
        report.shard = "2/5".parse().ok();
        assert!(end(&report).contains(" · shard 2/5 · 20"), "{}", end(&report));
    }

    #[test]
    fn a_run_that_was_stopped_is_told_although_nothing_failed() {
        let mut report = Report::begin();
        report.stopped_by = Some("SIGTERM");
        for when in [Occasion::Unwell, Occasion::Changed, Occasion::Always] {
            let chat = chat(when);
            let story = chat.story(&report).unwrap();
            let lines: Vec<_> = story.parts.iter().flat_map(|part| &part.lines).collect();
            let [line] = lines[..] else { panic!("{lines:?}") };
            assert_eq!(line.why.as_deref(), Some("stopped by SIGTERM"));
        }
    }

    #[test]
    fn what_failed_comes_first_and_what_is_current_is_counted() {
        let (chat, report) = (chat(Occasion::Changed), Report::sample());
        let story = chat.story(&report).unwrap();
        let subjects: Vec<&str> = story.parts.iter().map(|part| part.subject).collect();
        assert_eq!(subjects, ["e", "s"]);
        assert_eq!(
            story.parts[1].lines[0].names,
            ["docker.io/grafana/grafana:11.0", "base/image/grafana/grafana:11.0"]
        );
        assert!(
            story
                .end
                .starts_with("1 updated, 1 unchanged, 1 failed, 1 other failure · 20"),
            "{}",
            story.end
        );
    }

    #[test]
    fn what_is_too_much_for_a_chat_is_counted() {
        let mut report = Report::sample();
        let failure = Failure::stopped(&"long ".repeat(1000));
        report.failures = vec![failure; 499];
        let updated = report.images[1].clone();
        report.images.extend(vec![updated; 7]);
        let chat = chat(Occasion::Changed);
        let [failed, updated] = <[Part; 2]>::try_from(chat.story(&report).unwrap().parts).unwrap();
        assert_eq!((failed.lines.len(), failed.rest()), (500, None));
        assert_eq!((updated.lines.len(), updated.left_out), (0, 8));
        assert_eq!(
            updated.rest().unwrap(),
            "and 8 more, which the result files (result.json) have"
        );
        assert!(failed.lines[0].why.as_ref().unwrap().ends_with('…'));
    }
}
