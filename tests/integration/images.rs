//! `images`: new versions that arrive by themselves.

use ecr_lab::LabOptions;
use ecr_lab::images::tiny;
use serde_json::{Value, json};

use crate::support::{Ran, World};

/// An upstream with versions, and two repositories of ECR: one with an older one of them, one with nothing.
async fn world() -> World {
    let world = World::without_daemon(LabOptions::default()).await;
    for tag in ["1.0", "1.1", "1.2", "1.2-alpine", "2.0-rc1", "latest"] {
        world.upstream("library/app", tag, tiny(tag)).await;
        world.upstream("team/tool", tag, tiny(&format!("tool {tag}"))).await;
    }
    world.ecr("base/image/app", "1.0", tiny("old")).await;
    world.lab.ecr().create_repository("mirror/team/tool");
    world
}

fn settings(world: &World, yaml: &str) {
    std::fs::write(world.folder().join("settings.yaml"), yaml).unwrap();
}

/// How each image ended, by its target.
fn outcomes(ran: &Ran) -> Vec<(String, String)> {
    let report = ran.json();
    let images = report["images"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    images
        .map(|image| {
            let target = text(&image["target"]);
            let name = target.split_once('/').unwrap().1.to_owned();
            (name, text(&image["outcome"]))
        })
        .collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter()
        .map(|&(one, other)| (one.to_owned(), other.to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_tags_come_beside_those_that_are_there() {
    let world = world().await;
    settings(
        &world,
        "images:\n  - {upstream: app, repository: base/image/app, constraint: '~> 1.1', newest: 1}\n  \
         - upstream: team/tool\n    repo_prefix: mirror\n    any: [{include_tags: latest}, {suffix: alpine}]\n",
    );
    let ran = world.sync().await.well();
    assert_eq!(
        outcomes(&ran),
        pairs(&[
            ("base/image/app:1.0", "updated"),
            ("base/image/app:1.2", "updated"),
            ("mirror/team/tool:1.2-alpine", "updated"),
            ("mirror/team/tool:latest", "updated"),
        ])
    );
    let image = ran.image("/base/image/app:1.2");
    assert_eq!(image["reason"], "the target had no such tag");
    // The next run finds them as it does all others, and a version that appears comes.
    world.upstream("library/app", "1.3", tiny("1.3")).await;
    let ran = world.sync().await.well();
    let changed: Vec<_> = outcomes(&ran)
        .into_iter()
        .filter(|(_, how)| how != "unchanged")
        .collect();
    assert_eq!(changed, pairs(&[("base/image/app:1.3", "updated")]));
    assert_eq!(ran.json()["totals"]["unchanged"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_need_no_keyword_and_leave_other_tags_alone() {
    let world = world().await;
    settings(
        &world,
        "images:\n  - {upstream: app, repository: base/image/app, include_tags: ['1.1']}\n",
    );
    let plan = world.keeper(&["plan", "--output", "json"]).without("KEYWORD");
    let plan = plan.ran().await.well().json();
    let copies = plan["stages"][0].as_array().unwrap();
    assert_eq!(copies.len(), 1, "{plan}");
    assert!(copies[0]["target"].as_str().unwrap().ends_with("/base/image/app:1.1"));
    assert_eq!(plan["kept"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn immutable_tags_that_are_not_there_yet_come() {
    let world = world().await;
    settings(
        &world,
        "immutable_tags: '\\d.*'\nimages:\n  - {upstream: app, repository: base/image/app, constraint: '>= 1.1'}\n",
    );
    let ran = world.sync().await.well();
    assert_eq!(
        outcomes(&ran),
        pairs(&[
            ("base/image/app:1.0", "unchanged"),
            ("base/image/app:1.1", "updated"),
            ("base/image/app:1.2", "updated"),
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_comes_to_nothing_leaves_the_others_alone() {
    let world = world().await;
    world.lab.ecr().create_repository("mirror/gone");
    world.lab.ecr().create_repository("mirror/many");
    settings(
        &world,
        "images:\n  - {upstream: team/absent, repository: mirror/gone}\n  \
         - {upstream: team/tool, repository: mirror/nowhere}\n  \
         - {upstream: team/tool, repository: mirror/many, max_selected: 2}\n  \
         - {upstream: quay.io/other/app, repository: base/image/app}\n  \
         - {upstream: team/tool, repository: mirror/team/tool, include_tags: ['1.0']}\n",
    );
    world.upstream("other/app", "1", tiny("other")).await;
    let ran = world.sync().await.code_is(1);
    assert_eq!(outcomes(&ran), pairs(&[("mirror/team/tool:1.0", "updated")]));
    let failures = ran.json()["failures"].clone();
    let told: Vec<String> = failures
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| format!("{failure}"))
        .collect();
    for (entry, repository, says) in [
        (
            "",
            "base/image/app",
            "and discovery, by its name, docker.io/library/app",
        ),
        (
            "images.1 of settings.yaml, for ",
            "mirror/gone",
            "list the tags of upstream docker.io/team/absent",
        ),
        (
            "images.3 of settings.yaml, for ",
            "mirror/many",
            "the rules choose 6 of 6 tags, and max_selected is 2",
        ),
        (
            "images.2 of settings.yaml, for ",
            "mirror/nowhere",
            "aws ecr create-repository --region eu-central-1 --repository-name mirror/nowhere",
        ),
    ] {
        let comma = if entry.is_empty() { "" } else { "," };
        let message = format!("{entry}repository {repository}{comma} is passed over");
        let one = told.iter().find(|told| told.contains(&message) && told.contains(says));
        assert!(one.is_some(), "{message}: {says}\nis not in\n{told:#?}");
    }
    assert_eq!(told.len(), 4, "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_which_entry_names_a_tag_and_why_it_passes_one_over() {
    let world = world().await;
    settings(
        &world,
        "images:\n  - {upstream: team/tool, repo_prefix: mirror, constraint: '~> 1.1'}\n",
    );
    let told = world
        .keeper(&["explain", "mirror/team/tool:1.2"])
        .ran()
        .await
        .well()
        .stdout;
    assert!(told.contains("named in images.1 of settings.yaml"), "{told}");
    assert!(told.contains("the target has no such tag"), "{told}");
    assert!(!told.contains("lacks the keyword"), "{told}");
    let ran = world
        .keeper(&["explain", "mirror/team/tool:1.0"])
        .ran()
        .await
        .code_is(1);
    let why = "images.1 of settings.yaml passes it over: the constraint does not hold for it: ~> 1.1";
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_in_images_is_told_at_once() {
    let world = World::without_daemon(LabOptions::default()).await;
    settings(
        &world,
        "images:\n  - {upstream: 'app:1', repository: base/image/app, constraint: '>= 1.x'}\n  \
         - {repository: base/image/app, repo_prefix: base/image}\n  \
         - {upstream: app, newest: 0, newest_per: patch, allow: ['a(', 'b{1,2}'], sufix: none}\n  \
         - {upstream: app, repository: base/one, suffix: none, release_only: true, include_tags: []}\n  \
         - {upstream: tool, repository: base/one, any: [{constraint: '1'}], newest: 1}\n  - text\n",
    );
    let ran = world.keeper(&["config", "check"]).ran().await.code_is(2);
    for says in [
        "settings.yaml: images.1.upstream: \"app:1\" is not allowed",
        "images.1.constraint: \">= 1.x\" is not allowed: \">= 1.x\": \"1.x\" is no version",
        "images.2: needs upstream",
        "images.2.repo_prefix: repository says where the images go",
        "images.3: needs repository, or repo_prefix",
        "images.3.newest: \"0\" is not allowed; allowed: a whole number from 1",
        "images.3.newest_per: \"patch\" is not allowed; allowed: minor or major or suffix",
        "images.3.allow: \"a(,b{1,2}\" is not allowed: unclosed group",
        "images.3.sufix: no such setting; did you mean images.3.suffix?",
        "images.4.release_only: suffix takes its place",
        "images.5: base/one would follow both docker.io/library/tool and docker.io/library/app, which images.4 of",
        "images.5.newest: put it into each of the sets of images.5.any",
        "images.6: is a section",
    ] {
        assert!(ran.stderr.contains(says), "{says}\nis not in\n{}", ran.stderr);
    }
    let by_variable = world
        .keeper(&["config", "check"])
        .env("ECR_KEEPER_IMAGES__1__NEWEST", "1");
    let ran = by_variable.ran().await.code_is(2);
    assert!(ran.stderr.contains("ECR_KEEPER_IMAGES__1__NEWEST"), "{}", ran.stderr);
}
