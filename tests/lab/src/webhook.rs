//! A sink for chat messages: Discord's, Slack's and Teams' rules on paths of their own, none elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::{Body, answer, empty, json_answer, with_header};
use crate::chance;
use crate::chats::{Chats, Posted};
use crate::server::{Port, Serving};

/// Discord's limit for `content`, in characters.
const LONGEST: usize = 2000;
const ID: &str = "1234567890123456789";

/// One attempt to send a message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    /// When it came.
    pub at: Timestamp,
    /// The path it was sent to.
    pub path: String,
    /// Its headers, by name.
    pub headers: BTreeMap<String, String>,
    /// What was answered.
    pub status: u16,
    /// Its `content`, empty when it has none.
    pub content: String,
    /// The whole JSON; null when it was none.
    pub json: Value,
    /// What came, as text.
    pub body: String,
}

/// Takes messages and keeps them.
#[derive(Debug)]
pub struct WebhookSink {
    inner: Arc<Inner>,
    host: String,
    _serving: Serving,
}

#[derive(Debug)]
struct Inner {
    token: String,
    chats: Chats,
    attempts: Mutex<Vec<Message>>,
    failures: Mutex<Vec<Failure>>,
}

#[derive(Debug, Clone)]
struct Failure {
    times: usize,
    status: u16,
    retry_after: Option<Duration>,
}

impl WebhookSink {
    pub(crate) async fn start() -> Result<WebhookSink> {
        let port = Port::bind().await?;
        let inner = Arc::new(Inner {
            token: chance::hex(68),
            chats: Chats::new(),
            attempts: Mutex::default(),
            failures: Mutex::default(),
        });
        let host = port.host();
        let handler = inner.clone();
        let serving = port.serve(move |request| {
            let handler = handler.clone();
            async move { Ok(handler.answer(request).await) }
        });
        Ok(WebhookSink {
            inner,
            host,
            _serving: serving,
        })
    }

    /// The address with Discord's rules.
    pub fn url(&self) -> String {
        format!("http://{}/api/webhooks/{ID}/{}", self.host, self.inner.token)
    }

    /// An address that takes anything but JSON that is none.
    pub fn hook_url(&self, name: &str) -> String {
        format!("http://{}/hook/{name}", self.host)
    }

    /// Slack's API. The bot is in the channel `C0IMAGES`, also called `#images`; `C0STRANGERS` is there without it, and `C0PAST` is
    /// archived. The token `xoxb-reader` is one that may not write.
    pub fn slack_api(&self) -> String {
        format!("http://{}/slack/api", self.host)
    }

    /// The token of the bot.
    pub fn slack_token(&self) -> &str {
        &self.inner.chats.token
    }

    /// A Slack incoming webhook.
    pub fn slack_hook(&self) -> String {
        self.slack_hook_called(&self.inner.chats.hook)
    }

    /// The same with another end: `of-the-past` is one whose channel has gone, others are none.
    pub fn slack_hook_called(&self, end: &str) -> String {
        format!("http://{}/slack/services/T1/B1/{end}", self.host)
    }

    /// The URL of a flow that posts to Teams.
    pub fn teams_url(&self) -> String {
        self.teams_flow("workflows/1")
    }

    /// The same of another flow: `workflows/off` is turned off, others are none.
    pub fn teams_flow(&self, flow: &str) -> String {
        let signature = &self.inner.chats.signature;
        format!("http://{}/teams/{flow}?api-version=1&sp=run&sig={signature}", self.host)
    }

    /// The messages that were taken.
    pub fn messages(&self) -> Vec<Message> {
        let taken = self.inner.attempts().clone().into_iter();
        taken.filter(|message| message.status < 300).collect()
    }

    /// All attempts, refused ones too.
    pub fn attempts(&self) -> Vec<Message> {
        self.inner.attempts().clone()
    }

    /// Forgets what came so far.
    pub fn clear(&self) {
        self.inner.attempts().clear();
    }

    /// Answers the next attempts with 429 as who is asked does: a Retry-After header in whole seconds, and Discord's
    /// `retry_after` with fractions in the JSON.
    pub fn rate_limit(&self, times: usize, retry_after: Duration) {
        self.fail(times, 429, Some(retry_after));
    }

    /// Answers the next attempts with this status.
    pub fn answer_status(&self, times: usize, status: u16) {
        self.fail(times, status, None);
    }

    /// Answers again as it should.
    pub fn recover(&self) {
        self.inner.failures().clear();
    }

    /// An address that refuses what comes, and says back who asked and where: the path's end, and the Authorization header. As JSON where
    /// the path's end begins with `json`, else as text.
    pub fn echo_url(&self, end: &str) -> String {
        format!("http://{}/echo/{end}", self.host)
    }

    fn fail(&self, times: usize, status: u16, retry_after: Option<Duration>) {
        let failure = Failure {
            times,
            status,
            retry_after,
        };
        self.inner.failures().push(failure);
    }
}

impl Inner {
    fn attempts(&self) -> MutexGuard<'_, Vec<Message>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, Vec<Failure>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, 10 << 20).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
        let json: Option<Value> = serde_json::from_slice(&body).ok().filter(|_| is_json);
        let path = head.uri.path();
        let query = head.uri.query().unwrap_or_default();
        let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
        let posted = Posted {
            path,
            query,
            authorization: head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()),
            json: json.as_ref(),
            // As Teams counts (Microsoft, "Format your bot messages").
            bytes_in_utf_16: 2 * String::from_utf8_lossy(&body).encode_utf16().count(),
        };
        let response = match self.next_failure() {
            Some(failure) => failure.answer(path),
            None if head.method != Method::POST => empty(StatusCode::METHOD_NOT_ALLOWED),
            None if path.starts_with("/echo/") => echo(&posted),
            None if path.starts_with("/hook/") && (json.is_some() || !is_json) => empty(StatusCode::OK),
            None => match self.chats.answer(&posted) {
                Some(answer) => answer,
                None => self.discord(path, json.as_ref(), query.contains("wait=true")),
            },
        };
        let json = json.unwrap_or_default();
        self.attempts().push(Message {
            at: Timestamp::now(),
            path: path.to_owned(),
            headers: headers.collect(),
            status: response.status().as_u16(),
            content: json["content"].as_str().unwrap_or_default().to_owned(),
            json,
            body: String::from_utf8_lossy(&body).into_owned(),
        });
        response
    }

    fn next_failure(&self) -> Option<Failure> {
        let mut failures = self.failures();
        let failure = failures.iter_mut().find(|failure| failure.times > 0)?;
        failure.times -= 1;
        Some(failure.clone())
    }

    /// Discord's answers, with the codes of its documentation.
    fn discord(&self, path: &str, json: Option<&Value>, wait: bool) -> Response<Body> {
        let refused = |status, code: u32, text: &str| json_answer(status, &json!({"message": text, "code": code}));
        let Some(address) = path.strip_prefix("/api/webhooks/") else {
            return refused(StatusCode::NOT_FOUND, 0, "404: Not Found");
        };
        match address.trim_end_matches('/').split_once('/') {
            Some((ID, token)) if token == self.token => {}
            Some((ID, _)) => {
                return refused(StatusCode::UNAUTHORIZED, 50027, "Invalid Webhook Token");
            }
            _ => return refused(StatusCode::NOT_FOUND, 10015, "Unknown Webhook"),
        }
        let Some(json) = json else {
            let text = "The request body contains invalid JSON.";
            return refused(StatusCode::BAD_REQUEST, 50109, text);
        };
        let content = json["content"].as_str().unwrap_or_default();
        if content.trim().is_empty() && json["embeds"].as_array().is_none_or(Vec::is_empty) {
            return refused(StatusCode::BAD_REQUEST, 50006, "Cannot send an empty message");
        }
        if content.chars().count() > LONGEST {
            return too_long();
        }
        match wait {
            true => json_answer(StatusCode::OK, &json!({"id": ID, "content": content})),
            false => empty(StatusCode::NO_CONTENT),
        }
    }
}

fn echo(posted: &Posted) -> Response<Body> {
    let end = posted.path.trim_start_matches("/echo/");
    let message = format!("{} may not post to {end}", posted.authorization.unwrap_or("nobody"));
    match end.starts_with("json") {
        true => json_answer(
            StatusCode::BAD_REQUEST,
            &json!({"message": message, "ok": false, "error": {"code": end}}),
        ),
        false => answer(StatusCode::BAD_REQUEST, "text/plain", end.to_owned()),
    }
}

fn too_long() -> Response<Body> {
    let text = format!("Must be {LONGEST} or fewer in length.");
    let errors = json!({"content": {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": text}]}});
    let body = json!({"message": "Invalid Form Body", "code": 50035, "errors": errors});
    json_answer(StatusCode::BAD_REQUEST, &body)
}

impl Failure {
    fn answer(&self, path: &str) -> Response<Body> {
        let status = StatusCode::from_u16(self.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let whole = |wait: Duration| wait.as_millis().div_ceil(1000).to_string();
        if let Some(wait) = self.retry_after.filter(|_| !path.starts_with("/api/")) {
            // Slack's API says it in JSON, others say less.
            let response = match path.starts_with("/slack/api/") {
                true => json_answer(status, &json!({"ok": false, "error": "ratelimited"})),
                false => answer(status, "text/plain", "rate_limited"),
            };
            return with_header(response, "Retry-After", &whole(wait));
        }
        let Some(wait) = self.retry_after else {
            if path.starts_with("/slack/api/") {
                return json_answer(status, &json!({"ok": false, "error": "the_lab_was_told_to_fail"}));
            }
            return json_answer(status, &json!({"message": "the lab was told to fail", "code": 0}));
        };
        let text = "You are being rate limited.";
        let seconds = wait.as_secs_f64();
        let body = json!({"message": text, "retry_after": seconds, "global": false});
        let response = with_header(json_answer(status, &body), "Retry-After", &whole(wait));
        with_header(response, "X-RateLimit-Reset-After", &seconds.to_string())
    }
}
