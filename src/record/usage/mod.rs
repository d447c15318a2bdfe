//! The usage report in the shapes that people and programs read.

mod csv;
mod format;
mod html;
mod markdown;
mod table;
mod tables;
mod text;
mod treemap;
mod view;

pub use text::lines;

use std::io;

use jiff::tz::TimeZone;

use crate::usage::Report;

/// A shape of the usage report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageFormat {
    /// Lines for people.
    Text,
    /// The report as it is (`docs/usage-report.md`).
    Json,
    /// A table.
    Csv,
    /// For pages that take Markdown.
    Markdown,
    /// A page that needs nothing from anywhere.
    Html,
}

/// What of the report text and tables tell; JSON and page have all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What is there, and who runs it.
    All,
    /// What could go.
    Candidates,
    /// Where running images come from.
    Coverage,
}

/// The report in a shape, ended by a line feed.
pub fn rendered(report: &Report, format: UsageFormat, part: Part) -> io::Result<Vec<u8>> {
    match format {
        UsageFormat::Text => Ok((lines(report, part).join("\n") + "\n").into_bytes()),
        UsageFormat::Json => {
            let mut json = serde_json::to_vec_pretty(report)?;
            json.push(b'\n');
            Ok(json)
        }
        UsageFormat::Csv => csv::render(report, part),
        UsageFormat::Markdown => Ok(markdown::render(report, part).into_bytes()),
        UsageFormat::Html => html::render(report).map(String::into_bytes).map_err(io::Error::other),
    }
}

/// The zone that the report's times are shown in. It was read from the settings, or from a report that was made with them.
fn zone(report: &Report) -> TimeZone {
    TimeZone::get(&report.settings.time_zone).unwrap_or(TimeZone::UTC)
}
