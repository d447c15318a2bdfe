use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;

use crate::retry::{Passes, is_passing, retry_after};

/// A request to a registry that came to nothing. Its text holds no URL: one may be a key to what it names.
#[derive(Debug, Clone)]
pub struct RegistryError {
    /// `HEAD`, `GET`.
    pub method: Method,
    /// The registry's host.
    pub host: String,
    /// The repository's name in it; empty where the registry itself was asked.
    pub path: String,
    /// What happened.
    pub cause: Cause,
    /// The registry's own words, or the transport's.
    pub message: String,
    pub(super) retry_after: Option<Duration>,
    /// There is another login now than the one that was refused.
    pub(super) has_other_login: bool,
    /// Whoever asks the registry next waits as long as it said.
    pub(super) is_waited_for: bool,
}

/// What came back instead of what was asked for.
#[derive(Debug, Clone)]
pub enum Cause {
    /// A refusal.
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The registry's code for it, such as `MANIFEST_UNKNOWN` (OCI distribution specification, "Error Codes").
        code: Option<String>,
    },
    /// An answer that the specification does not allow: another digest, a size that is not the promised one, no JSON.
    Odd,
    /// A manifest that this program does not copy.
    NoManifest,
    /// No host of that name.
    UnknownHost,
    /// A certificate that is not trusted, or TLS that does not come about.
    Certificate,
    /// No connection, or one that broke.
    Connection,
    /// No answer, or no sign of life, within the bound.
    Timeout,
    /// It does not take so much in one request; smaller ones come next.
    WantsChunks,
    /// The registry's limit is used up, and `on_limit: stop` says not to wait.
    LimitReached,
    /// The credential could not be had.
    Credential(Arc<dyn Error + Send + Sync>),
    /// This program's own set-up.
    Setup,
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.host)?;
        if !self.path.is_empty() {
            write!(f, "/{}", self.path)?;
        }
        match &self.cause {
            Cause::Refused { status, .. } if self.message.is_empty() => write!(f, ": {status}"),
            Cause::Refused { status, .. } => write!(f, ": {status}: {}", self.message),
            _ => write!(f, ": {}", self.message),
        }
    }
}

impl Error for RegistryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Credential(source) => Some(&**source),
            _ => None,
        }
    }
}

impl Passes for RegistryError {
    fn passes(&self) -> bool {
        match &self.cause {
            Cause::Refused { status, code } => {
                is_passing(*status) || code.as_deref() == Some(UPLOAD_UNKNOWN) || self.has_other_login
            }
            Cause::Connection | Cause::Timeout | Cause::UnknownHost | Cause::WantsChunks => true,
            Cause::Odd
            | Cause::NoManifest
            | Cause::Certificate
            | Cause::LimitReached
            | Cause::Credential(_)
            | Cause::Setup => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// A manifest names content that the registry lacks (OCI distribution specification, "Error Codes").
pub const MANIFEST_BLOB_UNKNOWN: &str = "MANIFEST_BLOB_UNKNOWN";

/// An upload's session has ended: another one can be begun.
const UPLOAD_UNKNOWN: &str = "BLOB_UPLOAD_UNKNOWN";

impl RegistryError {
    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<StatusCode> {
        match &self.cause {
            Cause::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The registry's code for its refusal.
    pub fn code(&self) -> Option<&str> {
        match &self.cause {
            Cause::Refused { code, .. } => code.as_deref(),
            _ => None,
        }
    }

    /// Whether another try is nothing that counts: the registry wants it in another way, or later and is waited for.
    pub fn is_free(&self) -> bool {
        matches!(self.cause, Cause::WantsChunks) || self.is_waited_for
    }

    /// Takes out of the registry's words what it was shown: some say back what they refuse.
    pub(super) fn without(mut self, secrets: &[String]) -> Self {
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            self.message = self.message.replace(secret, "***");
        }
        self
    }

    /// Whether nobody answered.
    pub(super) fn is_away(&self) -> bool {
        matches!(self.cause, Cause::Connection | Cause::Timeout | Cause::UnknownHost)
    }

    /// Whether the registry answered that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND)
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

/// Who was asked, and how: what every error tells.
#[derive(Debug, Clone)]
pub(super) struct Attempt<'a> {
    pub(super) method: Method,
    pub(super) host: &'a str,
    pub(super) path: &'a str,
}

impl Attempt<'_> {
    pub(super) fn error(&self, cause: Cause, message: impl ToString) -> RegistryError {
        RegistryError {
            method: self.method.clone(),
            host: self.host.to_owned(),
            path: self.path.to_owned(),
            cause,
            message: message.to_string(),
            retry_after: None,
            has_other_login: false,
            is_waited_for: false,
        }
    }

    /// An answer that is none which the specification knows.
    pub(super) fn odd(&self, why: impl ToString) -> RegistryError {
        self.error(Cause::Odd, why)
    }

    pub(super) fn timeout(&self) -> RegistryError {
        self.error(Cause::Timeout, "no answer in time")
    }

    pub(super) fn transport(&self, error: reqwest::Error) -> RegistryError {
        let error = error.without_url();
        match () {
            () if error.is_timeout() => self.timeout(),
            () if error.is_dns() => self.error(Cause::UnknownHost, innermost(&error)),
            () if is_of_tls(&error) => self.error(Cause::Certificate, innermost(&error)),
            () if error.is_redirect() => self.odd(format!("its redirects are not followed: {}", innermost(&error))),
            () if error.is_builder() => self.error(Cause::Setup, innermost(&error)),
            () => self.error(Cause::Connection, innermost(&error)),
        }
    }

    /// What a refusal says, as far as it comes in time.
    pub(super) async fn refused(&self, mut answer: Response, bound: Duration) -> RegistryError {
        let status = answer.status();
        let retry_after = retry_after(answer.headers());
        let mut body = Vec::new();
        let end = tokio::time::Instant::now() + bound;
        while let Ok(Ok(Some(piece))) = tokio::time::timeout_at(end, answer.chunk()).await {
            body.extend_from_slice(&piece);
            if body.len() > ENOUGH {
                break;
            }
        }
        let said: Option<Answer> = serde_json::from_slice(&body).ok();
        let items = said.map(|answer| answer.errors).unwrap_or_default();
        // It may name several: one of them says what can be done.
        let lacking = items.iter().find(|item| item.code == MANIFEST_BLOB_UNKNOWN);
        let code = lacking.or(items.first()).map(|item| item.code.clone());
        let code = code.filter(|code| !code.is_empty());
        let words: Vec<String> = items
            .iter()
            .map(|item| format!("{} {}", item.code, item.message).trim().to_owned())
            .collect();
        RegistryError {
            retry_after,
            ..self.error(
                Cause::Refused { status, code },
                with_wait(shortened(words.join("; ")), retry_after),
            )
        }
    }
}

/// What a person reads of a registry's words.
const ENOUGH_WORDS: usize = 500;

fn shortened(mut words: String) -> String {
    if let Some((end, _)) = words.char_indices().nth(ENOUGH_WORDS) {
        words.truncate(end);
        words.push('…');
    }
    words
}

/// What a registry says, and how long it asks to be left alone.
fn with_wait(words: String, retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(wait) if words.is_empty() => format!("it asks to wait {} s", wait.as_secs()),
        Some(wait) => format!("{words}; it asks to wait {} s", wait.as_secs()),
        None => words,
    }
}

fn is_of_tls(error: &reqwest::Error) -> bool {
    anyhow::Chain::new(error).any(|cause| {
        let mut cause: &(dyn Error + 'static) = cause;
        // An I/O error does not name what is in it as its source, and there may be one in another.
        while let Some(inner) = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            cause = inner;
        }
        cause.is::<rustls::Error>()
    })
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    anyhow::Chain::new(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}
