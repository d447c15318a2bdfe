//! The time that a function has.

use ecr_lab::{Act, ApiFault, Fault};

use super::*;

/// As a function with a timeout of three seconds.
const SHORT: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_of_three_seconds_is_kept_and_what_is_done_is_told() {
    let world = world().await;
    world.upstream("team/tool", "2.0", tiny("tool")).await;
    world.ecr("base/image/team/tool", "2.0", tiny("old tool")).await;
    let front = world.lab.ecr().front();
    // One of the two comes through; the other's manifest is never taken.
    front.fault(Fault::new("/base/image/team/tool/manifests/2.0", Act::Hold).method("PUT"));
    let function = Function::with(&world, |run| run.env("DISCORD_WEBHOOK", world.lab.webhook().url())).await;
    let invoked = function
        .api
        .invoke(&json!({"keyword": "base/image"}), SHORT)
        .await
        .expect("an answer");
    assert!(invoked.took < SHORT, "{:?}", invoked.took);
    let answer = invoked.answer.expect("no error");
    assert_eq!(
        (&answer["ok"], &answer["stopped_by"]),
        (&json!(false), &json!("the deadline")),
        "{answer:#}"
    );
    assert_eq!(
        (&answer["updated"], &answer["not_attempted"]),
        (&json!(1), &json!(1)),
        "{answer:#}"
    );
    assert_eq!(outcome(&answer, "base/image/app:1.0"), "updated");
    assert_eq!(outcome(&answer, "base/image/team/tool:2.0"), "not-attempted");
    let message = answer["message"].as_str().unwrap();
    assert!(message.starts_with("stopped by the deadline: 1 updated"), "{message}");
    // It is recorded and told, too.
    let ledger: Value = serde_json::from_str(&world.file("ecr-keeper/ledger.json")).unwrap();
    assert_eq!(ledger["made"].as_object().unwrap().len(), 1, "{ledger:#}");
    let report: Value = serde_json::from_str(&world.file("ecr-keeper/result.json")).unwrap();
    assert_eq!(report["totals"]["not_attempted"], 1);
    let messages = world.lab.webhook().messages();
    assert!(
        messages
            .iter()
            .any(|message| message.content.contains("base/image/app:1.0")),
        "{messages:?}"
    );
    // Nothing goes on behind the answer, and the next invocation does what is left.
    front.clear_faults();
    front.release();
    let answer = function.answered(json!({"keyword": "base/image"})).await;
    assert_eq!(
        (&answer["updated"], &answer["unchanged"]),
        (&json!(1), &json!(1)),
        "{answer:#}"
    );
    let log = function.log().await;
    assert!(
        log.contains(&format!("invocation{{requestId={}}}", invoked.id)),
        "{log}"
    );
    assert!(log.contains("updated base/image/app:1.0"), "{log}");
    assert!(log.contains("not-attempted base/image/team/tool:2.0"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_does_not_answer_takes_no_more_than_the_time_there_is() {
    let world = world().await;
    world
        .lab
        .upstream()
        .fault(Fault::new("/library/app/manifests/1.0", Act::Hold));
    let function = Function::start(&world).await;
    let invoked = function
        .api
        .invoke(&json!({"keyword": "base/image"}), SHORT)
        .await
        .expect("an answer");
    assert!(invoked.took < SHORT, "{:?}", invoked.took);
    let answer = invoked.answer.expect("no error");
    assert_eq!(
        (&answer["ok"], &answer["not_attempted"]),
        (&json!(false), &json!(1)),
        "{answer:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_saw_nothing_in_its_time_is_not_ok() {
    let world = world().await;
    world
        .lab
        .ecr()
        .api_fault(ApiFault::slow("DescribeRepositories", MINUTE));
    let function = Function::start(&world).await;
    for command in ["sync", "plan"] {
        let event = json!({"keyword": "base/image", "command": command});
        let invoked = function.api.invoke(&event, SHORT).await.expect("an answer");
        let answer = invoked.answer.expect("no error");
        assert_eq!(
            (&answer["ok"], &answer["stopped_by"]),
            (&json!(false), &json!("the deadline")),
            "{answer:#}"
        );
    }
    let log = function.log().await;
    assert_eq!(
        log.matches(" WARN ").count(),
        4,
        "a warning of the ledger each, and the last line: {log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_its_deadline_stopped_counts_what_was_not_asked() {
    let world = world().await;
    world
        .lab
        .upstream()
        .fault(Fault::new("/library/app/manifests/1.0", Act::Hold));
    let function = Function::start(&world).await;
    let event = json!({"keyword": "base/image", "command": "plan"});
    let invoked = function.api.invoke(&event, SHORT).await.expect("an answer");
    let answer = invoked.answer.expect("no error");
    assert_eq!(
        answer["message"],
        "stopped by the deadline: 0 to update were found, 0 unchanged, 1 not done"
    );
    assert_eq!(outcome(&answer, "base/image/app:1.0"), "not-attempted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_does_not_answer_hides_nothing() {
    let world = world().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", silent.local_addr().unwrap());
    let function = Function::with(&world, |run| run.env("DISCORD_WEBHOOK", url)).await;
    let invoked = function
        .api
        .invoke(&json!({"keyword": "base/image"}), SHORT)
        .await
        .expect("an answer");
    assert!(invoked.took < SHORT, "{:?}", invoked.took);
    let answer = invoked.answer.expect("no error");
    assert_eq!(
        (&answer["ok"], &answer["updated"]),
        (&json!(false), &json!(1)),
        "{answer:#}"
    );
    let failures = answer["failures"].to_string();
    assert!(failures.contains("stopped while posting to the webhook"), "{failures}");
}
