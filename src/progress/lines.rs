use std::io::{self, Write};

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;

use super::dialect::{Dialect, Section};
use crate::events::{Event, How};
use crate::report::one_line;

pub(super) async fn show(dialect: Dialect, mut events: UnboundedReceiver<Event>) {
    let mut log = Log::new(dialect);
    while let Some(event) = events.recv().await {
        let over = matches!(event, Event::Over);
        for line in log.lines(event, Timestamp::now()) {
            // A log that cannot be written to is no reason to stop working.
            let _ = writeln!(io::stderr(), "{line}");
        }
        if over {
            return;
        }
    }
}

#[derive(Debug)]
struct Log {
    dialect: Dialect,
    open: Option<Section>,
    due: usize,
    ended: usize,
}

impl Log {
    fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            open: None,
            due: 0,
            ended: 0,
        }
    }

    fn lines(&mut self, event: Event, at: Timestamp) -> Vec<String> {
        match event {
            Event::Waiting(why) => vec![format!("waiting: {why}")],
            Event::Taking(queue) => vec![format!("taking images from {}", one_line(&queue))],
            Event::Opened(engine) => vec![format!("through {}", one_line(&engine))],
            Event::Listing { repositories } => {
                let what = counted(repositories, "repository", "repositories");
                self.begin(Section::Survey, &format!("listing the images of {what}"), at)
            }
            Event::Comparing { tags } => vec![format!("asking upstream for {}", counted(tags, "tag", "tags"))],
            Event::Planned { copies: 0 } => self.outside("nothing to copy".to_owned(), at),
            Event::Planned { copies } => {
                self.due = copies;
                let title = format!("copying {}", counted(copies, "image", "images"));
                self.begin(Section::Copy, &title, at)
            }
            Event::Created(repository) => vec![format!("created {}", repository.path)],
            // What a person must see may not be folded away.
            Event::Trouble(why) => self.outside(format!("failed — {}", one_line(&why)), at),
            Event::Began(_) | Event::Step(..) => Vec::new(),
            Event::Ended(image, how) => vec![self.ended(&image.in_registry(), &how)],
            Event::Stopping { by, hard } => vec![stopping(by, hard)],
            Event::Over => self.end(at),
        }
    }

    fn begin(&mut self, section: Section, title: &str, at: Timestamp) -> Vec<String> {
        let mut lines = self.end(at);
        lines.push(self.dialect.begin(section, title, at));
        self.open = Some(section);
        lines
    }

    fn end(&mut self, at: Timestamp) -> Vec<String> {
        let ended = self.open.take().and_then(|section| self.dialect.end(section, at));
        ended.into_iter().collect()
    }

    fn outside(&mut self, line: String, at: Timestamp) -> Vec<String> {
        let mut lines = self.end(at);
        lines.push(line);
        lines
    }

    fn ended(&mut self, image: &str, how: &How) -> String {
        self.ended += 1;
        let (word, because) = (word(how), because(how));
        // A run that was stopped before it planned has no number that are due, and nobody knows one of a queue.
        match self.due {
            0 => format!("{word} {image}{because}"),
            due => format!("[{}/{due}] {word} {image}{because}", self.ended),
        }
    }
}

pub(super) fn word(how: &How) -> &'static str {
    match how {
        How::Updated => "updated",
        How::Unneeded(_) => "unchanged",
        How::Failed(_) => "failed",
        How::NotAttempted => "not attempted",
        How::CutOff => "cut off",
    }
}

pub(super) fn because(how: &How) -> String {
    match how {
        How::Failed(why) | How::Unneeded(why) => format!(" — {}", one_line(why)),
        How::Updated | How::NotAttempted | How::CutOff => String::new(),
    }
}

pub(super) fn stopping(by: &str, hard: bool) -> String {
    match hard {
        true => format!("{by}: cutting off what runs"),
        false => format!("{by}: beginning nothing new, letting what runs finish; once more cuts it off"),
    }
}

pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One run in which one image fails.
    fn told(dialect: Dialect) -> Vec<String> {
        let mut log = Log::new(dialect);
        let image = "ecr.example/base/image/app:1".parse().unwrap();
        let at = Timestamp::from_second(1_560_896_352).unwrap();
        let failed = How::Failed("pull: 50%\n::error::not ours".to_owned());
        [
            Event::Opened("Docker 20.10.24".to_owned()),
            Event::Listing { repositories: 1 },
            Event::Comparing { tags: 2 },
            Event::Planned { copies: 1 },
            Event::Ended(image, failed),
            Event::Over,
        ]
        .into_iter()
        .flat_map(|event| log.lines(event, at))
        .collect()
    }

    #[test]
    fn plain_lines_have_no_marks() {
        assert_eq!(
            told(Dialect::Plain),
            [
                "through Docker 20.10.24",
                "listing the images of 1 repository",
                "asking upstream for 2 tags",
                "copying 1 image",
                "[1/1] failed base/image/app:1 — pull: 50% ::error::not ours",
            ]
        );
    }

    /// The markers as GitLab's documentation has them: "CI/CD job logs", "Custom collapsible sections".
    #[test]
    fn gitlab_folds_the_survey_and_the_copies() {
        assert_eq!(
            told(Dialect::GitLab),
            [
                "through Docker 20.10.24",
                "\u{1b}[0Ksection_start:1560896352:ecr_keeper_survey[collapsed=true]\r\u{1b}[0Klisting the images of 1 repository",
                "asking upstream for 2 tags",
                "\u{1b}[0Ksection_end:1560896352:ecr_keeper_survey\r\u{1b}[0K",
                "\u{1b}[0Ksection_start:1560896352:ecr_keeper_copy\r\u{1b}[0Kcopying 1 image",
                "[1/1] failed base/image/app:1 — pull: 50% ::error::not ours",
                "\u{1b}[0Ksection_end:1560896352:ecr_keeper_copy\r\u{1b}[0K",
            ]
        );
    }

    #[test]
    fn github_groups_them() {
        assert_eq!(
            told(Dialect::GitHub),
            [
                "through Docker 20.10.24",
                "::group::listing the images of 1 repository",
                "asking upstream for 2 tags",
                "::endgroup::",
                "::group::copying 1 image",
                "[1/1] failed base/image/app:1 — pull: 50% ::error::not ours",
                "::endgroup::",
            ]
        );
    }

    #[test]
    fn trouble_is_never_folded_away() {
        let mut log = Log::new(Dialect::GitHub);
        let at = Timestamp::UNIX_EPOCH;
        log.lines(Event::Listing { repositories: 1 }, at);
        let told = log.lines(Event::Trouble("no".to_owned()), at);
        assert_eq!(told, ["::endgroup::", "failed — no"]);
        assert_eq!(log.lines(Event::Over, at), [""; 0]);
    }
}
