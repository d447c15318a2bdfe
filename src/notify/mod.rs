//! Tells people what happened.

mod webhook;

pub use webhook::{Webhook, WebhookError, WebhookKind};
