//! `tags`: the tags of an upstream that rules choose.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::desk::{keyring, registries};
use super::input;
use super::rules::RuleOptions;
use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::image::{Repository, Tag};
use crate::report::{Failure, Tags};
use crate::selection::{MAX_SELECTED, Selection};
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
        (Some(file), _) => read(file).map_err(CommandError::Unusable)?,
        (None, Some(upstream)) => ask(upstream, context).await?,
        (None, None) => Vec::new(),
    };
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

/// The tags in a file. Every line that is none is a mistake, and all of them are told.
fn read(file: &Path) -> Result<Vec<Tag>, Failure> {
    let name = input::name(file);
    let text = input::read(file).map_err(|error| Failure {
        message: format!("read the tags in {name}"),
        causes: vec![error.to_string()],
        hint: Some("name a text file with a tag on each line, or - for standard input".into()),
    })?;
    let mut tags = Vec::new();
    let mut mistakes = Vec::new();
    let text = text.trim_start_matches('\u{feff}');
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match line.trim().parse() {
            Ok(tag) => tags.push(tag),
            Err(_) => mistakes.push(format!("line {}: {:?} is no tag", at + 1, line.trim())),
        }
    }
    match mistakes.is_empty() {
        true => Ok(tags),
        false => Err(Failure {
            message: format!("read the tags in {name}: {}", mistakes.join("; ")),
            causes: Vec::new(),
            hint: Some(
                "write one tag on each line, without a repository before it: at most 128 letters, digits, _ . and -, the first \
                 no . or -"
                    .into(),
            ),
        }),
    }
}
