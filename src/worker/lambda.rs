//! AWS Lambda: takes events from the runtime API (AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes"), one after the
//! other, and answers each.

mod function;

use std::io;
use std::time::{Duration, Instant, SystemTime};

use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::Value;
use tracing::Instrument;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::function::carry_out;
use super::answer::{Answer, Answered, out_of_time};
use super::event::ORIGIN;
use crate::commands::ExitCode;
use crate::commands::teller::with_hint;
use crate::report::Failure;
use crate::settings::{Mistake, SettingsError};
use crate::stop::Deadline;

/// Why an invocation is no run at all. Lambda's console shows it, and an asynchronous invocation is tried again.
#[derive(Debug, thiserror::Error)]
enum Refused {
    /// The event cannot be used.
    #[error("{}", listed(.0))]
    Event(Vec<Mistake>),
    /// The function's settings cannot be used.
    #[error("{}", in_one_line(.0))]
    Settings(#[from] SettingsError),
    /// What is asked for cannot be done.
    #[error("{}", with_hint(.0))]
    Unusable(Failure),
    /// Some of it may be done; what is not comes again.
    #[error("{}", with_hint(.0))]
    OutOfTime(Failure),
}

impl From<Refused> for Diagnostic {
    fn from(refused: Refused) -> Self {
        let error_type = match &refused {
            Refused::Event(_) => "InvalidEvent",
            Refused::Settings(SettingsError::Invalid(mistakes)) if are_of_event(mistakes) => "InvalidEvent",
            Refused::Settings(_) => "InvalidSettings",
            Refused::Unusable(_) => "Unusable",
            Refused::OutOfTime(_) => "OutOfTime",
        };
        Self {
            error_type: error_type.to_owned(),
            error_message: refused.to_string(),
        }
    }
}

/// Each says itself whose it is.
fn listed(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn are_of_event(mistakes: &[Mistake]) -> bool {
    mistakes.iter().all(|mistake| mistake.origin == ORIGIN)
}

fn in_one_line(error: &SettingsError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// What else the runtime says of a function, without which it is none (AWS Lambda Developer Guide, "Defined runtime environment variables").
const OF_FUNCTION: [&str; 3] = [
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// Whether the runtime started this process, which then has no command line.
pub fn is_function() -> bool {
    std::env::var_os(RUNTIME_API).is_some_and(|address| !address.is_empty())
}

/// Answers events for as long as there is a runtime.
pub async fn serve() -> ExitCode {
    start_log();
    if let Some(missing) = OF_FUNCTION.into_iter().find(|name| std::env::var_os(name).is_none()) {
        tracing::error!("{RUNTIME_API} is set, which Lambda's runtime does, and {missing} is not");
        return 2;
    }
    // Settings name files of the package by where they are in it.
    if let Some(root) = std::env::var_os("LAMBDA_TASK_ROOT")
        && let Err(error) = std::env::set_current_dir(&root)
    {
        // Images need not have it.
        tracing::debug!("there is no folder LAMBDA_TASK_ROOT: {error}");
    }
    match Runtime::new(service_fn(invoked)).run().await {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!("talk to Lambda's runtime: {error}");
            1
        }
    }
}

/// With the lines that Lambda's own settings ask for: JSON objects or text (AWS Lambda Developer Guide, "Configuring advanced logging controls").
fn start_log() {
    let variable = |name| std::env::var(name).unwrap_or_default().to_lowercase();
    let level = match variable("AWS_LAMBDA_LOG_LEVEL").as_str() {
        "" => LevelFilter::INFO,
        "fatal" => LevelFilter::ERROR,
        level => level.parse().unwrap_or(LevelFilter::INFO),
    };
    // The libraries' own logs would show requests with their credentials, and events; and lambda_runtime what is answered.
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("aws_config", LevelFilter::ERROR)
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF)
        .with_target("ecr_keeper", level);
    let builder = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(io::stderr)
        .with_ansi(false);
    // A second subscriber in one process is the only error, and does no harm.
    let _ = match variable("AWS_LAMBDA_LOG_FORMAT").as_str() {
        "json" => builder
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .finish()
            .with(filter)
            .try_init(),
        // Each line has a time in the log group.
        _ => builder.without_time().finish().with(filter).try_init(),
    };
}

async fn invoked(event: LambdaEvent<Value>) -> Result<Answered, Refused> {
    let LambdaEvent { payload, context } = event;
    // Its level is the highest there is: at any level the lines say whose they are.
    let span = tracing::error_span!("invocation", requestId = %context.request_id);
    let deadline = Deadline::within(left_until(context.deadline), Instant::now());
    let answered = async {
        // Whatever is still at work then ends here: the process is frozen once it has answered.
        let answered = tokio::time::timeout_at(deadline.last.into(), carry_out(&payload, deadline)).await;
        let answered = answered.unwrap_or_else(|_| match payload.get("Records") {
            // What is not told to be undone would be taken out of the queue.
            Some(_) => Err(Refused::OutOfTime(out_of_time())),
            None => {
                let answer = Answer::of_failure(&out_of_time());
                answer.log();
                Ok(answer.into())
            }
        });
        if let Err(refused) = &answered {
            tracing::error!(ok = false, "{refused}");
        }
        answered
    };
    answered.instrument(span).await
}

/// The time that is left, of one that is counted in milliseconds since 1970.
fn left_until(deadline: u64) -> Duration {
    const DAY: Duration = Duration::from_hours(24);
    let deadline = Duration::from_millis(deadline);
    // cargo-lambda's emulator says how long there is, and not until when.
    if deadline < DAY {
        return deadline;
    }
    let at = SystemTime::UNIX_EPOCH + deadline;
    at.duration_since(SystemTime::now()).unwrap_or_default()
}
