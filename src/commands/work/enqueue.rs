//! `work enqueue`: cuts a plan into messages.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};

use super::{board, places, without_dead_letters};
use crate::aws::queue::{BATCH, Outgoing, Queue};
use crate::commands::desk::{Desk, Range};
use crate::commands::plan::saved;
use crate::commands::sync::{lock, shard};
use crate::commands::watch::Watch;
use crate::commands::{CommandError, Context, ExitCode};
use crate::mapping::{Only, Shard};
use crate::plan::Saved;
use crate::report::{Enqueued, Failure, Report};
use crate::settings::Settings;
use crate::work::{Board, Sheet, Task, new_name};

/// Calls to SQS at once.
const AT_ONCE: usize = 4;

/// What `work enqueue` may be told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The queue's URL [setting: work.queue]
    #[arg(long, value_name = "URL")]
    pub queue: Option<String>,
    /// Only this repository, or this tag of it; may be given more than once
    #[arg(long, value_name = "REPOSITORY[:TAG]")]
    pub only: Vec<Only>,
    /// Only the I-th of N parts: every image is in exactly one. auto goes by the runner's variables
    #[arg(long, value_name = "I/N|auto", value_parser = shard, allow_hyphen_values = true)]
    pub shard: Option<Shard>,
}

/// Asks both sides as `plan` does, and sends a message for each copy.
pub(super) async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    let (queue, state) = places(&settings)?;
    let range = Range::of(context, &settings, &options.only)?.part(options.shard);
    let mut watch = Watch::begin(context, settings.grace)?;
    let sent = async {
        let queue = Queue::connect(&settings.aws, queue)
            .await
            .map_err(|error| Failure::from(&error))?;
        with_dead_letters(&queue).await?;
        let board = board(&settings, state).await?;
        let _alone = lock(&settings, None, &watch).await?;
        let run = new_name();
        let (report, tasks) = cut(&run, &settings, &range, &watch).await;
        send((&run, &report, &tasks), &queue, &board, &watch).await
    };
    let sent = sent.await;
    let asked = watch.end_view().await;
    let sent: Enqueued = sent.map_err(|failure| CommandError::without_an_answer(failure, asked))?;
    context.print(&sent, |sent, out| sent.write_text(out))?;
    Ok(match asked {
        Some(asked) => asked.exit_code,
        None => u8::from(!sent.is_well()),
    })
}

/// What the run is about, and its messages. What fails of one engine leaves the other's alone.
async fn cut(run: &str, settings: &Settings, range: &Range, watch: &Watch) -> (Report, Vec<Task>) {
    let (mut report, mut tasks) = (Report::begin(), Vec::new());
    report.shard = range.shard;
    for settings in settings.by_engine() {
        let Some(range) = range.within(&settings) else { continue };
        match cut_of(&settings, range, &mut report, watch).await {
            Ok(saved) => tasks.extend(Task::all_of(run, &saved)),
            Err(failure) => report.failures.push(failure),
        }
    }
    report.finish();
    (report, tasks)
}

async fn cut_of(settings: &Settings, range: Range, report: &mut Report, watch: &Watch) -> Result<Saved, Failure> {
    let desk = Desk::open(settings, range, watch).await?;
    report.registry = Some(desk.registry.clone());
    report.add_engine(desk.session.describe());
    let mut survey = desk.survey(&watch.stop).await?;
    report.add_survey(&survey);
    // Who does the work sees no upstream for the first time.
    desk.remember(&survey.viewed);
    desk.ledger.save().await.map_err(|error| Failure::from(&error))?;
    let plan = desk.plan(&mut survey);
    report.add_plan(&plan);
    plan.copies().for_each(|copy| report.add_queued(copy));
    report.limits.extend(desk.limits());
    Ok(saved(settings, &desk.registry, plan))
}

/// What nobody could do would come again for ever there, and no worker takes anything from it. It is asked before a run is noted, also whether
/// there is such a queue.
async fn with_dead_letters(queue: &Queue) -> Result<(), Failure> {
    match queue.has_dead_letters().await {
        Ok(true) => Ok(()),
        Ok(false) => Err(without_dead_letters(queue)),
        Err(error) => {
            let mut failure = Failure::from(&error);
            failure.hint = failure
                .hint
                .map(|hint| format!("see that work.queue names the right queue; {hint}").into());
            Err(failure)
        }
    }
}

/// The sheet first, also of a run with nothing to do: who asks for the newest is told of this one. And what somebody has done before the last message is sent is known by it.
async fn send(
    (run, report, tasks): (&str, &Report, &[Task]),
    queue: &Queue,
    board: &Board,
    watch: &Watch,
) -> Result<Enqueued, Failure> {
    if watch.stop.is_asked() {
        return Err(Failure::stopped("putting images into the queue"));
    }
    let mut sent = Enqueued::new(run, queue.to_string(), report);
    let mut sheet = Sheet::new(run, tasks, report);
    board.open(&sheet).await.map_err(|error| Failure::from(&error))?;
    let mut unsent: BTreeSet<String> = tasks.iter().map(|task| task.id.clone()).collect();
    // What is on its way arrives; a stop lets nothing more follow.
    let mut calls = stream::iter(tasks.chunks(BATCH))
        .take_until(watch.stop.soft.cancelled())
        .map(|some| async move { (some, post(some, queue).await) })
        .buffer_unordered(AT_ONCE)
        .boxed();
    while let Some((some, posted)) = calls.next().await {
        match posted {
            Ok(refused) => {
                let is_sent = |id: &String| {
                    some.iter().any(|task| task.id == *id) && !refused.iter().any(|(other, _)| other == id)
                };
                unsent.retain(|id| !is_sent(id));
                sent.failures.extend(refused.into_iter().map(|(_, failure)| failure));
            }
            Err(failure) => sent.failures.push(failure),
        }
    }
    sent.queued = tasks.len() - unsent.len();
    if watch.stop.is_asked() && !unsent.is_empty() {
        sent.failures.push(Failure::stopped("putting images into the queue"));
    }
    if !unsent.is_empty() {
        sheet.leave_out(&unsent);
        board.open(&sheet).await.map_err(|error| Failure::from(&error))?;
    }
    Ok(sent)
}

/// Sends a few messages. Answers the ids of those that the queue did not take.
async fn post(tasks: &[Task], queue: &Queue) -> Result<Vec<(String, Failure)>, Failure> {
    let outgoing = |task: &Task| {
        Ok(Outgoing {
            // What another run sends is work of its own.
            id: format!("{}-{}", task.run, task.id),
            group: task.id.clone(),
            body: serde_json::to_string(task).map_err(|error| unsent(task, &error.to_string()))?,
        })
    };
    let messages: Vec<Outgoing> = tasks.iter().map(outgoing).collect::<Result<_, Failure>>()?;
    let refused = queue.send(&messages).await.map_err(|error| Failure::from(&error))?;
    let failure = |(at, why): (usize, String)| tasks.get(at).map(|task| (task.id.clone(), unsent(task, &why)));
    Ok(refused.into_iter().filter_map(failure).collect())
}

fn unsent(task: &Task, why: &str) -> Failure {
    let target = task.copy().map(|copy| copy.target.to_string());
    Failure {
        message: format!("put {} into the queue", target.unwrap_or_default()),
        causes: vec![why.to_owned()],
        hint: Some("run `ecr-keeper work enqueue` again: what is current by then is not sent again".into()),
    }
}
