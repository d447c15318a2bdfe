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
    fn passes(&self) -> bool {
        match self {
            // A message that may have arrived is not sent twice.
            Self::Url(_) | Self::NoAnswer { .. } | Self::Template(_) => false,
            Self::Refused { trouble, .. } => matches!(trouble, Trouble::Limit | Trouble::Ill),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Url(_) | Self::NoAnswer { .. } | Self::Template(_) => None,
        }
    }
}

impl NotifyError {
    /// Whether the next message would have the same end. The webhook's refusals say too little to tell.
    pub(super) fn is_of_all(&self) -> bool {
        match self {
            Self::Refused { place, trouble, .. } => *place != PlaceName::Webhook && *trouble != Trouble::Message,
            Self::Url(_) | Self::NoAnswer { .. } | Self::Template(_) => true,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Template(_) => {
                "mend the template in webhook.template; `ecr-keeper notify test --place webhook` tries it"
            }
            Self::Url(place) | Self::NoAnswer { place, .. } => unreached(*place),
            Self::Refused { place, trouble, .. } => match place {
                PlaceName::Webhook => unreached(*place),
                PlaceName::Slack => of_slack(*trouble),
                PlaceName::Teams => of_teams(*trouble),
            },
        }
    }
}

fn unreached(place: PlaceName) -> &'static str {
    match place {
        PlaceName::Webhook => "check webhook.url (DISCORD_WEBHOOK) and webhook.kind",
        PlaceName::Slack => {
            "check this machine's network and proxy (HTTPS_PROXY), and slack.api_url or slack.webhook_url, if they are set"
        }
        PlaceName::Teams => "check this machine's network and proxy (HTTPS_PROXY), and teams.webhook_url",
    }
}

fn of_slack(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Login => {
            "set slack.token (SLACK_OAUTH_TOKEN) to the app's Bot User OAuth Token; one of an app that was removed or installed again \
             has gone"
        }
        Trouble::Scope => {
            "give the app the scope chat:write (OAuth & Permissions), and install it to the workspace again"
        }
        Trouble::NoChannel => {
            "check slack.channel: the channel's id, or its name; a private channel is there for a bot only that is in it"
        }
        Trouble::NotInChannel => {
            "invite the bot, by /invite @NAME in the channel; into public channels it may also post with the scope chat:write.public"
        }
        Trouble::Archived => "unarchive the channel, or name another in slack.channel",
        Trouble::Gone => {
            "the incoming webhook, or its channel, is gone, archived or switched off: make a new one, and set slack.webhook_url \
             (SLACK_DDPS) to the whole of its URL"
        }
        Trouble::Limit => "Slack takes about one message a second for a channel: see retry, and slack.errors_only",
        Trouble::Ill => "Slack is ill (status.slack.com): the result files have everything",
        Trouble::Strange => "what answers is not Slack: check slack.api_url and what stands between",
        Trouble::Message => "Slack does not take this message: please report it; the result files have everything",
        Trouble::Off | Trouble::Other => "Slack's page of chat.postMessage tells what the code means",
    }
}

fn of_teams(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Login | Trouble::Scope => {
            "copy the whole URL from the flow's trigger, with all behind the ?; anyone has to be allowed to trigger the flow"
        }
        Trouble::Gone | Trouble::NoChannel => {
            "the flow is gone, or the URL is cut short: make a new one, and set teams.webhook_url to the whole of its URL"
        }
        Trouble::Off => "the flow is turned off: turn it on in Teams' Workflows",
        Trouble::Limit => "the flow takes fewer messages: see retry, and teams.errors_only",
        Trouble::Ill => "Power Automate is ill: the result files have everything",
        Trouble::Message => {
            "the flow's trigger has to be \"When a Teams webhook request is received\", without a schema of its own"
        }
        Trouble::NotInChannel | Trouble::Archived | Trouble::Strange | Trouble::Other => {
            "the flow's run history in Power Automate tells more"
        }
    }
}
