use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::events::{Event, Events};
use crate::stop::Stop;

/// The signals that a run listens to, while it is there.
pub(super) struct Signals {
    first: Arc<OnceLock<Asked>>,
    listening: JoinHandle<()>,
}

/// A signal that asked a run to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) name: &'static str,
    /// 128 and the signal's number, as shells report it.
    pub(super) exit_code: u8,
}

const INTERRUPT: Asked = Asked {
    name: "SIGINT",
    exit_code: 130,
};
const TERMINATE: Asked = Asked {
    name: "SIGTERM",
    exit_code: 143,
};

impl Signals {
    /// From the first signal on nothing new begins; the second, or `grace` after the first, cuts off what runs.
    pub(super) fn listen(stop: Stop, grace: Duration, events: Events) -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let first = Arc::new(OnceLock::new());
        let heard = Arc::clone(&first);
        let listening = tokio::spawn(async move {
            let mut next = async || {
                tokio::select! {
                    _ = interrupt.recv() => INTERRUPT,
                    _ = terminate.recv() => TERMINATE,
                }
            };
            let asked = next().await;
            let _ = heard.set(asked);
            stop.soft.cancel();
            events.send(Event::Stopping {
                by: asked.name,
                hard: false,
            });
            let by = tokio::select! {
                again = next() => again.name,
                () = tokio::time::sleep(grace) => "stop.grace is over",
            };
            stop.hard.cancel();
            events.send(Event::Stopping { by, hard: true });
        });
        Ok(Self { first, listening })
    }

    /// The first signal that was heard.
    pub(super) fn asked(&self) -> Option<Asked> {
        self.first.get().copied()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
