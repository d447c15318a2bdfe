//! One registry's host: how it is reached, what it is asked at once, and how a login is shown to it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Body, Certificate, Identity, Method, RequestBuilder, Response, StatusCode, Url};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::auth::{Challenge, Credentials, Login};
use super::error::{Attempt, Cause};
use super::{Access, RegistryError};
use crate::retry::{Passes, Retry, Timeouts};

/// How one registry is dealt with.
#[derive(Debug, Clone, Default)]
pub struct HostOptions {
    /// Whether it is asked without TLS. Where nobody says, the machine's own loopback addresses are, unless an authority is named
    /// for them.
    pub plain_http: Option<bool>,
    /// Authorities that are trusted beside the system's.
    pub authorities: Vec<Certificate>,
    /// What this program shows where the registry asks who it is.
    pub identity: Option<Identity>,
    /// The most requests that begin in a second; none for no limit.
    pub requests_per_second: Option<usize>,
    /// The most requests that are open at once, besides those that carry uploads; none for no limit.
    pub concurrency: Option<usize>,
    /// The bytes of one request of an upload; none for all of a blob in one.
    pub chunk: Option<u64>,
    /// What is done when the registry's limit is used up.
    pub on_limit: OnLimit,
}

/// What is done when a registry says that its limit is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLimit {
    /// It is not asked any more: what else needs it fails at once.
    #[default]
    Stop,
    /// It is waited for, however long it takes.
    Wait,
}

/// What a registry lets one pull (Docker Hub's `ratelimit-…` headers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Limit {
    /// Pulls that are left.
    pub remaining: u64,
    /// Pulls in a window.
    pub of: Option<u64>,
    /// The window's length in seconds.
    pub seconds: Option<u64>,
}

/// A registry, as it is asked.
#[derive(Debug)]
pub(super) struct Host {
    name: String,
    base: String,
    http: reqwest::Client,
    /// Follows no redirect: a login is for whom the registry named, not for whom that one names.
    tokens: reqwest::Client,
    credentials: Arc<dyn Credentials>,
    pub(super) options: HostOptions,
    pub(super) retry: Retry,
    pub(super) timeouts: Timeouts,
    open: Option<Arc<Semaphore>>,
    pace: Mutex<Pace>,
    limit: Mutex<Option<Limit>>,
    /// It failed through all tries: until it answers again, each further request tries once.
    is_ill: AtomicBool,
    /// It wants user and password with each request.
    wants_basic: AtomicBool,
    /// By what they were given for. Each is locked while one is asked for, so that many requests at once ask for one token.
    logins: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Login>>>>>,
    /// It answered a mount with an upload: it does none.
    pub(super) mounts_nothing: AtomicBool,
    /// It refused a blob in one request for its size.
    pub(super) wants_chunks: AtomicBool,
}

#[derive(Debug, Default)]
struct Pace {
    /// When the next request may begin.
    next: Option<Instant>,
    /// The registry asked to be left alone until then.
    paused: Option<Instant>,
    /// Its limit is used up, and is not waited for.
    closed: bool,
}

/// What a request waits for before it begins.
enum Wait {
    /// Its own turn, at so many a second.
    Turn(Instant),
    /// The end of a time in which the registry asked to be left alone.
    Pause(Instant),
}

/// A body that can be sent again for another try.
pub(super) type Again<'a> = &'a (dyn Fn() -> Body + Send + Sync);

/// One request, as often as it has to be sent.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) access: &'a Access,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Again<'a>>,
    /// How long the answer's beginning is waited for.
    pub(super) bound: Duration,
}

/// Whether a request may go out once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resend {
    /// With another login, where the first was refused.
    AfterLogin,
    /// Its body comes once only: who has it again may send it with the other login.
    Never,
}

/// An answer, and the right to have a request open.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) response: Response,
    _permit: Option<OwnedSemaphorePermit>,
}

/// No storage host is further away.
const REDIRECTS: usize = 5;

impl Host {
    pub(super) fn new(
        name: &str,
        options: HostOptions,
        retry: Retry,
        timeouts: Timeouts,
        credentials: Arc<dyn Credentials>,
    ) -> Result<Self, RegistryError> {
        let setup = Attempt {
            method: Method::GET,
            host: name,
            path: "",
        };
        let client = |redirects| {
            let mut builder = reqwest::Client::builder()
                .connect_timeout(timeouts.connect)
                .redirect(redirects)
                // An upload's address is nobody else's business.
                .referer(false)
                .tls_certs_merge(options.authorities.clone())
                .user_agent(concat!("ecr-keeper/", env!("CARGO_PKG_VERSION")));
            if let Some(identity) = &options.identity {
                builder = builder.identity(identity.clone());
            }
            builder
        };
        let http = client(reqwest::redirect::Policy::custom(follow)).build();
        let tokens = client(reqwest::redirect::Policy::none())
            .timeout(timeouts.answer)
            .build();
        // Docker Hub's API has a name of its own.
        let address = match name {
            "docker.io" => "registry-1.docker.io",
            name => name,
        };
        let is_plain = is_loopback(name) && options.authorities.is_empty();
        let over_tls = !options.plain_http.unwrap_or(is_plain);
        let scheme = if over_tls { "https" } else { "http" };
        Ok(Self {
            base: format!("{scheme}://{address}/v2"),
            name: name.to_owned(),
            http: http.map_err(|error| setup.transport(error))?,
            tokens: tokens.map_err(|error| setup.transport(error))?,
            credentials,
            open: options.concurrency.map(|most| Arc::new(Semaphore::new(most))),
            options,
            retry,
            timeouts,
            pace: Mutex::default(),
            limit: Mutex::default(),
            is_ill: AtomicBool::new(false),
            wants_basic: AtomicBool::new(false),
            logins: Mutex::default(),
            mounts_nothing: AtomicBool::new(false),
            wants_chunks: AtomicBool::new(false),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// `https://HOST/v2`.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn tokens(&self) -> &reqwest::Client {
        &self.tokens
    }

    pub(super) fn credentials(&self) -> &dyn Credentials {
        &*self.credentials
    }

    pub(super) fn limit(&self) -> Option<Limit> {
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks until there is an answer that is none of what passes, or the tries are used up.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Answered, RegistryError> {
        let warn = |error: &RegistryError, delay: Duration| {
            tracing::warn!("{error}; trying again in {:.1} s", delay.as_secs_f64());
        };
        let retry = match self.is_ill.load(Ordering::Relaxed) {
            true => Retry { tries: 1, ..self.retry },
            false => self.retry,
        };
        let asked = retry.run(async || self.ask_or_wait(ask).await, warn).await;
        // Too much at once is no illness.
        let failed = asked
            .as_ref()
            .err()
            .filter(|error| error.passes() && error.status() != Some(StatusCode::TOO_MANY_REQUESTS));
        self.is_ill.store(failed.is_some(), Ordering::Relaxed);
        asked
    }

    /// Once; where the limit is waited for, until there is another answer than that it is used up.
    async fn ask_or_wait(&self, ask: &Ask<'_>) -> Result<Answered, RegistryError> {
        let mut wait = self.retry.wait;
        loop {
            let asked = self.ask_once(ask, Resend::AfterLogin).await;
            match &asked {
                Err(error)
                    if error.status() == Some(StatusCode::TOO_MANY_REQUESTS)
                        && self.options.on_limit == OnLimit::Wait =>
                {
                    // Zero seconds, or a date that has passed, are no wait.
                    let delay = error.retry_after().unwrap_or_default().max(wait);
                    tracing::warn!("{error}; waiting {:.0} s, as on_limit says", delay.as_secs_f64());
                    self.pause(delay);
                    wait = (wait * 2).min(self.retry.longest);
                }
                _ => return asked,
            }
        }
    }

    pub(super) async fn ask_once(&self, ask: &Ask<'_>, resend: Resend) -> Result<Answered, RegistryError> {
        let attempt = ask.attempt(self);
        let permit = match (&self.open, resend) {
            (Some(open), Resend::AfterLogin) => open.clone().acquire_owned().await.ok(),
            // What it carries may come from a request that is open here.
            (Some(_), Resend::Never) | (None, _) => None,
        };
        self.turn(&attempt).await?;
        let login = self.known_login(ask, &attempt).await?;
        let mut response = self.send(ask, login.as_ref(), &attempt).await?;
        let better = self.better_login(&response, login, ask, &attempt).await?;
        if resend == Resend::AfterLogin && better.is_some() {
            response = self.send(ask, better.as_ref(), &attempt).await?;
        }
        self.note_limit(response.headers());
        match response.status() {
            status if status.is_success() => Ok(Answered {
                response,
                _permit: permit,
            }),
            status => {
                let mut error = attempt.refused(response, self.timeouts.answer).await;
                error.has_other_login = resend == Resend::Never && better.is_some();
                if status == StatusCode::TOO_MANY_REQUESTS {
                    self.leave_alone(&error);
                    if resend == Resend::Never && self.options.on_limit == OnLimit::Wait {
                        // Whoever asks next waits here.
                        error.retry_after = None;
                    }
                }
                Err(error)
            }
        }
    }

    async fn send(
        &self,
        ask: &Ask<'_>,
        login: Option<&Login>,
        attempt: &Attempt<'_>,
    ) -> Result<Response, RegistryError> {
        let mut request: RequestBuilder = self
            .http
            .request(ask.method.clone(), ask.url.clone())
            .headers(ask.headers.clone());
        if let Some(body) = ask.body {
            request = request.body(body());
        }
        // An upload's place may be on another host, which has no part in the login.
        if let Some(login) = login.filter(|_| self.is_here(&ask.url)) {
            let mut value =
                HeaderValue::from_str(login.header()).map_err(|_| attempt.odd("a login that no header holds"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        match tokio::time::timeout(ask.bound, request.send()).await {
            Ok(answer) => answer.map_err(|error| attempt.transport(error)),
            Err(_) => Err(attempt.timeout()),
        }
    }

    /// Of another place than the registry only the host is named: the rest of an address may be a key to it.
    pub(super) fn attempt<'a>(&'a self, method: Method, url: &'a Url, access: &'a Access) -> Attempt<'a> {
        let (host, path) = match self.is_here(url) {
            true => (self.name(), access.path()),
            false => (url.host_str().unwrap_or_default(), ""),
        };
        Attempt { method, host, path }
    }

    fn is_here(&self, url: &Url) -> bool {
        Url::parse(&self.base).is_ok_and(|base| base.origin() == url.origin())
    }

    /// The login that the registry is known to want for this; none where it has not asked for one.
    async fn known_login(&self, ask: &Ask<'_>, attempt: &Attempt<'_>) -> Result<Option<Login>, RegistryError> {
        if self.wants_basic.load(Ordering::Relaxed) {
            // Asked each time: a token is renewed before it ends.
            let credential = self.credential(attempt).await?;
            return self.log_in(&Challenge::Basic, attempt, ask.access, credential).await;
        }
        let slot = self.slot(ask.access);
        let mut known = slot.lock().await;
        // Before it ends, not after: the body of an upload is not there for a second try.
        if let Some(challenge) = known.as_ref().filter(|login| !login.is_fresh()).map(Login::challenge) {
            let credential = self.credential(attempt).await?;
            *known = self.log_in(&challenge, attempt, ask.access, credential).await?;
        }
        Ok(known.clone())
    }

    /// Another login than the one that an answer refuses; none where the answer refuses none, or there is no other.
    async fn better_login(
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
        let slot = self.slot(ask.access);
        let mut known = slot.lock().await;
        if let Some(login) = known.as_ref().filter(|login| login.is_fresh())
            && refused.as_ref().is_none_or(|refused| !refused.is(login))
        {
            return Ok(Some(login.clone()));
        }
        if let Some(refused) = refused.as_ref().filter(|refused| refused.shown.is_some())
            && !self.renew(refused, attempt).await?
        {
            return Ok(None);
        }
        let credential = self.credential(attempt).await?;
        let login = self.log_in(&challenge, attempt, ask.access, credential).await?;
        match challenge {
            Challenge::Basic => self.wants_basic.store(login.is_some(), Ordering::Relaxed),
            Challenge::Bearer(_) => known.clone_from(&login),
        }
        Ok(login)
    }

    fn slot(&self, access: &Access) -> Arc<tokio::sync::Mutex<Option<Login>>> {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.entry(access.key()).or_default().clone()
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the registry may be asked once more.
    async fn turn(&self, attempt: &Attempt<'_>) -> Result<(), RegistryError> {
        while let Some(wait) = self.next_wait(attempt)? {
            match wait {
                Wait::Turn(at) => {
                    tokio::time::sleep_until(at.into()).await;
                    return Ok(());
                }
                // Meanwhile it may have been paused for longer.
                Wait::Pause(until) => tokio::time::sleep_until(until.into()).await,
            }
        }
        Ok(())
    }

    fn next_wait(&self, attempt: &Attempt<'_>) -> Result<Option<Wait>, RegistryError> {
        let mut pace = self.pace();
        if pace.closed {
            return Err(attempt.error(
                Cause::LimitReached,
                "its limit is used up, and it is not asked any more",
            ));
        }
        let now = Instant::now();
        if let Some(until) = pace.paused.filter(|until| *until > now) {
            return Ok(Some(Wait::Pause(until)));
        }
        Ok(self.options.requests_per_second.map(|most| {
            let begin = pace.next.unwrap_or(now).max(now);
            pace.next = Some(begin + Duration::from_secs(1) / u32::try_from(most).unwrap_or(u32::MAX));
            Wait::Turn(begin)
        }))
    }

    /// Every request of this host waits, not only the one that was told to.
    fn leave_alone(&self, told: &RegistryError) {
        // Some only say that it was too much at once.
        let delay = told.retry_after().unwrap_or(self.retry.wait);
        let is_used_up = delay > self.retry.longest || self.limit().is_some_and(|limit| limit.remaining == 0);
        match self.options.on_limit {
            OnLimit::Stop if is_used_up => self.pace().closed = true,
            OnLimit::Stop | OnLimit::Wait => self.pause(delay),
        }
    }

    fn pause(&self, delay: Duration) {
        // A date that no clock reaches is none that is waited for.
        let until = Instant::now().checked_add(delay);
        let mut pace = self.pace();
        match until {
            Some(until) => pace.paused = pace.paused.max(Some(until)),
            None => pace.closed = true,
        }
    }

    fn note_limit(&self, headers: &HeaderMap) {
        // `76;w=21600`: the count, and the window's seconds.
        let read = |name: &str| {
            let text = headers.get(name)?.to_str().ok()?;
            let (count, rest) = text.split_once(';').unwrap_or((text, ""));
            let seconds = rest.trim().strip_prefix("w=").and_then(|seconds| seconds.parse().ok());
            Some((count.trim().parse::<u64>().ok()?, seconds))
        };
        if let Some((remaining, seconds)) = read("ratelimit-remaining") {
            *self.limit.lock().unwrap_or_else(PoisonError::into_inner) = Some(Limit {
                remaining,
                of: read("ratelimit-limit").map(|(of, _)| of),
                seconds,
            });
        }
    }
}

impl Ask<'_> {
    fn attempt<'a>(&'a self, host: &'a Host) -> Attempt<'a> {
        host.attempt(self.method.clone(), &self.url, self.access)
    }
}

/// Content may be kept elsewhere; what was asked for over TLS is not fetched without.
fn follow(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let asked = attempt.previous().last().map(Url::scheme);
    match (attempt.previous().len() > REDIRECTS, asked, attempt.url().scheme()) {
        (true, ..) => attempt.error("there are too many"),
        (_, Some("https"), "http") => attempt.error("one leads from TLS to plain HTTP"),
        _ => attempt.follow(),
    }
}

/// This machine's own addresses, which Docker too asks plainly.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || name
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_asked_plainly_and_all_else_over_tls() {
        for host in ["127.0.0.1:5000", "localhost:80", "[::1]:5000", "127.1.2.3"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["registry.example.com", "10.0.0.1:5000", "localhost.example.com:443"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
