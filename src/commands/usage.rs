//! `usage`: what registries hold over accounts and regions, what that costs, and who runs it.

mod upstreams;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::teller::with_hint;
use super::watch::Watch;
use super::{CommandError, Context, ExitCode, Output, unless_closed};
use crate::atomic;
use crate::census::census;
use crate::record::{UsageFormat, UsagePart, usage_lines, usage_rendered};
use crate::report::{Failure, one_line};
use crate::settings::Settings;
use crate::usage::{Changes, Report, Runner, SCHEMA_VERSION};

/// What `usage` may be told.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Regions to ask, with commas between; all for those that are enabled [setting: usage.regions]
    #[arg(long, value_name = "all|REGION,…")]
    pub regions: Option<String>,
    /// Role of another account to ask as well; may be given more than once [setting: usage.role_arns]
    #[arg(long = "role-arn", value_name = "ARN")]
    pub role_arns: Vec<String>,
    /// Ask these as well as those that the setting names [setting: usage.include]
    #[arg(long, value_enum, value_name = "WHO")]
    pub include: Vec<Include>,
    /// Tell only what could go
    #[arg(long, conflicts_with = "coverage")]
    pub candidates: bool,
    /// Tell only which running images are not in ECR, or are older than their upstream
    #[arg(long)]
    pub coverage: bool,
    /// Compare with an earlier report, as JSON
    #[arg(long, value_name = "FILE")]
    pub since: Option<PathBuf>,
    /// Write to a file in the place of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Post nothing to Slack
    #[arg(long)]
    pub no_post: bool,
}

/// Who may run images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Include {
    /// Functions of AWS Lambda
    Lambda,
    /// Services of Amazon ECS
    Ecs,
}

impl Options {
    /// The roles as a setting takes them.
    pub(crate) fn role_arns(&self) -> Option<String> {
        (!self.role_arns.is_empty()).then(|| self.role_arns.join(","))
    }

    fn part(&self) -> UsagePart {
        match (self.candidates, self.coverage) {
            (true, _) => UsagePart::Candidates,
            (_, true) => UsagePart::Coverage,
            _ => UsagePart::All,
        }
    }
}

/// Asks everybody, and prints the report.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    let before = options.since.as_deref().map(read).transpose();
    let before = before.map_err(CommandError::Unusable)?;
    let mut watch = Watch::begin(context, settings.grace)?;
    let report = look(options, &settings, before.as_ref(), &watch).await;
    let unposted = match options.no_post {
        true => Vec::new(),
        false => post(&report, options, &settings, &watch).await,
    };
    let asked = watch.end_view().await;
    for failure in &unposted {
        // The exit code is theirs, too: whoever reads errors alone has to see why.
        tracing::error!("{}", with_hint(failure));
    }
    // A table has no room for them, and what is in a file nobody may look at now.
    if options.out.is_some() || context.output == Output::Csv {
        for failure in &report.failures {
            tracing::warn!("{}", one_line(&report.told(failure)));
        }
    }
    let bytes = usage_rendered(&report, format(context.output), options.part())?;
    match &options.out {
        Some(path) => atomic::write(path, &bytes).map_err(|error| CommandError::Failed(unwritten(path, &error)))?,
        None => print(&bytes)?,
    }
    Ok(match asked {
        Some(asked) => asked.exit_code,
        None => u8::from(!report.complete || !unposted.is_empty()),
    })
}

/// What everybody says, compared with an earlier report.
pub(crate) async fn look(options: &Options, settings: &Settings, before: Option<&Report>, watch: &Watch) -> Report {
    let now = Timestamp::now();
    let mut asked = settings.census.clone();
    for include in &options.include {
        let runner = match include {
            Include::Lambda => Runner::Lambda,
            Include::Ecs => Runner::Ecs,
        };
        if !asked.include.contains(&runner) {
            asked.include.push(runner);
        }
    }
    let terms = settings.usage.at(now, &asked.include, asked.regions.as_deref());
    let joined = census(&settings.aws, &asked, terms, &watch.stop).await;
    let mut report = joined.report(now);
    if options.coverage {
        upstreams::compare(&mut report, settings, &watch.stop).await;
    }
    report.changes = before.map(|before| Changes::between(before, &report));
    report
}

/// Tells Slack, and answers what did not arrive.
pub(crate) async fn post(report: &Report, options: &Options, settings: &Settings, watch: &Watch) -> Vec<Failure> {
    let lines = usage_lines(report, options.part());
    settings.notify.tell(&lines, &watch.telling).await
}

fn format(output: Output) -> UsageFormat {
    match output {
        Output::Text => UsageFormat::Text,
        Output::Json => UsageFormat::Json,
        Output::Csv => UsageFormat::Csv,
        Output::Markdown => UsageFormat::Markdown,
        Output::Html => UsageFormat::Html,
    }
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    unless_closed(out.write_all(bytes).and_then(|()| out.flush()))
}

/// An earlier report.
fn read(path: &Path) -> Result<Report, Failure> {
    let unreadable = |cause: String| Failure {
        message: format!("read the earlier report {}", path.display()),
        causes: vec![cause],
        hint: Some("name a file that `ecr-keeper usage --output json --out FILE` wrote".into()),
    };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let report: Report =
        serde_json::from_str(&text).map_err(|error| unreadable(format!("it is no report of usage: {error}")))?;
    match report.schema_version {
        SCHEMA_VERSION if report.generated_at > Timestamp::now() => Err(unreadable(format!(
            "it is of {}, which is to come",
            report.generated_at
        ))),
        SCHEMA_VERSION => Ok(report),
        other => Err(unreadable(format!(
            "it is of version {other}, and this program knows {SCHEMA_VERSION}"
        ))),
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure {
        message: format!("write the report to {}", path.display()),
        causes: vec![error.to_string()],
        hint: Some("name a file in a folder that can be written to with --out".into()),
    }
}
