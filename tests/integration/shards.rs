//! `--shard`: one run in several jobs.

use std::collections::BTreeSet;

use ecr_lab::LabOptions;
use ecr_lab::images::tiny;

use crate::support::World;

const TAGS: usize = 20;

async fn world() -> World {
    let world = World::without_daemon(LabOptions::default()).await;
    for at in 0..TAGS {
        let tag = format!("1.{at}");
        world.upstream("library/app", &tag, tiny(&tag)).await;
        world.ecr("base/image/app", &tag, tiny("old")).await;
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn every_image_is_in_exactly_one_part_and_all_of_them_make_the_whole() {
    let world = world().await;
    let mut all = BTreeSet::new();
    for part in ["1/3", "2/3", "3/3"] {
        world.forget_requests();
        let planned = world
            .keeper(&["plan", "--shard", part, "--output", "json"])
            .ran()
            .await
            .well();
        let heads = world.lab.upstream().requests();
        let heads = heads
            .iter()
            .filter(|request| request.path.contains("/manifests/"))
            .count();
        let ran = world
            .keeper(&["sync", "--shard", part, "--output", "json"])
            .ran()
            .await
            .well();
        let report = ran.json();
        assert_eq!([&report["shard"], &planned.json()["shard"]], [part, part]);
        let images = report["images"].as_array().unwrap();
        assert!(!images.is_empty() && images.len() < TAGS, "{part}: {}", images.len());
        // Only they were asked for.
        assert_eq!(heads, images.len());
        let copies = planned.json().to_string().matches("\"upstream_digest\"").count();
        assert_eq!(copies, images.len(), "plan and sync cut alike");
        for image in images {
            assert_eq!(image["outcome"], "updated");
            assert!(all.insert(image["target"].to_string()), "{image} is in two parts");
        }
    }
    assert_eq!(all.len(), TAGS);
    let ran = world.sync().await.well();
    assert_eq!(ran.json()["totals"]["unchanged"], TAGS);
    assert!(ran.json().get("shard").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_s_own_variables_say_the_part_only_when_asked() {
    let world = world().await;
    let plan = |arguments: &[&str]| {
        let run = world.keeper(&[&["plan", "--output", "json"], arguments].concat());
        run.env("CI_NODE_INDEX", "2").env("CI_NODE_TOTAL", "3")
    };
    let count = |plan: &serde_json::Value| plan.to_string().matches("\"upstream_digest\"").count();
    // A matrix of GitLab's sets them too, and each of its jobs has work of its own.
    assert_eq!(count(&plan(&[]).ran().await.well().json()), TAGS);
    let own = plan(&["--shard", "auto"]).ran().await.well().json();
    let same = plan(&["--shard", "2/3"]).ran().await.well().json();
    assert_eq!(count(&own), count(&same));
    assert!(count(&own) < TAGS);
    for (shard, says) in [
        ("4/3", "from 1 to N"),
        ("two", "such as 2/5"),
        ("-1/3", "from 1 to N"),
        ("auto", "CI_NODE_INDEX"),
    ] {
        let ran = world.keeper(&["sync", "--shard", shard]).ran().await.code_is(2);
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    let ran = world
        .keeper(&["sync", "--shard", "auto"])
        .env("STRATEGY_JOB_INDEX", "5");
    let ran = ran.env("STRATEGY_JOB_TOTAL", "5").ran().await.code_is(2);
    let says = "STRATEGY_JOB_INDEX is \"5\" and STRATEGY_JOB_TOTAL is \"5\": a job counts from 0";
    assert!(ran.stderr.contains(says), "{}", ran.stderr);
}
