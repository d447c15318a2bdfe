//! Messages of a queue, as Lambda hands them over: one image each.

use ecr_lab::{Act, Fault, Queues, S3};

use super::*;

const BUCKET: &str = "shared";

pub async fn queues(world: &World) -> (S3, Queues) {
    let s3 = world.lab.s3().await.expect("moto starts");
    s3.create_bucket(BUCKET).await.unwrap();
    let queues = s3.create_queue("images", 3).await.unwrap();
    (s3, queues)
}

pub fn of_work(run: Run, s3: &S3) -> Run {
    run.env("AWS_ENDPOINT_URL_S3", s3.endpoint())
        .env("AWS_ENDPOINT_URL_SQS", s3.endpoint())
        .env(
            "ECR_KEEPER_WORK__QUEUE",
            format!("{}/123456789012/images", s3.endpoint()),
        )
        .env("ECR_KEEPER_WORK__STATE", format!("s3://{BUCKET}/work"))
        .env("ECR_KEEPER_LEDGER", format!("s3://{BUCKET}/ledger.json"))
}

/// What Lambda makes of the messages that it took (AWS Lambda Developer Guide, "Example SQS message event").
pub fn event(messages: &[Value]) -> Value {
    event_of("images", messages)
}

fn event_of(queue: &str, messages: &[Value]) -> Value {
    let record = |message: &Value| {
        json!({
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:eu-central-1:123456789012:{queue}"),
            "awsRegion": "eu-central-1",
        })
    };
    json!({"Records": messages.iter().map(record).collect::<Vec<_>>()})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_a_poisoned_message_is_done_but_for_what_comes_again() {
    let world = world().await;
    world.ecr(REPOSITORY, "1.1", tiny("old")).await;
    let (s3, queues) = queues(&world).await;
    let enqueue = of_work(world.keeper(&["work", "enqueue"]), &s3);
    enqueue.ran().await.well();
    s3.send(&queues.url, "poison").await.unwrap();
    let taken = s3.messages(&queues.url).await.unwrap();
    assert_eq!(taken.len(), 3);
    let refuses = Act::status(500, "UNKNOWN", "the disk is full");
    let ecr = world.lab.ecr().front();
    ecr.fault(Fault::new("/manifests/1.1$", refuses).method("PUT"));
    let function = Function::with(&world, |run| of_work(run, &s3)).await;
    let answer = function.answered(event(&taken)).await;
    let of_1_1 = taken
        .iter()
        .find(|message| message["Body"].as_str().unwrap().contains("app:1.1"))
        .unwrap();
    assert_eq!(
        answer,
        json!({"batchItemFailures": [{"itemIdentifier": of_1_1["MessageId"]}]})
    );
    let dead = s3.messages(&queues.dead).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0]["Body"], "poison");
    let reason = &dead[0]["MessageAttributes"]["reason"]["StringValue"];
    assert!(
        reason
            .as_str()
            .unwrap()
            .starts_with("the message is not one that `work enqueue` sent"),
        "{reason}"
    );
    // By the same process, once it can be done.
    ecr.clear_faults();
    let answer = function.answered(event(std::slice::from_ref(of_1_1))).await;
    assert_eq!(answer, json!({"batchItemFailures": []}));
    let report = of_work(world.keeper(&["work", "report", "--output", "json"]), &s3);
    let report = report.ran().await.well().json();
    assert_eq!(
        (&report["totals"]["updated"], &report["totals"]["not_attempted"]),
        (&json!(2), &json!(0)),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_another_queue_or_of_nobody_are_no_event() {
    let world = world().await;
    let (s3, queues) = queues(&world).await;
    s3.send(&queues.url, "poison").await.unwrap();
    let taken = s3.messages(&queues.url).await.unwrap();
    let function = Function::with(&world, |run| of_work(run, &s3)).await;
    let mut forged = event(&taken);
    forged["Records"][0]["eventSourceARN"] = "arn:aws:sqs:eu-central-1:123456789012:orders".into();
    let (error, message) = function.refused(forged).await;
    assert_eq!(error, "InvalidEvent");
    assert!(
        message.contains("Records: they are of arn:aws:sqs:eu-central-1:123456789012:orders, and work.queue is http"),
        "{message}"
    );
    let (error, message) = function.refused(json!({"Records": [{"eventSource": "aws:s3"}]})).await;
    assert_eq!(error, "InvalidEvent");
    assert!(
        message.contains("Records: are no messages that Lambda took out of one queue"),
        "{message}"
    );
    for name in ["QUEUE", "STATE"] {
        let without = |run| of_work(run, &s3).without(&format!("ECR_KEEPER_WORK__{name}"));
        let function = Function::with(&world, without).await;
        let (error, message) = function.refused(event(&taken)).await;
        assert_eq!(error, "Unusable");
        let expected = format!("work.{} is not set", name.to_lowercase());
        assert!(message.starts_with(&expected), "{message}");
        assert!(message.contains(&format!("ECR_KEEPER_WORK__{name}")), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_s_own_trouble_is_an_error_and_costs_no_image_its_last_time() {
    let world = world().await;
    let s3 = world.lab.s3().await.expect("moto starts");
    s3.create_bucket(BUCKET).await.unwrap();
    // Whoever takes a message has it for the only time.
    let queues = s3.create_queue("images", 1).await.unwrap();
    let plain = s3.queue("plain", &json!({})).await.unwrap();
    of_work(world.keeper(&["work", "enqueue"]), &s3).ran().await.well();
    let taken = s3.messages(&queues.url).await.unwrap();
    let away = |run: Run| of_work(run, &s3).env("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:9");
    let function = Function::with(&world, away).await;
    let (error, message) = function.refused(event(&taken)).await;
    assert_eq!(error, "Unusable");
    assert!(message.contains("GetAuthorizationToken"), "{message}");
    // A new message took the place of the old one, and waits.
    assert_eq!(s3.depth(&queues.url).await.unwrap(), [0, 0, 1]);
    assert_eq!(s3.depth(&queues.dead).await.unwrap(), [0, 0, 0]);
    // The same where it cannot even look at them.
    s3.send(&plain, taken[0]["Body"].as_str().unwrap()).await.unwrap();
    let taken = s3.messages(&plain).await.unwrap();
    let endless = |run: Run| of_work(run, &s3).env("ECR_KEEPER_WORK__QUEUE", &plain);
    let function = Function::with(&world, endless).await;
    let (error, message) = function.refused(event_of("plain", &taken)).await;
    assert_eq!(error, "Unusable");
    assert!(message.contains("has no dead-letter queue"), "{message}");
    assert_eq!(s3.depth(&plain).await.unwrap(), [0, 0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_wants_a_daemon_is_buried_and_the_others_are_done() {
    let world = world().await;
    world.ecr(REPOSITORY, "1.1", tiny("old")).await;
    let (s3, queues) = queues(&world).await;
    of_work(world.keeper(&["work", "enqueue"]), &s3).ran().await.well();
    let mut taken = s3.messages(&queues.url).await.unwrap();
    assert_eq!(taken.len(), 2);
    let mut task: Value = serde_json::from_str(taken[1]["Body"].as_str().unwrap()).unwrap();
    task["plan"]["engine"] = "docker".into();
    taken[1]["Body"] = task.to_string().into();
    let function = Function::with(&world, |run| of_work(run, &s3)).await;
    let answer = function.answered(event(&taken)).await;
    assert_eq!(answer, json!({"batchItemFailures": []}));
    let dead = s3.messages(&queues.dead).await.unwrap();
    assert_eq!(dead.len(), 1);
    let reason = dead[0]["MessageAttributes"]["reason"]["StringValue"].as_str().unwrap();
    assert!(
        reason.starts_with("the message is for engine docker, and a function has no daemon"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_for_other_settings_alone_are_the_function_s_own_trouble() {
    let world = world().await;
    for tag in ["1.1", "latest"] {
        world.ecr(REPOSITORY, tag, tiny("old")).await;
    }
    let (s3, queues) = queues(&world).await;
    of_work(world.keeper(&["work", "enqueue"]), &s3).ran().await.well();
    let taken = s3.messages(&queues.url).await.unwrap();
    assert_eq!(taken.len(), 3);
    let elsewhere = |run: Run| of_work(run, &s3).env("ECR", "registry.example.com");
    let function = Function::with(&world, elsewhere).await;
    let (error, message) = function.refused(event(&taken)).await;
    assert_eq!(error, "Unusable");
    assert!(
        message.contains("the settings (ecr) name registry.example.com"),
        "{message}"
    );
    assert_eq!(s3.depth(&queues.dead).await.unwrap(), [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_time_was_over_before_costs_no_image_its_last_time() {
    let world = world().await;
    for tag in ["1.1", "latest"] {
        world.ecr(REPOSITORY, tag, tiny("old")).await;
    }
    let s3 = world.lab.s3().await.expect("moto starts");
    s3.create_bucket(BUCKET).await.unwrap();
    let queues = s3.create_queue("images", 1).await.unwrap();
    of_work(world.keeper(&["work", "enqueue"]), &s3).ran().await.well();
    let mut taken = s3.messages(&queues.url).await.unwrap();
    taken.sort_by_key(|message| !message["Body"].as_str().unwrap().contains("app:1.1"));
    let held = Fault::new("/manifests/1.1$", Act::Hold).method("PUT");
    world.lab.ecr().front().fault(held);
    let one_by_one = |run: Run| of_work(run, &s3).env("ECR_KEEPER_CONCURRENCY", "1");
    let function = Function::with(&world, one_by_one).await;
    let invoked = function
        .api
        .invoke(&event(&taken), Duration::from_secs(5))
        .await
        .unwrap();
    assert!(invoked.took < Duration::from_secs(5), "{:?}", invoked.took);
    assert_eq!(invoked.answer.expect("no error"), json!({"batchItemFailures": []}));
    // The two that waited for their turn are there as new messages; the one that was at work had its time.
    let again = s3.messages(&queues.url).await.unwrap();
    assert_eq!(again.len(), 2);
    let dead = s3.messages(&queues.dead).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(dead[0]["Body"].as_str().unwrap().contains("app:1.1"));
    let reason = dead[0]["MessageAttributes"]["reason"]["StringValue"].as_str().unwrap();
    assert!(reason.starts_with("cut off"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_told_in_time_is_an_error_and_done_by_a_later_invocation() {
    let world = world().await;
    let (s3, queues) = queues(&world).await;
    of_work(world.keeper(&["work", "enqueue"]), &s3).ran().await.well();
    let taken = s3.messages(&queues.url).await.unwrap();
    let front = world.lab.ecr().front();
    front.fault(Fault::new("/manifests/1.0$", Act::Hold).method("PUT").times(1));
    let function = Function::with(&world, |run| of_work(run, &s3).env("ECR_KEEPER_WORK__LEASE", "15s")).await;
    let asked = event(&taken);
    let pause = async {
        world.held(front).await;
        s3.pause().unwrap();
    };
    let (invoked, ()) = tokio::join!(function.api.invoke(&asked, Duration::from_secs(5)), pause);
    let invoked = invoked.unwrap();
    assert!(invoked.took < Duration::from_secs(5), "{:?}", invoked.took);
    assert_eq!(invoked.answer.expect_err("an error")["errorType"], "OutOfTime");
    s3.resume().unwrap();
    front.release();
    // Its claim holds until the lease is over, and costs nothing but time.
    let done = async {
        while function.answered(asked.clone()).await != json!({"batchItemFailures": []}) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(MINUTE, done).await.expect("it is done");
    let report = of_work(world.keeper(&["work", "report", "--output", "json"]), &s3);
    assert_eq!(report.ran().await.well().json()["totals"]["updated"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_done_in_time_comes_again() {
    let world = world().await;
    world.ecr(REPOSITORY, "1.1", tiny("old")).await;
    let (s3, queues) = queues(&world).await;
    of_work(world.keeper(&["work", "enqueue"]), &s3).ran().await.well();
    let taken = s3.messages(&queues.url).await.unwrap();
    assert_eq!(taken.len(), 2);
    let held = Fault::new("/manifests/1.1$", Act::Hold).method("PUT");
    world.lab.ecr().front().fault(held);
    let function = Function::with(&world, |run| of_work(run, &s3)).await;
    let invoked = function
        .api
        .invoke(&event(&taken), Duration::from_secs(5))
        .await
        .unwrap();
    assert!(invoked.took < Duration::from_secs(5), "{:?}", invoked.took);
    let of_1_1 = taken
        .iter()
        .find(|message| message["Body"].as_str().unwrap().contains("app:1.1"))
        .unwrap();
    assert_eq!(
        invoked.answer.expect("no error"),
        json!({"batchItemFailures": [{"itemIdentifier": of_1_1["MessageId"]}]})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_goes_by_ok_and_finds_neither_notes_nor_retries() {
    let world = world().await;
    let (s3, queues) = queues(&world).await;
    of_work(world.keeper(&["work", "enqueue"]), &s3).ran().await.well();
    let images = s3.messages(&queues.url).await.unwrap();
    s3.send(&queues.url, "poison").await.unwrap();
    let poison = s3.messages(&queues.url).await.unwrap();
    let refuses = Act::status(500, "UNKNOWN", "the disk is full");
    let ecr = world.lab.ecr().front();
    ecr.fault(Fault::new("/manifests/", refuses).method("PUT"));
    let json = |run| {
        of_work(run, &s3)
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .without("ECR_KEEPER_LEDGER")
    };
    let function = Function::with(&world, json).await;
    let mut expected = Vec::new();
    // What fails is tried again.
    expected.push((function.invoke(event(&images)).await.id, true));
    ecr.clear_faults();
    let both: Vec<Value> = images.into_iter().chain(poison).collect();
    expected.push((function.invoke(event(&both)).await.id, false));
    // A ledger that goes with the function is a note.
    expected.push((function.invoke(json!({"keyword": "base/image"})).await.id, true));
    expected.push((function.invoke(json!({"keywort": "base/image"})).await.id, false));
    expected.push((function.invoke(json!({"only": ["base/image/absent"]})).await.id, false));
    let log = function.log().await;
    let line = |line: &str| -> Option<(String, bool)> {
        let line: Value = serde_json::from_str(line).expect("JSON");
        Some((line["span"]["requestId"].as_str()?.to_owned(), line["ok"].as_bool()?))
    };
    let told: Vec<(String, bool)> = log.lines().filter_map(line).collect();
    assert_eq!(told, expected, "{log}");
    assert!(log.contains("goes with this copy of the function"), "{log}");
}
