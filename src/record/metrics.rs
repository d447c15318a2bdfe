use jiff::Timestamp;

use super::page::Page;
use crate::report::Report;

const LAST_SUCCESS: &str = "ecr_keeper_last_success_timestamp_seconds";
const LAST_RUN: &str = "ecr_keeper_last_run_timestamp_seconds";

/// What the file of the run before says that a run which is not well must not forget.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Before {
    registry: Option<String>,
    last_success: Option<f64>,
}

impl Before {
    /// Of a file that [`render`] wrote; of any other, nothing.
    pub(super) fn read(text: &str) -> Self {
        let sample = |name: &str| text.lines().find(|line| line.starts_with(name));
        Self {
            registry: sample(LAST_RUN).and_then(registry_of),
            last_success: sample(LAST_SUCCESS).and_then(|line| line.rsplit(' ').next()?.parse().ok()),
        }
    }
}

fn registry_of(sample: &str) -> Option<String> {
    // A host has nothing that is escaped.
    let (_, rest) = sample.split_once("registry=\"")?;
    rest.split_once('"').map(|(registry, _)| registry.to_owned())
}

/// Prometheus's text format, version 0.0.4, for node_exporter's textfile collector: gauges, since a run counts nothing on from
/// the one before. Every series has the registry, so that the files of two registries on one node do not collide.
pub(super) fn render(report: &Report, before: &Before) -> String {
    // A run that fails before it knows its registry still belongs to the series of the one before.
    let registry = report.registry.as_ref().or(before.registry.as_ref());
    let mut page = Page::new(registry.cloned());
    let outcomes = report.totals.counts();
    page.gauge(
        "ecr_keeper_images",
        "Images of the last run by how they ended.",
        outcomes.map(|(outcome, count)| (Some(("outcome", outcome.word())), count as f64)),
    );
    let one = |value| [(None, value)];
    page.gauge(
        "ecr_keeper_run_failures",
        "Failures of the last run that are not one image's.",
        one(report.failures.len() as f64),
    );
    page.gauge(
        "ecr_keeper_run_duration_seconds",
        "How long the last run took.",
        one(report.ended.duration_since(report.started).as_secs_f64()),
    );
    page.gauge(LAST_RUN, "When the last run ended.", one(seconds(report.ended)));
    add_success(&mut page, last_success(report, before));
    page.gauge(
        "ecr_keeper_info",
        "The program that wrote this.",
        [(Some(("version", env!("CARGO_PKG_VERSION"))), 1.0)],
    );
    page.into_text()
}

/// What can be told before a run has ended.
pub(super) fn kept(before: &Before) -> String {
    let mut page = Page::new(before.registry.clone());
    add_success(&mut page, before.last_success);
    page.into_text()
}

fn add_success(page: &mut Page, success: Option<f64>) {
    if let Some(success) = success {
        page.gauge(
            LAST_SUCCESS,
            "When the last run ended that did all it should.",
            [(None, success)],
        );
    }
}

fn last_success(report: &Report, before: &Before) -> Option<f64> {
    if report.ended_well() {
        return Some(seconds(report.ended));
    }
    // Another registry's success is not this one's.
    let same = report.registry.is_none() || report.registry == before.registry;
    before.last_success.filter(|_| same)
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    #[test]
    fn a_run_is_told_in_gauges() {
        let text = render(&sample::report(), &Before::default());
        // Prometheus, "Exposition formats", text-based format.
        for line in [
            "# HELP ecr_keeper_images Images of the last run by how they ended.",
            "# TYPE ecr_keeper_images gauge",
            "ecr_keeper_images{registry=\"ecr.example:5000\",outcome=\"updated\"} 1",
            "ecr_keeper_images{registry=\"ecr.example:5000\",outcome=\"not-attempted\"} 1",
            "ecr_keeper_run_failures{registry=\"ecr.example:5000\"} 1",
            "ecr_keeper_run_duration_seconds{registry=\"ecr.example:5000\"} 12.5",
            "ecr_keeper_last_run_timestamp_seconds{registry=\"ecr.example:5000\"} 1735787057.5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with('\n'));
        assert!(!text.contains(LAST_SUCCESS), "there was none yet:\n{text}");
    }

    #[test]
    fn the_last_success_outlives_failures_of_the_same_registry() {
        let well = render(&sample::empty(), &Before::default());
        let before = Before::read(&well);
        assert_eq!(before.last_success, Some(1_735_787_057.5));
        let (_, told) = well.split_once("# HELP ecr_keeper_last_success").unwrap();
        let (told, _) = told.split_once("# HELP").unwrap();
        let kept = kept(&before);
        assert_eq!(kept, format!("# HELP ecr_keeper_last_success{told}"));

        let failed = render(&sample::report(), &before);
        assert_eq!(Before::read(&failed), before, "kept:\n{failed}");
        let mut early = sample::report();
        early.registry = None;
        let early = render(&early, &before);
        assert_eq!(Before::read(&early), before, "kept without a registry:\n{early}");

        let mut other = sample::report();
        other.registry = Some("other.example".to_owned());
        assert!(!render(&other, &before).contains(LAST_SUCCESS));
    }

    #[test]
    fn a_run_that_was_stopped_is_no_success() {
        let mut stopped = sample::empty();
        stopped.stopped_by = Some("SIGTERM");
        assert!(!render(&stopped, &Before::default()).contains(LAST_SUCCESS));
    }

    #[test]
    fn another_file_tells_of_no_run() {
        assert_eq!(Before::read("no metrics at all\n"), Before::default());
    }
}
