//! One account in one region: its repositories, tokens, and what it was asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api_error::ApiError;
use super::cache_rule::CacheRule;
use super::page_token::PageTokens;
use super::repository::{Mutability, Repository};
use super::runs::{Runs, quota};
use super::tokens::Tokens;

/// One call of the API.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApiRequest {
    /// When it was answered.
    pub at: Timestamp,
    /// `DescribeImages`, …
    pub action: String,
    /// HTTP status.
    pub status: u16,
    /// The request's JSON.
    pub body: Value,
    /// The User-Agent header.
    pub user_agent: String,
}

/// A rule: calls of an action fail.
#[derive(Debug, Clone)]
pub struct ApiFault {
    /// `DescribeImages`, …; `None` is all.
    pub action: Option<String>,
    /// How many such calls are answered before.
    pub after: usize,
    /// How often; `None` is always.
    pub times: Option<usize>,
    /// Only of this repository, function, log group or cluster; `None` is any.
    pub subject: Option<String>,
    /// Wait before the answer.
    pub delay: Duration,
    /// HTTP status.
    pub status: u16,
    /// The exception's name; empty for a delay only.
    pub code: String,
    /// The exception's text.
    pub message: String,
}

impl ApiFault {
    /// An exception, with status 400, as often as the action is called.
    pub fn exception(action: &str, code: &str, message: &str) -> ApiFault {
        ApiFault {
            action: Some(action.to_owned()),
            after: 0,
            times: None,
            subject: None,
            delay: Duration::ZERO,
            status: 400,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    /// ThrottlingException, this many times.
    pub fn throttling(action: &str, times: usize) -> ApiFault {
        let fault = ApiFault::exception(action, "ThrottlingException", "Rate exceeded");
        fault.times(times)
    }

    /// AccessDeniedException.
    pub fn access_denied(action: &str) -> ApiFault {
        let text = format!(
            "User: arn:aws:iam::123456789012:user/lab is not authorized to perform: ecr:{action} \
             because no identity-based policy allows the ecr:{action} action"
        );
        ApiFault::exception(action, "AccessDeniedException", &text)
    }

    /// Slow, but right.
    pub fn slow(action: &str, delay: Duration) -> ApiFault {
        let mut fault = ApiFault::exception(action, "", "");
        fault.delay = delay;
        fault
    }

    /// Only of this repository, function, log group or cluster.
    #[must_use]
    pub fn of(mut self, subject: &str) -> ApiFault {
        self.subject = Some(subject.to_owned());
        self
    }

    /// Of every action.
    #[must_use]
    pub fn of_all(mut self) -> ApiFault {
        self.action = None;
        self
    }

    /// With another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> ApiFault {
        self.status = status;
        self
    }

    /// Only once so many such calls were answered.
    #[must_use]
    pub fn after(mut self, calls: usize) -> ApiFault {
        self.after = calls;
        self
    }

    /// Only this many times.
    #[must_use]
    pub fn times(mut self, times: usize) -> ApiFault {
        self.times = Some(times);
        self
    }
}

/// Times and sizes an account follows.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) page_size: usize,
    pub(crate) token_ttl: Duration,
    pub(crate) page_token_ttl: Duration,
}

/// One account in one region.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) region: String,
    /// `HOST:PORT` of its registry.
    pub(crate) host: String,
    /// `http://` in front of its registry's host, `https://` for one that is not there.
    pub(crate) proxy_endpoint: String,
    pub(crate) limits: Limits,
    pub(crate) tokens: Tokens,
    pub(crate) page_tokens: PageTokens,
    repositories: Mutex<BTreeMap<String, Repository>>,
    cache_rules: Mutex<BTreeMap<String, CacheRule>>,
    templates: Mutex<BTreeMap<String, Vec<String>>>,
    requests: Mutex<Vec<ApiRequest>>,
    faults: Mutex<Vec<ApiFault>>,
    runs: Mutex<Runs>,
    /// What is left of each action's quota, and since when.
    buckets: Mutex<BTreeMap<String, (f64, Instant)>>,
}

impl Account {
    /// An account with a registry of the lab.
    pub(crate) fn new(id: &str, region: &str, host: &str, limits: Limits) -> Account {
        Account {
            id: id.to_owned(),
            region: region.to_owned(),
            host: host.to_owned(),
            proxy_endpoint: format!("http://{host}"),
            tokens: Tokens::new(limits.token_ttl),
            page_tokens: PageTokens::new(limits.page_token_ttl),
            limits,
            repositories: Mutex::default(),
            cache_rules: Mutex::default(),
            templates: Mutex::default(),
            requests: Mutex::default(),
            faults: Mutex::default(),
            runs: Mutex::default(),
            buckets: Mutex::default(),
        }
    }

    /// An account in a region of which the lab has no registry.
    pub(crate) fn elsewhere(id: &str, region: &str, limits: Limits) -> Account {
        let host = format!("{id}.dkr.ecr.{region}.amazonaws.com");
        let mut account = Account::new(id, region, &host, limits);
        account.proxy_endpoint = format!("https://{host}");
        account
    }

    pub(crate) fn repositories(&self) -> MutexGuard<'_, BTreeMap<String, Repository>> {
        self.repositories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rules of the pull through cache by their prefixes.
    pub(crate) fn cache_rules(&self) -> MutexGuard<'_, BTreeMap<String, CacheRule>> {
        self.cache_rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What repository creation templates are for, by their prefixes.
    pub(crate) fn templates(&self) -> MutexGuard<'_, BTreeMap<String, Vec<String>>> {
        self.templates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a repository that something is pushed to, where a template says so.
    pub(crate) fn create_on_push(&self, name: &str) {
        let is_for = |(prefix, applied_for): (&String, &Vec<String>)| {
            let rest = name.strip_prefix(prefix.as_str());
            let is_below = prefix == "ROOT" || rest.is_some_and(|rest| rest.starts_with('/'));
            is_below && applied_for.iter().any(|one| one == "CREATE_ON_PUSH")
        };
        if self.templates().iter().any(is_for) {
            let mut repositories = self.repositories();
            let new = || Repository::new(Mutability::Mutable);
            repositories.entry(name.to_owned()).or_insert_with(new);
        }
    }

    /// Works on one repository, or tells that it does not exist.
    pub(crate) fn with_repository<T>(
        &self,
        name: &str,
        work: impl FnOnce(&mut Repository) -> T,
    ) -> Result<T, ApiError> {
        let mut repositories = self.repositories();
        let found = repositories.get_mut(name);
        let found = found.ok_or_else(|| ApiError::no_repository(name, &self.id))?;
        Ok(work(found))
    }

    pub(crate) fn requests(&self) -> MutexGuard<'_, Vec<ApiRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Vec<ApiFault>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What runs.
    pub(crate) fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one call out of an action's quota; whether there was one left.
    pub(crate) fn take(&self, action: &str) -> bool {
        let Some(most) = quota(action) else { return true };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = buckets.entry(action.to_owned()).or_insert((most, Instant::now()));
        *left = (*left + since.elapsed().as_secs_f64() * most).min(most);
        *since = Instant::now();
        let is_left = *left >= 1.0;
        if is_left {
            *left -= 1.0;
        }
        is_left
    }

    /// The first fault for an action on a subject, counted as done once.
    pub(crate) fn next_fault(&self, action: &str, input: &Value) -> Option<ApiFault> {
        const SUBJECTS: [&str; 4] = ["repositoryName", "FunctionName", "logGroupName", "cluster"];
        let subject = SUBJECTS.iter().find_map(|name| input[*name].as_str());
        let mut faults = self.faults();
        let fault = faults.iter_mut().find(|fault| {
            let named = fault.action.as_deref();
            let of = fault.subject.as_deref();
            fault.times != Some(0) && named.is_none_or(|named| named == action) && (of.is_none() || of == subject)
        })?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        fault.times = fault.times.map(|times| times - 1);
        Some(fault.clone())
    }
}
