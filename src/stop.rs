//! Stopping as one value: a signal, or a deadline, passes through all that runs alike.

use tokio_util::sync::CancellationToken;

/// Two requests: to begin nothing new, and to cut off what runs.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Begin nothing new; let what runs finish.
    pub soft: CancellationToken,
    /// Cut off what runs, and clean up.
    pub hard: CancellationToken,
}

impl Stop {
    /// Whether anything was asked for.
    pub fn is_asked(&self) -> bool {
        self.soft.is_cancelled() || self.hard.is_cancelled()
    }
}
