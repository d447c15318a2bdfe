//! Amazon SQS, as moto serves it beside S3.

use anyhow::{Context, Result, ensure};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::s3::{S3, credential};

/// A queue and its dead-letter queue.
#[derive(Debug, Clone)]
pub struct Queues {
    /// The queue's URL.
    pub url: String,
    /// Where its messages go that were handed out too often.
    pub dead: String,
}

impl S3 {
    /// Makes a queue, and another that gets what was handed out `times` times.
    ///
    /// # Errors
    /// When SQS refuses it.
    pub async fn create_queue(&self, name: &str, times: u32) -> Result<Queues> {
        self.queues(name, "", times, &json!({})).await
    }

    /// The same, of queues that keep an order: NAME.fifo.
    ///
    /// # Errors
    /// When SQS refuses it.
    pub async fn create_fifo(&self, name: &str, times: u32) -> Result<Queues> {
        self.queues(name, ".fifo", times, &json!({"FifoQueue": "true"})).await
    }

    async fn queues(&self, name: &str, suffix: &str, times: u32, attributes: &Value) -> Result<Queues> {
        let dead = self.queue(&format!("{name}-dead{suffix}"), attributes).await?;
        let asked = json!({"QueueUrl": dead, "AttributeNames": ["QueueArn"]});
        let arn = self.ask_sqs("GetQueueAttributes", &asked).await?["Attributes"]["QueueArn"].clone();
        let mut attributes = attributes.clone();
        attributes["RedrivePolicy"] = json!({"deadLetterTargetArn": arn, "maxReceiveCount": times})
            .to_string()
            .into();
        let url = self.queue(&format!("{name}{suffix}"), &attributes).await?;
        Ok(Queues { url, dead })
    }

    /// Makes a queue with these attributes; answers its URL.
    ///
    /// # Errors
    /// When SQS refuses it.
    pub async fn queue(&self, name: &str, attributes: &Value) -> Result<String> {
        let queue = json!({"QueueName": name, "Attributes": attributes});
        let made = self.ask_sqs("CreateQueue", &queue).await?;
        Ok(made["QueueUrl"].as_str().context("no QueueUrl")?.to_owned())
    }

    /// Sends a message as somebody does who is not this program.
    ///
    /// # Errors
    /// When SQS refuses it.
    pub async fn send(&self, url: &str, body: &str) -> Result<()> {
        let message = json!({"QueueUrl": url, "MessageBody": body});
        self.ask_sqs("SendMessage", &message).await.map(drop)
    }

    /// The same to a queue that keeps an order.
    ///
    /// # Errors
    /// When SQS refuses it.
    pub async fn send_in_order(&self, url: &str, body: &str) -> Result<()> {
        let id = crate::chance::hex(8);
        let message = json!({"QueueUrl": url, "MessageBody": body, "MessageGroupId": id, "MessageDeduplicationId": id});
        self.ask_sqs("SendMessage", &message).await.map(drop)
    }

    /// Shows a message that was taken to everybody again.
    ///
    /// # Errors
    /// When SQS refuses it.
    pub async fn show(&self, url: &str, message: &Value) -> Result<()> {
        let shown = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0});
        self.ask_sqs("ChangeMessageVisibility", &shown).await.map(drop)
    }

    /// How many messages of a queue anybody would be handed, how many somebody has, and how many still wait.
    ///
    /// # Errors
    /// When SQS refuses it.
    pub async fn depth(&self, url: &str) -> Result<[u64; 3]> {
        let names = ["", "NotVisible", "Delayed"].map(|kind| format!("ApproximateNumberOfMessages{kind}"));
        let asked = json!({"QueueUrl": url, "AttributeNames": names});
        let answer = self.ask_sqs("GetQueueAttributes", &asked).await?;
        let number = |name: &String| answer["Attributes"][name].as_str()?.parse().ok();
        Ok(names.each_ref().map(|name| number(name).unwrap_or_default()))
    }

    /// Takes all messages of a queue, with their attributes; they are hidden then.
    ///
    /// # Errors
    /// When SQS refuses it.
    pub async fn messages(&self, url: &str) -> Result<Vec<Value>> {
        let asked = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"], "AttributeNames": ["All"]});
        let mut all = Vec::new();
        loop {
            let answer = self.ask_sqs("ReceiveMessage", &asked).await?;
            match answer["Messages"].as_array() {
                Some(messages) if !messages.is_empty() => all.extend(messages.iter().cloned()),
                _ => return Ok(all),
            }
        }
    }

    /// A call in AWS's JSON 1.0.
    async fn ask_sqs(&self, action: &str, body: &Value) -> Result<Value> {
        let request = self.client.post(&self.endpoint).body(body.to_string());
        let request = request
            .header("X-Amz-Target", format!("AmazonSQS.{action}"))
            .header(CONTENT_TYPE, "application/x-amz-json-1.0")
            .header(AUTHORIZATION, credential("eu-central-1", "sqs"));
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{action}: {status}: {text}");
        match text.is_empty() {
            true => Ok(Value::Null),
            false => Ok(serde_json::from_str(&text)?),
        }
    }
}
