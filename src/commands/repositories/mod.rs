//! `repositories`: lists, creates and deletes repositories of the registry.

mod create;
mod delete;
mod list;

use super::{CommandError, Context, ExitCode};

/// What `repositories` may be asked.
#[derive(Debug, clap::Subcommand)]
pub enum Options {
    /// List the registry's repositories with what they are like
    #[command(after_help = "Example: ecr-keeper repositories list --images --output json")]
    List(list::Options),
    /// Create repositories as `repositories` in the settings says
    #[command(
        after_help = "Example: ecr-keeper repositories create base/image/nginx --if-not-exists --yes\n\nExit codes: 0 all are there; 1 one could \
not be created, or was there before."
    )]
    Create(create::Options),
    /// Delete repositories
    #[command(
        after_help = "Example: ecr-keeper repositories delete base/image/nginx --dry-run\n\nOne that has images is refused without --force, and without --protected-too where one of these is in use, may be, or is protected. Exit codes: \
0 all have gone; 1 one is there still, or was not there before."
    )]
    Delete(delete::Options),
}

/// Does what was asked.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    match options {
        Options::List(options) => list::run(options, context).await,
        Options::Create(options) => create::run(options, context).await,
        Options::Delete(options) => delete::run(options, context).await,
    }
}
