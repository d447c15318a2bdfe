//! `images delete`.

use std::fs;

use ecr_lab::images::{Place, multi, tiny};
use ecr_lab::{ApiFault, LabFunction, LabOptions};
use serde_json::{Value, json};

use crate::repositories::answered;
use crate::support::{Content, Ran, Run, World};
use crate::usage::with_services;

/// Listings come in pages of two.
async fn world() -> World {
    let options = LabOptions {
        page_size: 2,
        ..LabOptions::default()
    };
    World::without_daemon(options).await
}

fn keeper(world: &World, arguments: &[&str]) -> Run {
    with_services(world, world.keeper(&[&["images", "delete"], arguments].concat()))
}

async fn json_of(world: &World, arguments: &[&str]) -> Ran {
    keeper(world, &[arguments, &["--yes", "--output", "json"]].concat())
        .ran()
        .await
}

/// `REPOSITORY NAMES OUTCOME` of each.
fn outcomes(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let all = report["images"].as_array().unwrap().iter();
    all.map(|one| {
        let names = one["named"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap());
        let (repository, outcome) = (one["repository"].as_str().unwrap(), one["outcome"].as_str().unwrap());
        format!("{repository} {} {outcome}", names.collect::<Vec<_>>().join(","))
    })
    .collect()
}

/// The tags of each image of a repository.
fn left(world: &World, repository: &str) -> Vec<String> {
    let mut all: Vec<String> = world
        .lab
        .ecr()
        .images(repository)
        .iter()
        .map(|image| image.tags.join(","))
        .collect();
    all.sort();
    all
}

fn deletions(world: &World) -> Vec<Value> {
    let calls = world.lab.ecr().api_requests().into_iter();
    let calls = calls.filter(|call| call.action == "BatchDeleteImage");
    calls.map(|call| call.body["imageIds"].clone()).collect()
}

/// One image with the tags 1.0 and latest, and one with 0.9.
async fn tagged() -> World {
    let world = world().await;
    for (tag, image) in [("0.9", "old"), ("1.0", "new"), ("latest", "new")] {
        world.ecr("team/app", tag, tiny(image)).await;
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_tag_only_the_tag_goes_where_others_remain() {
    let world = tagged().await;
    let ran = json_of(&world, &["team/app:latest"]).await.well();
    assert_eq!(outcomes(&ran), ["team/app latest untagged"]);
    let one = &ran.json()["images"][0];
    assert_eq!(
        (&one["goes"], &one["tags"], &one["tags_left"]),
        (&json!("tags"), &json!(["latest"]), &json!(["1.0"]))
    );
    assert_eq!(left(&world, "team/app"), ["0.9", "1.0"]);
    world.ecr("team/app", "latest", tiny("new")).await;
    let text = keeper(&world, &["team/app:latest", "--dry-run"])
        .ran()
        .await
        .well()
        .stdout;
    assert!(
        text.starts_with("to untag  team/app:latest\n          image sha256:"),
        "{text}"
    );
    assert!(
        text.contains("          only the tag goes: the image stays, under 1.0\n"),
        "{text}"
    );
    assert_eq!(left(&world, "team/app"), ["0.9", "1.0,latest"]);
    // With its last tag the image goes, and so it does with all of them.
    let ran = json_of(&world, &["team/app:latest", "team/app:1.0", "team/app:0.9"])
        .await
        .well();
    assert_eq!(outcomes(&ran), ["team/app latest,1.0 deleted", "team/app 0.9 deleted"]);
    assert_eq!(left(&world, "team/app"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_its_digest_an_image_goes_with_all_its_tags() {
    let world = tagged().await;
    let digest = world.digest_in_ecr("team/app", "1.0");
    let name = format!("{}@{digest}", world.target("team/app"));
    let text = keeper(&world, &[&name, "--dry-run"]).ran().await.well().stdout;
    assert!(text.starts_with(&format!("to delete team/app@{digest}\n")), "{text}");
    assert!(
        text.contains("          the image with all its tags: 1.0, latest\n"),
        "{text}"
    );
    assert!(text.contains("; nobody was seen to use it\n"), "{text}");
    assert!(
        text.contains(
            "asked who uses it: functions of Lambda and services and tasks of ECS in eu-central-1 of 123456789012"
        ),
        "{text}"
    );
    // By a tag as well it is the same one.
    let ran = json_of(&world, &[&name, "team/app:latest"]).await.well();
    assert_eq!(outcomes(&ran), [format!("team/app {digest},latest deleted")]);
    let one = &ran.json()["images"][0];
    assert_eq!(
        (&one["tags"], &one["image"]["use"]),
        (&json!(["1.0", "latest"]), &json!("unused"))
    );
    assert_eq!(left(&world, "team/app"), ["0.9"]);
    assert_eq!(deletions(&world), [json!([{"imageDigest": digest}])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_index_consists_of_stays_and_is_told() {
    let world = world().await;
    let index = world.ecr("team/app", "1", multi("one")).await;
    let parts: Vec<&str> = index.children.iter().map(|child| child.digest.as_str()).collect();
    let part = format!("team/app@{}", parts[0]);
    let ran = json_of(&world, &[&part]).await.code_is(1);
    assert_eq!(outcomes(&ran), [format!("team/app {} failed", parts[0])]);
    for word in ["ImageReferencedByManifestList", "delete the index first"] {
        assert!(ran.stdout.contains(word), "{}", ran.stdout);
    }
    let text = keeper(&world, &["team/app:1", "--dry-run"]).ran().await.well().stdout;
    assert!(
        text.contains("the images that it consists of stay, untagged unless"),
        "{text}"
    );
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    let ran = json_of(&world, &["team/app:1"]).await.well();
    assert_eq!(ran.json()["images"][0]["leaves"], json!(parts));
    assert_eq!(left(&world, "team/app"), ["", ""]);
    // Named with it, a part goes after it.
    world.ecr("team/app", "2", multi("two")).await;
    let index = world.digest_in_ecr("team/app", "2");
    let manifest: Value = serde_json::from_str(&world.lab.ecr().manifest("team/app", &index).unwrap()).unwrap();
    let part = manifest["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let other = manifest["manifests"][1]["digest"].as_str().unwrap().to_owned();
    let ran = json_of(&world, &[&format!("team/app@{part}"), "team/app:2"])
        .await
        .well();
    assert_eq!(ran.json()["images"][1]["leaves"], json!([other]));
    assert_eq!(left(&world, "team/app").len(), 3);
}

const CHECKOUT: &str = "arn:aws:lambda:eu-central-1:123456789012:function:checkout";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_use_goes_only_by_force() {
    let world = tagged().await;
    let home = world.lab.ecr();
    let digest = world.digest_in_ecr("team/app", "1.0");
    home.add_function(LabFunction::new("checkout", &world.target("team/app:1.0")).resolved(&digest));
    let ran = json_of(&world, &[&format!("team/app@{digest}"), "team/app:0.9"])
        .await
        .code_is(1);
    assert_eq!(
        outcomes(&ran),
        [format!("team/app {digest} refused"), "team/app 0.9 deleted".to_owned()]
    );
    let one = &ran.json()["images"][0];
    assert_eq!(
        (&one["image"]["use"], &one["image"]["in_use_by"]),
        (&json!("used"), &json!([CHECKOUT]))
    );
    assert_eq!(one["failure"]["message"], "it is in use");
    // The function was deployed by another tag of it.
    let text = keeper(&world, &["team/app:1.0", "--yes"]).ran().await.code_is(1).stdout;
    assert!(
        text.contains("refused   team/app:1.0\n") && text.contains(&format!("used by {CHECKOUT}\n")),
        "{text}"
    );
    json_of(&world, &["team/app:latest"]).await.well();
    assert_eq!(left(&world, "team/app"), ["1.0"]);
    // Nobody knows, where not everybody tells.
    home.api_fault(ApiFault::access_denied("ListFunctions"));
    world.ecr("team/app", "2.0", tiny("newer")).await;
    let ran = keeper(&world, &["team/app:2.0", "--yes"]).ran().await.code_is(1);
    for word in [
        "refused   team/app:2.0",
        "; who uses it is not known",
        "--force deletes it all the same",
        "failed    ListFunctions in eu-central-1: AccessDeniedException",
    ] {
        assert!(ran.stdout.contains(word), "{word} is not in {}", ran.stdout);
    }
    json_of(&world, &["team/app:2.0", "team/app:1.0", "--force"])
        .await
        .well();
    assert_eq!(left(&world, "team/app"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_settings_protect_goes_only_by_force() {
    let world = tagged().await;
    let digest = world.digest_in_ecr("team/app", "0.9");
    let settings = format!("protect: ['1\\..*', '{digest}']\n");
    fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let ran = json_of(&world, &["team/app:1.0", "team/app:0.9"]).await.code_is(1);
    assert_eq!(outcomes(&ran), ["team/app 1.0 refused", "team/app 0.9 refused"]);
    assert!(ran.stdout.contains("it is protected by"), "{}", ran.stdout);
    // Another tag of the same image is not protected.
    json_of(&world, &["team/app:latest"]).await.well();
    json_of(&world, &["team/app:1.0", "team/app:0.9", "--force"])
        .await
        .well();
    assert_eq!(left(&world, "team/app"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_there_is_a_failure_unless_told_otherwise() {
    let world = tagged().await;
    let none = format!("team/app@sha256:{}", "0".repeat(64));
    let names = ["team/app:2", &none, "team/apq:1", "team/app:0.9"];
    let ran = json_of(&world, &[&names[..], &["--dry-run"]].concat()).await.code_is(1);
    let expected = |word: &str| {
        vec![
            format!("team/app 2 {word}"),
            format!("team/app sha256:{} {word}", "0".repeat(64)),
            "team/app 0.9 deleted".to_owned(),
            format!("team/apq 1 {word}"),
        ]
    };
    assert_eq!(outcomes(&ran), expected("failed"));
    for word in [
        "there is no tag team/app:2",
        "images list team/app",
        "there is no repository team/apq; did you mean team/app?",
    ] {
        assert!(ran.stdout.contains(word), "{word} is not in {}", ran.stdout);
    }
    let ran = json_of(&world, &[&names[..], &["--if-exists"]].concat()).await.well();
    assert_eq!(outcomes(&ran), expected("absent"));
    assert_eq!(left(&world, "team/app"), ["1.0,latest"]);
    let foreign = "999999999999.dkr.ecr.eu-central-1.amazonaws.com/team/app:1.0";
    let ran = json_of(&world, &[foreign, "--if-exists"]).await.code_is(2);
    assert!(ran.stderr.contains("is of the registry"), "{}", ran.stderr);
    for wrong in ["team/app", "team/app:1.0@sha256:1", "Team:1", "team/app@1"] {
        keeper(&world, &[wrong, "--yes"]).ran().await.code_is(2);
    }
    let ran = keeper(&world, &["team/app:1.0"]).ran().await.code_is(2);
    assert!(ran.stderr.contains("nobody is there to answer"), "{}", ran.stderr);
    assert_eq!(left(&world, "team/app"), ["1.0,latest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_it_shows_what_goes_and_asks() {
    let world = tagged().await;
    let delete = || keeper(&world, &["team/app:latest"]);
    let (said, code) = answered(delete(), async || {}, "no\n").await;
    assert_eq!(code, Some(1), "{said}");
    for word in [
        "to untag  team/app:latest\n",
        "only the tag goes: the image stays, under 1.0",
        "asked who uses it: ",
        "Delete the tag team/app:latest in eu-central-1? Nobody can undo this. Type yes: ",
    ] {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    assert_eq!(left(&world, "team/app"), ["0.9", "1.0,latest"]);
    let (said, code) = answered(keeper(&world, &["team/app:0.9"]), async || {}, "yes\n").await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\ndeleted   team/app:0.9\n"), "{said}");
    // What changes while the question stands there stays.
    let place = Place::ecr(world.lab.ecr());
    let moved = async || drop(tiny("other").put(&place, "team/app", "latest").await);
    let (said, code) = answered(delete(), moved, "yes\n").await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("its tags have changed since it was looked at"), "{said}");
    let tag = async || drop(tiny("new").put(&place, "team/app", "stable").await);
    let digest = world.digest_in_ecr("team/app", "1.0");
    let whole = keeper(&world, &[&format!("team/app@{digest}")]);
    let (said, code) = answered(whole, tag, "yes\n").await;
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(left(&world, "team/app"), ["1.0,stable", "latest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_did_that_failed_is_read_back() {
    let world = tagged().await;
    world.ecr("team/other", "1", tiny("other")).await;
    let denied = ApiFault::access_denied("BatchDeleteImage").of("team/app");
    world.lab.ecr().api_fault(denied);
    let ran = json_of(&world, &["team/app:0.9", "team/other:1"]).await.code_is(1);
    assert_eq!(outcomes(&ran), ["team/app 0.9 failed", "team/other 1 deleted"]);
    assert!(ran.stdout.contains("AccessDeniedException"), "{}", ran.stdout);
    assert_eq!(left(&world, "team/app"), ["0.9", "1.0,latest"]);
    // One that cannot be listed leaves the others, too.
    let unlisted = ApiFault::access_denied("DescribeImages").of("team/app");
    world.lab.ecr().api_fault(unlisted);
    world.ecr("team/other", "2", tiny("other")).await;
    let ran = json_of(&world, &["team/app:0.9", "team/other:2"]).await.code_is(1);
    assert_eq!(outcomes(&ran), ["team/app 0.9 failed", "team/other 2 deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn last_copies_and_backups_go_only_by_force() {
    let world = tagged().await;
    world.ecr("team/app", "1.0-before-2999-01-01", tiny("before")).await;
    let settings = "policy: {backup: '{tag}-before-{date}'}\n";
    fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let target = world.target("team/app:1.0");
    let ledger = json!({"version": 2, "made": {}, "protected": {target: "2026-01-01T00:00:00Z"}});
    fs::create_dir_all(world.ledger().parent().unwrap()).unwrap();
    fs::write(world.ledger(), ledger.to_string()).unwrap();
    let names = ["team/app:1.0", "team/app:1.0-before-2999-01-01"];
    let ran = json_of(&world, &names).await.code_is(1);
    let images = ran.json()["images"].clone();
    let told = |at: usize| (images[at]["outcome"].clone(), images[at]["protected"]["reason"].clone());
    assert_eq!(told(0), (json!("refused"), json!("last-copy")));
    assert_eq!(told(1), (json!("refused"), json!("backup")));
    for word in [
        "it may be the last copy",
        "is a backup until",
        "--force deletes it all the same",
    ] {
        assert!(ran.stdout.contains(word), "{word} is not in {}", ran.stdout);
    }
    // Another tag of the last copy leaves it there.
    json_of(&world, &["team/app:latest"]).await.well();
    let ran = keeper(&world, &[&names[..], &["--yes", "--force"]].concat())
        .ran()
        .await
        .well();
    // What goes is shown before, in a pipeline, too.
    for word in [
        "to delete team/app:1.0\n",
        "may be the last copy",
        "asked who uses it: ",
    ] {
        assert!(ran.stderr.contains(word), "{word} is not in {}", ran.stderr);
    }
    assert_eq!(left(&world, "team/app"), ["0.9"]);
    // What may be the last copy is known from there alone.
    fs::write(world.ledger(), "{").unwrap();
    let ran = json_of(&world, &["team/app:0.9"]).await.code_is(1);
    assert!(ran.stderr.contains("last copy"), "{}", ran.stderr);
    assert_eq!(left(&world, "team/app"), ["0.9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_begins_to_run_while_the_question_stands_stays() {
    let world = tagged().await;
    let digest = world.digest_in_ecr("team/app", "0.9");
    let begin = async || {
        let function = LabFunction::new("late", &world.target("team/app:0.9"));
        world.lab.ecr().add_function(function.resolved(&digest));
    };
    let (said, code) = answered(keeper(&world, &["team/app:0.9"]), begin, "yes\n").await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("\nrefused   team/app:0.9\n"), "{said}");
    assert_eq!(left(&world, "team/app"), ["0.9", "1.0,latest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_has_moved_from_an_image_takes_the_image_no_more() {
    let world = tagged().await;
    let place = Place::ecr(world.lab.ecr());
    // The image keeps the other tag, which was to go with it.
    let moved = async || drop(tiny("other").put(&place, "team/app", "latest").await);
    let both = keeper(&world, &["team/app:latest", "team/app:1.0"]);
    let (said, code) = answered(both, moved, "yes\n").await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("its tags have changed since it was looked at"), "{said}");
    assert_eq!(left(&world, "team/app"), ["0.9", "1.0", "latest"]);
}
