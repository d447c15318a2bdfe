//! What to do about a message that did not arrive.

use super::{NotifyError, PlaceName, Trouble};

impl NotifyError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Template(_) => {
                "mend the template in webhook.template; `ecr-keeper notify test --place webhook` tries it"
            }
            Self::Unwritable(..) => "please report it; the result files have what can be written",
            Self::Url(place) | Self::NoAnswer { place, .. } => unreached(*place),
            Self::Refused { place, trouble, .. } => match place {
                PlaceName::Webhook => of_webhook(*trouble),
                PlaceName::Slack => of_slack(*trouble),
                PlaceName::Teams => of_teams(*trouble),
            },
        }
    }
}

const OF_WEBHOOK: &str = "check webhook.url (DISCORD_WEBHOOK) and webhook.kind";
const UNSURE: &str = "it may have arrived, and is not posted twice; the result files have everything";

fn unreached(place: PlaceName) -> &'static str {
    match place {
        PlaceName::Webhook => OF_WEBHOOK,
        PlaceName::Slack => {
            "check this machine's network and proxy (HTTPS_PROXY), and slack.api_url or slack.webhook_url, if they are set"
        }
        PlaceName::Teams => "check this machine's network and proxy (HTTPS_PROXY), and teams.webhook_url",
    }
}

fn of_webhook(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Login | Trouble::Gone => {
            "the webhook is gone, or wants another login: check webhook.url (DISCORD_WEBHOOK) and webhook.headers"
        }
        Trouble::Limit => "it takes fewer messages: see retry, and webhook.errors_only",
        Trouble::Ill => "who takes the messages is ill: the result files have everything",
        Trouble::Unsure => UNSURE,
        Trouble::Scope
        | Trouble::NoChannel
        | Trouble::NotInChannel
        | Trouble::Archived
        | Trouble::Off
        | Trouble::Message
        | Trouble::Strange
        | Trouble::Other => OF_WEBHOOK,
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
        Trouble::Archived => {
            "unarchive the channel, or name another: in slack.channel, or by an incoming webhook of its own"
        }
        Trouble::Gone => {
            "the incoming webhook, or its channel, is gone or switched off, or the URL is cut short: make a new one, and set slack.webhook_url \
             (SLACK_DDPS) to the whole of its URL"
        }
        Trouble::Limit => "Slack takes about one message a second for a channel: see retry, and slack.errors_only",
        Trouble::Unsure => UNSURE,
        Trouble::Ill => "Slack is ill (status.slack.com): the result files have everything",
        Trouble::Strange => {
            "what answers is not Slack: check slack.api_url or slack.webhook_url (SLACK_DDPS), and what stands between"
        }
        Trouble::Message => "Slack does not take this message: please report it; the result files have everything",
        Trouble::Off | Trouble::Other => {
            "Slack's page of chat.postMessage, or of incoming webhooks, tells what the code means"
        }
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
        Trouble::Unsure => UNSURE,
        Trouble::Ill => "Power Automate is ill: the result files have everything",
        Trouble::Message => {
            "the flow's trigger has to be \"When a Teams webhook request is received\", without a schema of its own"
        }
        Trouble::NotInChannel | Trouble::Archived | Trouble::Strange | Trouble::Other => {
            "the flow's run history in Power Automate tells more"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Failure;
    use crate::retry::Passes;

    #[test]
    fn a_report_that_cannot_be_written_is_a_failure_and_no_silence() {
        let why = serde_json::from_str::<u8>("none").unwrap_err();
        let error = NotifyError::Unwritable(PlaceName::Webhook, why);
        let failure = Failure::new(&error, Some(error.hint()));
        assert_eq!(
            failure.message,
            "post to the webhook: the report cannot be written as JSON"
        );
        assert_eq!(failure.causes.len(), 1);
        assert!(!error.passes() && error.is_of_all());
    }
}
