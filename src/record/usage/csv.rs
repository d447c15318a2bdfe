use std::io;

use jiff::Timestamp;

use super::Part;
use super::text::{state, why};
use crate::record::csv::inert;
use crate::usage::Report;

const IMAGES: [&str; 16] = [
    "account",
    "region",
    "repository",
    "tags",
    "digest",
    "bytes",
    "pushed",
    "last_pulled",
    "kind",
    "media_type",
    "status",
    "use",
    "used_by",
    "repository_use",
    "repository_last_run",
    "address",
];
const CANDIDATES: [&str; 11] = [
    "account",
    "region",
    "repository",
    "because",
    "why",
    "last_push",
    "last_run",
    "images",
    "bytes",
    "distinct_bytes",
    "cost_per_month",
];
const COVERAGE: [&str; 6] = ["image", "state", "digest", "upstream", "upstream_digest", "used_by"];

/// One row for each image, candidate, or image that runs (RFC 4180, with line feeds alone between rows). Times are RFC 3339 in UTC.
pub(super) fn render(report: &Report, part: Part) -> io::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    match part {
        Part::All => {
            table.write_record(IMAGES)?;
            images(report).try_for_each(|row| table.write_record(row.map(inert)))?;
        }
        Part::Candidates => {
            table.write_record(CANDIDATES)?;
            candidates(report).try_for_each(|row| table.write_record(row.map(inert)))?;
        }
        Part::Coverage => {
            table.write_record(COVERAGE)?;
            coverage(report).try_for_each(|row| table.write_record(row.map(inert)))?;
        }
    }
    table.into_inner().map_err(|error| error.into_error())
}

fn at(time: Option<Timestamp>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}

fn images(report: &Report) -> impl Iterator<Item = [String; 16]> {
    report.repositories().flat_map(|(account, region, repository)| {
        repository.images.iter().map(move |image| {
            let last_run = repository.last_run.map(|run| match run.at() {
                Some(at) => at.to_string(),
                None => run.word().to_owned(),
            });
            [
                account.id.clone().unwrap_or_default(),
                region.to_owned(),
                repository.repository_name.clone(),
                image.tags.join(" "),
                image.digest.clone(),
                image.bytes.to_string(),
                at(image.image_pushed_at),
                at(image.last_pulled),
                image.kind.word().to_owned(),
                image.media_type.clone().unwrap_or_default(),
                image.status.word().to_owned(),
                image.r#use.word().to_owned(),
                image.used_by.join(" "),
                repository.r#use.word().to_owned(),
                last_run.unwrap_or_default(),
                image.image_uris.first().cloned().unwrap_or_default(),
            ]
        })
    })
}

fn candidates(report: &Report) -> impl Iterator<Item = [String; 11]> {
    report.candidates.iter().map(|one| {
        [
            one.account.clone(),
            one.region.clone(),
            one.repository_name.clone(),
            one.because.word().to_owned(),
            why(one, report),
            at(one.last_pushed_date),
            at(one.last_run.and_then(|run| run.at())),
            one.images.to_string(),
            one.bytes.to_string(),
            one.distinct_bytes.map(|bytes| bytes.to_string()).unwrap_or_default(),
            format!("{:.2}", one.cost_per_month),
        ]
    })
}

fn coverage(report: &Report) -> impl Iterator<Item = [String; 6]> {
    report.coverage.images.iter().map(|one| {
        [
            one.image_uri.clone().unwrap_or_default(),
            state(one).to_owned(),
            one.digest.clone().unwrap_or_default(),
            one.upstream.clone().unwrap_or_default(),
            one.upstream_digest.clone().unwrap_or_default(),
            one.used_by.join(" "),
        ]
    })
}
