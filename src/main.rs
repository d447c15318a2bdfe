//! The `ecr-keeper` program: carries out what its command line says and answers with an exit code; or, started by Lambda's runtime, answers
//! that one's events; or, under the name of a credential helper, tells Docker a login.

use std::process::ExitCode;

use clap::Parser;
use ecr_keeper::cli::{Cli, run};
use ecr_keeper::worker;

/// What Rust's own programs end with after a panic.
const PANICKED: i32 = 101;

fn main() -> ExitCode {
    end_at_a_panic();
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

/// A panic is a mistake of ours, and nobody knows what still holds after it: whichever task has it, it is told, and the program ends there. It
/// does not end by the signal that `panic = "abort"` would raise: that may write a core, with the logins in it.
fn end_at_a_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::exit(PANICKED);
    }));
}
