use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::events::{Event, Events};
use crate::stop::{Deadline, Stop};

/// The signals that ask to stop, heard while this is there: of one run, or of several one after the other. Or a deadline, which asks as they do.
pub(super) struct Signals {
    /// What they ask for.
    pub(super) stop: Stop,
    first: Arc<OnceLock<Asked>>,
    run: watch::Sender<Concerned>,
    listening: JoinHandle<()>,
}

/// The run that a signal is about.
struct Concerned {
    /// How long it may go on.
    grace: Duration,
    /// Where that is shown.
    events: Events,
}

/// A signal that asked a run to stop, or the deadline that did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) name: &'static str,
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

/// The exit code is the one of timeout(1).
const DEADLINE: Asked = Asked {
    name: "the deadline",
    exit_code: 124,
};

impl Signals {
    /// From the first signal on nothing new begins; the second, or `grace` after the first, cuts off what runs.
    pub(super) fn listen(grace: Duration, events: Events) -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (run, concerned) = watch::channel(Concerned { grace, events });
        let (stop, first) = (Stop::default(), Arc::new(OnceLock::new()));
        let (asks, heard) = (stop.clone(), Arc::clone(&first));
        let listening = tokio::spawn(async move {
            let mut next = async || {
                tokio::select! {
                    _ = interrupt.recv() => INTERRUPT,
                    _ = terminate.recv() => TERMINATE,
                }
            };
            let show = |by, hard| concerned.borrow().events.send(Event::Stopping { by, hard });
            let asked = next().await;
            let _ = heard.set(asked);
            asks.soft.cancel();
            show(asked.name, false);
            let grace = concerned.borrow().grace;
            let by = tokio::select! {
                again = next() => again.name,
                () = tokio::time::sleep(grace) => "stop.grace is over",
            };
            asks.hard.cancel();
            show(by, true);
        });
        Ok(Self {
            stop,
            first,
            run,
            listening,
        })
    }

    /// No signal is heard, but the times of a run that has to be over. The last of them ends the `telling`.
    pub(super) fn of_deadline(deadline: Deadline, events: Events, telling: &Stop) -> Self {
        let (stop, first) = (Stop::default(), Arc::new(OnceLock::new()));
        let (asks, reached, telling) = (stop.clone(), Arc::clone(&first), telling.clone());
        let grace = deadline.hard.saturating_duration_since(deadline.soft);
        let (run, concerned) = watch::channel(Concerned { grace, events });
        let listening = tokio::spawn(async move {
            let show = |hard| {
                let by = DEADLINE.name;
                concerned.borrow().events.send(Event::Stopping { by, hard });
            };
            tokio::time::sleep_until(deadline.soft.into()).await;
            let _ = reached.set(DEADLINE);
            asks.soft.cancel();
            show(false);
            tokio::time::sleep_until(deadline.hard.into()).await;
            asks.hard.cancel();
            show(true);
            tokio::time::sleep_until(deadline.told.into()).await;
            telling.hard.cancel();
        });
        Self {
            stop,
            first,
            run,
            listening,
        }
    }

    /// From now on they are about another run.
    pub(super) fn concern(&self, grace: Duration, events: Events) {
        self.run.send_replace(Concerned { grace, events });
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
