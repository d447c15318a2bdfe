//! What is not asked, and what is left alone.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_unchanged_tags_cost_a_thousand_heads_and_one_listing() {
    let world = world().await;
    let image = tiny("the same");
    let pushed = world.upstream(UPSTREAM, "t0", tiny("the same")).await;
    world.ecr(REPOSITORY, "t0", image).await;
    let manifest = world.lab.ecr().manifest(REPOSITORY, &pushed.top).unwrap();
    let (upstream, ecr) = (Place::of(world.lab.upstream()), Place::ecr(world.lab.ecr()));
    for at in 1..1000 {
        let tag = format!("t{at}");
        upstream
            .put_manifest(UPSTREAM, &tag, &pushed.media_type, &manifest)
            .await
            .unwrap();
        ecr.put_manifest(REPOSITORY, &tag, &pushed.media_type, &manifest)
            .await
            .unwrap();
    }
    world.forget_requests();
    let ran = world.sync().await.well();
    assert_eq!(ran.json()["totals"]["unchanged"], 1000);
    let upstream = asked(world.lab.upstream(), |request| request.path != "/v2/");
    assert_eq!(upstream.len(), 1000);
    assert!(upstream.iter().all(|request| request.starts_with("HEAD ")));
    assert_eq!(
        asked(world.lab.ecr().front(), |request| request.path != "/v2/"),
        [""; 0]
    );
    assert!(
        world
            .lab
            .ecr()
            .api_requests()
            .iter()
            .all(|request| request.action.starts_with("Describe") || request.action == "GetAuthorizationToken")
    );

    // Tags that never move cost nothing at all.
    world.forget_requests();
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_IMMUTABLE_TAGS", "t\\d+");
    let ran = run.ran().await.well();
    assert_eq!(
        ran.image("app:t7")["reason"],
        "immutable_tags says that this tag never moves"
    );
    assert_eq!(asked(world.lab.upstream(), |request| request.path != "/v2/"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn immutable_repositories_keep_what_they_have_and_say_so() {
    let world = world().await;
    let ecr = world.lab.ecr();
    ecr.create_immutable_repository("base/image/fixed");
    ecr.create_immutable_repository_except("base/image/mostly", &["dev-*"]);
    let same = world.upstream("library/fixed", "same", tiny("same")).await;
    world.upstream("library/fixed", "moved", tiny("new")).await;
    world.upstream("library/mostly", "dev-1", tiny("new")).await;
    world.ecr("base/image/fixed", "same", tiny("same")).await;
    world.ecr("base/image/fixed", "moved", tiny("old")).await;
    world.ecr("base/image/mostly", "dev-1", tiny("old")).await;
    world.forget_requests();
    let ran = world.sync().await.code_is(1);
    assert_eq!(ran.outcome("fixed:same"), "unchanged");
    assert_eq!(ran.outcome("fixed:moved"), "refused");
    let why = ran.image("fixed:moved")["failure"]["message"].to_string();
    assert!(why.contains("does not let its tags move"), "{why}");
    assert_eq!(ran.outcome("mostly:dev-1"), "updated");
    assert_eq!(world.digest_in_ecr("base/image/fixed", "same"), same.top);
    let puts = writes(world.lab.ecr().front());
    assert!(puts.iter().all(|request| request.contains("/mostly/")), "{puts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_of_a_pull_through_cache_are_left_alone() {
    let world = world().await;
    world
        .lab
        .ecr()
        .pull_through_cache("base/image/docker-hub", "registry-1.docker.io");
    world
        .ecr("base/image/docker-hub/library/app", "1", tiny("cached"))
        .await;
    world.ecr(REPOSITORY, "1", tiny("own")).await;
    world.upstream(UPSTREAM, "1", tiny("own")).await;
    let ran = world.sync().await.well();
    assert_eq!(
        ran.json()["cached"],
        serde_json::json!(["base/image/docker-hub/library/app"])
    );
    assert_eq!(ran.json()["images"].as_array().unwrap().len(), 1);
    let text = world.keeper(&["sync"]).ran().await.well();
    assert!(
        text.stdout.contains("is a pull-through cache, which ECR keeps current"),
        "{}",
        text.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_only_compares_nothing() {
    let world = world().await;
    world.upstream(UPSTREAM, "1", tiny("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    world.forget_requests();
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_COMPARE", "missing-only");
    let ran = run.ran().await.well();
    assert_eq!(ran.image("app:1")["reason"], "it is there, and compare is missing-only");
    assert_eq!(asked(world.lab.upstream(), |_| true), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_the_docker_engine_names_this_way() {
    let world = world().await;
    world.ecr(REPOSITORY, "1", tiny("1")).await;
    let run = world.keeper(&["plan", "--engine", "docker"]).env("KEYWORD", KEYWORD);
    let run = run.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    let ran = run.ran().await.code_is(1);
    assert!(ran.stderr.contains("--engine direct"), "{}", ran.stderr);
}

fn of_twelve_layers() -> Image {
    let image = Image::new(Platform::amd64()).format(Format::Oci);
    (0..12).fold(image, |image, seed| image.layer(Layer::random(seed, 50_000)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_without_tags_is_not_asked_for_each_blob() {
    let world = world().await;
    let pushed = world.upstream(UPSTREAM, "1", of_twelve_layers()).await;
    world.lab.ecr().create_repository("by/hand");
    let front = world.lab.ecr().front();
    let blobs = || {
        asked(front, |request| {
            request.method == "HEAD" && request.path.contains("/blobs/")
        })
    };
    world.forget_requests();
    let copy = |tag: &str| world.keeper(&["copy", "app:1", &world.target(&format!("by/hand:{tag}"))]);
    copy("1").ran().await.well();
    assert_eq!(world.digest_in_ecr("by/hand", "1"), pushed.top);
    assert_eq!(blobs().len(), 4, "{:?}", blobs());
    // One that has a tag may have any of them.
    let other = of_twelve_layers().layer(Layer::random(99, 50_000));
    world.upstream(UPSTREAM, "1", other).await;
    world.forget_requests();
    copy("2").ran().await.well();
    let uploads = asked(front, |request| {
        request.method == "PUT" && request.path.contains("/uploads/")
    });
    assert_eq!(uploads.len(), 2, "the new layer and its config: {uploads:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_that_was_cut_short_left_in_a_new_repository_is_not_sent_again() {
    let world = world().await;
    let pushed = world.upstream(UPSTREAM, "1", of_twelve_layers()).await;
    world.lab.ecr().create_repository("by/hand");
    let front = world.lab.ecr().front();
    front.fault(Fault::new("/manifests/", Act::Hold).method("PUT"));
    let copy = || world.keeper(&["copy", "app:1", &world.target("by/hand:1")]);
    let running = copy().started();
    world.held(front).await;
    running.signal("KILL");
    running.end().await;
    front.clear_faults();
    world.forget_requests();
    copy().ran().await.well();
    assert_eq!(world.digest_in_ecr("by/hand", "1"), pushed.top);
    assert_eq!(asked(front, |request| request.path.contains("/uploads/")), [""; 0]);
}
