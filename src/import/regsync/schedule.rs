//! When regsync brings images: `schedule` or `interval`.

use std::collections::BTreeMap;

use crate::import::draft::{Common, Draft, SCHEDULE};
use crate::import::section::{Item, Section};
use crate::schedule::Cron;
use crate::settings::interval;

/// Notes what a section says of it; none where that has no counterpart.
pub(super) fn read(section: &mut Section<'_>, said: &mut BTreeMap<&'static str, Option<Common>>, draft: &mut Draft) {
    let every = section.take("interval");
    let when = match (section.take("schedule"), every) {
        (None, None) => return,
        (None, Some(every)) => every.text(draft).and_then(|text| of_interval(&every, text, draft)),
        (Some(cron), every) => {
            if let Some(every) = every {
                draft.leave(&every, "regsync itself does not read it beside schedule");
            }
            of_cron(&cron, draft)
        }
    };
    said.insert(SCHEDULE, when);
}

/// A cron expression, or `@every` and a duration.
fn of_cron(item: &Item<'_>, draft: &mut Draft) -> Option<Common> {
    let text = item.text(draft)?.trim();
    if let Some(every) = text.strip_prefix("@every ") {
        return of_interval(item, every, draft);
    }
    if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
        draft.leave(
            item,
            "its time zone is a setting by itself: write schedule.time_zone and schedule.cron",
        );
        return None;
    }
    match text.parse::<Cron>() {
        Ok(_) => Some(draft.common(item, vec!["cron".to_owned(), text.to_owned()])),
        Err(why) => {
            draft.leave(item, format!("it is no schedule.cron: {why}"));
            None
        }
    }
}

fn of_interval(item: &Item<'_>, text: &str, draft: &mut Draft) -> Option<Common> {
    match interval(text.trim()) {
        Some(_) => Some(draft.common(item, vec!["every".to_owned(), text.trim().to_owned()])),
        None => {
            draft.leave(item, "it is no schedule.every: a duration from 1s to 30d, such as 15m");
            None
        }
    }
}
