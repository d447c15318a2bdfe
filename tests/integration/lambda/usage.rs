//! The usage report by an event.

use super::*;
use crate::usage::{OWN, fill, place, with_services, world as places};

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_event_tells_slack_and_is_answered_with_the_report() {
    let world = places().await;
    fill(&world);
    let sink = world.lab.webhook();
    let function = Function::with(&world, |run| {
        let run = with_services(&world, run).env("SLACK_DDPS", sink.slack_hook());
        run.env("EMAIL", "platform@example.com")
    });
    let function = function.await;
    let event = json!({"detail-type": "Scheduled Event", "detail": {"command": "usage", "regions": ["eu-central-1"], "include": ["ecs"]}});
    let answer = function.answered(event).await;
    assert_eq!(
        (&answer["ok"], &answer["failures"]),
        (&json!(true), &json!([])),
        "{answer:#}"
    );
    let functions = answer["report"]["accounts"][0]["lambda"]["eu-central-1"]
        .as_array()
        .unwrap();
    assert!(
        functions.iter().any(|one| one["LogGroupName"] == "/team/media"),
        "{functions:?}"
    );
    // As the flag does: beside the functions.
    assert_eq!(answer["totals"]["services"], 3);
    let told: String = sink.messages().iter().map(|message| message.json.to_string()).collect();
    assert!(
        told.contains("====== REGION eu-central-1") && told.contains("platform@example.com"),
        "{told}"
    );
    assert!(!function.log().await.contains(&sink.slack_hook()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_in_the_answer_and_in_slack() {
    let world = places().await;
    fill(&world);
    place(&world, OWN, "eu-central-1").api_fault(ecr_lab::ApiFault::access_denied("ListFunctions"));
    let sink = world.lab.webhook();
    let function = Function::with(&world, |run| {
        with_services(&world, run).env("SLACK_DDPS", sink.slack_hook())
    })
    .await;
    let answer = function
        .answered(json!({"command": "usage", "regions": "eu-central-1", "candidates": true}))
        .await;
    assert_eq!(answer["ok"], false);
    assert!(
        answer["failures"][0]
            .as_str()
            .unwrap()
            .contains("ListFunctions in eu-central-1"),
        "{answer:#}"
    );
    let told: String = sink.messages().iter().map(|message| message.json.to_string()).collect();
    assert!(told.contains("ListFunctions in eu-central-1"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_says_which_regions_and_not_as_whom() {
    let world = places().await;
    let function = Function::with(&world, |run| with_services(&world, run)).await;
    let role = json!({"command": "usage", "usage": {"role_arns": ["arn:aws:iam::210987654321:role/reader"]}});
    let (kind, message) = function.refused(role).await;
    assert_eq!(kind, "InvalidEvent");
    assert!(
        message.contains("usage.role_arns: an event does not say this"),
        "{message}"
    );
    let (_, message) = function.refused(json!({"regions": ["eu-central-1"]})).await;
    assert!(message.contains("regions: is of command: usage"), "{message}");
}
