//! What is told of a run, and where.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_report_tells_what_is_no_image_s_too() {
    let shared = Shared::with(2).await;
    let settings = "images: [{upstream: app, repository: mirror/app, include_tags: ['1.0', '1.1']}]\ncreate_repositories: settings\n";
    std::fs::write(shared.world.folder().join("settings.yaml"), settings).unwrap();
    let all = shared.work(&["enqueue", "--shard", "1/1"]).without("KEYWORD");
    assert_eq!(all.ran().await.well().json()["queued"], 2);
    // The first try creates the repository, and fails.
    let ecr = shared.world.lab.ecr().front();
    ecr.fault(shared.refuse("1.0").times(1));
    let run = shared
        .work(&["run", "--until-empty"])
        .env("ECR_KEEPER_RETRY__TRIES", "1");
    run.env("ECR_KEEPER_CONCURRENCY", "1").ran().await.well();
    let report = shared.work(&["report", "--wait"]).ran().await.well().json();
    assert_eq!(report["totals"]["updated"], 2, "{report}");
    assert_eq!(report["created"], json!([shared.world.target("mirror/app")]));
    assert_eq!(report["shard"], json!("1/1"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_has_an_end() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    let report = shared.work(&["report", "--wait=1s"]).ran().await.code_is(1).json();
    assert_eq!(report["totals"]["not_attempted"], 1, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_kept_out_of_the_queue_is_told() {
    const TAGS: usize = 61;
    let shared = Shared::with(TAGS).await;
    let mut enqueue = shared.work(&["enqueue", "--log-level", "debug"]).started();
    enqueue.said("PutObject of s3://shared/team/queued/").await;
    shared.s3.pause().unwrap();
    enqueue.signal("TERM");
    enqueue.said("SIGTERM").await;
    shared.s3.resume().unwrap();
    let queued = enqueue.end().await.code_is(143).json();
    let sent = queued["queued"].as_u64().unwrap();
    assert!(sent < 60, "{sent} of 60 were sent");
    contains(
        &queued["failures"].to_string(),
        &["stopped while putting images into the queue"],
    );
    let report = shared.work(&["report"]).ran().await.code_is(1).json();
    let images = report["images"].as_array().unwrap();
    let unsent = |image: &&Value| image["failure"]["message"] == "not done: it was not put into the queue";
    assert_eq!(images.iter().filter(unsent).count() as u64, 60 - sent, "{report}");
    // They keep nobody waiting.
    let worked = shared.work(&["run", "--until-empty"]).ran().await.well().json();
    assert_eq!(worked["updated"], sent, "{worked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_on_several_terms_is_in_one_ledger() {
    let shared = Shared::with(3).await;
    shared
        .work(&["enqueue", "--only", "base/image/app:1.1"])
        .ran()
        .await
        .well();
    let other = shared.work(&["enqueue", "--only", "base/image/app:1.2"]);
    other.env("ECR_KEEPER_REFERRERS", "true").ran().await.well();
    let run = shared
        .work(&["run", "--until-empty"])
        .env("ECR_KEEPER_LEDGER", "ledger.json");
    assert_eq!(run.ran().await.well().json()["updated"], 2);
    let ledger: Value = serde_json::from_str(&shared.world.file("ledger.json")).unwrap();
    assert_eq!(ledger["made"].as_object().unwrap().len(), 2, "{ledger:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bucket_says_how_the_board_is_encrypted() {
    let shared = Shared::with(2).await;
    shared.s3.encrypt(BUCKET, "aws:kms").await.unwrap();
    let run = shared.enqueued().await["run"].as_str().unwrap().to_owned();
    let sheet = shared
        .s3
        .object(BUCKET, &format!("team/runs/{run}.json"))
        .await
        .unwrap();
    let (_, encryption) = sheet.expect("the sheet");
    assert_eq!(encryption.as_deref(), Some("aws:kms"));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_way_nobody_is_told_of_more_images_than_are_known() {
    let shared = Shared::with(4).await;
    let told = shared.told(&["enqueue"]).ran().await.well().stdout;
    assert!(told.starts_with("3 queued, 1 unchanged\n"), "{told}");
    let ran = shared
        .work(&["run", "--until-empty", "--progress", "lines"])
        .ran()
        .await
        .well();
    let taking = format!("taking images from {}\n", shared.queues.url);
    contains(&ran.stderr, &[&taking, "\nupdated base/image/app:1.1\n"]);
    for no in ["/1]", "copying 1 image", "nothing to copy"] {
        assert!(!ran.stderr.contains(no), "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_empty_queue_is_waited_for_is_told() {
    let shared = Shared::with(2).await;
    let run = shared.enqueued().await["run"].clone();
    // As after a purge.
    let empty = shared.s3.create_queue("empty", 3).await.unwrap();
    let worker = shared.work(&["run", "--until-empty", "--queue", &empty.url, "--progress", "lines"]);
    let mut worker = worker.started();
    let waiting = format!(
        "waiting: the queue is empty, and run {} has images without",
        run.as_str().unwrap()
    );
    worker.said(&waiting).await;
    worker.signal("TERM");
    worker.end().await.well();
}
