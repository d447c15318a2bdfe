//! `work report`: what became of a run, gathered from all who worked on it.

use std::time::Duration;

use super::{board, places};
use crate::aws::queue::Queue;
use crate::commands::sync::{answer, conclude};
use crate::commands::watch::Watch;
use crate::commands::{CommandError, Context, ExitCode};
use crate::report::{Failure, Outcome, Report};
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
    /// Wait until every image is done, or nothing is left in the queue
    #[arg(long)]
    pub wait: bool,
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
    let (board, _) = board(settings, state).await?;
    let run = match &options.run {
        Some(run) => run.clone(),
        None => newest(&board).await?,
    };
    let of_work = |error: WorkError| Failure::from(&error);
    let sheet = board.sheet(&run).await.map_err(of_work)?;
    let queue = Queue::connect(&settings.aws, queue)
        .await
        .map_err(|error| Failure::from(&error))?;
    loop {
        // The queue first: what leaves it was told before.
        let is_empty = match options.wait {
            true => {
                let depth = queue.depth().await.map_err(|error| Failure::from(&error))?;
                depth.visible + depth.hidden == 0
            }
            false => true,
        };
        let report = sheet.clone().report(board.outcomes(&run).await.map_err(of_work)?);
        let is_open = |outcome| matches!(outcome, Outcome::Failed | Outcome::NotAttempted);
        if is_empty || !report.images.iter().any(|image| is_open(image.outcome)) {
            return Ok(report);
        }
        tokio::time::sleep(AGAIN).await;
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
