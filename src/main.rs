//! The `ecr-keeper` program: reads the command line, carries it out, answers with an exit code.

use std::process::ExitCode;

use clap::Parser;
use ecr_keeper::cli::{Cli, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(cli));
    // A credential helper that hangs is not waited for.
    runtime.shutdown_background();
    ExitCode::from(code)
}
