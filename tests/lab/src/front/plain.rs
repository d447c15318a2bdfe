//! A registry as most are: an optional login, tag lists in pages.

use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;

use super::{Asked, tag_page};
use crate::answer::{Body, registry_error, with_header};
use crate::backend::Way;

/// The rules of the upstream front.
#[derive(Debug)]
pub(crate) struct PlainRules {
    page_size: usize,
    login: Mutex<Option<(String, String)>>,
}

#[derive(Deserialize)]
struct TagList {
    tags: Option<Vec<String>>,
}

impl PlainRules {
    pub(crate) fn new(page_size: usize) -> PlainRules {
        PlainRules {
            page_size,
            login: Mutex::new(None),
        }
    }

    pub(crate) fn require_login(&self, user: &str, password: &str) {
        let mut login = self.login.lock().unwrap_or_else(PoisonError::into_inner);
        *login = Some((user.to_owned(), password.to_owned()));
    }

    pub(crate) fn refusal(&self, request: &Request<Body>) -> Option<Response<Body>> {
        let login = self.login.lock().unwrap_or_else(PoisonError::into_inner);
        if login.is_none() || basic_login(request) == *login {
            return None;
        }
        let text = "authentication required";
        let refusal = registry_error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", text);
        Some(with_header(refusal, "WWW-Authenticate", "Basic realm=\"lab\""))
    }

    pub(crate) async fn work(&self, request: Request<Body>, way: &Way) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let listing = request.method() == Method::GET;
        let response = way.forward(request).await;
        match Asked::parse(&path) {
            Asked::Tags { repository } if listing && response.status() == StatusCode::OK => {
                let Ok(body) = response.into_body().collect().await else {
                    return registry_error(StatusCode::BAD_GATEWAY, "UNAVAILABLE", "tag list");
                };
                let list = serde_json::from_slice::<TagList>(&body.to_bytes());
                let tags = list.ok().and_then(|list| list.tags).unwrap_or_default();
                tag_page(repository, tags, &query, self.page_size)
            }
            _ => response,
        }
    }
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
