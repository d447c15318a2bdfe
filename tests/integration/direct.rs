//! The direct engine: from registry to registry, nothing lost. What other programs say of the result is what counts.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ecr_lab::images::{
    Artifact, Compression, Format, Image, Index, IndexKind, Layer, Place, Platform, Pushed, multi, tiny,
};
use ecr_lab::{
    Act, EcrReferrers, Fault, Front, LabOptions, Logged, Referrers, RegistryLogin, RegistryOptions, RegistryTls,
    Software, Store,
};
use serde_json::Value;
use tokio::process::Command;

use crate::support::{KEYWORD, Ran, World};

const REPOSITORY: &str = "base/image/app";
const UPSTREAM: &str = "library/app";

async fn world() -> World {
    World::without_daemon(LabOptions::default()).await
}

/// Requests for content or for names, as `METHOD PATH`.
fn asked(front: &Front, which: impl Fn(&Logged) -> bool) -> Vec<String> {
    let requests = front.requests();
    let which = requests.iter().filter(|request| which(request));
    which
        .map(|request| format!("{} {}", request.method, request.path))
        .collect()
}

fn writes(front: &Front) -> Vec<String> {
    asked(front, |request| !matches!(request.method.as_str(), "GET" | "HEAD"))
}

fn layers(front: &Front) -> Vec<String> {
    asked(front, |request| {
        request.method == "GET" && request.path.contains("/blobs/")
    })
}

fn oci(platform: Platform, text: &str) -> Image {
    Image::new(platform)
        .format(Format::Oci)
        .layer(Layer::new().file("etc/lab", text.as_bytes()))
}

/// One of each kind that the lab can make, upstream as `library/app`.
async fn every_kind(world: &World) -> Vec<(&'static str, Pushed)> {
    let zstd = Layer::new().file("etc/lab", b"zstd").compression(Compression::Zstd);
    let zstd = Image::new(Platform::amd64()).format(Format::Oci).layer(zstd);
    let list = Index::new(IndexKind::DockerList)
        .image(tiny("list amd64"))
        .image(Image::new(Platform::arm64()).layer(Layer::new().file("etc/lab", b"list arm64")));
    let nested = Index::new(IndexKind::Oci)
        .index(multi("inner"))
        .image(oci(Platform::amd64(), "outer"));
    let empty = Image::new(Platform::amd64())
        .format(Format::Oci)
        .layer(Layer::nothing());
    vec![
        ("schema2", world.upstream(UPSTREAM, "schema2", tiny("schema2")).await),
        (
            "oci",
            world.upstream(UPSTREAM, "oci", oci(Platform::amd64(), "oci")).await,
        ),
        ("index", world.upstream(UPSTREAM, "index", multi("index")).await),
        ("list", world.upstream(UPSTREAM, "list", list).await),
        (
            "attested",
            world.upstream(UPSTREAM, "attested", multi("attested").attested()).await,
        ),
        ("zstd", world.upstream(UPSTREAM, "zstd", zstd).await),
        ("nested", world.upstream(UPSTREAM, "nested", nested).await),
        ("empty-layer", world.upstream(UPSTREAM, "empty-layer", empty).await),
    ]
}

/// What another program says that a name's top digest is.
async fn digest_by(program: &str, world: &World, image: &str) -> String {
    let login = format!("AWS:{}", world.lab.ecr().issue_token());
    let output = match program {
        "skopeo" => {
            let mut command = Command::new("skopeo");
            command.args(["inspect", "--raw", "--tls-verify=false", "--creds", &login]);
            command.arg(format!("docker://{image}"));
            command.output().await
        }
        "crane" => {
            let mut command = Command::new(ecr_lab::peer("crane"));
            command
                .args(["digest", "--insecure", image])
                .env("DOCKER_CONFIG", docker_config(world, &login));
            command.output().await
        }
        _ => {
            let host = image.split('/').next().unwrap();
            let mut command = Command::new(ecr_lab::peer("regctl"));
            let options = format!("reg={host},tls=disabled");
            command.args(["--host", &options, "image", "digest", image]);
            command
                .env("DOCKER_CONFIG", docker_config(world, &login))
                .env("HOME", world.folder());
            command.output().await
        }
    };
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {image}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    match program {
        "skopeo" => format!("sha256:{}", sha256(&output.stdout)),
        _ => String::from_utf8(output.stdout).unwrap().trim().to_owned(),
    }
}

/// By coreutils.
fn sha256(bytes: &[u8]) -> String {
    use std::io::Write;
    let mut sum = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    sum.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = sum.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

fn docker_config(world: &World, login: &str) -> std::path::PathBuf {
    use base64::Engine;
    let folder = world.folder().join("peers");
    std::fs::create_dir_all(&folder).unwrap();
    let auth = base64::engine::general_purpose::STANDARD.encode(login);
    let config = serde_json::json!({"auths": {world.lab.ecr().host(): {"auth": auth}}});
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_image_arrives_with_its_own_digest() {
    let world = world().await;
    let kinds = every_kind(&world).await;
    for (tag, _) in &kinds {
        world.ecr(REPOSITORY, tag, tiny("old")).await;
    }
    let ran = world.sync().await.well();
    for (tag, pushed) in &kinds {
        assert_eq!(ran.outcome(&format!("app:{tag}")), "updated", "{tag}");
        let image = world.target(&format!("{REPOSITORY}:{tag}"));
        for program in ["skopeo", "crane", "regctl"] {
            assert_eq!(digest_by(program, &world, &image).await, pushed.top, "{program} {tag}");
        }
        for child in &pushed.children {
            assert!(
                world.lab.ecr().manifest(REPOSITORY, &child.digest).is_some(),
                "{tag}: {}",
                child.digest
            );
        }
    }

    // The second run asks each upstream tag once, by HEAD, and ECR for its listing alone.
    world.forget_requests();
    std::fs::remove_file(world.ledger()).unwrap();
    let ran = world.sync().await.well();
    assert_eq!(ran.json()["totals"]["unchanged"], kinds.len());
    let upstream = asked(world.lab.upstream(), |request| request.path.contains("/manifests/"));
    assert_eq!(upstream.len(), kinds.len(), "{upstream:?}");
    assert!(
        upstream.iter().all(|request| request.starts_with("HEAD ")),
        "{upstream:?}"
    );
    let target = asked(world.lab.ecr().front(), |request| request.path != "/v2/");
    assert_eq!(target, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_pulls_each_platform_from_the_target() {
    let world = World::on(Store::Containerd).await;
    world.upstream(UPSTREAM, "1", multi("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let ran = world
        .keeper(&["sync", "--engine", "direct", "--output", "json"])
        .ran()
        .await;
    ran.well();
    let image = world.target(&format!("{REPOSITORY}:1"));
    for platform in ["linux/amd64", "linux/arm64"] {
        let config = docker_config(&world, &format!("AWS:{}", world.lab.ecr().issue_token()));
        let pulled = Command::new("docker")
            .args(["-H", &world.dockerd().host(), "pull", "--platform", platform, &image])
            .env("DOCKER_CONFIG", config)
            .output()
            .await
            .unwrap();
        assert!(
            pulled.status.success(),
            "{platform}: {}",
            String::from_utf8_lossy(&pulled.stderr)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_platforms_makes_an_index_of_just_those() {
    let world = world().await;
    let upstream = multi("new").attested();
    let pushed = world.upstream(UPSTREAM, "1", upstream).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let sync = async |platforms: &str, strip: &str| {
        let run = world.keeper(&["sync", "--output", "json"]);
        let run = run
            .env("ECR_KEEPER_PLATFORMS", platforms)
            .env("ECR_KEEPER_ATTESTATIONS", strip);
        run.ran().await.well()
    };
    let index = || -> Value {
        let digest = world.digest_in_ecr(REPOSITORY, "1");
        serde_json::from_str(&world.lab.ecr().manifest(REPOSITORY, &digest).unwrap()).unwrap()
    };
    let ran = sync("linux/arm64,linux/amd64", "strip").await;
    let made = index();
    let platforms: Vec<&Value> = made["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["platform"]["architecture"])
        .collect();
    assert_eq!(platforms, ["amd64", "arm64"], "{made:#}");
    assert_eq!(made["annotations"]["dev.ecr-keeper.source.digest"], pushed.top.as_str());
    let notes = ran.image("app:1")["notes"].to_string();
    assert!(
        notes.contains("signatures of the upstream's index do not cover it"),
        "{notes}"
    );

    // What was made anew is known again, also without the ledger.
    world.forget_requests();
    std::fs::remove_file(world.ledger()).unwrap();
    let ran = sync("linux/arm64,linux/amd64", "strip").await;
    assert_eq!(ran.image("app:1")["reason"], "what would be made of the upstream today");
    assert_eq!(writes(world.lab.ecr().front()), [""; 0]);

    // One platform is that platform's own manifest.
    sync("linux/arm64", "keep").await;
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), pushed.children[1].digest);
    // All of it is the upstream's own index.
    sync("all", "keep").await;
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), pushed.top);
    // A platform that the upstream has not.
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_PLATFORMS", "linux/amd64,linux/s390x");
    let ran = run.ran().await.code_is(1);
    assert!(ran.stdout.contains("has no image for linux/s390x"), "{}", ran.stdout);
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), pushed.top);
}

/// An image with a signature by subject, an attestation of that signature, and one by cosign's tag.
async fn signed(world: &World, place: &Place, tag: &str) -> (Pushed, Vec<Pushed>) {
    let image = world.upstream(UPSTREAM, tag, multi(tag)).await;
    let signature = Artifact::new("application/vnd.example.signature", b"signed").subject(&image);
    let signature = signature.push(place, UPSTREAM, None).await.unwrap();
    let statement = Artifact::new("application/vnd.example.statement", b"stated").subject(&signature);
    let statement = statement.push(place, UPSTREAM, None).await.unwrap();
    let cosign = Artifact::new("application/vnd.example.cosign", b"cosigned");
    let cosign = cosign
        .push(place, UPSTREAM, Some(&format!("{}.sig", image.top.replace(':', "-"))))
        .await
        .unwrap();
    (image, vec![signature, statement, cosign])
}

#[tokio::test(flavor = "multi_thread")]
async fn referrers_and_signature_tags_come_along_when_asked_for() {
    let world = world().await;
    world.lab.upstream().set_referrers(Referrers::Supported);
    let place = Place::of(world.lab.upstream());
    let (image, others) = signed(&world, &place, "1").await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_REFERRERS", "true");
    run.ran().await.well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), image.top);
    for other in &others {
        assert!(world.lab.ecr().manifest(REPOSITORY, &other.top).is_some(), "{other:?}");
    }
    let sig = format!("{}.sig", image.top.replace(':', "-"));
    assert_eq!(world.digest_in_ecr(REPOSITORY, &sig), others[2].top);
    // As others see it.
    let login = format!("AWS:{}", world.lab.ecr().issue_token());
    let target = world.target(&format!("{REPOSITORY}:1"));
    let host = world.lab.ecr().host();
    let listed = Command::new(ecr_lab::peer("regctl"))
        .args([
            "--host",
            &format!("reg={host},tls=disabled"),
            "artifact",
            "list",
            &target,
            "--format",
            "{{json .}}",
        ])
        .env("DOCKER_CONFIG", docker_config(&world, &login))
        .env("HOME", world.folder())
        .output()
        .await
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(&others[0].top), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_s_tag_that_cannot_move_is_not_put_twice() {
    let world = world().await;
    world.lab.upstream().set_referrers(Referrers::Supported);
    let (image, _) = signed(&world, &Place::of(world.lab.upstream()), "1").await;
    world.lab.ecr().create_immutable_repository("by/hand");
    for tag in ["one", "two"] {
        let target = world.target(&format!("by/hand:{tag}"));
        let run = world.keeper(&["copy", &format!("{UPSTREAM}:1"), &target, "--output", "json"]);
        run.env("ECR_KEEPER_REFERRERS", "true").ran().await.well();
        assert_eq!(world.digest_in_ecr("by/hand", tag), image.top);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_takes_no_referrers_gets_the_image_and_that_is_said() {
    let world = World::without_daemon(LabOptions {
        ecr_referrers: EcrReferrers::Refused405,
        ..LabOptions::default()
    })
    .await;
    world.lab.upstream().set_referrers(Referrers::Supported);
    let (image, _) = signed(&world, &Place::of(world.lab.upstream()), "1").await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_REFERRERS", "true");
    let ran = run.ran().await.well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), image.top);
    let notes = ran.image("app:1")["notes"].to_string();
    assert!(notes.contains("takes no referrers, and 2 stayed behind"), "{notes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_the_referrers_api_keeps_them_under_the_fallback_tag() {
    let world = world().await;
    let (source, target) = (world.lab.upstream(), plain(&world, RegistryOptions::default()).await);
    // A registry without the API has them in an index under the subject's tag: the lab's image pushes do not write it.
    source.set_referrers(Referrers::Supported);
    let (image, others) = signed(&world, &Place::of(source), "1").await;
    let to = format!("{}/copied/app:1", target.host());
    let run = world.keeper(&["copy", &format!("{UPSTREAM}:1"), &to, "--output", "json"]);
    run.env("ECR_KEEPER_REFERRERS", "true").ran().await.well();
    let place = Place::of(target.front());
    assert_eq!(
        place.digest_of("copied/app", "1").await.unwrap().as_deref(),
        Some(image.top.as_str())
    );
    let tag = image.top.replace(':', "-");
    assert!(
        place.digest_of("copied/app", &tag).await.unwrap().is_some(),
        "no index under {tag}"
    );

    // And from there, where only that tag tells of them.
    let again = format!("{}/copied/again:1", target.host());
    let run = world.keeper(&["copy", &to, &again, "--output", "json"]);
    run.env("ECR_KEEPER_REFERRERS", "true").ran().await.well();
    for other in &others[..2] {
        let found = place.digest_of("copied/again", &other.top).await.unwrap();
        assert_eq!(found.as_deref(), Some(other.top.as_str()));
    }
}

async fn plain(world: &World, options: RegistryOptions) -> ecr_lab::ExtraRegistry {
    world.lab.registry(options).await.expect("the registry starts")
}

/// `host:port` as it stands in a variable's name.
fn variable(host: &str, key: &str) -> String {
    format!("ECR_KEEPER_REGISTRIES__{}__{key}", host.replace(['.', ':', '-'], "_"))
}

#[tokio::test(flavor = "multi_thread")]
async fn both_generations_of_distribution_are_sources_and_targets_over_every_kind_of_connection() {
    let world = world().await;
    let pushed = world.upstream(UPSTREAM, "1", multi("1").attested()).await;
    for software in [Software::Distribution2, Software::Distribution3] {
        for tls in [RegistryTls::Off, RegistryTls::Server, RegistryTls::Mutual] {
            let registry = plain(
                &world,
                RegistryOptions {
                    software,
                    tls,
                    ..RegistryOptions::default()
                },
            )
            .await;
            let run = |from: &str, to: &str| {
                let settings = settings_of(&registry, tls);
                std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
                world.keeper(&["copy", from, to, "--output", "json"]).ran()
            };
            let there = format!("{}/copied/app:1", registry.host());
            let back = world.target("back/app:1");
            if !world.lab.ecr().repositories().iter().any(|name| name == "back/app") {
                world.lab.ecr().create_repository("back/app");
            }
            run(&format!("{UPSTREAM}:1"), &there).await.well();
            run(&there, &back).await.well();
            assert_eq!(world.digest_in_ecr("back/app", "1"), pushed.top, "{software:?} {tls:?}");
        }
    }
}

fn settings_of(registry: &ecr_lab::ExtraRegistry, tls: RegistryTls) -> String {
    let mut settings = format!("registries:\n  {:?}:\n    concurrency: 16\n", registry.host());
    if tls != RegistryTls::Off {
        settings += &format!("    ca: {:?}\n", registry.ca());
    }
    if tls == RegistryTls::Mutual {
        let (cert, key) = registry.client_certificate();
        settings += &format!("    cert: {cert:?}\n    key: {key:?}\n");
    }
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_signed_for_us_is_refused_with_what_to_do() {
    let world = world().await;
    world.upstream(UPSTREAM, "1", tiny("1")).await;
    let registry = plain(
        &world,
        RegistryOptions {
            tls: RegistryTls::Mutual,
            ..RegistryOptions::default()
        },
    )
    .await;
    let to = format!("{}/copied/app:1", registry.host());
    let copy = async |settings: String| {
        std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
        let run = world.keeper(&["copy", &format!("{UPSTREAM}:1"), &to, "--output", "json"]);
        run.ran().await.code_is(1)
    };
    // With another authority, and without a certificate of our own.
    let other = plain(
        &world,
        RegistryOptions {
            tls: RegistryTls::Server,
            ..RegistryOptions::default()
        },
    )
    .await;
    let stranger = format!("registries:\n  {:?}:\n    ca: {:?}\n", registry.host(), other.ca());
    let ran = copy(stranger).await;
    assert!(ran.stdout.contains("registries.HOST.ca"), "{}", ran.stdout);
    let ran = copy(settings_of(&registry, RegistryTls::Server)).await;
    assert!(ran.stdout.to_lowercase().contains("certificate"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_is_asked_for_by_many_requests_and_a_new_one_when_it_ends() {
    let world = world().await;
    let image = (0..12).fold(Image::new(Platform::amd64()).format(Format::Oci), |image, seed| {
        image.layer(Layer::random(seed, 20_000))
    });
    let pushed = world.upstream(UPSTREAM, "1", image).await;
    let registry = plain(
        &world,
        RegistryOptions {
            login: RegistryLogin::Bearer {
                user: "somebody".to_owned(),
                password: "pass-word".to_owned(),
                anonymous_pull: false,
                ttl: Duration::from_secs(3600),
            },
            ..RegistryOptions::default()
        },
    )
    .await;
    let settings = format!(
        "registries:\n  {:?}:\n    username: somebody\n    password: pass-word\n",
        registry.host()
    );
    std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let to = format!("{}/copied/app:1", registry.host());
    let run = world.keeper(&["copy", &format!("{UPSTREAM}:1"), &to, "--output", "json"]);
    run.ran().await.well();
    let tokens = asked(registry.front(), |request| request.path == "/token");
    // One for the registry, one to look (pull), one to write.
    assert!(tokens.len() <= 3, "{tokens:?}");
    let ran = world
        .keeper(&["copy", &format!("{UPSTREAM}:1"), &to, "--output", "json"])
        .ran()
        .await
        .well();
    assert_eq!(ran.image("app:1")["digest_before"], pushed.top.as_str());

    // A wrong password is said, without the password.
    let settings = format!(
        "registries:\n  {:?}:\n    username: somebody\n    password: wrong-word\n",
        registry.host()
    );
    std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let run = world.keeper(&[
        "copy",
        &format!("{UPSTREAM}:1"),
        &to,
        "--output",
        "json",
        "--log-level",
        "trace",
    ]);
    let ran = run.ran().await.code_is(1);
    assert!(ran.stdout.contains("401"), "{}", ran.stdout);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("wrong-word"));
}

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
async fn killed_in_the_middle_a_rerun_uploads_only_what_is_missing() {
    let world = world().await;
    let image = (0..4).fold(Image::new(Platform::amd64()).format(Format::Oci), |image, seed| {
        image.layer(Layer::random(seed, 500_000))
    });
    let pushed = world.upstream(UPSTREAM, "1", image).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let old = world.digest_in_ecr(REPOSITORY, "1");
    let front = world.lab.ecr().front();
    // All blobs are there; the manifest is on its way.
    front.fault(Fault::new("/manifests/", Act::Hold).method("PUT"));
    let running = world.keeper(&["sync", "--output", "json"]).started();
    world.held(front).await;
    running.signal("KILL");
    running.end().await;
    front.clear_faults();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), old, "the tag moves last");
    world.forget_requests();
    world.sync().await.well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), pushed.top);
    let uploads = asked(front, |request| request.path.contains("/uploads/"));
    assert_eq!(uploads, [""; 0]);
    assert_eq!(layers(world.lab.upstream()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_layers_a_rerun_uploads_the_others() {
    let world = world().await;
    let image = (0..4).fold(Image::new(Platform::amd64()).format(Format::Oci), |image, seed| {
        image.layer(Layer::random(seed, 500_000))
    });
    let pushed = world.upstream(UPSTREAM, "1", image).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let front = world.lab.ecr().front();
    let uploaded = || asked(front, |request| request.method == "PUT" && request.status == 201);
    // One blob at a time.
    front.fault(
        Fault::new("/uploads/", Act::Delay(Duration::from_millis(1)))
            .method("PUT")
            .times(2),
    );
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_DIRECT__CONNECTIONS", "2");
    let running = run.started();
    while uploaded().len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    running.signal("KILL");
    running.end().await;
    front.clear_faults();
    let before = uploaded().len();
    world.forget_requests();
    world.sync().await.well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), pushed.top);
    // Four layers, a config and the manifest in all. One that was on its way may have come through.
    let after = uploaded().len();
    assert!(
        after <= 5 + 1 - before,
        "{before} before, and {after} more: {:?}",
        uploaded()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gigabytes_pass_through_less_than_64_mib() {
    let world = world().await;
    // Eight layers of 256 MB. Zeroes would do, were they not one layer.
    let place = Place::of(world.lab.upstream());
    let mut entries = Vec::new();
    for seed in 0..8_u8 {
        let layer = vec![seed; 256 << 20];
        let digest = place.put_blob(UPSTREAM, &layer).await.unwrap();
        entries.push(serde_json::json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": layer.len(),
        }));
    }
    let config = place.put_blob(UPSTREAM, b"{}").await.unwrap();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
        "layers": entries,
    });
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let digest = place
        .put_manifest(UPSTREAM, "1", media_type, manifest.to_string())
        .await
        .unwrap();
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let mut running = world
        .keeper(&["sync", "--output", "json", "--progress", "lines"])
        .started();
    // The peak is read while it lives: the kernel forgets it with the process.
    running.said("copying 1 image").await;
    let status = format!("/proc/{}/status", running.pid());
    let mut peak = 0;
    while let Some(kib) = peak_of(Path::new(&status)) {
        peak = peak.max(kib);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.end().await.well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), digest);
    assert!(peak > 1024 && peak < 64 << 10, "{peak} KiB");
}

/// The most memory that a process ever held, in KiB; none once it has ended.
fn peak_of(status: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

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
async fn mirrors_are_asked_in_their_order() {
    let world = world().await;
    let pushed = world.upstream(UPSTREAM, "1", tiny("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let first = plain(&world, RegistryOptions::default()).await;
    let mirrors = format!("127.0.0.1:9,{}/nothing,{}", first.host(), world.lab.upstream().host());
    let run = world.keeper(&["sync", "--output", "json"]);
    let run = run.env("ECR_KEEPER_REGISTRIES__DOCKER_IO__MIRRORS", mirrors);
    run.ran().await.well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), pushed.top);
    let asked_first = asked(first.front(), |request| request.path.contains("/manifests/"));
    assert!(
        !asked_first.is_empty() && asked_first[0].contains("/v2/nothing/library/app/manifests/"),
        "{asked_first:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_with_wrong_content_is_passed_over_for_the_next() {
    let world = world().await;
    let image = || Image::new(Platform::amd64()).layer(Layer::random(1, 300_000));
    let pushed = world.upstream(UPSTREAM, "1", image()).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let first = plain(&world, RegistryOptions::default()).await;
    image().push(&Place::of(first.front()), UPSTREAM, "1").await.unwrap();
    first.front().fault(Fault::new("/blobs/", Act::Corrupt).method("GET"));
    let mirrors = format!("{},{}", first.host(), world.lab.upstream().host());
    let run = world.keeper(&["sync", "--output", "json"]);
    run.env("ECR_KEEPER_REGISTRIES__DOCKER_IO__MIRRORS", mirrors)
        .ran()
        .await
        .well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), pushed.top);
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
        .keeper(&["copy", "UPPER/case", &targets[0]])
        .ran()
        .await
        .code_is(2);
    assert!(ran.stderr.contains("UPPER/case"), "{}", ran.stderr);
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
async fn a_single_image_comes_if_it_is_for_one_of_the_listed_platforms() {
    let world = world().await;
    let pushed = world.upstream(UPSTREAM, "1", tiny("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let sync = |platforms: &str| {
        let run = world.keeper(&["sync", "--output", "json"]);
        run.env("ECR_KEEPER_PLATFORMS", platforms).ran()
    };
    let ran = sync("linux/arm64,linux/s390x").await.code_is(1);
    let why = ran.image("app:1")["failure"]["message"].to_string();
    assert!(why.contains("it is for linux/amd64"), "{why}");
    sync("linux/arm64,linux/amd64").await.well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), pushed.top);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_shown_and_429_ends_the_run_s_questions_or_is_waited_for() {
    let world = world().await;
    for at in 0..20 {
        world.upstream(UPSTREAM, &format!("t{at}"), tiny("same")).await;
        world.ecr(REPOSITORY, &format!("t{at}"), tiny("same")).await;
    }
    let front = world.lab.upstream();
    front.fault(Fault::new(
        "",
        Act::Header("ratelimit-remaining".to_owned(), "76;w=21600".to_owned()),
    ));
    front.fault(Fault::new(
        "",
        Act::Header("ratelimit-limit".to_owned(), "100;w=21600".to_owned()),
    ));
    let text = world.keeper(&["sync"]).ran().await.well();
    assert!(text.stdout.contains("76 of 100 pulls left in 6h"), "{}", text.stdout);

    front.fault(Fault::new("/manifests/", Act::too_many_requests(3600)));
    world.forget_requests();
    let ran = world.sync().await.code_is(1);
    assert_eq!(ran.json()["totals"]["failed"], 20);
    let asked_then = asked(front, |request| request.path.contains("/manifests/"));
    assert!(asked_then.len() < 20, "it was asked {} times", asked_then.len());

    front.clear_faults();
    front.fault(Fault::new("/manifests/", Act::too_many_requests(1)).times(6));
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_RETRY__TRIES", "1");
    let run = run.env(&variable(front.host(), "ON_LIMIT"), "wait");
    // The host is named in the file, so that the variable is understood.
    let settings = format!("registries:\n  {:?}:\n    concurrency: 16\n", front.host());
    std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    run.ran().await.well();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_target_delays_the_others_within_a_bound() {
    let world = world().await;
    let pushed = world
        .upstream(
            UPSTREAM,
            "1",
            Image::new(Platform::amd64()).layer(Layer::random(1, 40_000_000)),
        )
        .await;
    let slow = plain(&world, RegistryOptions::default()).await;
    world.lab.ecr().create_repository("by/hand");
    slow.front().fault(
        Fault::new("/uploads/", Act::SlowBody(Duration::from_millis(300)))
            .method("PUT")
            // Of the config and of the layer.
            .times(2),
    );
    let source = format!("{UPSTREAM}:1");
    let run = world.keeper(&[
        "copy",
        &source,
        &world.target("by/hand:1"),
        &format!("{}/by/hand:1", slow.host()),
        "--output",
        "json",
    ]);
    // Behind by so much in all, it gets its blob by itself.
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
