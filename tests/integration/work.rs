//! `work`: a run that several share, with real SQS and S3 (moto).

mod claims;
mod returned;
mod telling;

use std::collections::BTreeMap;
use std::time::Duration;

use ecr_lab::images::tiny;
use ecr_lab::{Act, ApiFault, Fault, LabOptions, Queues, S3};
use serde_json::{Value, json};

use crate::bad_input::contains;
use crate::support::{Run, World};

const MINUTE: Duration = Duration::from_secs(60);
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
        Self::within(World::without_daemon(LabOptions::default()).await, tags).await
    }

    async fn within(world: World, tags: usize) -> Self {
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
        self.told(&[arguments, &["--output", "json"]].concat())
    }

    /// For people.
    fn told(&self, arguments: &[&str]) -> Run {
        let run = self.world.keeper(&[&["work"], arguments].concat());
        run.env("AWS_ENDPOINT_URL_S3", self.s3.endpoint())
            .env("AWS_ENDPOINT_URL_SQS", self.s3.endpoint())
            .env("ECR_KEEPER_WORK__QUEUE", &self.queues.url)
            .env("ECR_KEEPER_WORK__STATE", format!("s3://{BUCKET}/team"))
            .env("ECR_KEEPER_WORK__LEASE", "15s")
            .env("ECR_KEEPER_LEDGER", format!("s3://{BUCKET}/ledger.json"))
    }

    /// How ECR's front takes no manifest of this tag.
    fn refuse(&self, tag: &str) -> Fault {
        let full = Act::status(500, "UNKNOWN", "the disk is full");
        Fault::new(&format!("/manifests/{tag}$"), full).method("PUT")
    }

    /// Lets the first push of this tag wait until it is released.
    fn hold(&self, tag: &str) {
        let held = Fault::new(&format!("/manifests/{tag}$"), Act::Hold);
        self.world.lab.ecr().front().fault(held.method("PUT").times(1));
    }

    async fn enqueued(&self) -> Value {
        self.work(&["enqueue"]).ran().await.well().json()
    }

    /// Takes the one message of the queue.
    async fn taken(&self) -> String {
        let taken = self.s3.messages(&self.queues.url).await.unwrap();
        assert_eq!(taken.len(), 1);
        taken[0]["Body"].as_str().unwrap().to_owned()
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
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_nothing_to_do_is_told_of_too() {
    let shared = Shared::with(2).await;
    let yesterday = shared.enqueued().await["run"].clone();
    shared.work(&["run", "--until-empty"]).ran().await.well();
    let run = shared.enqueued().await;
    assert_eq!((&run["queued"], &run["unchanged"]), (&json!(0), &json!(2)), "{run}");
    assert_ne!(run["run"], yesterday);
    let report = shared.work(&["report", "--wait"]).ran().await.well().json();
    assert_eq!(report["run"], run["run"], "{report}");
    assert_eq!(
        (&report["totals"]["updated"], &report["totals"]["unchanged"]),
        (&json!(0), &json!(2))
    );
    // People see at once which run it is, and of when.
    let name = yesterday.as_str().unwrap();
    let told = shared.told(&["report", "--run", name]).ran().await.well();
    let (day, time) = (&name[..8], &name[9..15]);
    let [year, month, day] = [&day[..4], &day[4..6], &day[6..]];
    let moment = format!(
        "run       {name}, of {year}-{month}-{day} {}:{}:",
        &time[..2],
        &time[2..4]
    );
    assert!(told.stdout.starts_with(&moment), "{}", told.stdout);
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
    contains(
        &gone.stderr,
        &[
            "GetQueueAttributes",
            "absent",
            "hint: see that work.queue names the right queue",
        ],
    );
    let endless = shared.work(&["enqueue", "--queue", &plain]).ran().await.code_is(1);
    contains(&endless.stderr, &["has no dead-letter queue", "RedrivePolicy"]);
    let none = shared.work(&["report"]).ran().await.code_is(1);
    contains(&none.stderr, &["has no run"]);
    let none = shared
        .work(&["report", "--run", "20260101T000000Z-0"])
        .ran()
        .await
        .code_is(1);
    contains(&none.stderr, &["has no run 20260101T000000Z-0"]);
    for (name, value) in [("QUEUE", "images"), ("STATE", "shared"), ("LEASE", "14s")] {
        let run = shared.work(&["run"]).env(&format!("ECR_KEEPER_WORK__{name}"), value);
        let told = run.ran().await.code_is(2).stderr;
        contains(
            &told,
            &[&format!("work.{}: {value:?} is not allowed", name.to_lowercase())],
        );
    }
    assert_eq!(shared.world.pushes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_keeps_an_order_has_each_image_once_and_its_poison_buried() {
    let shared = Shared::with(3).await;
    let fifo = shared.s3.create_fifo("ordered", 3).await.unwrap();
    let queued = shared.work(&["enqueue", "--queue", &fifo.url]).ran().await.well();
    assert_eq!(queued.json()["queued"], 2);
    shared.s3.send_in_order(&fifo.url, "poison").await.unwrap();
    let worked = shared.work(&["run", "--until-empty", "--queue", &fifo.url]).ran().await;
    let worked = worked.code_is(1).json();
    assert_eq!(
        (&worked["updated"], &worked["buried"]),
        (&json!(2), &json!(1)),
        "{worked}"
    );
    let dead = shared.s3.messages(&fifo.dead).await.unwrap();
    contains(&reasons(&dead)[0], &["expected value"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_image_does_not_wait_for_a_large_one() {
    let shared = Shared::with(5).await;
    shared.enqueued().await;
    shared.s3.send(&shared.queues.url, "poison").await.unwrap();
    shared.hold("1.1");
    let run = shared
        .work(&["run", "--until-empty"])
        .env("ECR_KEEPER_CONCURRENCY", "2");
    let running = run.started();
    let ecr = shared.world.lab.ecr().front();
    shared.world.held(ecr).await;
    let others = async {
        while !["1.2", "1.3", "1.4"].iter().all(|tag| shared.is_current(tag)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        while shared.s3.messages(&shared.queues.dead).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(MINUTE, others)
        .await
        .expect("the others are done meanwhile");
    assert!(!shared.is_current("1.1"));
    ecr.release();
    let worked = running.end().await.code_is(1).json();
    assert_eq!(
        (&worked["updated"], &worked["buried"]),
        (&json!(4), &json!(1)),
        "{worked}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_a_repository_the_worker_says_and_no_message() {
    let shared = Shared::with(1).await;
    let folder = shared.world.folder();
    let settings = "images: [{upstream: app, repository: mirror/app, include_tags: ['1.0']}]\ncreate_repositories: settings\n\
                    repositories: {policy: policy.json, tags: {team: platform}}\n";
    std::fs::write(folder.join("settings.yaml"), settings).unwrap();
    let policy = r#"{"Version": "2012-10-17", "Statement": []}"#;
    std::fs::write(folder.join("policy.json"), policy).unwrap();
    assert_eq!(shared.enqueued().await["queued"], 1);
    // Somebody who may send messages writes another policy into one.
    let taken = shared.s3.messages(&shared.queues.url).await.unwrap();
    let mut task: Value = serde_json::from_str(taken[0]["Body"].as_str().unwrap()).unwrap();
    let create = &mut task["plan"]["stages"][0][0];
    assert_eq!(create["action"], "create-repository");
    create["policy"] = r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}]}"#.into();
    create["tags"] = json!({"team": "nobody"});
    let forged = shared.s3.create_queue("forged", 3).await.unwrap();
    shared.s3.send(&forged.url, &task.to_string()).await.unwrap();
    let worked = shared.work(&["run", "--until-empty", "--queue", &forged.url]);
    assert_eq!(worked.ran().await.well().json()["updated"], 1);
    let of = json!({"repositoryName": "mirror/app"});
    let ecr = shared.world.lab.ecr();
    assert_eq!(ecr.ask("GetRepositoryPolicy", &of).unwrap()["policyText"], policy);
    let listed = ecr
        .ask("DescribeRepositories", &json!({"repositoryNames": ["mirror/app"]}))
        .unwrap();
    let arn = json!({"resourceArn": listed["repositories"][0]["repositoryArn"]});
    let tags = ecr.ask("ListTagsForResource", &arn).unwrap();
    assert_eq!(tags["tags"], json!([{"Key": "team", "Value": "platform"}]));
}
