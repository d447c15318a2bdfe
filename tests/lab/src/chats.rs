//! Slack's and Teams' rules for what is posted to them, with their answers.

use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::answer::{Body, answer, empty, json_answer};
use crate::chance;

/// What there is of Slack and Teams, and who may post there.
#[derive(Debug)]
pub(crate) struct Chats {
    /// The bot's token.
    pub(crate) token: String,
    /// The end of the incoming webhook's URL.
    pub(crate) hook: String,
    /// The signature in the flow's URL.
    pub(crate) signature: String,
}

/// A request, as far as a chat looks at it.
pub(crate) struct Posted<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) json: Option<&'a Value>,
    pub(crate) bytes_in_utf_16: usize,
}

/// chat.postMessage takes more than this only by accident (github.com/slackapi/bolt-js, issue 2867).
const LONGEST_BLOCKS: usize = 11_000;
const MOST_BLOCKS: usize = 50;
const LONGEST_TEXT: usize = 40_000;
const TEAMS_BYTES: usize = 28 * 1024;

impl Chats {
    pub(crate) fn new() -> Chats {
        Chats {
            token: format!("xoxb-{}", chance::hex(24)),
            hook: chance::hex(24),
            signature: chance::hex(40),
        }
    }

    /// The answer of the chat that the path belongs to; `None` where it is none's.
    pub(crate) fn answer(&self, posted: &Posted) -> Option<Response<Body>> {
        if let Some(method) = posted.path.strip_prefix("/slack/api/") {
            let refused = match method {
                "chat.postMessage" => self.slack_api(posted).err(),
                _ => Some("unknown_method"),
            };
            let body = match refused {
                None => json!({"ok": true, "ts": "1700000000.000100", "message": {"type": "message"}}),
                Some("missing_scope") => {
                    json!({"ok": false, "error": "missing_scope", "needed": "chat:write", "provided": "channels:read"})
                }
                Some(code) => json!({"ok": false, "error": code}),
            };
            return Some(json_answer(StatusCode::OK, &body));
        }
        if let Some(hook) = posted.path.strip_prefix("/slack/services/T1/B1/") {
            let text = |(status, code): (StatusCode, &'static str)| answer(status, "text/plain", code);
            return Some(match self.slack_hook(hook, posted.json) {
                Ok(()) => text((StatusCode::OK, "ok")),
                Err(refused) => text(refused),
            });
        }
        let flow = posted.path.strip_prefix("/teams/")?;
        Some(match self.flow(flow, posted) {
            Ok(()) => empty(StatusCode::ACCEPTED),
            Err((status, code)) => json_answer(status, &json!({"error": {"code": code, "message": "see the code"}})),
        })
    }

    /// Where there are a channel of the bot's, one without it, one that is archived, and no others.
    fn slack_api(&self, posted: &Posted) -> Result<(), &'static str> {
        let token = posted.authorization.and_then(|header| header.strip_prefix("Bearer "));
        match token {
            None => return Err("not_authed"),
            Some("xoxb-reader") => return Err("missing_scope"),
            Some(token) if token != self.token => return Err("invalid_auth"),
            Some(_) => {}
        }
        let json = posted.json.ok_or("invalid_json")?;
        match json["channel"].as_str() {
            Some("C0IMAGES" | "#images") => {}
            Some("C0STRANGERS") => return Err("not_in_channel"),
            Some("C0PAST") => return Err("is_archived"),
            _ => return Err("channel_not_found"),
        }
        slack_message(json)
    }

    fn slack_hook(&self, hook: &str, json: Option<&Value>) -> Result<(), (StatusCode, &'static str)> {
        match hook {
            "of-the-past" => return Err((StatusCode::GONE, "channel_is_archived")),
            hook if hook != self.hook => return Err((StatusCode::NOT_FOUND, "no_service")),
            _ => {}
        }
        let json = json.ok_or((StatusCode::BAD_REQUEST, "invalid_payload"))?;
        slack_message(json).map_err(|code| (StatusCode::BAD_REQUEST, code))
    }

    /// A flow is found by its path, and shows nobody in without the signature. One that is turned off says so.
    fn flow(&self, flow: &str, posted: &Posted) -> Result<(), (StatusCode, &'static str)> {
        if posted.bytes_in_utf_16 > TEAMS_BYTES {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"));
        }
        match flow {
            "workflows/1" => {}
            "workflows/off" => return Err((StatusCode::BAD_REQUEST, "WorkflowTriggerIsNotEnabled")),
            _ => return Err((StatusCode::NOT_FOUND, "WorkflowNotFound")),
        }
        let signature = format!("sig={}", self.signature);
        if !posted.query.split('&').any(|parameter| parameter == signature) {
            return Err((StatusCode::UNAUTHORIZED, "DirectApiAuthorizationRequired"));
        }
        let is_card = posted.json.is_some_and(is_card);
        is_card
            .then_some(())
            .ok_or((StatusCode::BAD_REQUEST, "TriggerInputSchemaMismatch"))
    }
}

/// Slack's reference: chat.postMessage, and Block Kit's blocks.
fn slack_message(json: &Value) -> Result<(), &'static str> {
    let text = json["text"].as_str().unwrap_or_default();
    if text.chars().count() > LONGEST_TEXT {
        return Err("msg_too_long");
    }
    let Some(blocks) = json["blocks"].as_array() else {
        return if text.is_empty() { Err("no_text") } else { Ok(()) };
    };
    if blocks.is_empty() || blocks.len() > MOST_BLOCKS || !blocks.iter().all(is_block) {
        return Err("invalid_blocks");
    }
    match json["blocks"].to_string().chars().count() > LONGEST_BLOCKS {
        true => Err("msg_blocks_too_long"),
        false => Ok(()),
    }
}

fn is_block(block: &Value) -> bool {
    match block["type"].as_str() {
        Some("header") => is_text(&block["text"], &["plain_text"], 150),
        Some("section") => is_text(&block["text"], &["plain_text", "mrkdwn"], 3000),
        Some("context") => {
            let elements = block["elements"].as_array();
            let is_element = |element: &Value| is_text(element, &["plain_text", "mrkdwn"], 3000);
            elements.is_some_and(|all| (1..=10).contains(&all.len()) && all.iter().all(is_element))
        }
        Some("divider") => true,
        _ => false,
    }
}

fn is_text(text: &Value, kinds: &[&str], longest: usize) -> bool {
    let is_kind = text["type"].as_str().is_some_and(|kind| kinds.contains(&kind));
    // Only mrkdwn has this.
    let is_plain = text["type"] == "plain_text";
    let length = text["text"].as_str().unwrap_or_default().encode_utf16().count();
    is_kind && (1..=longest).contains(&length) && !(is_plain && text.get("verbatim").is_some())
}

/// The message that the trigger "When a Teams webhook request is received" takes, with a card of Adaptive Cards' schema.
fn is_card(json: &Value) -> bool {
    let Some([attachment]) = json["attachments"].as_array().map(Vec::as_slice) else {
        return false;
    };
    let card = &attachment["content"];
    let version = card["version"].as_str().unwrap_or_default();
    json["type"] == "message"
        && attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        && card["type"] == "AdaptiveCard"
        && ["1.2", "1.3", "1.4", "1.5"].contains(&version)
        && card["body"]
            .as_array()
            .is_some_and(|rows| !rows.is_empty() && rows.iter().all(is_row))
}

fn is_row(row: &Value) -> bool {
    let has_text = |element: &Value| element["text"].as_str().is_some_and(|text| !text.is_empty());
    match row["type"].as_str() {
        Some("TextBlock") => has_text(row),
        Some("RichTextBlock") => {
            let is_run = |run: &Value| run["type"] == "TextRun" && has_text(run);
            row["inlines"]
                .as_array()
                .is_some_and(|runs| !runs.is_empty() && runs.iter().all(is_run))
        }
        _ => false,
    }
}
