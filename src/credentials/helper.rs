//! The programs `docker-credential-NAME`, which keep logins for Docker.

use std::io::ErrorKind;
use std::process::{Output, Stdio};

use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::HELPER_TIMEOUT;

/// What stands before a helper's name.
pub const PROGRAM: &str = "docker-credential-";

/// What a helper says where it has nothing for a registry, and exits with 1 (docker-credential-helpers, "Development").
pub const NOT_FOUND: &str = "credentials not found in native keychain";

/// A helper that did not do what it was asked for. What it printed is not repeated: it may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("{PROGRAM}{name} {action} {registry}: {why}")]
pub struct HelperError {
    /// Its name.
    pub name: String,
    /// What it was asked to do.
    pub action: &'static str,
    /// For which registry.
    pub registry: String,
    /// What came of it.
    pub why: String,
}

/// Has a helper keep a login, which it reads from its standard input.
///
/// # Errors
/// Where it is not there, does not answer, or fails.
pub async fn store(name: &str, registry: &str, username: &str, password: &SecretString) -> Result<(), HelperError> {
    let login = serde_json::json!({
        "ServerURL": registry,
        "Username": username,
        "Secret": password.expose_secret(),
    });
    let helper = Helper {
        name,
        action: "store",
        registry,
    };
    let output = helper.ask(login.to_string().as_bytes()).await?;
    match output.status.success() {
        true => Ok(()),
        false => Err(helper.failed(format!("it ended with {}", output.status))),
    }
}

/// Has a helper forget a login; answers whether it did, where it tells.
///
/// # Errors
/// As of [`store`].
pub async fn erase(name: &str, registry: &str) -> Result<bool, HelperError> {
    let helper = Helper {
        name,
        action: "erase",
        registry,
    };
    let output = helper.ask(registry.as_bytes()).await?;
    match output.status.success() {
        true => Ok(true),
        false if String::from_utf8_lossy(&output.stdout).trim() == NOT_FOUND => Ok(false),
        false => Err(helper.failed(format!("it ended with {}", output.status))),
    }
}

struct Helper<'a> {
    name: &'a str,
    action: &'static str,
    registry: &'a str,
}

impl Helper<'_> {
    async fn ask(&self, input: &[u8]) -> Result<Output, HelperError> {
        let mut child = Command::new(format!("{PROGRAM}{}", self.name))
            .arg(self.action)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                self.failed(match error.kind() {
                    ErrorKind::NotFound => "there is no such program on the PATH".to_owned(),
                    _ => error.to_string(),
                })
            })?;
        let stdin = child.stdin.take();
        let asked = async {
            if let Some(mut stdin) = stdin {
                // One that does not read tells by how it ends.
                let _ = stdin.write_all(input).await;
            }
            child.wait_with_output().await
        };
        match tokio::time::timeout(HELPER_TIMEOUT, asked).await {
            Ok(output) => output.map_err(|error| self.failed(error.to_string())),
            Err(_) => Err(self.failed("it does not answer".to_owned())),
        }
    }

    fn failed(&self, why: String) -> HelperError {
        HelperError {
            name: self.name.to_owned(),
            action: self.action,
            registry: self.registry.to_owned(),
            why,
        }
    }
}
