//! One file for each verb: its options, and the recipe that carries it out.

pub mod apply;
pub mod config;
pub mod copy;
pub mod explain;
pub mod images;
pub mod import;
pub mod login;
pub mod manage;
pub mod notify;
pub mod plan;
pub mod prune;
pub mod repositories;
pub mod rollback;
pub mod rules;
pub mod serve;
pub mod shell;
pub mod sync;
pub mod tags;
pub(crate) mod teller;
pub(crate) mod tokens;
pub mod usage;
pub mod work;

mod ask;
mod desk;
mod elsewhere;
mod guard;
mod in_use;
mod input;
mod listing;
mod page;
mod signals;
mod watch;
mod which;

use std::io::{self, Write};
use std::path::PathBuf;

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

pub(crate) use self::desk::Range;
use self::page::Page;
use self::signals::Asked;
pub(crate) use self::watch::Watch;
use crate::progress::{Screen, View};
use crate::report::{Failure, Report};
use crate::settings::{Given, Settings, SettingsError};

/// What every command is given.
#[derive(Debug)]
pub struct Context {
    /// The settings file, or the other place where that is kept; none where there is none.
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
    /// A table; of usage alone.
    Csv,
    /// For pages that take Markdown; of usage alone.
    Markdown,
    /// A page; of usage alone.
    Html,
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
    /// Several things of what was given cannot be used: exit code 2.
    #[error("{}", .0.what)]
    Several(Several),
    /// Something that everything else needs is missing: exit code 1.
    #[error("{}", .0.in_one_line())]
    Failed(Failure),
    /// A signal asked it to stop before it had an answer: 128 and the signal's number.
    #[error("{}", .failure.in_one_line())]
    Stopped {
        /// What it was at.
        failure: Failure,
        /// The signal.
        by: &'static str,
        /// Its exit code.
        exit_code: ExitCode,
    },
    /// The answer cannot be printed.
    #[error("write to standard output")]
    Output(#[from] io::Error),
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Mistakes of one kind, which are told one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Several {
    /// What they are.
    pub what: String,
    /// Each of them.
    pub each: Vec<String>,
    /// What to do about all.
    pub hint: &'static str,
}

impl From<Several> for Failure {
    fn from(Several { what, each, hint }: Several) -> Self {
        Self {
            message: what,
            causes: each,
            hint: Some(hint.into()),
        }
    }
}

/// A process's exit code: 0 all well; 1 something failed; 2 usage or settings; 130 and 143 stopped by a signal.
pub type ExitCode = u8;

impl CommandError {
    /// Of a failure without which there would be an answer, and of the signal that may have brought it about.
    fn without_an_answer(failure: Failure, asked: Option<Asked>) -> Self {
        match asked {
            None => Self::Failed(failure),
            Some(Asked { name, exit_code }) => Self::Stopped {
                failure,
                by: name,
                exit_code,
            },
        }
    }

    /// The same where a signal may have brought it about.
    fn unless_asked(self, asked: Option<Asked>) -> Self {
        match self {
            Self::Failed(failure) => Self::without_an_answer(failure, asked),
            other => other,
        }
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Settings(_) | Self::Unusable(_) | Self::Several(_) => 2,
            Self::Failed(_) | Self::Output(_) => 1,
            Self::Stopped { exit_code, .. } => *exit_code,
        }
    }

    /// What there is to tell where JSON is asked for: the report of a run that came to nothing, whichever command it was. None
    /// where nothing can be printed.
    pub fn report(&self) -> Option<Report> {
        let mut report = Report::begin();
        match self {
            Self::Settings(SettingsError::Invalid(mistakes)) => {
                report.failures.extend(mistakes.iter().map(|mistake| Failure {
                    message: mistake.to_string(),
                    causes: Vec::new(),
                    hint: None,
                }));
            }
            Self::Settings(error) => report.failures.push(Failure::new(error, None)),
            Self::Several(Several { what, each, hint }) => {
                report.failures.extend(each.iter().map(|one| Failure {
                    message: what.clone(),
                    causes: vec![one.clone()],
                    hint: Some((*hint).into()),
                }));
            }
            Self::Unusable(failure) | Self::Failed(failure) => report.failures.push(failure.clone()),
            Self::Stopped { failure, by, .. } => {
                report.failures.push(failure.clone());
                report.stopped_by = Some(by);
            }
            Self::Output(_) => return None,
        }
        report.finish();
        Some(report)
    }
}

/// Prints an answer for programs.
pub fn print_json(answer: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_string_pretty(answer)?;
    unless_closed(writeln!(io::stdout().lock(), "{json}"))
}

/// Prints an answer for programs that read many, one a line.
fn print_json_line(answer: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_string(answer)?;
    unless_closed(writeln!(io::stdout().lock(), "{json}"))
}

/// Whoever closed the pipe has read enough, and still wants the true exit code.
fn unless_closed(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

impl Context {
    /// Where a setting is looked for that nobody says.
    fn source(&self) -> String {
        match &self.file {
            Some(file) => file.display().to_string(),
            None => "no settings file".to_owned(),
        }
    }

    async fn settings(&self) -> Result<Settings, SettingsError> {
        Settings::fetch(self.file.as_deref(), &self.given).await
    }

    /// The settings, but for what a saved plan says.
    async fn settings_for(&self, plan: Vec<(&'static str, String)>) -> Result<Settings, SettingsError> {
        let given = Given {
            plan,
            ..self.given.clone()
        };
        Settings::fetch(self.file.as_deref(), &given).await
    }

    /// Prints an answer in the shape that was asked for.
    fn print<Answer: Serialize>(
        &self,
        answer: &Answer,
        text: impl FnOnce(&Answer, &mut Page<AutoStream<io::StdoutLock<'static>>>) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.output == Output::Json {
            return print_json(answer);
        }
        let mut out = Page::new(AutoStream::new(io::stdout().lock(), self.color), self.width);
        unless_closed(text(answer, &mut out).and_then(|()| out.flush()))
    }
}
