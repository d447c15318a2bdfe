//! Faults: what a front does wrong when it is told to.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode};
use regex::Regex;

use crate::answer::{Body, BoxError, Closed, registry_error, with_header};

/// A rule: requests that it matches are answered wrongly.
///
/// Faults act on requests that the front would have let in; on exactly `/v2/`
/// also before the login. All faults that match act, in the order they were given.
#[derive(Debug, Clone)]
pub struct Fault {
    /// `None` matches every method.
    pub method: Option<String>,
    /// A regular expression that must match somewhere in the path.
    pub path: String,
    /// How often; `None` is always.
    pub times: Option<usize>,
    /// What happens.
    pub act: Act,
}

/// What a fault does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Answers this instead.
    Status {
        /// HTTP status.
        status: u16,
        /// The distribution specification's error code, such as `TOOMANYREQUESTS`.
        code: String,
        /// The error's text.
        message: String,
        /// More headers, such as `Retry-After`.
        headers: Vec<(String, String)>,
    },
    /// Adds or replaces a header of the answer.
    Header(String, String),
    /// Waits before it goes on.
    Delay(Duration),
    /// Closes the connection after this many bytes of the answer's body.
    CutBody(usize),
    /// Reads this many bytes of the request's body, then closes the connection.
    CutRequest(usize),
    /// Answers with another image's Docker-Content-Digest.
    WrongDigest,
    /// Waits for [`Front::release`](super::Front::release).
    Hold,
}

impl Fault {
    /// A fault of every request whose path the expression matches, for ever.
    pub fn new(path: &str, act: Act) -> Fault {
        Fault {
            method: None,
            path: path.to_owned(),
            times: None,
            act,
        }
    }

    /// Only this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Fault {
        self.method = Some(method.to_owned());
        self
    }

    /// Only this many times.
    #[must_use]
    pub fn times(mut self, times: usize) -> Fault {
        self.times = Some(times);
        self
    }
}

impl Act {
    /// An answer without further headers.
    pub fn status(status: u16, code: &str, message: &str) -> Act {
        Act::Status {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            headers: Vec::new(),
        }
    }

    /// 429 with a Retry-After of this many seconds.
    pub fn too_many_requests(retry_after: u64) -> Act {
        Act::Status {
            status: 429,
            code: "TOOMANYREQUESTS".to_owned(),
            message: "You have reached your pull rate limit.".to_owned(),
            headers: vec![("Retry-After".to_owned(), retry_after.to_string())],
        }
    }
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    path: Regex,
}

/// The faults of one front.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<Rule>>,
    held: Held,
}

impl Faults {
    pub(crate) fn add(&self, fault: Fault) -> Result<()> {
        let path = Regex::new(&fault.path).context("a fault's path")?;
        self.rules().push(Rule { fault, path });
        Ok(())
    }

    pub(crate) fn clear(&self) {
        self.rules().clear();
    }

    pub(crate) fn held(&self) -> &Held {
        &self.held
    }

    /// The acts for a request, each counted as done once.
    pub(crate) fn acts(&self, method: &str, path: &str) -> Vec<Act> {
        let mut acts = Vec::new();
        for rule in self.rules().iter_mut() {
            let fault = &mut rule.fault;
            let wanted = fault.method.as_deref();
            if fault.times == Some(0)
                || wanted.is_some_and(|wanted| !wanted.eq_ignore_ascii_case(method))
                || !rule.path.is_match(path)
            {
                continue;
            }
            fault.times = fault.times.map(|times| times - 1);
            acts.push(fault.act.clone());
        }
        acts
    }

    /// What happens before the request is worked on: an answer in its place, or nothing.
    pub(crate) async fn before(
        &self,
        acts: &[Act],
        request: &mut Request<Body>,
    ) -> Result<Option<Response<Body>>, Closed> {
        for act in acts {
            match act {
                Act::Delay(time) => tokio::time::sleep(*time).await,
                Act::Hold => self.held.wait().await,
                Act::CutRequest(bytes) => {
                    read_some(request.body_mut(), *bytes).await;
                    return Err(Closed);
                }
                Act::Status {
                    status,
                    code,
                    message,
                    headers,
                } => {
                    let status = StatusCode::from_u16(*status);
                    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    let error = registry_error(status, code, message);
                    let add = |to, (name, value): &(String, String)| with_header(to, name, value);
                    return Ok(Some(headers.iter().fold(error, add)));
                }
                Act::Header(..) | Act::CutBody(_) | Act::WrongDigest => {}
            }
        }
        Ok(None)
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What happens to the answer.
pub(crate) fn after(acts: &[Act], mut response: Response<Body>) -> Response<Body> {
    for act in acts {
        response = match act {
            Act::Header(name, value) => with_header(response, name, value),
            Act::WrongDigest => {
                let wrong = format!("sha256:{}", "0bad".repeat(16));
                with_header(response, "Docker-Content-Digest", &wrong)
            }
            Act::CutBody(bytes) => response.map(|body| cut_after(body, *bytes)),
            _ => response,
        };
    }
    response
}

/// Requests that wait for their release.
#[derive(Debug)]
pub(crate) struct Held {
    generation: tokio::sync::watch::Sender<u64>,
    count: tokio::sync::watch::Sender<usize>,
}

impl Default for Held {
    fn default() -> Held {
        Held {
            generation: tokio::sync::watch::channel(0).0,
            count: tokio::sync::watch::channel(0).0,
        }
    }
}

impl Held {
    async fn wait(&self) {
        struct Leave<'a>(&'a Held);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.count.send_modify(|count| *count -= 1);
            }
        }
        let mut generation = self.generation.subscribe();
        self.count.send_modify(|count| *count += 1);
        // Also when the client goes away while it waits.
        let _leave = Leave(self);
        let _ = generation.changed().await;
    }

    pub(crate) fn release(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Waits until this many requests are held at once.
    pub(crate) async fn reached(&self, wanted: usize) {
        let mut count = self.count.subscribe();
        let _ = count.wait_for(|count| *count >= wanted).await;
    }
}

async fn read_some(body: &mut Body, wanted: usize) {
    let mut read = 0;
    while read < wanted {
        let Some(Ok(frame)) = body.frame().await else {
            return;
        };
        read += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// The body's first bytes, then an error, upon which the connection is closed.
fn cut_after(body: Body, bytes: usize) -> Body {
    let frames = futures::stream::unfold((body, bytes), |(mut body, left)| async move {
        if left == 0 {
            // An error at once would also drop what is not flushed yet.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return Some((Err(BoxError::from(Closed)), (body, 0)));
        }
        let frame = body.frame().await?;
        let cut = frame.map(|frame| {
            let mut data = frame.into_data().unwrap_or_default();
            data.truncate(left);
            data
        });
        let length = cut.as_ref().map_or(0, Bytes::len);
        let frame = cut.map(hyper::body::Frame::data);
        Some((frame, (body, left - length)))
    });
    http_body_util::StreamBody::new(frames).boxed_unsync()
}
