//! Messages of a queue, as Lambda hands them over.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::mistake;
use crate::aws::queue::Received;
use crate::settings::Mistake;

/// Messages that Lambda took out of a queue (AWS Lambda Developer Guide, "Using Lambda with Amazon SQS").
#[derive(Debug, Clone, PartialEq)]
pub(in crate::worker) struct Batch {
    /// The queue's ARN.
    pub(in crate::worker) queue: String,
    pub(in crate::worker) messages: Vec<Received>,
}

/// All of one queue, as Lambda hands them over.
pub(super) fn read(event: &Map<String, Value>) -> Result<Batch, Vec<Mistake>> {
    let records = event.get("Records").and_then(Value::as_array);
    let mut queues = BTreeSet::new();
    let mut record = |record: &Value| {
        let text = |key: &str| record.get(key)?.as_str().map(str::to_owned);
        queues.insert(text("eventSourceARN")?);
        (text("eventSource")? == "aws:sqs").then_some(())?;
        let times = record
            .pointer("/attributes/ApproximateReceiveCount")
            .and_then(Value::as_str);
        Some(Received {
            id: text("messageId")?,
            body: text("body")?,
            receipt: text("receiptHandle")?,
            times: times?.parse().ok()?,
        })
    };
    let messages: Option<Vec<Received>> = records.and_then(|all| all.iter().map(&mut record).collect());
    match (messages, queues.pop_first(), queues.is_empty()) {
        (Some(messages), Some(queue), true) => Ok(Batch { queue, messages }),
        _ => Err(vec![mistake(
            "Records",
            "are no messages that Lambda took out of one queue of SQS",
        )]),
    }
}
