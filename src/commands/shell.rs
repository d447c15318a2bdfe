//! `completions` and `man`: what a shell and a reader of manuals want to know of the command line.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;

use super::{CommandError, ExitCode};
use crate::atomic;
use crate::report::Failure;

/// What `completions` is told.
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// For which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// What `man` may be told.
#[derive(Debug, clap::Args)]
pub struct Manual {
    /// Write one page for each command into this folder
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Prints a completion script.
pub fn completions(options: &Completions, mut command: Command) -> Result<ExitCode, CommandError> {
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(options.shell, &mut command, name, &mut script);
    print(&script)
}

/// Prints the manual page of the whole program, or writes those of all commands.
pub fn manual(options: &Manual, mut command: Command) -> Result<ExitCode, CommandError> {
    command.build();
    let Some(folder) = &options.dir else {
        return print(&page(command)?);
    };
    let mut left = vec![command];
    while let Some(command) = left.pop() {
        left.extend(
            command
                .get_subcommands()
                .filter(|one| !one.is_hide_set() && one.get_name() != "help")
                .cloned(),
        );
        // A subcommand's display name has all the words before it: `ecr-keeper-config-show`.
        let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
        let path = folder.join(format!("{name}.1"));
        atomic::write(&path, &page(command)?).map_err(|error| {
            CommandError::Failed(Failure {
                message: format!("write {}", path.display()),
                causes: vec![error.to_string()],
                hint: Some("name a folder that can be written to with --dir".into()),
            })
        })?;
    }
    Ok(0)
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}

fn print(text: &[u8]) -> Result<ExitCode, CommandError> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        // Whoever closed the pipe has read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(0),
    }
}
