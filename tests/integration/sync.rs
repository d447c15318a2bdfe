use ecr_lab::images::{Compression, Format, Image, Layer, Platform, multi, tiny};
use ecr_lab::{Act, ApiFault, Fault, LabOptions};

use crate::support::World;

const REPOSITORY: &str = "base/image/busybox";
const UPSTREAM: &str = "library/busybox";

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_image_is_pushed_and_the_next_run_pulls_and_pushes_nothing() {
    let world = World::new().await;
    let new = world.upstream(UPSTREAM, "1.36", multi("new")).await;
    world.ecr(REPOSITORY, "1.36", tiny("old")).await;
    let same = world.upstream(UPSTREAM, "1.35", tiny("same")).await;
    world.ecr(REPOSITORY, "1.35", tiny("same")).await;

    let first = world.sync().await.well();
    assert_eq!(first.outcome("busybox:1.36"), "updated");
    assert_eq!(first.outcome("busybox:1.35"), "unchanged");
    assert_eq!(world.config_in_ecr(REPOSITORY, "1.36"), new.children[0].config);
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1.35"), same.top);
    let reported = first.image("busybox:1.36");
    assert_eq!(reported["digest_after"], world.digest_in_ecr(REPOSITORY, "1.36"));
    assert_eq!(reported["upstream_digest"], new.top);
    assert!(
        !world.pulled_layers().is_empty() && !world.pushes().is_empty(),
        "the logs see what they should"
    );

    world.forget_requests();
    let second = world.sync().await.well();
    assert_eq!(second.outcome("busybox:1.36"), "unchanged");
    assert_eq!(world.pulled_layers(), [""; 0]);
    assert_eq!(world.pushes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_ledger_nothing_is_pushed_again() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "1.36", multi("new")).await;
    world.ecr(REPOSITORY, "1.36", tiny("old")).await;
    world.sync().await.well();
    let digest = world.digest_in_ecr(REPOSITORY, "1.36");

    std::fs::remove_file(world.ledger()).unwrap();
    world.forget_requests();
    let again = world.sync().await.well();
    assert_eq!(again.outcome("busybox:1.36"), "unchanged");
    assert_eq!(world.pushes(), [""; 0]);
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1.36"), digest);

    // What the pull told is remembered.
    world.forget_requests();
    world.sync().await.well();
    assert_eq!(world.pulled_layers(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_a_daemon_packed_again_is_not_pushed() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "1", tiny("same")).await;
    let held = world
        .ecr(REPOSITORY, "1", tiny("same").packed(Compression::Gzip(1)))
        .await;

    let ran = world.sync().await.well();
    assert_eq!(ran.outcome("busybox:1"), "unchanged");
    assert_eq!(world.pushes(), [""; 0]);
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), held.top);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_tags_over_many_pages_are_all_looked_after() {
    let world = World::with(LabOptions {
        page_size: 2,
        ..LabOptions::default()
    })
    .await;
    for number in 0..60 {
        let tag = format!("1.{number}");
        world.upstream(UPSTREAM, &tag, tiny(&tag)).await;
        world
            .ecr(REPOSITORY, &tag, tiny(if number == 41 { "old" } else { &tag }))
            .await;
    }
    for name in ["a", "b", "c"] {
        world.ecr(&format!("base/image/{name}"), "1", tiny(name)).await;
        world.upstream(&format!("library/{name}"), "1", tiny(name)).await;
    }
    world.ecr("other/busybox", "1", tiny("not the keyword's")).await;

    let ran = world.sync().await.well();
    assert_eq!(ran.json()["totals"]["updated"], 1);
    assert_eq!(ran.json()["totals"]["unchanged"], 62);
    assert_eq!(ran.json()["repositories"], 4);
    assert_eq!(ran.outcome("busybox:1.41"), "updated");
    let pages = world.lab.ecr().api_requests();
    let pages = pages
        .iter()
        .filter(|request| request.action == "DescribeImages")
        .count();
    assert!(
        pages >= 33,
        "60 tags by twos are thirty pages, and three more repositories: {pages}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn several_platforms_in_ecr_are_refused_unless_one_is_asked_for() {
    let world = World::new().await;
    let new = world.upstream(UPSTREAM, "1", multi("new")).await;
    let held = world.ecr(REPOSITORY, "1", multi("old")).await;
    world.upstream(UPSTREAM, "2", multi("same")).await;
    world.ecr(REPOSITORY, "2", multi("same")).await;

    let ran = world.sync().await.code_is(1);
    assert_eq!(ran.outcome("busybox:2"), "unchanged");
    let refused = ran.image("busybox:1");
    assert_eq!(refused["outcome"], "refused");
    assert!(
        refused["reason"].as_str().unwrap().contains("linux/amd64, linux/arm64"),
        "{refused}"
    );
    assert!(
        refused["failure"]["hint"].as_str().unwrap().contains("platforms"),
        "{refused}"
    );
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), held.top);

    let asked = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_PLATFORMS", "linux/arm64")
        .ran()
        .await
        .well();
    assert_eq!(asked.outcome("busybox:1"), "updated");
    assert_eq!(world.config_in_ecr(REPOSITORY, "1"), new.children[1].config);
    assert_eq!(asked.outcome("busybox:2"), "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_keeps_the_platform_that_it_has() {
    let world = World::new().await;
    let new = world.upstream(UPSTREAM, "1", multi("new")).await;
    let arm = Image::new(Platform::arm64()).layer(Layer::new().file("old", b"old"));
    world.ecr(REPOSITORY, "1", arm).await;
    world.ecr(REPOSITORY, "2", tiny("old")).await;
    let both = world.upstream(UPSTREAM, "2", multi("new")).await;
    // Of an OCI manifest this daemon tells no platform without a pull.
    world.upstream(UPSTREAM, "3", multi("new")).await;
    let oci = Image::new(Platform::arm64()).format(Format::Oci);
    world
        .ecr(REPOSITORY, "3", oci.layer(Layer::new().file("old", b"older")))
        .await;
    assert_eq!(new.top, both.top, "one index for two tags, a platform each");

    world.sync().await.well();
    assert_eq!(world.config_in_ecr(REPOSITORY, "1"), new.children[1].config);
    assert_eq!(world.config_in_ecr(REPOSITORY, "2"), new.children[0].config);
    assert_eq!(world.config_in_ecr(REPOSITORY, "3"), new.children[1].config);
    assert_eq!(world.local_images().await, [].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_vanished_upstream_is_refused_or_kept() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "1", tiny("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let held = world.ecr(REPOSITORY, "0.9", tiny("ancient")).await;

    let ran = world.sync().await.code_is(1);
    assert_eq!(ran.outcome("busybox:1"), "updated");
    let gone = ran.image("busybox:0.9");
    assert_eq!(gone["outcome"], "refused");
    assert_eq!(gone["reason"], "upstream docker.io/library/busybox:0.9 does not exist");
    assert_eq!(world.digest_in_ecr(REPOSITORY, "0.9"), held.top);

    let kept = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_MISSING_UPSTREAM", "keep")
        .ran()
        .await
        .well();
    assert_eq!(kept.outcome("busybox:0.9"), "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn untagged_images_are_counted_and_passed_over() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "1", tiny("b")).await;
    world.ecr(REPOSITORY, "1", tiny("a")).await;
    world.ecr(REPOSITORY, "1", tiny("b")).await;

    let ran = world.sync().await.well();
    assert_eq!(ran.json()["untagged"], 1);
    assert_eq!(ran.json()["images"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_image_that_fails_leaves_the_others_alone() {
    let world = World::new().await;
    for tag in ["1", "2", "3"] {
        world.upstream(UPSTREAM, tag, tiny(&format!("new {tag}"))).await;
        world.ecr(REPOSITORY, tag, tiny("old")).await;
    }
    let broken = Fault::new("/v2/base/image/busybox/manifests/2", Act::status(500, "UNKNOWN", "ill")).method("PUT");
    world.lab.ecr().front().fault(broken);
    let held = world.digest_in_ecr(REPOSITORY, "2");

    let ran = world.sync().await.code_is(1);
    assert_eq!(ran.outcome("busybox:1"), "updated");
    assert_eq!(ran.outcome("busybox:2"), "failed");
    assert_eq!(ran.outcome("busybox:3"), "updated");
    assert_eq!(world.digest_in_ecr(REPOSITORY, "2"), held);
    assert_eq!(world.local_images().await, [].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing_anywhere() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "1", multi("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let held = world.digest_in_ecr(REPOSITORY, "1");

    let planned = world.keeper(&["plan", "--output", "json"]).ran().await.well().json();
    let dry = world
        .keeper(&["sync", "--dry-run", "--output", "json"])
        .ran()
        .await
        .well()
        .json();
    assert_eq!(planned, dry);
    let action = &planned["stages"][0][0];
    assert_eq!(action["action"], "copy");
    assert_eq!(action["because"], "only-a-pull-tells");
    assert_eq!(action["target_digest"], held);
    assert_eq!(action["brings"]["platform"], "linux/amd64");

    assert_eq!(world.pulled_layers(), [""; 0]);
    assert_eq!(world.pushes(), [""; 0]);
    assert_eq!(world.local_images().await, [].into());
    let left: Vec<_> = std::fs::read_dir(world.folder()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), held);
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_are_compared_by_a_pull_where_the_manifest_may_not_be_read() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "1", tiny("same")).await;
    world
        .ecr(REPOSITORY, "1", tiny("same").packed(Compression::Gzip(1)))
        .await;
    world.lab.ecr().api_fault(ApiFault::access_denied("BatchGetImage"));

    let ran = world.sync().await.well();
    assert_eq!(ran.outcome("busybox:1"), "unchanged");
    assert!(ran.stderr.contains("BatchGetImage"), "{}", ran.stderr);
    assert_eq!(world.pushes(), [""; 0]);
    assert_eq!(world.local_images().await, [].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn compare_pull_asks_ecr_for_no_manifest() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "1", tiny("same")).await;
    world
        .ecr(REPOSITORY, "1", tiny("same").packed(Compression::Gzip(1)))
        .await;
    world.upstream(UPSTREAM, "2", tiny("new")).await;
    world.ecr(REPOSITORY, "2", tiny("old")).await;

    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_DOCKER__COMPARE", "pull");
    let ran = run.ran().await.well();
    assert_eq!(ran.outcome("busybox:1"), "unchanged");
    assert_eq!(ran.outcome("busybox:2"), "updated");
    let asked = world.lab.ecr().api_requests();
    assert!(
        asked.iter().all(|request| request.action != "BatchGetImage"),
        "{asked:?}"
    );
    assert_eq!(world.local_images().await, [].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_is_the_account_s_own_where_none_is_named() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "1", tiny("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    world.lab.ecr().api_fault(ApiFault::throttling("DescribeImages", 2));

    let ran = world
        .keeper(&["sync", "--output", "json"])
        .without("ECR")
        .ran()
        .await
        .well();
    assert_eq!(ran.json()["registry"], world.lab.ecr().host());
    assert_eq!(ran.outcome("busybox:1"), "updated");
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_are_named_by_the_repository_or_by_hand() {
    let world = World::new().await;
    for (target, upstream) in [
        ("base/image/grafana/grafana", "grafana/grafana"),
        ("base/image/quay.io/prometheus/prometheus", "prometheus/prometheus"),
        ("base/image/db", "acme/postgres"),
    ] {
        world.upstream(upstream, "1", tiny(upstream)).await;
        world.ecr(target, "1", tiny("old")).await;
    }
    world.ecr("base/image", "1", tiny("nothing is left of this name")).await;
    std::fs::write(
        world.folder().join("settings.yaml"),
        "discovery: { upstream: { base/image/db: acme/postgres } }\n",
    )
    .unwrap();

    let ran = world.sync().await.code_is(1);
    assert_eq!(ran.json()["totals"]["updated"], 3);
    assert_eq!(
        ran.image("quay.io/prometheus/prometheus:1")["upstream"],
        "quay.io/prometheus/prometheus:1"
    );
    assert!(ran.failure().contains("discovery.upstream"), "{}", ran.failure());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_needs_a_login_takes_it_from_docker_s_configuration() {
    let world = World::new().await;
    world.lab.upstream().require_login("puller", "pull>~?word");
    world.upstream(UPSTREAM, "1", tiny("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;

    let refused = world.sync().await.code_is(1);
    let image = refused.image("busybox:1");
    assert_eq!(image["outcome"], "failed");
    assert!(
        image["failure"]["message"]
            .as_str()
            .unwrap()
            .contains("upstream docker.io/library/busybox:1"),
        "{image}"
    );
    assert!(
        image["failure"]["hint"].as_str().unwrap().contains("docker login"),
        "{image}"
    );

    // "puller:pull>~?word" in base64, whose standard alphabet has a `+` and `/` there.
    let folder = world.folder().join(".docker");
    std::fs::create_dir(&folder).unwrap();
    let auth = "cHVsbGVyOnB1bGw+fj93b3Jk";
    let config = format!(
        r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#,
        world.lab.upstream().host()
    );
    std::fs::write(folder.join("config.json"), config).unwrap();
    assert_eq!(world.sync().await.well().outcome("busybox:1"), "updated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_image_of_another_platform_is_not_taken_for_the_wanted_one() {
    let world = World::new().await;
    // The daemon's look-up tells no platform of an OCI manifest: the pull does.
    let oci = |platform, text: &[u8]| {
        Image::new(platform)
            .format(Format::Oci)
            .layer(Layer::new().file("etc/lab", text))
    };
    world
        .upstream(UPSTREAM, "1", oci(Platform::amd64(), b"amd64 alone"))
        .await;
    let arm = oci(Platform::arm64(), b"old");
    let held = world.ecr(REPOSITORY, "1", arm).await;

    let ran = world.sync().await.code_is(1);
    let image = ran.image("busybox:1");
    assert_eq!(image["outcome"], "failed");
    let message = image["failure"]["message"].as_str().unwrap();
    assert!(
        message.contains("it is for linux/amd64, not for linux/arm64"),
        "{message}"
    );
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), held.top);
    assert_eq!(world.local_images().await, [].into());
}
