//! How often a registry may be asked, and what it says of its limits.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;

use super::RegistryError;
use super::error::{Attempt, Cause};
use super::host::Host;
use crate::retry::Passes;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limit {
    /// Pulls that are left.
    pub remaining: u64,
    /// Pulls in a window.
    pub of: Option<u64>,
    /// The window's length in seconds.
    pub seconds: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Pace {
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

impl Host {
    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the registry may be asked once more.
    pub(super) async fn turn(&self, attempt: &Attempt<'_>) -> Result<(), RegistryError> {
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
    pub(super) fn leave_alone(&self, told: &RegistryError) {
        // Some only say that it was too much at once.
        let delay = told.retry_after().unwrap_or(self.retry.wait);
        let is_used_up = delay > self.retry.longest || self.limit().is_some_and(|limit| limit.remaining == 0);
        match self.options.on_limit {
            OnLimit::Stop if is_used_up => self.pace().closed = true,
            OnLimit::Stop | OnLimit::Wait => self.pause(delay),
        }
    }

    pub(super) fn pause(&self, delay: Duration) {
        // A date that no clock reaches is none that is waited for.
        let until = Instant::now().checked_add(delay);
        let mut pace = self.pace();
        match until {
            Some(until) => pace.paused = pace.paused.max(Some(until)),
            None => pace.closed = true,
        }
    }

    pub(super) fn note_limit(&self, headers: &HeaderMap) {
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
