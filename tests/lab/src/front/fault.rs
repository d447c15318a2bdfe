//! Faults: what a front does wrong when it is told to.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use hyper::{Request, Response};
use regex::Regex;

use super::act;
use super::held::Held;
use crate::answer::{Body, Closed};

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
    /// Of the requests that it matches only each n-th.
    pub every: Option<usize>,
    /// What happens.
    pub act: Act,
}

/// What a fault does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Answers this error instead, in the distribution specification's form.
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
    /// Answers exactly this instead; to HEAD without the body, but with its length.
    Answer {
        /// HTTP status.
        status: u16,
        /// All headers besides Content-Length.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// Adds or replaces a header of the answer.
    Header(String, String),
    /// Leaves a header of the answer out. Without Content-Length the body comes in chunks.
    RemoveHeader(String),
    /// Waits before it goes on.
    Delay(Duration),
    /// Closes the connection after this many bytes of the answer's body.
    CutBody(usize),
    /// Reads this many bytes of the request's body, then closes the connection.
    CutRequest(usize),
    /// Reads each piece of the request's body only after this time: a target that is slow.
    SlowBody(Duration),
    /// Ends the answer's body after this many bytes as if that were all: Content-Length says so too.
    Truncate(usize),
    /// Answers with another last byte; the length stays.
    Corrupt,
    /// Answers the whole body with 200 where the request asked for a range of it.
    IgnoreRange,
    /// Answers with another image's Docker-Content-Digest.
    WrongDigest,
    /// Answers an absolute Location as a path.
    RelativeLocation,
    /// Answers a Location of 127.0.0.1 as one of 127.0.0.2, where the front listens too: to clients, another host.
    /// Uploads there need no login, as their address is the front's own.
    LocationOnOtherHost,
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
            every: None,
            act,
        }
    }

    /// Only this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Fault {
        self.method = Some(method.to_owned());
        self
    }

    /// Only each n-th of those requests.
    #[must_use]
    pub fn every(mut self, n: usize) -> Fault {
        self.every = Some(n);
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
    /// How many requests it matched.
    matched: usize,
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
        self.rules().push(Rule {
            fault,
            path,
            matched: 0,
        });
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
            rule.matched += 1;
            if fault.every.is_some_and(|every| !rule.matched.is_multiple_of(every)) {
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
                Act::Hold => self.held.wait().await,
                _ => {
                    if let Some(answer) = act::before(act, request).await? {
                        return Ok(Some(answer));
                    }
                }
            }
        }
        Ok(None)
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
