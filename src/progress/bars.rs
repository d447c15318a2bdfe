use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;

use super::lines::{because, counted, stopping, word};
use crate::events::{Bytes, CopyStep, Event, How};
use crate::image::ImageRef;

const TICK: Duration = Duration::from_millis(120);

pub(super) async fn show(screen: &MultiProgress, mut events: UnboundedReceiver<Event>) {
    let overall = screen.add(ProgressBar::no_length().with_style(style("{spinner} {msg}")));
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
            Event::Opened(engine) => self.overall.set_message(format!("through {engine}")),
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
            Event::Began(image) => {
                let bar = self.screen.insert_before(&self.overall, ProgressBar::no_length());
                bar.set_style(style("  {prefix} {msg}"));
                bar.set_prefix(image.in_registry());
                bar.set_message("pulling");
                bar.enable_steady_tick(TICK);
                self.running.insert(image, bar);
            }
            Event::Step(image, step) => {
                if let Some(bar) = self.running.get(&image) {
                    advance(bar, step);
                }
            }
            Event::Ended(image, how) => self.end(&image, &how),
            Event::Stopping { by, hard } => self.say(&stopping(by, hard)),
            Event::Trouble(why) => self.say(&format!("failed — {why}")),
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
        let _ = self.screen.println(line);
    }
}

fn advance(bar: &ProgressBar, step: CopyStep) {
    let transfer = |word: &'static str, Bytes { done, total }| {
        bar.set_style(style("  {prefix} {msg} [{bar:20}] {bytes}/{total_bytes}"));
        bar.set_message(word);
        bar.set_length(total);
        bar.set_position(done);
    };
    match step {
        CopyStep::Pulled(bytes) => transfer("pulling", bytes),
        CopyStep::Pushed(bytes) => transfer("pushing", bytes),
        CopyStep::AlreadyThere => bar.set_message("already there"),
        CopyStep::Checking => bar.set_message("checking"),
    }
}
