//! `work report`: what became of a run, gathered from all who worked on it.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::quiet::Quiet;
use super::{board, places};
use crate::aws::queue::Queue;
use crate::commands::sync::{answer, conclude};
use crate::commands::watch::Watch;
use crate::commands::{CommandError, Context, ExitCode};
use crate::report::{Failure, Report};
use crate::settings::Settings;
use crate::work::{Board, WorkError};

/// How long is waited between two looks.
const AGAIN: Duration = Duration::from_secs(5);

/// What `work report` may be told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Which run, as work enqueue told it [default: the newest]
    #[arg(long, value_name = "NAME")]
    pub run: Option<String>,
    /// Wait until every image is done or given up, or the queue has been empty for a minute; an hour at most unless said
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1h",
        value_parser = humantime::parse_duration
    )]
    pub wait: Option<Duration>,
    /// The queue's URL [setting: work.queue]
    #[arg(long, value_name = "URL")]
    pub queue: Option<String>,
    /// Folder for the result files [setting: results.dir]
    #[arg(long, value_name = "DIR")]
    pub results_dir: Option<String>,
}

/// Reads what everybody has told, and tells of it as `sync` does.
pub(super) async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    places(&settings)?;
    let mut watch = Watch::begin(context, settings.grace)?;
    let gathered = watch.stop.soft.run_until_cancelled(gather(options, &settings)).await;
    match gathered.unwrap_or_else(|| Err(Failure::stopped("waiting for the run"))) {
        Ok(report) => answer(&conclude(Ok(()), report, &settings, watch, context).await, context),
        Err(failure) => {
            let asked = watch.end_view().await;
            Err(CommandError::without_an_answer(failure, asked))
        }
    }
}

async fn gather(options: &Options, settings: &Settings) -> Result<Report, Failure> {
    let (queue, state) = places(settings).map_err(|error| Failure::new(&error, None))?;
    let board = board(settings, state).await?;
    let run = match &options.run {
        Some(run) => run.clone(),
        None => newest(&board).await?,
    };
    let of_work = |error: WorkError| Failure::from(&error);
    let sheet = board.sheet(&run).await.map_err(of_work)?;
    if let Some(wait) = options.wait {
        let queue = Queue::connect(&settings.aws, queue).await;
        let queue = queue.map_err(|error| Failure::from(&error))?;
        // What is not done by then is told to be so.
        if let Ok(waited) = timeout(wait, wait_for(&run, &board, &queue)).await {
            waited?;
        }
    }
    Ok(sheet.report(board.words(&run).await.map_err(of_work)?))
}

/// Until each image of a run has its outcome, or there are no messages of it any more.
async fn wait_for(run: &str, board: &Board, queue: &Queue) -> Result<(), Failure> {
    let mut quiet = Quiet::default();
    loop {
        let is_done = board.is_done(run).await.map_err(|error| Failure::from(&error))?;
        if is_done || quiet.is_believed(queue).await? {
            return Ok(());
        }
        sleep(AGAIN).await;
    }
}

async fn newest(board: &Board) -> Result<String, Failure> {
    let newest = board.newest().await.map_err(|error| Failure::from(&error))?;
    newest.ok_or_else(|| Failure {
        message: format!("{board} has no run"),
        causes: Vec::new(),
        hint: Some("begin one with `ecr-keeper work enqueue`".into()),
    })
}
