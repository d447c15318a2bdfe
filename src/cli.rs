//! The command line: the tree of commands, and one match that carries them out. Standard output is for data, standard error
//! for progress and logs.

mod global;

use std::io::Write;

use clap::{CommandFactory, Parser, Subcommand};

use self::global::Global;
use crate::commands::{self, CommandError, ExitCode, Output, Several};
use crate::progress::Screen;
use crate::report::Failure;

/// Keeps the images in Amazon ECR current with their upstream
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example: KEYWORD=base/image ecr-keeper sync --dry-run\n\nExit codes: 0 all well; 1 an \
image failed or was refused, or a daemon, credential or upstream tag is missing; 2 usage or settings; 3 plan \
--exit-code found differences; 130, 143 stopped by a signal."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring every image up to date with its upstream
    #[command(after_help = "Example: KEYWORD=base/image ecr-keeper sync --results-dir results")]
    Sync(commands::sync::Options),
    /// Say what sync would do, and change nothing
    #[command(
        after_help = "Example: ecr-keeper plan --out plan.json --exit-code\n\nExit codes with --exit-code: 3 \
something would change, also where something else is refused; 1 something could not be read, or nothing would change and \
something is refused; 0 all is as it should be."
    )]
    Plan(commands::plan::Options),
    /// Carry out a saved plan, by exactly the digests in it
    #[command(
        after_help = "Example: ecr-keeper plan --out plan.json && ecr-keeper apply plan.json\n\nAn image whose \
target or upstream has moved since the plan was made is refused; the others are done. The plan also says who copies, and \
what comes."
    )]
    Apply(commands::apply::Options),
    /// Bring one image to one or several targets, by hand
    #[command(
        after_help = "Example: ecr-keeper copy --engine direct quay.io/prometheus/prometheus:v3.0 \
123456789012.dkr.ecr.eu-central-1.amazonaws.com/base/image/prometheus\n\nA target that has the image already is left as it \
is. Logins: the settings' and Docker's, and AWS's for registries of ECR."
    )]
    Copy(commands::copy::Options),
    /// Tell all that is known of one tag, and what sync would do with it
    #[command(after_help = "Example: ecr-keeper explain base/image/grafana/grafana:11.0")]
    Explain(commands::explain::Options),
    /// List the tags of an upstream that rules choose, one a line
    #[command(
        after_help = "Example: ecr-keeper tags docker.io/grafana/grafana --constraint '>= 11, < 12' --newest-per minor\n\nThe \
order: plain tags by their letters, then versions from the newest on. Without rules, all tags are listed."
    )]
    Tags(Box<commands::tags::Options>),
    /// Put back what a tag named before its image was replaced
    #[command(
        after_help = "Example: ecr-keeper rollback base/image/grafana/grafana:latest\n\nIt takes the newest backup (policy.backup) that is \
another image, or what --to names. A sync leaves it there until the upstream has another image than the one that was rolled back."
    )]
    Rollback(commands::rollback::Options),
    /// Share a run by a queue: put its images there, copy them, tell what became of them
    #[command(
        subcommand,
        after_help = "Example: ecr-keeper work enqueue && ecr-keeper work run --until-empty && ecr-keeper work report"
    )]
    Work(commands::work::Options),
    /// Stay, and sync on a schedule
    #[command(
        after_help = "Example: ecr-keeper serve --every 15m\n\nThe settings are read again on SIGHUP and when their file changes. \
SIGTERM and Ctrl-C let a run that is at work end as in sync. Exit codes: 0 where nothing was cut off by that, else 143 or 130; 1 the \
address cannot be listened on; 2 usage or settings."
    )]
    Serve(commands::serve::Options),
    /// List, create and delete repositories of the registry
    #[command(subcommand, after_help = "Example: ecr-keeper repositories list")]
    Repositories(commands::repositories::Options),
    /// List the images of repositories, print the newest, or delete some
    #[command(subcommand, after_help = "Example: ecr-keeper images latest --all")]
    Images(Images),
    /// Print the newest image of repositories of an environment, or delete all or the oldest: the flags of manage_ecr_docker_images
    #[command(
        after_help = "Example: ecr-keeper manage -e prod -g True -a True\n\nOne of --get and --delete is needed, and one of --repository and \
--all_repositories. With --delete and --oldest_images the two most recent images of each repository stay. What `images prune` protects stays in any \
case."
    )]
    Manage(commands::manage::Options),
    /// Log Docker in at registries of ECR
    #[command(
        after_help = "Example: ecr-keeper login 123456789012.dkr.ecr.eu-central-1.amazonaws.com public.ecr.aws\n\nThe login is kept where \
Docker's configuration says: by a helper or store, or else in the file itself, unencrypted. It is good for 12 hours. Under the name \
docker-credential-ecr-keeper this program is such a helper, and no login is needed. Exit code 1: one of them came to nothing."
    )]
    Login(commands::login::Options),
    /// Have Docker forget logins
    #[command(after_help = "Example: ecr-keeper logout 123456789012.dkr.ecr.eu-central-1.amazonaws.com")]
    Logout(commands::login::LogoutOptions),
    /// Print a password for a registry of ECR, good for 12 hours
    #[command(
        after_help = "Example: ecr-keeper get-login-password REGISTRY | docker login --username AWS --password-stdin REGISTRY\n\nThe user is \
always AWS."
    )]
    GetLoginPassword(commands::login::PasswordOptions),
    /// Tell what registries hold over accounts and regions, what that costs, and who runs it
    #[command(
        after_help = "Example: ecr-keeper usage --regions eu-central-1,us-east-1 --output html --out usage.html\n\nOutput: text, json \
(docs/usage-report.md), csv (a row for each image), markdown, or html (one page that needs nothing from elsewhere). What cannot be read is \
told in the report. Exit codes: 0 all was read; 1 something was not, or was not posted; 2 usage or settings."
    )]
    Usage(commands::usage::Options),
    /// Try the chats and webhooks that are told of runs
    #[command(subcommand, after_help = "Example: ecr-keeper notify test")]
    Notify(commands::notify::Options),
    /// Print a completion script for a shell
    #[command(after_help = "Example: ecr-keeper completions bash > /etc/bash_completion.d/ecr-keeper")]
    Completions(commands::shell::Completions),
    /// Print the manual page, or write one for each command
    #[command(after_help = "Example: ecr-keeper man | man -l -")]
    Man(commands::shell::Manual),
    /// Check or show the settings
    #[command(subcommand, after_help = "Example: ecr-keeper config show")]
    Config(commands::config::Options),
}

/// What `images` may be asked.
#[derive(Debug, Subcommand)]
enum Images {
    #[command(flatten)]
    Listing(commands::images::Options),
    /// Delete images that nobody needs by your rules, and say of all others why they stay
    #[command(
        after_help = "Example: ecr-keeper images prune base/image/nginx --keep 5 --older-than 90d\n\nThe plan is always shown; --apply carries it out. \
An image goes where all that is said holds for it, and nothing protects it: what runs, `protect` in the settings, backups, the last copy, the parts \
of what stays (docs/prune.md). Exit code 1: something could not be read, or is there still."
    )]
    Prune(Box<commands::prune::Options>),
}

/// Carries out what was asked and answers the exit code.
pub async fn run(cli: Cli) -> ExitCode {
    let screen = Screen::default();
    cli.global.start_log(&cli.command, &screen);
    let output = cli.global.output();
    if let (Output::Csv | Output::Markdown | Output::Html, false) = (output, matches!(cli.command, Command::Usage(_))) {
        return complain(&CommandError::Unusable(of_usage_alone()), Output::Text);
    }
    let context = match cli.global.context(&cli.command, screen) {
        Ok(context) => context,
        Err(error) => return complain(&CommandError::Settings(error), output),
    };
    let result = match &cli.command {
        Command::Sync(options) => commands::sync::run(options, &context).await,
        Command::Plan(options) => commands::plan::run(options, &context).await,
        Command::Apply(options) => commands::apply::run(options, &context).await,
        Command::Copy(options) => commands::copy::run(options, &context).await,
        Command::Explain(options) => commands::explain::run(options, &context).await,
        Command::Tags(options) => commands::tags::run(options, &context).await,
        Command::Rollback(options) => commands::rollback::run(options, &context).await,
        Command::Serve(options) => commands::serve::run(options, &context).await,
        Command::Work(options) => commands::work::run(options, &context).await,
        Command::Repositories(options) => commands::repositories::run(options, &context).await,
        Command::Images(Images::Listing(options)) => commands::images::run(options, &context).await,
        Command::Images(Images::Prune(options)) => commands::prune::run(options, &context).await,
        Command::Manage(options) => commands::manage::run(options, &context).await,
        Command::Login(options) => commands::login::login(options, &context).await,
        Command::Logout(options) => commands::login::logout(options, &context).await,
        Command::GetLoginPassword(options) => commands::login::password(options, &context).await,
        Command::Usage(options) => commands::usage::run(options, &context).await,
        Command::Notify(options) => commands::notify::run(options, &context).await,
        Command::Config(options) => commands::config::run(options, &context).await,
        Command::Completions(options) => commands::shell::completions(options, Cli::command()),
        Command::Man(options) => commands::shell::manual(options, Cli::command()),
    };
    result.unwrap_or_else(|error| complain(&error, output))
}

fn of_usage_alone() -> Failure {
    Failure {
        message: "csv, markdown and html are what `usage` prints".to_owned(),
        causes: Vec::new(),
        hint: Some(
            "name text or json with --output; results.csv and results.markdown name files for a run's results".into(),
        ),
    }
}

/// Says on standard error why there is no answer, and prints the answer that programs get then.
fn complain(error: &CommandError, output: Output) -> ExitCode {
    let mut stderr = anstream::stderr();
    let written = match error {
        CommandError::Settings(error) => {
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
            writeln!(stderr, "error: {error}{}", cause.unwrap_or_default())
        }
        CommandError::Several(Several { what, each, hint }) => {
            writeln!(stderr, "error: {what}:\n  {}\nhint: {hint}", each.join("\n  "))
        }
        CommandError::Unusable(failure) | CommandError::Failed(failure) => {
            let hint = failure.hint.as_ref().map(|hint| format!("\nhint: {hint}"));
            writeln!(stderr, "error: {}{}", failure.in_one_line(), hint.unwrap_or_default())
        }
        CommandError::Output(cause) => writeln!(stderr, "error: {error}: {cause}"),
        // Whoever sent the signal knows.
        CommandError::Stopped { .. } => Ok(()),
    };
    let report = error.report().filter(|_| output == Output::Json);
    let printed = report.map_or(Ok(()), |report| commands::print_json(&report));
    // Where nothing can be written, the exit code has to do.
    drop((written, printed));
    error.exit_code()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_example(command: &clap::Command, before: &str, found: &mut Vec<String>) {
        let name = format!("{before} {}", command.get_name());
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        if !help.contains("Example: ") {
            found.push(name.clone());
        }
        for one in command.get_subcommands() {
            without_example(one, &name, found);
        }
    }

    #[test]
    fn every_help_text_has_an_example() {
        let mut found = Vec::new();
        without_example(&Cli::command(), "", &mut found);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn the_tree_of_commands_holds_together() {
        Cli::command().debug_assert();
    }
}
