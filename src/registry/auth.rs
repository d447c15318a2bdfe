//! Who we are at a registry: Basic, and Bearer tokens (the distribution project's "Token Authentication Specification").

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Method, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::OwnedMutexGuard;

use super::error::{Attempt, Cause};
use super::host::{Ask, Host};
use super::{Access, RegistryError};

/// How to log in at one registry.
#[derive(Debug, Clone)]
pub enum Credential {
    /// User name and password.
    Password {
        /// User name.
        username: String,
        /// Password or access token.
        password: SecretString,
    },
    /// An identity token, as Docker's credential helpers hand out for `<token>`.
    IdentityToken(SecretString),
}

impl Credential {
    /// What of it nobody may read, also as it is sent.
    fn secrets(&self) -> Vec<String> {
        match self {
            Self::Password { username, password } => {
                let sent = basic(username, password);
                let sent = sent.strip_prefix("Basic ").unwrap_or(&sent);
                vec![sent.to_owned(), password.expose_secret().to_owned()]
            }
            Self::IdentityToken(token) => vec![token.expose_secret().to_owned()],
        }
    }
}

/// Who knows the logins of registries.
pub trait Credentials: fmt::Debug + Send + Sync {
    /// The credential for a registry's `host[:port]`; none means that it is asked anonymously.
    fn of<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Option<Credential>, Box<dyn Error + Send + Sync>>>;

    /// Whether there is another credential now than the `refused` one.
    fn renew<'a>(
        &'a self,
        host: &'a str,
        refused: &'a Credential,
    ) -> BoxFuture<'a, Result<bool, Box<dyn Error + Send + Sync>>>;
}

/// An Authorization header, and what it was made from.
#[derive(Debug, Clone)]
pub(super) struct Login {
    header: SecretString,
    /// The credential that was shown to the registry itself: it is refused where the header is.
    pub(super) shown: Option<Credential>,
    /// Of a token: what it was asked for with, and how long it is used.
    token: Option<(String, Instant)>,
}

impl Login {
    pub(super) fn header(&self) -> &str {
        self.header.expose_secret()
    }

    /// What of it nobody may read.
    pub(super) fn secrets(&self) -> Vec<String> {
        let (_, header) = self.header().split_once(' ').unwrap_or_default();
        let shown = self.shown.iter().flat_map(Credential::secrets);
        shown.chain([header.to_owned()]).collect()
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.token.as_ref().is_none_or(|(_, until)| Instant::now() < *until)
    }

    /// What it answers.
    pub(super) fn challenge(&self) -> Challenge {
        match &self.token {
            Some((parameters, _)) => Challenge::Bearer(parameters.clone()),
            None => Challenge::Basic,
        }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.header() == other.header()
    }
}

/// The logins of one registry.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// It wants user and password with each request.
    wants_basic: AtomicBool,
    /// By what they were given for.
    slots: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Slot>>>>,
}

/// A login for one purpose. It is locked while one is asked for, so that many requests at once ask for one token.
#[derive(Debug, Default)]
struct Slot {
    login: Option<Login>,
    /// When asking failed, and how.
    failed: Option<(Instant, RegistryError)>,
}

impl Logins {
    /// The slot for a purpose, locked.
    ///
    /// # Errors
    /// Where whoever had it meanwhile asked for a login and got none: the same failure, without asking once more.
    async fn slot(&self, access: &Access) -> Result<OwnedMutexGuard<Slot>, RegistryError> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.entry(access.key()).or_default().clone()
        };
        let began = Instant::now();
        let slot = slot.lock_owned().await;
        match slot.failed.as_ref().filter(|(failed, _)| *failed > began) {
            Some((_, error)) => Err(error.clone()),
            None => Ok(slot),
        }
    }
}

impl Slot {
    fn stale(&self) -> Option<Challenge> {
        let stale = self.login.as_ref().filter(|login| !login.is_fresh());
        stale.map(Login::challenge)
    }

    /// Remembers how asking for a login failed.
    fn asked(&mut self, answer: Result<Option<Login>, RegistryError>) -> Result<Option<Login>, RegistryError> {
        self.failed = answer.as_ref().err().map(|error| (Instant::now(), error.clone()));
        answer
    }
}

/// What a token server has to say for a token that names no end (the specification's default).
const USUAL_LIFE: u64 = 60;
/// No token is trusted for longer, whatever its server says.
const LONGEST_LIFE: u64 = 24 * 3600;
/// A token is not used in its last moments, which a request may outlast; of a short life, in its last quarter.
const SPARE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Given {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// What a 401 asks for.
pub(super) enum Challenge {
    /// A token of somebody else's, by these parameters.
    Bearer(String),
    /// User and password.
    Basic,
}

impl Challenge {
    /// The strongest that an answer names and this program knows.
    pub(super) fn of(answer: &Response) -> Option<Self> {
        let challenges = answer.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenges: Vec<&str> = challenges.filter_map(|value| value.to_str().ok()).collect();
        let of = |scheme: &str| {
            challenges.iter().find_map(|challenge| {
                let (name, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
                name.eq_ignore_ascii_case(scheme).then_some(rest)
            })
        };
        match (of("Bearer"), of("Basic")) {
            (Some(parameters), _) => Some(Self::Bearer(parameters.to_owned())),
            (None, Some(_)) => Some(Self::Basic),
            (None, None) => None,
        }
    }
}

impl Host {
    /// The login that a challenge asks for; none where there is nothing to answer with.
    async fn log_in(
        &self,
        challenge: &Challenge,
        attempt: &Attempt<'_>,
        access: &Access,
        credential: Option<Credential>,
    ) -> Result<Option<Login>, RegistryError> {
        match (challenge, credential) {
            (Challenge::Bearer(parameters), credential) => {
                self.token(parameters, attempt, access, credential).await.map(Some)
            }
            (Challenge::Basic, Some(Credential::Password { username, password })) => Ok(Some(Login {
                header: basic(&username, &password).into(),
                shown: Some(Credential::Password { username, password }),
                token: None,
            })),
            (Challenge::Basic, _) => Ok(None),
        }
    }

    async fn token(
        &self,
        parameters: &str,
        attempt: &Attempt<'_>,
        access: &Access,
        credential: Option<Credential>,
    ) -> Result<Login, RegistryError> {
        let attempt = Attempt {
            method: Method::GET,
            ..attempt.clone()
        };
        let parameter = |name: &str| parameter(parameters, name);
        let realm =
            parameter("realm").ok_or_else(|| attempt.odd("it asks for a token, and does not say where to get one"))?;
        // A login is not shown to a network that the registry's own connection is hidden from.
        if !realm.starts_with("https://") && self.base().starts_with("https://") {
            return Err(attempt.odd("it asks to log in over plain HTTP, which is refused"));
        }
        // It is another server that may be down, or say no.
        let server = Url::parse(&realm).map_err(|error| attempt.odd(format!("where to get a token: {error}")))?;
        let tokens = self.tokens(&server);
        let server = match (server.host_str().unwrap_or_default(), server.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let attempt = Attempt {
            method: Method::GET,
            host: &server,
            path: "",
        };
        let mut query = vec![("service", parameter("service").unwrap_or_default())];
        query.extend(access.scopes().map(|scope| ("scope", scope)));
        let request = match &credential {
            // OAuth2, as Docker does with identity tokens ("Docker Registry v2 authentication using OAuth2").
            Some(Credential::IdentityToken(token)) => {
                // One parameter there, with spaces between.
                let scopes: Vec<String> = access.scopes().collect();
                let mut form = vec![("service", parameter("service").unwrap_or_default())];
                form.push(("scope", scopes.join(" ")));
                form.push(("grant_type", "refresh_token".to_owned()));
                form.push(("client_id", "ecr-keeper".to_owned()));
                form.push(("refresh_token", token.expose_secret().to_owned()));
                tokens.post(&realm).form(&form)
            }
            Some(Credential::Password { username, password }) => tokens
                .get(&realm)
                .query(&query)
                .basic_auth(username, Some(password.expose_secret())),
            None => tokens.get(&realm).query(&query),
        };
        let answer = request.send().await.map_err(|error| attempt.transport(error))?;
        if !answer.status().is_success() {
            let secrets = credential.as_ref().map(Credential::secrets).unwrap_or_default();
            let refused = attempt.refused(answer, self.timeouts.answer).await;
            return Err(refused.without(&secrets));
        }
        let given: Given = answer
            .json()
            .await
            .map_err(|_| attempt.odd("its token server's answer is none that is known"))?;
        let token = given.token.or(given.access_token).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| attempt.odd("its token server gave no token"))?;
        let life = Duration::from_secs(given.expires_in.unwrap_or(USUAL_LIFE).min(LONGEST_LIFE));
        let until = Instant::now() + life - SPARE.min(life / 4);
        Ok(Login {
            header: format!("Bearer {token}").into(),
            shown: None,
            token: Some((parameters.to_owned(), until)),
        })
    }

    async fn credential(&self, attempt: &Attempt<'_>) -> Result<Option<Credential>, RegistryError> {
        let asked = self.credentials.of(self.name()).await;
        asked.map_err(|error| attempt.error(Cause::Credential(error.into()), "no credential"))
    }

    /// Whether another credential may do better than the one that was refused.
    async fn renew(&self, refused: &Login, attempt: &Attempt<'_>) -> Result<bool, RegistryError> {
        let Some(shown) = &refused.shown else {
            // A token that is refused is not asked for again with the same login more than once: see `ask`.
            return Ok(true);
        };
        let renewed = self.credentials.renew(self.name(), shown).await;
        renewed.map_err(|error| attempt.error(Cause::Credential(error.into()), "no credential"))
    }
}

impl Host {
    /// The login that the registry is known to want for this; none where it has not asked for one.
    pub(super) async fn known_login(
        &self,
        ask: &Ask<'_>,
        attempt: &Attempt<'_>,
    ) -> Result<Option<Login>, RegistryError> {
        if self.logins.wants_basic.load(Ordering::Relaxed) {
            // Asked each time: a token is renewed before it ends.
            let credential = self.credential(attempt).await?;
            return self.log_in(&Challenge::Basic, attempt, ask.access, credential).await;
        }
        let mut slot = self.logins.slot(ask.access).await?;
        // Before it ends, not after: the body of an upload is not there for a second try.
        if let Some(challenge) = slot.stale() {
            slot.login = slot.asked(self.log_in_by(&challenge, attempt, ask).await)?;
        }
        Ok(slot.login.clone())
    }

    /// Another login than the one that an answer refuses; none where the answer refuses none, or there is no other.
    pub(super) async fn better_login(
        &self,
        response: &Response,
        refused: Option<Login>,
        ask: &Ask<'_>,
        attempt: &Attempt<'_>,
    ) -> Result<Option<Login>, RegistryError> {
        let challenge = match (response.status(), &refused) {
            (StatusCode::UNAUTHORIZED, _) => Challenge::of(response),
            // ECR says of a token that has expired that it may not do this.
            (StatusCode::FORBIDDEN, Some(login)) if login.shown.is_some() => Some(Challenge::Basic),
            _ => None,
        };
        let Some(challenge) = challenge.filter(|_| self.is_here(&ask.url)) else {
            return Ok(None);
        };
        let mut slot = self.logins.slot(ask.access).await?;
        if let Some(login) = slot.login.as_ref().filter(|login| login.is_fresh())
            && refused.as_ref().is_none_or(|refused| !refused.is(login))
        {
            return Ok(Some(login.clone()));
        }
        if let Some(refused) = refused.as_ref().filter(|refused| refused.shown.is_some())
            && !self.renew(refused, attempt).await?
        {
            return Ok(None);
        }
        let login = slot.asked(self.log_in_by(&challenge, attempt, ask).await)?;
        match challenge {
            Challenge::Basic => self.logins.wants_basic.store(login.is_some(), Ordering::Relaxed),
            Challenge::Bearer(_) => slot.login.clone_from(&login),
        }
        Ok(login)
    }

    async fn log_in_by(
        &self,
        challenge: &Challenge,
        attempt: &Attempt<'_>,
        ask: &Ask<'_>,
    ) -> Result<Option<Login>, RegistryError> {
        let credential = self.credential(attempt).await?;
        self.log_in(challenge, attempt, ask.access, credential).await
    }
}

fn basic(username: &str, password: &SecretString) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{}", password.expose_secret()))
    )
}

/// A parameter of a challenge, `name="value"` (RFC 9110, section 11.2).
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut rest = parameters;
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.trim_matches([' ', ',']).eq_ignore_ascii_case(name) {
            return Some(value.to_owned());
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_a_challenge_are_read() {
        // Docker Hub's, from the token specification's own example.
        let challenge = r#"realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:samalba/my-app:pull,push""#;
        assert_eq!(
            parameter(challenge, "realm").as_deref(),
            Some("https://auth.docker.io/token")
        );
        assert_eq!(parameter(challenge, "service").as_deref(), Some("registry.docker.io"));
        assert_eq!(
            parameter(challenge, "scope").as_deref(),
            Some("repository:samalba/my-app:pull,push")
        );
        assert_eq!(parameter(challenge, "error"), None);
    }
}
