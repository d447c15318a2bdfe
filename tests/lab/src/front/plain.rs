//! A registry as most are: an optional login, tag lists in pages, the referrers API where it is wanted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, Response, StatusCode, Uri};
use serde::Deserialize;

use super::referrers::{self, Referrers};
use super::token_server::TokenServer;
use super::{Asked, tag_page};
use crate::answer::{Body, full, read_all, registry_error, with_header};
use crate::backend::Way;

/// As distribution's limit.
const LARGEST_MANIFEST: usize = 4 << 20;

/// The rules of the upstream front.
#[derive(Debug)]
pub(crate) struct PlainRules {
    page_size: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    login: Login,
    referrers: Referrers,
}

/// Who may come in.
#[derive(Debug, Clone)]
pub(crate) enum Login {
    Open,
    Basic { user: String, password: String },
    Bearer(Arc<TokenServer>),
}

#[derive(Deserialize)]
struct TagList {
    tags: Option<Vec<String>>,
}

impl PlainRules {
    pub(crate) fn new(page_size: usize, login: Login, referrers: Referrers) -> PlainRules {
        PlainRules {
            page_size,
            state: Mutex::new(State { login, referrers }),
        }
    }

    pub(crate) fn require_login(&self, user: &str, password: &str) {
        self.state().login = Login::Basic {
            user: user.to_owned(),
            password: password.to_owned(),
        };
    }

    pub(crate) fn set_referrers(&self, referrers: Referrers) {
        self.state().referrers = referrers;
    }

    pub(crate) fn refusal(&self, request: &Request<Body>) -> Option<Response<Body>> {
        let (user, password) = match &self.state().login {
            Login::Open => return None,
            Login::Bearer(server) => return server.refusal(request),
            Login::Basic { user, password } => (user.clone(), password.clone()),
        };
        if basic_login(request) == Some((user, password)) {
            return None;
        }
        let text = "authentication required";
        let refusal = registry_error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", text);
        Some(with_header(refusal, "WWW-Authenticate", "Basic realm=\"lab\""))
    }

    pub(crate) async fn work(&self, mut request: Request<Body>, way: &Way) -> Response<Body> {
        let (login, referrers) = {
            let state = self.state();
            (state.login.clone(), state.referrers)
        };
        if let Login::Bearer(server) = login {
            if TokenServer::is_asked(&request) {
                return server.answer(request).await;
            }
            if !server.allows_mount(&request) {
                request = without_query(request);
            }
        }
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        match (request.method(), Asked::parse(&path)) {
            (&Method::GET, Asked::Tags { repository }) => self.tags(request, way, repository, &query).await,
            (_, Asked::Referrers { .. } | Asked::Manifest { .. }) if referrers == Referrers::Unsupported => {
                way.forward(request).await
            }
            (&Method::GET, Asked::Referrers { repository, digest }) => {
                referrers::page(repository, digest, way.manifests(repository), &query, self.page_size)
            }
            (&Method::PUT, Asked::Manifest { .. }) => put_with_subject(request, way).await,
            _ => way.forward(request).await,
        }
    }

    async fn tags(&self, request: Request<Body>, way: &Way, repository: &str, query: &str) -> Response<Body> {
        // All of them: distribution 3 has pages of its own.
        let response = way.forward(without_query(request)).await;
        if response.status() != StatusCode::OK {
            return response;
        }
        let Some(body) = read_all(response.into_body(), usize::MAX).await else {
            return registry_error(StatusCode::BAD_GATEWAY, "UNAVAILABLE", "tag list");
        };
        let list = serde_json::from_slice::<TagList>(&body);
        let tags = list.ok().and_then(|list| list.tags).unwrap_or_default();
        tag_page(repository, tags, query, self.page_size)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts a manifest, and says that its subject was understood.
async fn put_with_subject(request: Request<Body>, way: &Way) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Some(manifest) = read_all(body, LARGEST_MANIFEST).await else {
        let text = "The manifest is too large or broke off";
        return registry_error(StatusCode::BAD_REQUEST, "SIZE_INVALID", text);
    };
    let subject = referrers::subject_of(&manifest);
    let response = way.forward(Request::from_parts(head, full(manifest))).await;
    match subject {
        Some(subject) if response.status() == StatusCode::CREATED => with_header(response, "OCI-Subject", &subject),
        _ => response,
    }
}

/// A mount without its query only begins an upload, as the specification allows; a listing is whole.
pub(crate) fn without_query(mut request: Request<Body>) -> Request<Body> {
    if let Ok(path) = request.uri().path().parse::<Uri>() {
        *request.uri_mut() = path;
    }
    request
}

/// User and password of a request's Basic authentication.
pub(crate) fn basic_login(request: &Request<Body>) -> Option<(String, String)> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
