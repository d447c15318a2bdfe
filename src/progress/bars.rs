use std::collections::HashMap;
use std::fmt;
use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;

use super::lines::{because, counted, stopping, word};
use super::terminal::Terminal;
use crate::events::{Bytes, CopyStep, Event, How};
use crate::image::ImageRef;
use crate::report::{one_line, wrapped};

const TICK: Duration = Duration::from_millis(120);
/// How often the bars are drawn in a second at most.
const DRAWINGS: u8 = 20;

pub(super) async fn show(screen: &MultiProgress, mut events: UnboundedReceiver<Event>) {
    // Elsewhere nothing is drawn, which indicatif sees to.
    if io::stderr().is_terminal() {
        let terminal = Box::new(Terminal::new(io::stderr(), size));
        screen.set_draw_target(ProgressDrawTarget::term_like_with_hz(terminal, DRAWINGS));
    }
    let overall = screen.add(ProgressBar::no_length().with_style(style("{spinner} {wide_msg}")));
    overall.enable_steady_tick(TICK);
    overall.set_message("connecting");
    let mut bars = Bars {
        screen,
        overall,
        running: HashMap::new(),
    };
    while let Some(event) = events.recv().await {
        if matches!(event, Event::Over) {
            break;
        }
        bars.show(event);
    }
    for bar in bars.running.values() {
        bar.finish_and_clear();
    }
    bars.overall.finish_and_clear();
}

struct Bars<'a> {
    screen: &'a MultiProgress,
    overall: ProgressBar,
    running: HashMap<ImageRef, ProgressBar>,
}

/// The templates are constants of this file; a mistake in one falls back to indicatif's own.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

impl Bars<'_> {
    fn show(&mut self, event: Event) {
        match event {
            Event::Waiting(why) => self.say(&format!("waiting: {why}")),
            Event::Taking(queue) => {
                self.overall
                    .set_message(format!("taking images from {}", one_line(&queue)));
            }
            Event::Opened(engine) => self.overall.set_message(format!("through {}", one_line(&engine))),
            Event::Listing { repositories } => {
                let what = counted(repositories, "repository", "repositories");
                self.overall.set_message(format!("listing the images of {what}"));
            }
            Event::Comparing { tags } => {
                self.overall
                    .set_message(format!("asking upstream for {}", counted(tags, "tag", "tags")));
            }
            Event::Planned { copies } => {
                self.overall.set_length(copies as u64);
                self.overall
                    .set_style(style("{spinner} {pos}/{len} images [{bar:20}] {elapsed}"));
            }
            Event::Created(repository) => self.say(&format!("created {}", repository.path)),
            Event::Began(image) => {
                let bar = self.screen.insert_before(&self.overall, ProgressBar::no_length());
                bar.set_style(style("  {prefix} {image}").with_key("image", named(PLAIN, &image)));
                bar.set_prefix(verb("pulling"));
                bar.enable_steady_tick(TICK);
                self.running.insert(image, bar);
            }
            Event::Step(image, step) => {
                if let Some(bar) = self.running.get(&image) {
                    advance(bar, &image, step);
                }
            }
            Event::Ended(image, how) => self.end(&image, &how),
            Event::Stopping { by, hard } => self.say(&stopping(by, hard)),
            Event::Trouble(why) => self.say(&format!("failed — {}", one_line(&why))),
            Event::Over => {}
        }
    }

    fn end(&mut self, image: &ImageRef, how: &How) {
        if let Some(bar) = self.running.remove(image) {
            bar.finish_and_clear();
            self.screen.remove(&bar);
        }
        self.overall.inc(1);
        if matches!(how, How::Failed(_)) {
            self.say(&format!("{} {}{}", word(how), image.in_registry(), because(how)));
        }
    }

    fn say(&self, line: &str) {
        // A screen that cannot be written to is no reason to stop working.
        let _ = self.screen.println(wrapped(line, columns(), 2));
    }
}

fn advance(bar: &ProgressBar, image: &ImageRef, step: CopyStep) {
    let transfer = |word: &str, Bytes { done, total }| {
        let style = style("  {prefix} [{bar:12}] {bytes:>11}/{total_bytes:11} {image}");
        bar.set_style(style.with_key("image", named(TRANSFER, image)));
        bar.set_prefix(verb(word));
        bar.set_length(total);
        bar.set_position(done);
    };
    match step {
        CopyStep::Pulled(bytes) => transfer("pulling", bytes),
        CopyStep::Pushed(bytes) => transfer("pushing", bytes),
        CopyStep::Copied(bytes) => transfer("copying", bytes),
        CopyStep::AlreadyThere => bar.set_prefix(verb("there")),
        CopyStep::Checking => bar.set_prefix(verb("checking")),
    }
}

/// As wide as the longest of them, so that what follows stands in one column.
fn verb(word: &str) -> String {
    format!("{word:8}")
}

/// The columns that the two kinds of a running image's line have before its name.
const PLAIN: usize = 11;
const TRANSFER: usize = 50;

/// The terminal's columns and rows; one that does not say is a VT100.
fn size() -> (u16, u16) {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map_or((80, 24), |(width, height)| (width.0, height.0))
}

/// The terminal's width; where there is none, nothing is too long.
fn columns() -> usize {
    let size = terminal_size::terminal_size_of(std::io::stderr());
    size.map_or(usize::MAX, |(width, _)| width.0.into())
}

/// Draws an image's name in what a line has left behind its first `before` columns.
fn named(
    before: usize,
    image: &ImageRef,
) -> impl Fn(&ProgressState, &mut dyn fmt::Write) + Clone + Send + Sync + 'static {
    let name = image.in_registry();
    move |_, line| {
        // Asked each time it is drawn: windows change. Where it cannot be drawn there is nothing to be done about it.
        let _ = line.write_str(&end_of(&name, columns().saturating_sub(before)));
    }
}

/// A name that is too long loses its beginning: indicatif would cut off the end, which is the tag.
fn end_of(name: &str, room: usize) -> String {
    let length = name.chars().count();
    if length <= room {
        return name.to_owned();
    }
    let kept = room.saturating_sub(1);
    std::iter::once('…').chain(name.chars().skip(length - kept)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_too_long_keeps_its_tag() {
        let name = "base/image/grafana/grafana:11.0";
        assert_eq!(end_of(name, 31), name);
        assert_eq!(end_of(name, 14), "…/grafana:11.0");
        assert_eq!(end_of(name, 0), "…");
    }
}
