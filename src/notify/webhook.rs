//! A webhook of Discord's, or of anything that takes what is posted.

use std::time::Duration;

use http::HeaderMap;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};

use super::error::Trouble;
use super::post::{Answer, Message, Post, Refusal, said};
use super::secrets::Secrets;
use super::{Notify, NotifyError, PlaceName, Template, discord};
use crate::report::Report;

/// An address that takes messages.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Where. Whoever knows it can post: it is a secret.
    pub url: SecretString,
    /// In which shape.
    pub kind: WebhookKind,
    /// What is sent beside it; secrets, too.
    pub headers: HeaderMap,
    /// Whether nothing is posted when all is well.
    pub errors_only: bool,
}

/// The shape of what is posted.
#[derive(Debug, Clone)]
pub enum WebhookKind {
    /// Discord messages: one list each of updated, unchanged and failed images.
    Discord {
        /// Whether a list is posted although it is empty.
        send_empty: bool,
    },
    /// The whole report as JSON, once.
    Generic,
    /// What a template makes of the report, once.
    Template(Template),
}

impl Webhook {
    /// Posts a report.
    pub(super) async fn post(&self, report: &Report, notify: &Notify) -> Result<(), NotifyError> {
        if self.errors_only && report.ended_well() {
            return Ok(());
        }
        let messages = match &self.kind {
            WebhookKind::Discord { send_empty } => {
                let messages = discord::messages(report, *send_empty);
                messages.into_iter().map(Message::from).collect()
            }
            WebhookKind::Generic => {
                let json = serde_json::to_value(report);
                vec![
                    json.map_err(|why| NotifyError::Unwritable(PlaceName::Webhook, why))?
                        .into(),
                ]
            }
            WebhookKind::Template(template) => vec![Message {
                body: template.render(report).map_err(NotifyError::Template)?,
                content_type: template.content_type().clone(),
            }],
        };
        let request = |client: &reqwest::Client| client.post(self.url.expose_secret()).headers(self.headers.clone());
        Post::to(PlaceName::Webhook, notify, self.secrets())?
            .all(messages, Duration::ZERO, request, judge)
            .await
    }

    fn secrets(&self) -> Secrets {
        let values = self.headers.values().filter_map(|value| value.to_str().ok());
        values.fold(Secrets::of_url(self.url.expose_secret()), Secrets::and)
    }
}

fn judge(answer: &Answer) -> Result<(), Refusal> {
    if answer.status.is_success() {
        return Ok(());
    }
    let refusal = Refusal::of(answer.status, said(answer.status, &reason(answer)));
    let trouble = match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Trouble::Login,
        StatusCode::NOT_FOUND | StatusCode::GONE => Trouble::Gone,
        _ => refusal.trouble,
    };
    Err(Refusal { trouble, ..refusal })
}

/// What a JSON answer says is wrong. A page, or what holds a path, is left out: servers like to repeat the path that they
/// were asked for, and here it is the secret.
fn reason(answer: &Answer) -> String {
    const ENOUGH: usize = 200;
    let message = answer.text_at("/message");
    match message.contains('/') {
        true => String::new(),
        false => message.chars().take(ENOUGH).collect(),
    }
}
