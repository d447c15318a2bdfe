//! Where running images come from.

use std::fs;

use ecr_lab::LabFunction;
use ecr_lab::images::{Place, multi, tiny};
use serde_json::Value;

use super::{OTHER, OWN, REGIONS, alone, fill, place, usage, world};
use crate::bad_input::contains;
use crate::support::Content;

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
    let ran = alone(&world, &arguments).ran().await.well();
    let found = ran.json();
    let coverage = &found["coverage"];
    let told = |name: &str, field: &str| {
        let images = coverage["images"].as_array().unwrap();
        let image = images
            .iter()
            .find(|one| one["used_by"][0].as_str().unwrap().ends_with(&format!(":{name}")));
        image.unwrap()[field].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(coverage["upstream_asked"], true);
    assert_eq!(
        ["current", "older", "vanished", "own", "outsider"].map(|name| told(name, "state")),
        ["current", "older", "unchecked", "unchecked", "outside"]
    );
    // What is found by its name alone and is not there is no upstream: the image is our own.
    assert_eq!(
        ["current", "older", "vanished", "own", "outsider"].map(|name| told(name, "because")),
        ["", "", "no_upstream", "no_upstream", ""]
    );
    assert_eq!(found["failures"].as_array().unwrap().len(), 0, "{found}");
    let text = alone(&world, &arguments[..3]).ran().await.well().stdout;
    contains(
        &text,
        &[
            "older than upstream, docker.io/library/older:1 : older",
            "1 outside, 1 older than upstream, 0 gone, 0 not known, 2 not compared, 1 as upstream",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_an_entry_names_has_to_be_there() {
    let world = world().await;
    let home = place(&world, OWN, "eu-central-1");
    world.ecr("team/app", "1", tiny("app")).await;
    let settings = "images:\n  - {upstream: library/misspelt, repository: team/app}\n";
    fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    home.add_function(LabFunction::new("app", &format!("{}/team/app:1", home.host())));
    let arguments = ["--regions", REGIONS[0], "--coverage", "--output", "json"];
    let found = alone(&world, &arguments).ran().await.code_is(1).json();
    assert_eq!(found["coverage"]["images"][0]["because"], "not_answered");
    let failure = &found["failures"][0];
    assert_eq!(
        (&failure["service"], &failure["kind"]),
        (&"upstream".into(), &"not_found".into())
    );
    contains(failure["message"].as_str().unwrap(), &["docker.io/library/misspelt:1"]);
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

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_s_own_engine_and_target_say_what_its_images_are_compared_with() {
    let world = world().await;
    let (home, staging) = (place(&world, OWN, "eu-central-1"), place(&world, OTHER, "eu-central-1"));
    let settings = format!(
        "images:\n  - {{upstream: ours, repository: team/app}}\n  - upstream: theirs\n    repository: team/app\n    targets:\n      \
         - {{registry: '{}', region: eu-central-1, endpoint_url: '{}'}}\n  - {{upstream: packed, repository: team/packed, engine: docker}}\n",
        staging.host(),
        world.lab.endpoint(),
    );
    fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    for (upstream, seed) in [("ours", "ours"), ("theirs", "theirs"), ("packed", "packed by now")] {
        world.upstream(&format!("library/{upstream}"), "1", tiny(seed)).await;
    }
    world.ecr("team/app", "1", tiny("ours")).await;
    world.ecr("team/packed", "1", tiny("as a daemon packed it")).await;
    staging.create_repository("team/app");
    tiny("theirs").put(&Place::ecr(staging), "team/app", "1").await;
    for (region, function, address) in [
        (home, "ours", format!("{}/team/app:1", home.host())),
        (home, "packed", format!("{}/team/packed:1", home.host())),
        (staging, "theirs", format!("{}/team/app:1", staging.host())),
        // The same registry by the name that answers over IPv6 too.
        (home, "dual", format!("{OWN}.dkr-ecr.eu-central-1.on.aws/team/app:1")),
    ] {
        region.add_function(LabFunction::new(function, &address));
    }
    let arguments = ["--regions", REGIONS[0], "--role-arn", super::ROLE, "--coverage"];
    let found = alone(&world, &[&arguments[..], &["--output", "json"]].concat());
    let found = found.ran().await.well().json();
    let state = |name: &str| {
        let images = found["coverage"]["images"].as_array().unwrap();
        let is_its = |one: &&Value| one["used_by"].to_string().contains(&format!(":{name}\""));
        let image = images.iter().find(is_its).unwrap();
        image["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        ["ours", "theirs", "dual", "packed"].map(state),
        ["current", "current", "current", "unchecked"]
    );
    let images = found["coverage"]["images"].as_array().unwrap();
    let packed = images
        .iter()
        .find(|one| one["used_by"].to_string().contains(":packed\""));
    assert_eq!(packed.unwrap()["because"], "not_in_ledger");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_cannot_be_read_is_told() {
    let world = world().await;
    let home = place(&world, OWN, "eu-central-1");
    world.upstream("library/app", "1", tiny("newer")).await;
    world.ecr("base/image/app", "1", tiny("old")).await;
    home.add_function(LabFunction::new("app", &format!("{}/base/image/app:1", home.host())));
    fs::create_dir_all(world.ledger().parent().unwrap()).unwrap();
    fs::write(world.ledger(), "no ledger").unwrap();
    let arguments = ["--regions", REGIONS[0], "--coverage", "--output", "json"];
    let found = alone(&world, &arguments).ran().await.code_is(1).json();
    assert_eq!(found["complete"], false);
    let failure = &found["failures"][0];
    assert_eq!(
        (&failure["service"], &failure["kind"]),
        (&"ledger".into(), &"other".into())
    );
    contains(&failure.to_string(), &["ledger.json", "move it away"]);
}
