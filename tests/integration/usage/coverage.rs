//! Where running images come from.

use ecr_lab::LabFunction;
use ecr_lab::images::{multi, tiny};
use serde_json::Value;

use super::{OWN, REGIONS, alone, fill, place, usage, world};
use crate::bad_input::contains;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_upstream_is_told_by_the_mappings_of_sync() {
    let world = world().await;
    let home = place(&world, OWN, "eu-central-1");
    world.upstream("library/current", "1", tiny("current")).await;
    world.ecr("base/image/current", "1", tiny("current")).await;
    world.upstream("library/older", "1", tiny("newer")).await;
    world.ecr("base/image/older", "1", tiny("older")).await;
    world.upstream("library/part", "1", multi("part")).await;
    world.ecr("base/image/vanished", "1", tiny("vanished")).await;
    world.ecr("team/own", "1", tiny("own")).await;
    for name in [
        "base/image/current",
        "base/image/older",
        "base/image/vanished",
        "team/own",
    ] {
        let function = name.rsplit('/').next().unwrap();
        home.add_function(LabFunction::new(function, &format!("{}/{name}:1", home.host())));
    }
    home.add_function(LabFunction::new("outsider", "docker.io/library/nginx:1"));
    let arguments = ["--regions", REGIONS[0], "--coverage", "--output", "json"];
    let ran = alone(&world, &arguments).ran().await.code_is(1);
    let found = ran.json();
    let coverage = &found["coverage"];
    let state = |name: &str| {
        let images = coverage["images"].as_array().unwrap();
        let image = images
            .iter()
            .find(|one| one["used_by"][0].as_str().unwrap().ends_with(&format!(":{name}")));
        image.unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(coverage["upstream_asked"], true);
    assert_eq!(
        ["current", "older", "vanished", "own", "outsider"].map(state),
        ["current", "older", "unchecked", "unchecked", "outside"]
    );
    let failures = found["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1, "{failures:?}");
    let kinds: (&Value, &Value) = (&failures[0]["service"], &failures[0]["kind"]);
    assert_eq!(kinds, (&"upstream".into(), &"not_found".into()));
    let text = alone(&world, &arguments[..3]).ran().await.code_is(1).stdout;
    contains(
        &text,
        &[
            "older than upstream, docker.io/library/older:1 : older",
            "1 outside, 1 older than upstream, 0 gone, 0 not known, 2 not compared, 1 as upstream",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_knows_counts() {
    let world = world().await;
    let home = place(&world, OWN, "eu-central-1");
    world.upstream("library/app", "1", multi("app")).await;
    world.ecr("base/image/app", "1", tiny("old")).await;
    // One platform alone: another digest than the index that it is of.
    let sync = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_PLATFORMS", "linux/amd64");
    sync.ran().await.well();
    home.add_function(LabFunction::new("app", &format!("{}/base/image/app:1", home.host())));
    let state = async || {
        let arguments = ["--regions", REGIONS[0], "--coverage", "--output", "json"];
        let run = alone(&world, &arguments).env("ECR_KEEPER_PLATFORMS", "linux/amd64");
        run.ran().await.well().json()["coverage"]["images"][0]["state"].clone()
    };
    assert_eq!(state().await, "current");
    world.upstream("library/app", "1", multi("newer")).await;
    assert_eq!(state().await, "older");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_being_asked_no_upstream_is() {
    let world = world().await;
    fill(&world);
    let found = usage(&world, &["--output", "json"]).ran().await.well().json();
    assert_eq!(found["coverage"]["upstream_asked"], false);
    // What runs: partner's image of another account, and one that is gone.
    let totals = &found["coverage"]["totals"];
    assert_eq!((&totals["outside"], &totals["gone"]), (&1.into(), &1.into()));
    assert_eq!(found["outside"][0]["account"], "999988887777");
    assert_eq!(found["outside"][0]["region"], "eu-west-1");
}
