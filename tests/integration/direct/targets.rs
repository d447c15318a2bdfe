//! One image for many targets, which do not harm each other.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn one_read_feeds_every_target_and_one_that_fails_fails_alone() {
    let world = world().await;
    let pushed = world
        .upstream(
            UPSTREAM,
            "1",
            Image::new(Platform::amd64()).layer(Layer::random(1, 3_000_000)),
        )
        .await;
    let names = ["base/image/app", "team/base/image/app", "other/base/image/app"];
    for name in names {
        world.ecr(name, "1", tiny("old")).await;
    }
    let blobs = Fault::new(
        "^/v2/other/base/image/app/blobs/uploads",
        Act::status(403, "DENIED", "not you"),
    );
    world.lab.ecr().front().fault(blobs);
    let upstream = names.map(|name| format!("    {name}: {UPSTREAM}\n")).concat();
    let settings = format!("discovery:\n  upstream:\n{upstream}");
    std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    world.forget_requests();
    let ran = world.sync().await.code_is(1);
    assert_eq!(ran.outcome("/team/base/image/app:1"), "updated");
    assert_eq!(ran.outcome("/other/base/image/app:1"), "failed");
    let why = ran.image("/other/base/image/app:1")["failure"]["message"].to_string();
    assert!(why.contains("write target") && why.contains("DENIED not you"), "{why}");
    for name in &names[..2] {
        assert_eq!(world.digest_in_ecr(name, "1"), pushed.top);
    }
    // Each blob once, although there are three targets.
    let read = layers(world.lab.upstream());
    let once: BTreeSet<&String> = read.iter().collect();
    assert_eq!((read.len(), once.len()), (2, 2), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_repository_has_is_mounted_where_the_registry_does_that() {
    for mounting in [true, false] {
        let world = World::without_daemon(LabOptions {
            blob_mounting: mounting,
            ..LabOptions::default()
        })
        .await;
        let layer = || Layer::random(5, 200_000);
        let image = |text: &str| Image::new(Platform::amd64()).layer(layer()).env("TEXT", text);
        world.upstream("library/one", "1", image("one")).await;
        world.upstream("library/two", "1", image("two")).await;
        for name in ["base/image/one", "base/image/two"] {
            world.ecr(name, "1", tiny(name)).await;
        }
        let run = world
            .keeper(&["sync", "--output", "json"])
            .env("ECR_KEEPER_CONCURRENCY", "1");
        run.ran().await.well();
        let front = world.lab.ecr().front();
        let mounts = front
            .requests()
            .into_iter()
            .filter(|request| request.query.contains("mount="));
        assert_eq!(mounts.count(), 1, "mounting {mounting}: tried once, and learned from");
        let uploads = asked(front, |request| {
            request.method == "PUT" && request.path.contains("/uploads/")
        });
        // Two configs, and the layer once or twice.
        assert_eq!(uploads.len(), if mounting { 3 } else { 4 }, "{uploads:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_can_be_mounted_is_asked_for_only_where_that_fails() {
    for mounting in [true, false] {
        let world = World::without_daemon(LabOptions {
            blob_mounting: mounting,
            ..LabOptions::default()
        })
        .await;
        let image = |text: &str| {
            Image::new(Platform::amd64())
                .layer(Layer::random(5, 200_000))
                .env("TEXT", text)
        };
        for name in ["one", "two"] {
            world.upstream(&format!("library/{name}"), "1", image(name)).await;
        }
        world.ecr("base/image/one", "1", tiny("old")).await;
        world.ecr("base/image/two", "1", image("old")).await;
        world
            .keeper(&["sync", "--output", "json"])
            .env("ECR_KEEPER_CONCURRENCY", "1")
            .ran()
            .await
            .well();
        let front = world.lab.ecr().front();
        let looked = asked(front, |request| {
            request.method == "HEAD" && request.path.starts_with("/v2/base/image/two/blobs/")
        });
        // The config, and the layer where the registry mounts nothing.
        assert_eq!(looked.len(), if mounting { 1 } else { 2 }, "{looked:?}");
        let uploads = asked(front, |request| {
            request.method == "PUT" && request.path.contains("/uploads/") && request.bytes_in > 100_000
        });
        assert_eq!(uploads.len(), 1, "the second has it already: {uploads:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_images_share_goes_to_a_registry_once_that_mounts_it() {
    for mounting in [true, false] {
        let world = World::without_daemon(LabOptions {
            blob_mounting: mounting,
            ..LabOptions::default()
        })
        .await;
        let names: Vec<String> = (0..8).map(|name| name.to_string()).collect();
        let mut pushed = Vec::new();
        for name in &names {
            let image = Image::new(Platform::amd64())
                .layer(Layer::random(5, 200_000))
                .env("NAME", name);
            pushed.push(world.upstream(&format!("library/{name}"), "1", image).await);
            world.ecr(&format!("base/image/{name}"), "1", tiny(name)).await;
        }
        let run = world.keeper(&["sync", "--output", "json"]);
        run.env("ECR_KEEPER_CONCURRENCY", "8").ran().await.well();
        for (name, pushed) in names.iter().zip(pushed) {
            assert_eq!(world.digest_in_ecr(&format!("base/image/{name}"), "1"), pushed.top);
        }
        let uploads = asked(world.lab.ecr().front(), |request| {
            request.method == "PUT" && request.path.contains("/uploads/") && request.bytes_in > 100_000
        });
        assert_eq!(uploads.len(), if mounting { 1 } else { 8 }, "{uploads:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_layer_waits_for_nobody_who_brings_it_elsewhere() {
    let world = World::without_daemon(LabOptions {
        blob_mounting: true,
        ..LabOptions::default()
    })
    .await;
    let image = |text: &str| {
        Image::new(Platform::amd64())
            .layer(Layer::random(5, 200_000))
            .env("TEXT", text)
    };
    for name in ["new", "has"] {
        world.upstream(&format!("library/{name}"), "1", image(name)).await;
    }
    world.ecr("base/image/new", "1", tiny("old")).await;
    world.ecr("base/image/has", "1", image("old")).await;
    let (upstream, front) = (world.lab.upstream(), world.lab.ecr().front());
    // The one that has the layer begins when the other one is sending it.
    upstream.fault(Fault::new("^/v2/library/has/manifests/", Act::Hold).method("GET"));
    front.fault(Fault::new("^/v2/base/image/new/blobs/uploads/", Act::Hold).method("PUT"));
    let mut running = world.keeper(&["sync", "--progress", "lines"]).started();
    world.held(front).await;
    upstream.release();
    running.said("base/image/has:1").await;
    front.clear_faults();
    front.release();
    running.end().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_takes_one_image_to_many_places_and_leaves_what_is_there() {
    let world = world().await;
    let pushed = world.upstream(UPSTREAM, "1", multi("1")).await;
    let other = plain(&world, RegistryOptions::default()).await;
    world.lab.ecr().create_repository("by/hand");
    let targets = [world.target("by/hand:one"), format!("{}/by/hand", other.host())];
    let copy = async || -> Ran {
        let source = format!("{UPSTREAM}:1");
        world
            .keeper(&["copy", &source, &targets[0], &targets[1], "--output", "json"])
            .ran()
            .await
    };
    let ran = copy().await.well();
    assert_eq!(world.digest_in_ecr("by/hand", "one"), pushed.top);
    assert_eq!(
        Place::of(other.front())
            .digest_of("by/hand", "1")
            .await
            .unwrap()
            .as_deref(),
        Some(pushed.top.as_str())
    );
    assert_eq!(ran.json()["totals"]["updated"], 2);
    let ran = copy().await.well();
    assert_eq!(ran.json()["totals"]["unchanged"], 2);
    // By digest there is no tag to take over.
    let by_digest = format!("{UPSTREAM}@{}", pushed.top);
    let ran = world.keeper(&["copy", &by_digest, &targets[1]]).ran().await.code_is(2);
    assert!(ran.stderr.contains("is given no tag"), "{}", ran.stderr);
    world
        .keeper(&["copy", &by_digest, &format!("{}:again", targets[1])])
        .ran()
        .await
        .well();
    let ran = world
        .keeper(&["copy", "upper/CASE", &targets[0]])
        .ran()
        .await
        .code_is(2);
    assert!(ran.stderr.contains("upper/CASE"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dead_target_of_a_copy_leaves_the_others_alone() {
    let world = world().await;
    let pushed = world.upstream(UPSTREAM, "1", tiny("1")).await;
    world.lab.ecr().create_repository("by/hand");
    let copy = async |source: &str| {
        let targets = ["127.0.0.1:9/by/hand:1".to_owned(), world.target("by/hand:1")];
        let run = world.keeper(&["copy", source, &targets[0], &targets[1], "--output", "json"]);
        run.ran().await.code_is(1)
    };
    let ran = copy(&format!("{UPSTREAM}:1")).await;
    assert_eq!(ran.outcome("127.0.0.1:9/by/hand:1"), "failed");
    assert_eq!(ran.outcome(&world.target("by/hand:1")), "updated");
    assert_eq!(world.digest_in_ecr("by/hand", "1"), pushed.top);
    // Nor is any target left out where the source is not there.
    let ran = copy(&format!("{UPSTREAM}:none")).await;
    assert_eq!(ran.json()["totals"]["failed"], 2, "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_target_delays_the_others_within_a_bound() {
    let world = world().await;
    let image = Image::new(Platform::amd64()).layer(Layer::random(1, 40_000_000));
    let pushed = world.upstream(UPSTREAM, "1", image).await;
    let slow = plain(&world, RegistryOptions::default()).await;
    world.lab.ecr().create_repository("by/hand");
    let source = format!("{UPSTREAM}:1");
    let there = format!("{}/by/hand:1", slow.host());
    // It takes none of a blob until it is let, and is then no slower than the other.
    slow.front().fault(Fault::new("/uploads/", Act::Hold).method("PUT"));
    let run = world.keeper(&["copy", &source, &world.target("by/hand:1"), &there, "--output", "json"]);
    let running = run.env("ECR_KEEPER_TIMEOUTS__ANSWER", "2s").started();
    world.held(slow.front()).await;
    let is_tagged = async {
        while world.lab.ecr().digest_of("by/hand", "1").is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let is_tagged = tokio::time::timeout(Duration::from_secs(60), is_tagged);
    is_tagged
        .await
        .expect("the other target is done while this one is held");
    assert_eq!(world.digest_in_ecr("by/hand", "1"), pushed.top);
    let place = Place::of(slow.front());
    assert_eq!(place.digest_of("by/hand", "1").await.unwrap(), None);
    slow.front().clear_faults();
    slow.front().release();
    // Behind by so much in all, it got its blob by itself.
    let ran = running.end().await.well();
    assert_eq!(ran.json()["totals"]["updated"], 2, "{}", ran.stdout);
    assert_eq!(place.digest_of("by/hand", "1").await.unwrap(), Some(pushed.top));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_target_gets_its_blob_by_itself() {
    let world = world().await;
    let image = Image::new(Platform::amd64()).layer(Layer::random(1, 40_000_000));
    let pushed = world.upstream(UPSTREAM, "1", image).await;
    let slow = plain(&world, RegistryOptions::default()).await;
    world.lab.ecr().create_repository("by/hand");
    slow.front().fault(
        Fault::new("/uploads/", Act::SlowBody(Duration::from_millis(300)))
            .method("PUT")
            // Of the config and of the layer.
            .times(2),
    );
    let source = format!("{UPSTREAM}:1");
    let there = format!("{}/by/hand:1", slow.host());
    let run = world.keeper(&["copy", &source, &world.target("by/hand:1"), &there, "--output", "json"]);
    let ran = run.env("ECR_KEEPER_TIMEOUTS__ANSWER", "2s").ran().await.well();
    assert_eq!(ran.json()["totals"]["updated"], 2, "{}", ran.stdout);
    assert_eq!(world.digest_in_ecr("by/hand", "1"), pushed.top);
    let read = layers(world.lab.upstream());
    assert_eq!(
        read.len(),
        3,
        "the config once, and the layer once more for the slow one: {read:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_failed_gets_nothing_more() {
    let world = world().await;
    let image = (0..12).fold(Image::new(Platform::amd64()), |image, seed| {
        image.layer(Layer::random(seed, 50_000))
    });
    let pushed = world.upstream(UPSTREAM, "1", image).await;
    let ill = plain(&world, RegistryOptions::default()).await;
    world.lab.ecr().create_repository("by/hand");
    ill.front()
        .fault(Fault::new("/uploads/", Act::status(400, "UNSUPPORTED", "not today")).method("PUT"));
    let there = format!("{}/by/hand:1", ill.host());
    let run = world.keeper(&[
        "copy",
        &format!("{UPSTREAM}:1"),
        &world.target("by/hand:1"),
        &there,
        "--output",
        "json",
    ]);
    let run = run.env("ECR_KEEPER_DIRECT__CONNECTIONS", "3");
    let ran = run.ran().await.code_is(1);
    assert_eq!(ran.outcome(&there), "failed");
    assert_eq!(world.digest_in_ecr("by/hand", "1"), pushed.top);
    let tried = asked(ill.front(), |request| request.method == "PUT");
    // Of thirteen blobs: those that were on their way when the first was refused.
    assert!(tried.len() <= 3, "{tried:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_targets_than_connections_are_fed_in_turn() {
    let world = world().await;
    let pushed = world.upstream(UPSTREAM, "1", tiny("1")).await;
    let names: Vec<String> = (0..5).map(|number| format!("by/hand-{number}")).collect();
    for name in &names {
        world.lab.ecr().create_repository(name);
    }
    let source = format!("{UPSTREAM}:1");
    let targets: Vec<String> = names.iter().map(|name| world.target(&format!("{name}:1"))).collect();
    let mut arguments = vec!["copy", &source];
    arguments.extend(targets.iter().map(String::as_str));
    world
        .keeper(&arguments)
        .env("ECR_KEEPER_DIRECT__CONNECTIONS", "3")
        .ran()
        .await
        .well();
    for name in &names {
        assert_eq!(world.digest_in_ecr(name, "1"), pushed.top);
    }
    // A config and a layer, each for two, two and one.
    assert_eq!(layers(world.lab.upstream()).len(), 2 * 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_refuses_a_layer_at_first_gets_it_by_a_later_try() {
    let world = world().await;
    let image = Image::new(Platform::amd64()).layer(Layer::random(1, 40_000_000));
    let pushed = world.upstream(UPSTREAM, "1", image).await;
    world.lab.ecr().create_repository("by/hand");
    let front = world.lab.ecr().front();
    front.fault(
        Fault::new("/uploads/", Act::status(503, "UNAVAILABLE", "later"))
            .method("PUT")
            .times(3),
    );
    // The reads of earlier tries have to have ended: the upstream answers one request at a time.
    let host = world.lab.upstream().host();
    let settings = format!("registries: {{'{host}': {{plain_http: true, concurrency: 1}}}}\n");
    std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let source = format!("{host}/{UPSTREAM}:1");
    let run = world.keeper(&["copy", &source, &world.target("by/hand:1"), "--output", "json"]);
    let ran = run.env("ECR_KEEPER_RETRY__TRIES", "5").ran().await.well();
    assert_eq!(ran.json()["totals"]["updated"], 1);
    assert_eq!(world.digest_in_ecr("by/hand", "1"), pushed.top);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_target_that_takes_nothing_is_told_of_as_such() {
    let world = world().await;
    let image = Image::new(Platform::amd64()).layer(Layer::random(1, 40_000_000));
    world.upstream(UPSTREAM, "1", image).await;
    world.lab.ecr().create_repository("by/hand");
    let front = world.lab.ecr().front();
    front.fault(Fault::new("/uploads/", Act::Hold).method("PUT"));
    let run = world.keeper(&["copy", "app:1", &world.target("by/hand:1")]);
    let run = run
        .env("ECR_KEEPER_TIMEOUTS__TRANSFER", "2s")
        .env("ECR_KEEPER_RETRY__TRIES", "1");
    let ran = run.ran().await.code_is(1);
    assert!(ran.stdout.contains("it took none of a layer for 2 s"), "{}", ran.stdout);
}
