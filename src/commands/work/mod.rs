//! `work`: the images of a run as messages of a queue, for several who copy them at once.

mod bench;
mod enqueue;
mod gather;
mod message;
mod quiet;
mod run;
mod worker;

use self::bench::Daemon;
use self::worker::{AFTER_TROUBLE, Worker};
use super::{CommandError, Context, ExitCode, Watch};
use crate::aws::queue::{Queue, Received};
use crate::aws::s3::Bucket;
use crate::report::{Failure, Worked};
use crate::settings::Settings;
use crate::work::{Board, Place};

/// What `work` is told.
#[derive(Debug, clap::Subcommand)]
pub enum Options {
    /// Put a message for each image that is not current into the queue
    #[command(
        after_help = "Example: ecr-keeper work enqueue --queue https://sqs.eu-central-1.amazonaws.com/123456789012/images"
    )]
    Enqueue(enqueue::Options),
    /// Copy the images that are in the queue, beside others who do
    #[command(
        after_help = "Example: ecr-keeper work run --queue https://sqs.eu-central-1.amazonaws.com/123456789012/images --until-empty\n\nWhat \
nobody can do anything with goes to the queue's dead-letter queue, with the reason. Exit codes: 0 also where a signal ended it \
between two images; 1 an image failed."
    )]
    Run(run::Options),
    /// Tell what became of a run's images, as sync does: files, messages, exit code
    #[command(after_help = "Example: ecr-keeper work report --wait --results-dir results")]
    Report(gather::Options),
}

impl Options {
    /// The queue, where it is named.
    pub(crate) fn queue(&self) -> Option<String> {
        match self {
            Self::Enqueue(options) => options.queue.clone(),
            Self::Run(options) => options.queue.clone(),
            Self::Report(options) => options.queue.clone(),
        }
    }

    /// The folder for result files, where it is named.
    pub(crate) fn results_dir(&self) -> Option<String> {
        match self {
            Self::Report(options) => options.results_dir.clone(),
            Self::Enqueue(_) | Self::Run(_) => None,
        }
    }
}

/// Does what was asked.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    match options {
        Options::Enqueue(options) => enqueue::run(options, context).await,
        Options::Run(options) => run::run(options, context).await,
        Options::Report(options) => gather::run(options, context).await,
    }
}

/// Does what messages of a queue say that Lambda took. Answers those that are to come again, and what was done.
pub(crate) async fn handed(
    messages: Vec<Received>,
    settings: &Settings,
    context: &Context,
    watch: &mut Watch,
) -> Result<(Vec<String>, Worked), Failure> {
    let (queue, state) = named(settings)?;
    let queue = Queue::connect(&settings.aws, queue).await;
    let queue = queue.map_err(|error| Failure::from(&error))?;
    let worker = match Worker::open(context, settings, queue.clone(), state, Daemon::Never).await {
        Ok(worker) => worker,
        Err(failure) => {
            put_back(&messages, &queue).await;
            return Err(failure);
        }
    };
    let (again, mut worked) = worker.all(messages, watch).await;
    worker.close(&mut worked).await;
    watch.end_view().await;
    match worker.benches.trouble() {
        // What could be done of it all the same is out of the queue.
        Some(trouble) => Err(trouble.clone()),
        None => Ok((again, worked)),
    }
}

/// Puts messages back that nobody has looked at, as new ones: how often the queue hands one out is not known here, and the times that it has are the
/// images'. What cannot be put back comes again when the queue itself shows it.
async fn put_back(messages: &[Received], queue: &Queue) {
    // There they could not wait, and would be handed to the same function at once.
    if queue.is_fifo() {
        return;
    }
    for message in messages {
        let put_back = async {
            queue.renew(message, AFTER_TROUBLE).await?;
            queue.delete(&[&message.receipt]).await
        };
        if let Err(error) = put_back.await {
            tracing::warn!("{}", Failure::from(&error).in_one_line());
            return;
        }
    }
}

/// The queue's URL, and where its state is kept. Both have to be said.
fn places(settings: &Settings) -> Result<(&str, &Place), CommandError> {
    named(settings).map_err(CommandError::Unusable)
}

fn named(settings: &Settings) -> Result<(&str, &Place), Failure> {
    let lacking = |what| {
        Failure {
        message: format!("{what} is not set"),
        causes: Vec::new(),
        hint: Some(
            "name the queue's URL in work.queue (ECR_KEEPER_WORK__QUEUE) or --queue, and s3://BUCKET/PREFIX in work.state \
             (ECR_KEEPER_WORK__STATE)"
                .into(),
        ),
    }
    };
    let queue = settings.work.queue.as_deref().ok_or_else(|| lacking("work.queue"))?;
    let state = settings.work.state.as_ref().ok_or_else(|| lacking("work.state"))?;
    Ok((queue, state))
}

fn without_dead_letters(queue: &Queue) -> Failure {
    Failure {
        message: format!("{queue} has no dead-letter queue: what nobody can do would come again for ever"),
        causes: Vec::new(),
        hint: Some("give the queue a RedrivePolicy with a deadLetterTargetArn and a maxReceiveCount".into()),
    }
}

/// Where runs and outcomes are.
async fn board(settings: &Settings, state: &Place) -> Result<Board, Failure> {
    let bucket = Bucket::connect(&settings.aws, &state.bucket).await;
    let bucket = bucket.map_err(|error| Failure::from(&error))?;
    Ok(Board::new(bucket, state))
}
