//! A token server beside its registry, as the specification of distribution has it:
//! <https://distribution.github.io/distribution/spec/auth/token/>, and with POST as
//! <https://distribution.github.io/distribution/spec/auth/oauth/>.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::scope::Scope;
use super::{basic_login, query_value, query_values};
use crate::answer::{Body, json_answer, read_all, registry_error, with_header};
use crate::chance;

/// Where the tokens are to be had.
const PATH: &str = "/token";
const SERVICE: &str = "lab";

/// Hands out tokens, and knows what they are worth.
#[derive(Debug)]
pub(crate) struct TokenServer {
    scheme: &'static str,
    user: String,
    password: String,
    anonymous_pull: bool,
    ttl: Duration,
    issued: Mutex<HashMap<String, Issued>>,
    identities: Mutex<HashSet<String>>,
}

/// What a token allows.
#[derive(Debug, Clone)]
struct Issued {
    scopes: Vec<Scope>,
    until: Instant,
}

/// Who asks for a token, and for what.
struct Asking {
    anonymous: bool,
    scopes: Vec<Scope>,
    /// Whether a token that stands in for the login is wanted as well.
    identity: bool,
}

impl TokenServer {
    pub(crate) fn new(scheme: &'static str, user: &str, password: &str, anonymous_pull: bool, ttl: Duration) -> Self {
        TokenServer {
            scheme,
            user: user.to_owned(),
            password: password.to_owned(),
            anonymous_pull,
            ttl,
            issued: Mutex::default(),
            identities: Mutex::default(),
        }
    }

    /// No token that was handed out so far opens anything from now on.
    pub(crate) fn revoke(&self) {
        self.issued().clear();
    }

    /// A refresh token of the user's, which a client keeps in place of the password.
    pub(crate) fn identity(&self) -> String {
        let identity = chance::hex(64);
        let mut identities = self.identities.lock().unwrap_or_else(PoisonError::into_inner);
        identities.insert(identity.clone());
        identity
    }

    pub(super) fn is_asked(request: &Request<Body>) -> bool {
        request.uri().path() == PATH
    }

    pub(super) fn refusal(&self, request: &Request<Body>) -> Option<Response<Body>> {
        if TokenServer::is_asked(request) {
            return None;
        }
        let Some(token) = bearer(request) else {
            return Some(self.challenge(request, None));
        };
        match (self.worth(token), Scope::needed(request)) {
            (None, _) => Some(self.challenge(request, Some("invalid_token"))),
            (Some(issued), Some(needed)) if !issued.covers(&needed) => {
                Some(self.challenge(request, Some("insufficient_scope")))
            }
            _ => None,
        }
    }

    /// Whether the token also allows to read where a mount's blob is. True of what is no mount.
    pub(super) fn allows_mount(&self, request: &Request<Body>) -> bool {
        let issued = bearer(request).and_then(|token| self.worth(token));
        match (Scope::of_mount(request), issued) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(needed), Some(issued)) => issued.covers(&needed),
        }
    }

    /// 401, with where to get a token and for which scope.
    fn challenge(&self, request: &Request<Body>, error: Option<&str>) -> Response<Body> {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let realm = format!("{}://{}{PATH}", self.scheme, host.unwrap_or_default());
        let mut challenge = format!("Bearer realm=\"{realm}\",service=\"{SERVICE}\"");
        let needed = [Scope::needed(request), Scope::of_mount(request)];
        let needed: Vec<String> = needed.iter().flatten().map(Scope::to_string).collect();
        if !needed.is_empty() {
            challenge.push_str(&format!(",scope=\"{}\"", needed.join(" ")));
        }
        if let Some(error) = error {
            challenge.push_str(&format!(",error=\"{error}\""));
        }
        let refusal = registry_error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required");
        with_header(refusal, "WWW-Authenticate", &challenge)
    }

    /// Answers a request for a token.
    pub(super) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (asking, by_form) = match *request.method() {
            Method::GET => (self.asked_by_query(&request), false),
            Method::POST => (self.asked_by_form(request).await, true),
            _ => (Err(StatusCode::METHOD_NOT_ALLOWED), false),
        };
        match asking {
            Ok(asking) => json_answer(StatusCode::OK, &self.granted(&asking, by_form)),
            Err(status) => {
                let text = match status {
                    StatusCode::UNAUTHORIZED => "incorrect username or password",
                    _ => "no such way to ask for a token",
                };
                registry_error(status, "UNAUTHORIZED", text)
            }
        }
    }

    fn asked_by_query(&self, request: &Request<Body>) -> Result<Asking, StatusCode> {
        let query = request.uri().query().unwrap_or_default();
        let anonymous = !request.headers().contains_key(AUTHORIZATION);
        let login = basic_login(request);
        let known = login.is_some_and(|(user, password)| self.knows(&user, &password));
        let welcome = known || (anonymous && self.anonymous_pull);
        if !welcome {
            return Err(StatusCode::UNAUTHORIZED);
        }
        asking(query, anonymous, query_value(query, "offline_token"), "true")
    }

    async fn asked_by_form(&self, request: Request<Body>) -> Result<Asking, StatusCode> {
        let form = read_all(request.into_body(), 1 << 20).await.unwrap_or_default();
        let form = String::from_utf8_lossy(&form);
        let value = |key: &str| query_value(&form, key).unwrap_or_default();
        let known = match value("grant_type").as_str() {
            "password" => self.knows(&value("username"), &value("password")),
            "refresh_token" => self.knows_identity(&value("refresh_token")),
            _ => return Err(StatusCode::BAD_REQUEST),
        };
        if !known {
            return Err(StatusCode::UNAUTHORIZED);
        }
        asking(&form, false, query_value(&form, "access_type"), "offline")
    }

    /// A new token. By GET it is named `token`, by POST also `access_token`, as OAuth names it.
    fn granted(&self, asking: &Asking, by_form: bool) -> Value {
        let scopes: Vec<Scope> = match asking.anonymous {
            true => asking.scopes.iter().filter_map(Scope::only_pull).collect(),
            false => asking.scopes.clone(),
        };
        let token = chance::hex(64);
        let mut answer = json!({
            "token": token,
            "expires_in": self.ttl.as_millis().div_ceil(1000),
            "issued_at": Timestamp::now().to_string(),
        });
        if by_form {
            let scopes: Vec<String> = scopes.iter().map(Scope::to_string).collect();
            answer["access_token"] = json!(token);
            answer["scope"] = json!(scopes.join(" "));
        }
        if asking.identity && !asking.anonymous {
            answer["refresh_token"] = json!(self.identity());
        }
        let until = Instant::now() + self.ttl;
        self.issued().insert(token, Issued { scopes, until });
        answer
    }

    fn knows(&self, user: &str, password: &str) -> bool {
        self.user == user && self.password == password
    }

    fn knows_identity(&self, identity: &str) -> bool {
        let identities = self.identities.lock().unwrap_or_else(PoisonError::into_inner);
        identities.contains(identity)
    }

    /// What a token allows; `None` when it expired, was revoked, or never was one.
    fn worth(&self, token: &str) -> Option<Issued> {
        let issued = self.issued().get(token).cloned();
        issued.filter(|issued| Instant::now() < issued.until)
    }

    fn issued(&self) -> MutexGuard<'_, HashMap<String, Issued>> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Issued {
    fn covers(&self, needed: &Scope) -> bool {
        self.scopes.iter().any(|scope| scope.covers(needed))
    }
}

fn asking(query: &str, anonymous: bool, wants: Option<String>, identity: &str) -> Result<Asking, StatusCode> {
    if query_value(query, "service").as_deref() != Some(SERVICE) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let scopes = query_values(query, "scope");
    Ok(Asking {
        anonymous,
        scopes: scopes.iter().flat_map(|scope| Scope::parse_all(scope)).collect(),
        identity: wants.as_deref() == Some(identity),
    })
}

fn bearer(request: &Request<Body>) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
