//! `work run`: copies what is in the queue.

use std::time::Duration;

use futures::future::{BoxFuture, LocalBoxFuture, pending};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use super::bench::Daemon;
use super::places;
use super::quiet::Quiet;
use super::worker::Worker;
use crate::aws::queue::{Queue, Received};
use crate::commands::elsewhere::Opened;
use crate::commands::sync::lock;
use crate::commands::watch::Watch;
use crate::commands::{CommandError, Context, ExitCode};
use crate::events::Event;
use crate::report::{Failure, Worked};
use crate::settings::Settings;

/// What `work run` may be told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The queue's URL [setting: work.queue]
    #[arg(long, value_name = "URL")]
    pub queue: Option<String>,
    /// End once every image is done that was queued, or the queue has been empty for a minute; else it waits for more
    #[arg(long)]
    pub until_empty: bool,
}

/// Works until a signal asks to stop, or the queue is empty.
pub(super) async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    places(&settings)?;
    let mut watch = Watch::begin(context, settings.grace)?;
    let worked = work(options, &settings, context, &watch).await;
    let asked = watch.end_view().await;
    let worked = worked.map_err(|failure| CommandError::without_an_answer(failure, asked))?;
    context.print(&worked, |worked, out| worked.write_text(out))?;
    Ok(match asked {
        // What it was at when it was cut off comes again.
        Some(asked) if watch.stop.hard.is_cancelled() => asked.exit_code,
        _ => u8::from(!worked.is_well()),
    })
}

async fn work(options: &Options, settings: &Settings, context: &Context, watch: &Watch) -> Result<Worked, Failure> {
    let (queue, state) = places(settings).map_err(|error| Failure::new(&error, None))?;
    // One daemon takes one run at a time.
    let _alone = lock(settings, None, watch).await?;
    // Who cannot log in takes nothing.
    let own = Opened::open(&settings.aws, settings.account.clone(), settings.registry.clone());
    own.await.map_err(|error| Failure::from(&error))?;
    let queue = Queue::connect(&settings.aws, queue).await;
    let queue = queue.map_err(|error| Failure::from(&error))?;
    let worker = Worker::open(context, settings, queue, state, Daemon::Perhaps).await?;
    let mut worked = shift(&worker, options.until_empty, watch).await;
    worker.close(&mut worked).await;
    Ok(worked)
}

/// Takes messages for as long as there are any to take, and lets those end that it has.
async fn shift(worker: &Worker<'_>, until_empty: bool, watch: &Watch) -> Worked {
    let (mut worked, mut quiet) = (Worked::begin(), Quiet::default());
    watch.events.send(Event::Taking(worker.queue.to_string()));
    let mut at_work: AtWork<'_> = FuturesUnordered::new();
    // It is not dropped while somebody else is waited for: what it is about to bring would be hidden from all.
    let mut asking: Option<Asking<'_>> = None;
    while worker.benches.trouble().is_none() {
        let room = worker.settings.concurrency - at_work.len();
        // A call costs the same for one message and for ten.
        if asking.is_none() && room * 2 >= worker.settings.concurrency {
            asking = Some(receive(worker, room, until_empty).boxed());
        }
        tokio::select! {
            () = watch.stop.soft.cancelled() => break,
            Some(lived) = at_work.next() => worked.add(lived),
            received = next(&mut asking) => match received {
                Ok(messages) if !messages.is_empty() => {
                    quiet.broken();
                    let messages = Worker::in_order(messages).into_iter();
                    at_work.extend(messages.map(|message| life(worker, message, watch)));
                }
                Ok(_) if !until_empty || !at_work.is_empty() => {}
                Ok(_) => match quiet.left(&worker.queue, &worker.board).await {
                    Ok(Some(left)) => quiet.tell(&left, &watch.events),
                    Ok(None) => break,
                    Err(failure) => {
                        worked.fail(failure);
                        break;
                    }
                }
                // What was done until then is kept and told.
                Err(failure) => {
                    worked.fail(failure);
                    break;
                }
            },
        }
    }
    end(worker, (at_work, asking), &mut worked, watch).await;
    if let Some(trouble) = worker.benches.trouble() {
        worked.fail(trouble.clone());
    }
    worked
}

/// Lets everybody end who is at work, and the call that is on its way: what it brings would stay hidden for a whole lease. None of that is begun any
/// more; it is given back.
async fn end<'a>(
    worker: &'a Worker<'_>,
    (mut at_work, mut asking): (AtWork<'a>, Option<Asking<'a>>),
    worked: &mut Worked,
    watch: &'a Watch,
) {
    while !at_work.is_empty() || asking.is_some() {
        tokio::select! {
            Some(lived) = at_work.next() => worked.add(lived),
            received = next(&mut asking) => {
                let messages = received.unwrap_or_default().into_iter();
                at_work.extend(messages.map(|message| life(worker, message, watch)));
            }
            () = watch.stop.hard.cancelled(), if at_work.is_empty() => break,
        }
    }
}

type AtWork<'a> = FuturesUnordered<LocalBoxFuture<'a, Worked>>;

/// What comes of a message.
fn life<'a>(worker: &'a Worker<'_>, message: Received, watch: &'a Watch) -> LocalBoxFuture<'a, Worked> {
    async move { worker.live(&message, watch).await.worked }.boxed_local()
}

type Asking<'a> = BoxFuture<'a, Result<Vec<Received>, Failure>>;

async fn receive(worker: &Worker<'_>, most: usize, until_empty: bool) -> Result<Vec<Received>, Failure> {
    // A queue that is to be emptied is asked again sooner; and whoever is to end waits for the answer.
    let wait = Duration::from_secs(if until_empty { 2 } else { 5 });
    let received = worker.queue.receive(most, wait, worker.settings.work.lease).await;
    received.map_err(|error| Failure::from(&error))
}

/// What the queue answers, once it was asked.
async fn next(asking: &mut Option<Asking<'_>>) -> Result<Vec<Received>, Failure> {
    let Some(asked) = asking else { return pending().await };
    let answer = asked.await;
    *asking = None;
    answer
}
