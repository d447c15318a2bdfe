//! Which repositories, what else protects, and what ECR could do by itself.

use std::fs;

use ecr_lab::ApiFault;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::{Shelf, days_ago, digests, json_of, prune, reason, world};
use crate::usage::with_services;

#[tokio::test(flavor = "multi_thread")]
async fn what_usage_calls_a_candidate_is_what_it_is_about() {
    let world = world().await;
    let unused = Shelf::of(&world, "legacy/reports");
    for number in 1..=3 {
        unused.image(&format!("{number}"), Some(&format!("{number}")), 400 - number);
    }
    let used = Shelf::of(&world, "shop/api");
    for number in 1..=3 {
        used.image(&format!("{number}"), Some(&format!("{number}")), 400 - number);
    }
    used.ecr.add_service("main", "web", &[("app", &used.address("1"))]);
    let usage = [
        "usage",
        "--regions",
        "eu-central-1",
        "--include",
        "ecs",
        "--candidates",
        "--output",
        "json",
        "--out",
        "candidates.json",
    ];
    with_services(&world, world.keeper(&usage)).ran().await.well();
    let report = json_of(&world, &["--from", "candidates.json", "--keep", "1"])
        .await
        .well()
        .json();
    let names: Vec<&Value> = report["repositories"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["repository"])
        .collect();
    assert_eq!(names, ["legacy/reports"]);
    assert_eq!(digests(&report, "goes").len(), 2);
    // Who pulls it since is nobody that is seen, as of EKS.
    let pulled = unused.ecr.images("legacy/reports").remove(0).digest;
    unused
        .ecr
        .pulled_at("legacy/reports", &pulled, Timestamp::now() + 2.hours());
    let report = json_of(&world, &["--from", "candidates.json", "--all-images"])
        .await
        .well()
        .json();
    assert!(digests(&report, "goes").is_empty());
    assert_eq!(reason(&report, &pulled), "used-since");
    let text = fs::read_to_string(world.folder().join("candidates.json")).unwrap();
    let mut old: Value = serde_json::from_str(&text).unwrap();
    old["generated_at"] = days_ago(8).to_string().into();
    fs::write(world.folder().join("old.json"), old.to_string()).unwrap();
    let ran = json_of(&world, &["--from", "old.json"]).await.code_is(1);
    assert!(ran.stderr.contains("over a week ago"), "{}", ran.stderr);
    // What another registry has takes a run of its own, and is no failure.
    let mut two: Value = serde_json::from_str(&text).unwrap();
    let mut other = two["candidates"][0].clone();
    other["account"] = "210987654321".into();
    other["repositoryUri"] = "210987654321.dkr.ecr.eu-central-1.amazonaws.com/legacy/reports".into();
    two["candidates"].as_array_mut().unwrap().push(other);
    fs::write(world.folder().join("two.json"), two.to_string()).unwrap();
    let report = json_of(&world, &["--from", "two.json"]).await.well().json();
    let notes = report["notes"].to_string();
    assert!(
        notes.contains("1 repository of other registries") && notes.contains("eu-central-1 of 210987654321"),
        "{notes}"
    );
    assert_eq!(report["repositories"].as_array().unwrap().len(), 1);
    unused.ecr.remove_repository("legacy/reports");
    let gone = json_of(&world, &["--from", "candidates.json"]).await.code_is(1);
    assert!(gone.failure().contains("not in this registry"), "{}", gone.failure());
    fs::write(world.folder().join("candidates.json"), "{}").unwrap();
    let odd = json_of(&world, &["--from", "candidates.json"]).await.code_is(1);
    assert!(
        odd.stderr.contains("usage --candidates --output json"),
        "{}",
        odd.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_repository_that_cannot_be_read_leaves_the_others() {
    let world = world().await;
    for name in ["a/one", "a/two"] {
        let shelf = Shelf::of(&world, name);
        for number in 1..=3 {
            shelf.image(&format!("{number}"), Some(&format!("{number}")), 10 - number);
        }
    }
    world
        .lab
        .ecr()
        .api_fault(ApiFault::access_denied("DescribeImages").of("a/one"));
    let ran = json_of(&world, &["--all", "--apply", "--yes"]).await.code_is(1);
    assert!(ran.failure().contains("of a/one"), "{}", ran.failure());
    assert_eq!(world.lab.ecr().images("a/one").len(), 3);
    assert_eq!(world.lab.ecr().images("a/two").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_stays_for_its_term_and_the_last_copy_for_ever() {
    let world = world().await;
    let shelf = Shelf::of(&world, "base/image/app");
    let day = |days: i64| days_ago(days).strftime("%Y-%m-%d").to_string();
    let young = shelf.image("young", Some(&format!("1-before-{}", day(5))), 400);
    let old = shelf.image("old", Some(&format!("1-before-{}", day(40))), 401);
    let last = shelf.image("last", Some("legacy"), 402);
    let [one, two] = [1, 2].map(|number| shelf.image(&format!("{number}"), Some(&format!("{number}.0")), 10 - number));
    let settings = "policy: {backup: '{tag}-before-{date}'}\nimages:\n  - {upstream: app, repository: base/image/app, newest: 1}\n";
    fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let target = shelf.address("legacy");
    let ledger = json!({"version": 2, "made": {}, "protected": {target: "2026-01-01T00:00:00Z"}});
    fs::create_dir_all(world.ledger().parent().unwrap()).unwrap();
    fs::write(world.ledger(), ledger.to_string()).unwrap();
    let plan = json_of(&world, &["base/image/app"]).await.well().json();
    for (digest, why) in [
        (&young, "backup"),
        (&last, "last-copy"),
        (&one, "newest"),
        (&two, "newest"),
        (&old, "rules"),
    ] {
        assert_eq!(reason(&plan, digest), why);
    }
    let notes = plan["repositories"][0]["notes"].to_string();
    assert!(notes.contains("images.1 of settings.yaml brings tags here"), "{notes}");
    // What may be the last copy is known from there alone.
    fs::write(world.ledger(), "{").unwrap();
    let ran = prune(&world, &["base/image/app"]).ran().await.code_is(1);
    assert!(ran.stderr.contains("last copy"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_nothing_is_known_of_last_copies_is_told_or_a_failure_where_they_are_protected() {
    let world = world().await;
    for name in ["base/image/app", "shop/api"] {
        let shelf = Shelf::of(&world, name);
        for number in 1..=3 {
            shelf.image(&format!("{number}"), Some(&format!("{number}")), 10 - number);
        }
    }
    let plan = json_of(&world, &["--all"]).await.well().json();
    let says = format!("the ledger at {} is empty or not there", world.ledger().display());
    assert!(plan["notes"].to_string().contains(&says), "{}", plan["notes"]);
    let settings = "images:\n  - {upstream: app, repository: base/image/app, newest: 1, policy: {vanished: protect}}\n";
    fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let ran = json_of(&world, &["--all", "--apply", "--yes"]).await.code_is(1);
    assert!(
        ran.failure().contains(&says) && ran.failure().contains("base/image/app"),
        "{}",
        ran.failure()
    );
    assert_eq!(world.lab.ecr().images("base/image/app").len(), 3);
    assert_eq!(world.lab.ecr().images("shop/api").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nearest_lifecycle_policy_is_one_that_ecr_takes() {
    let world = world().await;
    world.lab.ecr().create_repository("shop/api");
    let asked = ["--as-lifecycle-policy", "--keep", "5", "--older-than", "90d"];
    let ran = prune(&world, &asked).ran().await.well();
    let body = json!({"repositoryName": "shop/api", "lifecyclePolicyText": ran.stdout});
    world.lab.ecr().ask("PutLifecyclePolicy", &body).unwrap();
    assert!(
        ran.stderr.contains("not said: --keep 5 beside an age"),
        "{}",
        ran.stderr
    );
    let requests = world.lab.ecr().api_requests();
    assert!(requests.is_empty(), "nobody is asked");
    let json = prune(&world, &[&asked[..], &["--output", "json"]].concat())
        .ran()
        .await
        .well()
        .json();
    assert_eq!(json["policy"], ran.json());
    assert!(json["cannot_say"].as_array().unwrap().len() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused_before_anybody_is_asked() {
    let world = world().await;
    for (arguments, says) in [
        (&["--keep", "2"][..], "required"),
        (&["a", "--all"], "cannot be used with"),
        (&["--environment", "prod", "--from", "x"], "cannot be used with"),
        (&["a", "--all-images", "--keep", "3"], "cannot be used with"),
        (&["a", "--untagged", "--tags", "x"], "no tag that could match"),
        (&["a", "--keep", "0"], "--all-images"),
        (&["a", "--tags", "v("], "unclosed group"),
        (&["a", "--older-than", "soon"], "--older-than"),
        (&["a:1"], "write the repository alone"),
        (&["a", "--apply"], "nobody is there to answer"),
        (
            &["--all", "--all-images", "--apply", "--yes"],
            "repositories that are named",
        ),
        (
            &["--environment", "prod", "--all-images", "--apply", "--yes"],
            "repositories that are named",
        ),
        (
            &["--all", "--all-images", "--without-usage"],
            "repositories that are named",
        ),
        (&["a", "--as-lifecycle-policy", "--all-images"], "standing order"),
    ] {
        let ran = prune(&world, arguments).ran().await.code_is(2);
        assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
    }
    assert!(world.lab.ecr().api_requests().is_empty());
}
