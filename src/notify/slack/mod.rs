//! Slack: by a bot's token (chat.postMessage), or by an incoming webhook.

mod answer;

use std::time::Duration;

use http::header::HeaderValue;
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::chat::Story;
use super::fit::{joined, length, packed};
use super::post::{Message, Post};
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

impl Slack {
    /// Posts a report.
    pub(super) async fn post(&self, report: &Report, notify: &Notify) -> Result<(), NotifyError> {
        let Some(story) = self.chat.story(report) else {
            return Ok(());
        };
        let messages = messages(&story).into_iter().map(|json| self.message(json)).collect();
        let request = |client: &Client| self.request(client);
        let post = Post::to(PlaceName::Slack, notify)?;
        match &self.way {
            SlackWay::Bot { .. } => post.all(messages, APART, request, answer::of_api).await,
            SlackWay::Webhook(_) => post.all(messages, APART, request, answer::of_webhook).await,
        }
    }

    fn message(&self, mut json: Value) -> Message {
        if let SlackWay::Bot { channel, .. } = &self.way {
            json["channel"] = channel.as_str().into();
        }
        Message {
            // Slack warns of JSON that does not say its charset.
            content_type: HeaderValue::from_static("application/json; charset=utf-8"),
            ..Message::from(json)
        }
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
    // What notifications and screen readers have; it is not shown beside blocks.
    let short = escaped(&format!("{}: {}", story.header, story.end));
    let size = |block: &Value| length(&block.to_string()) + 1;
    packed(blocks(story), MOST_BLOCKS, LONGEST_BLOCKS, size)
        .into_iter()
        .map(|blocks| json!({ "text": short, "blocks": blocks, "unfurl_links": false, "unfurl_media": false }))
        .collect()
}

fn blocks(story: &Story) -> Vec<Value> {
    let header = json!({ "type": "plain_text", "text": story.header });
    let mut blocks = vec![json!({ "type": "header", "text": header })];
    for part in &story.parts {
        // The user's own words may mention people and have links, as Slack writes them.
        blocks.push(section(part.subject));
        let name = |name: &str| format!("`{}`", escaped(name));
        let lines = part
            .lines
            .iter()
            .map(|line| line.told(name, escaped))
            .chain(part.rest());
        blocks.extend(joined(lines, LONGEST_SECTION).iter().map(|text| section(text)));
    }
    let end = json!({ "type": "mrkdwn", "text": escaped(&story.end) });
    blocks.push(json!({ "type": "context", "elements": [end] }));
    blocks
}

fn section(text: &str) -> Value {
    // Without `verbatim` Slack makes links of what looks like one, such as an image's name.
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

/// The three characters that Slack gives a meaning everywhere ("Formatting text for app surfaces", "Escaping text").
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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
                assert!(length(block["text"]["text"].as_str().unwrap()) <= 3000);
            }
        }
        let all: String = messages.iter().map(ToString::to_string).collect();
        for number in 0..200 {
            assert_eq!(all.matches(&format!("({number}) ")).count(), 1, "{number}");
        }
    }
}
