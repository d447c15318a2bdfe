//! Who we are at a registry: ECR's tokens, the settings, Docker's own configuration file and its helpers.

pub mod docker;
pub mod helper;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use futures::future::BoxFuture;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::sync::Mutex;

use crate::aws::ecr::{Ecr, Token, account_and_region};
use crate::aws::ecr_public::{EcrPublic, HOST as PUBLIC};
use crate::aws::{AwsError, AwsOptions};
use crate::registry::{Credential, Credentials};

/// A token that has less than this left is not used for a new pull or push: a large layer may take a while.
const FRESH_FOR: Duration = Duration::from_secs(15 * 60);

/// A credential that should be there and cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
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
    /// The registries that a run writes to.
    ecrs: Vec<Arc<EcrLogin>>,
    /// How AWS is asked about other registries of ECR.
    aws: Option<Arc<AwsOptions>>,
    /// Other registries of ECR, by host; none for one that gives us no token.
    others: Arc<Mutex<BTreeMap<String, Option<Arc<EcrLogin>>>>>,
}

#[derive(Debug)]
struct EcrLogin {
    api: TokenSource,
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
            ecrs: Vec::new(),
            aws: None,
            others: Arc::default(),
        }
    }

    /// Also with ECR's tokens for any registry of ECR that is told by its host's name, ECR Public among them.
    pub fn with_aws(mut self, aws: AwsOptions) -> Self {
        self.aws = Some(Arc::new(aws));
        self
    }

    /// Also with ECR's tokens for the registry at host `registry`.
    pub fn with_ecr(mut self, api: Ecr, registry: String, token: Option<Token>) -> Self {
        let login = EcrLogin::new(TokenSource::Private(api), &registry, token);
        self.ecrs.push(Arc::new(login));
        self
    }

    /// The credential for a registry's `host[:port]`; none means that it is asked anonymously.
    pub async fn of(&self, host: &str) -> Result<Option<Credential>, CredentialError> {
        if let Some(said) = self.said.get(host) {
            return Ok(Some(said.clone()));
        }
        if let Some(ecr) = self.ecrs.iter().find(|ecr| ecr.registry == host) {
            return ecr.credential().await.map(Some);
        }
        match self.of_docker(host).await? {
            Some(found) => Ok(Some(found)),
            None => self.of_ecr_elsewhere(host).await,
        }
    }

    async fn of_docker(&self, host: &str) -> Result<Option<Credential>, CredentialError> {
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
            Ok(Err(ended)) => return Err(failed(ended.to_string())),
            Ok(Ok(found)) => found?,
        };
        docker.insert(host.to_owned(), found.clone());
        Ok(found)
    }
}

impl Keyring {
    /// The token of another registry of ECR than the run's own.
    async fn of_ecr_elsewhere(&self, host: &str) -> Result<Option<Credential>, CredentialError> {
        let Some(aws) = &self.aws else { return Ok(None) };
        // Held while asking, so that many images at once ask once.
        let mut others = self.others.lock().await;
        if let Some(known) = others.get(host) {
            let known = known.clone();
            drop(others);
            return match known {
                Some(ecr) => ecr.credential().await.map(Some),
                None => Ok(None),
            };
        }
        let failed = |source| CredentialError::Ecr {
            registry: host.to_owned(),
            source,
        };
        let ecr = match account_and_region(host) {
            Some((account, region)) => {
                let there = AwsOptions {
                    region: Some(region.to_owned()),
                    // That is of the run's own registry; AWS's own variables hold everywhere.
                    endpoint_url: None,
                    ..AwsOptions::clone(aws)
                };
                let api = Ecr::connect(&there, Some(account.to_owned())).await.map_err(failed)?;
                Some(EcrLogin::new(TokenSource::Private(api), host, None))
            }
            None if host == PUBLIC => {
                let there = AwsOptions {
                    endpoint_url: None,
                    ..AwsOptions::clone(aws)
                };
                // Everybody may pull there; who is known may pull more.
                let known = async {
                    let api = EcrPublic::connect(&there).await.map_err(failed)?;
                    let login = EcrLogin::new(TokenSource::Public(api), host, None);
                    login.credential().await.map(|_| login)
                };
                match known.await {
                    Ok(login) => Some(login),
                    Err(error) => {
                        let why = error.source().map(ToString::to_string).unwrap_or_default();
                        tracing::debug!("{error}: {why}; it is asked anonymously");
                        None
                    }
                }
            }
            None => None,
        };
        let ecr = ecr.map(Arc::new);
        others.insert(host.to_owned(), ecr.clone());
        drop(others);
        match ecr {
            Some(ecr) => ecr.credential().await.map(Some),
            None => Ok(None),
        }
    }

    async fn login_of(&self, host: &str) -> Option<Arc<EcrLogin>> {
        match self.ecrs.iter().find(|ecr| ecr.registry == host) {
            Some(own) => Some(Arc::clone(own)),
            None => self.others.lock().await.get(host).cloned().flatten(),
        }
    }

    /// Forgets what Docker's configuration has for a registry of ECR, once it was refused: `docker login` keeps a token there long after
    /// its twelve hours.
    async fn forget_docker(&self, host: &str, refused: &Credential) -> bool {
        let is_of_ecr = host == PUBLIC || account_and_region(host).is_some();
        let mut docker = self.docker.lock().await;
        let same = |known: &Credential| match (known, refused) {
            (Credential::Password { password: known, .. }, Credential::Password { password: refused, .. }) => {
                known.expose_secret() == refused.expose_secret()
            }
            _ => false,
        };
        let is_there = docker.get(host).is_some_and(|known| known.as_ref().is_some_and(same));
        if is_of_ecr && is_there && self.aws.is_some() {
            docker.insert(host.to_owned(), None);
        }
        is_of_ecr && is_there && self.aws.is_some()
    }

    /// Whether there is another credential for `host` than the `refused` one: ECR's token, which may have been revoked or
    /// have expired before its time.
    pub async fn renew(&self, host: &str, refused: Option<&Credential>) -> Result<bool, CredentialError> {
        if let Some(refused) = refused
            && self.forget_docker(host, refused).await
        {
            return Ok(true);
        }
        let Some(ecr) = self.login_of(host).await else {
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

/// Who gives tokens.
#[derive(Debug)]
enum TokenSource {
    Private(Ecr),
    Public(EcrPublic),
}

impl EcrLogin {
    fn new(api: TokenSource, registry: &str, token: Option<Token>) -> Self {
        Self {
            api,
            registry: registry.to_owned(),
            token: Mutex::new(token),
            renewed: Mutex::default(),
        }
    }

    async fn ask(&self) -> Result<Token, AwsError> {
        match &self.api {
            TokenSource::Private(api) => api.token().await,
            TokenSource::Public(api) => api.token().await,
        }
    }

    async fn credential(&self) -> Result<Credential, CredentialError> {
        // Held while asking, so that many images at once ask for one token.
        let mut token = self.token.lock().await;
        let fresh = token
            .take()
            .filter(|token| token.expires > Timestamp::now() + FRESH_FOR);
        let token = match fresh {
            Some(fresh) => token.insert(fresh),
            None => token.insert(self.ask().await.map_err(|source| CredentialError::Ecr {
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

impl Credentials for Keyring {
    fn of<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Option<Credential>, Box<dyn Error + Send + Sync>>> {
        Box::pin(async move { Ok(Keyring::of(self, host).await?) })
    }

    fn renew<'a>(
        &'a self,
        host: &'a str,
        refused: &'a Credential,
    ) -> BoxFuture<'a, Result<bool, Box<dyn Error + Send + Sync>>> {
        Box::pin(async move { Ok(Keyring::renew(self, host, Some(refused)).await?) })
    }
}

/// The registry's `host[:port]` in what Docker calls it: with a scheme or a path, too.
pub fn host_of(server: &str) -> &str {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_host() {
        for server in [
            "reg.example.com:5000",
            "https://reg.example.com:5000",
            "http://reg.example.com:5000/v2/",
        ] {
            assert_eq!(host_of(server), "reg.example.com:5000", "{server}");
        }
        assert_eq!(host_of("https://index.docker.io/v1/"), "index.docker.io");
    }
}
