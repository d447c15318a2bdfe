use std::time::Duration;

use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::report::{Outcome, Report};
use crate::retry::{Passes, Retry, Timeouts, is_passing, retry_after};

/// Discord's limit for a message's content (Discord API, "Create Message"), in UTF-16 units, the strictest way to count.
const MESSAGE_LIMIT: usize = 2000;

/// A place to post to.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Where. Whoever knows it can post: it is a secret.
    pub url: SecretString,
    /// In which shape.
    pub kind: WebhookKind,
    /// Whether a list is posted although it is empty.
    pub send_empty: bool,
    /// How often a message is tried.
    pub retry: Retry,
    /// How long the other side is waited for.
    pub timeouts: Timeouts,
}

/// The shape of what is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookKind {
    /// Discord messages: one list each of updated, unchanged and failed images.
    Discord,
    /// The whole report as JSON, once.
    Generic,
}

/// A message that did not arrive. Its text never holds the URL.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The URL is none.
    #[error("post to the webhook: its URL cannot be used")]
    Url,
    /// Nothing answered.
    #[error("post to the webhook: no answer")]
    NoAnswer(#[source] reqwest::Error),
    /// It was refused.
    #[error("post to the webhook: {status}{}", said(.text))]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
        /// What the other side said is wrong, if it said so in JSON.
        text: String,
    },
}

impl Passes for WebhookError {
    fn passes(&self) -> bool {
        match self {
            // A message that may have arrived is not sent twice.
            Self::Url | Self::NoAnswer(_) => false,
            Self::Refused { status, .. } => is_passing(*status),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Url | Self::NoAnswer(_) => None,
        }
    }
}

fn said(text: &str) -> String {
    match text.is_empty() {
        true => String::new(),
        false => format!(": {text}"),
    }
}

impl Webhook {
    /// Posts a report. A message that is refused does not keep the next from being tried, silence does; the first error is
    /// answered.
    pub async fn post(&self, report: &Report) -> Result<(), WebhookError> {
        let client = Client::builder()
            .connect_timeout(self.timeouts.connect)
            .timeout(self.timeouts.answer)
            // A redirected POST becomes a GET: it would be answered, and nothing would have been posted.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("ecr-keeper/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| WebhookError::NoAnswer(error.without_url()))?;
        let messages = match self.kind {
            WebhookKind::Discord => discord(report, self.send_empty),
            WebhookKind::Generic => serde_json::to_value(report).into_iter().collect(),
        };
        let mut result = Ok(());
        for message in &messages {
            let posted = self.send(&client, message).await;
            let silent = matches!(posted, Err(WebhookError::NoAnswer(_) | WebhookError::Url));
            result = result.and(posted);
            if silent {
                break;
            }
        }
        result
    }

    async fn send(&self, client: &Client, message: &Value) -> Result<(), WebhookError> {
        let post = async || {
            let sent = client.post(self.url.expose_secret()).json(message).send().await;
            let answer = sent.map_err(|error| match error.is_builder() {
                true => WebhookError::Url,
                false => WebhookError::NoAnswer(error.without_url()),
            })?;
            let status = answer.status();
            if status.is_success() {
                return Ok(());
            }
            let wait = retry_after(answer.headers());
            let text = answer.text().await.unwrap_or_default();
            Err(WebhookError::Refused {
                status,
                retry_after: wait.or_else(|| wait_in(&text)),
                text: reason(&text),
            })
        };
        let waiting = |error: &WebhookError, delay| tracing::debug!("{error}; trying again in {delay:?}");
        self.retry.run(post, waiting).await
    }
}

/// What a JSON answer says is wrong. A page, or what holds a path, is left out: servers like to repeat the path that they
/// were asked for, and here it is the secret.
fn reason(text: &str) -> String {
    const ENOUGH: usize = 200;
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let message = body.get("message").and_then(Value::as_str).unwrap_or_default();
    match message.contains('/') {
        true => String::new(),
        false => message.chars().take(ENOUGH).collect(),
    }
}

/// Discord also says it in the body, in seconds (Discord API, "Rate Limits").
fn wait_in(text: &str) -> Option<Duration> {
    let body: Value = serde_json::from_str(text).ok()?;
    Duration::try_from_secs_f64(body.get("retry_after")?.as_f64()?).ok()
}

fn discord(report: &Report, send_empty: bool) -> Vec<Value> {
    let list = |outcomes, mark: &'static str| -> Vec<String> {
        report
            .ended(outcomes)
            .map(|image| format!("{mark} {}", image.target))
            .collect()
    };
    let mut failed: Vec<String> = report
        .failures
        .iter()
        .map(|failure| format!(":x: {}", failure.in_one_line()))
        .collect();
    let unwell: &[Outcome] = &[Outcome::Failed, Outcome::Refused, Outcome::NotAttempted];
    failed.extend(report.ended(unwell).map(|image| {
        let cause = image.failure.as_ref().map(|failure| failure.in_one_line());
        format!(":x: {} — {}", image.target, cause.unwrap_or_default())
    }));
    [
        ("Updated images!", list(&[Outcome::Updated], ":white_check_mark:")),
        ("Images not updated!", list(&[Outcome::Unchanged], ":warning:")),
        ("Failed images!", failed),
    ]
    .into_iter()
    .filter(|(_, lines)| send_empty || !lines.is_empty())
    .flat_map(|(head, lines)| split(head, &lines))
    .map(|content| json!({ "content": content, "allowed_mentions": { "parse": [] } }))
    .collect()
}

/// Puts a heading and lines into as few messages as the limit allows, each a whole number of lines.
fn split(head: &str, lines: &[String]) -> Vec<String> {
    let length = |text: &str| text.encode_utf16().count();
    let mut messages = Vec::new();
    let mut message = head.to_owned();
    for line in lines {
        let line = cut(line);
        if length(&message) + 1 + length(&line) > MESSAGE_LIMIT {
            messages.push(std::mem::take(&mut message));
        }
        if !message.is_empty() {
            message.push('\n');
        }
        message.push_str(&line);
    }
    messages.push(message);
    messages
}

/// A single line that is too long for a message loses its end.
fn cut(line: &str) -> String {
    if line.encode_utf16().count() <= MESSAGE_LIMIT {
        return line.to_owned();
    }
    let mut left = MESSAGE_LIMIT - 1;
    let kept: String = line
        .chars()
        .take_while(|char| {
            let fits = left >= char.len_utf16();
            left = left.saturating_sub(char.len_utf16());
            fits
        })
        .collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_split_on_line_ends_within_the_limit() {
        let lines: Vec<String> = (0..100)
            .map(|n| format!(":warning: registry/repository:{n:03}"))
            .collect();
        let messages = split("Images not updated!", &lines);
        assert!(messages.len() > 1);
        assert!(messages.iter().all(|message| message.chars().count() <= 2000));
        let told: Vec<&str> = messages.iter().flat_map(|message| message.lines()).collect();
        let mut expected = vec!["Images not updated!"];
        expected.extend(lines.iter().map(String::as_str));
        assert_eq!(told, expected);
    }

    #[test]
    fn a_line_longer_than_a_message_is_cut() {
        let messages = split("Failed images!", &["🚢".repeat(1500)]);
        assert_eq!(messages.len(), 2);
        assert!(messages[1].encode_utf16().count() <= 2000);
        assert!(messages[1].ends_with('…'));
    }

    #[test]
    fn nothing_to_tell_is_the_heading_alone() {
        assert_eq!(split("Updated images!", &[]), ["Updated images!"]);
    }
}
