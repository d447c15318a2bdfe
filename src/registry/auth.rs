//! Who we are at a registry: Basic, and Bearer tokens (the distribution project's "Token Authentication Specification").

use std::time::{Duration, Instant};

use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Method, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Client, RegistryError, scheme};

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

/// A token that a registry's token server gave.
#[derive(Debug, Clone)]
pub(super) struct Bearer {
    token: SecretString,
    until: Instant,
}

impl Bearer {
    pub(super) fn is_fresh(&self) -> bool {
        Instant::now() < self.until
    }

    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.token.expose_secret())
    }
}

/// What a token server has to say for a token that names no end (the specification's default).
const USUAL_LIFE: u64 = 60;
/// No token is trusted for longer, whatever its server says.
const LONGEST_LIFE: u64 = 24 * 3600;
/// A token is not used in its last moments, which a request may outlast.
const SPARE: u64 = 10;

#[derive(Deserialize)]
struct Given {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Client {
    /// The Authorization header that a 401 asks for; none where there is nothing to answer with.
    pub(super) async fn answer_challenge(
        &self,
        answer: &Response,
        host: &str,
        path: &str,
        scope: &str,
        credential: Option<&Credential>,
    ) -> Result<Option<String>, RegistryError> {
        let challenges: Vec<&str> = answer
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let of = |scheme: &str| {
            challenges.iter().find_map(|challenge| {
                let (name, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
                name.eq_ignore_ascii_case(scheme).then_some(rest)
            })
        };
        if let Some(parameters) = of("Bearer") {
            let bearer = self.token(parameters, host, path, credential).await?;
            let header = bearer.header();
            self.bearers.lock().await.insert(scope.to_owned(), bearer);
            return Ok(Some(header));
        }
        match (of("Basic"), credential) {
            (Some(_), Some(Credential::Password { username, password })) => Ok(Some(basic(username, password))),
            _ => Ok(None),
        }
    }

    async fn token(
        &self,
        parameters: &str,
        host: &str,
        path: &str,
        credential: Option<&Credential>,
    ) -> Result<Bearer, RegistryError> {
        let parameter = |name: &str| parameter(parameters, name);
        let odd = |why: &str| RegistryError::new(Method::GET, host, path, why.to_owned()).answered();
        let realm = parameter("realm").ok_or_else(|| odd("it asks for a token, and does not say where to get one"))?;
        // A login is not shown to a network that the registry's own connection is hidden from.
        if !realm.starts_with("https://") && scheme(host) == "https" {
            return Err(odd("it asks to log in over plain HTTP, which is refused"));
        }
        let mut query = vec![("service", parameter("service").unwrap_or_default())];
        if !path.is_empty() {
            query.push(("scope", format!("repository:{path}:pull")));
        }
        let request = match credential {
            // OAuth2, as Docker does with identity tokens ("Docker Registry v2 authentication using OAuth2").
            Some(Credential::IdentityToken(token)) => {
                query.push(("grant_type", "refresh_token".to_owned()));
                query.push(("client_id", "ecr-keeper".to_owned()));
                query.push(("refresh_token", token.expose_secret().to_owned()));
                self.tokens.post(&realm).form(&query)
            }
            Some(Credential::Password { username, password }) => self
                .tokens
                .get(&realm)
                .query(&query)
                .basic_auth(username, Some(password.expose_secret())),
            None => self.tokens.get(&realm).query(&query),
        };
        let transport = |error: reqwest::Error| RegistryError::transport(Method::GET, host, path, error);
        let answer = request.send().await.map_err(transport)?;
        if !answer.status().is_success() {
            return Err(RegistryError::refused(Method::GET, host, path, answer).await);
        }
        let given: Given = answer
            .json()
            .await
            .map_err(|_| odd("its token server's answer is none that is known"))?;
        let token = given.token.or(given.access_token).filter(|token| !token.is_empty());
        let life = given
            .expires_in
            .unwrap_or(USUAL_LIFE)
            .min(LONGEST_LIFE)
            .saturating_sub(SPARE);
        Ok(Bearer {
            token: token.ok_or_else(|| odd("its token server gave no token"))?.into(),
            until: Instant::now() + Duration::from_secs(life),
        })
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
