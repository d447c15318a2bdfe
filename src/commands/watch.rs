use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

use super::Context;
use super::signals::{Asked, Signals};
use crate::events::{Event, Events};
use crate::report::Failure;
use crate::stop::{Deadline, Stop};

/// A run that people watch and may stop.
pub(crate) struct Watch {
    pub(super) events: Events,
    pub(super) stop: Stop,
    /// What ends the telling of what happened: a second signal, or the very end of the time.
    pub(super) telling: Stop,
    signals: Arc<Signals>,
    view: Shared<BoxFuture<'static, ()>>,
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
            // A view that failed has nothing more to show either.
            view: context.view.watch(&context.screen, receiver).map(drop).boxed().shared(),
            events,
            stop: signals.stop.clone(),
            telling: signals.stop.clone(),
            signals,
        }
    }

    /// The same for a run that has to be over in time. Whoever waits for it drops it at the last of these times.
    pub(crate) fn until(deadline: Deadline, context: &Context) -> Self {
        let (nobody, _) = Events::channel();
        let telling = Stop::default();
        let signals = Arc::new(Signals::of_deadline(deadline, nobody, &telling));
        let grace = deadline.hard.saturating_duration_since(deadline.soft);
        Self {
            telling,
            ..Self::within(signals, context, grace)
        }
    }

    /// What may be dropped at any point, up to the first signal.
    pub(super) async fn unless_stopped<T, E: From<Failure>>(
        &self,
        at: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match self.stop.soft.run_until_cancelled(work).await {
            Some(done) => done,
            None => Err(Failure::stopped(at).into()),
        }
    }

    /// Shows nothing more: what follows is the answer. Answers the signal that asked the run to stop, if one did.
    pub(super) async fn end_view(&mut self) -> Option<Asked> {
        self.hush().await;
        self.signals.asked()
    }

    /// Shows nothing more, for a question would be written over.
    pub(super) async fn hush(&self) {
        self.events.send(Event::Over);
        self.view.clone().await;
    }
}
