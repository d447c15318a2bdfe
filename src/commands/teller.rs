//! What is logged of a run where nobody reads its report.

use crate::report::{Failure, Outcome, Report};

/// A line for each failure, and for each image of which there is something to tell.
pub(crate) fn images(report: &Report) {
    for failure in &report.failures {
        tracing::error!("failed — {}", with_hint(failure));
    }
    for image in &report.images {
        match (image.outcome, &image.failure) {
            (Outcome::Failed, Some(why)) => {
                tracing::error!("failed {} — {}", report.name_of(&image.target), with_hint(why))
            }
            (_, Some(why)) => tracing::warn!(
                "{} {} — {}",
                image.outcome.word(),
                report.name_of(&image.target),
                with_hint(why)
            ),
            (Outcome::Updated, None) => tracing::info!("updated {}", report.name_of(&image.target)),
            (_, None) => {}
        }
    }
}

/// On one line.
pub(crate) fn with_hint(failure: &Failure) -> String {
    match &failure.hint {
        Some(hint) => format!("{}; hint: {hint}", failure.in_one_line()),
        None => failure.in_one_line(),
    }
}
