//! Messages of a queue, as Lambda hands them over: one image each.

use ecr_lab::{Act, Fault, Queues, S3};

use super::*;

const BUCKET: &str = "shared";

async fn queues(world: &World) -> (S3, Queues) {
    let s3 = world.lab.s3().await.expect("moto starts");
    s3.create_bucket(BUCKET).await.unwrap();
    let queues = s3.create_queue("images", 3).await.unwrap();
    (s3, queues)
}

fn of_work(run: Run, s3: &S3) -> Run {
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
fn event(messages: &[Value]) -> Value {
    let record = |message: &Value| {
        json!({
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:images",
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
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_s_own_trouble_is_an_error_and_no_image_s() {
    let world = world().await;
    let (s3, queues) = queues(&world).await;
    of_work(world.keeper(&["work", "enqueue"]), &s3).ran().await.well();
    let taken = s3.messages(&queues.url).await.unwrap();
    let elsewhere = |run: Run| of_work(run, &s3).env("ECR", "registry.example.com");
    let function = Function::with(&world, elsewhere).await;
    let (error, message) = function.refused(event(&taken)).await;
    assert_eq!(error, "Unusable");
    assert!(
        message.contains("the settings (ecr) name registry.example.com"),
        "{message}"
    );
    // At once.
    let again = s3.messages(&queues.url).await.unwrap();
    assert_eq!(again.len(), taken.len());
    assert_eq!(s3.messages(&queues.dead).await.unwrap(), [Value::Null; 0]);
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
