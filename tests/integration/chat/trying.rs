//! `notify test`, and what it tells of places that take no message.

use serde_json::json;

use super::{by_bot, empty_world, of_slack, of_teams, to_teams};
use crate::bad_input::contains;

#[tokio::test(flavor = "multi_thread")]
async fn every_place_gets_a_message_that_says_that_it_is_a_test() {
    let world = empty_world().await;
    let sink = world.lab.webhook();
    let run = |arguments: &[&str]| to_teams(by_bot(&world, arguments), &world).env("DISCORD_WEBHOOK", sink.url());
    let ran = run(&["notify", "test"]).ran().await.code_is(0);
    assert_eq!(ran.stdout, "webhook   arrived\nslack     arrived\nteams     arrived\n");
    let messages = sink.messages();
    assert_eq!(messages.len(), 5, "Discord has three");
    let says = "this is a test, made by \"ecr-keeper notify test\": no image was looked at";
    let shown = messages.iter().map(|message| match message.path.split('/').nth(1) {
        Some("slack") => of_slack(message).join("\n"),
        Some("teams") => of_teams(message).join("\n"),
        _ => message.content.clone(),
    });
    assert_eq!(shown.filter(|text| text.contains(says)).count(), 3);

    sink.clear();
    let ran = run(&["notify", "test", "--place", "teams", "--output", "json"])
        .ran()
        .await
        .code_is(0);
    let one = json!({ "schema_version": 1, "places": [{ "place": "teams", "arrived": true }] });
    assert_eq!(ran.json(), one);
    assert_eq!(sink.messages().len(), 1);
    assert!(!world.folder().join("result.json").exists(), "a test is no run");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_it_says_which_settings_make_one() {
    let world = empty_world().await;
    let ran = world.keeper(&["notify", "test"]).ran().await.code_is(2);
    contains(
        &ran.stderr,
        &[
            "post a test: there is no place to post to",
            "webhook.url",
            "slack.token",
            "slack.webhook_url",
            "teams.webhook_url",
        ],
    );
    let other = by_bot(&world, &["notify", "test", "--place", "teams"])
        .ran()
        .await
        .code_is(2);
    contains(
        &other.stderr,
        &["post a test: teams is not set up", "hint: set teams.webhook_url"],
    );
    let unknown = world
        .keeper(&["notify", "test", "--place", "irc"])
        .ran()
        .await
        .code_is(2);
    contains(&unknown.stderr, &["it is none of slack, teams and webhook"]);
    let discord = world.keeper(&["notify", "test", "--place", "discord"]);
    let discord = discord.env("DISCORD_WEBHOOK", world.lab.webhook().url()).ran().await;
    assert_eq!(discord.code_is(0).stdout, "webhook   arrived\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slack_s_api_refuses_has_a_hint_of_its_own() {
    let world = empty_world().await;
    let hook = world.lab.webhook().hook_url("page");
    for (name, value, says, hint) in [
        (
            "SLACK_OAUTH_TOKEN",
            "xoxb-of-nobody",
            "post to Slack: invalid_auth",
            "Bot User OAuth Token",
        ),
        (
            "SLACK_OAUTH_TOKEN",
            "xoxb-reader",
            "post to Slack: missing_scope (chat:write is needed)",
            "OAuth & Permissions",
        ),
        (
            "ECR_KEEPER_SLACK__CHANNEL",
            "C0NOWHERE",
            "post to Slack: channel_not_found",
            "check slack.channel",
        ),
        (
            "ECR_KEEPER_SLACK__CHANNEL",
            "C0STRANGERS",
            "post to Slack: not_in_channel",
            "/invite @NAME",
        ),
        (
            "ECR_KEEPER_SLACK__CHANNEL",
            "C0PAST",
            "post to Slack: is_archived",
            "unarchive the channel",
        ),
        (
            "ECR_KEEPER_SLACK__API_URL",
            &hook,
            "post to Slack: 200 OK: without Slack's ok",
            "check slack.api_url",
        ),
        (
            "ECR_KEEPER_SLACK__API_URL",
            "http://127.0.0.1:9",
            "post to Slack: no answer",
            "network and proxy",
        ),
    ] {
        let ran = by_bot(&world, &["notify", "test"])
            .env(name, value)
            .ran()
            .await
            .code_is(1);
        let first = ran.stdout.lines().next().unwrap();
        assert!(first.starts_with(&format!("slack     {says}")), "{first}");
        contains(&ran.stdout, &[&format!("\n{:<9} hint: ", ""), hint]);
    }
    let ran = by_bot(&world, &["notify", "test", "--output", "json"])
        .env("SLACK_OAUTH_TOKEN", "xoxb-of-nobody")
        .ran()
        .await
        .code_is(1);
    let one = &ran.json()["places"][0];
    assert_eq!(
        (&one["arrived"], &one["failure"]["message"]),
        (&json!(false), &json!("post to Slack: invalid_auth"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn incoming_webhooks_and_flows_that_are_gone_are_told_as_that() {
    let world = empty_world().await;
    let sink = world.lab.webhook();
    let unsigned = sink.teams_url().replace("&sig=", "&x=");
    for (name, url, says, hint) in [
        (
            "SLACK_DDPS",
            sink.slack_hook_called("x"),
            "post to Slack: 404 Not Found: no_service",
            "make a new one",
        ),
        (
            "SLACK_DDPS",
            sink.slack_hook_called("of-the-past"),
            "post to Slack: 410 Gone: channel_is_archived",
            "unarchive the channel",
        ),
        (
            "ECR_KEEPER_TEAMS__WEBHOOK_URL",
            sink.teams_flow("x"),
            "post to Teams: 404 Not Found: WorkflowNotFound",
            "the flow is gone",
        ),
        (
            "ECR_KEEPER_TEAMS__WEBHOOK_URL",
            sink.teams_flow("workflows/off"),
            "post to Teams: 400 Bad Request: WorkflowTriggerIsNotEnabled",
            "turn it on",
        ),
        (
            "ECR_KEEPER_TEAMS__WEBHOOK_URL",
            unsigned,
            "post to Teams: 401 Unauthorized: DirectApiAuthorizationRequired",
            "copy the whole URL",
        ),
    ] {
        let ran = world.keeper(&["notify", "test"]).env(name, url).ran().await.code_is(1);
        contains(&ran.stdout, &[says, hint]);
    }
    assert_eq!(sink.attempts().len(), 5, "a no is taken for one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_without_a_token_is_told_of() {
    let world = empty_world().await;
    let sink = world.lab.webhook();
    let note = "environment variable ECR_KEEPER_SLACK__CHANNEL: slack.channel: has no effect without slack.token (SLACK_OAUTH_TOKEN)";
    let run = |arguments: &[&str]| world.keeper(arguments).env("ECR_KEEPER_SLACK__CHANNEL", "C0IMAGES");
    let checked = run(&["config", "check"]).ran().await.code_is(0);
    contains(&checked.stdout, &["settings are valid\n", &format!("note: {note}\n")]);
    let checked = run(&["config", "check", "--output", "json"]).ran().await.code_is(0);
    assert_eq!(checked.json()["notes"], json!([note]));

    let nowhere = run(&["notify", "test"]).ran().await.code_is(2);
    contains(&nowhere.stderr, &["there is no place to post to", note]);
    let beside = run(&["notify", "test"])
        .env("DISCORD_WEBHOOK", sink.url())
        .ran()
        .await
        .code_is(0);
    assert_eq!(beside.stdout, format!("webhook   arrived\nnote: {note}\n"));
    let other = run(&["notify", "test", "--place", "webhook"]).env("DISCORD_WEBHOOK", sink.url());
    assert_eq!(other.ran().await.code_is(0).stdout, "webhook   arrived\n");

    // With a token there is nothing to tell.
    let checked = by_bot(&world, &["config", "check"]).ran().await.code_is(0);
    assert!(!checked.stdout.contains("note"), "{}", checked.stdout);
}
