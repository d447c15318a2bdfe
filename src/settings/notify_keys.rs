//! Who is told of runs: a webhook, Slack, Teams.

use std::cmp::Ordering;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::keys::{Key, key};
use super::layers::rank;
use super::reader::Reader;
use super::values::{choice, content, flag, url};
use crate::notify::{Chat, Notify, Occasion, Place, Slack, SlackWay, Teams, Template, Webhook, WebhookKind};
use crate::retry::{Retry, Timeouts};

/// In the order of `settings.yaml`.
pub(super) const OF_NOTIFY: [Key; 22] = [
    key("webhook.url", None, "a http:// or https:// URL")
        .also(&["DISCORD_WEBHOOK"])
        .secret()
        .about("Where to post what happened."),
    key("webhook.kind", Some("discord"), "discord or generic")
        .choice(&["discord", "generic"])
        .about("The shape of what is posted: Discord's messages, or result.json as it is."),
    key("webhook.send_empty", Some("false"), "true or false")
        .flag()
        .about("Whether a Discord message is sent although its list is empty."),
    key("webhook.errors_only", Some("false"), "true or false")
        .flag()
        .about("Whether nothing is posted when all is well."),
    key("webhook.headers.*", None, "a header's value, in ASCII and on one line")
        .secret()
        .about("A header that is sent with it, by its name. In the environment _ stands for - in the name."),
    key(
        "webhook.template",
        None,
        "a file with a template in Jinja's language, with webhook.kind: generic",
    )
    .about("What makes the body, in the place of result.json (docs/chat.md)."),
    key(
        "webhook.content_type",
        None,
        "a media type, such as text/plain; charset=utf-8, beside a template",
    )
    .about("What the template makes; application/json unless said, and then it is made sure that it is JSON."),
    key("slack.token", None, "a token, such as xoxb-…")
        .also(&["SLACK_OAUTH_TOKEN"])
        .secret()
        .about("The token of the bot that posts to Slack, with the scope chat:write, to slack.channel. Or slack.webhook_url."),
    key(
        "slack.channel",
        None,
        "a channel's id, such as C0123456789, or its name",
    )
    .about("The channel that the bot posts to. It has to be in it."),
    key("slack.webhook_url", None, "a http:// or https:// URL")
        .also(&["SLACK_DDPS"])
        .secret()
        .about("A Slack incoming webhook, which has its channel. Or slack.token."),
    key("slack.header", Some("ecr-keeper"), "text of at most 150 characters")
        .about("The title of what is posted to Slack."),
    key(
        "slack.subject",
        Some("*Updated images!*"),
        "text of at most 1000 characters",
    )
    .about("What stands before the images that were updated, in Slack's mrkdwn."),
    key(
        "slack.error_subject",
        Some("*Failed images!*"),
        "text of at most 1000 characters",
    )
    .about("What stands before what failed, in Slack's mrkdwn; <!here> tells who is there."),
    key("slack.errors_only", Some("false"), "true or false")
        .flag()
        .about("Whether nothing is posted to Slack when all is well."),
    key("slack.send_empty", Some("false"), "true or false")
        .flag()
        .about("Whether something is posted to Slack although all is well and nothing was updated."),
    key(
        "slack.api_url",
        Some("https://slack.com/api"),
        "a http:// or https:// URL",
    )
    .about("Where Slack's API is: https://slack-gov.com/api for GovSlack."),
    key("teams.webhook_url", None, "a http:// or https:// URL")
        .secret()
        .about("The URL of a flow in Teams' Workflows that begins with \"When a Teams webhook request is received\"."),
    key("teams.header", Some("ecr-keeper"), "text of at most 150 characters")
        .about("The title of what is posted to Teams."),
    key(
        "teams.subject",
        Some("Updated images!"),
        "text of at most 1000 characters",
    )
    .about("What stands before the images that were updated."),
    key(
        "teams.error_subject",
        Some("Failed images!"),
        "text of at most 1000 characters",
    )
    .about("What stands before what failed."),
    key("teams.errors_only", Some("false"), "true or false")
        .flag()
        .about("Whether nothing is posted to Teams when all is well."),
    key("teams.send_empty", Some("false"), "true or false")
        .flag()
        .about("Whether something is posted to Teams although all is well and nothing was updated."),
];

/// Headers that belong to the request itself.
const NOT_OURS: [HeaderName; 5] = [CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING];

impl Reader {
    /// Everybody who is told.
    pub(super) fn notify(&mut self, retry: Option<Retry>, timeouts: Option<Timeouts>) -> Option<Notify> {
        let webhook = self.webhook().map(Place::Webhook);
        let slack = self.slack().map(Place::Slack);
        let teams = self.teams().map(Place::Teams);
        Some(Notify {
            places: [webhook, slack, teams].into_iter().flatten().collect(),
            retry: retry?,
            timeouts: timeouts?,
        })
    }

    fn webhook(&mut self) -> Option<Webhook> {
        let url = self.parse("webhook.url", url);
        let is_generic = self.parse("webhook.kind", |text| {
            choice(text, &[("discord", false), ("generic", true)])
        });
        let send_empty = self.parse("webhook.send_empty", flag);
        let errors_only = self.parse("webhook.errors_only", flag);
        let headers = self.headers();
        let template = self.template();
        if template.is_some() && is_generic == Some(false) {
            self.lacks(&["webhook", "template"], "webhook.kind: generic");
        }
        if template.is_some() && self.find("webhook.url").is_none() {
            self.waits_for(&["webhook", "template"], "webhook.url (DISCORD_WEBHOOK)");
        }
        let kind = match (is_generic?, template) {
            (false, _) => WebhookKind::Discord {
                send_empty: send_empty?,
            },
            (true, None) => WebhookKind::Generic,
            (true, Some(template)) => WebhookKind::Template(template),
        };
        Some(Webhook {
            url: url?.into(),
            kind,
            headers,
            errors_only: errors_only?,
        })
    }

    /// The template, tried; none where there is none, or where it is a mistake.
    fn template(&mut self) -> Option<Template> {
        let content_type = self.parse("webhook.content_type", media_type);
        if self.find("webhook.content_type").is_some() {
            self.lacks_beside(&["webhook", "content_type"], "template", "a webhook.template beside it");
        }
        let content_type = content_type.unwrap_or(HeaderValue::from_static("application/json"));
        self.parse_told("webhook.template", |path| {
            let source = String::from_utf8(content(path)?).map_err(|_| "it is not UTF-8 text".to_owned())?;
            Template::new(source, content_type.clone()).map_err(|error| error.to_string())
        })
    }

    fn headers(&mut self) -> HeaderMap {
        let values = self.each("webhook.headers.*", |text| {
            let mut value = HeaderValue::from_str(text)
                .ok()
                .filter(|value| value.to_str().is_ok())?;
            value.set_sensitive(true);
            Some(value)
        });
        let mut headers = HeaderMap::new();
        let mut found: Vec<_> = values
            .into_iter()
            .filter_map(|(name, value)| {
                let place = ["webhook", "headers", &name].map(str::to_owned).to_vec();
                Some((self.find_at(place)?, name, value))
            })
            .collect();
        // Letter case is no difference in a header's name, and the stronger layer's value is the last.
        found.sort_by_key(|(setting, ..)| rank(&setting.found.origin));
        for (setting, name, value) in found {
            match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) if NOT_OURS.contains(&name) => {
                    let problem = "is the request's own; webhook.content_type says what a template makes";
                    self.mistakes.push(setting.mistake(problem.to_owned()));
                }
                Ok(name) => drop(headers.insert(name, value)),
                Err(_) => self.mistakes.push(setting.mistake("is no header's name".to_owned())),
            }
        }
        headers
    }

    fn slack(&mut self) -> Option<Slack> {
        let token = self.parse("slack.token", token);
        let channel = self.parse("slack.channel", word);
        let webhook_url = self.parse("slack.webhook_url", url);
        let api_url = self.parse("slack.api_url", |text| url(text.trim_end_matches('/')));
        let chat = self.chat("slack");
        let has_token = match self.stronger("slack.token", "slack.webhook_url", "says how Slack is reached") {
            Some(Ordering::Equal) => return None,
            Some(order) => order == Ordering::Greater,
            None => self.find("slack.token").is_some(),
        };
        // The channel may come from elsewhere than the token: an event of a function brings its own.
        let is_bot = has_token && self.find("slack.channel").is_some();
        if has_token && !is_bot {
            let channel =
                "slack.channel (slack_channel_id in an event); in YAML, a name that begins with # is put in quotes";
            self.waits_for(&["slack", "token"], channel);
        } else if webhook_url.is_some() && channel.is_some() && self.find("slack.token").is_none() {
            self.lacks(
                &["slack", "channel"],
                "slack.token: an incoming webhook has its channel",
            );
        } else if channel.is_some() && !has_token && self.find("slack.webhook_url").is_none() {
            self.waits_for(&["slack", "channel"], "slack.token (SLACK_OAUTH_TOKEN)");
        }
        let way = match is_bot {
            true => SlackWay::Bot {
                token: token?.into(),
                channel: channel?,
                api_url: api_url?,
            },
            false => SlackWay::Webhook(webhook_url?.into()),
        };
        Some(Slack { way, chat: chat? })
    }

    fn teams(&mut self) -> Option<Teams> {
        let webhook_url = self.parse("teams.webhook_url", url);
        let chat = self.chat("teams");
        Some(Teams {
            webhook_url: webhook_url?.into(),
            chat: chat?,
        })
    }

    /// What a chat is told, from its section.
    fn chat(&mut self, section: &str) -> Option<Chat> {
        let key = |name: &str| format!("{section}.{name}");
        // Slack takes no blank text.
        let words = |most: usize| {
            move |words: &str| {
                let fits = !words.trim().is_empty() && words.encode_utf16().count() <= most;
                fits.then(|| words.to_owned())
            }
        };
        let header = self.parse(&key("header"), words(Chat::LONGEST_HEADER));
        let subject = self.parse(&key("subject"), words(Chat::LONGEST_SUBJECT));
        let error_subject = self.parse(&key("error_subject"), words(Chat::LONGEST_SUBJECT));
        let errors_only = self.parse(&key("errors_only"), flag);
        let send_empty = self.parse(&key("send_empty"), flag);
        let when = match (errors_only?, send_empty?) {
            (true, true) => {
                self.lacks(&[section, "send_empty"], &format!("{}: false", key("errors_only")));
                return None;
            }
            (true, false) => Occasion::Unwell,
            (false, false) => Occasion::Changed,
            (false, true) => Occasion::Always,
        };
        Some(Chat {
            header: header?,
            subject: subject?,
            error_subject: error_subject?,
            when,
        })
    }
}

/// Text that can stand in a header, or in a line, as one word.
fn word(text: &str) -> Option<String> {
    let is_part = |char: char| !char.is_whitespace() && !char.is_control();
    (!text.is_empty() && text.chars().all(is_part)).then(|| text.to_owned())
}

/// A token of any kind that Slack has ("Tokens"): each begins with `xox`.
fn token(text: &str) -> Option<String> {
    word(text).filter(|token| token.starts_with("xox") && token.is_ascii())
}

/// `TYPE/SUBTYPE`, with parameters where there are some (RFC 9110, section 8.3.1).
fn media_type(text: &str) -> Option<HeaderValue> {
    let essence = text.split(';').next().unwrap_or_default().trim();
    let is_name = |name: &str| !name.is_empty() && HeaderName::from_bytes(name.as_bytes()).is_ok();
    let (kind, subtype) = essence.split_once('/')?;
    (is_name(kind) && is_name(subtype)).then(|| HeaderValue::from_str(text).ok())?
}

#[cfg(test)]
mod tests;
