use std::time::Duration;

use super::{PlaceName, TemplateError};
use crate::retry::Passes;

/// A message that did not arrive. Its text never holds a URL, a token or a header.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The URL is none.
    #[error("post to {0}: its URL cannot be used")]
    Url(PlaceName),
    /// Nothing answered.
    #[error("post to {place}: no answer")]
    NoAnswer {
        /// Who did not.
        place: PlaceName,
        /// Why, as far as it is known.
        #[source]
        source: reqwest::Error,
    },
    /// It was refused.
    #[error("post to {place}: {said}")]
    Refused {
        /// By whom.
        place: PlaceName,
        /// The status, and the code or the words that came with it.
        said: String,
        /// What that means.
        trouble: Trouble,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The report is no JSON.
    #[error("post to {0}: the report cannot be written as JSON")]
    Unwritable(PlaceName, #[source] serde_json::Error),
    /// There was nothing to post: the template and the report do not fit together.
    #[error("post to the webhook: its template makes no message")]
    Template(#[source] TemplateError),
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Too many messages.
    Limit,
    /// The other side is ill.
    Ill,
    /// Something went wrong on the way or over there, and the message may have arrived.
    Unsure,
    /// The login is none, or no longer.
    Login,
    /// The login may not do this.
    Scope,
    /// The channel is not there, or not for us.
    NoChannel,
    /// The bot is not in the channel.
    NotInChannel,
    /// The channel takes no messages any more.
    Archived,
    /// The webhook's own address is gone or switched off.
    Gone,
    /// What takes messages is switched off.
    Off,
    /// This message is too long, or has another shape than it should.
    Message,
    /// The answer is not one of that service.
    Strange,
    /// Something else.
    Other,
}

impl Passes for NotifyError {
    /// A message that may have arrived is not sent twice.
    fn passes(&self) -> bool {
        match self {
            Self::NoAnswer { source, .. } => source.is_connect(),
            Self::Refused { trouble, .. } => matches!(trouble, Trouble::Limit | Trouble::Ill),
            Self::Url(_) | Self::Unwritable(..) | Self::Template(_) => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Url(_) | Self::NoAnswer { .. } | Self::Unwritable(..) | Self::Template(_) => None,
        }
    }
}

impl NotifyError {
    /// Whether the next message would have the same end.
    pub(super) fn is_of_all(&self) -> bool {
        match self {
            // Of what any program may answer, only this is sure.
            Self::Refused {
                place: PlaceName::Webhook,
                trouble,
                ..
            } => matches!(trouble, Trouble::Login | Trouble::Gone | Trouble::Limit),
            Self::Refused { trouble, .. } => *trouble != Trouble::Message,
            Self::Url(_) | Self::NoAnswer { .. } | Self::Unwritable(..) | Self::Template(_) => true,
        }
    }
}
