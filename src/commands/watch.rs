use std::io;
use std::sync::Arc;
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
    signals: Arc<Signals>,
    view: JoinHandle<()>,
}

impl Watch {
    /// Shows events, and listens to signals from now on until it is dropped.
    pub(super) fn begin(context: &Context, grace: Duration) -> io::Result<Self> {
        let (nobody, _) = Events::channel();
        let signals = Arc::new(Signals::listen(grace, nobody)?);
        Ok(Self::within(signals, context, grace))
    }

    /// The same for one of several runs, which the same signals stop.
    pub(super) fn within(signals: Arc<Signals>, context: &Context, grace: Duration) -> Self {
        let (events, receiver) = Events::channel();
        signals.concern(grace, events.clone());
        Self {
            view: context.view.watch(&context.screen, receiver),
            events,
            stop: signals.stop.clone(),
            signals,
        }
    }

    /// Shows nothing more: what follows is the answer. Answers the signal that asked the run to stop, if one did.
    pub(super) async fn end_view(&mut self) -> Option<Asked> {
        self.events.send(Event::Over);
        // A view that failed has nothing more to show either.
        let _ = (&mut self.view).await;
        self.signals.asked()
    }
}
