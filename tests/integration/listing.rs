//! The list of what is not current, for another pipeline: in a file, or in Amazon S3.

use std::io::{Cursor, Read};

use ecr_lab::LabOptions;
use ecr_lab::images::tiny;
use zip::ZipArchive;

use crate::support::{Run, World};

const BUCKET: &str = "lists";

/// Of four tags one is current, one has moved, and one is gone upstream; one is of a digest that nobody moves.
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
    sync(&world, &["--csv", "lists/images.csv"]).ran().await.well();
    assert_eq!(world.file("lists/images.csv"), rows(&world));
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
    // Nothing is changed anywhere.
    to_s3(&["--dry-run"]).ran().await.well();
    assert_eq!(s3.object(BUCKET, "images.zip").await.unwrap(), None);
    to_s3(&["--csv", "images.csv"]).ran().await.well();
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
