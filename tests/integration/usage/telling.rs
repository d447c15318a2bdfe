//! Slack is told, in as many messages as it takes.

use ecr_lab::ApiFault;

use super::{OWN, fill, image, place, usage, world};
use crate::bad_input::contains;

#[tokio::test(flavor = "multi_thread")]
async fn slack_is_told_all_of_it_and_what_failed() {
    let world = world().await;
    fill(&world);
    let home = place(&world, OWN, "eu-central-1");
    for number in 0..120 {
        image(
            home,
            &format!("many/repository-{number:03}-{}", "x".repeat(60)),
            "1",
            1_000_000,
            10,
        );
    }
    home.api_fault(ApiFault::access_denied("DescribeImages").of("scratch/try-out"));
    let sink = world.lab.webhook();
    let run = usage(&world, &[])
        .env("SLACK_DDPS", sink.slack_hook())
        .env("EMAIL", "platform@example.com");
    let ran = run.ran().await.code_is(1);
    let messages = sink.messages();
    assert!(messages.len() > 1, "{} messages", messages.len());
    let told: String = messages.iter().map(|message| message.json.to_string()).collect();
    for number in 0..120 {
        assert_eq!(
            told.matches(&format!("many/repository-{number:03}-")).count(),
            1,
            "{number}"
        );
    }
    for part in [
        "platform@example.com",
        "====== REGION us-east-1",
        "DescribeImages of scratch/try-out",
        "🔴",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // The webhook is a secret.
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(&sink.slack_hook()));
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_is_not_told_where_that_is_not_wanted() {
    let world = world().await;
    fill(&world);
    let sink = world.lab.webhook();
    let run = usage(&world, &["--no-post"]).env("SLACK_DDPS", sink.slack_hook());
    run.ran().await.well();
    assert_eq!(sink.messages().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_arrive_is_an_error_with_what_to_do() {
    let world = world().await;
    let sink = world.lab.webhook();
    let url = sink.slack_hook_called("of-the-past");
    let run = usage(&world, &["--log-level", "error"]).env("SLACK_DDPS", url);
    let ran = run.ran().await.code_is(1);
    contains(
        &ran.stderr,
        &["post to Slack: 410 Gone: channel_is_archived; hint: unarchive the channel"],
    );
}
