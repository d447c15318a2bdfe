//! Events that EventBridge hands on, or somebody in its shape.

use serde_json::{Map, Value};

use super::mistake;
use crate::settings::Mistake;

/// The fields of EventBridge's events (EventBridge User Guide, "Events in Amazon EventBridge").
const FIELDS: [&str; 9] = [
    "version",
    "id",
    "detail-type",
    "source",
    "account",
    "time",
    "region",
    "resources",
    "detail",
];

/// Whether an event is EventBridge's. Who writes one by hand leaves out some of it.
pub(super) fn is_one(event: &Map<String, Value>) -> bool {
    let is_alone = || event.keys().all(|name| FIELDS.contains(&name.as_str()));
    event.contains_key("detail-type") || event.contains_key("detail") && is_alone()
}

/// What EventBridge was given to hand on (EventBridge User Guide, "AWS service events"); EventBridge Scheduler writes it as text.
pub(super) fn detail(event: &Map<String, Value>) -> Result<Value, Vec<Mistake>> {
    match event.get("detail") {
        Some(Value::String(text)) if text.trim().is_empty() => Ok(Value::Null),
        Some(Value::String(text)) => {
            serde_json::from_str(text).map_err(|_| vec![mistake("detail", "is text that is no JSON")])
        }
        Some(detail) => Ok(detail.clone()),
        None => Ok(Value::Null),
    }
}
