//! How often a service may be asked, so that a quota lasts for all its users.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Turns that come one after the other, so many a second.
#[derive(Debug)]
pub(super) struct Pace {
    apart: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn per_second(most: u32) -> Self {
        Self {
            apart: Duration::from_secs(1) / most.max(1),
            next: Mutex::default(),
        }
    }

    /// Waits for the next turn.
    pub(super) async fn turn(&self) {
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = next.unwrap_or_else(Instant::now).max(Instant::now());
            *next = Some(at + self.apart);
            at
        };
        tokio::time::sleep_until(at.into()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_come_no_faster_than_they_may() {
        let pace = Pace::per_second(100);
        let began = Instant::now();
        for _ in 0..11 {
            pace.turn().await;
        }
        assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
    }
}
