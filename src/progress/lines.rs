use std::io::{self, Write};

use tokio::sync::mpsc::UnboundedReceiver;

use crate::events::{Event, How};

pub(super) async fn show(mut events: UnboundedReceiver<Event>) {
    let mut count = Count::default();
    while let Some(event) = events.recv().await {
        if matches!(event, Event::Over) {
            return;
        }
        if let Some(line) = count.line(event) {
            // A log that cannot be written to is no reason to stop working.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
}

#[derive(Debug, Default)]
struct Count {
    due: usize,
    ended: usize,
}

impl Count {
    fn line(&mut self, event: Event) -> Option<String> {
        match event {
            Event::Opened(engine) => Some(format!("through {engine}")),
            Event::Listing { repositories } => Some(format!(
                "listing the images of {}",
                counted(repositories, "repository", "repositories")
            )),
            Event::Comparing { tags } => Some(format!("asking upstream for {}", counted(tags, "tag", "tags"))),
            Event::Planned { copies } => {
                self.due = copies;
                Some(match copies {
                    0 => "nothing to copy".to_owned(),
                    copies => format!("copying {}", counted(copies, "image", "images")),
                })
            }
            Event::Trouble(why) => Some(format!("failed — {why}")),
            Event::Began(_) | Event::Step(..) | Event::Over => None,
            Event::Ended(image, how) => {
                self.ended += 1;
                let (word, image, because) = (word(&how), image.in_registry(), because(&how));
                Some(format!("[{}/{}] {word} {image}{because}", self.ended, self.due))
            }
            Event::Stopping { by, hard } => Some(stopping(by, hard)),
        }
    }
}

pub(super) fn word(how: &How) -> &'static str {
    match how {
        How::Updated => "updated",
        How::Unneeded => "unchanged",
        How::Failed(_) => "failed",
        How::NotAttempted => "not attempted",
        How::CutOff => "cut off",
    }
}

pub(super) fn because(how: &How) -> String {
    match how {
        How::Failed(why) => format!(" — {why}"),
        How::Unneeded => " — the same image, packed again by a daemon".to_owned(),
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
