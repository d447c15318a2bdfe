//! The same under cargo-lambda's runtime API, which is not ours.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn old_and_new_events_and_eventbridge_s_are_answered_and_a_bad_one_is_refused() {
    let world = world().await;
    world.upstream("team/tool", "2.0", tiny("tool")).await;
    world.lab.ecr().create_repository("mirror/tool");
    let tags = [("ecr_sync_opt", "in"), ("ecr_sync_source", "docker.io/team/tool")];
    world.lab.ecr().tag_repository("mirror/tool", &tags);
    let api = world.lab.cargo_lambda().await.expect("cargo-lambda starts");
    let _function = world.function(&api.address()).started();
    let invoke = async |event: Value| api.invoke(&event).await.expect("an answer");
    let (status, old) = invoke(old_event()).await;
    assert_eq!(
        (status, &old["ok"], &old["updated"]),
        (200, &json!(true), &json!(3)),
        "{old:#}"
    );
    let (status, new) = invoke(json!({"repositories": [arn("mirror/tool")], "check_digest": true})).await;
    assert_eq!(
        (status, &new["ok"], &new["updated"]),
        (200, &json!(true), &json!(1)),
        "{new:#}"
    );
    let scheduled =
        json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {"keyword": "base/image"}});
    let (status, scheduled) = invoke(scheduled).await;
    assert_eq!(
        (status, &scheduled["ok"], &scheduled["unchanged"]),
        (200, &json!(true), &json!(3)),
        "{scheduled:#}"
    );
    let (status, bad) = invoke(json!({"repository_arns": []})).await;
    assert_eq!((status, &bad["errorType"]), (500, &json!("InvalidEvent")), "{bad:#}");
    assert_eq!(
        bad["errorMessage"],
        "the event: repository_arns: no such field; did you mean repository_arn?"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_queue_are_done_and_a_poisoned_one_is_buried() {
    let world = world().await;
    let (s3, queues) = queue::queues(&world).await;
    queue::of_work(world.keeper(&["work", "enqueue"]), &s3)
        .ran()
        .await
        .well();
    s3.send(&queues.url, "poison").await.unwrap();
    let taken = s3.messages(&queues.url).await.unwrap();
    assert_eq!(taken.len(), 2);
    let api = world.lab.cargo_lambda().await.expect("cargo-lambda starts");
    let _function = queue::of_work(world.function(&api.address()), &s3).started();
    let (status, answer) = api.invoke(&queue::event(&taken)).await.expect("an answer");
    assert_eq!((status, answer), (200, json!({"batchItemFailures": []})));
    assert_eq!(s3.depth(&queues.dead).await.unwrap(), [1, 0, 0]);
    let report = queue::of_work(world.keeper(&["work", "report", "--output", "json"]), &s3);
    assert_eq!(report.ran().await.well().json()["totals"]["updated"], 1);
}
