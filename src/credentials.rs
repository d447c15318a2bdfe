//! Who we are at a registry: ECR's tokens, the settings, Docker's own configuration file and its helpers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::sync::Mutex;

use crate::aws::AwsError;
use crate::aws::ecr::{Ecr, Token};
use crate::registry::Credential;

/// A token that has less than this left is not used for a new pull or push: a large layer may take a while.
const FRESH_FOR: Duration = Duration::from_secs(15 * 60);

/// A credential that should be there and cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// ECR gave no token.
    #[error("get a login token for {registry}")]
    Ecr {
        /// The registry's host.
        registry: String,
        /// What AWS said.
        #[source]
        source: AwsError,
    },
    /// Docker's configuration names a credential that cannot be read.
    #[error("read the credential of {registry} from Docker's configuration: {why}")]
    DockerConfig {
        /// The registry's host.
        registry: String,
        /// What is wrong, without what a helper printed.
        why: String,
    },
}

/// A token that is refused is thrown away this often at most.
const RENEW_EVERY: Duration = Duration::from_secs(60);

/// A helper may ask a service, or a person who is not there.
const HELPER_TIMEOUT: Duration = Duration::from_secs(60);

/// Every credential of a run; kept in memory only, and forgotten with it.
#[derive(Debug, Clone)]
pub struct Keyring {
    said: Arc<BTreeMap<String, Credential>>,
    /// What Docker's configuration answered, so that a helper is asked once a run.
    docker: Arc<Mutex<BTreeMap<String, Option<Credential>>>>,
    ecr: Option<Arc<EcrLogin>>,
}

#[derive(Debug)]
struct EcrLogin {
    api: Ecr,
    registry: String,
    token: Mutex<Option<Token>>,
    /// When a token was last thrown away because it was refused.
    renewed: Mutex<Option<Instant>>,
}

impl Keyring {
    /// With the credentials that the settings name, by registry host.
    pub fn new(said: BTreeMap<String, Credential>) -> Self {
        Self {
            said: Arc::new(said),
            docker: Arc::default(),
            ecr: None,
        }
    }

    /// Also with ECR's tokens for the registry at host `registry`.
    pub fn with_ecr(mut self, api: Ecr, registry: String, token: Option<Token>) -> Self {
        self.ecr = Some(Arc::new(EcrLogin {
            api,
            registry,
            token: Mutex::new(token),
            renewed: Mutex::default(),
        }));
        self
    }

    /// The credential for a registry's `host[:port]`; none means that it is asked anonymously.
    pub async fn of(&self, host: &str) -> Result<Option<Credential>, CredentialError> {
        if let Some(said) = self.said.get(host) {
            return Ok(Some(said.clone()));
        }
        if let Some(ecr) = self.ecr.as_ref().filter(|ecr| ecr.registry == host) {
            return ecr.credential().await.map(Some);
        }
        // Held while asking, so that many images at once ask once.
        let mut docker = self.docker.lock().await;
        if let Some(known) = docker.get(host) {
            return Ok(known.clone());
        }
        let server = host.to_owned();
        // The crate reads files and starts helper programs: not on a runtime thread.
        let asked = tokio::task::spawn_blocking(move || of_docker_config(&server));
        let failed = |why: String| CredentialError::DockerConfig {
            registry: host.to_owned(),
            why,
        };
        let found = match tokio::time::timeout(HELPER_TIMEOUT, asked).await {
            Err(_) => return Err(failed("the helper does not answer".to_owned())),
            Ok(Err(panic)) => return Err(failed(panic.to_string())),
            Ok(Ok(found)) => found?,
        };
        docker.insert(host.to_owned(), found.clone());
        Ok(found)
    }
}

impl Keyring {
    /// Whether there is another credential for `host` than the `refused` one: ECR's token, which may have been revoked or
    /// have expired before its time.
    pub async fn renew(&self, host: &str, refused: Option<&Credential>) -> Result<bool, CredentialError> {
        let Some(ecr) = self.ecr.as_ref().filter(|ecr| ecr.registry == host) else {
            return Ok(false);
        };
        let Some(Credential::Password { password: refused, .. }) = refused else {
            return Ok(false);
        };
        // Held throughout, so that many images that are refused at once ask for one new token.
        let mut renewed = ecr.renewed.lock().await;
        let mut token = ecr.token.lock().await;
        let is_refused = |token: &Token| token.password.expose_secret() == refused.expose_secret();
        match (token.as_ref().is_some_and(is_refused), *renewed) {
            (false, _) => return Ok(true),
            // A new token did not help just now: it is the role that may not do this.
            (true, Some(at)) if at.elapsed() < RENEW_EVERY => return Ok(false),
            (true, _) => {}
        }
        *token = None;
        *renewed = Some(Instant::now());
        Ok(true)
    }
}

impl EcrLogin {
    async fn credential(&self) -> Result<Credential, CredentialError> {
        // Held while asking, so that many images at once ask for one token.
        let mut token = self.token.lock().await;
        let fresh = token
            .take()
            .filter(|token| token.expires > Timestamp::now() + FRESH_FOR);
        let token = match fresh {
            Some(fresh) => token.insert(fresh),
            None => token.insert(self.api.token().await.map_err(|source| CredentialError::Ecr {
                registry: self.registry.clone(),
                source,
            })?),
        };
        Ok(Credential::Password {
            username: token.username.clone(),
            password: token.password.clone(),
        })
    }
}

/// Docker files Docker Hub's credential under the address of its first index.
fn server_name(host: &str) -> &str {
    match host {
        "docker.io" => "https://index.docker.io/v1/",
        other => other,
    }
}

/// Docker's configuration folder.
pub fn docker_configuration() -> Option<PathBuf> {
    std::env::var_os("DOCKER_CONFIG")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(dirs::home_dir()?.join(".docker")))
}

/// The crate says the same of a file that is not there and of one that cannot be read.
fn docker_config_is_there() -> bool {
    docker_configuration().is_some_and(|folder| folder.join("config.json").exists())
}

fn of_docker_config(host: &str) -> Result<Option<Credential>, CredentialError> {
    if !docker_config_is_there() {
        return Ok(None);
    }
    let failed = |why: String| CredentialError::DockerConfig {
        registry: host.to_owned(),
        why,
    };
    match docker_credential::get_credential(server_name(host)) {
        Ok(DockerCredential::UsernamePassword(username, password)) => Ok(Some(Credential::Password {
            username,
            password: password.into(),
        })),
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Credential::IdentityToken(token.into()))),
        Err(CredentialRetrievalError::NoCredentialConfigured | CredentialRetrievalError::ConfigNotFound) => Ok(None),
        // A helper says so in words when it has nothing for this registry (docker-credential-helpers protocol).
        Err(CredentialRetrievalError::HelperFailure { stdout, stderr, .. })
            if format!("{stdout}{stderr}").contains("credentials not found") =>
        {
            Ok(None)
        }
        // A helper may print secrets: its output is not repeated.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
            Err(failed(format!("the helper {helper} failed")))
        }
        Err(error) => Err(failed(error.to_string())),
    }
}
