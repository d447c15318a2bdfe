//! Every kind of image through every kind of daemon: what comes out is what the facts about daemons say.

use bollard::query_parameters::{CreateImageOptionsBuilder, TagImageOptionsBuilder};
use ecr_lab::images::{Compression, Format, Image, Index, IndexKind, Layer, Platform, Pushed, multi, tiny};
use ecr_lab::{Act, Fault, Store};
use futures::TryStreamExt;

use crate::support::{World, on_every_store};

const REPOSITORY: &str = "base/image/busybox";
const UPSTREAM: &str = "library/busybox";

fn oci(text: &str) -> Image {
    Image::new(Platform::amd64())
        .format(Format::Oci)
        .layer(Layer::new().file("etc/lab", text.as_bytes()))
}

fn zstd(text: &str) -> Image {
    let layer = Layer::new().file("etc/lab", text.as_bytes());
    Image::new(Platform::amd64())
        .format(Format::Oci)
        .layer(layer.compression(Compression::Zstd))
}

fn list() -> Index {
    let layer = |text: &str| Layer::new().file("etc/lab", text.as_bytes());
    Index::new(IndexKind::DockerList)
        .image(Image::new(Platform::amd64()).layer(layer("list amd64")))
        .image(Image::new(Platform::arm64()).layer(layer("list arm64")))
}

/// One of each kind upstream, and an older single image of each in ECR. What no daemon here can run is last.
async fn every_kind(world: &World) -> Vec<(&'static str, Pushed)> {
    let only_arm = Index::new(IndexKind::Oci).image(
        Image::new(Platform::arm64())
            .format(Format::Oci)
            .layer(Layer::new().file("etc/lab", b"arm")),
    );
    let annotated = oci("oci").annotation("org.example.note", "kept or lost");
    let kinds = vec![
        ("schema2", world.upstream(UPSTREAM, "schema2", tiny("schema2")).await),
        ("oci", world.upstream(UPSTREAM, "oci", annotated).await),
        ("index", world.upstream(UPSTREAM, "index", multi("index")).await),
        ("list", world.upstream(UPSTREAM, "list", list()).await),
        (
            "attested",
            world.upstream(UPSTREAM, "attested", multi("attested").attested()).await,
        ),
        ("zstd", world.upstream(UPSTREAM, "zstd", zstd("zstd")).await),
        ("only-arm", world.upstream(UPSTREAM, "only-arm", only_arm).await),
    ];
    for (tag, _) in &kinds {
        world.ecr(REPOSITORY, tag, tiny("old")).await;
    }
    kinds
}

/// Which kinds do not come, how that ends, and what is said of them.
fn failing(store: Store) -> Vec<(&'static str, &'static str, &'static str)> {
    let mut failing = vec![("only-arm", "refused", "has no image for linux/amd64")];
    if store == Store::Classic {
        failing.push((
            "zstd",
            "failed",
            "pull upstream docker.io/library/busybox:zstd: failed to register layer",
        ));
    }
    failing
}

on_every_store! {
    /// docker-digests.md, section 1.
    async fn every_kind_of_image_comes_through_as_the_store_allows(world: World) {
        let store = world.dockerd().store();
        let kinds = every_kind(&world).await;
        let old = world.digest_in_ecr(REPOSITORY, "zstd");

        let ran = world.sync().await.code_is(1);
        let fails = failing(store);
        for (tag, pushed) in &kinds {
            let target = format!("busybox:{tag}");
            if let Some((_, outcome, says)) = fails.iter().find(|(failing, ..)| failing == tag) {
                let image = ran.image(&target);
                assert_eq!(image["outcome"], *outcome, "{tag}");
                let message = image["failure"]["message"].as_str().unwrap();
                assert!(message.contains(says), "{message}");
                assert_eq!(world.digest_in_ecr(REPOSITORY, tag), old, "{tag}");
                continue;
            }
            assert_eq!(ran.outcome(&target), "updated", "{tag}: {}", ran.stdout);
            let amd64 = &pushed.children[0];
            assert_eq!(world.config_in_ecr(REPOSITORY, tag), amd64.config, "{tag}");
            let same = world.digest_in_ecr(REPOSITORY, tag) == amd64.digest;
            assert_eq!(same, store == Store::Containerd, "{tag}: only containerd's store keeps the manifest");
        }
        assert_eq!(world.local_images().await, [].into());

        // What a daemon made of it is not a change: nothing is pushed for ever.
        world.forget_requests();
        std::fs::remove_file(world.ledger()).unwrap();
        world.sync().await.code_is(1);
        assert_eq!(world.pushes(), [""; 0]);
        assert_eq!(world.local_images().await, [].into());
    }

    async fn all_platforms_come_where_the_store_keeps_an_index_and_are_refused_elsewhere(world: World) {
        let kinds = [
            ("index", world.upstream(UPSTREAM, "index", multi("index")).await),
            ("list", world.upstream(UPSTREAM, "list", list()).await),
            ("attested", world.upstream(UPSTREAM, "attested", multi("attested").attested()).await),
            ("single", world.upstream(UPSTREAM, "single", tiny("single")).await),
        ];
        let before = world.ecr(REPOSITORY, "index", multi("old")).await.top;
        for tag in ["list", "attested", "single"] {
            world.ecr(REPOSITORY, tag, tiny("old")).await;
        }
        let all = || world.keeper(&["sync", "--output", "json"]).env("ECR_KEEPER_PLATFORMS", "all");
        let ran = all().ran().await;
        assert_eq!(ran.outcome("busybox:single"), "updated");
        if world.dockerd().store() != Store::Containerd {
            for tag in ["index", "list", "attested"] {
                let image = ran.image(&format!("busybox:{tag}"));
                assert_eq!(image["outcome"], "refused", "{tag}");
                assert!(image["failure"]["message"].as_str().unwrap().contains("one at a time"), "{image}");
            }
            assert_eq!(world.digest_in_ecr(REPOSITORY, "index"), before);
            return;
        }
        ran.well();
        for (tag, pushed) in &kinds {
            assert_eq!(world.digest_in_ecr(REPOSITORY, tag), pushed.top, "{tag}");
        }
        assert_eq!(world.local_images().await, [].into());
        world.forget_requests();
        std::fs::remove_file(world.ledger()).unwrap();
        all().ran().await.well();
        assert_eq!(world.pushes(), [""; 0]);
        assert_eq!(world.pulled_layers(), [""; 0]);
    }

    async fn several_platforms_in_ecr_are_never_replaced_by_one_unasked(world: World) {
        let new = world.upstream(UPSTREAM, "1", multi("new").attested()).await;
        let held = world.ecr(REPOSITORY, "1", multi("old")).await;
        let ran = world.sync().await;
        match world.dockerd().store() {
            Store::Containerd => {
                assert_eq!(ran.well().outcome("busybox:1"), "updated");
                assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), new.top, "an index stays one");
            }
            Store::Classic | Store::Podman => {
                assert_eq!(ran.code_is(1).outcome("busybox:1"), "refused");
                assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), held.top);
            }
        }
        assert_eq!(world.local_images().await, [].into());
    }

    async fn an_arm64_copy_stays_one(world: World) {
        let arm64 = |text: &str| Image::new(Platform::arm64()).format(Format::Oci)
            .layer(Layer::new().file("etc/lab", text.as_bytes()));
        let new = world.upstream(UPSTREAM, "1", multi("new")).await;
        world.ecr(REPOSITORY, "1", arm64("old")).await;
        world.upstream(UPSTREAM, "2", tiny("amd64")).await;
        let held = world.ecr(REPOSITORY, "2", arm64("old")).await;
        let ran = world.sync().await.code_is(1);
        assert_eq!(ran.outcome("busybox:1"), "updated", "{}", ran.stdout);
        assert_eq!(world.config_in_ecr(REPOSITORY, "1"), new.children[1].config);
        let other = ran.image("busybox:2");
        assert!(other["failure"]["message"].as_str().unwrap().contains("linux/arm64"), "{other}");
        assert_eq!(world.digest_in_ecr(REPOSITORY, "2"), held.top);
    }

    /// A question about the target through the daemon takes it several requests to the registry.
    async fn the_registry_is_asked_through_the_daemon_for_what_the_listing_and_the_config_leave_open(world: World) {
        world.upstream(UPSTREAM, "single", multi("new")).await;
        world.ecr(REPOSITORY, "single", tiny("old")).await;
        world.upstream(UPSTREAM, "index", multi("new")).await;
        world.ecr(REPOSITORY, "index", multi("old")).await;
        world.forget_requests();
        let run = world.keeper(&["plan", "--output", "json", "--only", "base/image/busybox:single"]);
        let plan = run.ran().await.well().json();
        assert_eq!(plan["stages"][0][0]["brings"]["platform"], "linux/amd64");
        let asked = || {
            let requests = world.lab.ecr().front().requests().into_iter();
            let paths = requests.map(|request| request.path);
            paths.filter(|path| path.contains("/manifests/")).collect::<Vec<_>>()
        };
        assert_eq!(asked(), [""; 0]);
        world.keeper(&["plan", "--only", "base/image/busybox:index"]).ran().await;
        assert_ne!(asked(), [""; 0], "an index tells its platforms");
    }

    async fn a_tag_that_is_missing_and_a_registry_without_a_login_read_the_same(world: World) {
        world.ecr(REPOSITORY, "gone", tiny("old")).await;
        world.upstream(UPSTREAM, "1", tiny("new")).await;
        world.ecr(REPOSITORY, "1", tiny("old")).await;
        let ran = world.sync().await.code_is(1);
        assert_eq!(ran.outcome("busybox:gone"), "refused");
        assert_eq!(ran.outcome("busybox:1"), "updated");

        world.lab.upstream().require_login("puller", "sesame");
        world.upstream(UPSTREAM, "1", tiny("newer")).await;
        let ran = world.sync().await.code_is(1);
        let hint = ran.image("busybox:1")["failure"]["hint"].to_string();
        assert!(hint.contains("docker login"), "{hint}");

        let host = world.lab.upstream().host();
        let settings = format!("registries:\n  \"{host}\": {{ username: puller, password: sesame }}\n");
        std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
        let ran = world.sync().await.code_is(1);
        assert_eq!(ran.outcome("busybox:1"), "updated", "{}", ran.stdout);
    }
}

on_every_store! {
    async fn somebodys_tag_of_the_same_image_stays_alone(world: World) {
        let docker = world.docker();
        world.upstream(UPSTREAM, "1", multi("new")).await;
        world.upstream(UPSTREAM, "same", multi("new")).await;
        world.ecr(REPOSITORY, "1", tiny("old")).await;
        let options = CreateImageOptionsBuilder::default()
            .from_image(&format!("{}/{UPSTREAM}", world.lab.upstream().host()))
            .tag("same")
            .build();
        let pulled = docker.create_image(Some(options), None, None);
        pulled.try_collect::<Vec<_>>().await.expect("the pull");
        let before = world.local_images().await;

        world.sync().await.well();
        assert_eq!(world.local_images().await, before);
    }
}

/// A list is asked for: the index comes when it is exactly that list.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_platforms_brings_the_index_that_has_exactly_those() {
    let world = World::on(Store::Containerd).await;
    let new = world.upstream(UPSTREAM, "1", multi("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let plan = async |platforms: &str| {
        let run = world.keeper(&["plan", "--output", "json"]);
        run.env("ECR_KEEPER_PLATFORMS", platforms).ran().await
    };
    let refused = plan("linux/amd64,linux/s390x").await.code_is(1);
    assert_eq!(refused.json()["refused"][0]["because"]["missing"][0], "linux/s390x");
    let run = world.keeper(&["sync"]);
    run.env("ECR_KEEPER_PLATFORMS", "linux/arm64, linux/amd64")
        .ran()
        .await
        .well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), new.top);
}

/// A pull does not fetch a layer whose content is there in another packing: a push would be of something else.
#[tokio::test(flavor = "multi_thread")]
async fn content_that_the_daemon_did_not_fetch_is_said_and_not_pushed() {
    let world = World::on(Store::Containerd).await;
    let docker = world.docker();
    let gzip = world.upstream("library/other", "1", oci("the same content")).await;
    let options = CreateImageOptionsBuilder::default()
        .from_image(&format!("{}/library/other", world.lab.upstream().host()))
        .tag("1")
        .build();
    let pulled = docker.create_image(Some(options), None, None);
    pulled.try_collect::<Vec<_>>().await.expect("the pull");
    let same = zstd("the same content");
    world.upstream(UPSTREAM, "1", same).await;
    let held = world.ecr(REPOSITORY, "1", tiny("old")).await;
    let before = world.local_images().await;

    let ran = world.sync().await.code_is(1);
    let image = ran.image("busybox:1");
    let failure = image["failure"].to_string();
    assert!(
        failure.contains("lacks content") && failure.contains("remove the image"),
        "{failure}"
    );
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), held.top);
    assert_eq!(world.local_images().await, before);
    assert!(before.contains_key(&gzip.top));
}

/// In containerd's store a name by digest takes the tags of its repository along when it goes.
#[tokio::test(flavor = "multi_thread")]
async fn somebodys_tag_of_an_index_is_there_after() {
    let world = World::on(Store::Containerd).await;
    let docker = world.docker();
    let new = world.upstream(UPSTREAM, "1", multi("new")).await;
    world.upstream(UPSTREAM, "same", multi("new")).await;
    world.ecr(REPOSITORY, "1", multi("old")).await;
    let options = CreateImageOptionsBuilder::default()
        .from_image(&format!("{}/{UPSTREAM}", world.lab.upstream().host()))
        .tag("same")
        .platform("linux/amd64")
        .build();
    let pulled = docker.create_image(Some(options), None, None);
    pulled.try_collect::<Vec<_>>().await.expect("the pull");
    let before = world.local_images().await;

    world.sync().await.well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), new.top);
    assert_eq!(world.local_images().await, before);
    // What it held is whole still.
    let local = format!("{}/{UPSTREAM}:same", world.lab.upstream().host());
    let exported = docker
        .export_image(&local)
        .try_fold(0, async |sum, piece| Ok(sum + piece.len()))
        .await;
    assert!(exported.expect("the export") > 0);
}

/// Somebody gives a name of the run's another image while the run is at work: that is theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_somebody_else_has_moved_meanwhile_is_theirs() {
    let world = World::new().await;
    let docker = world.docker();
    world.upstream(UPSTREAM, "1", tiny("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    world.upstream("library/theirs", "1", tiny("theirs")).await;
    let theirs = format!("{}/library/theirs", world.lab.upstream().host());
    let options = CreateImageOptionsBuilder::default()
        .from_image(&theirs)
        .tag("1")
        .build();
    let pulled = docker.create_image(Some(options), None, None);
    pulled.try_collect::<Vec<_>>().await.expect("the pull");
    world
        .lab
        .ecr()
        .front()
        .fault(Fault::new("/manifests/1$", Act::Hold).method("PUT").times(1));
    let run = world.keeper(&["sync"]).started();
    world.held(world.lab.ecr().front()).await;
    let target = world.target(REPOSITORY);
    let options = TagImageOptionsBuilder::default().repo(&target).tag("1").build();
    docker
        .tag_image(&format!("{theirs}:1"), Some(options))
        .await
        .expect("the tag");
    world.lab.ecr().front().release();
    run.end().await.well();
    let images = world.local_images().await;
    let all: Vec<&String> = images.values().flat_map(|image| &image.tags).collect();
    assert!(all.contains(&&format!("{target}:1")), "{images:#?}");
}

/// The settings can have the upstream asked without the daemon, with any store.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_asked_directly_tells_manifests_without_a_pull() {
    let world = World::new().await;
    let index = world.upstream(UPSTREAM, "1", multi("same")).await;
    // ECR holds the index's own manifest for one platform, as containerd's store pushes it.
    let ecr = world.lab.ecr();
    let skopeo = std::process::Command::new("skopeo")
        .args([
            "copy",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            "--override-arch=amd64",
        ])
        .arg("--dest-creds")
        .arg(format!("AWS:{}", ecr.issue_token()))
        .arg(format!("docker://{}/{UPSTREAM}:1", world.lab.upstream().host()))
        .arg({
            ecr.create_repository(REPOSITORY);
            format!("docker://{}/{REPOSITORY}:1", ecr.host())
        })
        .output()
        .expect("skopeo starts");
    assert!(skopeo.status.success(), "{}", String::from_utf8_lossy(&skopeo.stderr));
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), index.children[0].digest);
    world.forget_requests();

    let run = world.keeper(&["plan", "--output", "json"]);
    let plan = run
        .env("ECR_KEEPER_DOCKER__UPSTREAM_DIGESTS", "direct")
        .ran()
        .await
        .well();
    assert_eq!(plan.json()["kept"][0]["because"], "same-platform-manifest");
    assert_eq!(world.pulled_layers(), [""; 0]);
}
