//! The process that stays: when it runs, what it tells, how its settings change and how it ends.

mod reload;
mod stopping;
mod telling;
mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use ecr_lab::images::tiny;
use ecr_lab::{Act, Fault, LabOptions};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Ran, Run, Running, World};

const REPOSITORY: &str = "base/image/app";
const UPSTREAM: &str = "library/app";
/// The longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

async fn world() -> World {
    World::without_daemon(LabOptions::default()).await
}

/// One image that is to be brought.
async fn world_with_one_change() -> World {
    let world = world().await;
    world.upstream(UPSTREAM, "1", tiny("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    world
}

fn write(world: &World, settings: &str) {
    // As an editor does: the file is another one under the same name.
    let (new, file) = (world.folder().join("new.yaml"), world.folder().join("settings.yaml"));
    fs::write(&new, settings).expect("the new file");
    fs::rename(new, file).expect("the file");
}

/// A program that serves.
struct Serving {
    running: Running,
    /// `http://127.0.0.1:PORT`.
    address: String,
}

impl Serving {
    /// Begins it on a free port, which its log tells.
    async fn begin(run: Run) -> Self {
        let run = run.env("ECR_KEEPER_SERVE__LISTEN", "127.0.0.1:0");
        let mut running = run.started();
        hear(&mut running, "/healthz").await;
        let (_, address) = running.heard().rsplit_once("http://").expect("an address");
        let (address, _) = address.split_once('/').expect("a path");
        Self {
            address: format!("http://{address}"),
            running,
        }
    }

    async fn ask(&self, method: Method, path: &str) -> reqwest::Result<Response> {
        let client = Client::builder().no_proxy().build().expect("a client");
        client.request(method, format!("{}{path}", self.address)).send().await
    }

    /// The status and the answer of /healthz.
    async fn health(&self) -> (u16, Value) {
        let answer = self.ask(Method::GET, "/healthz").await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// All samples of /metrics.
    async fn metrics(&self) -> BTreeMap<String, f64> {
        let answer = self.ask(Method::GET, "/metrics").await.expect("an answer");
        assert_eq!(answer.status(), 200);
        samples(&answer.text().await.expect("text"))
    }

    /// Waits until they are as they should be.
    async fn until(&self, is: impl Fn(&BTreeMap<String, f64>) -> bool) -> BTreeMap<String, f64> {
        let end = Instant::now() + PATIENCE;
        loop {
            let metrics = self.metrics().await;
            if is(&metrics) {
                return metrics;
            }
            assert!(Instant::now() < end, "{metrics:#?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the run that is at work has been so for this long, by what is told of it.
    async fn at_work_for(&self, long: SignedDuration) {
        loop {
            let (_, health) = self.health().await;
            let since: Timestamp = health["running_since"]
                .as_str()
                .expect("a run")
                .parse()
                .expect("a time");
            if Timestamp::now().duration_since(since) >= long {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until so many runs have ended.
    async fn runs(&self, count: f64) -> BTreeMap<String, f64> {
        self.until(|metrics| runs(metrics) >= count).await
    }

    async fn said(&mut self, word: &str) {
        hear(&mut self.running, word).await;
    }

    async fn end(self) -> Ran {
        timeout(PATIENCE, self.running.end()).await.expect("it ends")
    }

    async fn terminated(self) -> Ran {
        self.running.signal("TERM");
        self.end().await
    }
}

async fn hear(running: &mut Running, word: &str) {
    let heard = timeout(PATIENCE, running.said(word)).await;
    assert!(heard.is_ok(), "it never said {word}: {}", running.heard());
}

/// The samples of a page, each of a metric that the page has told the type of (Prometheus, "Exposition formats").
#[track_caller]
fn samples(page: &str) -> BTreeMap<String, f64> {
    let mut known = BTreeSet::new();
    let mut samples = BTreeMap::new();
    for line in page.lines() {
        if let Some(metric) = line.strip_prefix("# TYPE ") {
            let (name, kind) = metric.split_once(' ').expect("a type");
            assert!(matches!(kind, "gauge" | "counter"), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(known.insert(name), "{line} stands there twice");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let name = series.split('{').next().unwrap_or_default();
            assert!(known.contains(name), "{line} has no type");
            let value = value.parse().expect("a number");
            assert_eq!(
                samples.insert(series.to_owned(), value),
                None,
                "{line} stands there twice"
            );
        }
    }
    samples
}

fn runs(metrics: &BTreeMap<String, f64>) -> f64 {
    let outcomes = ["well", "failed", "stopped"];
    let counts = outcomes.map(|outcome| metrics[&format!("ecr_keeper_runs_total{{outcome=\"{outcome}\"}}")]);
    counts.iter().sum()
}

/// When each run began and ended, from the reports that it printed.
fn times(ran: &Ran) -> Vec<(Timestamp, Timestamp)> {
    let time = |report: &Value, field: &str| report[field].as_str().expect("a time").parse().expect("a time");
    let reports = ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    reports
        .map(|report: Value| (time(&report, "started"), time(&report, "ended")))
        .collect()
}

/// How many runs asked ECR, by the lab's own records.
fn listings(world: &World) -> usize {
    let asked = world.lab.ecr().api_requests();
    asked
        .iter()
        .filter(|request| request.action == "DescribeRepositories")
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_second_has_one_run_and_no_two_are_at_work_at_once() {
    let world = world_with_one_change().await;
    let serving = Serving::begin(world.keeper(&["serve", "--every", "1s", "--output", "json"])).await;
    let metrics = serving.runs(5.0).await;
    assert_eq!(metrics["ecr_keeper_runs_total{outcome=\"well\"}"], runs(&metrics));
    let ran = serving.terminated().await.well();
    let times = times(&ran);
    assert!(times.len() >= 5);
    // The signal may have come as one more was about to ask.
    let seen = listings(&world);
    assert!(
        seen == times.len() || seen + 1 == times.len(),
        "the lab saw {seen}: {times:?}"
    );
    for pair in times.windows(2) {
        let ((began, ended), (next, _)) = (pair[0], pair[1]);
        assert!(next >= ended, "two at once: {times:?}");
        // From beginning to beginning; a report's is a moment after the run's.
        let distance = next.duration_since(began);
        assert!(distance >= SignedDuration::from_millis(900), "doubled: {times:?}");
    }
    assert!(ran.stdout.lines().next().expect("a line").contains("\"updated\":1"));
    assert_eq!(
        world.digest_in_ecr(REPOSITORY, "1"),
        world.upstream(UPSTREAM, "1", tiny("new")).await.top
    );
    for says in [
        "run 1 begins",
        "run 1 ended well: 1 updated, 0 unchanged in ",
        "; the next is due at 20",
    ] {
        assert!(ran.stderr.contains(says), "{says} is not in\n{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_longer_than_the_interval_is_followed_by_one_and_not_by_several() {
    let world = world_with_one_change().await;
    world.lab.upstream().fault(Fault::new("/blobs/", Act::Hold).times(1));
    let serving = Serving::begin(world.keeper(&["serve", "--every", "2s", "--output", "json"])).await;
    world.held(world.lab.upstream()).await;
    // Two more are due by then.
    serving.at_work_for(SignedDuration::from_secs(4)).await;
    world.lab.upstream().release();
    serving.runs(3.0).await;
    let ran = serving.terminated().await.well();
    let times = times(&ran);
    let (_, first_ended) = times[0];
    let at_once = times[1].0.duration_since(first_ended);
    assert!(at_once < SignedDuration::from_secs(2), "no new wait: {times:?}");
    let later = times[2].0.duration_since(times[1].0);
    assert!(
        later >= SignedDuration::from_millis(1900),
        "one, and not two: {times:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cron_expression_waits_for_its_time() {
    let world = world().await;
    let run = world.keeper(&["serve", "--cron", "30 4 1 1 *", "--time-zone", "Europe/Berlin"]);
    let serving = Serving::begin(run).await;
    let (code, health) = serving.health().await;
    assert_eq!((code, &health["state"]), (200, &Value::from("idle")));
    let next = health["next_run"].as_str().expect("a time");
    // Berlin is an hour ahead of UTC in winter.
    assert!(next.ends_with("-01-01T03:30:00Z"), "{next}");
    assert_eq!(runs(&serving.metrics().await), 0.0);
    let at = serving.metrics().await["ecr_keeper_next_run_timestamp_seconds"];
    assert_eq!(at, next.parse::<Timestamp>().unwrap().as_second() as f64);
    serving.terminated().await.well();
    assert_eq!(listings(&world), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_credentials_fails_and_the_next_one_tries_again() {
    let world = world_with_one_change().await;
    let run = world.keeper(&["serve", "--every", "1s"]).without("AWS_ACCESS_KEY_ID");
    let serving = Serving::begin(run).await;
    let metrics = serving.runs(2.0).await;
    assert!(metrics["ecr_keeper_runs_total{outcome=\"failed\"}"] >= 2.0);
    assert!(metrics["ecr_keeper_run_failures"] >= 1.0);
    let ran = serving.terminated().await.well();
    assert!(
        ran.stderr.contains("; hint: set AWS_ACCESS_KEY_ID_ECR"),
        "{}",
        ran.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_through_a_daemon_leave_it_as_it_was() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "1", tiny("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let serving = Serving::begin(world.keeper(&["serve", "--every", "1s", "--output", "json"])).await;
    serving.runs(2.0).await;
    let ran = serving.terminated().await.well();
    let updated = ran.stdout.lines().map(|line| {
        let report: Value = serde_json::from_str(line).expect("JSON");
        report["totals"]["updated"].as_u64().expect("a count")
    });
    assert_eq!(updated.sum::<u64>(), 1, "by the first alone");
    assert_eq!(world.local_images().await, [].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_cannot_begin_with_is_told() {
    let world = world().await;
    let says = |ran: &Ran, words: &[&str]| {
        for word in words {
            assert!(ran.stderr.contains(word), "{word} is not in\n{}", ran.stderr);
        }
    };
    let ran = world.keeper(&["serve"]).ran().await.code_is(2);
    says(
        &ran,
        &["schedule: is not set", "schedule.every (--every 15m)", "schedule.cron"],
    );
    let without = world.keeper(&["serve", "--every", "1h"]).without("KEYWORD");
    says(&without.ran().await.code_is(2), &["keyword: is not set"]);
    let wrong = world.keeper(&["serve", "--cron", "61 * * * *", "--time-zone", "Berlin"]);
    says(
        &wrong.ran().await.code_is(2),
        &[
            "flag --cron: schedule.cron",
            "minute: \"61\" is not from 0 to 59",
            "flag --time-zone",
        ],
    );
    let both = world.keeper(&["serve", "--every", "1h", "--cron", "@daily"]);
    says(&both.ran().await.code_is(2), &["--every", "--cron"]);

    let other = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let taken = other.local_addr().expect("its address").to_string();
    let ran = world.keeper(&["serve", "--every", "1h", "--listen", &taken]);
    let ran = ran.ran().await.code_is(1);
    says(
        &ran,
        &[
            &format!("listen on {taken} (serve.listen): "),
            "hint: ",
            "--listen",
            "off",
        ],
    );
    assert_eq!(listings(&world), 0, "no run began");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_need_not_listen() {
    let world = world_with_one_change().await;
    let mut running = world.keeper(&["serve", "--every", "1h", "--listen", "off"]).started();
    hear(&mut running, "run 1 ended well").await;
    assert!(!running.heard().contains("http://"), "{}", running.heard());
    running.signal("TERM");
    timeout(PATIENCE, running.end()).await.expect("it ends").well();
}
