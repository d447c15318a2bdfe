//! `tags`: what rules choose of an upstream's tags.

use ecr_lab::images::tiny;
use ecr_lab::{Act, Fault, LabOptions};
use serde_json::json;

use crate::support::{Run, World};

const UPSTREAM: &str = "library/app";
const TAGS: &[&str] = &[
    "1.24",
    "1.25",
    "1.25-alpine3.18",
    "1.25-alpine3.9",
    "1.26",
    "1.26-alpine",
    "1.27-rc1",
    "2.x-odd",
    "3",
    "latest",
];

/// An upstream with these tags, of which its registry lists three on a page.
async fn world() -> World {
    let options = LabOptions {
        page_size: 3,
        ..LabOptions::default()
    };
    let world = World::without_daemon(options).await;
    for tag in TAGS {
        world.upstream(UPSTREAM, tag, tiny(tag)).await;
    }
    world.lab.upstream().clear_requests();
    world
}

/// The lines that `tags` prints.
async fn listed(run: Run) -> Vec<String> {
    let ran = run.ran().await.well();
    ran.stdout.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_and_not_there_is_told_and_what_can_be_no_tag_is_refused() {
    let world = world().await;
    let named = ["tags", "library/app", "--include-tag", "latest,nosuch"];
    let ran = world.keeper(&named).ran().await.well();
    assert_eq!(ran.stdout, "latest\n");
    let says = "--include-tag names nosuch, and docker.io/library/app has no such tag";
    assert!(ran.stderr.contains(says), "{}", ran.stderr);
    let ran = world
        .keeper(&[&named[..], &["--output", "json"]].concat())
        .ran()
        .await
        .well();
    assert_eq!(ran.json()["missing"], json!(["nosuch"]));
    let ran = world
        .keeper(&["tags", "library/app", "--include-tag=app:1"])
        .ran()
        .await
        .code_is(2);
    assert!(
        ran.stderr.contains("--include-tag: \"app:1\" is no tag"),
        "{}",
        ran.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chosen_tags_come_one_a_line_from_all_pages() {
    let world = world().await;
    assert_eq!(
        listed(world.keeper(&["tags", "library/app"])).await,
        [
            "3",
            "latest",
            "1.27-rc1",
            "1.26",
            "1.26-alpine",
            "1.25",
            "1.25-alpine3.18",
            "1.25-alpine3.9",
            "1.24",
        ]
    );
    let pages = world.lab.upstream().requests();
    let pages = pages.iter().filter(|page| page.path.contains("/tags/list")).count();
    assert_eq!(pages, TAGS.len().div_ceil(3));

    let rules = [
        "--constraint",
        "~> 1.25",
        "--include-tag",
        "latest,absent",
        "--max-results",
        "2",
    ];
    let chosen = listed(world.keeper(&[&["tags", "library/app"], &rules[..]].concat())).await;
    assert_eq!(chosen, ["latest", "1.26"]);
    let chosen = listed(world.keeper(&["tags", "library/app", "--suffix", "alpine", "--newest", "2"])).await;
    assert_eq!(chosen, ["1.26-alpine", "1.25-alpine3.18"]);
    // Nobody logs in at ECR for it, or asks it anything.
    assert!(world.lab.ecr().api_requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tag_that_is_passed_over_has_its_reason() {
    let world = world().await;
    let rules = [
        "tags",
        "library/app",
        "--constraint",
        ">= 1.25",
        "--deny",
        "1\\.26",
        "--explain",
    ];
    let told = world.keeper(&rules).ran().await.well();
    assert_eq!(
        told.stdout,
        "1.25\n\npassed over:\n\
         \x20 2.x-odd          it looks like a version and is none, and include_tags does not name it\n\
         \x20 3                include_tags does not name it\n\
         \x20 latest           include_tags does not name it\n\
         \x20 1.27-rc1         what follows its numbers is not wanted\n\
         \x20 1.26             deny matches it: 1\\.26\n\
         \x20 1.26-alpine      what follows its numbers is not wanted\n\
         \x20 1.25-alpine3.18  what follows its numbers is not wanted\n\
         \x20 1.25-alpine3.9   what follows its numbers is not wanted\n\
         \x20 1.24             the constraint does not hold for it: >= 1.25\n"
    );
    let json = world
        .keeper(&[&rules[..], &["--output", "json"]].concat())
        .ran()
        .await
        .json();
    assert_eq!(
        (&json["upstream"], &json["tags"]),
        (&json!("docker.io/library/app"), &json!(["1.25"]))
    );
    let denied = json!({
        "tag": "1.26",
        "reason": "deny matches it: 1\\.26",
        "because": [{"because": "denied", "deny": "1\\.26"}],
    });
    assert_eq!(json["passed_over"][4], denied);
    assert_eq!(json["passed_over"].as_array().map(Vec::len), Some(TAGS.len() - 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_a_file_are_chosen_without_a_registry() {
    let world = World::without_daemon(LabOptions::default()).await;
    let file = world.folder().join("tags").display().to_string();
    std::fs::write(&file, "\u{feff}1.0\r\n\r\n 1.1 \nlatest\n1.1\n").unwrap();
    let newest = ["tags", "--newest", "1", "--from-file"];
    assert_eq!(listed(world.keeper(&[&newest[..], &[&file]].concat())).await, ["1.1"]);
    let from_stdin = world.keeper(&[&newest[..], &["-"]].concat()).reading(&file);
    assert_eq!(listed(from_stdin).await, ["1.1"]);
    assert!(world.lab.upstream().requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_come_to_nothing_are_told() {
    let world = world().await;
    let rules = [
        "tags",
        "library/app",
        "--constraint",
        ">= 2, < 1",
        "--exclude-rls",
        "rc",
    ];
    let ran = world.keeper(&rules).ran().await.well();
    for says in [
        "constraint: no version is >= 2, < 1",
        "exclude_rls: says nothing without include_rls",
        "none of 10 tags is chosen",
    ] {
        assert!(ran.stderr.contains(says), "{says} is not in {}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_rule_a_tag_or_an_upstream_is_told() {
    let world = world().await;
    let file = world.folder().join("tags").display().to_string();
    std::fs::write(&file, "1.0\na b\nlibrary/app:1.1\n").unwrap();
    for (arguments, code, says) in [
        (&["library/app", "--constraint", "1.x"][..], 2, "write ~> 1.0"),
        (
            &["library/app", "--constraint", ">= 1 < 2"],
            2,
            "with a comma between several",
        ),
        (&["library/app", "--allow", "a("], 2, "unclosed group"),
        (&["library/app", "--newest", "0"], 2, "a whole number from 1 on"),
        (
            &["library/app", "--newest-per", "patch"],
            2,
            "write minor, major or suffix",
        ),
        (
            &["library/app", "--include-tag", " , "],
            2,
            "--include-tag is given nothing",
        ),
        (
            &["library/app", "--suffix", "none", "--include-rls", "rc"],
            2,
            "cannot be used with",
        ),
        (&["library/app:1.0"], 2, "library/app:1.0"),
        (&[], 2, "UPSTREAM"),
        (
            &["--from-file", &file],
            2,
            "/tags:\n  line 2: \"a b\" is no tag\n  line 3: \"library/app:1.1\" is no tag\nhint: write one tag on each line",
        ),
        (&["--from-file", "/absent"], 2, "read the tags in /absent"),
        (
            &["library/absent"],
            1,
            "check the repository's name: its registry knows none of that name",
        ),
    ] {
        let ran = world.keeper(&[&["tags"], arguments].concat()).ran().await.code_is(code);
        assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
    let refused = Act::status(401, "UNAUTHORIZED", "authentication required");
    world.lab.upstream().fault(Fault::new("/tags/list", refused));
    let ran = world.keeper(&["tags", "library/app"]).ran().await.code_is(1);
    assert!(
        ran.stderr.contains("list the tags of upstream docker.io/library/app"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: run `docker login`"), "{}", ran.stderr);
}
