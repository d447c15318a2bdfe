//! One file for each verb: its options, and the recipe that carries it out.

pub mod apply;
pub mod config;
pub mod copy;
pub mod explain;
pub mod plan;
pub mod shell;
pub mod sync;

mod desk;
mod page;
mod signals;
mod watch;

use std::io::{self, Write};
use std::path::PathBuf;

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use self::page::Page;
use crate::progress::{Screen, View};
use crate::report::Failure;
use crate::settings::{Given, Settings, SettingsError};

/// What every command is given.
#[derive(Debug)]
pub struct Context {
    /// The settings file; none where there is none.
    pub file: Option<PathBuf>,
    /// What the environment and the flags say.
    pub given: Given,
    /// The shape of what is printed.
    pub output: Output,
    /// How progress is shown.
    pub view: View,
    /// Where progress and logs are shown.
    pub screen: Screen,
    /// Whether what is printed is coloured.
    pub color: ColorChoice,
    /// The columns of the terminal that text is printed on; none where it is printed elsewhere.
    pub width: Option<usize>,
    /// The file that a pipeline shows with its step.
    pub summary: Option<PathBuf>,
}

/// The shape of what is printed on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Why a command could not do its work at all; what failed on the way is in its report.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The settings cannot be used: exit code 2.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// What was given cannot be used: exit code 2.
    #[error("{}", .0.in_one_line())]
    Unusable(Failure),
    /// Something that everything else needs is missing: exit code 1.
    #[error("{}", .0.in_one_line())]
    Failed(Failure),
    /// The answer cannot be printed.
    #[error("write to standard output")]
    Output(#[from] io::Error),
}

/// A process's exit code: 0 all well; 1 something failed; 2 usage or settings; 130 and 143 stopped by a signal.
pub type ExitCode = u8;

impl Context {
    fn settings(&self) -> Result<Settings, SettingsError> {
        Settings::load(self.file.as_deref(), &self.given)
    }

    /// Prints an answer in the shape that was asked for.
    fn print<Answer: Serialize>(
        &self,
        answer: &Answer,
        text: impl FnOnce(&Answer, &mut Page<AutoStream<io::StdoutLock<'static>>>) -> io::Result<()>,
    ) -> io::Result<()> {
        let width = self.width.filter(|_| self.output == Output::Text);
        let mut out = Page::new(AutoStream::new(io::stdout().lock(), self.color), width);
        let printed = match self.output {
            Output::Text => text(answer, &mut out),
            Output::Json => serde_json::to_string_pretty(answer)
                .map_err(io::Error::from)
                .and_then(|json| writeln!(out, "{json}")),
        };
        match printed.and_then(|()| out.flush()) {
            // Whoever closed the pipe has read enough, and still wants the true exit code.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed,
        }
    }
}
