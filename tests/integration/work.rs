//! `work`: a run that several share, with real SQS and S3 (moto).

use std::collections::BTreeMap;
use std::time::Duration;

use ecr_lab::images::tiny;
use ecr_lab::{Act, Fault, LabOptions, Queues, S3};
use serde_json::{Value, json};

use crate::bad_input::contains;
use crate::support::{Run, World};

const BUCKET: &str = "shared";
const NAME: &str = "base/image/app";

/// A lab with a queue, and images of which the first is current, and the others have moved.
struct Shared {
    world: World,
    s3: S3,
    queues: Queues,
    /// What the upstream has, by tag.
    upstream: BTreeMap<String, String>,
}

impl Shared {
    async fn with(tags: usize) -> Self {
        let world = World::without_daemon(LabOptions::default()).await;
        let mut upstream = BTreeMap::new();
        for at in 0..tags {
            let tag = format!("1.{at}");
            let pushed = world.upstream("library/app", &tag, tiny(&tag)).await;
            upstream.insert(tag.clone(), pushed.digest().to_owned());
            let old = if at == 0 { tag.clone() } else { format!("old {at}") };
            world.ecr(NAME, &tag, tiny(&old)).await;
        }
        let s3 = world.lab.s3().await.expect("moto starts");
        s3.create_bucket(BUCKET).await.unwrap();
        let queues = s3.create_queue("images", 3).await.unwrap();
        Self {
            world,
            s3,
            queues,
            upstream,
        }
    }

    fn work(&self, arguments: &[&str]) -> Run {
        let run = self
            .world
            .keeper(&[&["work"], arguments, &["--output", "json"]].concat());
        run.env("AWS_ENDPOINT_URL_S3", self.s3.endpoint())
            .env("AWS_ENDPOINT_URL_SQS", self.s3.endpoint())
            .env("ECR_KEEPER_WORK__QUEUE", &self.queues.url)
            .env("ECR_KEEPER_WORK__STATE", format!("s3://{BUCKET}/team"))
            .env("ECR_KEEPER_WORK__LEASE", "6s")
            .env("ECR_KEEPER_LEDGER", format!("s3://{BUCKET}/ledger.json"))
    }

    async fn enqueued(&self) -> Value {
        self.work(&["enqueue"]).ran().await.well().json()
    }

    /// What ECR's tag names is what the upstream's does.
    fn is_current(&self, tag: &str) -> bool {
        self.upstream[tag] == self.world.digest_in_ecr(NAME, tag)
    }
}

fn reasons(messages: &[Value]) -> Vec<String> {
    let reason = |message: &Value| {
        message["MessageAttributes"]["reason"]["StringValue"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    messages.iter().map(reason).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_current_is_queued_done_and_reported() {
    let shared = Shared::with(4).await;
    let queued = shared.enqueued().await;
    assert_eq!((&queued["queued"], &queued["unchanged"]), (&json!(3), &json!(1)));
    let run = queued["run"].as_str().unwrap();
    assert_eq!(shared.world.pushes(), [""; 0], "a queue is no push");
    // Nobody has done anything yet.
    let open = shared.work(&["report"]).ran().await.code_is(1).json();
    assert_eq!(open["totals"]["not_attempted"], 3, "{open}");
    let worked = shared.work(&["run", "--until-empty"]).ran().await.well().json();
    assert_eq!(worked["updated"], 3, "{worked}");
    assert!((0..4).all(|at| shared.is_current(&format!("1.{at}"))));
    let report = shared.work(&["report", "--wait", "--run", run, "--results-dir", "results"]);
    let report = report.ran().await.well().json();
    assert_eq!(
        (&report["totals"]["updated"], &report["totals"]["unchanged"]),
        (&json!(3), &json!(1))
    );
    let lists = shared.world.file("results/result_update.txt");
    assert_eq!(lists.lines().count(), 3);
    // There is nothing more to do, and that is no run.
    let nothing = shared.enqueued().await;
    assert_eq!((&nothing["queued"], &nothing["run"]), (&json!(0), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_queued_twice_is_done_once() {
    let shared = Shared::with(3).await;
    let (first, second) = (shared.enqueued().await, shared.enqueued().await);
    shared.world.forget_requests();
    let worked = shared.work(&["run", "--until-empty"]).ran().await.well().json();
    assert_eq!(
        (&worked["updated"], &worked["unchanged"]),
        (&json!(2), &json!(2)),
        "{worked}"
    );
    let pushes = shared.world.pushes();
    let manifests = pushes.iter().filter(|push| push.contains("/manifests/"));
    assert_eq!(manifests.count(), 2, "{pushes:?}");
    for run in [first, second] {
        let run = run["run"].as_str().unwrap();
        let report = shared.work(&["report", "--run", run]).ran().await.well().json();
        assert_eq!(report["totals"]["not_attempted"], 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_message_goes_to_the_dead_letter_queue_with_its_reason() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    for body in ["poison", "{\"work\": 9, \"plan\": {\"version\": 4}}", "{}"] {
        shared.s3.send(&shared.queues.url, body).await.unwrap();
    }
    let worked = shared.work(&["run", "--until-empty"]).ran().await.code_is(1).json();
    assert_eq!(
        (&worked["updated"], &worked["buried"]),
        (&json!(1), &json!(3)),
        "{worked}"
    );
    let dead = shared.s3.messages(&shared.queues.dead).await.unwrap();
    let mut bodies: Vec<&str> = dead.iter().map(|message| message["Body"].as_str().unwrap()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["poison", "{\"work\": 9, \"plan\": {\"version\": 4}}", "{}"]);
    contains(
        &reasons(&dead).join("\n"),
        &[
            "the message is not one that `work enqueue` sent: expected value",
            "the message is of version 9, and this program reads 1",
            "it says no version",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_fails_is_tried_again_and_given_up_with_its_reason() {
    let shared = Shared::with(3).await;
    shared.enqueued().await;
    // 1.1 fails once, 1.2 each time.
    let gone = || Act::status(500, "UNKNOWN", "the disk is full");
    let ecr = shared.world.lab.ecr().front();
    ecr.fault(Fault::new("/manifests/1.1$", gone()).method("PUT").times(1));
    ecr.fault(Fault::new("/manifests/1.2$", gone()).method("PUT"));
    let run = shared
        .work(&["run", "--until-empty"])
        .env("ECR_KEEPER_RETRY__TRIES", "1");
    let worked = run.ran().await.code_is(1).json();
    assert_eq!(
        (&worked["updated"], &worked["failed"], &worked["buried"]),
        (&json!(1), &json!(4), &json!(1)),
        "{worked}"
    );
    assert!(shared.is_current("1.1") && !shared.is_current("1.2"));
    let dead = shared.s3.messages(&shared.queues.dead).await.unwrap();
    let reasons = reasons(&dead);
    assert_eq!(reasons.len(), 1);
    contains(&reasons[0], &["1.2", "the disk is full"]);
    let report = shared.work(&["report", "--wait"]).ran().await.code_is(1).json();
    assert_eq!(
        (&report["totals"]["updated"], &report["totals"]["failed"]),
        (&json!(1), &json!(1)),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_at_an_image_that_somebody_else_is_at() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    let ecr = shared.world.lab.ecr().front();
    ecr.fault(Fault::new("/manifests/1.1$", Act::Hold).method("PUT").times(1));
    let first = shared.work(&["run", "--until-empty"]).started();
    shared.world.held(ecr).await;
    // The same image again, as another run queues it.
    shared.enqueued().await;
    let second = shared.work(&["run", "--until-empty", "--log-level", "debug"]);
    let mut second = second.started();
    second.said("is at ").await;
    ecr.release();
    let (first, second) = (first.end().await.well().json(), second.end().await.well().json());
    let sum = |key: &str| first[key].as_u64().unwrap() + second[key].as_u64().unwrap();
    assert_eq!((sum("updated"), sum("unchanged")), (1, 1), "{first} {second}");
    assert!(shared.is_current("1.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_was_at_who_was_killed_is_done_by_another() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    let ecr = shared.world.lab.ecr().front();
    ecr.fault(Fault::new("/manifests/1.1$", Act::Hold).method("PUT").times(1));
    let killed = shared.work(&["run"]).started();
    shared.world.held(ecr).await;
    killed.signal("KILL");
    killed.end().await;
    ecr.release();
    let worked = shared.work(&["run", "--until-empty"]).ran().await.well().json();
    assert_eq!(
        worked["updated"].as_u64().unwrap() + worked["unchanged"].as_u64().unwrap(),
        1,
        "{worked}"
    );
    assert!(shared.is_current("1.1"));
    shared.work(&["report"]).ran().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_an_image_end_and_leaves_the_others_in_the_queue() {
    let shared = Shared::with(4).await;
    shared.enqueued().await;
    let ecr = shared.world.lab.ecr().front();
    ecr.fault(Fault::new("/manifests/1", Act::Hold).method("PUT").times(1));
    let run = shared.work(&["run"]).env("ECR_KEEPER_CONCURRENCY", "1").started();
    shared.world.held(ecr).await;
    run.signal("TERM");
    tokio::time::sleep(Duration::from_millis(200)).await;
    ecr.release();
    let worked = run.end().await.well().json();
    assert_eq!(worked["updated"], 1, "{worked}");
    let rest = shared.work(&["run", "--until-empty"]).ran().await.well().json();
    assert_eq!(rest["updated"], 2, "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_told_before_anything_is_taken() {
    let shared = Shared::with(2).await;
    let lacking = shared
        .work(&["run"])
        .without("ECR_KEEPER_WORK__STATE")
        .ran()
        .await
        .code_is(2);
    contains(
        &lacking.stderr,
        &["work.state is not set", "hint: name the queue's URL"],
    );
    let plain = shared.s3.queue("plain", &json!({})).await.unwrap();
    let endless = shared.work(&["run", "--queue", &plain]).ran().await.code_is(1);
    contains(&endless.stderr, &["has no dead-letter queue", "RedrivePolicy"]);
    let absent = format!("{}/123456789012/absent", shared.s3.endpoint());
    let gone = shared.work(&["enqueue", "--queue", &absent]).ran().await.code_is(1);
    contains(&gone.stdout, &["SendMessageBatch", "absent"]);
    let none = shared
        .work(&["report", "--run", "20260101T000000Z-0"])
        .ran()
        .await
        .code_is(1);
    contains(&none.stderr, &["has no run 20260101T000000Z-0"]);
    for (name, value) in [("QUEUE", "images"), ("STATE", "shared"), ("LEASE", "1s")] {
        let run = shared.work(&["run"]).env(&format!("ECR_KEEPER_WORK__{name}"), value);
        let told = run.ran().await.code_is(2).stderr;
        contains(
            &told,
            &[&format!("work.{}: {value:?} is not allowed", name.to_lowercase())],
        );
    }
    assert_eq!(shared.world.pushes(), [""; 0]);
}
