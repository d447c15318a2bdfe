//! The list of what is not current, for another pipeline: in a file, or in Amazon S3.

use std::io::{Cursor, Read};

use ecr_lab::images::tiny;
use ecr_lab::{Act, Fault, LabOptions};
use serde_json::json;
use zip::ZipArchive;

use crate::support::{Run, World};

const BUCKET: &str = "lists";

/// One tag is current, and one has moved in each of two repositories.
async fn world() -> World {
    let world = World::without_daemon(LabOptions::default()).await;
    for tag in ["1.0", "1.1"] {
        world.upstream("library/app", tag, tiny(tag)).await;
    }
    world.ecr("base/image/app", "1.0", tiny("1.0")).await;
    world.ecr("base/image/app", "1.1", tiny("old")).await;
    world.upstream("team/tool", "2.0", tiny("tool")).await;
    world.ecr("base/image/team/tool", "2.0", tiny("old tool")).await;
    world.forget_requests();
    world
}

/// What is to be copied, as the world says and not the program.
fn rows(world: &World) -> String {
    let host = world.lab.ecr().host();
    format!("docker.io/library/app,{host}/base/image/app,1.1\ndocker.io/team/tool,{host}/base/image/team/tool,2.0\n")
}

fn sync(world: &World, arguments: &[&str]) -> Run {
    world.keeper(&[&["sync"], arguments].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_copied_is_a_row_each_and_nothing_is() {
    let world = world().await;
    let ran = sync(&world, &["--csv", "lists/images.csv"]).ran().await.code_is(0);
    assert_eq!(world.file("lists/images.csv"), rows(&world));
    assert!(
        ran.stdout.ends_with("listed 2 images in lists/images.csv\n"),
        "{}",
        ran.stdout
    );
    sync(&world, &["--csv", "with.csv", "--csv-header"]).ran().await.well();
    assert_eq!(world.file("with.csv"), format!("source,ecr_url,tag\n{}", rows(&world)));
    assert_eq!(world.pushes(), [""; 0]);
    assert_eq!(world.pulled_layers(), [""; 0]);
    // Once it is copied, the list is there and empty.
    sync(&world, &[]).ran().await.well();
    world.keeper(&["plan", "--csv", "with.csv"]).ran().await.well();
    assert_eq!(world.file("with.csv"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_in_s3_is_zipped_and_encrypted() {
    let world = world().await;
    let s3 = world.lab.s3().await.expect("S3 starts");
    s3.create_bucket(BUCKET).await.unwrap();
    let to_s3 = |arguments: &[&str]| {
        let run = sync(&world, &[&["--action", "s3"], arguments].concat());
        run.env("AWS_ENDPOINT_URL_S3", s3.endpoint()).env("BUCKET_NAME", BUCKET)
    };
    to_s3(&["--dry-run"]).ran().await.code_is(2);
    let ran = to_s3(&["--csv", "images.csv", "--output", "json"])
        .ran()
        .await
        .code_is(0);
    let lists = json!([{"place": "images.csv", "images": 2}, {"place": "s3://lists/images.zip", "images": 2}]);
    assert_eq!(ran.json()["lists"], lists);
    let (archive, encryption) = s3.object(BUCKET, "images.zip").await.unwrap().expect("the archive");
    assert_eq!(encryption.as_deref(), Some("AES256"));
    let mut archive = ZipArchive::new(Cursor::new(archive)).unwrap();
    assert_eq!(archive.file_names().collect::<Vec<_>>(), ["images.csv"]);
    let mut list = String::new();
    archive
        .by_name("images.csv")
        .unwrap()
        .read_to_string(&mut list)
        .unwrap();
    assert_eq!(list, rows(&world));
    assert_eq!(world.file("images.csv"), list);
    assert_eq!(world.pushes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_put_is_told_and_the_other_is_there() {
    let world = world().await;
    let s3 = world.lab.s3().await.expect("S3 starts");
    let run = sync(&world, &["--action", "s3", "--csv", "images.csv"]);
    let run = run
        .env("AWS_ENDPOINT_URL_S3", s3.endpoint())
        .env("BUCKET_NAME", "no-such-bucket");
    let ran = run.ran().await.code_is(1);
    assert!(
        ran.stdout.contains("PutObject of s3://no-such-bucket/images.zip"),
        "{}",
        ran.stdout
    );
    assert_eq!(world.file("images.csv"), rows(&world));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_a_place_is_refused_at_once() {
    let world = world().await;
    let ran = sync(&world, &["--action", "s3"]).ran().await.code_is(2);
    assert!(ran.stderr.contains("s3.bucket is not set"), "{}", ran.stderr);
    assert!(ran.stderr.contains("BUCKET_NAME"), "{}", ran.stderr);
    let ran = sync(&world, &["--csv", "-"]).ran().await.code_is(2);
    assert!(
        ran.stderr.contains("write the list to -: that is no file"),
        "{}",
        ran.stderr
    );
    let ran = sync(&world, &["--csv-header"]).ran().await.code_is(2);
    assert!(ran.stderr.contains("none is asked for"), "{}", ran.stderr);
    assert_eq!(world.lab.ecr().api_requests().len(), 0);
    let ran = sync(&world, &["--csv", "/dev/null/images.csv"]).ran().await.code_is(1);
    assert!(
        ran.stdout.contains("write the list to /dev/null/images.csv"),
        "{}",
        ran.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_leaves_the_rest_of_the_list_alone() {
    let world = world().await;
    let upstream = world.lab.upstream();
    upstream.fault(Fault::new("/team/tool/", Act::status(500, "UNKNOWN", "ill")));
    let run = sync(&world, &["--csv", "images.csv"]).env("ECR_KEEPER_RETRY__TRIES", "1");
    let ran = run.ran().await.code_is(1);
    assert!(ran.stdout.contains("base/image/team/tool:2.0"), "{}", ran.stdout);
    let of_app: Vec<String> = rows(&world).lines().take(1).map(str::to_owned).collect();
    assert_eq!(world.file("images.csv").lines().collect::<Vec<_>>(), of_app);
    // An empty list would say that all is current.
    upstream.fault(Fault::new("/library/app/", Act::status(500, "UNKNOWN", "ill")));
    let run = sync(&world, &["--csv", "images.csv"]).env("ECR_KEEPER_RETRY__TRIES", "1");
    let ran = run.ran().await.code_is(1);
    assert!(ran.stdout.contains("the list is not written"), "{}", ran.stdout);
    assert_eq!(world.file("images.csv").lines().collect::<Vec<_>>(), of_app);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_waits_is_a_row_once_it_has_been_seen_long_enough() {
    let world = world().await;
    std::fs::write(world.folder().join("settings.yaml"), "policy: {min_age: 2s}\n").unwrap();
    sync(&world, &["--csv", "images.csv"]).ran().await.well();
    assert_eq!(world.file("images.csv"), "");
    let is_listed = async {
        while world.file("images.csv") != rows(&world) {
            sync(&world, &["--csv", "images.csv"]).ran().await.well();
        }
    };
    let is_listed = tokio::time::timeout(std::time::Duration::from_secs(60), is_listed);
    is_listed.await.expect("what was seen is remembered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_takes_no_other_file_s_place() {
    let world = world().await;
    for arguments in [
        &["--csv", "result.json"][..],
        &["--csv", "state/ecr-keeper/ledger.json"],
    ] {
        let ran = sync(&world, arguments).ran().await.code_is(2);
        assert!(ran.stderr.contains("another file of this run"), "{}", ran.stderr);
    }
    let run = sync(&world, &["--action", "s3"]).env("BUCKET_NAME", "s3://lists");
    let ran = run.ran().await.code_is(2);
    assert!(ran.stderr.contains("is no bucket's name"), "{}", ran.stderr);
    let run = sync(&world, &["--action", "s3"]).env("BUCKET_NAME", "lists");
    let ran = run
        .env("ECR_KEEPER_LEDGER", "s3://lists/images.zip")
        .ran()
        .await
        .code_is(2);
    assert!(ran.stderr.contains("the ledger is that object"), "{}", ran.stderr);
}
