//! Waiting and trying again: how long, how often and when.
//!
//! The rule lives here once; who meets an error says whether it passes, and what the other side asked for.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// How often something is tried that fails in a way which passes, and how long is waited in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// All tries, the first among them.
    pub tries: usize,
    /// The wait before the second try. Each later one is twice as long, and up to as much again is added by chance, so
    /// that many who failed together do not come back together.
    pub wait: Duration,
    /// A server that asks for a longer wait than this is taken at its word, and not tried again.
    pub longest: Duration,
}

/// How long somebody who is asked is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until there is a connection.
    pub connect: Duration,
    /// Until there is an answer.
    pub answer: Duration,
}

/// An error that says whether it is worth another try.
pub trait Passes {
    /// Whether the same request may do better later. Not where somebody said no, or that there is no such thing.
    fn passes(&self) -> bool;

    /// How long the other side asked to be left alone.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

impl Retry {
    /// Carries out `work` until it ends well, fails in a way that does not pass, or the tries are used up; `waiting` is
    /// told each time.
    pub async fn run<T, E: Passes, Work: Future<Output = Result<T, E>>>(
        &self,
        mut work: impl FnMut() -> Work,
        mut waiting: impl FnMut(&E, Duration),
    ) -> Result<T, E> {
        let mut backoff = self.delays();
        loop {
            let error = match work().await {
                Ok(done) => return Ok(done),
                Err(error) if error.passes() => error,
                Err(error) => return Err(error),
            };
            let delay = match (backoff.next(), error.retry_after()) {
                (None, _) => return Err(error),
                (Some(_), Some(asked)) if asked > self.longest => return Err(error),
                // What chance adds comes on top of the longest wait.
                // No seconds, or a date that has passed, are no wait.
                (Some(own), asked) => asked.map_or(own, |asked| asked.max(self.wait)).min(self.longest),
            };
            waiting(&error, delay);
            tokio::time::sleep(delay).await;
        }
    }
}

impl Retry {
    /// The wait after so many failures; none where the tries are used up.
    pub fn delay(&self, failures: usize) -> Option<Duration> {
        self.delays().nth(failures.saturating_sub(1))
    }

    fn delays(&self) -> impl Iterator<Item = Duration> + use<> {
        let delays = ExponentialBuilder::default()
            .with_min_delay(self.wait)
            .with_max_delay(self.longest)
            .with_factor(2.0)
            .with_jitter()
            .with_max_times(self.tries.saturating_sub(1))
            .build();
        // The jitter comes on top.
        let longest = self.longest;
        delays.map(move |delay| delay.min(longest))
    }
}

/// Whether an HTTP status says that the same request may do better later (RFC 9110, section 15.6; RFC 6585, section 4).
pub fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// What a Retry-After header asks for: seconds, or a date (RFC 9110, section 10.2.3). A date that has passed asks for nothing.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(Timestamp::now())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Ill;

    impl Passes for Ill {
        fn passes(&self) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn chance_makes_no_wait_longer_than_the_longest() {
        let retry = Retry {
            tries: 30,
            wait: Duration::from_micros(50),
            longest: Duration::from_micros(100),
        };
        let mut waits = Vec::new();
        let ended = retry
            .run(|| async { Err::<(), Ill>(Ill) }, |_, wait| waits.push(wait))
            .await;
        assert!(ended.is_err());
        assert_eq!(waits.len(), 29);
        assert!(waits.iter().all(|wait| *wait <= retry.longest), "{waits:?}");
    }
}
