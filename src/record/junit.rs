use std::io;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Xml, TestCase, TestCaseStatus, TestSuite};

use crate::image::Repository;
use crate::report::{Failure, ImageReport, Outcome, Report, limit_left};

/// A suite for each repository with a case for each of its images, and the suite `run` for what is no image's.
pub(super) fn render(report: &Report) -> io::Result<Vec<u8>> {
    let mut xml = Xml::new("ecr-keeper");
    xml.set_time(Duration::try_from(report.ended.duration_since(report.started)).unwrap_or_default());
    xml.add_test_suite(of_run(report));
    let by_repository = |one: &ImageReport, other: &ImageReport| one.target.repository == other.target.repository;
    for images in report.images.chunk_by(by_repository) {
        xml.add_test_suite(of_repository(images, report));
    }
    let mut file = Vec::new();
    xml.serialize(&mut file).map_err(io::Error::other)?;
    Ok(file)
}

/// One case that passes where nothing failed: Jenkins takes a report without any case for a failure.
fn of_run(report: &Report) -> TestSuite {
    let mut suite = TestSuite::new("run");
    let case = |name: &str, status| {
        let mut case = TestCase::new(name, status);
        case.set_classname("run");
        case
    };
    let failed = |failure: &Failure| case(&failure.message, unsuccessful(failure, Outcome::Failed));
    suite.add_test_cases(report.failures.iter().map(failed));
    if report.failures.is_empty() {
        suite.add_test_case(case("run", TestCaseStatus::success()));
    }
    let limits = report.limits.iter();
    suite.add_properties(limits.map(|(host, limit)| (format!("limit.{host}"), limit_left(limit))));
    suite
}

fn of_repository(images: &[ImageReport], report: &Report) -> TestSuite {
    let own = report.registry.as_deref();
    let name_of = |repository: &Repository| match own {
        Some(own) => repository.beside(own),
        None => repository.path.to_string(),
    };
    let name = images.first().map(|image| name_of(&image.target.repository));
    let mut suite = TestSuite::new(name.unwrap_or_default());
    suite.add_test_cases(
        images
            .iter()
            .map(|image| of_image(image, &name_of(&image.target.repository))),
    );
    suite.set_time(images.iter().map(took).sum());
    suite
}

fn of_image(image: &ImageReport, repository: &str) -> TestCase {
    let status = match (&image.failure, image.outcome) {
        (Some(failure), Outcome::NotAttempted) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(failure.in_one_line());
            status
        }
        (Some(failure), outcome) => unsuccessful(failure, outcome),
        (None, _) => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(image.target.reference.as_str(), status);
    case.set_classname(repository);
    case.set_time(took(image));
    if image.failure.is_none() {
        let notes = image.notes.iter().map(|note| format!("\nnote: {note}"));
        let notes: String = notes.collect();
        case.set_system_out(format!("{}: {}{notes}", image.outcome.word(), image.reason));
    }
    case
}

fn unsuccessful(failure: &Failure, outcome: Outcome) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(outcome.word());
    status.set_message(failure.in_one_line());
    let causes = failure.causes.iter().map(|cause| format!("because: {cause}"));
    let hint = failure.hint.as_ref().map(|hint| format!("hint: {hint}"));
    let lines: Vec<String> = std::iter::once(failure.message.clone())
        .chain(causes)
        .chain(hint)
        .collect();
    status.set_description(lines.join("\n"));
    status
}

fn took(image: &ImageReport) -> Duration {
    Duration::try_from_secs_f64(image.seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    fn xml(report: &Report) -> Xml {
        Xml::deserialize_from_str(&String::from_utf8(render(report).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn every_repository_is_a_suite_and_every_image_a_case() {
        let read = xml(&sample::report());
        let suites: Vec<(&str, usize, usize, usize)> = read
            .test_suites
            .iter()
            .map(|suite| (suite.name.as_str(), suite.tests, suite.failures, suite.skipped))
            .collect();
        assert_eq!(
            suites,
            [
                ("run", 1, 1, 0),
                ("base/image/app", 4, 2, 1),
                ("base/image/other", 1, 0, 0)
            ]
        );
        let first = &read.test_suites[1].test_cases[0];
        assert_eq!(first.name.as_str(), "new");
        assert_eq!(first.classname.as_ref().unwrap().as_str(), "base/image/app");
        assert_eq!(first.time, Some(Duration::from_millis(1250)));
    }

    #[test]
    fn a_failure_tells_its_causes_and_its_hint() {
        let text = String::from_utf8(render(&sample::report()).unwrap()).unwrap();
        // The attributes and the text that the JUnit schema of Jenkins (jenkins-junit.xsd) has for a failure.
        assert!(
            text.contains(
                "<failure message=\"push &lt;app&gt; | &quot;x&quot;: denied: by = policy\" type=\"failed\">push &lt;app&gt; | \
                 &quot;x&quot;\nbecause: denied:\nby = policy\nhint: log in</failure>"
            ),
            "{text}"
        );
        assert!(text.contains("type=\"refused\""), "{text}");
    }

    #[test]
    fn notes_are_a_case_s_output_and_limits_the_run_s_properties() {
        let read = xml(&sample::report());
        let out = read.test_suites[1].test_cases[0].system_out.as_ref().unwrap();
        assert_eq!(
            out.as_str(),
            "updated: the upstream's image is another one\nnote: rebuilt\nnote: 2 | left"
        );
        let limit = &read.test_suites[0].properties[0];
        assert_eq!(
            (limit.name.as_str(), limit.value.as_str()),
            ("limit.docker.io", "76 of 100 pulls left in 6h")
        );
    }

    #[test]
    fn a_run_without_images_still_has_a_case() {
        let read = xml(&sample::empty());
        assert_eq!((read.tests, read.failures), (1, 0));
    }

    #[test]
    fn what_xml_cannot_hold_is_left_out() {
        let mut report = sample::empty();
        report.failures = vec![sample::failure("a\u{0}b\u{1b}[31mc")];
        assert_eq!(xml(&report).failures, 1);
    }
}
