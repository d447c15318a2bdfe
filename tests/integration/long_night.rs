//! What passes by itself, and what does not: each with what ECR holds afterwards.

use std::time::Duration;

use ecr_lab::images::{Image, Layer, Platform, tiny};
use ecr_lab::{Act, Fault, Front, LabOptions, Logged, Store};

use crate::support::{Ran, Run, World, on_every_store};

const REPOSITORY: &str = "base/image/busybox";
const UPSTREAM: &str = "library/busybox";

/// A tag that changed upstream, with a layer that is large enough to be cut in the middle. Answers the config that is new.
async fn one_change(world: &World, tag: &str) -> String {
    let seed = tag.bytes().map(u64::from).sum();
    let new = Image::new(Platform::amd64()).layer(Layer::random(seed, 300_000));
    world.ecr(REPOSITORY, tag, tiny("old")).await;
    world.upstream(UPSTREAM, tag, new).await.children[0].config.clone()
}

fn message(ran: &Ran, target: &str) -> String {
    ran.image(target)["failure"].to_string()
}

/// A run, one image at a time, whose first pull is held. The look-ups are ours, since a daemon's read blobs too.
fn held_in_a_pull(world: &World) -> Run {
    world
        .lab
        .upstream()
        .fault(Fault::new("/blobs/", Act::Hold).method("GET").times(1));
    world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_CONCURRENCY", "1")
        .env("ECR_KEEPER_DOCKER__UPSTREAM_DIGESTS", "direct")
}

/// When a front was asked for a manifest, in the order of asking.
fn asked(front: &Front, method: &str) -> Vec<Logged> {
    let of_manifest = |one: &Logged| one.method == method && one.path.contains("/manifests/");
    front.requests().into_iter().filter(of_manifest).collect()
}

on_every_store! {
    async fn a_token_that_is_revoked_in_the_middle_is_renewed(world: World) {
        let new = one_change(&world, "1").await;
        let run = held_in_a_pull(&world).started();
        world.held(world.lab.upstream()).await;
        world.lab.ecr().revoke_tokens();
        world.lab.upstream().release();
        assert_eq!(run.end().await.well().outcome("busybox:1"), "updated");
        assert_eq!(world.config_in_ecr(REPOSITORY, "1"), new);
    }

    async fn a_daemon_that_is_killed_in_a_pull_and_comes_back_is_waited_for(world: World) {
        let mut world = world;
        let new = one_change(&world, "1").await;
        let mut run = held_in_a_pull(&world).started();
        world.held(world.lab.upstream()).await;
        world.dockerd_mut().kill().await;
        run.said("has gone; waiting up to 1m").await;
        world.lab.upstream().release();
        world.dockerd_mut().restart().await;
        let ran = run.end().await.well();
        assert!(ran.stderr.contains("is back"), "{}", ran.stderr);
        assert_eq!(ran.outcome("busybox:1"), "updated");
        assert_eq!(world.config_in_ecr(REPOSITORY, "1"), new);
        assert_eq!(world.local_images().await, [].into());
    }

    async fn a_daemon_that_stays_away_fails_what_ran_and_the_rest_is_not_attempted(world: World) {
        let mut world = world;
        for tag in ["1", "2", "3"] {
            one_change(&world, tag).await;
        }
        let before = world.digest_in_ecr(REPOSITORY, "1");
        let run = held_in_a_pull(&world).env("ECR_KEEPER_TIMEOUTS__DAEMON", "1s").started();
        world.held(world.lab.upstream()).await;
        world.dockerd_mut().kill().await;
        let ran = run.end().await.code_is(1);
        assert_eq!(ran.outcome("busybox:1"), "failed");
        assert!(message(&ran, "busybox:1").contains("timeouts.daemon"), "{}", ran.stdout);
        for tag in ["busybox:2", "busybox:3"] {
            assert_eq!(ran.outcome(tag), "not-attempted");
            assert!(message(&ran, tag).contains("the daemon was lost before"), "{}", ran.stdout);
        }
        assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), before);
        world.lab.upstream().release();
    }

    async fn a_push_that_is_cut_in_the_middle_is_made_again(world: World) {
        let new = one_change(&world, "1").await;
        let cut = Fault::new("/blobs/uploads/", Act::CutRequest(100_000)).times(1);
        world.lab.ecr().front().fault(cut.clone().method("PATCH"));
        world.lab.ecr().front().fault(cut.method("PUT"));
        assert_eq!(world.sync().await.well().outcome("busybox:1"), "updated");
        assert_eq!(world.config_in_ecr(REPOSITORY, "1"), new);
        assert_eq!(world.local_images().await, [].into());
    }

    async fn too_many_requests_pass(world: World) {
        let new = one_change(&world, "1").await;
        for path in ["/manifests/", "/blobs/"] {
            world.lab.upstream().fault(Fault::new(path, Act::too_many_requests(1)).method("GET").times(1));
        }
        assert_eq!(world.sync().await.well().outcome("busybox:1"), "updated");
        assert_eq!(world.config_in_ecr(REPOSITORY, "1"), new);
    }

    async fn a_no_is_taken_for_one(world: World) {
        one_change(&world, "1").await;
        let before = world.digest_in_ecr(REPOSITORY, "1");
        let no = Act::status(403, "DENIED", "requested access to the resource is denied");
        world.lab.upstream().fault(Fault::new("/manifests/", no));
        let ran = world.sync().await.code_is(1);
        assert_eq!(ran.outcome("busybox:1"), "failed");
        assert!(!ran.stderr.contains("trying again"), "{}", ran.stderr);
        assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), before);
    }
}

/// The waits of the defaults add up to more than the ten seconds that the registry is ill.
async fn ill_for_ten_seconds(world: &World, front: &Front, fault: Fault) {
    let new = one_change(world, "1").await;
    front.fault(fault);
    let run = world
        .keeper(&["sync", "--output", "json"])
        .without("ECR_KEEPER_RETRY__WAIT");
    let recovers = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        front.clear_faults();
    };
    let (ran, ()) = tokio::join!(run.ran(), recovers);
    assert_eq!(ran.well().outcome("busybox:1"), "updated");
    assert_eq!(world.config_in_ecr(REPOSITORY, "1"), new);
}

fn unavailable() -> Act {
    Act::status(503, "UNAVAILABLE", "the registry is ill")
}

on_every_store! {
    async fn an_upstream_that_answers_503_for_ten_seconds_is_waited_for(world: World) {
        ill_for_ten_seconds(&world, world.lab.upstream(), Fault::new("", unavailable())).await;
    }

    async fn a_target_that_answers_503_for_ten_seconds_is_waited_for(world: World) {
        let front = world.lab.ecr().front();
        ill_for_ten_seconds(&world, front, Fault::new("/manifests/1$", unavailable()).method("PUT")).await;
    }
}

/// Through a daemon nobody learns what the registry asked for; asked directly, it is done.
async fn waits_as_asked(retry_after: &str, at_least: Duration) {
    let world = World::new().await;
    let new = one_change(&world, "1").await;
    let slow_down = Act::Status {
        status: 429,
        code: "TOOMANYREQUESTS".to_owned(),
        message: "You have reached your pull rate limit.".to_owned(),
        headers: vec![("Retry-After".to_owned(), retry_after.to_owned())],
    };
    world.forget_requests();
    let upstream = world.lab.upstream();
    upstream.fault(Fault::new("/manifests/", slow_down).method("HEAD").times(1));
    let run = world.keeper(&["sync", "--output", "json"]);
    let ran = run
        .env("ECR_KEEPER_DOCKER__UPSTREAM_DIGESTS", "direct")
        .ran()
        .await
        .well();
    assert_eq!(ran.outcome("busybox:1"), "updated");
    assert_eq!(world.config_in_ecr(REPOSITORY, "1"), new);
    let asked = asked(upstream, "HEAD");
    let gap = asked[1].at.duration_since(asked[0].at);
    assert_eq!((asked[0].status, asked[1].status), (429, 200));
    assert!(Duration::try_from(gap).unwrap() >= at_least, "{gap}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_in_seconds_is_honoured() {
    waits_as_asked("3", Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_as_a_date_is_honoured() {
    // Of whole seconds. The run has one to get there.
    let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(12);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&date)
        .unwrap();
    waits_as_asked(&date, Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_wait_than_the_settings_allow_is_not_sat_out() {
    let world = World::new().await;
    one_change(&world, "1").await;
    world
        .lab
        .upstream()
        .fault(Fault::new("/manifests/", Act::too_many_requests(3600)).method("HEAD"));
    let run = world.keeper(&["sync", "--output", "json"]);
    let ran = run
        .env("ECR_KEEPER_DOCKER__UPSTREAM_DIGESTS", "direct")
        .ran()
        .await
        .code_is(1);
    assert!(message(&ran, "busybox:1").contains("429"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("trying again"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_live_for_seconds_are_renewed_before_they_expire() {
    let world = World::with(LabOptions {
        token_ttl: Duration::from_secs(2),
        ..LabOptions::default()
    })
    .await;
    let mut news = Vec::new();
    for tag in ["1", "2", "3"] {
        news.push((tag, one_change(&world, tag).await));
    }
    world
        .lab
        .upstream()
        .fault(Fault::new("/blobs/", Act::Delay(Duration::from_secs(1))).method("GET"));
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_CONCURRENCY", "1");
    run.ran().await.well();
    for (tag, new) in news {
        assert_eq!(world.config_in_ecr(REPOSITORY, tag), new);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_stays_ill_is_not_asked_three_times_for_each_image() {
    let world = World::new().await;
    for tag in ["1", "2", "3", "4", "5", "6"] {
        one_change(&world, tag).await;
    }
    world.forget_requests();
    world.lab.upstream().fault(Fault::new("/manifests/", unavailable()));
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_CONCURRENCY", "1");
    let ran = run.ran().await.code_is(1);
    assert_eq!(ran.json()["totals"]["failed"], 6);
    // The daemon asks with HEAD, and again with GET where that failed.
    let tries = asked(world.lab.upstream(), "HEAD").len();
    assert_eq!(tries, 3 + 5, "three for the first, one for each other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_hangs_is_not_waited_for_without_end() {
    let world = World::on(Store::Classic).await;
    for tag in ["1", "2"] {
        one_change(&world, tag).await;
    }
    let run = held_in_a_pull(&world)
        .env("ECR_KEEPER_TIMEOUTS__ANSWER", "2s")
        .env("ECR_KEEPER_TIMEOUTS__TRANSFER", "2s")
        .env("ECR_KEEPER_TIMEOUTS__DAEMON", "1s")
        .started();
    world.held(world.lab.upstream()).await;
    world.dockerd().freeze().await.expect("the daemon runs");
    let ran = run.end().await.code_is(1);
    assert!(message(&ran, "busybox:1").contains("no sign of life"), "{}", ran.stdout);
    assert_eq!(ran.outcome("busybox:2"), "not-attempted");
    world.lab.upstream().release();
    world.dockerd().thaw().expect("the daemon runs");
}
