//! Settings that change while it runs.

use super::*;

const APPLIED: &str = "ecr_keeper_settings_reloads_total{result=\"applied\"}";
const REJECTED: &str = "ecr_keeper_settings_reloads_total{result=\"rejected\"}";
const VALID: &str = "ecr_keeper_settings_valid";

#[tokio::test(flavor = "multi_thread")]
async fn another_content_holds_from_the_next_run_on_and_the_schedule_at_once() {
    let world = world_with_one_change().await;
    write(&world, "schedule: { every: 1h }\n");
    let mut serving = Serving::begin(world.keeper(&["serve"])).await;
    serving.runs(1.0).await;
    assert!(!world.folder().join("later").exists());

    write(&world, "schedule: { every: 1s }\nresults: { dir: later }\n");
    serving.said("their file has changed").await;
    let metrics = serving.runs(3.0).await;
    assert_eq!((metrics[APPLIED], metrics[REJECTED], metrics[VALID]), (1.0, 0.0, 1.0));
    assert!(world.file("later/result.json").contains("\"unchanged\": 1"));

    // Slower again: the time that was due is put off.
    write(&world, "schedule: { every: 2h }\n");
    let in_100_minutes = (Timestamp::now() + SignedDuration::from_mins(100)).as_second() as f64;
    // Not there while a run is at work.
    let next = |metrics: &BTreeMap<String, f64>| metrics.get("ecr_keeper_next_run_timestamp_seconds").copied();
    let metrics = serving.until(|metrics| next(metrics) > Some(in_100_minutes)).await;
    assert_eq!(metrics[APPLIED], 2.0);
    serving.terminated().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_changes_nothing_and_says_so() {
    let world = world_with_one_change().await;
    write(&world, "schedule: { every: 1s }\n");
    let mut serving = Serving::begin(world.keeper(&["serve"])).await;
    for (broken, says) in [
        (
            "schedule: { every: 1h }\nconcurency: 3\nretry: { tries: 0 }\n",
            "did you mean concurrency?",
        ),
        ("schedule: { every: [\n", "read the settings file settings.yaml"),
        ("concurrency: 2\n", "schedule: is not set"),
    ] {
        let before = serving.metrics().await;
        write(&world, broken);
        let after = serving.until(|metrics| metrics[REJECTED] > before[REJECTED]).await;
        assert_eq!((after[VALID], after[APPLIED]), (0.0, 0.0));
        serving.said(says).await;
        serving.said("until then the ones before stay in use").await;
        assert_eq!(serving.health().await.1["settings_valid"], false);
        // The interval is still a second.
        serving.runs(runs(&after) + 2.0).await;
    }
    assert!(serving.running.heard().contains("retry.tries"), "every mistake is told");
    // The file that was there before is there again.
    write(&world, "schedule: { every: 1s }\n");
    let metrics = serving.until(|metrics| metrics[VALID] == 1.0).await;
    assert_eq!((metrics[APPLIED], metrics[REJECTED]), (1.0, 3.0));
    fs::remove_file(world.folder().join("settings.yaml")).expect("the file");
    serving.until(|metrics| metrics[VALID] == 0.0).await;
    serving.said("No such file").await;
    let (code, health) = serving.health().await;
    assert_eq!(
        (code, &health["settings_valid"]),
        (200, &Value::from(false)),
        "it works on"
    );
    serving.terminated().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reads_them_again_while_a_run_goes_on_with_its_own() {
    let world = world_with_one_change().await;
    world.lab.upstream().fault(Fault::new("/blobs/", Act::Hold).times(1));
    write(&world, "schedule: { every: 1h }\n");
    let mut serving = Serving::begin(world.keeper(&["serve"])).await;
    world.held(world.lab.upstream()).await;
    serving.running.signal("HUP");
    serving.said("(SIGHUP)").await;
    write(&world, "schedule: { every: 1h }\nresults: { dir: later }\n");
    serving.until(|metrics| metrics[APPLIED] == 2.0).await;
    assert_eq!(serving.health().await.1["state"], "running");
    world.lab.upstream().release();
    serving.runs(1.0).await;
    assert!(world.file("result.json").contains("\"updated\": 1"));
    assert!(!world.folder().join("later").exists(), "that is for the next run");
    serving.terminated().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_changes_where_the_new_one_can_be_had() {
    let world = world_with_one_change().await;
    let settings = |listen: &str| format!("schedule: {{ every: 1h }}\nserve: {{ listen: \"{listen}\" }}\n");
    write(&world, &settings("127.0.0.1:0"));
    // The file says it here: a variable would be stronger.
    let mut running = world.keeper(&["serve"]).started();
    hear(&mut running, "run 1 ended well").await;
    let (_, address) = running.heard().rsplit_once("http://").expect("an address");
    let address = format!("http://{}", address.split_once('/').expect("a path").0);
    let mut serving = Serving { running, address };
    serving.metrics().await;

    write(&world, &settings("127.0.0.2:0"));
    serving.said("http://127.0.0.2:").await;
    assert!(
        serving.ask(Method::GET, "/healthz").await.is_err(),
        "the old one is closed"
    );
    let (_, address) = serving.running.heard().rsplit_once("http://").expect("an address");
    serving.address = format!("http://{}", address.split_once('/').expect("a path").0);
    assert_eq!(serving.metrics().await[APPLIED], 1.0);

    let other = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let taken = other.local_addr().expect("its address").to_string();
    write(&world, &settings(&taken));
    serving.said(&format!("listen on {taken} (serve.listen)")).await;
    // The same port of all addresses, where another one has it at one of them.
    let (_, port) = serving.address.rsplit_once(':').expect("a port");
    let other = tokio::net::TcpListener::bind(format!("127.0.0.3:{port}"))
        .await
        .expect("the port");
    let all = format!("0.0.0.0:{port}");
    write(&world, &settings(&all));
    serving.said(&format!("listen on {all} (serve.listen)")).await;
    assert_eq!(
        serving.metrics().await[REJECTED],
        2.0,
        "it is told where it was told before"
    );
    drop(other);
    serving.running.signal("HUP");
    serving.said(&format!("http://{all}/")).await;
    assert_eq!(serving.metrics().await[APPLIED], 2.0);

    write(&world, &settings("off"));
    serving.said("hold from the next run on: runs every 1h\n").await;
    serving.terminated().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_from_a_pipe_are_read_once() {
    let world = world_with_one_change().await;
    let pipe = world.folder().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo starts").success());
    // Who writes waits for who reads, and is gone then.
    let writer = std::thread::spawn(move || fs::write(pipe, "schedule: { every: 1h }\n"));
    let serving = Serving::begin(world.keeper(&["serve", "--config", "pipe"])).await;
    writer.join().expect("no panic").expect("it is read");
    serving.runs(1.0).await;
    serving.running.signal("HUP");
    let metrics = serving.until(|metrics| metrics[APPLIED] == 1.0).await;
    assert_eq!(metrics[VALID], 1.0);
    assert!(metrics["ecr_keeper_next_run_timestamp_seconds"] > metrics["process_start_time_seconds"] + 3500.0);
    serving.terminated().await.well();
}
