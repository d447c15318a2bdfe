use std::collections::BTreeMap;
use std::fs;

use ecr_lab::images::{multi, tiny};
use ecr_lab::{Act, Fault, LabOptions};
use quick_junit::{Report as Junit, TestCaseStatus};
use serde_json::Value;

use crate::support::{Ran, Run, World};

const REPOSITORY: &str = "base/image/busybox";
const UPSTREAM: &str = "library/busybox";
const LAST_SUCCESS: &str = "ecr_keeper_last_success_timestamp_seconds";

/// Updated, unchanged, and two refused: one has gone upstream, one would lose a platform.
async fn world_of_four() -> World {
    let world = World::new().await;
    world.upstream(UPSTREAM, "new", tiny("new")).await;
    world.ecr(REPOSITORY, "new", tiny("old")).await;
    world.upstream(UPSTREAM, "same", tiny("same")).await;
    world.ecr(REPOSITORY, "same", tiny("same")).await;
    world.ecr("base/image/gone", "1", tiny("gone")).await;
    world.upstream(UPSTREAM, "index", multi("one")).await;
    world.ecr(REPOSITORY, "index", multi("two")).await;
    world
}

/// A sync that writes every file that there is.
fn sync(world: &World, arguments: &[&str]) -> Run {
    world
        .keeper(&[&["sync"], arguments].concat())
        .env("ECR_KEEPER_RESULTS__JUNIT", "out/junit.xml")
        .env("ECR_KEEPER_RESULTS__CSV", "out/images.csv")
        .env("ECR_KEEPER_RESULTS__MARKDOWN", "out/summary.md")
        .env("ECR_KEEPER_RESULTS__METRICS", "out/ecr_keeper.prom")
}

/// Samples by name and labels, by the rules of Prometheus's text format; anything else in it is a panic.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut typed = String::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            match words[..] {
                ["TYPE", name, "gauge"] => typed = name.to_owned(),
                ["HELP", _, _] => {}
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("a value");
        let (bare, labels) = name.split_once('{').unwrap_or((name, "}"));
        assert_eq!(bare, typed, "a sample below its type");
        assert!(labels.ends_with('}'), "{line}");
        let before = samples.insert(name.to_owned(), value.parse().expect("a number"));
        assert_eq!(before, None, "{name} twice");
    }
    samples
}

fn last_success(world: &World) -> Option<(String, f64)> {
    let found = samples(&world.file("out/ecr_keeper.prom")).into_iter();
    found.into_iter().find(|(name, _)| name.starts_with(LAST_SUCCESS))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_tells_what_result_json_tells() {
    let world = world_of_four().await;
    let ran = sync(&world, &["--output", "json"]).ran().await.code_is(1);
    let outcomes = ["new", "same", "index"].map(|tag| ran.outcome(&format!("busybox:{tag}")));
    assert_eq!(outcomes, ["updated", "unchanged", "refused"]);

    let junit = Junit::deserialize_from_str(&world.file("out/junit.xml")).expect("JUnit");
    assert_eq!((junit.tests, junit.failures), (5, 2), "four images and the run");
    let suites: Vec<&str> = junit.test_suites.iter().map(|suite| suite.name.as_str()).collect();
    assert_eq!(suites, ["run", REPOSITORY, "base/image/gone"]);
    let gone = &junit.test_suites[2].test_cases[0];
    let TestCaseStatus::NonSuccess {
        message,
        ty,
        description,
        ..
    } = &gone.status
    else {
        panic!("{gone:?}");
    };
    assert_eq!(ty.as_deref(), Some("refused"));
    assert_eq!(
        message.as_deref(),
        Some("upstream docker.io/library/gone:1 does not exist")
    );
    assert!(
        description
            .as_deref()
            .is_some_and(|text| text.contains("hint: remove the tag from ECR"))
    );

    let text = world.file("out/images.csv");
    let mut table = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<BTreeMap<String, String>> = table.deserialize().map(|row| row.expect("a row")).collect();
    let report = ran.json();
    let images = report["images"].as_array().expect("images");
    assert_eq!(rows.len(), images.len());
    for (row, image) in rows.iter().zip(images) {
        let target = format!("{}/{}:{}", row["registry"], row["repository"], row["tag"]);
        assert_eq!(image["target"], target.as_str());
        assert_eq!(image["outcome"], row["outcome"].as_str());
        assert_eq!(image["digest_after"].as_str().unwrap_or_default(), row["digest_after"]);
    }

    let summary = world.file("out/summary.md");
    assert!(summary.contains("**1 updated, 1 unchanged, 2 refused**"), "{summary}");
    assert!(summary.contains("| `base/image/busybox:new` | `sha256:"), "{summary}");
    assert!(
        summary.contains("| `base/image/gone:1` | refused | upstream "),
        "{summary}"
    );

    let metrics = samples(&world.file("out/ecr_keeper.prom"));
    let registry = world.lab.ecr().host();
    let images =
        |outcome: &str| metrics[&format!("ecr_keeper_images{{registry=\"{registry}\",outcome=\"{outcome}\"}}")];
    assert_eq!(
        ["updated", "unchanged", "refused", "failed"].map(images),
        [1.0, 1.0, 2.0, 0.0]
    );
    let folder = fs::read_dir(world.folder().join("out")).expect("the folder").count();
    assert_eq!(folder, 4, "nothing is left beside the files");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_keep_the_last_success_through_runs_that_fail() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "same", tiny("same")).await;
    world.ecr(REPOSITORY, "same", tiny("same")).await;
    sync(&world, &[]).ran().await.well();
    let success = last_success(&world).expect("a success");

    world.ecr(REPOSITORY, "gone", tiny("gone")).await;
    sync(&world, &[]).ran().await.code_is(1);
    assert_eq!(last_success(&world), Some(success.clone()));
    // Before it knows its registry.
    let early = sync(&world, &[]).env("DOCKER_HOST", "unix:///nowhere.sock");
    early.ran().await.code_is(1);
    assert_eq!(last_success(&world), Some(success.clone()));
    // All is well until the message is posted: the file is written before and after.
    let posting = sync(&world, &[])
        .env("ECR_KEEPER_MISSING_UPSTREAM", "keep")
        .env("DISCORD_WEBHOOK", "http://127.0.0.1:9/");
    posting.ran().await.code_is(1);
    assert_eq!(last_success(&world), Some(success.clone()));

    let well = sync(&world, &[]).env("ECR_KEEPER_MISSING_UPSTREAM", "keep");
    well.ran().await.well();
    let later = last_success(&world).expect("a success");
    assert!(later.1 > success.1, "{later:?} after {success:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_written_is_told_in_all_others() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "same", tiny("same")).await;
    world.ecr(REPOSITORY, "same", tiny("same")).await;
    fs::write(world.folder().join("file"), "").expect("a file");
    let ran = sync(&world, &["--output", "json"])
        .env("ECR_KEEPER_RESULTS__CSV", "file/images.csv")
        .ran()
        .await
        .code_is(1);
    let failure = ran.failure();
    assert!(failure.contains("write file/images.csv"), "{failure}");
    assert!(failure.contains("results.csv"), "{failure}");
    let file: Value = serde_json::from_str(&world.file("result.json")).expect("JSON");
    assert_eq!(file, ran.json());
    assert!(world.file("out/junit.xml").contains("write file/images.csv"));
    assert!(world.file("out/summary.md").contains("write file/images.csv"));
}

fn on_github(world: &World, arguments: &[&str]) -> Run {
    let summary = world.folder().join("step-summary.md");
    world
        .keeper(&[&["sync"], arguments].concat())
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", summary)
}

#[tokio::test(flavor = "multi_thread")]
async fn github_gets_groups_annotations_and_a_summary_and_stdout_stays_data() {
    let world = world_of_four().await;
    fs::write(world.folder().join("step-summary.md"), "what others said\n").expect("a file");
    let ran = on_github(&world, &["--output", "json"]).ran().await.code_is(1);
    assert_eq!(ran.outcome("busybox:new"), "updated", "JSON alone");
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let at = |part: &str| {
        let found = lines.iter().position(|line| line.starts_with(part));
        found.unwrap_or_else(|| panic!("{part} is not in\n{}", ran.stderr))
    };
    let order = [
        "through Docker",
        "::group::listing the images of 2 repositories",
        "asking upstream for 4 tags",
        "::endgroup::",
        "::group::copying 1 image",
        "[1/1] updated base/image/busybox:new",
    ];
    assert!(order.map(at).is_sorted(), "{}", ran.stderr);
    assert_eq!(lines.iter().filter(|line| **line == "::endgroup::").count(), 2);
    assert_eq!(
        lines[at("::warning title=base/image/gone%3A1 refused::")],
        "::warning title=base/image/gone%3A1 refused::upstream docker.io/library/gone:1 does not exist%0Ahint: remove the \
         tag from ECR, or set missing_upstream: keep to leave such tags as they are"
    );
    let summary = world.file("step-summary.md");
    assert!(summary.starts_with("what others said\n\n## ecr-keeper\n"), "{summary}");
    assert!(summary.contains("| `base/image/gone:1` | refused | "), "{summary}");

    fs::remove_file(world.folder().join("step-summary.md")).expect("it was there");
    let gone = on_github(&world, &["--output", "json"]).env("GITHUB_STEP_SUMMARY", "/nowhere/summary.md");
    let ran = gone.ran().await.code_is(1);
    assert!(ran.failure().contains("write /nowhere/summary.md"), "{}", ran.failure());
    assert!(
        ran.stderr
            .contains("::error title=ecr-keeper failed::write /nowhere/summary.md"),
        "{}",
        ran.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gitlab_gets_sections_and_others_plain_lines() {
    let world = world_of_four().await;
    let ran = world.keeper(&["sync"]).env("GITLAB_CI", "true").ran().await.code_is(1);
    for section in [
        "survey[collapsed=true]\r\u{1b}[0Klisting",
        "copy\r\u{1b}[0Kcopying 1 image\n",
    ] {
        let found = ran.stderr.split("\u{1b}[0Ksection_start:").any(|part| {
            let (at, rest) = part.split_once(":ecr_keeper_").unwrap_or_default();
            at.parse::<u64>().is_ok() && rest.starts_with(section)
        });
        assert!(found, "{section:?} is not in {:?}", ran.stderr);
    }
    assert_eq!(ran.stderr.matches("\u{1b}[0Ksection_end:").count(), 2);
    assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);

    let jenkins = world.keeper(&["sync"]).env("JENKINS_URL", "https://jenkins.example/");
    let ran = jenkins.ran().await.code_is(1);
    assert!(
        !ran.stderr.contains("::") && !ran.stderr.contains('\u{1b}'),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("nothing to copy\n"), "{}", ran.stderr);
}

/// Each line of standard error as JSON.
fn told(ran: &Ran) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    ran.stderr.lines().map(parse).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_as_json_is_one_event_a_line_and_no_log() {
    let world = world_of_four().await;
    let arguments = [
        "sync",
        "--progress",
        "json",
        "--log-format",
        "json",
        "--log-level",
        "trace",
    ];
    let ran = world.keeper(&arguments).ran().await.code_is(1);
    let (events, logs): (Vec<Value>, Vec<Value>) = told(&ran).into_iter().partition(|line| line.get("event").is_some());
    assert!(events.iter().all(|event| event.get("level").is_none()));
    assert!(
        logs.iter()
            .all(|log| log["level"].is_string() && log["timestamp"].is_string())
    );
    assert_eq!(
        (&events[0]["event"], &events[0]["schema_version"]),
        (&"hello".into(), &1.into())
    );
    let mut names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    names.dedup();
    assert_eq!(
        names,
        [
            "hello",
            "opened",
            "listing",
            "comparing",
            "planned",
            "began",
            "step",
            "ended"
        ]
    );
    let end = events.last().expect("events");
    assert_eq!(end["target"], format!("{}:new", world.target(REPOSITORY)));
    assert_eq!(end["outcome"], "updated");
    for event in &events {
        let time: Result<jiff::Timestamp, _> = event["time"].as_str().expect("a time").parse();
        assert!(time.is_ok(), "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_and_limits_stand_in_every_file_and_limits_in_plans() {
    let world = World::without_daemon(LabOptions::default()).await;
    world.upstream(UPSTREAM, "1", multi("new").attested()).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    for (header, value) in [
        ("ratelimit-remaining", "76;w=21600"),
        ("ratelimit-limit", "100;w=21600"),
    ] {
        let act = Act::Header(header.to_owned(), value.to_owned());
        world.lab.upstream().fault(Fault::new("", act));
    }
    let host = world.lab.upstream().host().to_owned();
    let left = "76 of 100 pulls left in 6h";
    for command in [&["plan"][..], &["explain", "base/image/busybox:1"]] {
        let text = world.keeper(command).ran().await.well().stdout;
        assert!(text.contains(&format!("limit     {host}: {left}\n")), "{text}");
        let json = world.keeper(&[command, &["--output", "json"]].concat());
        let limit = &json.ran().await.well().json()["limits"][&host];
        assert_eq!(
            *limit,
            serde_json::json!({ "remaining": 76, "of": 100, "seconds": 21600 })
        );
    }

    // Without what attests it, it is another index, of which there is something to say.
    let run = sync(&world, &["--output", "json"]).env("ECR_KEEPER_ATTESTATIONS", "strip");
    let ran = run.ran().await.well();
    let note = ran.image("busybox:1")["notes"][0].as_str().expect("a note").to_owned();
    assert!(
        note.contains("signatures of the upstream's index do not cover it"),
        "{note}"
    );
    let summary = world.file("out/summary.md");
    assert!(summary.contains(&format!("<br>*Note:* {note} |\n")), "{summary}");
    assert!(summary.contains(&format!("`{host}`: {left}\n")), "{summary}");
    let junit = world.file("out/junit.xml");
    assert!(
        junit.contains(&format!("\nnote: {}", note.replace('\'', "&apos;"))),
        "{junit}"
    );
    assert!(
        junit.contains(&format!("<property name=\"limit.{host}\" value=\"{left}\"")),
        "{junit}"
    );
    let csv = world.file("out/images.csv");
    assert!(csv.ends_with(&format!(",{note}\n")), "{csv}");
}
