//! Another run that holds the same ledger.

use super::*;

const MISSED: &str = "ecr_keeper_runs_missed_total";

/// A run by hand that is at work until the upstream lets it go.
async fn held(world: &World) -> Running {
    let upstream = world.lab.upstream();
    upstream.fault(Fault::new("/blobs/", Act::Hold).times(1));
    let run = world.keeper(&["sync", "--results-dir", "by-hand"]).started();
    world.held(upstream).await;
    run
}

/// One that tells the webhook of each run.
fn serve(world: &World, arguments: &[&str]) -> Run {
    let run = world.keeper(&[&["serve", "--results-dir", "served"], arguments].concat());
    run.env("ECR_KEEPER_WEBHOOK__URL", world.lab.webhook().hook_url("runs"))
        .env("ECR_KEEPER_WEBHOOK__KIND", "generic")
}

#[track_caller]
fn tells_of_nothing(world: &World) {
    assert!(!world.folder().join("served").exists(), "no files");
    assert_eq!(world.lab.webhook().attempts().len(), 0, "no messages");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_due_waits_for_another_one() {
    let world = world_with_one_change().await;
    let by_hand = held(&world).await;
    let mut serving = Serving::begin(serve(&world, &["--every", "1h"])).await;
    serving.said("run 1 is due and waits: another run holds").await;
    serving.said(&format!("process {}", by_hand.pid())).await;
    let (code, health) = serving.health().await;
    assert_eq!((code, &health["state"]), (200, &Value::from("waiting")));
    assert_eq!(serving.metrics().await["ecr_keeper_running"], 0.0);
    serving.running.signal("HUP");
    serving.said("(SIGHUP)").await;
    tells_of_nothing(&world);
    world.lab.upstream().release();
    by_hand.end().await.well();
    let metrics = serving.runs(1.0).await;
    assert_eq!((metrics[MISSED], runs(&metrics)), (0.0, 1.0));
    assert!(world.file("served/result.json").contains("\"unchanged\": 1"));
    assert_eq!(world.lab.webhook().messages().len(), 1);
    let ran = serving.terminated().await.well();
    assert_eq!(ran.stderr.matches("is due and waits").count(), 1, "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_begins_is_told_by_the_log_and_a_metric_alone() {
    let world = world_with_one_change().await;
    let by_hand = held(&world).await;
    let mut serving = Serving::begin(serve(&world, &["--every", "1s"])).await;
    let metrics = serving.until(|metrics| metrics[MISSED] >= 2.0).await;
    assert_eq!(runs(&metrics), 0.0);
    serving.said("run 1 did not begin: another run holds").await;
    tells_of_nothing(&world);
    world.lab.upstream().release();
    by_hand.end().await.well();
    serving.runs(1.0).await;
    assert!(world.file("served/result.json").contains("\"unchanged\": 1"));
    serving.said("run 1 ended well").await;
    serving.terminated().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_how_long_to_wait_is_heard() {
    let world = world_with_one_change().await;
    let by_hand = held(&world).await;
    let mut serving = Serving::begin(serve(&world, &["--every", "1h", "--wait=100ms"])).await;
    serving.said("run 1 is due and waits").await;
    serving.said("; the next is due at 20").await;
    let is_late = |metrics: &BTreeMap<String, f64>| {
        metrics["ecr_keeper_next_run_timestamp_seconds"] > metrics["process_start_time_seconds"] + 3500.0
    };
    assert_eq!(serving.until(is_late).await[MISSED], 1.0);
    assert_eq!(serving.health().await.1["state"], "idle");
    tells_of_nothing(&world);
    serving.terminated().await.well();
    world.lab.upstream().release();
    by_hand.end().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_waiting_and_leaves_nothing() {
    let world = world_with_one_change().await;
    let by_hand = held(&world).await;
    let mut serving = Serving::begin(serve(&world, &["--every", "1h"])).await;
    serving.said("run 1 is due and waits").await;
    let ran = serving.terminated().await.well();
    assert!(!ran.stderr.contains("run 1 begins"), "{}", ran.stderr);
    tells_of_nothing(&world);
    world.lab.upstream().release();
    by_hand.end().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_change_meanwhile_are_the_run_s_own() {
    let world = world_with_one_change().await;
    let by_hand = held(&world).await;
    write(&world, "schedule: { every: 1h }\n");
    let mut serving = Serving::begin(serve(&world, &[])).await;
    serving.said("run 1 is due and waits").await;
    // Nobody holds this one.
    write(&world, "schedule: { every: 1h }\nledger: other.json\n");
    serving.runs(1.0).await;
    assert!(world.folder().join("other.json").exists());
    world.lab.upstream().release();
    by_hand.end().await.well();
    serving.terminated().await.well();
}
