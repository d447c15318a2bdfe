//! What became of logins that Docker is to have.

use std::io::{self, Write};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::{Failure, SCHEMA_VERSION};

/// What `login` or `logout` did, registry by registry.
#[derive(Debug, Clone, Serialize)]
pub struct Logins {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// In the order in which they were named.
    pub registries: Vec<OneLogin>,
}

/// What became of one registry's login.
#[derive(Debug, Clone, Serialize)]
pub struct OneLogin {
    /// The registry's `host[:port]`; none where nobody knows it yet: the account's own.
    pub registry: Option<String>,
    /// What was done.
    #[serde(flatten)]
    pub outcome: LoginOutcome,
    /// The file that keeps it, or kept it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The program that does: `docker-credential-NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helper: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum LoginOutcome {
    /// The login is kept.
    LoggedIn {
        /// Until when it is good.
        expires: Timestamp,
    },
    /// None is kept: the helper is this program, and has a fresh one each time.
    NotNeeded,
    /// The login is gone.
    LoggedOut,
    /// There was none.
    NotLoggedIn,
    /// It came to nothing.
    Failed {
        /// Why.
        failure: Failure,
    },
}

impl Logins {
    /// Of what was done.
    pub fn new(registries: Vec<OneLogin>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            registries,
        }
    }

    /// Whether none failed.
    pub fn is_well(&self) -> bool {
        let failed = |one: &OneLogin| matches!(one.outcome, LoginOutcome::Failed { .. });
        !self.registries.iter().any(failed)
    }

    /// A line for each.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for one in &self.registries {
            one.write_text(out)?;
        }
        Ok(())
    }
}

impl OneLogin {
    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let registry = self.registry.as_deref().unwrap_or("the account's own registry");
        let by = match (&self.helper, &self.file) {
            (Some(helper), _) => format!(" by {helper}"),
            (None, Some(file)) => format!(" in {}", file.display()),
            (None, None) => String::new(),
        };
        match &self.outcome {
            LoginOutcome::LoggedIn { expires } => {
                let until = expires.strftime("%Y-%m-%d %H:%M");
                writeln!(out, "logged in     {registry}, until {until} UTC, kept{by}")
            }
            LoginOutcome::NotNeeded => writeln!(
                out,
                "not needed    {registry}: Docker asks {} each time",
                self.helper.as_deref().unwrap_or_default()
            ),
            LoginOutcome::LoggedOut => writeln!(out, "logged out    {registry}, whose login was kept{by}"),
            LoginOutcome::NotLoggedIn => writeln!(out, "not logged in {registry}"),
            LoginOutcome::Failed { failure } => {
                writeln!(out, "failed        {registry}: {}", failure.in_one_line())?;
                match &failure.hint {
                    Some(hint) => writeln!(out, "              hint: {hint}"),
                    None => Ok(()),
                }
            }
        }
    }
}
