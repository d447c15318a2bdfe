//! One registry's host: how it is reached, what it is asked at once, and how a login is shown to it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Body, Certificate, Identity, Method, RequestBuilder, Response, StatusCode, Url};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::auth::{Credentials, Login, Logins};
use super::blobs::Mounts;
use super::error::Attempt;
use super::pace::{Limit, OnLimit, Pace};
use super::ways::Ways;
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

/// A registry, as it is asked.
#[derive(Debug)]
pub(super) struct Host {
    name: String,
    base: String,
    ways: Ways,
    /// They show no certificate of ours: for addresses that are not the registry's own.
    elsewhere: Ways,
    pub(super) credentials: Arc<dyn Credentials>,
    pub(super) options: HostOptions,
    pub(super) retry: Retry,
    pub(super) timeouts: Timeouts,
    open: Option<Arc<Semaphore>>,
    pub(super) pace: Mutex<Pace>,
    pub(super) limit: Mutex<Option<Limit>>,
    /// It was not to be reached through all tries: until it answers again, each further request tries once.
    is_ill: AtomicBool,
    pub(super) logins: Logins,
    pub(super) mounts: Mutex<Mounts>,
    /// It refused a blob in one request for its size.
    pub(super) wants_chunks: AtomicBool,
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

impl Host {
    /// `usual` are the ways that all hosts share which trust nobody but the system's authorities; set up where they are not yet.
    pub(super) fn new(
        name: &str,
        options: HostOptions,
        retry: Retry,
        timeouts: Timeouts,
        credentials: Arc<dyn Credentials>,
        usual: &mut Option<Ways>,
    ) -> Result<Self, RegistryError> {
        let setup = Attempt {
            method: Method::GET,
            host: name,
            path: "",
        };
        let own = |identity: Option<&Identity>| Ways::own(&options.authorities, identity, &timeouts, &setup);
        let elsewhere = match (options.authorities.is_empty(), &usual) {
            (true, Some(known)) => known.clone(),
            (true, None) => usual.insert(Ways::usual(&timeouts, &setup)?).clone(),
            (false, _) => own(None)?,
        };
        let ways = match &options.identity {
            None => elsewhere.clone(),
            identity => own(identity.as_ref())?,
        };
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
            ways,
            elsewhere,
            credentials,
            open: options.concurrency.map(|most| Arc::new(Semaphore::new(most))),
            options,
            retry,
            timeouts,
            pace: Mutex::default(),
            limit: Mutex::default(),
            is_ill: AtomicBool::new(false),
            logins: Logins::default(),
            mounts: Mutex::default(),
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

    /// Who asks the token server at `realm`.
    pub(super) fn tokens(&self, realm: &Url) -> &reqwest::Client {
        match self.is_here(realm) {
            true => &self.ways.tokens,
            false => &self.elsewhere.tokens,
        }
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
        let asked = retry.run(|| self.ask_or_wait(ask), warn).await;
        if self.is_here(&ask.url) {
            // Who answers, whatever it is, is there: it may be this one thing that it cannot do.
            let is_away = asked.as_ref().err().is_some_and(RegistryError::is_away);
            self.is_ill.store(is_away, Ordering::Relaxed);
        }
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
        let mut secrets: Vec<String> = login.iter().flat_map(Login::secrets).collect();
        let better = self.better_login(&response, login, ask, &attempt).await?;
        secrets.extend(better.iter().flat_map(Login::secrets));
        if resend == Resend::AfterLogin && better.is_some() {
            response = self.send(ask, better.as_ref(), &attempt).await?;
        }
        let is_here = self.is_here(&ask.url);
        if is_here {
            self.note_limit(response.headers());
        }
        match response.status() {
            status if status.is_success() => Ok(Answered {
                response,
                _permit: permit,
            }),
            status => {
                let error = attempt.refused(response, self.timeouts.answer).await;
                let mut error = error.without(&secrets);
                if status == StatusCode::BAD_REQUEST && error.message.is_empty() && ask.url.scheme() == "http" {
                    // What a TLS server makes of that, and a HEAD has no body to say so.
                    error.message =
                        "it was asked without TLS; name its ca, or say plain_http: false, where it has TLS".to_owned();
                }
                error.has_other_login = resend == Resend::Never && better.is_some();
                if status == StatusCode::TOO_MANY_REQUESTS && is_here {
                    self.leave_alone(&error);
                    if resend == Resend::Never && self.options.on_limit == OnLimit::Wait {
                        error.retry_after = None;
                        error.is_waited_for = true;
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
        let is_here = self.is_here(&ask.url);
        let ways = if is_here { &self.ways } else { &self.elsewhere };
        let mut request: RequestBuilder = ways
            .http
            .request(ask.method.clone(), ask.url.clone())
            .headers(ask.headers.clone());
        if let Some(body) = ask.body {
            request = request.body(body());
        }
        // An upload's place may be on another host, which has no part in the login.
        if let Some(login) = login.filter(|_| is_here) {
            let mut value =
                HeaderValue::from_str(login.header()).map_err(|_| attempt.odd("a login that no header holds"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let began = Instant::now();
        let sent = async {
            let answer = request.send().await.map_err(|error| attempt.transport(error))?;
            self.redirected(answer, ask, attempt).await
        };
        let answer = match tokio::time::timeout(ask.bound, sent).await {
            Ok(answer) => answer?,
            Err(_) => return Err(attempt.timeout()),
        };
        // Its path, and nothing that an upload's address or a presigned one has besides.
        let path = if is_here { ask.url.path() } else { "" };
        tracing::debug!(
            "{} {}{path}: {} after {} ms",
            attempt.method,
            attempt.host,
            answer.status().as_u16(),
            began.elapsed().as_millis()
        );
        Ok(answer)
    }

    /// The answer from where a registry sends us that our certificate was shown to: as anybody, and by the same rules as all
    /// other redirects.
    async fn redirected(
        &self,
        answer: Response,
        ask: &Ask<'_>,
        attempt: &Attempt<'_>,
    ) -> Result<Response, RegistryError> {
        let can_go_on = self.options.identity.is_some() && matches!(ask.method, Method::GET | Method::HEAD);
        let place = answer.headers().get(LOCATION).and_then(|place| place.to_str().ok());
        let Some(place) = place.filter(|_| can_go_on && answer.status().is_redirection()) else {
            return Ok(answer);
        };
        let place = answer.url().join(place);
        let place = place.map_err(|error| attempt.odd(format!("its Location: {error}")))?;
        if (answer.url().scheme(), place.scheme()) == ("https", "http") {
            return Err(attempt.odd("its redirects are not followed: one leads from TLS to plain HTTP"));
        }
        let request = self.elsewhere.http.request(ask.method.clone(), place);
        let answer = request.headers(ask.headers.clone()).send().await;
        answer.map_err(|error| attempt.transport(error))
    }

    /// Of another place than the registry only the host is named: the rest of an address may be a key to it.
    pub(super) fn attempt<'a>(&'a self, method: Method, url: &'a Url, access: &'a Access) -> Attempt<'a> {
        let (host, path) = match self.is_here(url) {
            true => (self.name(), access.path()),
            false => (url.host_str().unwrap_or_default(), ""),
        };
        Attempt { method, host, path }
    }

    pub(super) fn is_here(&self, url: &Url) -> bool {
        Url::parse(&self.base).is_ok_and(|base| base.origin() == url.origin())
    }
}

impl Ask<'_> {
    fn attempt<'a>(&'a self, host: &'a Host) -> Attempt<'a> {
        host.attempt(self.method.clone(), &self.url, self.access)
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
