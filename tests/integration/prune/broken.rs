//! What breaks on the way, and what somebody else does meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use ecr_lab::ApiFault;
use jiff::{Timestamp, ToSpan};

use super::{Shelf, digests, ended, json_of, prune, reason, world};

const APPLY: [&str; 6] = ["shop/api", "--keep", "1", "--apply", "--yes", "--untagged"];

/// 250 untagged images, and one that stays.
fn filled<'a>(shelf: &Shelf<'a>) -> (BTreeSet<String>, String) {
    let loose = (0..250)
        .map(|number| shelf.image(&format!("loose {number}"), None, 40))
        .collect();
    (loose, shelf.image("newest", Some("1"), 1))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_between_batches_leaves_what_is_told_as_left() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    let (all, newest) = filled(&shelf);
    shelf
        .ecr
        .api_fault(ApiFault::throttling("BatchDeleteImage", 100).after(1));
    let ran = json_of(&world, &APPLY).await.code_is(1);
    let (report, there) = (ran.json(), shelf.there());
    let deleted = ended(&report, "deleted");
    assert_eq!(deleted.len(), 100);
    assert!(deleted.is_disjoint(&there), "what is told as deleted has gone");
    let left: BTreeSet<String> = there.iter().filter(|digest| **digest != newest).cloned().collect();
    let told: BTreeSet<String> = ended(&report, "failed")
        .union(&ended(&report, "not-attempted"))
        .cloned()
        .collect();
    assert_eq!(told, left);
    assert_eq!(
        (ended(&report, "failed").len(), ended(&report, "not-attempted").len()),
        (100, 50)
    );
    assert!(
        report["failures"].to_string().contains("ThrottlingException"),
        "{}",
        report["failures"]
    );
    shelf.ecr.clear_api_faults();
    let again = json_of(&world, &APPLY).await.well();
    assert_eq!(
        ended(&again.json(), "deleted"),
        all.difference(&deleted).cloned().collect()
    );
    assert_eq!(shelf.there(), [newest].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_batches_and_a_rerun_come_to_the_same() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    let parts: Vec<String> = (0..3)
        .map(|number| shelf.image(&format!("part {number}"), None, 90))
        .collect();
    let indexes: Vec<String> = (0..130)
        .map(|number| shelf.index(&format!("m{number}"), &parts.iter().collect::<Vec<_>>(), 80))
        .collect();
    let newest = shelf.image("newest", Some("newest"), 1);
    shelf
        .ecr
        .api_fault(ApiFault::slow("BatchDeleteImage", Duration::from_secs(600)).after(1));
    let arguments = ["shop/api", "--keep", "1", "--apply", "--yes"];
    let run = prune(&world, &arguments).started();
    let gone = || indexes.iter().filter(|index| !shelf.there().contains(*index)).count();
    let begun = async {
        while gone() < 100 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), begun)
        .await
        .expect("the first batch goes");
    run.signal("KILL");
    run.end().await;
    assert_eq!(gone(), 100);
    assert!(
        parts.iter().all(|part| shelf.there().contains(part)),
        "an index that is left has its parts"
    );
    shelf.ecr.clear_api_faults();
    let again = json_of(&world, &arguments).await.well();
    assert_eq!(ended(&again.json(), "deleted").len(), 30 + 3);
    assert_eq!(shelf.there(), [newest].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ecr_keeps_is_told_by_its_id() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    let part = shelf.image("part", Some("1-amd64"), 90);
    let index = shelf.index("1", &[&part], 90);
    // Nobody can read any more what it consists of.
    shelf.ecr.archive(shelf.name, &index).unwrap();
    let old = shelf.image("old", Some("0"), 80);
    let newest = shelf.image("newest", Some("2"), 1);
    let ran = json_of(&world, &["shop/api", "--keep", "1", "--apply", "--yes"])
        .await
        .code_is(1);
    let report = ran.json();
    assert_eq!(
        (ended(&report, "deleted"), ended(&report, "failed")),
        ([old].into(), [part.clone()].into())
    );
    let failed = report["repositories"][0]["goes"].as_array().unwrap().iter();
    let failed: Vec<_> = failed.filter(|one| !one["failure"].is_null()).collect();
    assert!(
        failed[0]["failure"]
            .to_string()
            .contains("ImageReferencedByManifestList"),
        "{failed:?}"
    );
    assert_eq!(shelf.there(), [part, index, newest].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moves_after_the_plan_was_shown_takes_no_other_image_along() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    let [one, two, three] =
        [1, 2, 3].map(|number| shelf.image(&format!("{number}"), Some(&format!("v{number}")), 10 - number));
    // What is listed once the plan was shown comes late.
    let late = ApiFault::slow("DescribeImages", Duration::from_secs(3)).after(1);
    shelf.ecr.api_fault(late.times(1));
    let arguments = ["shop/api", "--keep", "1", "--apply", "--yes", "--output", "json"];
    let mut run = prune(&world, &arguments).started();
    run.said("not seen, and maybe run by").await;
    let new = shelf.image("new", Some("v4"), 0);
    // A second tag for one that goes.
    shelf.image("1", Some("stable"), 9);
    let ran = run.end().await.well();
    let report = ran.json();
    assert_eq!(ended(&report, "deleted"), [two].into());
    assert_eq!(reason(&report, &one), "changed");
    let kept = report["repositories"][0]["kept"].as_array().unwrap().iter();
    let after_all: Vec<_> = kept
        .filter(|kept| kept["after_all"] == true)
        .map(|kept| &kept["digest"])
        .collect();
    assert_eq!(after_all, [&one], "what was never to go stays, and not after all");
    assert_eq!(shelf.there(), [one, three, new].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_after_all_is_told_with_its_reason() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    for number in 1..=3 {
        shelf.image(&format!("{number}"), Some(&format!("v{number}")), 10 - number);
    }
    let late = ApiFault::slow("DescribeImages", Duration::from_secs(3)).after(1);
    shelf.ecr.api_fault(late.times(1));
    let run = prune(&world, &["shop/api", "--keep", "1", "--apply", "--yes"]).started();
    let is_listed = || {
        shelf
            .ecr
            .api_requests()
            .iter()
            .any(|request| request.action == "DescribeImages")
    };
    let listed = async {
        while !is_listed() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), listed)
        .await
        .expect("it is looked at");
    for number in 1..=2 {
        shelf.image(&format!("{number}"), Some(&format!("again-{number}")), 9);
    }
    let ran = run.end().await.well();
    let says = "2 images stay after all: not as it was shown";
    assert!(ran.stdout.contains(says), "{}", ran.stdout);
    assert_eq!(shelf.there().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_somebody_pulls_after_the_plan_was_shown_stays() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    let [one, two] = ["1", "2"].map(|word| {
        let part = shelf.image(word, None, 200);
        shelf.index(word, &[&part], 200)
    });
    // What is listed once the plan was shown comes late.
    let late = ApiFault::slow("DescribeImages", Duration::from_secs(3)).after(1);
    shelf.ecr.api_fault(late.times(1));
    let arguments = [
        "shop/api",
        "--keep",
        "0",
        "--not-pulled-for",
        "90d",
        "--apply",
        "--yes",
        "--output",
        "json",
    ];
    let mut run = prune(&world, &arguments).started();
    run.said("not seen, and maybe run by").await;
    // Well after the plan's own reading, which is taken for a pull of both.
    shelf.ecr.pulled_at(shelf.name, &one, Timestamp::now() + 10.minutes());
    shelf.ecr.pulled_at(shelf.name, &two, Timestamp::now());
    let report = run.end().await.well().json();
    assert_eq!(reason(&report, &one), "pulled");
    assert!(ended(&report, "deleted").contains(&two));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_nobody_may_list_was_not_asked() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    for number in 1..=3 {
        shelf.image(&format!("{number}"), Some(&format!("v{number}")), 10 - number);
    }
    let home = world.lab.region("us-east-1");
    home.api_fault(ApiFault::access_denied("ListRegions"));
    let arguments = ["shop/api", "--output", "json"];
    let all = prune(&world, &arguments).without("ECR_KEEPER_USAGE__REGIONS");
    let ran = all.ran().await.code_is(1);
    assert!(digests(&ran.json(), "goes").is_empty());
    let says = "not all of account 123456789012 could be asked";
    assert!(
        ran.failure().contains(says) && ran.failure().contains("ListRegions"),
        "{}",
        ran.failure()
    );
    // Who names them asks all that there are.
    let report = json_of(&world, &["shop/api"]).await.well().json();
    let asked = serde_json::json!({"accounts": ["123456789012"], "regions": ["eu-central-1"]});
    assert_eq!(report["asked"], asked);
    assert_eq!(digests(&report, "goes").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_who_runs_what_cannot_be_read_nothing_goes_unless_that_is_said() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    let [one, two, three, four] =
        [1, 2, 3, 4].map(|number| shelf.image(&format!("{number}"), Some(&format!("v{number}")), 10 - number));
    shelf.ecr.add_service("main", "web", &[("app", &shelf.address("v2"))]);
    for action in ["ListFunctions", "ListTasks"] {
        shelf.ecr.api_fault(ApiFault::access_denied(action));
        let ran = json_of(&world, &["shop/api", "--apply", "--yes"]).await.code_is(1);
        let report = ran.json();
        assert_eq!(reason(&report, &one), "use-unknown");
        assert!(digests(&report, "goes").is_empty());
        assert!(
            ran.failure().contains(action) && ran.failure().contains("--without-usage"),
            "{}",
            ran.failure()
        );
        if action == "ListFunctions" {
            shelf.ecr.clear_api_faults();
        }
    }
    assert_eq!(shelf.there().len(), 4);
    let ran = json_of(&world, &["shop/api", "--apply", "--yes", "--without-usage"])
        .await
        .well();
    let report = ran.json();
    assert_eq!(ended(&report, "deleted"), [one].into());
    // Who was seen is heeded all the same.
    assert_eq!(reason(&report, &two), "in-use");
    assert!(
        report["notes"]
            .to_string()
            .contains("--without-usage: not all services and tasks"),
        "{}",
        report["notes"]
    );
    assert_eq!(shelf.there(), [two, three, four].into());
}
