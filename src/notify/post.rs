//! One way to post: a connection, what is tried again, and what comes of several messages.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::error::{NotifyError, Trouble};
use super::secrets::Secrets;
use super::{Notify, PlaceName};
use crate::retry::retry_after;

/// What is posted.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) content_type: HeaderValue,
    pub(super) body: String,
}

impl From<Value> for Message {
    fn from(json: Value) -> Self {
        Self {
            content_type: HeaderValue::from_static("application/json"),
            body: json.to_string(),
        }
    }
}

impl Message {
    /// JSON that says its charset: Slack warns where it does not, and Teams may count it as UTF-16.
    pub(super) fn with_charset(json: Value) -> Self {
        Self {
            content_type: HeaderValue::from_static("application/json; charset=utf-8"),
            ..Self::from(json)
        }
    }
}

/// What came back.
pub(super) struct Answer<'a> {
    pub(super) status: StatusCode,
    retry_after: Option<Duration>,
    text: String,
    /// Null where it is none.
    json: Value,
    secrets: &'a Secrets,
}

impl<'a> Answer<'a> {
    async fn read(answer: Response, secrets: &'a Secrets) -> Self {
        let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
        let text = beginning(answer).await;
        Self {
            status,
            retry_after,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
            secrets,
        }
    }

    /// The body, without what is secret.
    pub(super) fn text(&self) -> String {
        self.secrets.taken_out_of(&self.text)
    }

    /// A text of the body's JSON, by its pointer (RFC 6901), without what is secret; empty where there is none.
    pub(super) fn text_at(&self, pointer: &str) -> String {
        let text = self.json.pointer(pointer).and_then(Value::as_str);
        self.secrets.taken_out_of(text.unwrap_or_default())
    }

    /// A yes or no of the body's JSON.
    pub(super) fn flag_at(&self, pointer: &str) -> Option<bool> {
        self.json.pointer(pointer)?.as_bool()
    }

    /// How long it asks to be left alone. Discord also says it in the body, in seconds (Discord API, "Rate Limits").
    fn wait(&self) -> Option<Duration> {
        let in_body = || Duration::try_from_secs_f64(self.json.get("retry_after")?.as_f64()?).ok();
        self.retry_after.or_else(in_body)
    }
}

/// As much of an answer as is worth reading.
async fn beginning(mut answer: Response) -> String {
    const ENOUGH: usize = 16 << 10;
    let mut body = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > ENOUGH {
            body.truncate(ENOUGH);
            break;
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}

/// A no, as who was asked means it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) said: String,
    pub(super) trouble: Trouble,
}

impl Refusal {
    /// By the status alone.
    pub(super) fn of(status: StatusCode, said: String) -> Self {
        let trouble = match status {
            StatusCode::TOO_MANY_REQUESTS => Trouble::Limit,
            StatusCode::INTERNAL_SERVER_ERROR | StatusCode::SERVICE_UNAVAILABLE => Trouble::Ill,
            // Of something between, which has passed the message on (RFC 9110, sections 15.6.3 and 15.6.5), or has not.
            status if status.is_server_error() => Trouble::Unsure,
            _ => Trouble::Other,
        };
        Self { said, trouble }
    }
}

/// A status, and the code that came with it.
pub(super) fn said(status: StatusCode, code: &str) -> String {
    match code.is_empty() {
        true => status.to_string(),
        false => format!("{status}: {code}"),
    }
}

/// A code for programs, as services answer it; none where it is something else, such as a page.
pub(super) fn code(text: &str) -> Option<&str> {
    const LONGEST: usize = 60;
    let is_one = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let text = text.trim();
    (!text.is_empty() && text.len() <= LONGEST && text.chars().all(is_one)).then_some(text)
}

/// The way to one place.
pub(super) struct Post<'a> {
    client: Client,
    notify: &'a Notify,
    place: PlaceName,
    secrets: Secrets,
}

impl<'a> Post<'a> {
    /// To a place whose answers may hold these secrets.
    pub(super) fn to(place: PlaceName, notify: &'a Notify, secrets: Secrets) -> Result<Self, NotifyError> {
        let client = Client::builder()
            .connect_timeout(notify.timeouts.connect)
            .timeout(notify.timeouts.answer)
            // A redirected POST becomes a GET: it would be answered, and nothing would have been posted.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("ecr-keeper/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| NotifyError::NoAnswer {
                place,
                source: error.without_url(),
            })?;
        Ok(Self {
            client,
            notify,
            place,
            secrets,
        })
    }

    /// Posts messages one after the other, so long apart. One that is refused does not keep the next from being tried, unless that
    /// would have the same end; the first error is answered.
    pub(super) async fn all(
        &self,
        messages: Vec<Message>,
        apart: Duration,
        request: impl Fn(&Client) -> RequestBuilder,
        judge: impl Fn(&Answer) -> Result<(), Refusal>,
    ) -> Result<(), NotifyError> {
        let mut result = Ok(());
        for (at, message) in messages.iter().enumerate() {
            if at > 0 {
                tokio::time::sleep(apart).await;
            }
            let waiting = |error: &NotifyError, delay| {
                tracing::warn!("{error}; trying again in {:.1} s", Duration::as_secs_f64(&delay));
            };
            let once = || self.once(message, request(&self.client), &judge);
            let posted = self.notify.retry.run(once, waiting).await;
            let is_over = posted.as_ref().is_err_and(NotifyError::is_of_all);
            result = result.and(posted);
            if is_over {
                break;
            }
        }
        result
    }

    /// Of who asks for more patience than there is, that nobody waits for so long.
    fn why_not_again(&self, trouble: Trouble, asked: Option<Duration>) -> String {
        let longest = self.notify.retry.longest;
        match asked.filter(|asked| trouble == Trouble::Limit && *asked > longest) {
            Some(asked) => format!(
                ", for {}, which is longer than retry.longest",
                humantime::format_duration(Duration::from_secs(asked.as_secs()))
            ),
            None => String::new(),
        }
    }

    async fn once(
        &self,
        message: &Message,
        request: RequestBuilder,
        judge: impl Fn(&Answer) -> Result<(), Refusal>,
    ) -> Result<(), NotifyError> {
        let place = self.place;
        let request = request.header(CONTENT_TYPE, &message.content_type);
        let sent = request.body(message.body.clone()).send().await;
        let answer = sent.map_err(|error| match error.is_builder() {
            true => NotifyError::Url(place),
            false => NotifyError::NoAnswer {
                place,
                source: error.without_url(),
            },
        })?;
        let answer = Answer::read(answer, &self.secrets).await;
        judge(&answer).map_err(|Refusal { said, trouble }| {
            let retry_after = answer.wait();
            NotifyError::Refused {
                place,
                said: said + &self.why_not_again(trouble, retry_after),
                trouble,
                retry_after,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_one_word() {
        assert_eq!(code("not_in_channel\n"), Some("not_in_channel"));
        assert_eq!(code("WorkflowNotFound"), Some("WorkflowNotFound"));
        for text in ["", "Cannot POST /services/T0/B0/secret", "a b", &"x".repeat(61)] {
            assert_eq!(code(text), None, "{text}");
        }
    }
}
