//! Shows what happens while it happens, on standard error: bars on a terminal, lines elsewhere, JSON, or nothing.

mod annotations;
mod bars;
mod dialect;
mod json;
mod lines;
mod terminal;

pub use dialect::Dialect;

use std::io::{self, IsTerminal, Write};

use indicatif::MultiProgress;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use crate::events::Event;
use crate::report::Report;

/// A way to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// One bar for each running image, and one for all.
    Bars,
    /// One line for each thing that ended, with the marks that a pipeline's log knows.
    Lines(Dialect),
    /// One JSON object a line for each event (`docs/progress.md`).
    Json,
    /// Nothing.
    None,
}

/// Standard error, shared by bars and logs so that neither writes over the other.
#[derive(Debug, Clone, Default)]
pub struct Screen(MultiProgress);

impl View {
    /// Bars where a person watches, lines where a log is kept.
    pub fn fitting(dialect: Dialect) -> Self {
        // A terminal that cannot move its cursor says so.
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        match io::stderr().is_terminal() && !dumb {
            true => Self::Bars,
            false => Self::Lines(dialect),
        }
    }

    /// Shows events until they are over.
    pub fn watch(self, screen: &Screen, mut events: UnboundedReceiver<Event>) -> JoinHandle<()> {
        let screen = screen.clone();
        tokio::spawn(async move {
            match self {
                Self::Bars => bars::show(&screen.0, events).await,
                Self::Lines(dialect) => lines::show(dialect, events).await,
                Self::Json => json::show(events).await,
                Self::None => while !matches!(events.recv().await, None | Some(Event::Over)) {},
            }
        })
    }

    /// Once all is over: marks what failed for a pipeline that shows such marks beside the log.
    pub fn annotate(self, report: &Report) {
        if self == Self::Lines(Dialect::GitHub) {
            for line in annotations::of(report) {
                // As with every line of progress: nobody who reads, nothing lost.
                let _ = writeln!(io::stderr(), "{line}");
            }
        }
    }
}

impl Write for Screen {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(text))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
