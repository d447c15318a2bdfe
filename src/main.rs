//! The `ecr-keeper` program: carries out what its command line says and answers with an exit code; or, started by Lambda's runtime, answers
//! that one's events; or, under the name of a credential helper, tells Docker a login.

use std::process::ExitCode;

use clap::Parser;
use ecr_keeper::cli::{Cli, run};
use ecr_keeper::worker;

fn main() -> ExitCode {
    let is_helper = worker::is_helper();
    let cli = (!is_helper && !worker::is_function()).then(Cli::parse);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        match cli {
            Some(cli) => run(cli).await,
            None if is_helper => worker::help().await,
            None => worker::serve().await,
        }
    });
    // A credential helper that hangs is not waited for.
    runtime.shutdown_background();
    ExitCode::from(code)
}
