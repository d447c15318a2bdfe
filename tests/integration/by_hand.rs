//! What `copy` says of what came.

use ecr_lab::images::{multi, tiny};
use ecr_lab::{Act, Fault, LabOptions};
use serde_json::json;

use crate::support::{Ran, World};

const UPSTREAM: &str = "library/app";

/// Copies by hand to a tag that is not there yet.
async fn copied(world: &World, tag: &str, arguments: &[&str]) -> Ran {
    let (source, target) = (format!("{UPSTREAM}:1"), world.target(&format!("by/hand:{tag}")));
    let copy = ["copy", &source, &target];
    world.keeper(&[&copy, arguments].concat()).ran().await.well()
}

async fn world_with_two_platforms() -> World {
    let world = World::without_daemon(LabOptions::default()).await;
    world.lab.ecr().create_repository("by/hand");
    world.upstream(UPSTREAM, "1", multi("1")).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_says_which_platforms_came() {
    let world = world_with_two_platforms().await;
    let all = copied(&world, "all", &[]).await;
    let line = "          from docker.io/library/app:1 (all 2 platforms)\n";
    assert!(all.stdout.contains(line), "{}", all.stdout);
    let one = copied(&world, "one", &["--platforms", "linux/arm64"]).await;
    assert!(
        one.stdout.contains("library/app:1 (linux/arm64 of 2)\n"),
        "{}",
        one.stdout
    );

    let both = json!(["linux/amd64", "linux/arm64"]);
    let image = copied(&world, "json", &["--output", "json"])
        .await
        .image("by/hand:json");
    assert_eq!((&image["platforms"], &image["upstream_platforms"]), (&both, &both));
    let one = ["--platforms", "linux/arm64", "--output", "json"];
    let image = copied(&world, "json-one", &one).await.image("by/hand:json-one");
    assert_eq!(
        (&image["platforms"], &image["upstream_platforms"]),
        (&json!(["linux/arm64"]), &both)
    );

    // Nothing is said where nothing is known, and nothing came.
    world.upstream(UPSTREAM, "1", tiny("single")).await;
    let single = copied(&world, "single", &[]).await;
    assert!(
        single.stdout.contains("from docker.io/library/app:1\n"),
        "{}",
        single.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_not_needed_reads_nothing() {
    let world = world_with_two_platforms().await;
    copied(&world, "1", &[]).await;
    world
        .lab
        .upstream()
        .fault(Fault::new("/manifests/", Act::status(404, "MANIFEST_UNKNOWN", "gone")).method("GET"));
    let again = copied(&world, "1", &[]).await;
    assert!(again.stdout.contains("1 unchanged"), "{}", again.stdout);
}
