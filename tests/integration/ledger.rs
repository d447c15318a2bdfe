//! The ledger in Amazon S3, for runners without a disk and for several of them at once.

use ecr_lab::images::tiny;
use ecr_lab::{Act, Fault, LabOptions, S3};

use crate::support::{Run, World};

const BUCKET: &str = "team-state";
const KEY: &str = "ecr-keeper/ledger.json";

/// Two images that both have changed upstream.
async fn with_two_changes(world: &World) {
    for name in ["busybox", "alpine"] {
        world.upstream(&format!("library/{name}"), "1", tiny("new")).await;
        world.ecr(&format!("base/image/{name}"), "1", tiny("old")).await;
    }
}

async fn s3(world: &World) -> S3 {
    let s3 = world.lab.s3().await.expect("S3 starts");
    s3.create_bucket(BUCKET).await.expect("a bucket");
    s3
}

fn sync(world: &World, s3: &S3, more: &[&str]) -> Run {
    let arguments = [&["sync", "--output", "json"], more].concat();
    let run = world.keeper(&arguments).env("AWS_ENDPOINT_URL_S3", s3.endpoint());
    run.env("ECR_KEEPER_LEDGER", format!("s3://{BUCKET}/{KEY}"))
}

/// The targets that the object remembers, by repository and tag.
async fn remembered(s3: &S3) -> Vec<String> {
    let ledger = s3.json(BUCKET, KEY).await.expect("JSON").expect("the object");
    let made = ledger["made"].as_object().expect("targets");
    let name = |target: &String| target.rsplit('/').next().unwrap_or_default().to_owned();
    made.keys().map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_in_s3_saves_the_next_run_its_pulls() {
    let world = World::new().await;
    with_two_changes(&world).await;
    let s3 = s3(&world).await;
    assert_eq!(sync(&world, &s3, &[]).ran().await.well().outcome("alpine:1"), "updated");
    assert_eq!(remembered(&s3).await, ["alpine:1", "busybox:1"]);
    assert!(!world.ledger().exists(), "nothing of it is on this machine");

    world.forget_requests();
    let again = sync(&world, &s3, &[]).ran().await.well();
    assert_eq!(again.outcome("alpine:1"), "unchanged");
    assert_eq!(world.pulled_layers(), [""; 0]);
    assert!(!again.stderr.contains("WARN"), "{}", again.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_share_an_object_keep_what_the_others_wrote() {
    let world = World::without_daemon(LabOptions::default()).await;
    with_two_changes(&world).await;
    let s3 = s3(&world).await;
    let front = world.lab.ecr().front();
    front.fault(Fault::new("/base/image/busybox/manifests/", Act::Hold).method("PUT"));
    let slow = sync(&world, &s3, &["--only", "base/image/busybox"]).started();
    world.held(front).await;
    let other = sync(&world, &s3, &["--only", "base/image/alpine"]).ran().await.well();
    assert_eq!(other.outcome("alpine:1"), "updated");
    assert_eq!(remembered(&s3).await, ["alpine:1"]);
    front.clear_faults();
    front.release();
    // It has read the ledger before the other wrote it.
    assert_eq!(slow.end().await.well().outcome("busybox:1"), "updated");
    assert_eq!(remembered(&s3).await, ["alpine:1", "busybox:1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_daemon_serves_one_run_also_where_they_share_an_object() {
    let world = World::new().await;
    with_two_changes(&world).await;
    let s3 = s3(&world).await;
    let front = world.lab.ecr().front();
    front.fault(Fault::new("/base/image/busybox/manifests/1$", Act::Hold).method("PUT"));
    let first = sync(&world, &s3, &["--only", "base/image/busybox"]).started();
    world.held(front).await;
    let second = sync(&world, &s3, &[]).ran().await.code_is(1);
    assert!(second.failure().contains("another run holds"), "{}", second.failure());
    front.release();
    first.end().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_is_told_and_hides_nothing() {
    let world = World::without_daemon(LabOptions::default()).await;
    with_two_changes(&world).await;
    let s3 = world.lab.s3().await.expect("S3 starts");
    let ran = sync(&world, &s3, &[]).ran().await.code_is(1);
    assert_eq!(ran.outcome("alpine:1"), "updated");
    assert_eq!(ran.outcome("busybox:1"), "updated");
    for part in ["s3://team-state/ecr-keeper/ledger.json", "NoSuchBucket", "s3:PutObject"] {
        assert!(ran.failure().contains(part), "no {part}: {}", ran.failure());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_no_ledger_stays_as_it_is() {
    let world = World::without_daemon(LabOptions::default()).await;
    with_two_changes(&world).await;
    let s3 = s3(&world).await;
    let somebody = r#"{"version":99,"made":{}}"#;
    s3.put(BUCKET, KEY, somebody).await.unwrap();
    let ran = sync(&world, &s3, &[]).ran().await.code_is(1);
    assert!(ran.stderr.contains("compares the images themselves"), "{}", ran.stderr);
    assert_eq!(ran.outcome("alpine:1"), "updated");
    assert!(ran.failure().contains("it is not written over"), "{}", ran.failure());
    assert_eq!(s3.json(BUCKET, KEY).await.unwrap(), serde_json::from_str(somebody).ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_at_a_path_or_in_s3() {
    let world = World::without_daemon(LabOptions::default()).await;
    for wrong in [
        "https://bucket/key",
        "s3://bucket",
        "s3://bucket/",
        "s3:///key",
        "s3://bucket/folder/",
    ] {
        let ran = world
            .keeper(&["config", "check"])
            .env("ECR_KEEPER_LEDGER", wrong)
            .ran()
            .await
            .code_is(2);
        assert!(ran.stderr.contains("s3://BUCKET/KEY"), "{wrong}: {}", ran.stderr);
    }
}
