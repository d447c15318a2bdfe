use super::dialect::{data, property};
use crate::report::{Failure, ImageReport, Outcome, Report};

/// GitHub shows so many errors, and so many warnings, of a step.
const SHOWN: usize = 10;

/// Workflow commands that make GitHub show what failed and was refused on the run's page.
pub(super) fn of(report: &Report) -> Vec<String> {
    let of_run = report
        .failures
        .iter()
        .map(|failure| annotation("error", "ecr-keeper failed", failure));
    let errors = of_run.chain(images(report, &[Outcome::Failed], "error"));
    let warnings = images(report, &[Outcome::Refused, Outcome::NotAttempted], "warning");
    let mut lines = at_most(errors.collect(), "error");
    lines.extend(at_most(warnings.collect(), "warning"));
    lines
}

fn images(report: &Report, outcomes: &'static [Outcome], level: &str) -> impl Iterator<Item = String> {
    let line = move |image: &ImageReport| {
        let title = format!("{} {}", report.name_of(&image.target), image.outcome.word());
        image.failure.as_ref().map(|failure| annotation(level, &title, failure))
    };
    report.ended(outcomes).filter_map(line)
}

fn annotation(level: &str, title: &str, failure: &Failure) -> String {
    let hint = failure.hint.as_ref().map(|hint| format!("\nhint: {hint}"));
    let message = failure.in_one_line() + &hint.unwrap_or_default();
    format!("::{level} title={}::{}", property(title), data(&message))
}

/// The last that is shown stands for all that would not be.
fn at_most(mut lines: Vec<String>, level: &str) -> Vec<String> {
    if lines.len() > SHOWN {
        let more = lines.len() - (SHOWN - 1);
        lines.truncate(SHOWN - 1);
        lines.push(format!(
            "::{level} title=ecr-keeper::{more} more are in the log and in result.json"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_told_than_are_shown() {
        let lines = |count: usize| (0..count).map(|n| format!("::error::{n}")).collect();
        assert_eq!(at_most(lines(10), "error").len(), 10);
        let cut = at_most(lines(25), "error");
        assert_eq!(cut.len(), 10);
        assert_eq!(
            cut[9],
            "::error title=ecr-keeper::16 more are in the log and in result.json"
        );
    }

    #[test]
    fn an_annotation_is_one_line_with_title_and_hint() {
        let failure = Failure {
            message: "push 100%".to_owned(),
            causes: vec!["denied".to_owned()],
            hint: Some("log in".into()),
        };
        assert_eq!(
            annotation("error", "base/image/app:1 failed", &failure),
            "::error title=base/image/app%3A1 failed::push 100%25: denied%0Ahint: log in"
        );
    }
}
