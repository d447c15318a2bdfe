//! `tags`: the tags of an upstream that rules choose.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::desk::{keyring, registries};
use super::input;
use super::rules::RuleOptions;
use super::watch::Watch;
use super::{CommandError, Context, ExitCode, Several};
use crate::image::{Repository, Tag};
use crate::report::{Failure, Tags};
use crate::selection::{MAX_SELECTED, Rules, Selection};
use crate::settings::Settings;

/// What `tags` is told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Whose tags: a repository, such as docker.io/grafana/grafana
    #[arg(value_name = "UPSTREAM", required_unless_present = "from_file")]
    pub upstream: Option<Repository>,
    /// Take the tags from a file, one a line, and ask no registry; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "upstream")]
    pub from_file: Option<PathBuf>,
    /// Tell of every tag that is passed over too, and why
    #[arg(long)]
    pub explain: bool,
    /// Which of them.
    #[command(flatten)]
    pub rules: RuleOptions,
}

/// Prints what the rules choose.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let selection = Selection {
        any: vec![options.rules.rules().map_err(CommandError::Unusable)?],
        // Nothing comes of a long list but its being read.
        max_selected: usize::MAX,
    };
    let tags = match (&options.from_file, &options.upstream) {
        (Some(file), _) => read(file)?,
        (None, Some(upstream)) => ask(upstream, context).await?,
        (None, None) => Vec::new(),
    };
    for (rule, why) in selection.any.iter().flat_map(Rules::idle) {
        tracing::warn!("{rule}: {why}");
    }
    let began = Instant::now();
    let choice = selection
        .choose(&tags)
        .map_err(|error| CommandError::Unusable(Failure::new(&error, None)))?;
    tracing::debug!("chose among {} tags in {:?}", tags.len(), began.elapsed());
    if choice.chosen.len() > MAX_SELECTED {
        tracing::warn!(
            "{} tags are chosen, which a sync takes for a mistake: it follows no more than {MAX_SELECTED}",
            choice.chosen.len()
        );
    }
    if choice.chosen.is_empty() && !options.explain {
        tracing::warn!("none of {} tags is chosen; --explain says why of each", tags.len());
    }
    let missing = absent(&selection, &tags);
    for tag in &missing {
        let place = options
            .upstream
            .as_ref()
            .map_or("the list".to_owned(), Repository::to_string);
        tracing::warn!("--include-tag names {tag}, and {place} has no such tag");
    }
    let tags = Tags::new(options.upstream.clone(), choice, missing, options.explain);
    context.print(&tags, |tags, out| tags.write_text(out))?;
    Ok(0)
}

/// What is named and is not there; each once.
fn absent(selection: &Selection, tags: &[Tag]) -> Vec<Tag> {
    let named: BTreeSet<Tag> = selection.named_tags().collect();
    named.into_iter().filter(|tag| !tags.contains(tag)).collect()
}

async fn ask(upstream: &Repository, context: &Context) -> Result<Vec<Tag>, CommandError> {
    let settings = context.settings().await?;
    let mut watch = Watch::begin(context, settings.grace)?;
    let tags = match watch
        .stop
        .soft
        .clone()
        .run_until_cancelled(list(upstream, &settings))
        .await
    {
        Some(tags) => tags,
        None => Err(Failure::stopped("listing tags")),
    };
    let asked = watch.end_view().await;
    tags.map_err(|failure| CommandError::without_an_answer(failure, asked))
}

async fn list(upstream: &Repository, settings: &Settings) -> Result<Vec<Tag>, Failure> {
    let keyring = keyring(settings, Some(&upstream.host)).await?;
    let tags = registries(settings, &keyring).tags(upstream).await;
    tags.map_err(|error| Failure::from(&error))
}

/// More mistakes than these say nothing new.
const MOST_LINES: usize = 50;

/// The tags in a file. Every line that is none is a mistake, and all of them are told.
fn read(file: &Path) -> Result<Vec<Tag>, CommandError> {
    let name = input::name(file);
    let unreadable = |error: io::Error| Failure {
        message: format!("read the tags in {name}"),
        causes: vec![error.to_string()],
        hint: Some("name a text file with a tag on each line, or - for standard input".into()),
    };
    let text = input::read(file).map_err(|error| CommandError::Unusable(unreadable(error)))?;
    let mut tags = Vec::new();
    let mut mistakes = Vec::new();
    let text = text.trim_start_matches('\u{feff}');
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match line.trim().parse() {
            Ok(tag) => tags.push(tag),
            Err(_) => mistakes.push(format!("line {}: {:?} is no tag", at + 1, line.trim())),
        }
    }
    if mistakes.is_empty() {
        return Ok(tags);
    }
    let more = mistakes.len().saturating_sub(MOST_LINES);
    mistakes.truncate(MOST_LINES);
    if more > 0 {
        mistakes.push(format!("and {more} more"));
    }
    Err(CommandError::Several(Several {
        what: format!("read the tags in {name}"),
        each: mistakes,
        hint: "write one tag on each line, without a repository before it: at most 128 letters, digits, _ . and -, the first no . or -",
    }))
}
