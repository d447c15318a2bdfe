use crate::report::{ImageReport, Outcome, Report};

/// The files of the lists.
pub(super) const NAMES: [&str; 3] = ["result_update.txt", "result_notupdate.txt", "result_failed.txt"];

/// The Python original's two lists byte for byte, and one in the same way of what failed, that of the run itself first.
pub(super) fn render(report: &Report) -> [(&'static str, String); 3] {
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
    let [of_updated, of_unchanged, of_failed] = NAMES;
    [(of_updated, updated), (of_unchanged, unchanged), (of_failed, failed)]
}

// The original ends each line with a backslash and an n, for the JSON that its pipeline built by hand, then a line feed.
fn lines(report: &Report, outcomes: &'static [Outcome], line: impl Fn(&ImageReport) -> String) -> String {
    report.ended(outcomes).map(line).collect()
}

fn failed_image(image: &ImageReport) -> String {
    failed_line(&format!("{} — {}", image.target, image.why()))
}

// Pipelines paste the line into JSON by hand.
fn failed_line(text: &str) -> String {
    format!(":x: {} \\n\n", text.replace('"', "'").replace('\\', "/"))
}
