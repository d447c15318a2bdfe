//! Amazon CloudWatch Logs (CloudWatch Logs API Reference, DescribeLogStreams).

use std::cmp::Reverse;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Account, ApiError, Outcome};

pub(super) fn describe(account: &Account, input: &Value) -> Outcome {
    let invalid = |text: &str| ApiError::new("InvalidParameterException", text);
    let group = input["logGroupName"].as_str().ok_or_else(|| invalid("no log group"))?;
    let limit = input["limit"].as_u64().unwrap_or(50);
    if !(1..=50).contains(&limit) {
        return Err(invalid("limit must be from 1 to 50"));
    }
    let runs = account.runs();
    let Some(streams) = runs.groups.get(group) else {
        let text = "The specified log group does not exist.";
        return Err(ApiError::new("ResourceNotFoundException", text));
    };
    let mut streams: Vec<(&String, Option<Timestamp>)> = streams.iter().map(|(name, last)| (name, *last)).collect();
    if input["orderBy"] == "LastEventTime" {
        streams.sort_by_key(|(_, last)| *last);
    }
    if input["descending"] == true {
        streams.sort_by_key(|(name, last)| match input["orderBy"] == "LastEventTime" {
            true => (Reverse(*last), Reverse("")),
            false => (Reverse(None), Reverse(name.as_str())),
        });
    }
    let limit = usize::try_from(limit).unwrap_or(50);
    let described = streams.iter().take(limit).map(|(name, last)| {
        let mut stream = json!({"logStreamName": name, "creationTime": 1_700_000_000_000_i64});
        if let Some(last) = last {
            stream["firstEventTimestamp"] = last.as_millisecond().into();
            stream["lastEventTimestamp"] = last.as_millisecond().into();
        }
        stream
    });
    Ok(json!({"logStreams": described.collect::<Vec<_>>()}))
}
