//! `images`: new versions that arrive by themselves.

use ecr_lab::images::tiny;
use ecr_lab::{ApiFault, LabOptions};
use serde_json::{Value, json};

use crate::support::{Ran, World};

/// An upstream with versions, and two repositories of ECR: one with an older one of them, one with nothing.
pub async fn world() -> World {
    let world = World::without_daemon(LabOptions::default()).await;
    for tag in ["1.0", "1.1", "1.2", "1.2-alpine", "2.0-rc1", "latest"] {
        world.upstream("library/app", tag, tiny(tag)).await;
        world.upstream("team/tool", tag, tiny(&format!("tool {tag}"))).await;
    }
    world.ecr("base/image/app", "1.0", tiny("old")).await;
    world.lab.ecr().create_repository("mirror/team/tool");
    world
}

pub fn settings(world: &World, yaml: &str) {
    std::fs::write(world.folder().join("settings.yaml"), yaml).unwrap();
}

/// How each image ended, by its target.
pub fn outcomes(ran: &Ran) -> Vec<(String, String)> {
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

pub fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
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
async fn new_tags_come_to_an_immutable_repository() {
    let world = world().await;
    world.lab.ecr().create_immutable_repository("mirror/fixed");
    settings(
        &world,
        "images:\n  - {upstream: team/tool, repository: mirror/fixed, constraint: '~> 1.1'}\n",
    );
    let ran = world.sync().await.well();
    assert_eq!(ran.outcome("/mirror/fixed:1.1"), "updated");
    assert_eq!(ran.outcome("/mirror/fixed:1.2"), "updated");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_entry_names_stays_its_own_when_its_upstream_does_not_answer() {
    let world = world().await;
    world.ecr("mirror/image/app", "1.0", tiny("theirs")).await;
    let before = world.digest_in_ecr("mirror/image/app", "1.0");
    settings(
        &world,
        "images:\n  - {upstream: quay.io/other/app, repository: mirror/image/app}\n  \
         - {upstream: quay.io/other/app, repository: base/image/app}\n",
    );
    // By their names both would follow Docker Hub's app.
    for only in ["mirror/image/app", "base/image/app"] {
        let run = world.keeper(&["sync", "--only", only, "--output", "json"]);
        let run = if only.starts_with("mirror") {
            run.without("KEYWORD")
        } else {
            run
        };
        let ran = run.ran().await.code_is(1);
        assert_eq!(outcomes(&ran), pairs(&[]), "{only}");
        assert!(
            ran.json()["failures"].to_string().contains("quay.io/other/app"),
            "{only}"
        );
    }
    assert_eq!(world.digest_in_ecr("mirror/image/app", "1.0"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyword_that_matches_nothing_is_told_beside_what_is_named() {
    let world = world().await;
    settings(
        &world,
        "images:\n  - {upstream: team/tool, repo_prefix: mirror, include_tags: ['1.0']}\n",
    );
    let run = world.keeper(&["sync", "--output", "json"]).env("KEYWORD", "no/such");
    let ran = run.ran().await.code_is(1);
    assert_eq!(outcomes(&ran), pairs(&[("mirror/team/tool:1.0", "updated")]));
    let failures = ran.json()["failures"].to_string();
    assert!(failures.contains("has \\\"no/such\\\" in its name"), "{failures}");
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
            "and docker.io/library/app by its name (discovery)",
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
async fn a_sync_brings_no_more_tags_than_the_rules_choose_also_of_those_that_are_named() {
    let world = world().await;
    settings(
        &world,
        "images:\n  - {upstream: team/tool, repository: mirror/team/tool, include_tags: [latest, '1.1', gone], constraint: '>= 9', \
         max_results: 1}\n",
    );
    let ran = world.sync().await.code_is(1);
    let of_tool: Vec<_> = outcomes(&ran)
        .into_iter()
        .filter(|(name, _)| name.contains("tool"))
        .collect();
    // What is named and not there is missed all the same.
    assert_eq!(
        of_tool,
        pairs(&[
            ("mirror/team/tool:gone", "refused"),
            ("mirror/team/tool:latest", "updated")
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_names_its_upstream_and_rules_in_its_resource_tags() {
    let world = world().await;
    let ecr = world.lab.ecr();
    for (name, tags) in [
        (
            "mirror/team/tool",
            &[
                ("ecr_sync_opt", "in"),
                ("ecr_sync_source", "team/tool"),
                ("ecr_sync_constraint", "-ge 1.1 -lt 2"),
            ][..],
        ),
        (
            "mirror/broken",
            &[
                ("ecr_sync_opt", "in"),
                ("ecr_sync_source", "team/tool"),
                ("ecr_sync_constraint", "1.x"),
            ],
        ),
        (
            "mirror/out",
            &[("ecr_sync_opt", "out"), ("ecr_sync_source", "team/tool")],
        ),
        (
            "base/image/app",
            &[("ecr_sync_opt", "in"), ("ecr_sync_source", "quay.io/other/app")],
        ),
    ] {
        if !ecr.repositories().contains(&name.to_owned()) {
            ecr.create_repository(name);
        }
        ecr.tag_repository(name, tags);
    }
    world.upstream("other/app", "1", tiny("other")).await;
    // All three sources in one run.
    world.ecr("base/image/team/tool", "1.0", tiny("old")).await;
    ecr.create_repository("by/settings");
    settings(
        &world,
        "discovery: {resource_tags: true}\nimages:\n  - {upstream: app, repository: by/settings, newest: 1, suffix: none}\n",
    );
    let ran = world.sync().await.code_is(1);
    assert_eq!(
        outcomes(&ran),
        pairs(&[
            ("base/image/team/tool:1.0", "updated"),
            ("by/settings:1.2", "updated"),
            ("mirror/team/tool:1.1", "updated"),
            ("mirror/team/tool:1.2", "updated"),
        ])
    );
    let told = ran.json()["failures"].clone();
    let told: Vec<String> = told.as_array().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    let two = "quay.io/other/app would come by the tags ecr_sync_… of base/image/app, and docker.io/library/app by its name \
               (discovery)";
    assert!(told[0].contains(two), "{}", told[0]);
    let told_of_tags = world
        .keeper(&["explain", "mirror/team/tool:1.1"])
        .ran()
        .await
        .well()
        .stdout;
    assert!(
        told_of_tags.contains("named in the tags ecr_sync_… of mirror/team/tool"),
        "{told_of_tags}"
    );
    let malformed =
        "tag ecr_sync_constraint of repository mirror/broken: \\\"1.x\\\" is no condition here: write -pe 1.0";
    assert!(told[1].contains(malformed), "{}", told[1]);
    // The tag and the repository are named once, and in text the failure is one line.
    assert_eq!(told[1].matches("mirror/broken").count(), 1, "{}", told[1]);
    assert_eq!(told[1].matches("ecr_sync_constraint").count(), 1, "{}", told[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_resource_tags_is_told_so_once() {
    let world = world().await;
    world
        .lab
        .ecr()
        .api_fault(ApiFault::access_denied("ListTagsForResource"));
    settings(&world, "discovery: {resource_tags: true}\n");
    let ran = world.sync().await.code_is(1);
    assert_eq!(outcomes(&ran), pairs(&[("base/image/app:1.0", "updated")]));
    let failures = ran.json()["failures"].clone();
    assert_eq!(failures.as_array().map(Vec::len), Some(1), "{failures}");
    assert!(
        failures[0]["causes"].to_string().contains("ListTagsForResource"),
        "{failures}"
    );
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
    let why = "passed over by images.1 of settings.yaml: the constraint does not hold for it: ~> 1.1";
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
    let ran = world
        .keeper(&["explain", "mirror/team/tool:9.9"])
        .ran()
        .await
        .code_is(1);
    assert!(
        ran.stderr.contains("upstream docker.io/team/tool has no such tag"),
        "{}",
        ran.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_in_images_is_told_at_once() {
    let world = World::without_daemon(LabOptions::default()).await;
    settings(
        &world,
        "images:\n  - {upstream: 'app:1', repository: base/image/app, constraint: '>= 1.x'}\n  \
         - {repository: base/image/app, repo_prefix: base/image}\n  \
         - {upstream: app, newest: 0, newest_per: patch, allow: ['a(', 'b{1,2}'], sufix: none}\n  \
         - {upstream: app, repository: base/one, suffix: none, release_only: true, include_tags: [latest]}\n  \
         - {upstream: tool, repository: base/one, any: [{constraint: '1'}], newest: 1}\n  - text\n  -\n  \
         - {upstream: app, repository: base/two, include_tags: [1.10], any: [{constraint: }]}\n  \
         - {upstream: app, repository: 123456789012.dkr.ecr.eu-central-1.amazonaws.com/base/three}\nconstraint: '1'\n",
    );
    let ran = world.keeper(&["config", "check"]).ran().await.code_is(2);
    for says in [
        "settings.yaml: images.1.upstream: \"app:1\" is not allowed",
        "images.1.constraint: \">= 1.x\" is not allowed: \">= 1.x\": \"1.x\" is no version",
        "images.2: needs upstream",
        "images.2.repo_prefix: repository says where the images go",
        "images.3: needs repository, repo_prefix, name or targets",
        "images.3.newest: \"0\" is not allowed; allowed: a whole number from 1",
        "images.3.newest_per: \"patch\" is not allowed; allowed: minor or major or suffix",
        "images.3.allow: \"a(,b{1,2}\" is not allowed: unclosed group",
        "images.3.sufix: no such setting; did you mean images.3.suffix?",
        "images.4.release_only: suffix takes its place",
        "images.5: base/one would follow both docker.io/library/tool and docker.io/library/app, which images.4 of",
        "images.5.newest: put it into each of the sets of images.5.any",
        "images.6: is no entry, which has upstream",
        "images.7: says nothing; an entry has upstream",
        "images.8.include_tags: has something that is not text in YAML",
        "images.8.any.1.constraint: has no value",
        "images.9.repository: \"123456789012.dkr.ecr.eu-central-1.amazonaws.com/base/three\" is not allowed",
        "settings.yaml: constraint: no such setting; did you mean images.N.constraint?",
    ] {
        assert!(ran.stderr.contains(says), "{says}\nis not in\n{}", ran.stderr);
    }
    // A variable cannot name an entry of a list, and never takes the others away.
    settings(&world, "images:\n  - {upstream: app, repository: base/image/app}\n");
    let by_variable = world.keeper(&["config", "check"]);
    let by_variable = by_variable.env("ECR_KEEPER_IMAGES__1__UPSTREAM", "tool");
    let ran = by_variable.ran().await.code_is(2);
    let says = "environment variable ECR_KEEPER_IMAGES__1__UPSTREAM: images.1.upstream: is in a list";
    assert!(ran.stderr.contains(says), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_of_images_is_one_that_can_be_used() {
    let world = World::without_daemon(LabOptions::default()).await;
    let sample = include_str!("../../settings.yaml");
    let (_, rest) = sample.split_once("\nimages: []\n").unwrap();
    let lines = rest.lines().map_while(|line| line.strip_prefix('#'));
    let yaml: Vec<&str> = lines.filter(|line| line.starts_with("  ")).collect();
    settings(&world, &format!("images:\n{}\n", yaml.join("\n")));
    world.keeper(&["config", "check"]).ran().await.well();
    assert!(yaml.len() > 15, "{yaml:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_choose_nothing_are_a_failure_unless_that_is_allowed() {
    let world = world().await;
    let entry = "images:\n  - {upstream: app, repository: base/image/app, constraint: '>= 9'}\n";
    settings(&world, entry);
    let ran = world.sync().await.code_is(1);
    let failures = ran.json()["failures"].to_string();
    assert!(
        failures.contains("the rules choose none of the 6 tags of docker.io/library/app"),
        "{failures}"
    );
    assert_eq!(
        ran.outcome("/base/image/app:1.0"),
        "updated",
        "the others are left alone"
    );
    settings(&world, &format!("discovery: {{allow_no_match: true}}\n{entry}"));
    world.sync().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_or_was_brought_is_missed_when_the_upstream_lacks_it() {
    let world = world().await;
    let entry = "images:\n  - {upstream: team/tool, repository: mirror/team/tool, include_tags: ['1.1', '9.9']}\n";
    settings(&world, entry);
    let ran = world.sync().await.code_is(1);
    assert_eq!(ran.outcome("/mirror/team/tool:1.1"), "updated");
    assert_eq!(ran.outcome("/mirror/team/tool:9.9"), "refused");
    // What rules brought, and what has gone since, is not passed over in silence.
    settings(
        &world,
        "images:\n  - {upstream: team/tool, repository: mirror/team/tool, constraint: '~> 1.0'}\n",
    );
    world.sync().await.well();
    world.lab.upstream().remove_tag("team/tool", "1.2").unwrap();
    let ran = world.sync().await.code_is(1);
    assert_eq!(ran.outcome("/mirror/team/tool:1.2"), "refused");
    assert!(
        ran.image("/mirror/team/tool:1.2")["reason"]
            .to_string()
            .contains("does not exist")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_s_name_is_made_of_the_upstream_s() {
    let world = world().await;
    for (name, repository) in [
        ("mirror/{registry}/{path}", "mirror/docker.io/library/app"),
        ("only/{name}", "only/app"),
    ] {
        world.lab.ecr().create_repository(repository);
        settings(
            &world,
            &format!("images:\n  - {{upstream: app, name: '{name}', include_tags: [latest]}}\n"),
        );
        let run = world.keeper(&["sync", "--output", "json"]).without("KEYWORD");
        let ran = run.ran().await.well();
        assert_eq!(outcomes(&ran), pairs(&[(&format!("{repository}:latest"), "updated")]));
    }
    for (entry, says) in [
        (
            "name: mirror/app",
            "images.1.name: \"mirror/app\" is not allowed; allowed: a repository's name with {registry}",
        ),
        (
            "name: 'mirror/{tag}/{path}'",
            "images.1.name: \"mirror/{tag}/{path}\" is not allowed",
        ),
        (
            "name: 'a/{path}', repository: a/b",
            "images.1.name: repository says where the images go",
        ),
    ] {
        settings(&world, &format!("images:\n  - {{upstream: app, {entry}}}\n"));
        let ran = world.keeper(&["config", "check"]).ran().await.code_is(2);
        assert!(ran.stderr.contains(says), "{says}\nis not in\n{}", ran.stderr);
    }
}
