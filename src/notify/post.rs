//! One way to post: a connection, what is tried again, and what comes of several messages.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;

use super::error::{NotifyError, Trouble};
use super::{Notify, PlaceName};
use crate::retry::{is_passing, retry_after};

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

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) text: String,
}

impl Answer {
    /// The body, where it is JSON; null where it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
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
            status if is_passing(status) => Trouble::Ill,
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

/// A code for programs, as services answer it; none where it is something else: anybody may answer, and may repeat the path that was
/// asked for, which here is a secret.
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
}

impl<'a> Post<'a> {
    pub(super) fn to(place: PlaceName, notify: &'a Notify) -> Result<Self, NotifyError> {
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
        Ok(Self { client, notify, place })
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
            let waiting = |error: &NotifyError, delay| tracing::debug!("{error}; trying again in {delay:?}");
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
        let answer = Answer {
            status: answer.status(),
            retry_after: retry_after(answer.headers()),
            text: answer.text().await.unwrap_or_default(),
        };
        judge(&answer).map_err(|Refusal { said, trouble }| NotifyError::Refused {
            place,
            said,
            trouble,
            retry_after: answer.retry_after.or_else(|| wait_in(&answer)),
        })
    }
}

/// Discord also says it in the body, in seconds (Discord API, "Rate Limits").
fn wait_in(answer: &Answer) -> Option<Duration> {
    Duration::try_from_secs_f64(answer.json().get("retry_after")?.as_f64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_holds_nothing_that_could_be_a_secret_s_path() {
        assert_eq!(code("not_in_channel\n"), Some("not_in_channel"));
        assert_eq!(code("WorkflowNotFound"), Some("WorkflowNotFound"));
        for text in ["", "Cannot POST /services/T0/B0/secret", "a b", &"x".repeat(61)] {
            assert_eq!(code(text), None, "{text}");
        }
    }
}
