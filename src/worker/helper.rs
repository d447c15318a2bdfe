//! A credential helper of Docker's: `docker-credential-ecr-keeper get` and the like, which read standard input and answer on standard output
//! (docker-credential-helpers, "Development"). Tokens are made when they are asked for, and kept nowhere.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::Path;

use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::commands::ExitCode;
use crate::commands::login::OWN_HELPER;
use crate::commands::tokens::{Giver, targets};
use crate::credentials::helper::{NOT_FOUND, PROGRAM};
use crate::credentials::host_of;
use crate::report::Failure;
use crate::settings::{self, Given, Settings, SettingsError};

/// Whether this process was started under a helper's name.
pub fn is_helper() -> bool {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&program).file_stem().and_then(OsStr::to_str);
    name.and_then(|name| name.strip_prefix(PROGRAM)) == Some(OWN_HELPER)
}

/// Why there is no answer. Docker reads it on standard output, where it looks for [`NOT_FOUND`].
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("{NOT_FOUND}")]
    NotFound,
    /// The words are docker-credential-helpers'.
    #[error("no credentials server URL")]
    NoServer,
    #[error("read standard input: {0}")]
    Unread(#[from] io::Error),
    #[error("what is to be stored is no login")]
    NoLogin,
    #[error(
        "no logins are kept here, and {0} is no registry of ECR that is known; name this helper in credHelpers, and not in credsStore"
    )]
    NotKept(String),
    #[error("{}", .0.in_one_line())]
    Failed(Failure),
    #[error("usage: {PROGRAM}{OWN_HELPER} get|store|erase|list|version")]
    Usage,
}

impl From<SettingsError> for NoAnswer {
    fn from(error: SettingsError) -> Self {
        Self::Failed(Failure::new(&error, None))
    }
}

/// Answers what Docker asks.
pub async fn help() -> ExitCode {
    let action = std::env::args().nth(1).unwrap_or_default();
    let answer = match action.as_str() {
        "get" => get().await,
        "store" => store().await,
        // Nothing is kept, so that nothing is left.
        "erase" => server().map(|_| String::new()),
        "list" => list().await,
        "version" => Ok(format!("{PROGRAM}{OWN_HELPER} {}", env!("CARGO_PKG_VERSION"))),
        _ => Err(NoAnswer::Usage),
    };
    let (text, code) = match answer {
        Ok(answer) => (answer, 0),
        Err(error) => {
            complain(&error);
            (error.to_string(), 1)
        }
    };
    let mut out = io::stdout().lock();
    let printed = match text.is_empty() {
        true => Ok(()),
        false => writeln!(out, "{text}"),
    };
    match printed {
        Ok(()) => code,
        Err(_) => 1,
    }
}

/// Where a login comes to nothing, Docker asks the registry without one and tells nobody why: people read it here.
fn complain(error: &NoAnswer) {
    let NoAnswer::Failed(failure) = error else { return };
    let hint = failure.hint.as_ref().map(|hint| format!("\nhint: {hint}"));
    // Where nobody reads, the exit code has to do.
    let _ = writeln!(
        io::stderr().lock(),
        "{PROGRAM}{OWN_HELPER}: {}{}",
        failure.in_one_line(),
        hint.unwrap_or_default()
    );
}

async fn get() -> Result<String, NoAnswer> {
    let server = server()?;
    let registry = host_of(&server);
    let settings = settings().await?;
    let giver = Giver::of(&settings, &targets(&settings), registry).ok_or(NoAnswer::NotFound)?;
    let token = giver.token().await.map_err(|error| {
        let failure = Failure::from(&error);
        match giver {
            Giver::Private { .. } => NoAnswer::Failed(failure),
            // Everybody may pull there.
            Giver::Public(_) => {
                complain(&NoAnswer::Failed(failure));
                NoAnswer::NotFound
            }
        }
    })?;
    let login = serde_json::json!({
        "ServerURL": server,
        "Username": token.username,
        "Secret": token.password.expose_secret(),
    });
    Ok(login.to_string())
}

/// What Docker sends to be stored.
#[derive(Deserialize)]
struct Login {
    #[serde(rename = "ServerURL")]
    server: String,
}

/// Docker stores what it has just been told, also by this helper. Of a registry whose tokens are made here that is of no use; any other
/// login would be lost.
async fn store() -> Result<String, NoAnswer> {
    let login: Login = serde_json::from_str(&input()?).map_err(|_| NoAnswer::NoLogin)?;
    let registry = host_of(&login.server);
    let settings = settings().await?;
    match Giver::of(&settings, &targets(&settings), registry) {
        Some(giver) if giver.gives().await => Ok(String::new()),
        _ => Err(NoAnswer::NotKept(registry.to_owned())),
    }
}

/// The registries that the settings name: which others Docker may ask for nobody knows.
async fn list() -> Result<String, NoAnswer> {
    let settings = settings().await?;
    let targets = targets(&settings);
    let others = targets.iter().filter_map(|target| target.registry.as_deref());
    let all: BTreeMap<&str, &str> = others
        .chain(settings.registry.as_deref())
        .map(|registry| (registry, "AWS"))
        .collect();
    Ok(serde_json::json!(all).to_string())
}

fn input() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text)?;
    Ok(text)
}

fn server() -> Result<String, NoAnswer> {
    let server = input()?.trim().to_owned();
    match server.is_empty() {
        true => Err(NoAnswer::NoServer),
        false => Ok(server),
    }
}

/// Docker is called in folders of anybody's: a settings file there is none that was meant for this.
async fn settings() -> Result<Settings, SettingsError> {
    let file = settings::named_file().or_else(settings::own_file);
    let given = Given {
        environment: settings::environment()?,
        ..Given::default()
    };
    Settings::fetch(file.as_deref(), &given).await
}
