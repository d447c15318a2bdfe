//! `login`, `logout` and `get-login-password`: ECR's tokens for Docker and for whoever else wants a password.

use std::io::{self, Write};
use std::path::Path;

use futures::future::join_all;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::tokens::{Giver, targets};
use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::aws::ecr::Token;
use crate::credentials::docker::{DockerConfig, DockerConfigError, Kept};
use crate::credentials::helper::{self, HelperError, PROGRAM};
use crate::credentials::host_of;
use crate::image::Repository;
use crate::mapping::Elsewhere;
use crate::report::{Failure, LoginOutcome, Logins, OneLogin, SCHEMA_VERSION};
use crate::settings::Settings;

/// The name by which this program is a credential helper.
pub(crate) const OWN_HELPER: &str = "ecr-keeper";

/// What `login` may be told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Registries of ECR, by their hosts; without any, the one of the settings, or else the account's own
    #[arg(value_name = "REGISTRY", value_parser = registry)]
    pub registries: Vec<String>,
    /// Role to assume for the token [setting: aws.role_arn, or that of the target with this registry]
    #[arg(long, value_name = "ARN")]
    pub role_arn: Option<String>,
}

/// What `logout` may be told.
#[derive(Debug, clap::Args)]
pub struct LogoutOptions {
    /// Registries, by their hosts; without any, the one of the settings, or else the account's own
    #[arg(value_name = "REGISTRY", value_parser = registry)]
    pub registries: Vec<String>,
}

/// What `get-login-password` may be told.
#[derive(Debug, clap::Args)]
pub struct PasswordOptions {
    /// A registry of ECR, by its host; without it, the one of the settings, or else the account's own
    #[arg(value_name = "REGISTRY", value_parser = registry)]
    pub registry: Option<String>,
    /// Role to assume for the token [setting: aws.role_arn, or that of the target with this registry]
    #[arg(long, value_name = "ARN")]
    pub role_arn: Option<String>,
}

/// As Docker takes it: a scheme and a path are passed over.
fn registry(text: &str) -> Result<String, String> {
    let host = host_of(text);
    // An image's name is the strictest test of what may stand before its first slash.
    match format!("{host}/x").parse::<Repository>() {
        Ok(repository) if *repository.host == *host => Ok(host.to_owned()),
        _ => Err("it is no registry's host[:port]".to_owned()),
    }
}

/// A password, for programs.
#[derive(Serialize)]
struct Password<'a> {
    schema_version: u32,
    registry: &'a str,
    username: &'a str,
    password: &'a str,
    expires: Timestamp,
}

/// Prints a registry's password.
pub async fn password(options: &PasswordOptions, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    let named = options.registry.as_slice();
    let asked = named_ones(named, options.role_arn.as_deref(), &settings)?;
    let tokens = ask(asked, &settings, context).await?;
    for (registry, token) in tokens {
        let token = token.map_err(CommandError::Failed)?;
        let answer = Password {
            schema_version: SCHEMA_VERSION,
            registry: registry.as_deref().unwrap_or(&token.registry),
            username: &token.username,
            password: token.password.expose_secret(),
            expires: token.expires,
        };
        context.print(&answer, |answer, out| writeln!(out, "{}", answer.password))?;
    }
    Ok(0)
}

/// Has Docker keep logins.
pub async fn login(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    let asked = named_ones(&options.registries, options.role_arn.as_deref(), &settings)?;
    // What is wrong with it shows before anybody is asked for a token.
    DockerConfig::read().map_err(|error| CommandError::Failed(Failure::from(&error)))?;
    let mut done = Vec::new();
    for (registry, token) in ask(asked, &settings, context).await? {
        done.push(match token {
            Ok(token) => keep(registry.unwrap_or_else(|| token.registry.clone()), &token).await,
            Err(failure) => OneLogin {
                registry,
                outcome: LoginOutcome::Failed { failure },
                file: None,
                helper: None,
            },
        });
    }
    let in_file = |one: &&OneLogin| matches!(one.outcome, LoginOutcome::LoggedIn { .. }) && one.file.is_some();
    if let Some(file) = done.iter().find(in_file).and_then(|one| one.file.as_deref()) {
        warn(file)?;
    }
    told(done, context)
}

/// Has Docker forget logins.
pub async fn logout(options: &LogoutOptions, context: &Context) -> Result<ExitCode, CommandError> {
    let mut registries = options.registries.clone();
    if registries.is_empty() {
        let settings = context.settings().await?;
        match &settings.registry {
            Some(registry) => registries.push(registry.clone()),
            // Whose it is only AWS knows.
            None => {
                for (_, token) in ask(vec![(None, Giver::own(&settings))], &settings, context).await? {
                    registries.push(token.map_err(CommandError::Failed)?.registry);
                }
            }
        }
    }
    let mut done = Vec::new();
    for registry in registries {
        let forgotten = forget(&registry).await;
        done.push(OneLogin::of(registry, forgotten));
    }
    told(done, context)
}

fn told(done: Vec<OneLogin>, context: &Context) -> Result<ExitCode, CommandError> {
    let logins = Logins::new(done);
    context.print(&logins, |logins, out| logins.write_text(out))?;
    Ok(u8::from(!logins.is_well()))
}

/// Who gives the tokens of these registries. One that nobody gives a token of is a mistake of whoever named it.
fn named_ones(
    registries: &[String],
    role_arn: Option<&str>,
    settings: &Settings,
) -> Result<Vec<(Option<String>, Giver)>, CommandError> {
    // A role that is said outright is for all of them.
    let targets: Vec<Elsewhere> = match role_arn {
        Some(_) => Vec::new(),
        None => targets(settings),
    };
    if registries.is_empty() {
        return Ok(vec![(settings.registry.clone(), Giver::own(settings))]);
    }
    let mut named: Vec<(Option<String>, Giver)> = Vec::new();
    for registry in registries {
        let Some(giver) = Giver::of(settings, &targets, registry) else {
            return Err(CommandError::Unusable(Failure {
                message: format!("{registry} is no registry of ECR that is known here"),
                causes: Vec::new(),
                hint: Some(
                    "write ACCOUNT.dkr.ecr.REGION.amazonaws.com, or name it in `ecr` or as a target's `registry`; `docker login` is for all others"
                        .into(),
                ),
            }));
        };
        if !named.iter().any(|(known, _)| known.as_ref() == Some(registry)) {
            named.push((Some(registry.clone()), giver));
        }
    }
    Ok(named)
}

/// Asks for all tokens at once. Nothing is kept yet, so that a stop may drop it at any point.
async fn ask(
    asked: Vec<(Option<String>, Giver)>,
    settings: &Settings,
    context: &Context,
) -> Result<Vec<(Option<String>, Result<Token, Failure>)>, CommandError> {
    let mut watch = Watch::begin(context, settings.grace)?;
    let all = asked.into_iter().map(async |(registry, giver)| {
        let token = giver.token().await;
        (registry, token.map_err(|error| Failure::from(&error)))
    });
    let soft = watch.stop.soft.clone();
    let tokens = soft.run_until_cancelled(join_all(all)).await;
    let signal = watch.end_view().await;
    tokens.ok_or_else(|| CommandError::without_an_answer(Failure::stopped("asking for a token"), signal))
}

/// Why Docker has no login, or has one still.
#[derive(Debug, thiserror::Error)]
enum NotKept {
    #[error(transparent)]
    File(#[from] DockerConfigError),
    #[error(transparent)]
    Helper(#[from] HelperError),
}

impl From<&NotKept> for Failure {
    fn from(error: &NotKept) -> Self {
        match error {
            NotKept::File(error) => Self::from(error),
            NotKept::Helper(error) => Self::from(error),
        }
    }
}

async fn keep(registry: String, token: &Token) -> OneLogin {
    let kept = keep_at(&registry, token).await;
    OneLogin::of(registry, kept)
}

/// As `docker login` does. The file is read right before it is written, after whatever a helper waits for: others write it too.
async fn keep_at(registry: &str, token: &Token) -> Result<(Kept, LoginOutcome), NotKept> {
    let kept = DockerConfig::read()?.keeps(registry)?;
    let config = match &kept {
        Kept::ByHelper(name) if name == OWN_HELPER => return Ok((kept, LoginOutcome::NotNeeded)),
        Kept::ByHelper(name) => {
            helper::store(name, registry, &token.username, &token.password).await?;
            let mut config = DockerConfig::read()?;
            config.note(registry)?;
            config
        }
        Kept::InFile(_) => {
            let mut config = DockerConfig::read()?;
            config.put(registry, &token.username, &token.password)?;
            config
        }
    };
    config.write()?;
    let expires = token.expires;
    Ok((kept, LoginOutcome::LoggedIn { expires }))
}

/// As `docker logout` does: both from the helper and from the file.
async fn forget(registry: &str) -> Result<(Kept, LoginOutcome), NotKept> {
    let kept = DockerConfig::read()?.keeps(registry)?;
    let is_erased = match &kept {
        Kept::ByHelper(name) if name == OWN_HELPER => false,
        Kept::ByHelper(name) => helper::erase(name, registry).await?,
        Kept::InFile(_) => false,
    };
    let mut config = DockerConfig::read()?;
    let is_removed = config.remove(registry)?;
    config.write()?;
    let outcome = match is_erased || is_removed {
        true => LoginOutcome::LoggedOut,
        false => LoginOutcome::NotLoggedIn,
    };
    Ok((kept, outcome))
}

impl OneLogin {
    fn of(registry: String, done: Result<(Kept, LoginOutcome), NotKept>) -> Self {
        let (kept, outcome) = match done {
            Ok((kept, outcome)) => (Some(kept), outcome),
            Err(error) => {
                let failure = Failure::from(&error);
                (None, LoginOutcome::Failed { failure })
            }
        };
        let (file, helper) = match kept {
            Some(Kept::InFile(file)) => (Some(file), None),
            Some(Kept::ByHelper(name)) => (None, Some(format!("{PROGRAM}{name}"))),
            None => (None, None),
        };
        Self {
            registry: Some(registry),
            outcome,
            file,
            helper,
        }
    }
}

/// What `docker login` says there, in its own words (Docker 28).
fn warn(file: &Path) -> io::Result<()> {
    writeln!(
        io::stderr().lock(),
        "\nWARNING! Your credentials are stored unencrypted in '{}'.\nConfigure a credential helper to remove this warning. See\n\
         https://docs.docker.com/go/credential-store/\n",
        file.display()
    )
}
