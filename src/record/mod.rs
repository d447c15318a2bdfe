//! Writes what happened to files.

mod csv;
mod junit;
mod lists;
mod markdown;
mod metrics;
mod missing;
mod page;
#[cfg(test)]
mod sample;
mod usage;

pub use missing::{listed, zipped};
pub use page::{Label, Page};
pub use usage::{Part as UsagePart, UsageFormat, lines as usage_lines, rendered as usage_rendered};

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::atomic;
use crate::report::Report;

/// Which result files are written, and where.
#[derive(Debug, Clone)]
pub struct Results {
    /// The folder of the three lists and `result.json`.
    pub folder: PathBuf,
    /// The files that were asked for beside them.
    pub files: Vec<(Format, PathBuf)>,
}

/// The report as it is.
const JSON: &str = "result.json";

impl Results {
    /// The files that are written in the folder.
    pub fn in_folder(&self) -> impl Iterator<Item = PathBuf> {
        lists::NAMES
            .into_iter()
            .chain([JSON])
            .map(|name| self.folder.join(name))
    }

    /// What the metrics of the last run say.
    fn before(&self) -> metrics::Before {
        let of_metrics = self.files.iter().find(|(format, _)| *format == Format::Metrics);
        // A first run has no such file, and one that cannot be read tells nothing either.
        let text = of_metrics.and_then(|(_, path)| std::fs::read_to_string(path).ok());
        metrics::Before::read(&text.unwrap_or_default())
    }
}

/// The shape of a result file that is written only where a setting names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JUnit's XML, which pipelines show as tests.
    Junit,
    /// A table with one row for each image.
    Csv,
    /// A summary for people, as job summaries and descriptions show it.
    Markdown,
    /// Prometheus's text format, for node_exporter's textfile collector.
    Metrics,
}

impl Format {
    fn render(self, report: &Report, before: &metrics::Before) -> io::Result<Vec<u8>> {
        match self {
            Self::Junit => junit::render(report),
            Self::Csv => csv::render(report),
            Self::Markdown => Ok(markdown::render(report, markdown::LIMIT).into_bytes()),
            Self::Metrics => Ok(metrics::render(report, before).into_bytes()),
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Junit => "name a file that can be written in results.junit",
            Self::Csv => "name a file that can be written in results.csv",
            Self::Markdown => "name a file that can be written in results.markdown",
            Self::Metrics => "name a file that can be written in results.metrics",
        }
    }
}

/// A result file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write {}", path.display())]
pub struct RecordError {
    path: PathBuf,
    hint: &'static str,
    #[source]
    source: io::Error,
}

impl RecordError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        self.hint
    }
}

/// What `results.metrics` tells of the last run, kept from run to run of one process.
#[derive(Debug)]
pub struct Metrics {
    before: metrics::Before,
}

impl Metrics {
    /// Goes on from the file, where there is one: the last success outlives the process.
    pub fn open(results: &Results) -> Self {
        Self {
            before: results.before(),
        }
    }

    /// The page while no run has ended.
    pub fn kept(&self) -> String {
        metrics::kept(&self.before)
    }

    /// The page for a run that has ended.
    pub fn of(&mut self, report: &Report) -> String {
        let page = metrics::render(report, &self.before);
        self.before = metrics::Before::read(&page);
        page
    }
}

/// The result files of one run.
#[derive(Debug)]
pub struct Records<'a> {
    results: &'a Results,
    before: metrics::Before,
}

impl<'a> Records<'a> {
    /// Reads what has to outlive the files that are about to be replaced.
    pub fn open(results: &'a Results) -> Self {
        Self {
            results,
            before: results.before(),
        }
    }

    /// Writes every file: the three lists, and the reports. Each is tried, whatever becomes of the others.
    pub fn write_all(&self, report: &Report) -> Vec<RecordError> {
        let lists = lists::render(report).into_iter();
        let mut errors: Vec<RecordError> = lists
            .filter_map(|(name, text)| self.in_folder(name, |path| atomic::write(path, text.as_bytes())))
            .collect();
        errors.extend(self.write_reports(report));
        errors
    }

    /// Writes `result.json` and what was asked for beside it: the files that tell of the other files and messages, too.
    pub fn write_reports(&self, report: &Report) -> Vec<RecordError> {
        let json = self.in_folder(JSON, |path| atomic::write_json(path, report));
        let others = self.results.files.iter().filter_map(|(format, path)| {
            let rendered = format.render(report, &self.before);
            tried(path.clone(), format.hint(), |path| atomic::write(path, &rendered?))
        });
        json.into_iter().chain(others).collect()
    }

    fn in_folder(&self, name: &str, write: impl FnOnce(&Path) -> io::Result<()>) -> Option<RecordError> {
        let hint = "name a folder that can be written with --results-dir or results.dir";
        tried(self.results.folder.join(name), hint, write)
    }
}

/// Adds the Markdown summary to the file that a pipeline shows with its step, behind what others put there.
pub fn append_summary(report: &Report, path: &Path) -> Option<RecordError> {
    let hint = "the runner names this file in GITHUB_STEP_SUMMARY; the images are not concerned";
    tried(path.to_owned(), hint, |path| {
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        let used = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        // The limit is the step's, not ours alone.
        let summary = markdown::render(report, markdown::LIMIT.saturating_sub(used));
        file.write_all(format!("\n{summary}").as_bytes())
    })
}

fn tried(path: PathBuf, hint: &'static str, write: impl FnOnce(&Path) -> io::Result<()>) -> Option<RecordError> {
    match write(&path) {
        Ok(()) => None,
        Err(source) => Some(RecordError { path, hint, source }),
    }
}
