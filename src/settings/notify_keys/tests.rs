use std::path::Path;

use crate::notify::{Place, SlackWay};
use crate::settings::{Given, Settings, Written};

fn settings(file: &str, environment: &[(&str, &str)]) -> Result<Vec<Place>, String> {
    whole(file, environment).map(|settings| settings.notify.places)
}

fn whole(file: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
    let environment = environment
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()));
    let given = Given {
        environment: environment.collect(),
        ..Given::default()
    };
    Settings::of(Some(&Written::to_be(file)), &given).map_err(|error| error.to_string())
}

#[track_caller]
fn mistaken(file: &str, says: &[&str]) {
    let told = settings(file, &[]).unwrap_err();
    for says in says {
        assert!(told.contains(says), "{says:?} is not in {told}");
    }
    assert_eq!(told.lines().count(), says.len() + 1, "{told}");
}

#[test]
fn each_place_is_one_that_has_an_address() {
    let of = |environment: &[(&str, &str)]| {
        let places = settings("slack: { channel: C1, header: Images }", environment).unwrap();
        places.iter().map(|place| place.name().word()).collect::<Vec<_>>()
    };
    assert_eq!(of(&[]), [""; 0], "a channel alone waits for its token");
    let hook = ("DISCORD_WEBHOOK", "https://discord.com/api/webhooks/1/x");
    let token = ("SLACK_OAUTH_TOKEN", "xoxb-1");
    let both = whole("slack: { channel: C1 }", &[token]).unwrap();
    assert_eq!(both.without_effect, []);
    let teams = ("ECR_KEEPER_TEAMS__WEBHOOK_URL", "https://example.com/flow");
    assert_eq!(of(&[hook, token, teams]), ["webhook", "slack", "teams"]);
}

#[test]
fn a_bot_and_an_incoming_webhook_exclude_each_other_within_one_layer() {
    let file = "slack: { token: xoxb-1, channel: '#images' }";
    let places = settings(file, &[("SLACK_DDPS", "https://hooks.slack.com/x")]).unwrap();
    let [Place::Slack(slack)] = &places[..] else {
        panic!("{places:?}")
    };
    assert!(matches!(slack.way, SlackWay::Webhook(_)), "the environment's counts");
    mistaken(
        "slack: { webhook_url: https://hooks.slack.com/x, channel: C1 }",
        &["slack.channel: needs slack.token: an incoming webhook has its channel"],
    );
    let both = [
        ("SLACK_DDPS", "https://hooks.slack.com/x"),
        ("SLACK_OAUTH_TOKEN", "xoxb-1"),
    ];
    let told = settings("", &both).unwrap_err();
    let says = "SLACK_OAUTH_TOKEN: slack.token: slack.webhook_url says how Slack is reached, too: only one of both can";
    assert!(told.ends_with(says), "{told}");
    let file = "slack: { webhook_url: https://hooks.slack.com/x, channel: C1 }";
    let places = settings(file, &[("SLACK_OAUTH_TOKEN", "xoxb-1")]).unwrap();
    let [Place::Slack(slack)] = &places[..] else {
        panic!("{places:?}")
    };
    assert!(
        matches!(&slack.way, SlackWay::Bot { channel, .. } if channel == "C1"),
        "the environment's counts"
    );
}

#[test]
fn a_token_waits_for_its_channel_wherever_it_is_from() {
    let token = [("SLACK_OAUTH_TOKEN", "xoxb-secret")];
    for (file, environment, origin) in [
        ("", &token[..], "environment variable SLACK_OAUTH_TOKEN"),
        ("slack: { token: xoxb-secret }", &[], "the settings"),
    ] {
        let settings = whole(file, environment).unwrap();
        assert_eq!(settings.notify.places.len(), 0);
        let notes: Vec<String> = settings.without_effect.iter().map(ToString::to_string).collect();
        let says = "slack.token: has no effect without slack.channel (slack_channel_id in an event)";
        assert_eq!(notes.len(), 1);
        assert!(notes[0].starts_with(&format!("{origin}: {says}")), "{notes:?}");
    }
    // What has no effect takes nothing's place.
    let hook = "slack: { webhook_url: https://hooks.slack.com/x }";
    let places = settings(hook, &token).unwrap();
    assert!(
        matches!(&places[..], [Place::Slack(slack)] if matches!(slack.way, SlackWay::Webhook(_))),
        "{places:?}"
    );
}

#[test]
fn mistakes_are_told_all_at_once_and_no_secret_with_them() {
    mistaken(
        "slack: { token: https://hooks.slack.com/secret, errors_only: true, send_empty: true }\n\
         teams: { webhook_url: secret, header: ' ' }\n\
         webhook: { content_type: text, headers: { Host: secret, 'a b': secret, Accept: \"secret\\nX: y\" } }",
        &[
            "slack.token: the value is not allowed; allowed: a token, such as xoxb-…",
            "slack.send_empty: needs slack.errors_only: false",
            "teams.webhook_url: the value is not allowed; allowed: a http:// or https:// URL",
            "teams.header: \" \" is not allowed; allowed: text of at most 150 characters",
            "webhook.content_type: \"text\" is not allowed; allowed: a media type",
            "webhook.content_type: needs a webhook.template beside it",
            "webhook.headers.Host: is the request's own",
            "webhook.headers.a b: is no header's name",
            "webhook.headers.Accept: the value is not allowed; allowed: a header's value",
        ],
    );
    let told = settings(
        "webhook: { headers: { Accept: 'ü-secret' } }\nteams: { webhook_url: secret }",
        &[],
    );
    assert!(!told.unwrap_err().contains("secret"));
}

#[test]
fn a_template_is_tried_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| -> String {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let webhook = |path: &str| format!("webhook: {{ kind: generic, template: {path} }}");
    let good = file("good", "{{ totals | tojson }}");
    assert!(settings(&webhook(&good), &[]).is_ok());
    mistaken(
        &format!("webhook: {{ template: {good} }}"),
        &["webhook.template: needs webhook.kind: generic"],
    );
    let broken = file("broken", "{\n{% for image in images %}\n}");
    mistaken(
        &webhook(&broken),
        &[&format!(
            "webhook.template: {broken:?} is not allowed: line 2: syntax error: "
        )],
    );
    let text = file("text", "{{ summary }}");
    mistaken(&webhook(&text), &["is not allowed: what it makes is no JSON: "]);
    let absent = Path::new(&good).with_file_name("absent");
    mistaken(
        &webhook(&absent.display().to_string()),
        &["is not allowed: no such file"],
    );
}

#[test]
fn headers_come_from_all_layers_whatever_their_letters() {
    let file = "webhook: { url: https://example.com, kind: generic, headers: { X-Api-Key: file, X-Team: images } }";
    let places = settings(file, &[("ECR_KEEPER_WEBHOOK__HEADERS__X_API_KEY", "environment")]).unwrap();
    let [Place::Webhook(webhook)] = &places[..] else {
        panic!("{places:?}")
    };
    assert_eq!(webhook.headers["x-api-key"], "environment");
    assert_eq!(webhook.headers["x-team"], "images");
    assert!(!format!("{webhook:?}").contains("environment"));
}
