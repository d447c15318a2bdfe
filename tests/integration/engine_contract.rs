//! What every engine holds to, case by case, and what each keeps of an image on the way.

use ecr_lab::images::{Compression, Format, Image, Index, IndexKind, Layer, Platform, Pushed, multi, tiny};
use ecr_lab::{Act, Fault, LabOptions, Store};

use crate::support::{Ran, World};

const REPOSITORY: &str = "base/image/app";
const UPSTREAM: &str = "library/app";

/// Who copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Docker(Store),
    Direct,
}

/// What of an upstream's image is at the target afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    /// All of it, under its own digest.
    Top,
    /// One platform's manifest, under its own digest.
    PlatformManifest,
    /// One platform's config, in a manifest that was written anew.
    Config,
    /// Nothing: it is refused, or fails, in these words.
    Nothing(&'static str),
}

impl Engine {
    async fn world(self) -> World {
        match self {
            Self::Docker(store) => World::on(store).await,
            Self::Direct => World::without_daemon(LabOptions::default()).await,
        }
    }

    /// docker-digests.md, section 1; and everything, registry to registry.
    fn keeps(self, kind: &str) -> Keeps {
        match (self, kind) {
            (Self::Direct, _) => Keeps::Top,
            (Self::Docker(_), "only-arm") => Keeps::Nothing("has no image for linux/amd64"),
            (Self::Docker(Store::Classic), "zstd") => Keeps::Nothing("failed to register layer"),
            (Self::Docker(Store::Classic | Store::Podman), _) => Keeps::Config,
            (Self::Docker(Store::Containerd), "index" | "list" | "attested") => Keeps::PlatformManifest,
            (Self::Docker(Store::Containerd), _) => Keeps::Top,
        }
    }
}

/// One test for each engine.
macro_rules! with_every_engine {
    ($($(#[$doc:meta])* async fn $name:ident($engine:ident: Engine) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn case($engine: Engine) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn docker_classic() {
                case(Engine::Docker(Store::Classic)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn docker_containerd() {
                case(Engine::Docker(Store::Containerd)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn docker_podman() {
                case(Engine::Docker(Store::Podman)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn direct() {
                case(Engine::Direct).await;
            }
        }
    )*};
}

fn oci(platform: Platform, layer: Layer) -> Image {
    Image::new(platform).format(Format::Oci).layer(layer)
}

async fn every_kind(world: &World) -> Vec<(&'static str, Pushed)> {
    let text = |text: &str| Layer::new().file("etc/lab", text.as_bytes());
    let list = Index::new(IndexKind::DockerList)
        .image(Image::new(Platform::amd64()).layer(text("list amd64")))
        .image(Image::new(Platform::arm64()).layer(text("list arm64")));
    let zstd = oci(Platform::amd64(), text("zstd").compression(Compression::Zstd));
    let only_arm = Index::new(IndexKind::Oci).image(oci(Platform::arm64(), text("arm")));
    let kinds = vec![
        ("schema2", world.upstream(UPSTREAM, "schema2", tiny("schema2")).await),
        (
            "oci",
            world
                .upstream(UPSTREAM, "oci", oci(Platform::amd64(), text("oci")))
                .await,
        ),
        ("index", world.upstream(UPSTREAM, "index", multi("index")).await),
        ("list", world.upstream(UPSTREAM, "list", list).await),
        (
            "attested",
            world.upstream(UPSTREAM, "attested", multi("attested").attested()).await,
        ),
        ("zstd", world.upstream(UPSTREAM, "zstd", zstd).await),
        ("only-arm", world.upstream(UPSTREAM, "only-arm", only_arm).await),
    ];
    for (tag, _) in &kinds {
        world.ecr(REPOSITORY, tag, tiny("old")).await;
    }
    kinds
}

fn is_kept(world: &World, keeps: Keeps, tag: &str, pushed: &Pushed, old: &str, ran: &Ran) {
    let there = world.digest_in_ecr(REPOSITORY, tag);
    match keeps {
        Keeps::Top => assert_eq!(there, pushed.top, "{tag}"),
        Keeps::PlatformManifest => assert_eq!(there, pushed.children[0].digest, "{tag}"),
        Keeps::Config => {
            assert_eq!(world.config_in_ecr(REPOSITORY, tag), pushed.children[0].config, "{tag}");
        }
        Keeps::Nothing(words) => {
            assert_eq!(there, old, "{tag}");
            let why = ran.image(&format!("app:{tag}"))["failure"]["message"].to_string();
            assert!(why.contains(words), "{tag}: {why}");
        }
    }
}

with_every_engine! {
    async fn every_kind_of_image_keeps_what_the_engine_says(engine: Engine) {
        let world = engine.world().await;
        let kinds = every_kind(&world).await;
        let old = world.digest_in_ecr(REPOSITORY, "oci");
        let ran = world.sync().await;
        for (tag, pushed) in &kinds {
            is_kept(&world, engine.keeps(tag), tag, pushed, &old, &ran);
        }
        // What is there is known again, also without the ledger.
        world.forget_requests();
        std::fs::remove_file(world.ledger()).unwrap();
        world.sync().await;
        assert_eq!(world.pushes(), [""; 0]);
    }

    async fn a_tag_that_has_gone_upstream_is_refused_and_the_others_are_done(engine: Engine) {
        let world = engine.world().await;
        world.ecr(REPOSITORY, "gone", tiny("old")).await;
        world.ecr(REPOSITORY, "there", tiny("old")).await;
        world.upstream(UPSTREAM, "there", tiny("new")).await;
        let old = world.digest_in_ecr(REPOSITORY, "gone");
        let ran = world.sync().await.code_is(1);
        assert_eq!(ran.outcome("app:gone"), "refused");
        assert_eq!(ran.outcome("app:there"), "updated");
        assert_eq!(world.digest_in_ecr(REPOSITORY, "gone"), old);
        assert_ne!(world.digest_in_ecr(REPOSITORY, "there"), old);
    }

    async fn an_upstream_that_wants_a_login_gets_the_one_of_the_settings(engine: Engine) {
        let world = engine.world().await;
        world.upstream(UPSTREAM, "1", tiny("new")).await;
        world.ecr(REPOSITORY, "1", tiny("old")).await;
        let old = world.digest_in_ecr(REPOSITORY, "1");
        world.lab.upstream().require_login("somebody", "pass-word");
        let ran = world.sync().await.code_is(1);
        assert_eq!(ran.outcome("app:1"), "failed");
        assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), old);
        let host = world.lab.upstream().host();
        let settings = format!("registries:\n  {host:?}:\n    username: somebody\n    password: pass-word\n");
        std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
        assert_eq!(world.sync().await.well().outcome("app:1"), "updated");
    }

    async fn a_push_that_is_refused_leaves_the_tag_and_names_the_side(engine: Engine) {
        let world = engine.world().await;
        world.upstream(UPSTREAM, "1", tiny("new")).await;
        world.ecr(REPOSITORY, "1", tiny("old")).await;
        let old = world.digest_in_ecr(REPOSITORY, "1");
        let denied = Act::status(403, "DENIED", "you may not push here");
        world.lab.ecr().front().fault(Fault::new("/uploads/", denied).method("POST"));
        let ran = world.sync().await.code_is(1);
        let why = ran.image("app:1")["failure"]["message"].to_string();
        assert!(why.contains(" target "), "{why}");
        assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), old);
    }

    async fn one_image_goes_by_hand_to_a_tag_that_is_not_there_yet(engine: Engine) {
        let world = engine.world().await;
        let pushed = world.upstream(UPSTREAM, "1", tiny("new")).await;
        world.lab.ecr().create_repository("by/hand");
        let target = world.target("by/hand:one");
        let copy = || world.keeper(&["copy", &format!("{UPSTREAM}:1"), &target, "--output", "json"]).ran();
        assert_eq!(copy().await.well().outcome("by/hand:one"), "updated");
        let there = world.digest_in_ecr("by/hand", "one");
        if engine.keeps("schema2") == Keeps::Top {
            assert_eq!(there, pushed.top);
        }
        assert_eq!(copy().await.well().outcome("by/hand:one"), "unchanged");
        assert_eq!(world.digest_in_ecr("by/hand", "one"), there);
    }
}
