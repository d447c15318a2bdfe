//! `ecr-lab`: the lab for demonstrations, and a client for its own pages.

mod client;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The test lab of ecr-keeper: ECR, an upstream registry, a chat sink and a Docker daemon on loopback ports
#[derive(Debug, Parser)]
#[command(name = "ecr-lab")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the lab in the foreground until SIGTERM or SIGINT
    Serve(serve::Options),
    /// Show what a front was asked
    Requests {
        #[command(flatten)]
        lab: Running,
        /// Which: ecr, blobs, upstream, or api for ECR's API
        #[arg(long, default_value = "ecr")]
        front: String,
    },
    /// Forget requests and messages so far
    Clear(Running),
    /// Show the chat messages that came
    Messages(Running),
    /// Show the images in ECR
    Images {
        #[command(flatten)]
        lab: Running,
        /// Only of this repository
        repository: Option<String>,
    },
    /// Push new content to an upstream tag
    Move {
        /// REPOSITORY:TAG, such as library/busybox:1.37
        image: String,
        /// Text that the content is made of
        text: String,
        /// One platform only
        #[arg(long)]
        single: bool,
        #[command(flatten)]
        lab: Running,
    },
    /// Push an image of a size upstream, or into ECR, where its repository is made
    Put {
        /// REPOSITORY:TAG, such as library/busybox:1.37
        image: String,
        /// Into ECR
        #[arg(long)]
        ecr: bool,
        /// How many layers
        #[arg(long, default_value_t = 1)]
        layers: u64,
        /// Bytes of each; they do not compress
        #[arg(long, default_value_t = 1_000_000)]
        size: usize,
        /// Another seed is another content; the same number is the same image
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// For linux/amd64 and linux/arm64
        #[arg(long)]
        multi: bool,
        #[command(flatten)]
        lab: Running,
    },
    /// Remove an upstream tag
    Remove {
        /// REPOSITORY:TAG
        image: String,
        #[command(flatten)]
        lab: Running,
    },
    /// Show the lab's addresses and processes; exit code 1 when it does not run
    Status(Running),
}

/// Which running lab, and how to show.
#[derive(Debug, Args)]
struct Running {
    /// The lab's folder
    #[arg(long, default_value_os_t = default_dir())]
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The same as in `scripts/lab`.
fn default_dir() -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    std::env::temp_dir().join(format!("ecr-lab-{user}"))
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(options) => serve::run(&options).await,
        command => client::run(command).await,
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ecr-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}
