//! HTTP fronts: what clients take for a registry. Each enforces rules, logs, injects
//! faults, and streams everything else to a real docker-registry.

mod act;
mod fault;
mod held;
mod log;
mod path;
mod plain;
mod referrers;
mod scope;
mod spoiled;
mod tags;
mod token_server;

use std::sync::Arc;

use anyhow::Result;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response};
use tokio::task::AbortHandle;

pub use fault::{Act, Fault};
pub use log::Logged;
pub(crate) use path::{Asked, query_value, query_values};
pub(crate) use plain::{Login, PlainRules, basic_login, without_query};
pub use referrers::Referrers;
pub(crate) use referrers::{page as referrers_page, subject_of};
pub(crate) use tags::page as tag_page;
pub(crate) use token_server::TokenServer;

use crate::answer::{Body, Closed};
use crate::backend::Way;
use crate::ecr::{BlobRules, RegistryRules};
use crate::server::{Port, Serving};

/// Who may come in, and what is answered without the backend.
#[derive(Debug)]
pub(crate) enum Rules {
    /// A registry as most are.
    Plain(PlainRules),
    /// ECR's registry.
    Ecr(RegistryRules),
    /// Where ECR's registry redirects blob reads to.
    Blobs(BlobRules),
}

/// An HTTP/1.1 server on a loopback port in front of a docker-registry.
#[derive(Debug)]
pub struct Front {
    inner: Arc<Inner>,
    serving: Serving,
}

#[derive(Debug)]
struct Inner {
    host: String,
    other_host: String,
    scheme: &'static str,
    rules: Rules,
    way: Way,
    log: log::Log,
    faults: fault::Faults,
}

impl Front {
    pub(crate) fn start(port: Port, rules: Rules, way: Way) -> Front {
        let inner = Arc::new(Inner {
            host: port.host(),
            other_host: port.other_host(),
            scheme: port.scheme(),
            rules,
            way,
            log: log::Log::default(),
            faults: fault::Faults::default(),
        });
        let handler = inner.clone();
        let serving = port.serve(move |request| handle(handler.clone(), request));
        Front { inner, serving }
    }

    /// Ends it from elsewhere.
    pub(crate) fn ender(&self) -> AbortHandle {
        self.serving.ender()
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> &str {
        &self.inner.host
    }

    /// All requests since the last clearing, in the order they came.
    pub fn requests(&self) -> Vec<Logged> {
        self.inner.log.all()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.inner.log.clear();
    }

    /// Adds a fault.
    ///
    /// # Panics
    /// When its path is no regular expression.
    pub fn fault(&self, fault: Fault) {
        if let Err(error) = self.try_fault(fault) {
            panic!("{error:#}");
        }
    }

    pub(crate) fn try_fault(&self, fault: Fault) -> Result<()> {
        self.inner.faults.add(fault)
    }

    /// Removes all faults; what is held stays held.
    pub fn clear_faults(&self) {
        self.inner.faults.clear();
    }

    /// Lets all requests go on that a [`Act::Hold`] holds now.
    pub fn release(&self) {
        self.inner.faults.held().release();
    }

    /// Waits until so many requests are held at once.
    pub async fn held(&self, requests: usize) {
        self.inner.faults.held().reached(requests).await;
    }

    /// From now on only this user may come in, by Basic authentication. On ECR's own fronts,
    /// which have their tokens, it does nothing.
    pub fn require_login(&self, user: &str, password: &str) {
        if let Rules::Plain(rules) = &self.inner.rules {
            rules.require_login(user, password);
        }
    }

    /// From now on the referrers API is there, or is not. On ECR's own fronts,
    /// where [`LabOptions::ecr_referrers`](crate::LabOptions::ecr_referrers) says so, it does nothing.
    pub fn set_referrers(&self, referrers: Referrers) {
        if let Rules::Plain(rules) = &self.inner.rules {
            rules.set_referrers(referrers);
        }
    }

    /// Removes a tag of the registry behind it, and nothing else. For upstream: what ECR's API knows
    /// is not changed by it.
    ///
    /// # Errors
    /// When there is no such tag.
    pub fn remove_tag(&self, repository: &str, tag: &str) -> Result<()> {
        self.inner.way.remove_tag(repository, tag)
    }

    /// `127.0.0.1:PORT` of the docker-registry behind it: for content that shall not show in the log.
    /// What is pushed there is unknown to ECR's API.
    pub fn backend(&self) -> &str {
        self.inner.way.host()
    }
}

async fn handle(inner: Arc<Inner>, request: Request<Incoming>) -> Result<Response<Body>, Closed> {
    let (entry, request) = inner.log.arrive(request);
    let answer = inner.answer(request).await?;
    Ok(entry.answered(answer))
}

impl Inner {
    async fn answer(&self, mut request: Request<Body>) -> Result<Response<Body>, Closed> {
        let asked_base = Asked::parse(request.uri().path()) == Asked::Base;
        let refusal = self.refusal(&request);
        if !asked_base && let Some(refusal) = refusal {
            return Ok(refusal);
        }
        let acts = self.faults.acts(request.method().as_str(), request.uri().path());
        if let Some(answer) = self.faults.before(&acts, &mut request).await? {
            return Ok(answer);
        }
        // A request may have been held for longer than its token lives.
        let response = match self.refusal(&request) {
            Some(refusal) => refusal,
            None => self.work(request).await,
        };
        Ok(act::after(&acts, response))
    }

    fn refusal(&self, request: &Request<Body>) -> Option<Response<Body>> {
        if self.is_upload_on_other_host(request) {
            return None;
        }
        match &self.rules {
            Rules::Plain(rules) => rules.refusal(request),
            Rules::Ecr(rules) => rules.refusal(request),
            Rules::Blobs(rules) => rules.refusal(request),
        }
    }

    /// An upload that [`Act::LocationOnOtherHost`] sent there. Its address holds the registry's own seal.
    fn is_upload_on_other_host(&self, request: &Request<Body>) -> bool {
        let uri = request.uri();
        self.host != self.other_host
            && request
                .headers()
                .get(HOST)
                .is_some_and(|host| host == self.other_host.as_str())
            && matches!(Asked::parse(uri.path()), Asked::Upload { .. })
            && query_value(uri.query().unwrap_or_default(), "_state").is_some()
    }

    async fn work(&self, mut request: Request<Body>) -> Response<Body> {
        // For the addresses in the backend's answers, as is its Host header.
        let scheme = HeaderValue::from_static(self.scheme);
        request.headers_mut().insert("x-forwarded-proto", scheme);
        match &self.rules {
            Rules::Plain(rules) => rules.work(request, &self.way).await,
            Rules::Ecr(rules) => rules.work(request, &self.way).await,
            Rules::Blobs(rules) => rules.work(request, &self.way).await,
        }
    }
}
