//! What it tells of itself.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn it_says_when_its_first_run_is_due_and_what_comes_to_nothing() {
    let world = world().await;
    let mut serving = Serving::begin(world.keeper(&["serve", "--cron", "0 0 1 1 *"])).await;
    serving.said("run 1 is due at ").await;
    serving.said("-01-01T00:00:00Z").await;
    serving.terminated().await.well();
    let mut serving = Serving::begin(world.keeper(&["serve", "--every", "1h", "--time-zone", "Europe/Berlin"])).await;
    serving
        .said("flag --time-zone: schedule.time_zone: has no effect without schedule.cron")
        .await;
    serving.said("run 1 is due at ").await;
    serving.terminated().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_how_it_is() {
    let world = world_with_one_change().await;
    // An upstream that has gone: refused.
    world.ecr(REPOSITORY, "gone", tiny("gone")).await;
    let run = world.keeper(&["serve", "--every", "1h"]);
    let serving = Serving::begin(run.env("ECR_KEEPER_RESULTS__METRICS", "keeper.prom")).await;
    let metrics = serving.runs(1.0).await;
    assert_eq!(metrics["ecr_keeper_runs_total{outcome=\"failed\"}"], 1.0);
    assert_eq!(metrics["ecr_keeper_running"], 0.0);
    assert_eq!(metrics["ecr_keeper_settings_valid"], 1.0);
    let began = metrics["ecr_keeper_last_run_start_timestamp_seconds"];
    assert!(metrics["ecr_keeper_next_run_timestamp_seconds"] - began > 3590.0);
    let file = world.file("keeper.prom");
    let page = serving.ask(Method::GET, "/metrics").await.unwrap();
    assert_eq!(
        page.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let page = page.text().await.unwrap();
    assert!(
        page.starts_with(&file),
        "what results.metrics says:\n{file}\nis not in\n{page}"
    );
    assert!(file.contains("outcome=\"updated\"} 1"), "{file}");

    let (code, health) = serving.health().await;
    assert_eq!(code, 200);
    assert_eq!(health["state"], "idle");
    assert_eq!(health["settings_valid"], true);
    assert_eq!(health["last_run"]["outcome"], "failed");
    let report: Value = serde_json::from_str(&world.file("result.json")).unwrap();
    assert_eq!(health["last_run"]["started"], report["started"]);
    assert_eq!(health["last_run"]["ended"], report["ended"]);

    for path in ["/", "/metrics/", "/healthz?x", "/../etc/passwd"] {
        let expected = if path.starts_with("/healthz") { 200 } else { 404 };
        assert_eq!(
            serving.ask(Method::GET, path).await.unwrap().status(),
            expected,
            "{path}"
        );
    }
    let refused = serving.ask(Method::POST, "/metrics").await.unwrap();
    assert_eq!(refused.status(), 405);
    assert_eq!(refused.headers()["allow"], "GET, HEAD");
    let head = serving.ask(Method::HEAD, "/healthz").await.unwrap();
    assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));

    let ran = serving.terminated().await.well();
    let told = [
        "run 1 ended with failures: 1 updated, 0 unchanged, 1 refused",
        "gone — ",
    ];
    for says in told {
        assert!(ran.stderr.contains(says), "{says} is not in\n{}", ran.stderr);
    }
    assert_eq!(ran.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_does_not_end_is_told_by_its_health() {
    let world = world_with_one_change().await;
    world.lab.upstream().fault(Fault::new("/blobs/", Act::Hold).times(1));
    let run = world.keeper(&["serve", "--every", "1h"]);
    let serving = Serving::begin(run.env("ECR_KEEPER_SERVE__OVERDUE", "1s")).await;
    world.held(world.lab.upstream()).await;
    let end = Instant::now() + PATIENCE;
    let health = loop {
        let (code, health) = serving.health().await;
        if code == 503 {
            break health;
        }
        assert!(Instant::now() < end, "{health}");
        sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(health["state"], "running");
    let trouble = health["trouble"].as_str().expect("a reason");
    assert!(
        trouble.ends_with("has not ended within 1s (serve.overdue)"),
        "{trouble}"
    );
    world.lab.upstream().release();
    serving.runs(1.0).await;
    assert_eq!(serving.health().await.0, 200);
    serving.terminated().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_outlives_the_process_that_had_it() {
    const LAST_SUCCESS: &str = "ecr_keeper_last_success_timestamp_seconds";
    let world = world_with_one_change().await;
    let rare = || world.keeper(&["serve", "--cron", "0 0 29 2 *"]);
    let metrics = "keeper.prom";
    let success = |metrics: &BTreeMap<String, f64>| {
        let found = metrics.iter().find(|(series, _)| series.starts_with(LAST_SUCCESS));
        found.map(|(series, value)| (series.clone(), *value))
    };
    let before = Timestamp::now().as_second() as f64;
    let serving = Serving::begin(rare().env("ECR_KEEPER_RESULTS__METRICS", metrics)).await;
    let told = serving.metrics().await;
    assert_eq!(success(&told), None, "there was none yet");
    assert!(
        told["process_start_time_seconds"] >= before,
        "an alert goes by this then"
    );
    serving.terminated().await.well();

    let sync = world.keeper(&["sync"]).env("ECR_KEEPER_RESULTS__METRICS", metrics);
    sync.ran().await.well();
    let file = samples(&world.file(metrics));
    assert!(success(&file).is_some(), "{file:?}");
    let serving = Serving::begin(rare().env("ECR_KEEPER_RESULTS__METRICS", metrics)).await;
    assert_eq!(success(&serving.metrics().await), success(&file), "before any run");
    serving.terminated().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_document_says_to_run_is_understood() {
    let world = world().await;
    let document = include_str!("../../../docs/serve.md");
    let unit = document.lines().filter_map(|line| line.strip_prefix("ExecStart="));
    let shell = document.lines().filter(|line| line.starts_with("ecr-keeper "));
    let pod = document.lines().filter_map(|line| line.trim().strip_prefix("args: ["));
    let mut commands: Vec<Vec<String>> = Vec::new();
    for line in unit.chain(shell) {
        let (_, arguments) = line.split_once(' ').expect("arguments");
        commands.push(
            arguments
                .replace("'0 3 * * mon-fri'", "@daily")
                .split(' ')
                .map(str::to_owned)
                .collect(),
        );
    }
    for line in pod {
        let arguments = line.trim_end_matches(']').split(", ");
        commands.push(arguments.map(|word| word.trim_matches('"').to_owned()).collect());
    }
    assert_eq!(commands.len(), 4, "{commands:?}");
    for command in commands {
        // Help is given where all that stands before it is known.
        let words: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        world.keeper(&words).ran().await.well();
    }
}
