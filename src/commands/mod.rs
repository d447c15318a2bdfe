//! One file for each verb: its options, and the recipe that carries it out.

pub mod config;
pub mod plan;
pub mod sync;

mod desk;
mod signals;
mod watch;

use std::io::{self, Write};
use std::path::PathBuf;

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use crate::progress::{Screen, View};
use crate::report::Failure;
use crate::settings::{Given, Mistake, Settings, SettingsError};

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
    /// The settings, and the keyword that most commands need.
    fn settings_with_keyword(&self) -> Result<(Settings, String), SettingsError> {
        let settings = Settings::load(self.file.as_deref(), &self.given)?;
        match settings.keyword.clone() {
            Some(keyword) => Ok((settings, keyword)),
            None => Err(SettingsError::Invalid(vec![Mistake {
                origin: match &self.file {
                    Some(file) => file.display().to_string(),
                    None => "no settings file".to_owned(),
                },
                key: "keyword".to_owned(),
                problem: "is not set; name a part of the repositories' names there, or in KEYWORD".to_owned(),
            }])),
        }
    }

    /// Prints an answer in the shape that was asked for.
    fn print<Answer: Serialize>(
        &self,
        answer: &Answer,
        text: impl FnOnce(&Answer, &mut AutoStream<io::StdoutLock<'static>>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut out = AutoStream::new(io::stdout().lock(), self.color);
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
