//! What an event says of Slack, up to what is posted there.

use super::*;

/// lambda-ecr-image-sync's fields of Slack, beside an image that comes and one that is gone upstream.
fn event(errors_only: bool) -> Value {
    json!({
        "keyword": "base/image",
        "slack_channel_id": "C0IMAGES",
        "slack_errors_only": errors_only,
        "slack_msg_header": "The nightly mirror",
        "slack_msg_subject": "These are new:",
        "slack_msg_err_subject": "<!here> these failed:",
    })
}

/// The token is the function's own; its channel is another one than the event's.
async fn function(world: &World) -> Function {
    let sink = world.lab.webhook();
    let with = |run: Run| {
        run.env("SLACK_OAUTH_TOKEN", sink.slack_token())
            .env("ECR_KEEPER_SLACK__CHANNEL", "C0STRANGERS")
            .env("ECR_KEEPER_SLACK__API_URL", sink.slack_api())
    };
    Function::with(world, with).await
}

/// The channel and the texts of each message that Slack took.
fn posted(world: &World) -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let messages = world.lab.webhook().messages().into_iter();
    let shown = messages.map(|message| {
        let blocks = message.json["blocks"].as_array().expect("blocks").clone();
        let texts = blocks.iter().filter(|block| block["type"] != "context");
        (
            text(&message.json["channel"]),
            texts.map(|block| text(&block["text"]["text"])).collect(),
        )
    });
    shown.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_says_where_in_slack_and_in_which_words() {
    let world = world().await;
    world.ecr(REPOSITORY, "gone", tiny("gone")).await;
    let function = function(&world).await;
    let answer = function.answered(event(false)).await;
    assert_eq!(
        (&answer["updated"], &answer["refused"]),
        (&json!(1), &json!(1)),
        "{answer:#}"
    );
    let texts = [
        "The nightly mirror",
        "<!here> these failed:",
        "❌ `base/image/app:gone` — upstream docker.io/library/app:gone does not exist",
        "These are new:",
        "✅ `docker.io/library/app:1.0` → `base/image/app:1.0`",
    ];
    assert_eq!(
        posted(&world),
        [("C0IMAGES".to_owned(), texts.map(str::to_owned).to_vec())]
    );

    // The older spelling of one of them.
    world.lab.webhook().clear();
    let mut older = event(false);
    let fields = older.as_object_mut().expect("an object");
    let subject = fields.remove("slack_msg_err_subject").expect("it is there");
    fields.insert("slack_err_msg_subject".to_owned(), subject);
    function.answered(older).await;
    assert_eq!(posted(&world)[0].1[..2], texts[..2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_for_errors_only_is_silent_when_all_is_well() {
    let world = world().await;
    let function = function(&world).await;
    let answer = function.answered(event(true)).await;
    assert_eq!(
        (&answer["ok"], &answer["updated"]),
        (&json!(true), &json!(1)),
        "{answer:#}"
    );
    assert_eq!(posted(&world), []);
    world.ecr(REPOSITORY, "gone", tiny("gone")).await;
    function.answered(event(true)).await;
    assert_eq!(posted(&world).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_waits_for_an_event_that_brings_the_channel() {
    let world = world().await;
    let sink = world.lab.webhook();
    let with = |run: Run| {
        run.env("SLACK_OAUTH_TOKEN", sink.slack_token())
            .env("ECR_KEEPER_SLACK__API_URL", sink.slack_api())
    };
    let function = Function::with(&world, with).await;
    let silent = function.answered(json!({"keyword": "base/image"})).await;
    assert_eq!(
        (&silent["ok"], &silent["updated"]),
        (&json!(true), &json!(1)),
        "{silent:#}"
    );
    assert_eq!(posted(&world), []);
    world.ecr(REPOSITORY, "gone", tiny("gone")).await;
    function.answered(event(false)).await;
    assert_eq!(posted(&world)[0].0, "C0IMAGES");
    let log = function.log().await;
    assert_eq!(
        log.matches("slack.token: has no effect without slack.channel").count(),
        1,
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_did_not_arrive_is_in_the_answer() {
    let world = world().await;
    let function = function(&world).await;
    let mut strange = event(false);
    strange["slack_channel_id"] = json!("C0NOWHERE");
    let answer = function.answered(strange).await;
    assert_eq!(
        (&answer["ok"], &answer["updated"]),
        (&json!(false), &json!(1)),
        "{answer:#}"
    );
    let failures = answer["failures"].to_string();
    assert!(failures.contains("post to Slack: channel_not_found"), "{failures}");
}
