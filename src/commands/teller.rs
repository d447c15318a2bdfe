//! What is logged of a run where nobody reads its report.

use crate::report::{Failure, ImageReport, Outcome, Preview, Report, copied_because};

/// The most lines of one kind: behind them are the counts.
const MOST: usize = 500;

/// A line for each failure, and for each image of which there is something to tell.
pub(crate) fn images(report: &Report) {
    failures(&report.failures);
    let tell = |image: &ImageReport| one_image(image, &report.name_of(&image.target));
    let unwell = report.images.iter().filter(|image| image.failure.is_some());
    capped(unwell, "images", tell);
    let is_told = |image: &&ImageReport| image.failure.is_none() && image.outcome == Outcome::Updated;
    capped(report.images.iter().filter(is_told), "images", tell);
}

/// The same of what a run would do.
pub(crate) fn preview(preview: &Preview) {
    let own = &preview.registry;
    failures(&preview.failures);
    capped(preview.unwell(), "images", |image| {
        one_image(&image, &image.target.beside(own))
    });
    capped(preview.plan.copies(), "images to update", |copy| {
        tracing::info!("to update {} — {}", copy.target.beside(own), copied_because(copy));
    });
}

fn failures(failures: &[Failure]) {
    capped(failures.iter(), "failures", |failure| {
        tracing::error!("failed — {}", with_hint(failure));
    });
}

fn one_image(image: &ImageReport, name: &str) {
    let word = image.outcome.word();
    match (image.outcome, &image.failure) {
        (Outcome::Failed, Some(why)) => tracing::error!("{word} {name} — {}", with_hint(why)),
        (_, Some(why)) => tracing::warn!("{word} {name} — {}", with_hint(why)),
        (_, None) => tracing::info!("{word} {name}"),
    }
}

/// Tells of the first, and how many the others are.
fn capped<T>(all: impl Iterator<Item = T>, what: &str, tell: impl Fn(T)) {
    let mut others = 0_usize;
    for (at, one) in all.enumerate() {
        match at < MOST {
            true => tell(one),
            false => others += 1,
        }
    }
    if others > 0 {
        tracing::info!("and {others} more {what}, which are not named here");
    }
}

/// On one line.
pub(crate) fn with_hint(failure: &Failure) -> String {
    match &failure.hint {
        Some(hint) => format!("{}; hint: {hint}", failure.in_one_line()),
        None => failure.in_one_line(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_the_first_are_told() {
        let told = std::cell::RefCell::new(Vec::new());
        capped(0..3000, "images", |number| told.borrow_mut().push(number));
        assert_eq!(told.into_inner(), (0..500).collect::<Vec<_>>());
    }
}
