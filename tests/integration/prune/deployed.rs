//! Services of ECS whose tags have moved since they were deployed, and none of whose tasks runs.

use ecr_lab::{ApiFault, EcrRegion};
use serde_json::Value;

use super::{Shelf, digests, json_of, reason, world};

const WEB: &str = "arn:aws:ecs:eu-central-1:123456789012:service/main/web";

/// A service is deployed with the first of the digests by a tag that then moves to the second. The third has nothing to do with it.
fn moved(shelf: &Shelf<'_>) -> [String; 3] {
    let deployed = shelf.image("deployed", Some("stable"), 50);
    shelf
        .ecr
        .add_service("main", "web", &[("app", &shelf.address("stable"))]);
    let newer = shelf.image("newer", Some("stable"), 40);
    let other = shelf.image("other", Some("1.0"), 60);
    [deployed, newer, other]
}

const ARGUMENTS: [&str; 3] = ["shop/api", "--keep", "1"];

#[tokio::test(flavor = "multi_thread")]
async fn a_service_keeps_what_it_was_deployed_with() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    let [deployed, _, other] = moved(&shelf);
    let report = json_of(&world, &ARGUMENTS).await.well().json();
    assert_eq!(reason(&report, &deployed), "in-use");
    assert_eq!(digests(&report, "goes"), [other].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_tells_what_that_was_nothing_of_the_repository_goes() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    let [deployed, newer, other] = moved(&shelf);
    let elsewhere = Shelf::of(&world, "shop/web");
    let gone = elsewhere.image("old", Some("1"), 9);
    elsewhere.image("new", Some("2"), 8);
    shelf.ecr.without_revisions("main", "web");
    let all = ["shop/api", "shop/web", "--keep", "1"];
    let report = json_of(&world, &all).await.well().json();
    assert!(digests(&report, "goes").is_empty());
    assert_eq!(
        [&deployed, &newer, &other].map(|one| reason(&report, one)),
        ["may-be-in-use", "in-use", "may-be-in-use"]
    );
    let notes = report["repositories"][0]["notes"].to_string();
    assert!(notes.contains(WEB) && notes.contains("a new deployment"), "{notes}");
    assert_eq!(report["repositories"][1]["goes"][0]["digest"], Value::from(gone));
}

fn nobody_may_ask(ecr: &EcrRegion) {
    ecr.api_fault(ApiFault::access_denied("DescribeServiceRevisions"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_may_not_be_asked_that_is_a_failure_unless_it_is_said() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    let [deployed, _, other] = moved(&shelf);
    nobody_may_ask(shelf.ecr);
    let ran = json_of(&world, &ARGUMENTS).await.code_is(1);
    assert_eq!(reason(&ran.json(), &deployed), "may-be-in-use");
    assert!(
        ran.failure().contains("ecs:DescribeServiceRevisions") && ran.failure().contains("--without-usage"),
        "{}",
        ran.failure()
    );
    let report = json_of(&world, &[&ARGUMENTS[..], &["--without-usage"]].concat())
        .await
        .well()
        .json();
    assert_eq!(digests(&report, "goes"), [deployed, other].into());
}
