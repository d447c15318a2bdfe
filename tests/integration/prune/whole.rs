//! A repository with some of everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Shelf, days_ago, digests, ended, json_of, prune, reason, world};
use crate::support::World;

/// What stays where the newest four do: by the words of `fill`.
const STAYS: [&str; 19] = [
    "new index",
    "v289",
    "v288",
    "v287",
    "shared",
    "new arm64",
    "signature of new",
    "just pushed",
    "v2",
    "v4",
    "v5",
    "v6",
    "running part",
    "index of running",
    "v10",
    "v11",
    "v12",
    "v13",
    "v15",
];

/// 289 versions, the last pushed a day ago, and some of everything: digests by a word each.
fn fill(world: &World, shelf: &Shelf<'_>) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for number in 1..=289 {
        let tag = format!("v{number}");
        let digest = shelf.image(&tag, Some(&tag), 290 - number);
        all.insert(tag, digest);
    }
    for word in ["old amd64", "shared", "new arm64", "running part"] {
        all.insert(word.to_owned(), shelf.image(word, None, 300));
    }
    let old_index = shelf.index("m1", &[&all["old amd64"], &all["shared"]], 299);
    let new_index = shelf.index("m2", &[&all["shared"], &all["new arm64"]], 0);
    let index_of_running = shelf.index("m0", &[&all["running part"]], 299);
    let of_old = shelf.signature("signature of old", &all["v1"], 1);
    let of_new = shelf.signature("signature of new", &all["v289"], 300);
    let loose = shelf.image("loose", None, 40);
    let just_pushed = shelf.image("just pushed", None, 0);
    shelf.ecr.archive(shelf.name, &all["v2"]).unwrap();
    shelf.function("resolved", "v3", &all["v4"]);
    shelf.function("of-a-part", "m0", &all["running part"]);
    let web = [("app", &*shelf.address("v5")), ("agent", "grafana/agent:7")];
    shelf.ecr.add_service("main", "web", &web);
    shelf.ecr.add_task("main", &shelf.address("v7"), &all["v6"]);
    let settings = format!(
        "protect: ['v1[0-2]', 'shop/.*:v13', 'other/.*:v14', '{}']\n",
        all["v15"]
    );
    std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let more = [
        ("old index", old_index),
        ("new index", new_index),
        ("index of running", index_of_running),
        ("signature of old", of_old),
        ("signature of new", of_new),
        ("loose", loose),
        ("just pushed", just_pushed),
    ];
    all.extend(more.map(|(word, digest)| (word.to_owned(), digest)));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_that_goes_which_the_rules_mean_and_nothing_protects() {
    let world = world().await;
    let shelf = Shelf::fixed(&world, "shop/api");
    let all = fill(&world, &shelf);
    let stays: BTreeSet<String> = STAYS.iter().map(|word| all[*word].clone()).collect();
    let before = shelf.there();
    assert_eq!(before.len(), 289 + 11);
    let goes: BTreeSet<String> = before.difference(&stays).cloned().collect();
    let plan = json_of(&world, &["shop/api", "--keep", "4"]).await.well().json();
    assert_eq!(digests(&plan, "kept"), stays);
    let idle = r#"of protect, these match nothing that was looked at: "other/.*:v14""#;
    assert!(
        plan["notes"].as_array().unwrap().iter().any(|note| note == idle),
        "{}",
        plan["notes"]
    );
    assert_eq!(digests(&plan, "goes"), goes);
    assert_eq!(
        (shelf.there(), shelf.deleted().len()),
        (before, 0),
        "a plan changes nothing"
    );
    for (word, why) in [
        ("v289", "newest"),
        ("shared", "part-of"),
        ("signature of new", "refers-to"),
        ("just pushed", "just-pushed"),
        ("v2", "archived"),
        ("v4", "in-use"),
        ("v5", "in-use"),
        ("v6", "in-use"),
        ("running part", "in-use"),
        ("index of running", "part-in-use"),
        ("v13", "protected"),
        ("old index", "rules"),
        ("old amd64", "part-of"),
        ("signature of old", "refers-to"),
        ("loose", "rules"),
    ] {
        assert_eq!(reason(&plan, &all[word]), why, "{word}");
    }
    let apply = ["shop/api", "--keep", "4", "--apply", "--yes"];
    let ran = json_of(&world, &apply).await.well();
    // It was shown before.
    let is_shown = ran.stderr.contains(" of 300 images go") && ran.stderr.contains("in use by arn:aws:ecs:");
    assert!(is_shown, "{}", ran.stderr);
    assert_eq!(ended(&ran.json(), "deleted"), goes);
    assert_eq!(shelf.there(), stays);
    let calls = shelf.deleted();
    assert!(calls.iter().all(|ids| ids.len() <= 100), "{calls:?}");
    let call = |word: &str| calls.iter().position(|ids| ids.contains(&all[word]));
    assert!(call("old index") < call("old amd64") && call("v1") < call("signature of old"));
    // Once is enough.
    let again = json_of(&world, &apply).await.well();
    assert_eq!(digests(&again.json(), "goes"), BTreeSet::new());
    assert_eq!((shelf.there(), shelf.deleted().len()), (stays, calls.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_could_only_be_started_from_again_stays() {
    let world = world().await;
    let shelf = Shelf::fixed(&world, "shop/api");
    let old = shelf.image("old", Some("1"), 30);
    let older = shelf.image("older", Some("0"), 40);
    shelf.image("new", Some("2"), 1);
    // What it was deployed with has gone from the repository.
    shelf.function("worker", "1", &format!("sha256:{}", "0".repeat(64)));
    let plan = json_of(&world, &["shop/api", "--keep", "1"]).await.well().json();
    assert_eq!(reason(&plan, &old), "in-use");
    assert_eq!(reason(&plan, &older), "rules");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_that_is_said_has_to_hold() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    let old = shelf.image("old", Some("dev-1"), 200);
    let pulled = shelf.image("pulled", Some("dev-2"), 200);
    shelf.ecr.pulled_at(shelf.name, &pulled, days_ago(3));
    let young = shelf.image("young", Some("dev-3"), 20);
    let other = shelf.image("other", Some("v1"), 200);
    let newest = shelf.image("newest", Some("dev-4"), 1);
    let loose = shelf.image("loose", None, 200);
    let rules = [
        "--older-than",
        "90d",
        "--not-pulled-for",
        "180d",
        "--tags",
        "dev-.*",
        "--keep",
        "1",
    ];
    let plan = json_of(&world, &[&["shop/api"], &rules[..]].concat())
        .await
        .well()
        .json();
    assert_eq!(digests(&plan, "goes"), [old.clone()].into());
    for (digest, why) in [
        (&pulled, "pulled"),
        (&young, "too-young"),
        (&other, "other-tag"),
        (&newest, "newest"),
        (&loose, "has-no-tag"),
    ] {
        assert_eq!(reason(&plan, digest), why);
    }
    // What goes by pulls reads no image, for to ECR that is one.
    let requests = shelf.ecr.api_requests();
    assert!(requests.iter().all(|request| request.action != "BatchGetImage"));
    let untagged = json_of(&world, &["shop/api", "--untagged"]).await.well().json();
    assert_eq!(digests(&untagged, "goes"), [loose].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn that_an_index_was_read_here_does_not_keep_it() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    let part = shelf.image("part", None, 200);
    let index = shelf.index("1", &[&part], 200);
    let pulled = shelf.image("pulled part", None, 200);
    let of_pulled = shelf.index("2", &[&pulled], 200);
    shelf.ecr.pulled_at(shelf.name, &pulled, days_ago(9));
    let arguments = ["shop/api", "--keep", "0", "--not-pulled-for", "90d", "--apply", "--yes"];
    let report = json_of(&world, &arguments).await.well().json();
    assert_eq!(ended(&report, "deleted"), [index, part].into());
    assert_eq!(reason(&report, &of_pulled), "pulled");
    assert!(
        report["notes"].to_string().contains("excluded from pull times"),
        "{}",
        report["notes"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_layer_counts_once_and_not_where_it_is_needed() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    for (number, days) in [(1, 9), (2, 8), (3, 7)] {
        shelf.image(&format!("{number}"), Some(&format!("{number}")), days);
    }
    let freed = async |arguments: &[&str]| {
        let plan = json_of(&world, &[&["shop/api", "--count-layers"], arguments].concat())
            .await
            .well()
            .json();
        plan["freed"].clone()
    };
    // Config and layer of its own: 1,010 bytes each; the shared one has 500.
    assert_eq!(
        freed(&["--keep", "1"]).await,
        json!({"bytes": 3020, "distinct_bytes": 2020})
    );
    assert_eq!(
        freed(&["--all-images"]).await,
        json!({"bytes": 4530, "distinct_bytes": 3530})
    );
    let counted = prune(&world, &["shop/api", "--keep", "1", "--count-layers"]);
    let text = counted.ran().await.well().stdout;
    assert!(
        text.contains("2 of 3 images go, 2.02 kB free, shared layers once") && text.contains("takes that for a pull"),
        "{text}"
    );
    // Nobody is taken for one who pulls, unless that is said.
    world.forget_requests();
    let text = prune(&world, &["shop/api", "--keep", "1"]).ran().await.well().stdout;
    assert!(text.contains("3.02 kB at most") && !text.contains("a pull"), "{text}");
    let requests = shelf.ecr.api_requests();
    assert!(requests.iter().all(|request| request.action != "BatchGetImage"));
    assert!(text.contains("nothing was deleted: --apply deletes it"), "{text}");
    assert!(text.contains("not seen, and maybe run by: EKS"), "{text}");
    assert!(
        text.contains("scheduled tasks") && text.contains("accounts and regions that were not asked"),
        "{text}"
    );
    let asked = "asked who runs them: functions of Lambda, services and tasks of ECS in eu-central-1 of 123456789012";
    assert!(text.contains(asked), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_emptied_once_its_name_was_typed() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    let part = shelf.image("part", None, 0);
    shelf.index("1", &[&part], 0);
    let archived = shelf.image("archived", Some("2"), 9);
    shelf.ecr.archive(shelf.name, &archived).unwrap();
    let running = shelf.image("running", Some("3"), 9);
    shelf.function("api", "3", &running);
    let empty = || prune(&world, &["shop/api", "--all-images", "--apply"]);
    empty().ran().await.code_is(2);
    let declined = empty().at_a_terminal().given("yes\n").await.code_is(1);
    assert!(declined.stdout.contains("Type shop/api: "), "{}", declined.stdout);
    assert_eq!(shelf.there().len(), 4);
    let agreed = empty().at_a_terminal().given("shop/api\n").await.well();
    assert!(agreed.stdout.contains("3 images deleted"), "{}", agreed.stdout);
    assert_eq!(shelf.there(), [running].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_comes_before_anything_goes() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    for (number, days) in [(1, 9), (2, 8), (3, 7)] {
        shelf.image(&format!("{number}"), Some(&format!("{number}")), days);
    }
    let ran = prune(&world, &["shop/api", "--apply"])
        .at_a_terminal()
        .given("no\n")
        .await
        .code_is(1);
    let question = "Delete 1 image of 1 repository in eu-central-1? Type yes: ";
    assert!(
        ran.stdout.contains(question) && ran.stdout.contains("not among the newest 2"),
        "{}",
        ran.stdout
    );
    assert_eq!(shelf.there().len(), 3);
    prune(&world, &["shop/api", "--apply"])
        .at_a_terminal()
        .given("yes\n")
        .await
        .well();
    assert_eq!(shelf.there().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_over_a_question() {
    let world = world().await;
    let shelf = Shelf::of(&world, "shop/api");
    for (number, days) in [(1, 9), (2, 8), (3, 7)] {
        shelf.image(&format!("{number}"), Some(&format!("{number}")), days);
    }
    // At a terminal that can show bars.
    let run = prune(&world, &["shop/api", "--apply"])
        .env("TERM", "xterm")
        .at_a_terminal();
    let mut child = run.listening();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).ends_with("Type yes: ") {
        assert!(
            stdout.read_buf(&mut said).await.unwrap() > 0,
            "{}",
            String::from_utf8_lossy(&said)
        );
    }
    // A bar moves ten times a second.
    let more = tokio::time::timeout(Duration::from_millis(500), stdout.read_buf(&mut said)).await;
    assert!(more.is_err(), "{}", String::from_utf8_lossy(&said));
    stdin.write_all(b"yes\n").await.unwrap();
    while stdout.read_buf(&mut said).await.is_ok_and(|read| read > 0) {}
    assert!(child.wait().await.unwrap().success());
    assert_eq!(shelf.there().len(), 2);
}
