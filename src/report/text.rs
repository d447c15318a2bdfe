//! Reports and plans for people to read.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use textwrap::{Options, WordSeparator, WordSplitter, core::display_width};

use super::preview::kept as kept_in_words;
use super::{Failure, ImageReport, Outcome, Preview, Report, Totals, copied_because, so_many_images};
use crate::image::{Attestations, Digest, Platform};
use crate::mapping::Shard;
use crate::plan::{Brings, Copy, CreateRepository};
use crate::registry::Limit;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();

impl Report {
    /// Everything that is not as it was or not as it should be, then the totals.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        if let Some(run) = &self.run {
            let of = self.started.strftime("%Y-%m-%d %H:%M:%S UTC");
            item(out, QUIET, "run", &format!("{run}, of {of}"))?;
        }
        head(out, self.registry.as_deref(), self.engine.as_deref())?;
        let told = &[
            Outcome::Updated,
            Outcome::Refused,
            Outcome::Failed,
            Outcome::NotAttempted,
        ];
        for repository in &self.created {
            item(
                out,
                GOOD,
                "created",
                &repository.beside(self.registry.as_deref().unwrap_or_default()),
            )?;
        }
        for image in self.ended(told) {
            image.write_text(out, self.registry.as_deref())?;
        }
        for image in self.images.iter().filter(|image| image.held) {
            item(out, DOUBTFUL, "held", &self.name_of(&image.target))?;
            more(out, &image.reason)?;
        }
        if self.registry.is_none() {
            // By hand one wants to see each.
            for image in self.ended(&[Outcome::Unchanged]) {
                image.write_text(out, None)?;
                more(
                    out,
                    &format!("{} — {}", short(image.digest_before.as_ref()), image.reason),
                )?;
            }
        }
        for failure in &self.failures {
            failure.write_item(out)?;
        }
        self.write_totals(out)
    }

    /// How many images ended how, in words; what did not happen is left out, but for the first two.
    pub fn counted(&self) -> String {
        let updated = format!("{} updated", self.totals.updated);
        self.totals.in_words(updated, self.failures.len())
    }

    fn write_totals(&self, out: &mut impl Write) -> io::Result<()> {
        let seconds = self.ended.duration_since(self.started).as_secs_f64();
        write_limits(out, &self.limits)?;
        writeln!(
            out,
            "{} in {seconds:.1} s{}{}{}",
            self.counted(),
            of_shard(self.shard),
            passed_over(self.untagged, self.signature_tags, self.backups),
            cached(&self.cached)
        )?;
        match self.stopped_by {
            Some(signal) => writeln!(out, "stopped by {signal}"),
            None => Ok(()),
        }
    }
}

impl Totals {
    /// Behind what is told of those that were or are to be updated, the others and so many other failures; what did not happen is left out.
    pub(super) fn in_words(&self, updated: String, others: usize) -> String {
        let mut words = vec![updated, format!("{} unchanged", self.unchanged)];
        let of_others = if others == 1 { "other failure" } else { "other failures" };
        let counts = [
            (self.held, "of them held back"),
            (self.refused, "refused"),
            (self.failed, "failed"),
            (self.not_attempted, "not done"),
            (others, of_others),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        words.extend(counts.map(|(count, word)| format!("{count} {word}")));
        words.join(", ")
    }
}

/// Text that may be anybody's on one line, without what moves a terminal's cursor or begins a line that a pipeline obeys.
pub fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

/// A line on as many as `width` columns ask for, those behind the first indented. It is broken between words alone: what is
/// longer than a line, such as a URL, can be copied.
pub fn wrapped(line: &str, width: usize, indent: usize) -> String {
    // Colours take no columns.
    if display_width(line) <= width {
        return line.to_owned();
    }
    let (margin, text) = line.split_at(behind(line, indent));
    let indent = " ".repeat(indent);
    let options = Options::new(width)
        .initial_indent(&indent)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    // A first word that is too long stays beside its margin.
    let wrapped = textwrap::wrap(text, options).join("\n");
    format!("{margin}{}", wrapped.strip_prefix(&indent).unwrap_or(&wrapped))
}

/// Where the bytes of a line's first columns end, colours among them.
fn behind(line: &str, columns: usize) -> usize {
    let ends = line.char_indices().map(|(at, c)| at + c.len_utf8());
    let is_behind = |end: &usize| display_width(&line[..*end]) > columns;
    let mut behind = 0;
    for end in ends {
        if is_behind(&end) {
            break;
        }
        behind = end;
    }
    behind
}

/// Images and tags that are nobody's version.
fn passed_over(untagged: usize, signature_tags: usize, backups: usize) -> String {
    let count = |count: usize, one: &str, more: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {more}")),
    };
    let untagged = count(untagged, "untagged image", "untagged images");
    let tags = count(signature_tags, "tag of a signature", "tags of signatures");
    let backups = count(backups, "backup", "backups");
    let all: Vec<String> = untagged.into_iter().chain(tags).chain(backups).collect();
    match all.split_last() {
        None => String::new(),
        Some((only, [])) => format!("; {only} passed over"),
        Some((last, others)) => format!("; {} and {last} passed over", others.join(", ")),
    }
}

/// A digest, where there is one.
fn short(digest: Option<&Digest>) -> &str {
    digest.map_or("nothing", Digest::short)
}

/// Repositories that ECR keeps current itself.
fn cached(repositories: &[String]) -> String {
    match repositories {
        [] => String::new(),
        [one] => format!("; {one} is a pull-through cache, which ECR keeps current"),
        many => format!(
            "; {} repositories of pull-through caches, which ECR keeps current",
            many.len()
        ),
    }
}

pub(super) fn write_limits(out: &mut impl Write, limits: &BTreeMap<String, Limit>) -> io::Result<()> {
    for (host, limit) in limits {
        writeln!(out, "{:INDENT$}{host}: {}", "limit", limit_left(limit))?;
    }
    Ok(())
}

/// `76 of 100 pulls left in 6h`.
pub fn limit_left(limit: &Limit) -> String {
    let of = limit.of.map(|of| format!(" of {of}")).unwrap_or_default();
    let window = limit.seconds.map(|seconds| {
        let window = humantime::format_duration(Duration::from_secs(seconds));
        format!(" in {window}")
    });
    format!("{}{of} pulls left{}", limit.remaining, window.unwrap_or_default())
}

impl ImageReport {
    /// Without the registry where that is told already.
    pub(super) fn write_text(&self, out: &mut impl Write, registry: Option<&str>) -> io::Result<()> {
        let (style, word) = match self.outcome {
            Outcome::Updated => (GOOD, "updated"),
            Outcome::Unchanged => (QUIET, "unchanged"),
            Outcome::Refused => (DOUBTFUL, "refused"),
            Outcome::Failed => (BAD, "failed"),
            Outcome::NotAttempted => (DOUBTFUL, "not done"),
        };
        let name = match registry {
            Some(registry) => self.target.beside(registry),
            None => self.target.to_string(),
        };
        item(out, style, word, &name)?;
        if let Some(after) = &self.digest_after {
            more(
                out,
                &format!("{} → {}", short(self.digest_before.as_ref()), after.short()),
            )?;
            let came = self.came().filter(|_| registry.is_none());
            let came = came.map(|came| format!(" ({came})"));
            more(out, &format!("from {}{}", self.upstream, came.unwrap_or_default()))?;
        }
        for note in &self.notes {
            more(out, &format!("note: {note}"))?;
        }
        match &self.failure {
            Some(failure) => failure.write_text(out),
            None => Ok(()),
        }
    }
}

impl ImageReport {
    /// Which of the upstream's platforms came, as far as that is known.
    fn came(&self) -> Option<String> {
        let (came, all) = (self.platforms.len(), self.upstream_platforms.len());
        match came {
            0 => None,
            _ if came == all && all > 1 => Some(format!("all {all} platforms")),
            _ if came < all => Some(format!("{} of {all}", listed(&self.platforms))),
            _ => Some(listed(&self.platforms)),
        }
    }
}

impl Failure {
    /// A failure that is no image's.
    pub(super) fn write_item(&self, out: &mut impl Write) -> io::Result<()> {
        item(out, BAD, "failed", &one_line(&self.message))?;
        self.write_why(out)
    }

    /// The message, its causes and the hint, one a line.
    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        more(out, &one_line(&self.message))?;
        self.write_why(out)
    }

    fn write_why(&self, out: &mut impl Write) -> io::Result<()> {
        for cause in &self.causes {
            more(out, &format!("because: {}", one_line(cause)))?;
        }
        match &self.hint {
            Some(hint) => more(out, &format!("hint: {hint}")),
            None => Ok(()),
        }
    }
}

fn of_shard(shard: Option<Shard>) -> String {
    shard.map_or_else(String::new, |shard| format!(" (shard {shard})"))
}

impl Preview {
    /// Every action, then what is refused or unknown, then what is kept.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        head(out, Some(&self.registry), Some(&self.engine))?;
        for CreateRepository { repository, with } in self.plan.creates() {
            item(out, GOOD, "create", &repository.beside(&self.registry))?;
            more(out, &with.to_string())?;
        }
        for copy in self.plan.copies() {
            write_copy(out, copy, &self.registry)?;
        }
        for refused in &self.plan.refused {
            item(out, DOUBTFUL, "refuse", &refused.target.beside(&self.registry))?;
            Failure::of_refusal(refused).write_text(out)?;
        }
        for image in &self.unread {
            image.write_text(out, Some(&self.registry))?;
        }
        for failure in &self.failures {
            failure.write_item(out)?;
        }
        for kept in &self.plan.kept {
            item(out, QUIET, "keep", &kept.target.beside(&self.registry))?;
            more(
                out,
                &format!("{} — {}", short(kept.target_digest.as_ref()), kept_in_words(kept)),
            )?;
        }
        write_limits(out, &self.limits)?;
        writeln!(
            out,
            "{} to copy, {} to keep, {} refused, {} unknown{}{}{}{}",
            self.plan.copies().count(),
            self.plan.kept.len(),
            self.plan.refused.len(),
            self.unread.len(),
            match self.failures.len() {
                0 => String::new(),
                1 => ", 1 other failure".to_owned(),
                several => format!(", {several} other failures"),
            },
            of_shard(self.shard),
            passed_over(self.untagged, self.signature_tags, self.backups),
            cached(&self.cached),
        )?;
        for list in &self.lists {
            writeln!(out, "listed {} in {}", so_many_images(list.images), list.place)?;
        }
        Ok(())
    }
}

fn write_copy(out: &mut impl Write, copy: &Copy, registry: &str) -> io::Result<()> {
    item(out, GOOD, "copy", &copy.target.beside(registry))?;
    more(out, &format!("from {} ({})", copy.upstream, brought(&copy.brings)))?;
    more(
        out,
        &format!(
            "{} → {}",
            short(copy.target_digest.as_ref()),
            copy.leaves().unwrap_or(&copy.upstream_digest).short()
        ),
    )?;
    if !copy.replaces.is_empty() {
        more(out, &format!("the target loses {}", listed(&copy.replaces)))?;
    }
    if let Some(backup) = &copy.backup {
        more(out, &format!("what it is stays as {backup}"))?;
    }
    if copy.moved_version {
        more(out, "this version has moved upstream")?;
    }
    more(out, copied_because(copy))
}

/// What comes, in words.
pub(super) fn brought(brings: &Brings) -> String {
    match brings {
        Brings::Platform(Some(platform)) => platform.to_string(),
        Brings::Platform(None) => "the platform that the target has".to_owned(),
        Brings::Whole(platforms) if platforms.len() > 1 => format!("all platforms: {}", listed(platforms)),
        Brings::Whole(_) => "as it is".to_owned(),
        Brings::Part {
            platforms,
            attestations,
        } => {
            let platforms = match platforms.is_empty() {
                true => "all platforms".to_owned(),
                false => listed(platforms),
            };
            match attestations {
                Attestations::Keep => format!("a new index of {platforms}"),
                Attestations::Strip => format!("a new index of {platforms}, without attestations"),
            }
        }
    }
}

pub(super) fn listed(platforms: &[Platform]) -> String {
    let words: Vec<String> = platforms.iter().map(ToString::to_string).collect();
    words.join(", ")
}

fn head(out: &mut impl Write, registry: Option<&str>, engine: Option<&str>) -> io::Result<()> {
    if let Some(registry) = registry {
        item(out, QUIET, "registry", registry)?;
    }
    if let Some(engine) = engine {
        item(out, QUIET, "engine", engine)?;
    }
    Ok(())
}

pub(super) const INDENT: usize = 10;

fn item(out: &mut impl Write, style: Style, word: &str, what: &str) -> io::Result<()> {
    writeln!(out, "{style}{word:<INDENT$}{style:#}{what}")
}

pub(super) fn more(out: &mut impl Write, what: &str) -> io::Result<()> {
    writeln!(out, "{:INDENT$}{what}", "")
}
