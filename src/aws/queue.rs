//! Amazon SQS: one queue of messages, each of which one at a time is at, until it says that it is done.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use serde::Deserialize;

use super::{AwsError, AwsOptions};

/// The most messages of one call (SQS API reference, SendMessageBatch, ReceiveMessage).
pub const BATCH: usize = 10;

/// The longest that a call waits for a message (SQS Developer Guide, "Long polling").
pub const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// The longest that a message is hidden, from when it was received (SQS Developer Guide, "Visibility timeout").
pub const LONGEST_HIDDEN: Duration = Duration::from_secs(12 * 60 * 60);

/// A queue.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
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

impl Queue {
    /// The queue at `url`, with the credentials that `options` lead to, in the region that the URL says, else theirs.
    pub async fn connect(options: &AwsOptions, url: &str) -> Result<Self, AwsError> {
        let there = AwsOptions {
            // That is of ECR; AWS's own variables (AWS_ENDPOINT_URL_SQS) hold here.
            endpoint_url: None,
            region: region_of(url).or_else(|| options.region.clone()),
            ..options.clone()
        };
        Ok(Self {
            client: Client::new(&there.load().await?),
            url: url.to_owned(),
        })
    }

    /// Sends messages, at most [`BATCH`] of them and 1 MiB. Answers which of them SQS did not take, by their place, and why.
    pub async fn send(&self, messages: &[Outgoing]) -> Result<Vec<(usize, String)>, AwsError> {
        const CALL: &str = "SendMessageBatch";
        tracing::debug!("ask AWS: {CALL} of {} to {self}", messages.len());
        let entry = |(at, message): (usize, &Outgoing)| {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .message_body(&message.body);
            let entry = match self.is_fifo() {
                true => entry
                    .message_group_id(&message.group)
                    .message_deduplication_id(&message.id),
                false => entry,
            };
            entry.build().map_err(|error| self.odd(CALL, error))
        };
        let entries = messages.iter().enumerate().map(entry).collect::<Result<_, _>>()?;
        let request = self.client.send_message_batch().queue_url(&self.url);
        let answer = request.set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| AwsError::of_sdk(CALL, format!("to {self}"), error))?;
        let failed = answer.failed.into_iter().filter_map(|failed| {
            let why = failed.message.unwrap_or_default();
            Some((failed.id.parse().ok()?, format!("{}: {why}", failed.code)))
        });
        Ok(failed.collect())
    }

    /// Puts a message here that nobody can do anything with, with the reason as the attribute `reason`.
    pub async fn bury(&self, message: &Received, reason: &str) -> Result<(), AwsError> {
        const CALL: &str = "SendMessage";
        tracing::debug!("ask AWS: {CALL} to {self}");
        let reason = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(sendable(reason))
            .build()
            .map_err(|error| self.odd(CALL, error))?;
        let request = self.client.send_message().queue_url(&self.url);
        let request = request.message_body(&message.body).message_attributes("reason", reason);
        let request = match self.is_fifo() {
            true => request
                .message_group_id(&message.id)
                .message_deduplication_id(&message.id),
            false => request,
        };
        let sent = request.send().await;
        sent.map(drop)
            .map_err(|error| AwsError::of_sdk(CALL, format!("to {self}"), error))
    }

    /// Waits for messages, and hides those that come from everybody else.
    pub async fn receive(&self, most: usize, wait: Duration, hidden: Duration) -> Result<Vec<Received>, AwsError> {
        const CALL: &str = "ReceiveMessage";
        tracing::debug!("ask AWS: {CALL} from {self}");
        let request = self.client.receive_message().queue_url(&self.url);
        let request = request
            .max_number_of_messages(seconds(most.min(BATCH)))
            .wait_time_seconds(of(wait.min(LONGEST_WAIT)))
            .visibility_timeout(of(hidden.min(LONGEST_HIDDEN)))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = request.send().await;
        let answer = answer.map_err(|error| AwsError::of_sdk(CALL, format!("from {self}"), error))?;
        let messages = answer.messages.unwrap_or_default();
        Ok(messages.into_iter().filter_map(received).collect())
    }

    /// Hides a message from now on for so long; zero shows it to everybody at once.
    pub async fn hide(&self, receipt: &str, hidden: Duration) -> Result<(), AwsError> {
        const CALL: &str = "ChangeMessageVisibility";
        tracing::debug!("ask AWS: {CALL} of a message of {self}");
        let request = self.client.change_message_visibility().queue_url(&self.url);
        let request = request
            .receipt_handle(receipt)
            .visibility_timeout(of(hidden.min(LONGEST_HIDDEN)));
        let answer = request.send().await;
        answer
            .map(drop)
            .map_err(|error| AwsError::of_sdk(CALL, format!("of a message of {self}"), error))
    }

    /// Says that messages, at most [`BATCH`] of them, are done. Answers why some are not gone.
    pub async fn delete(&self, receipts: &[&str]) -> Result<Vec<String>, AwsError> {
        const CALL: &str = "DeleteMessageBatch";
        if receipts.is_empty() {
            return Ok(Vec::new());
        }
        tracing::debug!("ask AWS: {CALL} of {} from {self}", receipts.len());
        let entry = |(at, receipt): (usize, &&str)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string());
            let entry = entry.receipt_handle(*receipt).build();
            entry.map_err(|error| self.odd(CALL, error))
        };
        let entries = receipts.iter().enumerate().map(entry).collect::<Result<_, _>>()?;
        let request = self.client.delete_message_batch().queue_url(&self.url);
        let answer = request.set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| AwsError::of_sdk(CALL, format!("from {self}"), error))?;
        let why = |failed: aws_sdk_sqs::types::BatchResultErrorEntry| {
            format!("{}: {}", failed.code, failed.message.unwrap_or_default())
        };
        Ok(answer.failed.into_iter().map(why).collect())
    }

    /// How many messages it has.
    pub async fn depth(&self) -> Result<Depth, AwsError> {
        use QueueAttributeName as Name;
        let names = [
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
            Name::ApproximateNumberOfMessagesDelayed,
        ];
        let [visible, hidden, delayed] = self.attributes(names).await?;
        let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        Ok(Depth {
            visible: number(visible),
            hidden: number(hidden) + number(delayed),
        })
    }

    /// Where its messages go that nobody could do anything with, if that is said anywhere.
    pub async fn dead_letters(&self, options: &AwsOptions) -> Result<Option<DeadLetters>, AwsError> {
        let [policy] = self.attributes([QueueAttributeName::RedrivePolicy]).await?;
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
            endpoint_url: None,
            region: Some(region.to_owned()),
            ..options.clone()
        };
        let client = Client::new(&there.load().await?);
        tracing::debug!("ask AWS: {CALL} of {name}");
        let request = client.get_queue_url().queue_name(name);
        let answer = request.queue_owner_aws_account_id(account).send().await;
        let answer = answer.map_err(|error| AwsError::of_sdk(CALL, format!("of {name}"), error))?;
        let url = answer.queue_url().unwrap_or_default().to_owned();
        Ok(Self { client, url })
    }

    async fn attributes<const N: usize>(
        &self,
        names: [QueueAttributeName; N],
    ) -> Result<[Option<String>; N], AwsError> {
        const CALL: &str = "GetQueueAttributes";
        tracing::debug!("ask AWS: {CALL} of {self}");
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = request.set_attribute_names(Some(names.to_vec())).send().await;
        let answer = answer.map_err(|error| AwsError::of_sdk(CALL, format!("of {self}"), error))?;
        let mut known = answer.attributes.unwrap_or_default();
        Ok(names.map(|name| known.remove(&name)))
    }

    /// Whether it keeps an order, and takes what it is sent twice only once.
    fn is_fifo(&self) -> bool {
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

/// None where SQS does not say by what it can be deleted.
fn received(message: Message) -> Option<Received> {
    let times = message.attributes.as_ref().and_then(|known| {
        known
            .get(&MessageSystemAttributeName::ApproximateReceiveCount)?
            .parse()
            .ok()
    });
    Some(Received {
        id: message.message_id?,
        body: message.body.unwrap_or_default(),
        receipt: message.receipt_handle?,
        times: times.unwrap_or(1),
    })
}

/// `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME` says the region (SQS Developer Guide, "Queue and message identifiers").
fn region_of(url: &str) -> Option<String> {
    let host = url.split_once("://")?.1.split('/').next()?;
    let region = host.strip_prefix("sqs.")?.split_once(".amazonaws.")?.0;
    Some(region.to_owned())
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

fn of(duration: Duration) -> i32 {
    seconds(usize::try_from(duration.as_secs()).unwrap_or(usize::MAX))
}

fn seconds(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
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
    fn a_reason_has_nothing_in_it_that_sqs_refuses() {
        assert_eq!(sendable("a\u{0}b\u{1b}[31mc\u{fffe}d\n"), "ab[31mcd\n");
        assert_eq!(sendable("\u{1}"), "no reason");
        assert_eq!(sendable(&"é".repeat(2000)).chars().count(), 1000);
    }
}
