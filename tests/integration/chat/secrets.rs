//! That nobody is told what a chat's key is.

use std::fs;

use super::{empty_world, world_of_three};
use crate::bad_input::contains;
use crate::support::{Ran, World};

/// Standard output, standard error and every file that a run may have written.
fn all_said(world: &World, ran: &Ran) -> String {
    let mut said = format!("{}{}", ran.stdout, ran.stderr);
    for entry in fs::read_dir(world.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            said.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap()));
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_address_or_header_is_ever_told() {
    let world = world_of_three().await;
    let sink = world.lab.webhook();
    let (hook, flow) = (sink.slack_hook(), sink.teams_url());
    let secrets = [
        sink.slack_token(),
        hook.rsplit('/').next().unwrap(),
        flow.rsplit("sig=").next().unwrap(),
        "a-secret-key",
        "hook/secret-path",
    ];
    let with_all = |arguments: &[&str], slack: (&str, &str)| {
        let run = world.keeper(arguments).env(slack.0, slack.1);
        run.env("ECR_KEEPER_SLACK__API_URL", sink.slack_api())
            .env("ECR_KEEPER_TEAMS__WEBHOOK_URL", &flow)
            .env("ECR_KEEPER_WEBHOOK__URL", sink.hook_url("secret-path"))
            .env("ECR_KEEPER_WEBHOOK__KIND", "generic")
            .env("ECR_KEEPER_WEBHOOK__HEADERS__AUTHORIZATION", "Bearer a-secret-key")
    };
    let token = ("SLACK_OAUTH_TOKEN", sink.slack_token());
    let channel = ("ECR_KEEPER_SLACK__CHANNEL", "C0IMAGES");
    let trace = ["sync", "--log-level", "trace"];
    let test = ["notify", "test", "--log-level", "trace", "--output", "json"];
    let mut said = Vec::new();
    for arguments in [
        &trace[..],
        &test,
        &["config", "show"],
        &["config", "show", "--output", "json"],
        &["config", "check"],
    ] {
        said.push(with_all(arguments, token).env(channel.0, channel.1).ran().await);
        said.push(with_all(arguments, ("SLACK_DDPS", &hook)).ran().await);
    }
    // Everything that can fail with a secret in its hands.
    for status in [302, 404, 429, 500] {
        // More than all tries of all places.
        sink.answer_status(99, status);
        said.push(with_all(&test, token).env(channel.0, channel.1).ran().await.code_is(1));
        said.push(with_all(&test, ("SLACK_DDPS", &hook)).ran().await.code_is(1));
        sink.recover();
    }
    let nowhere = |url: &str| {
        url.replace(
            &sink.slack_api()[..sink.slack_api().len() - "/slack/api".len()],
            "http://127.0.0.1:9",
        )
    };
    let silent = with_all(&test, ("SLACK_DDPS", &nowhere(&hook))).env("ECR_KEEPER_TEAMS__WEBHOOK_URL", nowhere(&flow));
    said.push(silent.ran().await.code_is(1));
    let mistaken =
        with_all(&["config", "check"], ("SLACK_DDPS", &hook[5..])).env("ECR_KEEPER_TEAMS__WEBHOOK_URL", &flow[5..]);
    said.push(mistaken.ran().await.code_is(2));
    assert!(
        said[0].stderr.contains("DEBUG") || said[0].stderr.contains("TRACE"),
        "it does log"
    );
    for ran in &said {
        let said = all_said(&world, ran);
        for secret in secrets {
            assert!(!said.contains(secret), "{secret} is told in:\n{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_say_back_of_a_secret_is_taken_out() {
    let world = empty_world().await;
    let sink = world.lab.webhook();
    let test = || world.keeper(&["notify", "test"]);
    let mine = "json0123456789abcdef";
    let webhook = test()
        .env("ECR_KEEPER_WEBHOOK__URL", sink.echo_url(mine))
        .env("ECR_KEEPER_WEBHOOK__KIND", "generic")
        .env("ECR_KEEPER_WEBHOOK__HEADERS__AUTHORIZATION", "Bearer my-own-key");
    let slack = test().env("SLACK_DDPS", sink.echo_url("text0123456789abcdef"));
    let teams = test().env("ECR_KEEPER_TEAMS__WEBHOOK_URL", sink.echo_url(mine));
    for (run, says) in [
        (
            webhook,
            "webhook   post to the webhook: 400 Bad Request: *** may not post to ***",
        ),
        (slack, "slack     post to Slack: 400 Bad Request\n"),
        (teams, "teams     post to Teams: 400 Bad Request\n"),
    ] {
        let ran = run.ran().await.code_is(1);
        contains(&ran.stdout, &[says]);
        for secret in ["0123456789abcdef", "my-own-key"] {
            assert!(
                !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
                "{}",
                ran.stdout
            );
        }
    }
}
