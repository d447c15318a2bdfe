//! How it ends.

use super::*;

fn report(world: &World) -> Value {
    serde_json::from_str(&world.file("result.json")).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn between_runs_a_signal_ends_it_at_once_with_nothing_wrong() {
    let world = world_with_one_change().await;
    for signal in ["TERM", "INT"] {
        // A grace that is over at once cuts nothing off where nothing runs.
        let run = world.keeper(&["serve", "--every", "1h"]);
        let serving = Serving::begin(run.env("ECR_KEEPER_STOP__GRACE", "0s")).await;
        serving.runs(1.0).await;
        let address = serving.address.clone();
        serving.running.signal(signal);
        let ran = serving.end().await.well();
        assert!(
            ran.stderr.contains(&format!("SIG{signal}: no new run begins")),
            "{}",
            ran.stderr
        );
        assert!(Client::new().get(address).send().await.is_err(), "the port is free");
    }
    assert_eq!(report(&world)["stopped_by"], Value::Null, "no run was stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_at_work_ends_first_and_nobody_is_sent_there_meanwhile() {
    let world = world_with_one_change().await;
    world.lab.upstream().fault(Fault::new("/blobs/", Act::Hold).times(1));
    let mut serving = Serving::begin(world.keeper(&["serve", "--every", "1s"])).await;
    world.held(world.lab.upstream()).await;
    assert_eq!(serving.health().await.0, 200);
    serving.running.signal("TERM");
    serving.said("SIGTERM: no new run begins").await;
    let (code, health) = serving.health().await;
    assert_eq!((code, &health["state"]), (503, &Value::from("stopping")));
    assert_eq!(
        serving.metrics().await["ecr_keeper_running"],
        1.0,
        "which is still told"
    );
    world.lab.upstream().release();
    let ran = serving.end().await.well();
    let report = report(&world);
    assert_eq!(report["stopped_by"], "SIGTERM");
    assert_eq!(report["totals"]["updated"], 1, "the image that was under way is there");
    assert!(
        ran.stderr.contains("run 1 was stopped by SIGTERM: 1 updated"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("run 2"), "{}", ran.stderr);
    assert_eq!(listings(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_off_is_told_by_the_exit_code() {
    // By the grace that is over, and by a second signal.
    for (signals, grace, code) in [(&["TERM"][..], "200ms", 143), (&["INT", "INT"][..], "1h", 130)] {
        let world = world_with_one_change().await;
        world.lab.upstream().fault(Fault::new("/blobs/", Act::Hold));
        let run = world.keeper(&["serve", "--every", "1h"]);
        let mut serving = Serving::begin(run.env("ECR_KEEPER_STOP__GRACE", grace)).await;
        world.held(world.lab.upstream()).await;
        for signal in signals {
            serving.running.signal(signal);
            serving.said(&format!("SIG{signal}: no new run begins")).await;
        }
        serving.end().await.code_is(code);
        let report = report(&world);
        assert_eq!(report["totals"]["not_attempted"], 1, "{report}");
        assert_eq!(report["stopped_by"], format!("SIG{}", signals[0]));
    }
}
