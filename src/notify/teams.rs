//! Microsoft Teams: a flow of Workflows that posts an Adaptive Card.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::chat::Story;
use super::error::Trouble;
use super::fit::{numbered, packed};
use super::post::{Answer, Message, Post, Refusal, code, said};
use super::secrets::Secrets;
use super::{Chat, Notify, NotifyError, PlaceName};
use crate::report::Report;

/// A chat or a channel of Teams', as a flow has it.
#[derive(Debug, Clone)]
pub struct Teams {
    /// The URL of the flow's trigger. Whoever knows it can post: it is a secret.
    pub webhook_url: SecretString,
    /// What it is told.
    pub chat: Chat,
}

/// The rows of one card, in bytes of JSON. Teams takes messages of about 28 KB (Microsoft's page of the connector, "Message size limit"),
/// and counts those of bots as UTF-16 ("Format your bot messages"), which doubles them. Part of it is what it puts around a card.
const MOST_BYTES: usize = 10_000;
/// Not Microsoft's: many more make a card that no client draws in time.
const MOST_ROWS: usize = 150;
/// A flow's trigger takes four requests a second; the action behind it is slower.
const APART: Duration = Duration::from_secs(1);

impl Teams {
    /// Posts a report.
    pub(super) async fn post(&self, report: &Report, notify: &Notify) -> Result<(), NotifyError> {
        let Some(story) = self.chat.story(report) else {
            return Ok(());
        };
        let messages = messages(&story).into_iter().map(Message::with_charset).collect();
        let request = |client: &Client| client.post(self.webhook_url.expose_secret());
        Post::to(
            PlaceName::Teams,
            notify,
            Secrets::of_url(self.webhook_url.expose_secret()),
        )?
        .all(messages, APART, request, judge)
        .await
    }
}

/// A story in as few cards as the limits allow.
fn messages(story: &Story) -> Vec<Value> {
    let size = |row: &Value| row.to_string().len() + 1;
    let longest = size(&header(story.header)) + " (9999 of 9999)".len();
    let bodies = packed(rows(story), MOST_ROWS - 1, MOST_BYTES - longest, size);
    let of = bodies.len();
    let card = |(at, body): (usize, Vec<Value>)| {
        let title = numbered(story.header, at + 1, of, Chat::LONGEST_HEADER);
        message([header(&title)].into_iter().chain(body).collect())
    };
    bodies.into_iter().enumerate().map(card).collect()
}

/// What the trigger "When a Teams webhook request is received" wants.
fn message(body: Vec<Value>) -> Value {
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": { "width": "Full" },
        "body": body,
    });
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

fn header(title: &str) -> Value {
    row(title, &json!({ "size": "Large", "weight": "Bolder" }), "Medium")
}

/// All but the header.
fn rows(story: &Story) -> Vec<Value> {
    let mut rows = Vec::new();
    for part in &story.parts {
        rows.push(row(part.subject, &json!({ "weight": "Bolder" }), "Medium"));
        let lines = part.lines.iter().map(|line| line.told(str::to_owned, str::to_owned));
        rows.extend(lines.chain(part.rest()).map(|line| row(&line, &json!({}), "Small")));
    }
    rows.push(row(&story.end, &json!({ "isSubtle": true }), "Medium"));
    rows
}

/// A TextRun has no Markdown (Adaptive Cards' schema); a TextBlock has, and its escapes are not shown alike by all of Teams' clients
/// (github.com/microsoft/AdaptiveCards, issue 5590).
fn row(text: &str, style: &Value, spacing: &str) -> Value {
    let mut run = style.clone();
    run["type"] = "TextRun".into();
    run["text"] = text.into();
    json!({ "type": "RichTextBlock", "spacing": spacing, "inlines": [run] })
}

/// A flow answers 202: it has begun, and its run history tells how it ended. What it refuses has a code in `error.code`.
fn judge(answer: &Answer) -> Result<(), Refusal> {
    if answer.status.is_success() {
        return Ok(());
    }
    let code_or_text = answer.text_at("/error/code");
    let code = code(&code_or_text).unwrap_or_default();
    let by_status = Refusal::of(answer.status, said(answer.status, code));
    let trouble = match (answer.status, code) {
        (_, "WorkflowTriggerIsNotEnabled") => Trouble::Off,
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Trouble::Login,
        (StatusCode::NOT_FOUND | StatusCode::GONE, _) => Trouble::Gone,
        (StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE, _) => Trouble::Message,
        _ => by_status.trouble,
    };
    Err(Refusal { trouble, ..by_status })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::Occasion;
    use crate::report::Failure;

    fn cards(report: &Report) -> Vec<Value> {
        let chat = Chat {
            header: "Base *images*".to_owned(),
            subject: "Updated:".to_owned(),
            error_subject: "Failed:".to_owned(),
            when: Occasion::Changed,
        };
        messages(&chat.story(report).unwrap())
    }

    fn texts(card: &Value) -> Vec<&str> {
        let body = card["attachments"][0]["content"]["body"].as_array().unwrap();
        body.iter()
            .map(|row| row["inlines"][0]["text"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn a_report_becomes_a_card_of_plain_text() {
        let cards = cards(&Report::sample());
        let [card] = &cards[..] else { panic!("{cards:?}") };
        let texts = texts(card);
        assert_eq!(
            texts[..6],
            [
                "Base *images*",
                "Failed:",
                "❌ this is a test, made by \"ecr-keeper notify test\": no image was looked at",
                "❌ base/image/busybox:1.0 — upstream docker.io/library/busybox:1.0 does not exist",
                "Updated:",
                "✅ docker.io/grafana/grafana:11.0 → base/image/grafana/grafana:11.0",
            ]
        );
        let rows = card["attachments"][0]["content"]["body"].as_array().unwrap();
        for row in rows {
            assert_eq!(row["type"], "RichTextBlock", "anything else is Markdown");
            assert_eq!(row["inlines"][0]["type"], "TextRun");
        }
    }

    #[test]
    fn long_reports_keep_teams_limit_and_lose_nothing() {
        let mut report = Report::sample();
        report.failures = (0..300)
            .map(|number| Failure::stopped(&format!("({number}) {}", "ü".repeat(700))))
            .collect();
        let cards = cards(&report);
        assert!(cards.len() > 10, "{}", cards.len());
        let in_utf_16 = |card: &Value| 2 * card.to_string().encode_utf16().count();
        assert!(cards.iter().all(|card| in_utf_16(card) <= 28 * 1024));
        for (at, card) in cards.iter().enumerate() {
            assert_eq!(texts(card)[0], format!("Base *images* ({} of {})", at + 1, cards.len()));
        }
        let all: Vec<&str> = cards.iter().flat_map(texts).collect();
        for number in 0..300 {
            let told = all.iter().filter(|text| text.contains(&format!("({number}) ")));
            assert_eq!(told.count(), 1, "{number}");
        }
    }
}
