//! Commands that cannot begin, as programs read of them.

use std::collections::BTreeSet;
use std::fs;

use ecr_lab::{Act, Fault, LabOptions};
use serde_json::Value;

use crate::support::{Ran, Run, World};

const COMMANDS: [&[&str]; 5] = [
    &["sync"],
    &["plan"],
    &["explain", "base/image/busybox:1"],
    &["apply", "plan.json"],
    &["copy", "busybox:1", "127.0.0.1:9/busybox"],
];

fn json(world: &World, command: &[&str]) -> Run {
    world.keeper(&[command, &["--output", "json"]].concat())
}

fn fields(report: &Value) -> BTreeSet<String> {
    report.as_object().expect("an object").keys().cloned().collect()
}

fn messages(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let failures = report["failures"].as_array().expect("failures");
    let message = |failure: &Value| failure["message"].as_str().expect("a message").to_owned();
    failures.iter().map(message).collect()
}

/// For a daemon, which is not there; a plan without repositories needs none to be made.
async fn save_a_plan(world: &World) {
    let plan = world.keeper(&["plan", "--out", "plan.json"]);
    let plan = plan
        .env("ECR_KEEPER_DISCOVERY__ALLOW_NO_MATCH", "true")
        .env("KEYWORD", "nothing");
    plan.ran().await.well();
    let saved = world
        .file("plan.json")
        .replace("\"engine\": \"direct\"", "\"engine\": \"docker\"");
    fs::write(world.folder().join("plan.json"), saved).expect("the plan");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_that_cannot_begin_prints_one_and_the_same_object() {
    let world = World::without_daemon(LabOptions::default()).await;
    // A sync that fails before it knows its registry has always printed its report.
    let sync = json(&world, &["sync"]).without("AWS_ACCESS_KEY_ID");
    let known = fields(&sync.ran().await.code_is(1).json());
    save_a_plan(&world).await;
    let check: &[&str] = &["config", "check"];
    for command in COMMANDS.into_iter().chain([check]) {
        let run = json(&world, command).env("ECR_KEEPER_CONCURRENCY", "many");
        let ran = run.env("ECR_KEEPER_RETRY__TRIES", "0").ran().await.code_is(2);
        let told = messages(&ran);
        assert_eq!(told.len(), 2, "{command:?}: each mistake by itself: {told:?}");
        assert!(
            told[0].contains("CONCURRENCY: concurrency: \"many\" is not allowed"),
            "{told:?}"
        );
        assert_eq!(fields(&ran.json()), known, "{command:?}");
        assert!(
            ran.stderr.starts_with("error: the settings have 2 mistakes:\n"),
            "{}",
            ran.stderr
        );
    }
    let broken = json(&world, &["config", "show", "-c", "nowhere.yaml"]);
    let broken = broken.ran().await.code_is(2);
    assert_eq!(messages(&broken), ["read the settings file nowhere.yaml"]);
    let no_plan = json(&world, &["apply", "nowhere.json"]).ran().await.code_is(2);
    assert!(
        messages(&no_plan)[0].contains("read the plan nowhere.json"),
        "{}",
        no_plan.stdout
    );
    assert!(no_plan.json()["failures"][0]["hint"].is_string(), "{}", no_plan.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_daemon_and_no_login_are_told_as_json_by_every_command() {
    let world = World::without_daemon(LabOptions::default()).await;
    world.ecr("base/image/busybox", "1", ecr_lab::images::tiny("1")).await;
    world.upstream("library/busybox", "1", ecr_lab::images::tiny("1")).await;
    let nowhere = |run: Run| {
        run.env("ECR_KEEPER_ENGINE", "docker")
            .env("DOCKER_HOST", "unix:///nowhere.sock")
    };
    for command in COMMANDS {
        if command[0] == "apply" {
            save_a_plan(&world).await;
        }
        if command[0] != "copy" {
            let ran = json(&world, command)
                .env("AWS_ACCESS_KEY_ID", "WRONG")
                .ran()
                .await
                .code_is(1);
            assert!(
                messages(&ran)[0].contains("GetAuthorizationToken"),
                "{command:?}: {}",
                ran.stdout
            );
        }
        let ran = nowhere(json(&world, command)).ran().await.code_is(1);
        assert!(
            messages(&ran)[0].contains("unix:///nowhere.sock"),
            "{command:?}: {}",
            ran.stdout
        );
        assert!(
            ran.stderr.contains("unix:///nowhere.sock"),
            "people read it too: {}",
            ran.stderr
        );
    }
    // Text stays as it was.
    let text = nowhere(world.keeper(&["plan"])).ran().await.code_is(1);
    assert_eq!(text.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_stopped_before_there_is_one_says_so() {
    let world = World::without_daemon(LabOptions::default()).await;
    let front = world.lab.ecr().front();
    front.fault(Fault::new("/v2/$", Act::Hold));
    let run = json(&world, &["plan"]).started();
    world.held(front).await;
    run.signal("TERM");
    let ran = run.end().await.code_is(143);
    assert_eq!(ran.json()["stopped_by"], "SIGTERM");
    assert_eq!(messages(&ran), ["stopped while logging in"]);
    front.release();
}
