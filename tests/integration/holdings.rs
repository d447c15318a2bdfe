//! `images list` and `images latest`.

use std::fs;

use ecr_lab::images::{Artifact, Image, Layer, Place, Platform, multi, tiny};
use ecr_lab::{Act, ApiFault, Fault, LabOptions};
use serde_json::{Value, json};

use crate::support::{Content, Ran, Run, World};

/// Listings come in pages of two.
async fn world() -> World {
    let options = LabOptions {
        page_size: 2,
        ..LabOptions::default()
    };
    World::without_daemon(options).await
}

fn keeper(world: &World, arguments: &[&str]) -> Run {
    world.keeper(&[&["images"], arguments].concat())
}

async fn json_of(world: &World, arguments: &[&str]) -> Ran {
    keeper(world, &[arguments, &["--output", "json"]].concat()).ran().await
}

/// `REPOSITORY:TAG` of the first image of each repository, with all its tags.
fn firsts(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let all = report["repositories"].as_array().unwrap().iter();
    let first = |one: &Value| {
        let tags = one["images"][0]["tags"].as_array().cloned().unwrap_or_default();
        let tags: Vec<&str> = tags.iter().map(|tag| tag.as_str().unwrap()).collect();
        format!("{}:{}", one["repository"].as_str().unwrap(), tags.join(","))
    };
    all.map(first).collect()
}

/// All that ECR tells of a repository's images, by digest.
fn in_ecr(world: &World, repository: &str) -> Vec<Value> {
    let body = json!({"repositoryName": repository, "filter": {"imageStatus": "ANY"}});
    let (mut all, mut token) = (Vec::new(), Value::Null);
    loop {
        let mut body = body.clone();
        if !token.is_null() {
            body["nextToken"] = token;
        }
        let mut answer = world.lab.ecr().ask("DescribeImages", &body).unwrap();
        all.extend(answer["imageDetails"].as_array().unwrap().iter().cloned());
        token = answer["nextToken"].take();
        if token.is_null() {
            return all;
        }
    }
}

/// As ECR tells times, in seconds.
fn seconds(time: &Value) -> Option<f64> {
    let time: jiff::Timestamp = time.as_str()?.parse().unwrap();
    Some(time.as_millisecond() as f64 / 1000.0)
}

fn is_same_time(time: &Value, of_ecr: &Value) -> bool {
    match (seconds(time), of_ecr.as_f64()) {
        (Some(time), Some(of_ecr)) => (time - of_ecr).abs() < 0.002,
        (time, of_ecr) => time == of_ecr,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_every_image_as_ecr_tells_it_and_the_newest_first() {
    let world = world().await;
    let image = Image::new(Platform::amd64()).layer(Layer::random(1, 9000));
    world.ecr("team/app", "1.0", image).await;
    // The tag moves on, and leaves this one untagged.
    world.ecr("team/app", "latest", tiny("old")).await;
    world.ecr("team/app", "latest", multi("new")).await;
    let place = Place::ecr(world.lab.ecr());
    let archived = tiny("archived").put(&place, "team/app", "archived").await;
    world.lab.ecr().archive("team/app", &archived.top).unwrap();
    let chart = Artifact::new("application/vnd.cncf.helm.config.v1+json", b"chart");
    chart.push(&place, "team/app", Some("chart")).await.unwrap();
    let listed = json_of(&world, &["list", "team/app"]).await.well().json();
    let images = listed["repositories"][0]["images"].as_array().unwrap().clone();
    let expected = in_ecr(&world, "team/app");
    assert_eq!(images.len(), expected.len());
    for of_ecr in &expected {
        let one = images.iter().find(|one| one["digest"] == of_ecr["imageDigest"]);
        let one = one.unwrap_or_else(|| panic!("{of_ecr} is not listed"));
        let tags = of_ecr["imageTags"].as_array().cloned().unwrap_or_default();
        assert_eq!(one["tags"], json!(tags));
        assert_eq!(one["bytes"], of_ecr["imageSizeInBytes"]);
        assert_eq!(one["media_type"], of_ecr["imageManifestMediaType"]);
        assert!(is_same_time(&one["pushed"], &of_ecr["imagePushedAt"]), "{one}");
        assert!(
            is_same_time(&one["last_pulled"], &of_ecr["lastRecordedPullTime"]),
            "{one}"
        );
        assert_eq!((&one["platforms"], &one["in_use_by"]), (&Value::Null, &Value::Null));
    }
    let pushed: Vec<&str> = images.iter().map(|one| one["pushed"].as_str().unwrap()).collect();
    assert!(pushed.is_sorted_by(|one, next| one >= next), "{pushed:?}");
    let what = |tag: &str| {
        let one = images.iter().find(|one| one["tags"] == json!([tag])).unwrap();
        format!("{} {}", one["kind"].as_str().unwrap(), one["status"].as_str().unwrap())
    };
    assert_eq!(what("1.0"), "image active");
    assert_eq!(what("latest"), "index active");
    assert_eq!(what("archived"), "image archived");
    assert_eq!(what("chart"), "artifact active");
    let text = keeper(&world, &["list", &world.target("team/app")])
        .ran()
        .await
        .well()
        .stdout;
    assert!(
        text.starts_with(&format!("{}  {} images, ", world.target("team/app"), images.len())),
        "{text}"
    );
    let line = |end: &str| {
        text.lines()
            .find(|line| line.ends_with(end))
            .unwrap_or_else(|| panic!("{end}: {text}"))
    };
    assert!(line("  archived").contains("  image (archived)  "), "{text}");
    assert!(line("  -").contains("  image"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_is_what_was_pushed_last_of_all_that_has_a_tag() {
    let world = world().await;
    for tag in ["2.0", "1.9"] {
        world.ecr("base/image/app", tag, tiny(tag)).await;
    }
    world.ecr("base/image/app", "gone", tiny("untagged")).await;
    world.ecr("base/image/app", "gone", tiny("1.9")).await;
    let signature = format!("sha256-{}.sig", "a".repeat(64));
    world.ecr("base/image/app", &signature, tiny("signature")).await;
    world.lab.ecr().create_repository("base/image/empty");
    world.ecr("other/app", "3", multi("3")).await;
    let ran = json_of(&world, &["latest", "base/image/app", "base/image/empty"])
        .await
        .well();
    assert_eq!(firsts(&ran), ["base/image/app:1.9,gone", "base/image/empty:"]);
    assert_eq!(ran.json()["repositories"][1]["images"], json!([]));
    assert_eq!(ran.json()["schema_version"], 1);
    let ran = json_of(&world, &["latest", "--all"]).await.well();
    assert_eq!(
        firsts(&ran),
        ["base/image/app:1.9,gone", "base/image/empty:", "other/app:3"]
    );
    let text = keeper(&world, &["latest", "--all"]).ran().await.well().stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].starts_with(&world.target("base/image/app  ")) && lines[0].ends_with("  1.9, gone"),
        "{text}"
    );
    assert!(lines[1].ends_with("  no tagged image"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_in_the_name_or_else_in_the_resource_tag() {
    let world = world().await;
    for name in [
        "prod/app",
        "team/prod/db",
        "production/app",
        "prod-web",
        "web-prod",
        "dev/app",
        "plain",
    ] {
        world.ecr(name, "1", tiny(name)).await;
    }
    world
        .lab
        .ecr()
        .tag_repository("plain", &[("environment", "prod"), ("team", "a")]);
    world.lab.ecr().tag_repository("dev/app", &[("environment", "stage")]);
    let of = async |environment: &str, how: Option<&str>| {
        let run = keeper(&world, &["latest", "--environment", environment, "--output", "json"]);
        let run = match how {
            Some(how) => run.env("ECR_KEEPER_ENVIRONMENT__MATCH", how),
            None => run,
        };
        firsts(&run.ran().await.well())
    };
    assert_eq!(of("prod", None).await, ["prod/app:1", "team/prod/db:1"]);
    assert_eq!(of("prod", Some("prefix")).await, ["prod-web:1", "prod/app:1"]);
    assert_eq!(of("prod", Some("suffix")).await, ["web-prod:1"]);
    // No name has it.
    assert_eq!(of("stage", None).await, ["dev/app:1"]);
    let none = keeper(&world, &["latest", "--environment", "Prod", "--output", "json"])
        .ran()
        .await
        .code_is(1);
    assert!(
        none.failure().contains("is of the environment") && none.failure().contains("letter case"),
        "{}",
        none.stdout
    );
    world
        .lab
        .ecr()
        .api_fault(ApiFault::access_denied("ListTagsForResource"));
    let denied = keeper(&world, &["latest", "--environment", "stage", "--output", "json"])
        .ran()
        .await
        .code_is(1);
    assert!(
        denied.failure().contains("ListTagsForResource of "),
        "{}",
        denied.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn platforms_are_read_where_they_are_asked_for_and_nothing_else_counts_as_a_pull() {
    let world = world().await;
    world.ecr("team/app", "index", multi("a")).await;
    world
        .ecr(
            "team/app",
            "one",
            Image::new(Platform::amd64()).layer(Layer::random(1, 100)),
        )
        .await;
    let pulls = || {
        in_ecr(&world, "team/app")
            .iter()
            .filter(|image| !image["lastRecordedPullTime"].is_null())
            .count()
    };
    let before = pulls();
    world.forget_requests();
    json_of(&world, &["list", "team/app"]).await.well();
    json_of(&world, &["latest", "--all"]).await.well();
    assert_eq!(pulls(), before);
    assert!(world.lab.ecr().front().requests().is_empty());
    let calls = world.lab.ecr().api_requests();
    assert!(
        calls.iter().all(|call| call.action.starts_with("Describe")),
        "{calls:?}"
    );
    let listed = json_of(&world, &["list", "team/app", "--platforms"])
        .await
        .well()
        .json();
    let platforms = |tag: &str| {
        let images = listed["repositories"][0]["images"].as_array().unwrap();
        images.iter().find(|one| one["tags"] == json!([tag])).unwrap()["platforms"].clone()
    };
    assert_eq!(platforms("index"), json!(["linux/amd64", "linux/arm64"]));
    assert_eq!(platforms("one"), json!(["linux/amd64"]));
    let text = keeper(&world, &["list", "team/app", "--platforms"])
        .ran()
        .await
        .well()
        .stdout;
    assert!(text.contains("  linux/amd64, linux/arm64  index\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_read_leaves_the_others() {
    let world = world().await;
    world.ecr("team/app", "1", tiny("1")).await;
    let ran = json_of(&world, &["latest", "team/app", "team/api"]).await.code_is(1);
    assert_eq!(firsts(&ran), ["team/app:1"]);
    assert!(
        ran.failure()
            .contains("there is no repository team/api; did you mean team/app?"),
        "{}",
        ran.stdout
    );
    world.ecr("team/other", "1", tiny("1")).await;
    world
        .lab
        .ecr()
        .api_fault(ApiFault::access_denied("DescribeImages").times(1));
    let ran = json_of(&world, &["list", "--all"]).await.code_is(1);
    assert_eq!(
        ran.json()["repositories"].as_array().unwrap().len(),
        1,
        "{}",
        ran.stdout
    );
    assert!(ran.failure().contains("AccessDeniedException"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_whose_platforms_cannot_be_read_is_listed_with_the_others() {
    let world = world().await;
    for tag in ["1", "2"] {
        world.ecr("team/app", tag, multi(tag)).await;
    }
    let spoiled = world.digest_in_ecr("team/app", "1");
    let path = format!("/manifests/{spoiled}");
    world
        .lab
        .ecr()
        .front()
        .fault(Fault::new(&path, Act::status(403, "DENIED", "no pull")));
    let ran = json_of(&world, &["list", "team/app", "--platforms"]).await.code_is(1);
    let images = ran.json()["repositories"][0]["images"].as_array().unwrap().clone();
    let platforms = |tag: &str| {
        let found = images.iter().find(|one| one["tags"] == json!([tag]));
        found.expect("the image")["platforms"].clone()
    };
    assert_eq!(platforms("1"), Value::Null);
    assert_eq!(platforms("2"), json!(["linux/amd64", "linux/arm64"]));
    assert!(ran.failure().contains(&spoiled), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_is_about_is_said_in_one_way() {
    let world = world().await;
    for arguments in [
        &["list"][..],
        &["latest", "team/app", "--all"],
        &["latest", "--all", "--environment", "prod"],
        &["list", "team/app:1"],
        &["list", "Team"],
        &["latest", "--environment", ""],
    ] {
        let ran = keeper(&world, arguments).ran().await.code_is(2);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
    let ran = keeper(&world, &["list", "team/app:1"]).ran().await.code_is(2);
    assert!(
        ran.stderr.contains("it names a tag; write the repository alone"),
        "{}",
        ran.stderr
    );
    let wrong = keeper(&world, &["latest", "--all"]).env("ECR_KEEPER_ENVIRONMENT__MATCH", "infix");
    let wrong = wrong.ran().await.code_is(2);
    assert!(
        wrong
            .stderr
            .contains("environment.match: \"infix\" is not allowed; allowed: part or prefix or suffix"),
        "{}",
        wrong.stderr
    );
    fs::write(world.folder().join("settings.yaml"), "environment: {mach: part}\n").unwrap();
    let ran = keeper(&world, &["latest", "--all"]).ran().await.code_is(2);
    assert!(ran.stderr.contains("did you mean environment.match?"), "{}", ran.stderr);
}
