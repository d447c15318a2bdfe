//! Slack: by a bot's token (chat.postMessage), or by an incoming webhook.

mod answer;

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::chat::Story;
use super::fit::{cut_by, joined, length, numbered, packed};
use super::post::{Message, Post};
use super::secrets::Secrets;
use super::{Chat, Notify, NotifyError, PlaceName};
use crate::report::Report;

/// A channel of Slack's.
#[derive(Debug, Clone)]
pub struct Slack {
    /// How it is reached.
    pub way: SlackWay,
    /// What it is told.
    pub chat: Chat,
}

/// How a channel is reached.
#[derive(Debug, Clone)]
pub enum SlackWay {
    /// A bot posts, by chat.postMessage.
    Bot {
        /// Its token.
        token: SecretString,
        /// The channel's id or name.
        channel: String,
        /// Where the API is, without a slash at its end.
        api_url: String,
    },
    /// An incoming webhook, which has its channel. Whoever knows its URL can post: it is a secret.
    Webhook(SecretString),
}

/// Slack's limits: blocks a message, characters of a section's text (Block Kit's reference, "Blocks", "Section block").
const MOST_BLOCKS: usize = 50;
const LONGEST_SECTION: usize = 3000;
/// All blocks of a message as JSON. Slack does not say how much it takes; somewhat above 11,000 characters was refused
/// (`msg_blocks_too_long`; github.com/slackapi/bolt-js, issues 2509 and 2867).
const LONGEST_BLOCKS: usize = 10_000;
/// Slack takes a message a second for a channel ("Rate limits").
const APART: Duration = Duration::from_secs(1);
/// The longest reason as it is escaped: with two names it is a line that no section has to cut.
const LONGEST_REASON: usize = 1500;

impl Slack {
    /// Posts a report.
    pub(super) async fn post(&self, report: &Report, notify: &Notify) -> Result<(), NotifyError> {
        let Some(story) = self.chat.story(report) else {
            return Ok(());
        };
        self.post_all(messages(&story), notify).await
    }

    /// Posts lines, in as few messages as hold them.
    pub(super) async fn tell(&self, lines: &[String], notify: &Notify) -> Result<(), NotifyError> {
        self.post_all(messages_of(lines), notify).await
    }

    async fn post_all(&self, messages: Vec<Value>, notify: &Notify) -> Result<(), NotifyError> {
        let messages = messages.into_iter().map(|json| self.message(json)).collect();
        let request = |client: &Client| self.request(client);
        let post = Post::to(PlaceName::Slack, notify, self.secrets())?;
        match &self.way {
            SlackWay::Bot { .. } => post.all(messages, APART, request, answer::of_api).await,
            SlackWay::Webhook(_) => post.all(messages, APART, request, answer::of_webhook).await,
        }
    }

    fn secrets(&self) -> Secrets {
        match &self.way {
            SlackWay::Bot { token, .. } => Secrets::default().and(token.expose_secret()),
            SlackWay::Webhook(url) => Secrets::of_url(url.expose_secret()),
        }
    }

    fn message(&self, mut json: Value) -> Message {
        if let SlackWay::Bot { channel, .. } = &self.way {
            json["channel"] = channel.as_str().into();
        }
        Message::with_charset(json)
    }

    fn request(&self, client: &Client) -> RequestBuilder {
        match &self.way {
            SlackWay::Bot { token, api_url, .. } => client
                .post(format!("{api_url}/chat.postMessage"))
                .bearer_auth(token.expose_secret()),
            SlackWay::Webhook(url) => client.post(url.expose_secret()),
        }
    }
}

/// A story in as few messages as Slack's limits allow.
fn messages(story: &Story) -> Vec<Value> {
    let size = |block: &Value| length(&block.to_string()) + 1;
    let longest = size(&header(story.header)) + length(" (9999 of 9999)");
    let bodies = packed(blocks(story), MOST_BLOCKS - 1, LONGEST_BLOCKS - longest, size);
    let of = bodies.len();
    let message = |(at, body): (usize, Vec<Value>)| {
        let title = numbered(story.header, at + 1, of, Chat::LONGEST_HEADER);
        // What notifications and screen readers have; it is not shown beside blocks.
        let short = escaped(&format!("{title}: {}", story.end));
        let blocks: Vec<Value> = [header(&title)].into_iter().chain(body).collect();
        json!({ "text": short, "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
    };
    bodies.into_iter().enumerate().map(message).collect()
}

/// Lines in as few messages as Slack's limits allow.
fn messages_of(lines: &[String]) -> Vec<Value> {
    let texts = joined(lines.iter().map(|line| escaped(line)), LONGEST_SECTION);
    // A section of nothing is refused.
    let texts = texts.iter().filter(|text| !text.trim().is_empty());
    // What notifications and screen readers have; it is not shown beside blocks.
    let short = escaped(lines.first().map(String::as_str).unwrap_or_default());
    let size = |block: &Value| length(&block.to_string()) + 1;
    packed(texts.map(|text| section(text)), MOST_BLOCKS, LONGEST_BLOCKS, size)
        .into_iter()
        .map(|blocks| json!({ "text": short, "blocks": blocks, "unfurl_links": false, "unfurl_media": false }))
        .collect()
}

/// All but the header.
fn blocks(story: &Story) -> Vec<Value> {
    let mut blocks = Vec::new();
    for part in &story.parts {
        // The user's own words may mention people and have links, as Slack writes them.
        blocks.push(section(part.subject));
        let name = |name: &str| format!("`{}`", escaped(name));
        let lines = part.lines.iter().map(|line| line.told(name, reason));
        blocks.extend(
            joined(lines.chain(part.rest()), LONGEST_SECTION)
                .iter()
                .map(|text| section(text)),
        );
    }
    let end = json!({ "type": "mrkdwn", "text": escaped(&story.end) });
    blocks.push(json!({ "type": "context", "elements": [end] }));
    blocks
}

fn header(title: &str) -> Value {
    json!({ "type": "header", "text": { "type": "plain_text", "text": title } })
}

fn section(text: &str) -> Value {
    // Without `verbatim` Slack makes links of what looks like one, such as an image's name.
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

/// The three characters that Slack gives a meaning everywhere ("Formatting text for app surfaces", "Escaping text").
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// As much of a reason as there is room for: cut afterwards, it could end within an escape.
fn reason(text: &str) -> String {
    let size = |char: char| match char {
        '&' => "&amp;".len(),
        '<' | '>' => "&lt;".len(),
        other => other.len_utf16(),
    };
    escaped(&cut_by(text, LONGEST_REASON, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::Occasion;
    use crate::report::Failure;

    fn told_of(report: &Report) -> Vec<Value> {
        let chat = Chat {
            header: "Base images".to_owned(),
            subject: "<https://example.com|Updated>:".to_owned(),
            error_subject: "<!here> failed:".to_owned(),
            when: Occasion::Changed,
        };
        messages(&chat.story(report).unwrap())
    }

    #[test]
    fn a_report_becomes_header_subjects_lines_counts_and_time() {
        let messages = told_of(&Report::sample());
        let [message] = &messages[..] else {
            panic!("{messages:?}")
        };
        let texts = message["blocks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| match block["type"].as_str() {
                Some("context") => block["elements"][0]["text"].as_str().unwrap(),
                _ => block["text"]["text"].as_str().unwrap(),
            });
        let texts: Vec<&str> = texts.collect();
        assert_eq!(
            texts[..5],
            [
                "Base images",
                "<!here> failed:",
                "❌ this is a test, made by \"ecr-keeper notify test\": no image was looked at\n\
                 ❌ `base/image/busybox:1.0` — upstream docker.io/library/busybox:1.0 does not exist",
                "<https://example.com|Updated>:",
                "✅ `docker.io/grafana/grafana:11.0` → `base/image/grafana/grafana:11.0`",
            ]
        );
        assert!(
            texts[5].starts_with("1 updated, 1 unchanged, 1 failed, 1 other failure · "),
            "{}",
            texts[5]
        );
    }

    #[test]
    fn what_others_wrote_mentions_nobody() {
        let mut report = Report::sample();
        report.failures = vec![Failure::stopped("<!channel> & <@U1>")];
        let message = told_of(&report)[0].to_string();
        assert!(
            message.contains("stopped while &lt;!channel&gt; &amp; &lt;@U1&gt;"),
            "{message}"
        );
    }

    #[test]
    fn long_reports_keep_slack_s_limits_and_lose_nothing() {
        let mut report = Report::sample();
        // Every character of these needs five, escaped.
        report.failures = (0..200)
            .map(|number| Failure::stopped(&format!("({number}) {}", "&".repeat(700))))
            .collect();
        let messages = told_of(&report);
        assert!(messages.len() > 10, "{}", messages.len());
        for message in &messages {
            let blocks = message["blocks"].as_array().unwrap();
            assert!(blocks.len() <= 50 && length(&message["blocks"].to_string()) <= 10_000 + 2);
            for block in blocks.iter().filter(|block| block["type"] == "section") {
                let text = block["text"]["text"].as_str().unwrap();
                assert!(length(text) <= 3000);
                // Slack shows what is left of an escape as it is.
                assert_eq!(text.matches('&').count(), text.matches("&amp;").count(), "{text}");
            }
        }
        let all: String = messages.iter().map(ToString::to_string).collect();
        for number in 0..200 {
            assert_eq!(
                all.matches(&format!("stopped while ({number}) ")).count(),
                1,
                "{number}"
            );
        }
    }

    #[test]
    fn each_of_several_messages_says_which_one_it_is() {
        let mut report = Report::sample();
        report.failures = vec![Failure::stopped(&"long ".repeat(200)); 100];
        let messages = told_of(&report);
        let of = messages.len();
        assert!(of > 1);
        for (at, message) in messages.iter().enumerate() {
            let title = format!("Base images ({} of {of})", at + 1);
            assert_eq!(message["blocks"][0]["text"]["text"], title);
            assert!(message["text"].as_str().unwrap().starts_with(&title));
        }
    }
}
