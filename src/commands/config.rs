//! `config`: checks and shows the settings, and makes them of other programs' configurations.

use std::io::Write;

use super::{CommandError, Context, ExitCode, import};
use crate::settings::{Written, schema, show};

/// What `config` may be asked.
#[derive(Debug, clap::Subcommand)]
pub enum Options {
    /// Check the settings and say everything that is wrong with them
    #[command(after_help = "Example: ecr-keeper config check -c team-a.yaml")]
    Check,
    /// Show each setting and where it came from, secrets masked
    #[command(after_help = "Example: ecr-keeper config show --output json")]
    Show,
    /// Print a JSON Schema of the settings file, for an editor
    #[command(
        after_help = "Example: ecr-keeper config schema > settings.schema.json\n\nAn editor with a YAML language \
server checks the file by a first line like this:\n# yaml-language-server: $schema=./settings.schema.json"
    )]
    Schema,
    /// Write settings that do what another program's configuration says
    #[command(
        after_help = "Example: ecr-keeper config import regsync regsync.yml --out settings.yaml\n\nWhat has no counterpart \
is listed on standard error, each with its line. Secrets are not written: the list names the variables for them. Exit codes: \
0 also where something is listed; 2 the file is no such configuration; 1 the settings cannot be written."
    )]
    Import(import::Options),
}

/// Checks or shows.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    match options {
        Options::Check => check(context).await,
        Options::Show => print_all(context).await,
        Options::Schema => {
            // It is JSON whatever shape is asked for.
            context.print(&schema(), |schema, out| writeln!(out, "{schema:#}"))?;
            Ok(0)
        }
        Options::Import(options) => import::run(options, context),
    }
}

async fn check(context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    let notes: Vec<String> = settings.without_effect.iter().map(ToString::to_string).collect();
    let file = context.file.as_ref().map(|file| file.display().to_string());
    let answer = serde_json::json!({ "file": file, "valid": true, "notes": notes });
    context.print(&answer, |_, out| {
        match &file {
            Some(file) => writeln!(out, "the settings in {file} and the environment are valid")?,
            None => writeln!(out, "there is no settings file; the environment's settings are valid")?,
        }
        notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))
    })?;
    Ok(0)
}

async fn print_all(context: &Context) -> Result<ExitCode, CommandError> {
    let file = match &context.file {
        Some(place) => Some(Written::fetch(place, &context.given).await?),
        None => None,
    };
    let shown = show(file.as_ref(), &context.given)?;
    context.print(&shown, |shown, out| {
        let longest = |text: fn(&crate::settings::Shown) -> usize| shown.iter().map(text).max().unwrap_or_default();
        let keys = longest(|one| one.key.len());
        let values = longest(|one| one.value.as_ref().map_or(0, String::len));
        for one in shown {
            let value = one.value.as_deref().unwrap_or_default();
            let origin = one.origin.as_deref().unwrap_or("not set");
            writeln!(out, "{:<keys$}  {value:<values$}  {origin}", one.key)?;
        }
        Ok(())
    })?;
    Ok(0)
}
