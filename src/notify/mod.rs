//! Tells people what happened.
//!
//! A [`Place`] makes messages of a report, within the limits of who takes them, and reads the answers; how a message is posted, and
//! what is tried again, is the same for all (`post`).

mod chat;
mod discord;
mod error;
mod fit;
mod hints;
mod post;
mod secrets;
mod slack;
mod teams;
mod template;
mod webhook;

pub use chat::{Chat, Occasion};
pub use error::{NotifyError, Trouble};
pub use slack::{Slack, SlackWay};
pub use teams::Teams;
pub use template::{Template, TemplateError};
pub use webhook::{Webhook, WebhookKind};

use std::fmt;

use futures::future::join_all;
use serde::Serialize;

use crate::report::{Failure, Report};
use crate::retry::{Retry, Timeouts};
use crate::stop::Stop;

/// Everybody who is told.
#[derive(Debug, Clone)]
pub struct Notify {
    /// Where to.
    pub places: Vec<Place>,
    /// How often a message is tried.
    pub retry: Retry,
    /// How long the other side is waited for.
    pub timeouts: Timeouts,
}

/// A place to post to.
#[derive(Debug, Clone)]
pub enum Place {
    /// Discord, or a program that takes JSON or what a template makes.
    Webhook(Webhook),
    /// Slack.
    Slack(Slack),
    /// Microsoft Teams.
    Teams(Teams),
}

/// What a place is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlaceName {
    /// [`Place::Webhook`].
    Webhook,
    /// [`Place::Slack`].
    Slack,
    /// [`Place::Teams`].
    Teams,
}

impl PlaceName {
    /// Every one, in the order in which they are told.
    pub const ALL: [Self; 3] = [Self::Webhook, Self::Slack, Self::Teams];

    /// Its section in the settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Teams => "teams",
        }
    }
}

/// As it is named in a sentence.
impl fmt::Display for PlaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Webhook => "the webhook",
            Self::Slack => "Slack",
            Self::Teams => "Teams",
        })
    }
}

impl Place {
    /// What it is called.
    pub fn name(&self) -> PlaceName {
        match self {
            Self::Webhook(_) => PlaceName::Webhook,
            Self::Slack(_) => PlaceName::Slack,
            Self::Teams(_) => PlaceName::Teams,
        }
    }
}

impl Notify {
    /// Posts a report to every place at once, so that one that is slow or fails keeps no other waiting. Answers what did not arrive.
    pub async fn post(&self, report: &Report, stop: &Stop) -> Vec<Failure> {
        let told = self.places.iter().map(|place| self.post_to(place, report, stop));
        join_all(told).await.into_iter().flatten().collect()
    }

    /// Posts lines to Slack, where that is set up; answers what did not arrive.
    pub async fn tell(&self, lines: &[String], stop: &Stop) -> Vec<Failure> {
        let told = self.places.iter().filter_map(|place| match place {
            Place::Slack(slack) => Some(async {
                match stop.hard.run_until_cancelled(slack.tell(lines, self)).await {
                    Some(told) => told.err().map(|error| Failure::new(&error, Some(error.hint()))),
                    None => Some(Failure::stopped(&format!("posting to {}", place.name()))),
                }
            }),
            Place::Webhook(_) | Place::Teams(_) => None,
        });
        join_all(told).await.into_iter().flatten().collect()
    }

    /// Posts a report to one place, unless it has nothing for it; answers what did not arrive.
    pub async fn post_to(&self, place: &Place, report: &Report, stop: &Stop) -> Option<Failure> {
        let posted = async {
            match place {
                Place::Webhook(webhook) => webhook.post(report, self).await,
                Place::Slack(slack) => slack.post(report, self).await,
                Place::Teams(teams) => teams.post(report, self).await,
            }
        };
        match stop.hard.run_until_cancelled(posted).await {
            Some(posted) => posted.err().map(|error| Failure::new(&error, Some(error.hint()))),
            None => Some(Failure::stopped(&format!("posting to {}", place.name()))),
        }
    }
}
