//! The flags that every command takes, and what they come to.

use std::io::IsTerminal;
use std::path::PathBuf;

use anstream::ColorChoice;
use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::Command;
use crate::commands::{self, Context, Output};
use crate::progress::{Dialect, Screen, View};
use crate::settings::{self, Given};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(super) struct Global {
    /// Settings file, or s3://BUCKET/KEY or ssm:NAME; also ECR_KEEPER_CONFIG [default: ./settings.yaml, then ecr-keeper/settings.yaml in the user's configuration folder]
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// AWS profile [setting: aws.profile]
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// AWS region [setting: aws.region]
    #[arg(long, global = true, value_name = "REGION")]
    region: Option<String>,
    /// Where the AWS API is asked [setting: aws.endpoint_url]
    #[arg(long, global = true, value_name = "URL")]
    endpoint_url: Option<String>,
    /// File that remembers what was made from which upstream digest [setting: ledger]
    #[arg(long, global = true, value_name = "FILE")]
    ledger: Option<String>,
    /// Shape of what is printed
    #[arg(long, global = true, value_enum, default_value = "text")]
    output: Output,
    /// How progress is shown, on standard error; serve shows none unless told to
    #[arg(long, global = true, value_enum, default_value = "auto")]
    progress: Progress,
    /// How much is logged, on standard error [default: warn; of serve, info]
    #[arg(long, global = true, value_enum)]
    log_level: Option<LogLevel>,
    /// Shape of the log
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: LogFormat,
    /// When to use colour; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, default_value = "auto")]
    color: Color,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Progress {
    /// Bars on a terminal, lines elsewhere
    Auto,
    /// One bar for each running image
    Bars,
    /// One line for each image that is done; folded and marked in GitLab's and GitHub's pipelines
    Lines,
    /// One JSON object a line
    Json,
    /// Nothing
    None,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

impl Global {
    /// The shape of what is printed.
    pub(super) fn output(&self) -> Output {
        self.output
    }

    pub(super) fn start_log(&self, command: &Command, screen: &Screen) {
        let level = self.log_level.unwrap_or(match command {
            // What it tells of its runs is its log.
            Command::Serve(_) => LogLevel::Info,
            _ => LogLevel::Warn,
        });
        // The libraries' own logs would show requests with their credentials: at most their warnings are shown.
        // What aws_config warns of is told as an error.
        let level = LevelFilter::from(level);
        let filter = Targets::new()
            .with_default(level.min(LevelFilter::WARN))
            .with_target("aws_config", LevelFilter::ERROR)
            .with_target("ecr_keeper", level);
        let screen = screen.clone();
        let builder = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_writer(move || screen.clone())
            .with_ansi(self.color_of_stderr());
        // A second subscriber in one process is the only error, and does no harm.
        let _ = match self.log_format {
            LogFormat::Text => builder.finish().with(filter).try_init(),
            LogFormat::Json => builder.json().finish().with(filter).try_init(),
        };
    }

    fn color_of_stderr(&self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }

    /// What flags say in the place of settings.
    fn flags(&self, command: &Command) -> Vec<(&'static str, &'static str, String)> {
        let mut flags = Vec::new();
        let mut flag = |name, key, value: Option<String>| flags.extend(value.map(|value| (name, key, value)));
        flag("--profile", "aws.profile", self.profile.clone());
        flag("--region", "aws.region", self.region.clone());
        flag("--endpoint-url", "aws.endpoint_url", self.endpoint_url.clone());
        flag("--ledger", "ledger", self.ledger.clone());
        let results_dir = match command {
            Command::Sync(commands::sync::Options { run, .. })
            | Command::Serve(commands::serve::Options { run, .. })
            | Command::Apply(commands::apply::Options { run, .. }) => run.results_dir.clone(),
            Command::Work(options) => options.results_dir(),
            _ => None,
        };
        flag("--results-dir", "results.dir", results_dir);
        let engine = match command {
            Command::Sync(options) => options.run.engine.clone(),
            Command::Plan(options) => options.engine.clone(),
            Command::Apply(options) => options.run.engine.clone(),
            Command::Explain(options) => options.engine.clone(),
            Command::Copy(options) => options.engine.clone(),
            Command::Serve(options) => options.run.engine.clone(),
            _ => None,
        };
        flag("--engine", "engine", engine);
        let role_arn = match command {
            Command::Login(options) => options.role_arn.clone(),
            Command::GetLoginPassword(options) => options.role_arn.clone(),
            _ => None,
        };
        flag("--role-arn", "aws.role_arn", role_arn);
        if let Command::Work(options) = command {
            flag("--queue", "work.queue", options.queue());
        }
        if let Command::Serve(options) = command {
            flag("--every", "schedule.every", options.every.clone());
            flag("--cron", "schedule.cron", options.cron.clone());
            flag("--time-zone", "schedule.time_zone", options.time_zone.clone());
            flag("--listen", "serve.listen", options.listen.clone());
        }
        if let Command::Usage(options) = command {
            flag("--regions", "usage.regions", options.regions.clone());
            flag("--role-arn", "usage.role_arns", options.role_arns());
        }
        if let Command::Copy(options) = command {
            flag("--platforms", "platforms", options.platforms.clone());
        }
        flags
    }

    pub(super) fn context(&self, command: &Command, screen: Screen) -> Result<Context, settings::SettingsError> {
        let dialect = Dialect::of(|name| std::env::var(name).ok());
        let github = dialect == Dialect::GitHub;
        let summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| github && !path.is_empty());
        Ok(Context {
            file: self
                .config
                .clone()
                .or_else(settings::named_file)
                .or_else(settings::usual_file),
            given: Given {
                environment: settings::environment()?,
                flags: self.flags(command),
                ..Given::default()
            },
            output: self.output,
            view: match self.progress {
                // Its log tells of runs; bars between them would be in the way.
                Progress::Auto if matches!(command, Command::Serve(_)) => View::None,
                Progress::Auto => View::fitting(dialect),
                Progress::Bars => View::Bars,
                Progress::Lines => View::Lines(dialect),
                Progress::Json => View::Json,
                Progress::None => View::None,
            },
            screen,
            summary: summary.map(PathBuf::from),
            width: terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0.into()),
            color: match self.color {
                Color::Auto => ColorChoice::Auto,
                Color::Always => ColorChoice::Always,
                Color::Never => ColorChoice::Never,
            },
        })
    }
}
