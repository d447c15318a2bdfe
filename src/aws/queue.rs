//! Amazon SQS: one queue of messages, each of which one at a time is at, until it says that it is done.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Api, Protocol, Service, of_no_use};
use super::{AwsError, AwsOptions};

/// SQS API Reference, "Making query API requests using AWS JSON protocol".
const SQS: Service = Service {
    id: "SQS",
    host: "sqs",
    name: "sqs",
    protocol: Protocol::Json {
        version: "1.0",
        target: "AmazonSQS",
    },
};

/// The most messages of one call (SQS API reference, SendMessageBatch, ReceiveMessage).
pub const BATCH: usize = 10;

/// The longest that a call waits for a message (SQS Developer Guide, "Long polling").
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// The longest that a message is hidden, from when it was received (SQS Developer Guide, "Visibility timeout").
pub const LONGEST_HIDDEN: Duration = Duration::from_secs(12 * 60 * 60);

/// The longest that a message waits before anybody is handed it (SQS API Reference, SendMessage: DelaySeconds).
const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);

/// A message's attribute, which says how often it was handed to somebody (SQS API Reference, ReceiveMessage).
const RECEIVE_COUNT: &str = "ApproximateReceiveCount";

/// A queue.
#[derive(Debug, Clone)]
pub struct Queue {
    api: Api,
    url: String,
}

/// A message that is to be sent.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// What it is about. A FIFO queue takes it once in five minutes.
    pub id: String,
    /// Of a FIFO queue: messages of one group come one after the other.
    pub group: String,
    /// The message.
    pub body: String,
}

/// A message that nobody else is shown for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// SQS's name for it.
    pub id: String,
    /// The message.
    pub body: String,
    /// By what this delivery of it is named to SQS.
    pub receipt: String,
    /// How often it was handed to somebody, this time among them.
    pub times: u32,
}

/// Where a queue's messages go that nobody could do anything with.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    /// That queue.
    pub queue: Queue,
    /// How often a message is handed to somebody before SQS itself puts it there.
    pub after: u32,
}

/// How many messages a queue has, as far as SQS knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// That anybody would be handed.
    pub visible: u64,
    /// That somebody is at, or that wait for another try.
    pub hidden: u64,
}

/// As a queue's attribute has it (SQS API reference, SetQueueAttributes).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    max_receive_count: Count,
}

/// The console writes a number, older tools a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u32),
    Text(String),
}

/// What became of the entries of a batch (SQS API Reference, SendMessageBatch, DeleteMessageBatch).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch {
    #[serde(default)]
    failed: Vec<Failed>,
}

/// An entry that SQS did not take.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    code: String,
    #[serde(default)]
    message: String,
}

/// A message, as SQS hands it to somebody (SQS API Reference, ReceiveMessage).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Handed {
    message_id: String,
    receipt_handle: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

impl Queue {
    /// The queue at `url`, with the credentials that `options` lead to, in the region that the URL says, else theirs.
    pub async fn connect(options: &AwsOptions, url: &str) -> Result<Self, AwsError> {
        let there = AwsOptions {
            region: region_of(url).or_else(|| options.home.clone().or_else(|| options.region.clone())),
            ..options.clone()
        };
        Ok(Self {
            api: Api::connect(&there, SQS).await?,
            url: url.to_owned(),
        })
    }

    /// Sends messages, at most [`BATCH`] of them and 1 MiB. Answers which of them SQS did not take, by their place, and why.
    pub async fn send(&self, messages: &[Outgoing]) -> Result<Vec<(usize, String)>, AwsError> {
        let entry = |(at, message): (usize, &Outgoing)| {
            let mut entry = json!({ "Id": at.to_string(), "MessageBody": message.body });
            if self.is_fifo() {
                entry["MessageGroupId"] = json!(message.group);
                entry["MessageDeduplicationId"] = json!(message.id);
            }
            entry
        };
        let entries: Vec<Value> = messages.iter().enumerate().map(entry).collect();
        let input = json!({ "QueueUrl": self.url, "Entries": entries });
        let on = format!("of {} to {self}", messages.len());
        let answer: Batch = self.api.call("SendMessageBatch", on, &input).await?;
        let failed = answer.failed.into_iter();
        Ok(failed
            .filter_map(|failed| Some((failed.id.parse().ok()?, failed.to_string())))
            .collect())
    }

    /// Puts a message here that nobody can do anything with, with the reason as the attribute `reason`.
    pub async fn bury(&self, message: &Received, reason: &str) -> Result<(), AwsError> {
        let reason = json!({ "DataType": "String", "StringValue": sendable(reason) });
        let mut input = json!({
            "QueueUrl": self.url,
            "MessageBody": message.body,
            "MessageAttributes": { "reason": reason },
        });
        if self.is_fifo() {
            input["MessageGroupId"] = json!(message.id);
            input["MessageDeduplicationId"] = json!(message.id);
        }
        self.api
            .call("SendMessage", format!("to {self}"), &input)
            .await
            .map(of_no_use)
    }

    /// Sends a message again that was received here, as a new one: how often it was handed to somebody is counted from the start. Nobody is
    /// handed it before `after`, but of a FIFO queue, whose messages do not wait by themselves.
    pub async fn renew(&self, message: &Received, after: Duration) -> Result<(), AwsError> {
        let mut input = json!({ "QueueUrl": self.url, "MessageBody": message.body });
        match self.is_fifo() {
            true => {
                // The old one's name: by another it would be taken for what was sent first.
                input["MessageGroupId"] = json!(message.id);
                input["MessageDeduplicationId"] = json!(message.id);
            }
            false => input["DelaySeconds"] = json!(after.min(LONGEST_DELAY).as_secs()),
        }
        self.api
            .call("SendMessage", format!("to {self}"), &input)
            .await
            .map(of_no_use)
    }

    /// Waits for messages, and hides those that come from everybody else.
    pub async fn receive(&self, most: usize, wait: Duration, hidden: Duration) -> Result<Vec<Received>, AwsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            #[serde(default)]
            messages: Vec<Handed>,
        }
        let input = json!({
            "QueueUrl": self.url,
            "MaxNumberOfMessages": most.min(BATCH),
            "WaitTimeSeconds": wait.min(LONGEST_WAIT).as_secs(),
            "VisibilityTimeout": hidden.min(LONGEST_HIDDEN).as_secs(),
            "MessageSystemAttributeNames": [RECEIVE_COUNT],
        });
        let answer: Answer = self.api.call("ReceiveMessage", format!("from {self}"), &input).await?;
        Ok(answer.messages.into_iter().map(Received::from).collect())
    }

    /// Hides a message from now on for so long; zero shows it to everybody at once.
    pub async fn hide(&self, receipt: &str, hidden: Duration) -> Result<(), AwsError> {
        let input = json!({
            "QueueUrl": self.url,
            "ReceiptHandle": receipt,
            "VisibilityTimeout": hidden.min(LONGEST_HIDDEN).as_secs(),
        });
        let on = format!("of a message of {self}");
        self.api
            .call("ChangeMessageVisibility", on, &input)
            .await
            .map(of_no_use)
    }

    /// Says that messages, at most [`BATCH`] of them, are done. Answers why some are not gone.
    pub async fn delete(&self, receipts: &[&str]) -> Result<Vec<String>, AwsError> {
        if receipts.is_empty() {
            return Ok(Vec::new());
        }
        let entry = |(at, receipt): (usize, &&str)| json!({ "Id": at.to_string(), "ReceiptHandle": receipt });
        let entries: Vec<Value> = receipts.iter().enumerate().map(entry).collect();
        let input = json!({ "QueueUrl": self.url, "Entries": entries });
        let on = format!("of {} from {self}", receipts.len());
        let answer: Batch = self.api.call("DeleteMessageBatch", on, &input).await?;
        Ok(answer.failed.iter().map(Failed::to_string).collect())
    }

    /// How many messages it has.
    pub async fn depth(&self) -> Result<Depth, AwsError> {
        let names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ];
        let [visible, hidden, delayed] = self.attributes(names).await?;
        let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        Ok(Depth {
            visible: number(visible),
            hidden: number(hidden) + number(delayed),
        })
    }

    /// Whether there is a place for messages that nobody could do anything with.
    pub async fn has_dead_letters(&self) -> Result<bool, AwsError> {
        let [policy] = self.attributes(["RedrivePolicy"]).await?;
        Ok(policy.is_some())
    }

    /// Where its messages go that nobody could do anything with, if that is said anywhere.
    pub async fn dead_letters(&self, options: &AwsOptions) -> Result<Option<DeadLetters>, AwsError> {
        let [policy] = self.attributes(["RedrivePolicy"]).await?;
        let Some(policy) = policy else { return Ok(None) };
        let odd = |error: &dyn ToString| self.odd("GetQueueAttributes", error.to_string());
        let policy: RedrivePolicy = serde_json::from_str(&policy).map_err(|error| odd(&error))?;
        let after = match policy.max_receive_count {
            Count::Number(number) => number,
            Count::Text(text) => text.parse().map_err(|error| odd(&error))?,
        };
        let queue = Self::of_arn(options, &policy.dead_letter_target_arn).await?;
        Ok(Some(DeadLetters { queue, after }))
    }

    /// The queue of an ARN, `arn:PARTITION:sqs:REGION:ACCOUNT:NAME`, with the credentials that `options` lead to.
    pub async fn of_arn(options: &AwsOptions, arn: &str) -> Result<Self, AwsError> {
        const CALL: &str = "GetQueueUrl";
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, _, "sqs", region, account, name] = parts[..] else {
            return Err(AwsError::odd_answer(
                CALL,
                format!("of {arn}"),
                "it is no ARN of a queue",
            ));
        };
        let there = AwsOptions {
            region: Some(region.to_owned()),
            ..options.clone()
        };
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            queue_url: String,
        }
        let api = Api::connect(&there, SQS).await?;
        let input = json!({ "QueueName": name, "QueueOwnerAWSAccountId": account });
        let answer: Answer = api.call(CALL, format!("of {name}"), &input).await?;
        let url = answer.queue_url;
        Ok(Self { api, url })
    }

    async fn attributes<const N: usize>(&self, names: [&str; N]) -> Result<[Option<String>; N], AwsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            #[serde(default)]
            attributes: BTreeMap<String, String>,
        }
        let input = json!({ "QueueUrl": self.url, "AttributeNames": &names[..] });
        let answer: Answer = self
            .api
            .call("GetQueueAttributes", format!("of {self}"), &input)
            .await?;
        let mut known = answer.attributes;
        Ok(names.map(|name| known.remove(name)))
    }

    /// Whether it keeps an order, and takes what it is sent twice only once.
    pub fn is_fifo(&self) -> bool {
        self.url.ends_with(".fifo")
    }

    fn odd(&self, call: &'static str, error: impl ToString) -> AwsError {
        AwsError::odd_answer(call, format!("of {self}"), error)
    }
}

impl std::fmt::Display for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.url)
    }
}

impl From<Handed> for Received {
    fn from(handed: Handed) -> Self {
        let times = handed.attributes.get(RECEIVE_COUNT);
        Self {
            id: handed.message_id,
            body: handed.body,
            receipt: handed.receipt_handle,
            times: times.and_then(|times| times.parse().ok()).unwrap_or(1),
        }
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME` says the region (SQS Developer Guide, "Queue and message identifiers").
fn region_of(url: &str) -> Option<String> {
    let host = url.split_once("://")?.1.split('/').next()?;
    let region = host.strip_prefix("sqs.")?.split_once(".amazonaws.")?.0;
    Some(region.to_owned())
}

/// Whether a URL and an ARN name one queue: by its account and name, and by the region where the URL says one.
pub fn is_queue_of(url: &str, arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, "sqs", region, account, name] = parts[..] else {
        return false;
    };
    url.ends_with(&format!("/{account}/{name}")) && region_of(url).is_none_or(|of_url| of_url == region)
}

/// Without characters that SQS refuses (SQS API reference, SendMessage), and short.
fn sendable(text: &str) -> String {
    const ENOUGH: usize = 1000;
    let is_sendable = |c: &char| matches!(c, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let text: String = text.chars().filter(is_sendable).take(ENOUGH).collect();
    match text.is_empty() {
        true => "no reason".to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_sqs_says_its_region() {
        for (url, region) in [
            (
                "https://sqs.eu-central-1.amazonaws.com/123456789012/work",
                Some("eu-central-1"),
            ),
            (
                "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/work.fifo",
                Some("cn-north-1"),
            ),
            ("http://127.0.0.1:5000/123456789012/work", None),
        ] {
            assert_eq!(region_of(url).as_deref(), region);
        }
    }

    #[test]
    fn a_queue_is_the_one_of_an_arn_by_region_account_and_name() {
        for (host, path, is_its) in [
            ("sqs.eu-central-1.amazonaws.com", "123456789012/work", true),
            ("127.0.0.1:5000", "123456789012/work", true),
            ("sqs.us-east-1.amazonaws.com", "123456789012/work", false),
            ("sqs.eu-central-1.amazonaws.com", "210987654321/work", false),
        ] {
            let url = format!("https://{host}/{path}");
            assert_eq!(is_queue_of(&url, "arn:aws:sqs:eu-central-1:123456789012:work"), is_its);
        }
    }

    #[test]
    fn a_reason_has_nothing_in_it_that_sqs_refuses() {
        assert_eq!(sendable("a\u{0}b\u{1b}[31mc\u{fffe}d\n"), "ab[31mcd\n");
        assert_eq!(sendable("\u{1}"), "no reason");
        assert_eq!(sendable(&"é".repeat(2000)).chars().count(), 1000);
    }
}
