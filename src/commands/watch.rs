use std::io;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Context;
use super::signals::{Asked, Signals};
use crate::events::{Event, Events};
use crate::stop::Stop;

/// A run that people watch and may stop.
pub(super) struct Watch {
    pub(super) events: Events,
    pub(super) stop: Stop,
    signals: Signals,
    view: JoinHandle<()>,
}

impl Watch {
    /// Shows events, and listens to signals from now on until it is dropped.
    pub(super) fn begin(context: &Context, grace: Duration) -> io::Result<Self> {
        let (events, receiver) = Events::channel();
        let stop = Stop::default();
        Ok(Self {
            signals: Signals::listen(stop.clone(), grace, events.clone())?,
            view: context.view.watch(&context.screen, receiver),
            events,
            stop,
        })
    }

    /// Shows nothing more: what follows is the answer. Answers the signal that asked the run to stop, if one did.
    pub(super) async fn end_view(&mut self) -> Option<Asked> {
        self.events.send(Event::Over);
        // A view that failed has nothing more to show either.
        let _ = (&mut self.view).await;
        self.signals.asked()
    }
}
