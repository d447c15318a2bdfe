//! Messages that come again, and those that do not.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_fails_is_tried_again_and_given_up_with_its_reason() {
    let shared = Shared::with(3).await;
    shared.enqueued().await;
    // 1.1 fails once, 1.2 each time.
    let ecr = shared.world.lab.ecr().front();
    ecr.fault(shared.refuse("1.1").times(1));
    ecr.fault(shared.refuse("1.2"));
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
async fn a_stop_lets_images_end_and_leaves_the_others_in_the_queue() {
    let shared = Shared::with(5).await;
    shared.enqueued().await;
    shared.hold("1.1");
    shared.hold("1.2");
    let run = shared.work(&["run"]).env("ECR_KEEPER_CONCURRENCY", "2").started();
    let ecr = shared.world.lab.ecr().front();
    tokio::time::timeout(MINUTE, ecr.held(2))
        .await
        .expect("both are at work");
    let mut run = run;
    run.signal("TERM");
    run.said("SIGTERM").await;
    ecr.release();
    let worked = run.end().await.well().json();
    assert_eq!(worked["updated"], 2, "{worked}");
    let rest = shared.work(&["run", "--until-empty"]).ran().await.well().json();
    assert_eq!(rest["updated"], 2, "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_try_that_failed_and_then_succeeded_is_well() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    let once = shared.refuse("1.1").times(1);
    shared.world.lab.ecr().front().fault(once);
    let run = shared.work(&["run", "--until-empty"]);
    let worked = run.env("ECR_KEEPER_RETRY__TRIES", "1").ran().await.well().json();
    assert_eq!(
        (&worked["updated"], &worked["failed"], &worked["failures"]),
        (&json!(1), &json!(1), &json!([])),
        "{worked}"
    );
    contains(&worked["tries"].to_string(), &["1.1", "the disk is full"]);
    let report = shared.work(&["report"]).ran().await.well().json();
    assert_eq!(report["totals"]["updated"], 1, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_off_at_the_last_time_is_given_up_with_its_reason() {
    let shared = Shared::with(2).await;
    let once = shared.s3.create_queue("once", 1).await.unwrap();
    shared.work(&["enqueue", "--queue", &once.url]).ran().await.well();
    shared.hold("1.1");
    let mut run = shared.work(&["run", "--queue", &once.url]).started();
    shared.world.held(shared.world.lab.ecr().front()).await;
    run.signal("TERM");
    run.said("SIGTERM").await;
    run.signal("TERM");
    run.end().await.code_is(143);
    let dead = shared.s3.messages(&once.dead).await.unwrap();
    contains(&reasons(&dead)[0], &["cut off: the run was stopped"]);
    // Nobody has to wait for it any more.
    let report = shared.work(&["report", "--wait", "--queue", &once.url]).ran().await;
    let report = report.code_is(1).json();
    contains(
        &report["images"].to_string(),
        &["given up", "cut off: the run was stopped"],
    );
    // Whoever starts the redrive of the dead-letter queue has it tried again.
    shared
        .s3
        .send(&shared.queues.url, dead[0]["Body"].as_str().unwrap())
        .await
        .unwrap();
    let worked = shared.work(&["run", "--until-empty"]).ran().await.well().json();
    assert_eq!(worked["updated"], 1, "{worked}");
    shared.work(&["report"]).ran().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_s_own_trouble_is_no_image_s() {
    let shared = Shared::with(4).await;
    shared.enqueued().await;
    let run = shared
        .work(&["run", "--until-empty"])
        .env("ECR", "registry.example.com");
    let worked = run.ran().await.code_is(1).json();
    assert_eq!(
        (&worked["failed"], &worked["buried"]),
        (&json!(0), &json!(0)),
        "{worked}"
    );
    let failures = worked["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1, "{worked}");
    contains(
        &failures[0].to_string(),
        &["the settings (ecr) name registry.example.com"],
    );
    // They are there for another one: at once, but for what was handed out anew before the worker ended.
    let all = async {
        let mut taken = Vec::new();
        while taken.len() < 3 {
            taken.extend(shared.s3.messages(&shared.queues.url).await.unwrap());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        taken
    };
    let taken = tokio::time::timeout(MINUTE, all).await.expect("they come again");
    assert_eq!(taken.len(), 3);
    for message in &taken {
        shared.s3.show(&shared.queues.url, message).await.unwrap();
    }
    let worked = shared.work(&["run", "--until-empty"]).ran().await.well().json();
    assert_eq!(worked["updated"], 3, "{worked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_somebody_else_s_queue_are_given_back() {
    let shared = Shared::with(1).await;
    let others = shared.s3.create_queue("others", 3).await.unwrap();
    for at in 0..5 {
        shared.s3.send(&others.url, &format!("order {at}")).await.unwrap();
    }
    let run = shared.work(&["run", "--until-empty", "--queue", &others.url]);
    let worked = run.ran().await.code_is(1).json();
    assert_eq!(worked["buried"], 0, "{worked}");
    let failures = worked["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1, "{worked}");
    contains(
        &failures[0].to_string(),
        &[
            "the message is not one that `work enqueue` sent",
            "see that work.queue is the queue",
        ],
    );
    assert_eq!(shared.s3.depth(&others.dead).await.unwrap(), [0, 0, 0]);
    let there: u64 = shared.s3.depth(&others.url).await.unwrap().iter().sum();
    assert_eq!(there, 5, "all of them are still somebody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_nobody_s_is_buried_at_its_last_time() {
    let shared = Shared::with(1).await;
    shared.s3.send(&shared.queues.url, "poison").await.unwrap();
    let run = shared.work(&["run", "--until-empty"]);
    let worked = run.env("ECR_KEEPER_RETRY__WAIT", "100ms").ran().await.code_is(1).json();
    assert_eq!(
        (&worked["returned"], &worked["buried"]),
        (&json!(2), &json!(1)),
        "{worked}"
    );
    let dead = shared.s3.messages(&shared.queues.dead).await.unwrap();
    contains(&reasons(&dead)[0], &["the message is not one that `work enqueue` sent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_other_settings_is_buried_by_itself() {
    let shared = Shared::with(4).await;
    shared.enqueued().await;
    let taken = shared.s3.messages(&shared.queues.url).await.unwrap();
    let mixed = shared.s3.create_queue("mixed", 3).await.unwrap();
    for (at, message) in taken.iter().enumerate() {
        let mut task: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
        if at == 0 {
            task["plan"]["registry"] = "registry.example.com".into();
        }
        shared.s3.send(&mixed.url, &task.to_string()).await.unwrap();
    }
    let run = shared.work(&["run", "--until-empty", "--queue", &mixed.url]);
    let worked = run.ran().await.code_is(1).json();
    assert_eq!(
        (&worked["updated"], &worked["failed"], &worked["buried"]),
        (&json!(2), &json!(0), &json!(1)),
        "{worked}"
    );
    let dead = shared.s3.messages(&mixed.dead).await.unwrap();
    contains(
        &reasons(&dead)[0],
        &["the message is for registry.example.com, and the settings (ecr) name"],
    );
    let report = shared.work(&["report", "--wait"]).ran().await.code_is(1).json();
    assert_eq!(
        (&report["totals"]["updated"], &report["totals"]["failed"]),
        (&json!(2), &json!(1)),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_s_own_trouble_costs_no_image_its_last_time() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    let body = shared.taken().await;
    let once = shared.s3.create_queue("once", 1).await.unwrap();
    let run = shared.work(&["run", "--queue", &once.url, "--log-level", "debug"]);
    let mut running = run.started();
    running.said("ReceiveMessage").await;
    let denied = ApiFault::exception("GetAuthorizationToken", "AccessDeniedException", "not authorized");
    shared.world.lab.ecr().api_fault(denied);
    shared.s3.send(&once.url, &body).await.unwrap();
    let ran = running.end().await.code_is(1);
    contains(&ran.stderr, &["hands a message out once (maxReceiveCount)"]);
    let worked = ran.json();
    assert_eq!(
        (&worked["returned"], &worked["buried"]),
        (&json!(1), &json!(0)),
        "{worked}"
    );
    contains(&worked["failures"].to_string(), &["GetAuthorizationToken"]);
    // A new one took its place, which waits for a moment.
    assert_eq!(shared.s3.depth(&once.url).await.unwrap(), [0, 0, 1]);
    assert_eq!(shared.s3.depth(&once.dead).await.unwrap(), [0, 0, 0]);
    shared.world.lab.ecr().clear_api_faults();
    let worked = shared
        .work(&["run", "--until-empty", "--queue", &once.url])
        .ran()
        .await
        .well()
        .json();
    assert_eq!(worked["updated"], 1, "{worked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_lost_costs_no_image_its_last_time() {
    let mut shared = Shared::within(World::new().await, 2).await;
    let once = shared.s3.create_queue("once", 1).await.unwrap();
    shared.work(&["enqueue", "--queue", &once.url]).ran().await.well();
    let held = Fault::new("/v2/library/app/blobs/", Act::Hold).method("GET");
    shared.world.lab.upstream().fault(held);
    let run = shared.work(&["run", "--queue", &once.url]);
    let run = run
        .env("ECR_KEEPER_TIMEOUTS__DAEMON", "1s")
        .env("ECR_KEEPER_DOCKER__UPSTREAM_DIGESTS", "direct")
        .started();
    shared.world.held(shared.world.lab.upstream()).await;
    shared.world.dockerd_mut().kill().await;
    let worked = run.end().await.code_is(1).json();
    shared.world.lab.upstream().release();
    assert_eq!(
        (&worked["failed"], &worked["returned"], &worked["buried"]),
        (&json!(0), &json!(1), &json!(0)),
        "{worked}"
    );
    contains(
        &worked["failures"].to_string(),
        &["the daemon was lost, and did not come back"],
    );
    assert_eq!(shared.s3.depth(&once.url).await.unwrap(), [0, 0, 1]);
    assert_eq!(shared.s3.depth(&once.dead).await.unwrap(), [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_is_at_costs_no_image_its_last_time() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    shared.hold("1.1");
    let first = shared.work(&["run", "--until-empty"]).started();
    let ecr = shared.world.lab.ecr().front();
    shared.world.held(ecr).await;
    let queues = [
        shared.s3.create_queue("once", 1).await.unwrap(),
        shared.s3.create_fifo("ordered", 1).await.unwrap(),
    ];
    for once in &queues {
        shared.work(&["enqueue", "--queue", &once.url]).ran().await.well();
        let run = shared.work(&["run", "--queue", &once.url, "--log-level", "debug"]);
        let mut second = run.started();
        second.said("is at ").await;
        second.signal("TERM");
        let returned = second.end().await.well().json();
        assert!(returned["returned"].as_u64().unwrap() >= 1, "{returned}");
        assert_eq!(shared.s3.depth(&once.dead).await.unwrap(), [0, 0, 0]);
    }
    ecr.release();
    assert_eq!(first.end().await.well().json()["updated"], 1);
    // Both at once: neither believes that its queue is empty while the other's run is not done.
    let rest = queues.map(|once| shared.work(&["run", "--until-empty", "--queue", &once.url]).started());
    for rest in rest {
        assert_eq!(rest.end().await.well().json()["unchanged"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_as_a_worker_is_about_to_end_is_there_for_another_at_once() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    let body = shared.taken().await;
    let late = shared.s3.create_queue("late", 3).await.unwrap();
    let run = shared.work(&["run", "--queue", &late.url, "--log-level", "debug"]);
    let mut run = run.started();
    run.said("ReceiveMessage").await;
    run.signal("TERM");
    run.said("SIGTERM").await;
    shared.s3.send(&late.url, &body).await.unwrap();
    let worked = run.end().await.well().json();
    assert_eq!(worked["updated"], 0, "{worked}");
    assert_eq!(shared.s3.depth(&late.url).await.unwrap(), [1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_log_in_takes_nothing() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    let run = shared.work(&["run", "--until-empty"]);
    let ran = run
        .env("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:9")
        .ran()
        .await
        .code_is(1);
    contains(&ran.stdout, &["GetAuthorizationToken"]);
    let taken = shared.s3.messages(&shared.queues.url).await.unwrap();
    assert_eq!(taken[0]["Attributes"]["ApproximateReceiveCount"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_not_believed_to_be_empty_while_images_are_not_done() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    // As SQS may say for some time, of a queue that has a message.
    let late = shared.s3.create_queue("late", 3).await.unwrap();
    let run = shared.work(&["run", "--until-empty", "--queue", &late.url, "--log-level", "debug"]);
    let mut running = run.started();
    running.said_times("GetQueueAttributes", 3).await;
    let taken = shared.s3.messages(&shared.queues.url).await.unwrap();
    shared
        .s3
        .send(&late.url, taken[0]["Body"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(running.end().await.well().json()["updated"], 1);
}
