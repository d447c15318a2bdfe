//! `work run`: copies what is in the queue.

use std::time::Duration;

use super::places;
use super::worker::Worker;
use crate::aws::queue::{BATCH, LONGEST_WAIT, Queue};
use crate::commands::sync::lock;
use crate::commands::watch::Watch;
use crate::commands::{CommandError, Context, ExitCode};
use crate::report::{Failure, Worked};
use crate::settings::Settings;

/// What `work run` may be told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The queue's URL [setting: work.queue]
    #[arg(long, value_name = "URL")]
    pub queue: Option<String>,
    /// End once the queue has no more messages, and nobody is at any; else it waits for more
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
    let queue = Queue::connect(&settings.aws, queue).await;
    let queue = queue.map_err(|error| Failure::from(&error))?;
    let mut worker = Worker::open(context, settings, queue, state).await?;
    let most = settings.concurrency.min(BATCH);
    // A queue that is to be emptied is asked again sooner.
    let wait = match options.until_empty {
        true => Duration::from_secs(2),
        false => LONGEST_WAIT,
    };
    while !watch.stop.is_asked() {
        let received = worker.queue().receive(most, wait, settings.work.lease);
        let Some(received) = watch.stop.soft.run_until_cancelled(received).await else {
            break;
        };
        let received = match received {
            Ok(received) => received,
            // What was done until then is kept and told.
            Err(error) => {
                worker.worked.fail(Failure::from(&error));
                break;
            }
        };
        if !received.is_empty() {
            worker.work(&received, watch).await;
            continue;
        }
        if options.until_empty {
            match worker.queue().depth().await {
                Ok(depth) if depth.visible + depth.hidden == 0 => break,
                Ok(_) => {}
                Err(error) => {
                    worker.worked.fail(Failure::from(&error));
                    break;
                }
            }
        }
    }
    worker.close().await;
    Ok(worker.worked)
}
