//! What an event may say. It is written by whoever may invoke the function, which holds permissions and secrets: an event chooses what is brought and
//! how. Who the function is, where its secrets, lists, results and messages go, and which of its files are read, its settings say alone.

use serde_json::{Map, Value};

use super::mistake;
use crate::settings::{Mistake, keys};

/// Sections, and settings by their whole names.
const WITHIN: &[&str] = &[
    "keyword",
    "discovery",
    "images",
    "create_repositories",
    "repositories",
    "missing_upstream",
    "platforms",
    "engine",
    "compare",
    "immutable_tags",
    "attestations",
    "referrers",
    "foreign_layers",
    "policy",
    "concurrency",
    "usage.regions",
    "usage.include",
    "usage.timezone",
    "usage.unused_after",
    "usage.idle_after",
    "usage.price_per_gb_month",
    "usage.layers",
    "slack.channel",
    "slack.errors_only",
    "slack.header",
    "slack.subject",
    "slack.error_subject",
];

/// What of these is not: files of the function, who it is elsewhere, and somebody who would be shown its signature.
const WITHOUT: &[&str] = &[
    "repositories.lifecycle_policy",
    "repositories.policy",
    "images.#.targets.#.endpoint_url",
    "images.#.targets.#.role_arn",
];

/// What is said that an event may not say. What is no setting at all the settings find.
pub(super) fn mistakes(settings: &Map<String, Value>) -> Vec<Mistake> {
    let mut said = Vec::new();
    for (name, value) in settings {
        leaves(value, &mut vec![name.clone()], &mut said);
    }
    let refused = said.into_iter().filter(|place| is_setting(place) && !is_within(place));
    let problem = "an event does not say this: set it in the function's settings or environment";
    refused.map(|place| mistake(&place.join("."), problem)).collect()
}

fn leaves(value: &Value, place: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(table) => table.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) if items.iter().any(Value::is_object) => items
            .iter()
            .enumerate()
            .map(|(at, item)| ((at + 1).to_string(), item))
            .collect(),
        _ => return found.push(place.clone()),
    };
    for (part, value) in inner {
        place.push(part);
        leaves(value, place, found);
        place.pop();
    }
}

fn is_setting(place: &[String]) -> bool {
    keys().any(|key| key.is_at(place) || key.is_below(place))
}

fn is_within(place: &[String]) -> bool {
    let begins = |path: &&str| {
        let mut parts = path.split('.').zip(place);
        path.split('.').count() <= place.len() && parts.all(|(part, found)| part == "#" || part == found)
    };
    WITHIN.iter().any(begins) && !WITHOUT.iter().any(begins)
}
