//! Writes what happened to files.

use std::io;
use std::path::{Path, PathBuf};

use crate::atomic;
use crate::report::{ImageReport, Outcome, Report};

/// A result file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write {}", path.display())]
pub struct RecordError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Writes the result files into `folder`: the Python original's two byte for byte, `result_failed.txt` in the same way (what
/// failed of the run itself first), and `result.json`. Each is tried, whatever becomes of the others.
pub fn write_all(report: &Report, folder: &Path) -> Vec<RecordError> {
    let updated = lines(report, &[Outcome::Updated], |image| {
        format!(":white_check_mark: {} \\n\n", image.target)
    });
    let unchanged = lines(report, &[Outcome::Unchanged], |image| {
        format!(":warning: {} \\n\n", image.target)
    });
    let of_images = lines(
        report,
        &[Outcome::Failed, Outcome::Refused, Outcome::NotAttempted],
        failed_image,
    );
    let of_run = report
        .failures
        .iter()
        .map(|failure| failed_line(&failure.in_one_line()));
    let failed: String = of_run.chain([of_images]).collect();
    let texts = [
        ("result_update.txt", updated),
        ("result_notupdate.txt", unchanged),
        ("result_failed.txt", failed),
    ];
    let mut errors: Vec<RecordError> = texts
        .into_iter()
        .filter_map(|(name, text)| failure(folder.join(name), |path| atomic::write(path, text.as_bytes())))
        .collect();
    errors.extend(write_json(report, folder));
    errors
}

/// Writes `result.json` alone.
pub fn write_json(report: &Report, folder: &Path) -> Option<RecordError> {
    failure(folder.join("result.json"), |path| atomic::write_json(path, report))
}

fn failure(path: PathBuf, write: impl FnOnce(&Path) -> io::Result<()>) -> Option<RecordError> {
    match write(&path) {
        Ok(()) => None,
        Err(source) => Some(RecordError { path, source }),
    }
}

// The original ends each line with a backslash and an n, for the JSON that its pipeline built by hand, then a line feed.
fn lines(report: &Report, outcomes: &'static [Outcome], line: impl Fn(&ImageReport) -> String) -> String {
    report.ended(outcomes).map(line).collect()
}

fn failed_image(image: &ImageReport) -> String {
    let cause = match &image.failure {
        Some(failure) => failure.in_one_line(),
        None => image.reason.clone(),
    };
    failed_line(&format!("{} — {cause}", image.target))
}

// Pipelines paste the line into JSON by hand.
fn failed_line(text: &str) -> String {
    format!(":x: {} \\n\n", text.replace('"', "'").replace('\\', "/"))
}
