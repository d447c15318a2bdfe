//! A run that several share: by a queue of SQS, with claims and outcomes in S3; in shells, and as a function.

use ecr_lab::{Act, ApiFault, Fault, Queues};
use serde_json::{Value, json};

use super::*;

struct Shared {
    world: World,
    aws: S3,
    queues: Queues,
}

impl Shared {
    async fn new() -> Self {
        let world = direct().await;
        let aws = aws(&world).await;
        let queues = aws.create_queue("images", 3).await.unwrap();
        aws.record().await.unwrap();
        Self { world, aws, queues }
    }

    fn set(&self, run: Run) -> Run {
        at(&self.aws, run)
            .env("ECR_KEEPER_WORK__QUEUE", &self.queues.url)
            .env("ECR_KEEPER_WORK__STATE", format!("s3://{BUCKET}/work"))
    }

    fn work(&self, arguments: &[&str]) -> Run {
        self.set(self.world.keeper(&[&["work"], arguments].concat()))
    }

    /// Forgets what was asked so far.
    async fn forget(&self) {
        self.world.forget_requests();
        self.aws.record().await.unwrap();
    }

    /// One image fails once and comes again, and one message is nobody's.
    async fn with_trouble(&self) {
        let ecr = self.world.lab.ecr().front();
        let refuses = Act::status(500, "UNKNOWN", "the disk is full");
        ecr.fault(Fault::new("/manifests/1.1$", refuses).method("PUT").times(1));
        self.aws.send(&self.queues.url, "poison").await.unwrap();
    }

    /// What one of the queue's messages says.
    async fn task(&self) -> String {
        let taken = self.aws.messages(&self.queues.url).await.unwrap();
        for message in &taken {
            self.aws.show(&self.queues.url, message).await.unwrap();
        }
        taken[0]["Body"].as_str().unwrap().to_owned()
    }

    /// A worker that cannot log in any more puts the message that it has back, as a new one.
    async fn trouble_at_the_last_time(&self, task: &str) {
        let once = self.aws.create_queue("once", 1).await.unwrap();
        let run = self.work(&["run", "--queue", &once.url, "--log-level", "debug"]);
        let mut running = run.started();
        running.said("ReceiveMessage").await;
        self.deny();
        self.aws.send(&once.url, task).await.unwrap();
        running.end().await.code_is(1);
        self.world.lab.ecr().clear_api_faults();
    }

    fn deny(&self) {
        let denied = ApiFault::exception("GetAuthorizationToken", "AccessDeniedException", "not authorized");
        self.world.lab.ecr().api_fault(denied);
    }

    async fn seen(&self) -> Seen {
        let seen = Seen::with(&self.world, &self.aws).await;
        // Without it S3 does not say that an object is not there (S3 API reference, GetObject).
        seen.and("s3:ListBucket", "s3:GetObject")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_put_into_a_queue_done_and_reported() {
    let shared = Shared::new().await;
    shared.work(&["enqueue"]).ran().await.well();
    is_least(
        &Seen::with(&shared.world, &shared.aws).await,
        "work-enqueue",
        &["plan-direct"],
    );
    shared.forget().await;
    // Nobody is at it: it looks whether there is anything left to wait for.
    shared.work(&["report", "--wait=3s"]).ran().await.code_is(1);
    is_least(&shared.seen().await, "work-report", &[]);
    let task = shared.task().await;
    shared.with_trouble().await;
    shared.forget().await;
    let run = shared
        .work(&["run", "--until-empty"])
        .env("ECR_KEEPER_RETRY__TRIES", "1");
    run.ran().await.code_is(1);
    shared.trouble_at_the_last_time(&task).await;
    is_least(&shared.seen().await, "work-run", &["sync-direct"]);
    shared.work(&["report", "--wait"]).ran().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_done_by_a_function() {
    let shared = Shared::new().await;
    shared.work(&["enqueue"]).ran().await.well();
    shared.with_trouble().await;
    let taken = shared.aws.messages(&shared.queues.url).await.unwrap();
    let api = shared.world.lab.lambda().await.expect("the runtime API starts");
    shared.forget().await;
    let function = shared.set(shared.world.function(api.address()));
    let function = function.env("ECR_KEEPER_RETRY__TRIES", "1").started();
    let answer = api.invoke(&event(&taken), std::time::Duration::from_secs(60)).await;
    let answer = answer.expect("an answer").answer.expect("no error");
    assert_eq!(
        answer["batchItemFailures"].as_array().map(Vec::len),
        Some(1),
        "{answer}"
    );
    // What cannot even be begun at the last time is put back as a new message.
    shared.deny();
    let mut last = event(&taken);
    last["Records"][0]["attributes"]["ApproximateReceiveCount"] = "3".into();
    let refused = api.invoke(&last, std::time::Duration::from_secs(60)).await;
    assert!(refused.expect("an answer").answer.is_err());
    function.signal("TERM");
    function.end().await;
    // Lambda itself takes and removes messages, with the function's role (Lambda Developer Guide, "Configuring a queue to use with Lambda").
    let seen = shared.seen().await.and("sqs:ReceiveMessage", "sqs:GetQueueAttributes");
    is_least(&seen, "lambda-queue", &["sync-direct"]);
}

/// What Lambda makes of the messages that it took (Lambda Developer Guide, "Example SQS message event").
fn event(messages: &[Value]) -> Value {
    let record = |message: &Value| {
        json!({
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:images",
            "awsRegion": "eu-central-1",
        })
    };
    json!({"Records": messages.iter().map(record).collect::<Vec<_>>()})
}
