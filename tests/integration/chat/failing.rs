//! What is tried again, what is not, and what a place that has gone costs.

use std::net::SocketAddr;

use ecr_lab::ApiFault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

fn statuses(world: &World) -> Vec<u16> {
    let attempts = world.lab.webhook().attempts();
    attempts.iter().map(|attempt| attempt.status).collect()
}

/// Who answers whatever is asked with this, once; it goes on until nobody listens.
async fn answer(at: SocketAddr, head: &'static str, body: impl Iterator<Item = &'static str> + Send + 'static) {
    let listener = TcpListener::bind(at).await.expect("the port is free");
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.expect("a connection");
        let mut asked = Vec::new();
        while !asked.ends_with(b"}") {
            connection.read_buf(&mut asked).await.expect("a request");
        }
        if connection.write_all(head.as_bytes()).await.is_ok() {
            pour(&mut connection, body).await;
        }
    });
}

async fn pour(connection: &mut TcpStream, body: impl Iterator<Item = &'static str>) {
    for piece in body {
        if connection.write_all(piece.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("its address")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_there_yet_is_tried_again() {
    let world = empty_world().await;
    let at = nobody().await;
    let mut run = world
        .keeper(&["notify", "test"])
        .env("SLACK_DDPS", format!("http://{at}/services/x"))
        .env("ECR_KEEPER_RETRY__TRIES", "10")
        .env("ECR_KEEPER_RETRY__WAIT", "200ms")
        .started();
    run.said("post to Slack: no answer; trying again").await;
    answer(at, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", ["ok"].into_iter()).await;
    assert_eq!(run.end().await.code_is(0).stdout, "slack     arrived\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incoming_webhook_of_slack_that_gives_no_reason_has_a_hint_all_the_same() {
    let world = empty_world().await;
    for (head, says, hint) in [
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 15\r\n\r\n",
            "post to Slack: 403 Forbidden",
            "hint: the incoming webhook, or its channel, is gone",
        ),
        (
            "HTTP/1.1 302 Found\r\nContent-Length: 15\r\n\r\n",
            "post to Slack: 302 Found",
            "hint: what answers is not Slack: check slack.api_url or slack.webhook_url",
        ),
    ] {
        let at = nobody().await;
        answer(at, head, ["<p>not here</p>"].into_iter()).await;
        let test = world.keeper(&["notify", "test"]);
        let ran = test.env("SLACK_DDPS", format!("http://{at}/services/x")).ran().await;
        contains(&ran.code_is(1).stdout, &[says, hint]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_arrived_is_not_posted_twice() {
    let world = empty_world().await;
    let sink = world.lab.webhook();
    let test = || by_bot(&world, &["notify", "test"]);
    for status in [502, 504] {
        sink.answer_status(1, status);
        let ran = test().ran().await.code_is(1);
        contains(
            &ran.stdout,
            &[&format!("post to Slack: {status} "), "it may have arrived"],
        );
        assert_eq!(statuses(&world), [status]);
        sink.clear();
    }
    // The status is Slack's, or of what stands before it; the code beside it says nothing of that.
    for status in [500, 503] {
        sink.answer_status(1, status);
        test().ran().await.code_is(0);
        assert_eq!(statuses(&world), [status, 200]);
        sink.clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_an_end_is_not_read_to_it() {
    let world = empty_world().await;
    let at = nobody().await;
    let head =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"message\": \"";
    answer(at, head, std::iter::repeat("more and more of it ")).await;
    let run = world
        .keeper(&["notify", "test"])
        .env("ECR_KEEPER_WEBHOOK__URL", format!("http://{at}/hook"))
        .env("ECR_KEEPER_WEBHOOK__KIND", "generic")
        // The bound of an answer's time is not what ends it.
        .env("ECR_KEEPER_TIMEOUTS__ANSWER", "1h");
    let ran = tokio::time::timeout(Duration::from_secs(60), run.ran()).await;
    let ran = ran.expect("it ends").code_is(1);
    contains(&ran.stdout, &["post to the webhook: 400 Bad Request"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discord_that_is_dead_is_posted_to_once() {
    let world = world_of_three().await;
    let sink = world.lab.webhook();
    let sync = || {
        let run = world.keeper(&["sync", "--output", "json"]);
        run.env("DISCORD_WEBHOOK", sink.url())
    };
    for status in [401, 403, 404] {
        sink.answer_status(9, status);
        let ran = sync().ran().await.code_is(1);
        contains(
            &ran.failure(),
            &[&format!("post to the webhook: {status} "), "webhook.headers"],
        );
        assert_eq!(statuses(&world), [status]);
        sink.clear();
        sink.recover();
    }
    // For longer than retry.longest.
    sink.rate_limit(9, Duration::from_secs(3600));
    let ran = sync().ran().await.code_is(1);
    contains(
        &ran.failure(),
        &[
            "post to the webhook: 429 ",
            ", for 1h, which is longer than retry.longest",
            "webhook.errors_only",
        ],
    );
    assert_eq!(statuses(&world), [429]);
    sink.clear();
    sink.recover();
    // One list that is not taken says nothing of the next.
    sink.answer_status(1, 400);
    sync().ran().await.code_is(1);
    assert_eq!(statuses(&world), [400, 204]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_stopped_is_told_in_every_chat() {
    let world = world_of_three().await;
    let listing = ApiFault::slow("DescribeImages", Duration::from_secs(600));
    world.lab.ecr().api_fault(listing);
    let run = by_bot(&world, &["sync", "--log-level", "debug"]).env("DISCORD_WEBHOOK", world.lab.webhook().url());
    let mut run = to_teams(run, &world).started();
    run.said("ask AWS: DescribeImages").await;
    run.signal("INT");
    run.end().await.code_is(130);
    let slack = of_slack(&messages_at(&world, "/slack/api")[0]);
    assert!(slack[2].starts_with("❌ stopped by SIGINT\n"), "{slack:?}");
    let teams = of_teams(&messages_at(&world, "/teams/")[0]);
    assert_eq!(teams[2], "❌ stopped by SIGINT");
    let discord = messages_at(&world, "/api/webhooks");
    assert!(
        discord[0]
            .content
            .starts_with("Failed images!\n:x: stopped by SIGINT\n"),
        "{discord:?}"
    );
}
