use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use ecr_lab::images::tiny;
use ecr_lab::{LabOptions, Message};
use serde_json::Value;

use crate::bad_input::contains;
use crate::support::{Run, World};

mod failing;
mod secrets;
mod trying;

const REPOSITORY: &str = "base/image/busybox";
const UPSTREAM: &str = "library/busybox";
const UPDATED: &str = "✅ `docker.io/library/busybox:new` → `base/image/busybox:new`";
const FAILED: &str = "❌ `base/image/busybox:gone` — upstream docker.io/library/busybox:gone does not exist";

async fn empty_world() -> World {
    World::without_daemon(LabOptions::default()).await
}

/// One of each: updated, unchanged, vanished.
async fn world_of_three() -> World {
    let world = empty_world().await;
    world.upstream(UPSTREAM, "new", tiny("new")).await;
    world.ecr(REPOSITORY, "new", tiny("old")).await;
    world.upstream(UPSTREAM, "same", tiny("same")).await;
    world.ecr(REPOSITORY, "same", tiny("same")).await;
    world.ecr(REPOSITORY, "gone", tiny("gone")).await;
    world
}

/// Nothing but an image that is current.
async fn world_without_news() -> World {
    let world = empty_world().await;
    world.upstream(UPSTREAM, "same", tiny("same")).await;
    world.ecr(REPOSITORY, "same", tiny("same")).await;
    world
}

fn by_bot(world: &World, arguments: &[&str]) -> Run {
    let sink = world.lab.webhook();
    world
        .keeper(arguments)
        .env("SLACK_OAUTH_TOKEN", sink.slack_token())
        .env("ECR_KEEPER_SLACK__CHANNEL", "C0IMAGES")
        .env("ECR_KEEPER_SLACK__API_URL", sink.slack_api())
}

fn to_teams(run: Run, world: &World) -> Run {
    run.env("ECR_KEEPER_TEAMS__WEBHOOK_URL", world.lab.webhook().teams_url())
}

/// The messages that went to a path.
fn messages_at(world: &World, path: &str) -> Vec<Message> {
    let messages = world.lab.webhook().messages().into_iter();
    messages.filter(|message| message.path.starts_with(path)).collect()
}

/// What a Slack message shows, block by block.
fn of_slack(message: &Message) -> Vec<String> {
    let text = |block: &Value| {
        let text = match block["type"].as_str() {
            Some("context") => &block["elements"][0]["text"],
            _ => &block["text"]["text"],
        };
        text.as_str().unwrap().to_owned()
    };
    message.json["blocks"].as_array().unwrap().iter().map(text).collect()
}

/// What a card of Teams shows, row by row.
fn of_teams(message: &Message) -> Vec<String> {
    let rows = message.json["attachments"][0]["content"]["body"].as_array().unwrap();
    let text = |row: &Value| row["inlines"][0]["text"].as_str().unwrap().to_owned();
    rows.iter().map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_tells_slack_what_was_updated_what_failed_and_how_many() {
    let world = world_of_three().await;
    by_bot(&world, &["sync"]).ran().await.code_is(1);
    let messages = world.lab.webhook().messages();
    assert_eq!(messages.len(), 1);
    let message = &messages[0];
    assert_eq!(message.path, "/slack/api/chat.postMessage");
    assert_eq!(message.headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(message.json["channel"], "C0IMAGES");
    let shown = of_slack(message);
    assert_eq!(
        shown[..5],
        ["ecr-keeper", "*Failed images!*", FAILED, "*Updated images!*", UPDATED]
    );
    let (counts, time) = shown[5].split_once(" · ").unwrap();
    assert_eq!(counts, "1 updated, 1 unchanged, 1 refused");
    let ended = serde_json::from_str::<Value>(&world.file("result.json")).unwrap()["ended"].clone();
    // RFC 3339's letters are words to people.
    let day_and_hour = ended.as_str().unwrap().replace('T', " ");
    assert!(
        day_and_hour.starts_with(time.trim_end_matches(" UTC")),
        "{time} {ended}"
    );
    assert_eq!(
        message.json["text"],
        format!("ecr-keeper: {}", shown[5]),
        "for notifications"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incoming_webhook_and_teams_are_told_the_same_in_the_user_s_words() {
    let world = world_of_three().await;
    let settings = "slack: { header: Base images, error_subject: '<!here> look' }\nteams: { header: '*Base* images', subject: New }";
    fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let run = world
        .keeper(&["sync"])
        .env("SLACK_DDPS", world.lab.webhook().slack_hook());
    to_teams(run, &world).ran().await.code_is(1);

    let [slack] = &messages_at(&world, "/slack/services")[..] else {
        panic!("one message")
    };
    assert_eq!(of_slack(slack)[..3], ["Base images", "<!here> look", FAILED]);
    assert_eq!(slack.json.get("channel"), None, "the webhook has its own");
    let [teams] = &messages_at(&world, "/teams/")[..] else {
        panic!("one card")
    };
    assert_eq!(
        of_teams(teams)[..5],
        [
            "*Base* images",
            "Failed images!",
            "❌ base/image/busybox:gone — upstream docker.io/library/busybox:gone does not exist",
            "New",
            "✅ docker.io/library/busybox:new → base/image/busybox:new",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn long_reports_are_split_within_the_limits_and_tell_every_image_once() {
    const IMAGES: usize = 100;
    let world = empty_world().await;
    let tag = |number: usize| format!("{number:03}_{}", "a_long_tag".repeat(11));
    for number in 0..IMAGES {
        // Each another one: many tags of one image would be written to one place of the registry at once.
        world.upstream(UPSTREAM, &tag(number), tiny(&tag(number))).await;
        world.ecr(REPOSITORY, &tag(number), tiny("old")).await;
    }
    to_teams(by_bot(&world, &["sync"]), &world).ran().await.well();

    let slack = messages_at(&world, "/slack/api");
    let shown: Vec<String> = slack.iter().flat_map(of_slack).collect();
    let lines: Vec<&str> = shown.iter().flat_map(|text| text.lines()).collect();
    let cards = messages_at(&world, "/teams/");
    let rows: Vec<String> = cards.iter().flat_map(of_teams).collect();
    assert!(
        slack.len() > 2 && cards.len() > 1,
        "{} and {}",
        slack.len(),
        cards.len()
    );
    for number in 0..IMAGES {
        let name = format!("docker.io/library/busybox:{}", tag(number));
        assert_eq!(
            lines.iter().filter(|line| line.contains(&format!("`{name}`"))).count(),
            1
        );
        assert_eq!(rows.iter().filter(|row| row.contains(&format!(" {name} "))).count(), 1);
    }
    // The subject and the counts once, and a header each.
    assert_eq!(lines.len(), IMAGES + 2 + slack.len());
    assert_eq!(rows.len(), IMAGES + 2 + cards.len());
    assert_eq!(of_slack(&slack[1])[0], format!("ecr-keeper (2 of {})", slack.len()));
    assert_eq!(of_teams(&cards[1])[0], format!("ecr-keeper (2 of {})", cards.len()));
    assert_eq!(cards[1].headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(
        world.lab.webhook().attempts().len(),
        slack.len() + cards.len(),
        "none was refused"
    );
    for (first, second) in slack.iter().zip(&slack[1..]) {
        // Slack, "Rate limits": a message a second for a channel.
        assert!(second.at.duration_since(first.at) >= jiff::SignedDuration::from_millis(990));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_fails_is_in_the_report_and_keeps_no_other_from_being_told() {
    let world = world_of_three().await;
    let sink = world.lab.webhook();
    let run = by_bot(&world, &["sync", "--output", "json"])
        .env("ECR_KEEPER_SLACK__CHANNEL", "C0STRANGERS")
        .env("DISCORD_WEBHOOK", sink.url());
    let ran = to_teams(run, &world)
        .env("ECR_KEEPER_TEAMS__WEBHOOK_URL", sink.teams_flow("workflows/off"))
        .ran()
        .await
        .code_is(1);
    let report = ran.json();
    let failures: BTreeMap<&str, &str> = report["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| (failure["message"].as_str().unwrap(), failure["hint"].as_str().unwrap()))
        .collect();
    assert_eq!(failures.len(), 2, "{failures:?}");
    contains(failures["post to Slack: not_in_channel"], &["/invite"]);
    contains(
        failures["post to Teams: 400 Bad Request: WorkflowTriggerIsNotEnabled"],
        &["turned off"],
    );
    assert_eq!(
        messages_at(&world, "/api/webhooks").len(),
        3,
        "Discord has its three lists"
    );
    let file: Value = serde_json::from_str(&world.file("result.json")).unwrap();
    assert_eq!(file, report, "the file tells of what did not arrive, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_to_be_left_alone_is_waited_for() {
    let world = world_of_three().await;
    let sink = world.lab.webhook();
    sink.rate_limit(1, Duration::from_secs(1));
    by_bot(&world, &["sync"]).ran().await.code_is(1);
    let statuses: Vec<u16> = sink.attempts().iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [429, 200]);
    let attempts = sink.attempts();
    assert!(attempts[1].at.duration_since(attempts[0].at) >= jiff::SignedDuration::from_secs(1));
    // Both are posted to at once, so that each meets one.
    sink.clear();
    sink.rate_limit(2, Duration::from_secs(1));
    let run = world.keeper(&["sync"]).env("SLACK_DDPS", sink.slack_hook());
    to_teams(run, &world).ran().await.code_is(1);
    for place in ["/slack/services", "/teams/"] {
        let attempts = sink.attempts().into_iter();
        let own = attempts.filter(|attempt| attempt.path.starts_with(place));
        let statuses: Vec<u16> = own.map(|attempt| attempt.status).collect();
        assert!(matches!(statuses[..], [429, 200 | 202]), "{place}: {statuses:?}");
    }

    // Longer than retry.longest: it is not tried again, and told.
    sink.rate_limit(1, Duration::from_secs(3600));
    let ran = by_bot(&world, &["sync", "--output", "json"]).ran().await.code_is(1);
    contains(
        &ran.failure(),
        &["post to Slack: 429 Too Many Requests: ratelimited", "slack.errors_only"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_posted_of_a_run_without_news_unless_that_is_asked_for() {
    let world = world_without_news().await;
    let sink = world.lab.webhook();
    let run = || to_teams(by_bot(&world, &["sync"]), &world);
    run().ran().await.well();
    assert_eq!(sink.attempts().len(), 0);
    run().env("ECR_KEEPER_SLACK__SEND_EMPTY", "true").ran().await.well();
    let [message] = &sink.messages()[..] else {
        panic!("one message")
    };
    let shown = of_slack(message);
    assert_eq!(shown.len(), 2);
    assert!(shown[1].starts_with("0 updated, 1 unchanged · "), "{shown:?}");

    // An image that is updated is news, but no error.
    sink.clear();
    world.upstream(UPSTREAM, "same", tiny("newer")).await;
    let run = run()
        .env("ECR_KEEPER_SLACK__ERRORS_ONLY", "true")
        .env("ECR_KEEPER_WEBHOOK__ERRORS_ONLY", "true")
        .env("DISCORD_WEBHOOK", sink.url());
    run.ran().await.well();
    assert_eq!(sink.messages().len(), 1);
    assert_eq!(messages_at(&world, "/teams/").len(), 1);

    sink.clear();
    world.ecr(REPOSITORY, "gone", tiny("gone")).await;
    let run = by_bot(&world, &["sync"])
        .env("ECR_KEEPER_SLACK__ERRORS_ONLY", "true")
        .env("ECR_KEEPER_WEBHOOK__ERRORS_ONLY", "true")
        .env("DISCORD_WEBHOOK", sink.url());
    run.ran().await.code_is(1);
    assert_eq!(of_slack(&messages_at(&world, "/slack/")[0])[2], FAILED);
    assert_eq!(
        messages_at(&world, "/api/webhooks").len(),
        2,
        "what is current, and what failed"
    );
}

/// The first of these fenced blocks of docs/chat.md.
fn documented(language: &str) -> &'static str {
    let page = include_str!("../../docs/chat.md");
    let (_, rest) = page.split_once(&format!("```{language}\n")).expect("the block");
    rest.split_once("```").expect("its end").0
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_in_the_documentation_are_valid() {
    let world = empty_world().await;
    fs::write(world.folder().join("settings.yaml"), documented("yaml")).unwrap();
    fs::write(world.folder().join("ticket.json.j2"), documented("jinja")).unwrap();
    let run = to_teams(world.keeper(&["config", "check"]), &world);
    let run = run.env("SLACK_OAUTH_TOKEN", world.lab.webhook().slack_token());
    run.ran().await.code_is(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_makes_the_body_and_headers_of_ones_own_go_with_it() {
    let world = world_of_three().await;
    fs::write(world.folder().join("ticket.json.j2"), documented("jinja")).unwrap();
    fs::write(
        world.folder().join("lines.j2"),
        "{% for image in images %}{{ image.target }}\n{% endfor %}",
    )
    .unwrap();
    let sink = world.lab.webhook();
    let run = |template: &str| {
        world
            .keeper(&["sync", "--output", "json"])
            .env("ECR_KEEPER_WEBHOOK__URL", sink.hook_url("tickets"))
            .env("ECR_KEEPER_WEBHOOK__KIND", "generic")
            .env("ECR_KEEPER_WEBHOOK__TEMPLATE", template)
            .env("ECR_KEEPER_WEBHOOK__HEADERS__X_API_KEY", "a key")
    };
    run("ticket.json.j2").ran().await.code_is(1);
    let message = &sink.messages()[0];
    assert_eq!(message.headers["content-type"], "application/json");
    assert_eq!(message.headers["x-api-key"], "a key");
    assert_eq!(message.json["title"], "Base images: 1 updated, 1 unchanged, 1 refused");
    assert_eq!(message.json["severity"], "warning");
    let failed = message.json["failed"].as_array().unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["image"], format!("{}:gone", world.target(REPOSITORY)));

    run("lines.j2")
        .env("ECR_KEEPER_WEBHOOK__CONTENT_TYPE", "text/plain; charset=utf-8")
        .ran()
        .await
        .code_is(1);
    let message = &sink.messages()[1];
    assert_eq!(message.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(message.body.lines().count(), 3, "{}", message.body);

    // What a sample does not show is told when it comes.
    let late = r#"{% for image in images if "busybox:gone" in image.target %}{{ totals.rejected }}{% endfor %}"a""#;
    fs::write(world.folder().join("late.j2"), late).unwrap();
    let ran = run("late.j2").ran().await.code_is(1);
    contains(
        &ran.failure(),
        &[
            "post to the webhook: its template makes no message",
            "line 1: undefined value",
            "webhook.template",
        ],
    );
    assert_eq!(sink.messages().len(), 2);
}
