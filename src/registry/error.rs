use std::error::Error;
use std::fmt;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;

use crate::image::ImageRef;
use crate::retry::retry_after;

/// A request to a registry that came to nothing. Its text holds no URL: one may be a key to what it names.
#[derive(Debug)]
pub struct RegistryError {
    /// `HEAD`, `GET`.
    pub method: Method,
    /// The registry's host.
    pub host: String,
    /// The repository's name in it; empty where the registry itself was asked.
    pub path: String,
    /// What it answered, where it answered at all.
    pub status: Option<StatusCode>,
    /// The registry's own words, or the transport's.
    pub message: String,
    retry_after: Option<Duration>,
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.host)?;
        if !self.path.is_empty() {
            write!(f, "/{}", self.path)?;
        }
        match self.status {
            Some(status) if self.message.is_empty() => write!(f, ": {status}"),
            Some(status) => write!(f, ": {status}: {}", self.message),
            None => write!(f, ": {}", self.message),
        }
    }
}

impl Error for RegistryError {}

impl RegistryError {
    /// How long the registry asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// What a registry says is wrong (OCI distribution specification, "Error Codes").
#[derive(Deserialize)]
struct Answer {
    errors: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// No registry needs more to say what is wrong, and a page is not worth reading.
const ENOUGH: usize = 16 << 10;

impl RegistryError {
    pub(super) fn new(method: Method, host: &str, path: &str, message: String) -> Self {
        Self {
            method,
            host: host.to_owned(),
            path: path.to_owned(),
            status: None,
            message,
            retry_after: None,
        }
    }

    /// That the registry did answer, in a way that no other try changes.
    pub(super) fn answered(mut self) -> Self {
        self.status = Some(StatusCode::OK);
        self
    }

    pub(super) fn setup(error: reqwest::Error) -> Self {
        Self::new(
            Method::GET,
            "",
            "",
            format!("set up the HTTP client: {}", innermost(&error)),
        )
    }

    pub(super) fn transport(method: Method, host: &str, path: &str, error: reqwest::Error) -> Self {
        let why = match error.is_timeout() {
            true => "no answer in time".to_owned(),
            false => innermost(&error.without_url()),
        };
        Self::new(method, host, path, why)
    }

    /// An answer that is none which the specification knows.
    pub(super) fn odd(method: Method, image: &ImageRef, why: impl ToString) -> Self {
        Self::new(method, &image.repository.host, &image.repository.path, why.to_string()).answered()
    }

    pub(super) async fn refused(method: Method, host: &str, path: &str, mut answer: Response) -> Self {
        let status = answer.status();
        let retry_after = retry_after(answer.headers());
        let mut body = Vec::new();
        while let Ok(Some(piece)) = answer.chunk().await {
            body.extend_from_slice(&piece);
            if body.len() > ENOUGH {
                break;
            }
        }
        let said: Option<Answer> = serde_json::from_slice(&body).ok();
        let items = said.into_iter().flat_map(|answer| answer.errors);
        let words: Vec<String> = items.map(|item| format!("{} {}", item.code, item.message)).collect();
        Self {
            status: Some(status),
            retry_after,
            ..Self::new(method, host, path, words.join("; ").trim().to_owned())
        }
    }
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    anyhow::Chain::new(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}
