//! What is wrong with the settings.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::aws::AwsError;

/// One thing that is wrong with the settings, or that comes to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file, variable or flag that it is in.
    pub origin: String,
    /// The setting; empty where it is about all of it.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.is_empty() {
            true => write!(f, "{}: {}", self.origin, self.problem),
            false => write!(f, "{}: {}: {}", self.origin, self.key, self.problem),
        }
    }
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("read the settings file {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// What is kept at AWS cannot be read.
    #[error("read the settings {place}")]
    Unfetched {
        /// Where.
        place: String,
        /// Why not.
        #[source]
        source: AwsError,
    },
    /// The file is no YAML.
    #[error("read the settings file {}: {why}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where, and what is wrong there.
        why: String,
    },
    /// Values are wrong.
    #[error("{}", listed(.0))]
    Invalid(Vec<Mistake>),
}

fn listed(mistakes: &[Mistake]) -> String {
    let count = match mistakes.len() {
        1 => "the settings have a mistake:".to_owned(),
        many => format!("the settings have {many} mistakes:"),
    };
    mistakes
        .iter()
        .fold(count, |text, mistake| format!("{text}\n  {mistake}"))
}
