//! `notify`: tries what tells people of runs.

use std::io::{self, Write};

use futures::future::join_all;
use serde::Serialize;

use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::notify::{Place, PlaceName};
use crate::report::{Failure, Report, SCHEMA_VERSION};
use crate::settings::Settings;

/// What `notify` may be asked.
#[derive(Debug, clap::Subcommand)]
pub enum Options {
    /// Post a message that says that it is a test, to every place that is set up
    #[command(
        after_help = "Example: ecr-keeper notify test --place slack\n\nIt tells of three images that nobody looked at, one of them failed. \
Exit codes: 0 every message arrived; 1 one did not; 2 there is no place to post to, or the settings have mistakes."
    )]
    Test(Test),
}

/// What `notify test` may be told.
#[derive(Debug, clap::Args)]
pub struct Test {
    /// Only this one
    #[arg(long, value_name = "slack|teams|webhook", value_parser = named)]
    pub place: Option<PlaceName>,
}

fn named(text: &str) -> Result<PlaceName, String> {
    // Discord is a kind of webhook, and a name by which people look for it.
    let word = if text == "discord" { "webhook" } else { text };
    let place = PlaceName::ALL.into_iter().find(|name| name.word() == word);
    place.ok_or_else(|| "it is none of slack, teams and webhook, which is discord too".to_owned())
}

/// What became of the tests.
#[derive(Debug, Serialize)]
struct Tried {
    schema_version: u32,
    places: Vec<One>,
    /// What is set and comes to nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// What became of one.
#[derive(Debug, Serialize)]
struct One {
    place: PlaceName,
    arrived: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

/// Posts the tests, and prints what became of them.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let Options::Test(Test { place }) = options;
    let settings = context.settings().await?;
    let wanted = |one: &&Place| place.is_none_or(|name| one.name() == name);
    let places: Vec<&Place> = settings.notify.places.iter().filter(wanted).collect();
    let notes = notes(&settings, *place);
    if places.is_empty() {
        return Err(CommandError::Unusable(nowhere(*place, notes)));
    }
    let mut watch = Watch::begin(context, settings.grace)?;
    let soft = watch.stop.soft.clone();
    let tried = soft
        .run_until_cancelled(attempt(&places, &settings, &watch, notes))
        .await;
    let asked = watch.end_view().await;
    let stopped = || CommandError::without_an_answer(Failure::stopped("posting a test"), asked);
    let tried = tried.ok_or_else(stopped)?;
    context.print(&tried, |tried, out| tried.write_text(out))?;
    Ok(u8::from(tried.places.iter().any(|one| !one.arrived)))
}

/// What is set of these places and comes to nothing.
fn notes(settings: &Settings, place: Option<PlaceName>) -> Vec<String> {
    let is_of = |key: &str, name: PlaceName| key.split('.').next() == Some(name.word());
    let is_asked = |key: &str| match place {
        Some(name) => is_of(key, name),
        None => PlaceName::ALL.into_iter().any(|name| is_of(key, name)),
    };
    let notes = settings.without_effect.iter().filter(|note| is_asked(&note.key));
    notes.map(ToString::to_string).collect()
}

async fn attempt(places: &[&Place], settings: &Settings, watch: &Watch, notes: Vec<String>) -> Tried {
    let report = Report::sample();
    let tests = places.iter().map(|place| async {
        let failure = settings.notify.post_to(place, &report, &watch.stop).await;
        One {
            place: place.name(),
            arrived: failure.is_none(),
            failure,
        }
    });
    Tried {
        schema_version: SCHEMA_VERSION,
        places: join_all(tests).await,
        notes,
    }
}

fn nowhere(place: Option<PlaceName>, notes: Vec<String>) -> Failure {
    let (message, hint) = match place {
        None => (
            "there is no place to post to".to_owned(),
            "set webhook.url (DISCORD_WEBHOOK), slack.token (SLACK_OAUTH_TOKEN) and slack.channel, slack.webhook_url (SLACK_DDPS), or \
             teams.webhook_url",
        ),
        Some(place) => (
            format!("{} is not set up", place.word()),
            match place {
                PlaceName::Webhook => "set webhook.url (DISCORD_WEBHOOK)",
                PlaceName::Slack => {
                    "set slack.token (SLACK_OAUTH_TOKEN) and slack.channel, or slack.webhook_url (SLACK_DDPS)"
                }
                PlaceName::Teams => "set teams.webhook_url",
            },
        ),
    };
    Failure {
        message: format!("post a test: {message}"),
        causes: notes,
        hint: Some(hint.into()),
    }
}

impl Tried {
    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for one in &self.places {
            let place = one.place.word();
            let Some(failure) = &one.failure else {
                writeln!(out, "{place:<9} arrived")?;
                continue;
            };
            writeln!(out, "{place:<9} {}", failure.in_one_line())?;
            if let Some(hint) = &failure.hint {
                writeln!(out, "{:<9} hint: {hint}", "")?;
            }
        }
        self.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))
    }
}
