//! The `ecr-keeper` program: reads the command line, carries it out, answers with an exit code.

use std::process::ExitCode;

use clap::Parser;
use ecr_keeper::cli::{Cli, run};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    ExitCode::from(run(cli).await)
}
