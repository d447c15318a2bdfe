use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{CreateImageOptionsBuilder, RemoveImageOptions, TagImageOptionsBuilder};
use ecr_lab::images::{Layer, Place, multi, tiny};
use ecr_lab::{Act, ApiFault, Fault};
use futures::TryStreamExt;

use crate::support::{World, on_every_store};

const REPOSITORY: &str = "base/image/busybox";
const UPSTREAM: &str = "library/busybox";

async fn pull(docker: &Docker, name: &str, reference: &str, platform: &str) {
    pulled(docker, name, reference, platform).await.expect("the pull");
}

async fn pulled(docker: &Docker, name: &str, reference: &str, platform: &str) -> Result<(), Error> {
    let options = CreateImageOptionsBuilder::default()
        .from_image(name)
        .tag(reference)
        .platform(platform)
        .build();
    let lines = docker.create_image(Some(options), None, None);
    lines.try_collect::<Vec<_>>().await.map(drop)
}

async fn tag(docker: &Docker, image: &str, repository: &str, tag: &str) {
    let options = TagImageOptionsBuilder::default().repo(repository).tag(tag).build();
    docker.tag_image(image, Some(options)).await.expect("the tag");
}

on_every_store! {
    async fn what_was_in_the_daemon_before_is_there_after(world: World) {
        let docker = world.docker();
        let upstream = format!("{}/{UPSTREAM}", world.lab.upstream().host());
        let target = world.target(REPOSITORY);
        world.upstream(UPSTREAM, "old", tiny("old")).await;
        let new = world.upstream(UPSTREAM, "1", multi("new")).await;
        world.upstream(UPSTREAM, "2", multi("second")).await;
        for image in ["1", "2", "3"] {
            world.ecr(REPOSITORY, image, tiny("old")).await;
        }
        let third = world.upstream(UPSTREAM, "3", tiny("third")).await;

        // Somebody has worked with the very names that the run needs: another platform of the new upstream image, an older
        // image under the target's name, the upstream image itself, and an image without any name.
        pull(&docker, &upstream, "1", "linux/arm64").await;
        pull(&docker, &upstream, "old", "").await;
        tag(&docker, &format!("{upstream}:old"), &target, "2").await;
        pull(&docker, &upstream, &third.top, "").await;
        world.upstream("library/lost", "1", tiny("lost")).await;
        pull(
            &docker,
            &format!("{}/library/lost", world.lab.upstream().host()),
            "1",
            "",
        )
        .await;
        tag(
            &docker,
            &format!("{upstream}:old"),
            &format!("{}/library/lost", world.lab.upstream().host()),
            "1",
        )
        .await;
        let before = world.local_images().await;
        assert_eq!(before.len(), 4, "{before:#?}");

        let ran = world.sync().await.well();
        assert_eq!(ran.json()["totals"]["updated"], 3, "{}", ran.stdout);
        assert_eq!(
            world.config_in_ecr(REPOSITORY, "1"),
            new.children[0].config,
            "amd64, as ECR's copy was"
        );
        assert_eq!(world.local_images().await, before);
    }
}

on_every_store! {
    async fn two_repositories_of_one_upstream_do_not_trip_over_each_other(world: World) {
        let new = world.upstream(UPSTREAM, "1", multi("new")).await;
        let repositories: Vec<String> = (0..6).map(|number| format!("base/image/{number}")).collect();
        let mut settings = String::from("concurrency: 6\ndiscovery:\n  upstream:\n");
        for repository in &repositories {
            world.ecr(repository, "1", tiny("old")).await;
            settings.push_str(&format!("    {repository}: docker.io/{UPSTREAM}\n"));
        }
        std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();

        world.sync().await.well();
        for repository in &repositories {
            assert_eq!(world.config_in_ecr(repository, "1"), new.children[0].config);
        }
        assert_eq!(world.local_images().await, [].into());
    }
}

on_every_store! {
    /// Podman cannot list its images while somebody removes one of them.
    async fn images_that_somebody_removes_meanwhile_do_not_matter(world: World) {
        let tags: Vec<String> = (0..12).map(|tag| tag.to_string()).collect();
        for tag in &tags {
            world.upstream(UPSTREAM, tag, tiny(tag)).await;
            world.ecr(REPOSITORY, tag, tiny("old")).await;
        }
        let docker = world.docker();
        let theirs = format!("{}/library/theirs", world.lab.upstream().host());
        for tag in ["a", "b"] {
            world.upstream("library/theirs", tag, tiny(&format!("their {tag}"))).await;
        }
        let went = AtomicUsize::new(0);
        // One that Podman tells that the other's image goes tries again, too.
        let come_and_go = async |tag: &str| {
            let name = format!("{theirs}:{tag}");
            loop {
                let _ = pulled(&docker, &theirs, tag, "linux/amd64").await;
                let removal = docker.remove_image(&name, None::<RemoveImageOptions>, None).await;
                went.fetch_add(usize::from(removal.is_ok()), Ordering::Relaxed);
            }
        };
        let run = world.keeper(&["sync", "--output", "json"]).env("ECR_KEEPER_CONCURRENCY", "4");
        let ran = tokio::select! {
            ran = run.ran() => ran.well(),
            () = come_and_go("a") => unreachable!("it has no end"),
            () = come_and_go("b") => unreachable!("it has no end"),
        };
        assert_eq!(ran.json()["totals"]["updated"], tags.len());
        assert!(went.into_inner() > 1, "images came and went");
    }
}

on_every_store! {
    async fn what_a_copy_brought_goes_while_its_push_is_checked(world: World) {
        world.upstream(UPSTREAM, "1", tiny("new")).await;
        world.ecr(REPOSITORY, "1", tiny("old")).await;
        let front = world.lab.ecr().front();
        front.fault(Fault::new("/manifests/1$", Act::Hold).method("PUT").times(1));
        let run = world.keeper(&["sync", "--output", "json"]).started();
        world.held(front).await;
        // Not before: some daemons look before they push, too.
        front.fault(Fault::new("/manifests/", Act::Hold).method("HEAD"));
        front.fault(Fault::new("/manifests/", Act::Hold).method("GET"));
        front.release();
        let gone = async {
            while !world.local_images().await.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let gone = tokio::time::timeout(Duration::from_secs(30), gone).await;
        gone.expect("what was brought goes before the check has ended");
        world.held(front).await;
        front.clear_faults();
        front.release();
        assert_eq!(run.end().await.well().outcome("busybox:1"), "updated");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_signal_lets_what_runs_finish_and_begins_nothing_new() {
    let world = World::new().await;
    for number in ["1", "2", "3"] {
        world.upstream(UPSTREAM, number, tiny(number)).await;
        world.ecr(REPOSITORY, number, tiny("old")).await;
    }
    world
        .lab
        .ecr()
        .front()
        .fault(Fault::new("/manifests/1$", Act::Hold).method("PUT").times(1));

    let mut run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_CONCURRENCY", "1")
        .started();
    world.held(world.lab.ecr().front()).await;
    run.signal("TERM");
    // Only when the run has taken notice may the held request go on.
    run.said("SIGTERM").await;
    world.lab.ecr().front().release();
    let ran = run.end().await.code_is(143);

    assert_eq!(ran.outcome("busybox:1"), "updated");
    assert_eq!(ran.outcome("busybox:2"), "not-attempted");
    assert_eq!(ran.outcome("busybox:3"), "not-attempted");
    assert_eq!(ran.json()["stopped_by"], "SIGTERM");
    assert_eq!(world.local_images().await, [].into());
    assert!(world.file("result_update.txt").contains("busybox:1 "));
    assert!(world.file("result_failed.txt").contains("busybox:3 — not attempted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_cuts_off_a_push_and_leaves_nothing() {
    let world = World::new().await;
    for number in [1, 2] {
        let (tag, layer) = (number.to_string(), Layer::random(number, 3_000_000));
        world.upstream(UPSTREAM, &tag, tiny("new").layer(layer)).await;
        world.ecr(REPOSITORY, &tag, tiny("old")).await;
    }
    let old = world.digest_in_ecr(REPOSITORY, "1");
    world
        .lab
        .ecr()
        .front()
        .fault(Fault::new("/blobs/uploads/", Act::Hold).method("PATCH"));

    let mut run = world.keeper(&["sync", "--output", "json"]).started();
    world.held(world.lab.ecr().front()).await;
    run.signal("INT");
    run.said("SIGINT").await;
    run.signal("INT");
    let ran = run.end().await.code_is(130);
    assert_eq!(ran.outcome("busybox:1"), "not-attempted");
    assert!(
        ran.image("busybox:1")["reason"]
            .as_str()
            .unwrap()
            .starts_with("cut off"),
        "{}",
        ran.stdout
    );
    assert_eq!(world.local_images().await, [].into());
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), old);

    world.lab.ecr().front().clear_faults();
    world.lab.ecr().front().release();
    let ran = world.sync().await.well();
    assert_eq!(ran.outcome("busybox:1"), "updated");
    assert_eq!(world.local_images().await, [].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_is_cut_off_when_the_grace_is_over_and_leaves_nothing() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "1", multi("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    world
        .lab
        .upstream()
        .fault(Fault::new("/library/busybox/blobs/", Act::Hold).method("GET"));

    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_STOP__GRACE", "1ms")
        .started();
    world.held(world.lab.upstream()).await;
    run.signal("TERM");
    let ran = run.end().await.code_is(143);
    assert_eq!(ran.outcome("busybox:1"), "not-attempted");
    assert_eq!(world.local_images().await, [].into());
    world.lab.upstream().clear_faults();
    world.lab.upstream().release();
    assert_eq!(world.sync().await.well().outcome("busybox:1"), "updated");
    assert_eq!(world.local_images().await, [].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_push_the_next_run_makes_it_right() {
    let world = World::new().await;
    let new = world.upstream(UPSTREAM, "1", multi("new")).await;
    let done = world.upstream(UPSTREAM, "2", multi("second")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    world.ecr(REPOSITORY, "2", tiny("old")).await;
    let old = world.digest_in_ecr(REPOSITORY, "1");
    world
        .lab
        .ecr()
        .front()
        .fault(Fault::new("/manifests/1$", Act::Hold).method("PUT"));

    let run = world.keeper(&["sync", "--output", "json"]).started();
    world.held(world.lab.ecr().front()).await;
    // The other image is done, and in the ledger, before the program is killed.
    let remembered = async {
        let ledger = || std::fs::read_to_string(world.ledger()).unwrap_or_default();
        while !ledger().contains(&done.top) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), remembered)
        .await
        .expect("the other image ends");
    run.signal("KILL");
    run.end().await;
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), old, "the tag is moved last");
    world.lab.ecr().front().clear_faults();
    world.lab.ecr().front().release();

    let ran = world.sync().await.well();
    assert_eq!(world.config_in_ecr(REPOSITORY, "1"), new.children[0].config);
    assert_eq!(world.config_in_ecr(REPOSITORY, "2"), done.children[0].config);
    assert_eq!(
        ran.image("busybox:2")["reason"],
        "made from what the upstream has today"
    );
    let ledger: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(world.ledger()).unwrap()).unwrap();
    for (tag, pushed) in [("1", &new), ("2", &done)] {
        let made = &ledger["made"][format!("{}:{tag}", world.target(REPOSITORY))];
        assert_eq!(made["digest"], world.digest_in_ecr(REPOSITORY, tag));
        assert_eq!(made["from"], pushed.top);
    }
    world.forget_requests();
    world.sync().await.well();
    assert_eq!(world.pushes(), [""; 0]);
    assert_eq!(world.pulled_layers(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_hangs_does_not_keep_a_stop_waiting() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "1", tiny("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    for action in ["GetAuthorizationToken", "DescribeRepositories", "DescribeImages"] {
        world
            .lab
            .ecr()
            .api_fault(ApiFault::slow(action, Duration::from_secs(600)));
        let mut run = world.keeper(&["sync", "--log-level", "debug"]).started();
        run.said(&format!("ask AWS: {action}")).await;
        run.signal("INT");
        let ran = run.end().await.code_is(130);
        assert!(ran.stdout.contains("stopped by SIGINT"), "{action}: {}", ran.stdout);
        world.lab.ecr().clear_api_faults();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_makes_us_wait_is_left_by_the_second_signal() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "1", tiny("same")).await;
    world.ecr(REPOSITORY, "1", tiny("same")).await;
    world.lab.webhook().rate_limit(9, Duration::from_secs(50));
    let arguments = ["sync", "--output", "json", "--log-level", "debug"];
    let mut run = world
        .keeper(&arguments)
        .env("DISCORD_WEBHOOK", world.lab.webhook().url())
        .started();
    run.said("post to the webhook: 429").await;
    run.signal("TERM");
    run.signal("TERM");
    let ran = run.end().await.code_is(1);
    assert!(
        ran.failure().contains("stopped while posting to the webhook"),
        "{}",
        ran.failure()
    );
    assert!(world.file("result_notupdate.txt").contains("busybox:1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_survey_tells_what_was_not_looked_at() {
    let world = World::new().await;
    for name in ["base/image/a", "base/image/b"] {
        world.ecr(name, "1", tiny("old")).await;
    }
    let slow = ApiFault::slow("DescribeImages", Duration::from_secs(600));
    world.lab.ecr().api_fault(slow);
    let mut run = world
        .keeper(&["sync", "--output", "json", "--log-level", "debug"])
        .started();
    run.said("ask AWS: DescribeImages of base/image/b").await;
    run.signal("TERM");
    let ran = run.end().await.code_is(143);
    for name in ["base/image/a", "base/image/b"] {
        assert!(
            ran.stdout.contains(&format!("repository {name} was not looked at")),
            "{}",
            ran.stdout
        );
    }
}

on_every_store! {
    async fn a_name_by_digest_that_somebody_pinned_is_not_lost_with_our_tag(world: World) {
        let docker = world.docker();
        let pinned = world.ecr(REPOSITORY, "pinned", tiny("new")).await;
        world.upstream(UPSTREAM, "pinned", tiny("new")).await;
        world.upstream(UPSTREAM, "1", tiny("new")).await;
        world.ecr(REPOSITORY, "1", tiny("old")).await;
        let login = bollard::auth::DockerCredentials {
            username: Some("AWS".to_owned()),
            password: Some(world.lab.ecr().issue_token()),
            serveraddress: Some(world.lab.ecr().host().to_owned()),
            ..Default::default()
        };
        let options = CreateImageOptionsBuilder::default()
            .from_image(&world.target(REPOSITORY))
            .tag(&pinned.top)
            .build();
        let pull = docker.create_image(Some(options), None, Some(login));
        pull.try_collect::<Vec<_>>().await.expect("the pull");
        let before = world.local_images().await;
        assert_eq!(before.len(), 1);

        let ran = world.sync().await.well();
        assert_eq!(ran.outcome("busybox:1"), "updated");
        assert_eq!(world.local_images().await, before);
    }
}

on_every_store! {
    async fn an_image_whose_name_was_given_to_another_stays(world: World) {
        let docker = world.docker();
        let lost = format!("{}/library/lost", world.lab.upstream().host());
        world.upstream("library/lost", "1", tiny("new")).await;
        world.upstream("library/lost", "2", tiny("another")).await;
        pull(&docker, &lost, "1", "").await;
        pull(&docker, &lost, "2", "").await;
        tag(&docker, &format!("{lost}:2"), &lost, "1").await;
        let before = world.local_images().await;
        assert_eq!(before.len(), 2, "{before:?}");

        world.upstream(UPSTREAM, "1", tiny("new")).await;
        world.ecr(REPOSITORY, "1", tiny("old")).await;
        world.sync().await.well();
        assert_eq!(world.local_images().await, before);
    }
}

/// The classic store keeps names by digest apart from tags, so that an image can lose both.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_a_name_stays_without_one_and_stays() {
    let world = World::new().await;
    let docker = world.docker();
    let lost = format!("{}/library/lost", world.lab.upstream().host());
    world.upstream("library/lost", "1", tiny("new")).await;
    world.upstream("library/lost", "2", tiny("another")).await;
    pull(&docker, &lost, "1", "").await;
    pull(&docker, &lost, "2", "").await;
    tag(&docker, &format!("{lost}:2"), &lost, "1").await;
    // The name by digest that the pull gave it goes too.
    let named = world.lab.upstream();
    let digest = Place::of(named).digest_of("library/lost", "1").await.unwrap().unwrap();
    let other = format!("{lost}@{digest}");
    let keep = "keep/this";
    tag(&docker, &other, keep, "1").await;
    docker
        .remove_image(&other, None::<RemoveImageOptions>, None)
        .await
        .expect("the removal");
    tag(&docker, &format!("{lost}:2"), keep, "1").await;
    let before = world.local_images().await;
    assert!(
        before
            .values()
            .any(|image| image.tags.iter().all(|tag| tag.contains("<none>"))),
        "{before:?}"
    );

    for number in ["1", "2"] {
        world.upstream(UPSTREAM, number, tiny("new")).await;
        world.ecr(REPOSITORY, number, tiny("old")).await;
    }
    assert_eq!(world.sync().await.well().json()["totals"]["updated"], 2);
    assert_eq!(world.local_images().await, before);
}
