//! Plans that are saved and applied, single images, explanations, and two runs at once.

use std::fs;

use ecr_lab::images::{multi, tiny};
use ecr_lab::{Act, Fault, LabOptions, Store};
use serde_json::Value;

use crate::support::{Running, World};

const REPOSITORY: &str = "base/image/busybox";
const UPSTREAM: &str = "library/busybox";

async fn with_changes(tags: &[&str]) -> World {
    let world = World::new().await;
    for tag in tags {
        world.upstream(UPSTREAM, tag, tiny(&format!("new {tag}"))).await;
        world.ecr(REPOSITORY, tag, tiny("old")).await;
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_is_applied_but_for_what_has_moved_and_a_rerun_converges() {
    let world = with_changes(&["1", "2", "3", "4"]).await;
    let saved = world.keeper(&["plan", "--out", "plan.json"]).ran().await.well();
    assert!(saved.stdout.contains("4 to copy"), "{}", saved.stdout);
    assert_eq!(world.pushes(), [""; 0]);
    assert!(!world.ledger().exists());

    // Since then one upstream has moved, one has gone, and somebody has pushed a target.
    world.upstream(UPSTREAM, "2", tiny("newer")).await;
    world.lab.upstream().remove_tag(UPSTREAM, "3").expect("the removal");
    let theirs = world.ecr(REPOSITORY, "4", tiny("somebody's")).await;
    let held = world.digest_in_ecr(REPOSITORY, "2");

    let ran = world
        .keeper(&["apply", "plan.json", "--output", "json"])
        .ran()
        .await
        .code_is(1);
    assert_eq!(ran.outcome("busybox:1"), "updated");
    for (tag, says) in [
        (
            "2",
            "upstream docker.io/library/busybox:2 has moved since the plan was made",
        ),
        ("3", "upstream docker.io/library/busybox:3 does not exist"),
        ("4", "the target has moved since the plan was made"),
    ] {
        let image = ran.image(&format!("busybox:{tag}"));
        assert_eq!(image["outcome"], "refused", "{tag}");
        assert!(image["reason"].as_str().unwrap().contains(says), "{image}");
    }
    assert_eq!(world.digest_in_ecr(REPOSITORY, "2"), held);
    assert_eq!(world.digest_in_ecr(REPOSITORY, "4"), theirs.top);
    assert!(world.file("result_update.txt").contains("busybox:1"));

    // The same plan once more: what is done stays done.
    world.forget_requests();
    let again = world
        .keeper(&["apply", "plan.json", "--output", "json"])
        .ran()
        .await
        .code_is(1);
    assert_eq!(again.outcome("busybox:1"), "unchanged");
    assert_eq!(world.pushes(), [""; 0]);

    // And a new one brings the rest.
    world.upstream(UPSTREAM, "3", tiny("back")).await;
    world
        .keeper(&["plan", "--out", "plan.json", "--exit-code"])
        .ran()
        .await
        .code_is(3);
    world.keeper(&["apply", "plan.json"]).ran().await.well();
    world.keeper(&["plan", "--exit-code"]).ran().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_of_a_plan_tells_changes_from_refusals() {
    let world = with_changes(&["1"]).await;
    world.ecr(REPOSITORY, "gone", tiny("old")).await;
    world.keeper(&["plan"]).ran().await.code_is(1);
    world.keeper(&["plan", "--exit-code"]).ran().await.code_is(3);
    world.sync().await.code_is(1);
    world.keeper(&["plan", "--exit-code"]).ran().await.code_is(1);
    let unread = world.keeper(&["plan", "--exit-code"]);
    let unread = unread.env("ECR_KEEPER_REGISTRIES__DOCKER_IO__MIRRORS", "127.0.0.1:9");
    unread.ran().await.code_is(1);
}

/// With its first copy once more, in a stage of its own.
fn twice(plan: &str) -> String {
    let mut plan: Value = serde_json::from_str(plan).unwrap();
    let stage = plan["stages"][0].clone();
    plan["stages"].as_array_mut().unwrap().push(stage);
    plan.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_plan_for_here_is_refused_before_anything_is_done() {
    let world = with_changes(&["1"]).await;
    world.keeper(&["plan", "--out", "plan.json"]).ran().await.well();
    let plan = world.file("plan.json");
    for (name, text, says) in [
        ("none.json", None, "cannot be read: No such file"),
        (
            "text.json",
            Some("hello".to_owned()),
            "is not one that plan --out wrote",
        ),
        (
            "half.json",
            Some(plan[..plan.len() / 2].to_owned()),
            "is not one that plan --out wrote",
        ),
        (
            "later.json",
            Some(plan.replacen("\"version\": 4", "\"version\": 99", 1)),
            "is of version 99",
        ),
        (
            "other.json",
            Some(plan.replace(world.lab.ecr().host(), "registry.example.com")),
            "is for registry.example.com, and the settings (ecr) name",
        ),
        ("odd.json", Some(plan.replace("sha256:", "md5:")), "is not whole"),
        (
            "elsewhere.json",
            Some(plan.replace(
                &format!("\"target\": \"{}", world.lab.ecr().host()),
                "\"target\": \"docker.io",
            )),
            "would write to docker.io/base/image/busybox, which no target of `images` names",
        ),
        ("twice.json", Some(twice(&plan)), "base/image/busybox:1 twice"),
    ] {
        if let Some(text) = text {
            fs::write(world.folder().join(name), text).unwrap();
        }
        let ran = world.keeper(&["apply", name]).ran().await.code_is(2);
        assert!(
            ran.stderr.contains(says) && ran.stderr.contains(name),
            "{name}: {}",
            ran.stderr
        );
    }
    assert_eq!(world.pushes(), [""; 0]);
    fs::write(world.folder().join("a-file"), "").unwrap();
    let ran = world
        .keeper(&["plan", "--out", "a-file/plan.json"])
        .ran()
        .await
        .code_is(1);
    assert!(
        ran.stderr.contains("write the plan to a-file/plan.json"),
        "{}",
        ran.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_planned_for_one_daemon_is_not_flattened_by_another() {
    let world = World::on(Store::Containerd).await;
    world.upstream(UPSTREAM, "1", multi("new")).await;
    let held = world.ecr(REPOSITORY, "1", multi("old")).await;
    world.keeper(&["plan", "--out", "plan.json"]).ran().await.well();
    let classic = ecr_lab::Dockerd::start(world.lab.dir()).await.expect("dockerd starts");
    let run = world.keeper(&["apply", "plan.json", "--output", "json"]);
    let ran = run.env("DOCKER_HOST", classic.host()).ran().await.code_is(1);
    assert_eq!(ran.outcome("busybox:1"), "refused");
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), held.top);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_can_be_narrowed_down_to_names() {
    let world = with_changes(&["1", "2", "3"]).await;
    world.upstream("library/other", "1", tiny("new")).await;
    world.ecr("base/image/other", "1", tiny("old")).await;
    let both = [
        "sync",
        "--only",
        "base/image/busybox:2",
        "--only",
        "base/image/other",
        "--output",
        "json",
    ];
    let ran = world.keeper(&both).ran().await.well();
    assert_eq!(ran.json()["totals"]["updated"], 2);
    assert_eq!(ran.outcome("busybox:2"), "updated");
    assert_eq!(ran.outcome("other:1"), "updated");

    // A whole name needs no keyword.
    let named = format!("{}:3", world.target(REPOSITORY));
    let ran = world
        .keeper(&["sync", "--only", &named])
        .without("KEYWORD")
        .ran()
        .await
        .well();
    assert!(ran.stdout.contains("1 updated"), "{}", ran.stdout);

    for (absent, hint) in [
        ("base/image/busybox:9", "check the name and the tag"),
        ("base/image/nothing", "check the name and the tag"),
        ("elsewhere/busybox", "`keyword` is a part of it"),
    ] {
        let ran = world.keeper(&["sync", "--only", absent]).ran().await.code_is(1);
        assert!(ran.stdout.contains(&format!("{absent} is not among")), "{}", ran.stdout);
        assert!(!ran.stdout.contains("did you mean"), "{}", ran.stdout);
        assert!(ran.stdout.contains(hint), "{}", ran.stdout);
        let twice = ["sync", "--only", absent, "--only", absent];
        world.keeper(&twice).ran().await.code_is(1);
    }
    let typo = ["sync", "--only", "base/image/bussybox:1", "--output", "json"];
    let ran = world.keeper(&typo).without("KEYWORD").ran().await.code_is(1);
    let failure = ran.failure();
    assert!(failure.contains("did you mean base/image/busybox?"), "{failure}");
    assert!(!failure.contains("keyword"), "none is set: {failure}");
    world.keeper(&["sync", "--only", "Not A Name"]).ran().await.code_is(2);
    let nothing = world.keeper(&["sync"]).without("KEYWORD").ran().await.code_is(2);
    assert!(nothing.stderr.contains("keyword: is not set"), "{}", nothing.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tag_is_explained() {
    let world = with_changes(&["1"]).await;
    let explain = async |arguments: &[&str]| {
        let all = [&["explain", "base/image/busybox:1"], arguments].concat();
        world.keeper(&all).ran().await.well()
    };
    let before = explain(&["--output", "json"]).await.json();
    assert_eq!(before["target"]["digest"], world.digest_in_ecr(REPOSITORY, "1"));
    assert_eq!(before["upstream"]["image"], "docker.io/library/busybox:1");
    assert_eq!(before["ledger"], Value::Null);
    assert_eq!(before["stages"][0][0]["because"], "only-a-pull-tells");
    assert_eq!(world.pulled_layers(), [""; 0]);

    world.sync().await.well();
    let after = explain(&["--output", "json"]).await.json();
    assert_eq!(after["kept"][0]["because"], "made-from-this-upstream");
    assert_eq!(after["ledger"]["from"], after["upstream"]["digest"]);
    let text = explain(&[]).await.stdout;
    for says in [
        "target    ",
        "upstream  ",
        "ledger    sha256:",
        "keep      made from what the upstream has today",
    ] {
        assert!(text.contains(says), "{text}");
    }

    world.ecr("elsewhere/image/busybox", "1", tiny("other")).await;
    let other = world
        .keeper(&["explain", "elsewhere/image/busybox:1"])
        .ran()
        .await
        .well();
    assert!(
        other.stdout.contains("lacks the keyword \"base/image\""),
        "{}",
        other.stdout
    );
    let absent = world
        .keeper(&["explain", "base/image/busybox:9"])
        .ran()
        .await
        .code_is(1);
    assert!(
        absent.stderr.contains("base/image/busybox:9 is not among"),
        "{}",
        absent.stderr
    );
    assert!(!absent.stderr.contains("keyword"), "{}", absent.stderr);
    let typo = world.keeper(&["explain", "busybox:1"]).ran().await.code_is(1);
    assert!(
        typo.stderr.contains("did you mean base/image/busybox?"),
        "{}",
        typo.stderr
    );
    let no_tag = world.keeper(&["explain", "base/image/busybox"]).ran().await.code_is(2);
    assert!(no_tag.stderr.contains("names no tag"), "{}", no_tag.stderr);
}

/// A run that is held in its push of tag 1.
async fn held_in_a_push(world: &World) -> Running {
    let front = world.lab.ecr().front();
    front.fault(Fault::new("/manifests/1$", Act::Hold).method("PUT").times(1));
    let run = world.keeper(&["sync"]).started();
    world.held(front).await;
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_says_who_is_at_work_or_waits_and_a_dead_one_holds_nothing() {
    let world = with_changes(&["1"]).await;
    let first = held_in_a_push(&world).await;

    let second = world.keeper(&["sync", "--output", "json"]).ran().await.code_is(1);
    let failure = second.failure();
    assert!(failure.contains("another run holds"), "{failure}");
    assert!(failure.contains(&format!("process {}", first.pid())), "{failure}");
    assert!(failure.contains("--wait"), "{failure}");
    let short = world.keeper(&["sync", "--wait=300ms"]).ran().await.code_is(1);
    assert!(short.stderr.contains("waiting: another run holds"), "{}", short.stderr);
    // Looking does no harm.
    world.keeper(&["plan"]).ran().await.well();

    let mut waiting = world.keeper(&["sync", "--wait"]).started();
    waiting.said("waiting: another run holds").await;
    first.signal("KILL");
    drop(first.end().await);
    world.lab.ecr().front().release();
    let ran = waiting.end().await.well();
    assert!(!ran.stdout.contains("failed"), "{}", ran.stdout);
    let after = world.keeper(&["plan", "--output", "json"]).ran().await.well();
    assert_eq!(
        after.json()["stages"],
        serde_json::json!([]),
        "what the dead one left is done"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_waiting_too() {
    let world = with_changes(&["1"]).await;
    let first = held_in_a_push(&world).await;
    let mut second = world.keeper(&["sync", "--wait"]).started();
    second.said("waiting: another run holds").await;
    second.signal("TERM");
    second.end().await.code_is(143);
    world.lab.ecr().front().release();
    first.end().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_survives_a_kill_at_any_point() {
    let tags: Vec<String> = (0..24).map(|number| format!("1.{number}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let world = with_changes(&tags).await;
    // Each image that has ended was remembered just before, while others are at every step.
    for moment in [
        "through Docker",
        "listing the images",
        "asking upstream",
        "copying",
        "[1/",
        "[2/",
        "[3/",
        "[4/",
    ] {
        let mut run = world.keeper(&["sync"]).started();
        run.said(moment).await;
        run.signal("KILL");
        drop(run.end().await);
        if world.ledger().exists() {
            let ledger: Value =
                serde_json::from_str(&fs::read_to_string(world.ledger()).unwrap()).expect("a whole file");
            for (target, made) in ledger["made"].as_object().expect("entries") {
                let tag = target.rsplit(':').next().unwrap();
                assert_eq!(
                    made["digest"],
                    world.digest_in_ecr(REPOSITORY, tag),
                    "it remembers only what is so"
                );
            }
        }
    }
    let ran = world.sync().await.well();
    assert_eq!(ran.json()["totals"]["failed"], 0);
    world.forget_requests();
    world.sync().await.well();
    assert_eq!(world.pushes(), [""; 0]);
    assert_eq!(world.pulled_layers(), [""; 0]);
}

/// Without `ecr` the account's own registry is used, and a plan does not say who gets the token.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_for_another_registry_gets_no_login() {
    let world = with_changes(&["1"]).await;
    world.keeper(&["plan", "--out", "plan.json"]).ran().await.well();
    let elsewhere = world.lab.upstream().host().to_owned();
    let plan = world.file("plan.json").replace(world.lab.ecr().host(), &elsewhere);
    fs::write(world.folder().join("plan.json"), plan).unwrap();
    world.forget_requests();
    let run = world.keeper(&["apply", "plan.json", "--output", "json"]).without("ECR");
    let ran = run.ran().await.code_is(1);
    assert!(ran.failure().contains("this account's registry is"), "{}", ran.stdout);
    assert!(
        world.lab.upstream().requests().is_empty(),
        "nobody asked there, and nobody logged in"
    );
}

/// What the file says was approved, and other settings would make something else.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_carried_out_as_it_was_approved_whatever_the_settings_say_by_then() {
    let world = World::without_daemon(LabOptions::default()).await;
    let index = world.upstream(UPSTREAM, "1", multi("new").attested()).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let plan = world.keeper(&["plan", "--out", "plan.json"]);
    let plan = plan.env("ECR_KEEPER_ATTESTATIONS", "strip");
    plan.env("ECR_KEEPER_REFERRERS", "true").ran().await.well();
    let saved: Value = serde_json::from_str(&world.file("plan.json")).unwrap();
    for (field, value) in [
        ("version", Value::from(4)),
        ("engine", "direct".into()),
        ("attestations", "strip".into()),
        ("referrers", true.into()),
        ("foreign_layers", false.into()),
    ] {
        assert_eq!(saved[field], value, "{field}");
    }
    // Before anything is done, since a person wrote it.
    let ran = world
        .keeper(&["apply", "plan.json", "--engine", "docker"])
        .ran()
        .await
        .code_is(2);
    let says = "the plan plan.json was made with --engine direct, and --engine docker is given";
    assert!(ran.stderr.contains(says), "{}", ran.stderr);
    let same = ["apply", "plan.json", "--engine", "direct", "--output", "json"];
    // A daemon that is not there, and what a daemon could not do.
    let run = world.keeper(&same).env("ECR_KEEPER_ENGINE", "docker");
    let run = run
        .env("DOCKER_HOST", "unix:///nowhere.sock")
        .env("ECR_KEEPER_ATTESTATIONS", "keep");
    let ran = run.env("ECR_KEEPER_FOREIGN_LAYERS", "true").ran().await.well();
    assert_eq!(ran.outcome("busybox:1"), "updated");
    let made = world.digest_in_ecr(REPOSITORY, "1");
    assert_ne!(made, index.top, "without attestations it is another index");
    let manifest: Value = serde_json::from_str(&world.lab.ecr().manifest(REPOSITORY, &made).unwrap()).unwrap();
    assert_eq!(manifest["manifests"].as_array().map(Vec::len), Some(2), "{manifest:#}");

    // Without the flag, and where what the settings say could not be done by their own engine.
    world.upstream(UPSTREAM, "1", multi("newer").attested()).await;
    let plan = world.keeper(&["plan", "--out", "plan.json"]);
    plan.env("ECR_KEEPER_ATTESTATIONS", "strip").ran().await.well();
    let run = world.keeper(&["apply", "plan.json"]).env("ECR_KEEPER_ENGINE", "docker");
    run.env("ECR_KEEPER_ATTESTATIONS", "strip").ran().await.well();
    assert_ne!(world.digest_in_ecr(REPOSITORY, "1"), made);
}

/// One of the first version does not say what was approved.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_the_first_version_is_refused() {
    let world = World::without_daemon(LabOptions::default()).await;
    let old = r#"{"version":1,"made":"2025-01-02T03:04:05Z","registry":"x.example","platforms":"","stages":[],"kept":[],"refused":[]}"#;
    fs::write(world.folder().join("plan.json"), old).unwrap();
    let ran = world.keeper(&["apply", "plan.json"]).ran().await.code_is(2);
    assert!(ran.stderr.contains("is of version 1"), "{}", ran.stderr);
    assert!(ran.stderr.contains("make a new one"), "{}", ran.stderr);
}
