//! Who is at an image: for as long as it takes, and no longer than it lives.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_at_an_image_that_somebody_else_is_at() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    let ecr = shared.world.lab.ecr().front();
    shared.hold("1.1");
    let first = shared.work(&["run", "--until-empty"]);
    let first = first.env("ECR_KEEPER_CONCURRENCY", "1").started();
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
    shared.hold("1.1");
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
async fn what_takes_longer_than_the_lease_stays_with_who_is_at_it() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    shared.hold("1.1");
    let first = shared.work(&["run", "--until-empty", "--log-level", "debug"]);
    let mut first = first.started();
    let ecr = shared.world.lab.ecr().front();
    shared.world.held(ecr).await;
    // The lease is 15 s, and there is a sign of life each 5 s.
    first.said_times("ChangeMessageVisibility", 4).await;
    let second = shared.work(&["run", "--until-empty", "--log-level", "debug"]);
    let mut second = second.started();
    // It was asked for messages twice, and got none.
    second.said_times("ReceiveMessage", 2).await;
    ecr.release();
    let (first, second) = (first.end().await.well().json(), second.end().await.well().json());
    assert_eq!((&first["updated"], &second["updated"]), (&json!(1), &json!(0)));
    assert_eq!(second["returned"], 0, "{second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_cannot_be_renewed_cuts_off_what_is_done_under_it() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    shared.hold("1.1");
    let mut run = shared.work(&["run", "--until-empty"]).started();
    let ecr = shared.world.lab.ecr().front();
    shared.world.held(ecr).await;
    shared.s3.pause().unwrap();
    run.said("the claim on the image could not be renewed in time: what is done under it is cut off")
        .await;
    assert!(!shared.is_current("1.1"));
    shared.s3.resume().unwrap();
    ecr.release();
    // It comes again, and is done.
    let worked = run.end().await.well().json();
    assert_eq!(worked["returned"], 1, "{worked}");
    assert!(shared.is_current("1.1"));
    shared.work(&["report"]).ran().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stood_still_says_nothing_of_what_another_has_done() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    shared.hold("1.1");
    let mut still = shared.work(&["run"]).started();
    let ecr = shared.world.lab.ecr().front();
    shared.world.held(ecr).await;
    still.signal("STOP");
    let worked = shared.work(&["run", "--until-empty"]).ran().await.well().json();
    assert_eq!(worked["updated"], 1, "{worked}");
    // What it was at fails, now that it goes on.
    ecr.fault(shared.refuse("1.1"));
    still.signal("CONT");
    still.said("is cut off").await;
    still.signal("TERM");
    still.end().await.well();
    let report = shared.work(&["report"]).ran().await.well().json();
    assert_eq!(report["totals"]["updated"], 1, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_got_lost_is_one_s_own() {
    let shared = Shared::with(2).await;
    shared.enqueued().await;
    let lossy = shared.s3.losing("/claims/", 1).await.unwrap();
    let run = shared.work(&["run", "--until-empty"]);
    let worked = run
        .env("AWS_ENDPOINT_URL_S3", lossy.endpoint())
        .ran()
        .await
        .well()
        .json();
    assert_eq!(lossy.left(), 0);
    assert_eq!(
        (&worked["updated"], &worked["returned"]),
        (&json!(1), &json!(0)),
        "{worked}"
    );
    // It was left, too: the next one does not wait for the lease.
    let digest = tiny("newer");
    shared.world.upstream("library/app", "1.1", digest).await;
    shared.enqueued().await;
    let worked = shared.work(&["run", "--until-empty"]).ran().await.well().json();
    assert_eq!(
        (&worked["updated"], &worked["returned"]),
        (&json!(1), &json!(0)),
        "{worked}"
    );
}
