//! What arrives: every kind of image, every platform or some, in bounded memory, also after a kill.

use super::*;

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
    let ran = sync("linux/arm64,linux/amd64").await.well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), pushed.top);
    let notes = ran.image("app:1")["notes"].to_string();
    assert!(notes.contains("a single image, for linux/amd64"), "{notes}");
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

/// The most memory that a process ever held, in KiB, but for its own program, of which a debug build has tens of MiB in memory; none once it has
/// ended.
fn peak_of(status: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    Some(kib("VmHWM:")?.saturating_sub(kib("RssFile:")?))
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
    // One blob at a time, and the third never arrives.
    front.fault(Fault::new("/uploads/", Act::Hold).method("PUT"));
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_DIRECT__CONNECTIONS", "2");
    let running = run.started();
    for through in 1..=2 {
        world.held(front).await;
        front.release();
        let is_through = async {
            while uploaded().len() < through {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let is_through = tokio::time::timeout(Duration::from_secs(60), is_through);
        is_through.await.expect("the upload ends");
    }
    world.held(front).await;
    running.signal("KILL");
    running.end().await;
    front.clear_faults();
    world.forget_requests();
    world.sync().await.well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), pushed.top);
    // Four layers and a config, of which two were there; and the manifest.
    assert_eq!(uploaded().len(), 3 + 1, "{:?}", uploaded());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_layer_comes_from_the_next_address_also_where_its_manifest_is_there_already() {
    let world = world().await;
    let upstream = world.lab.upstream();
    let layer = Layer::random(7, 100_000);
    let elsewhere = Image::new(Platform::amd64()).layer(layer.clone());
    let built = elsewhere.build().unwrap();
    let (digest, _) = built.blobs.iter().find(|(digest, _)| *digest != built.config).unwrap();
    world.upstream("library/elsewhere", "1", elsewhere).await;
    let image = Image::new(Platform::amd64())
        .layer(Layer::new().file("etc/lab", b"own"))
        .layer(layer.foreign("http://127.0.0.1:1/nobody/is/here").foreign(&format!(
            "http://{}/v2/library/elsewhere/blobs/{digest}",
            upstream.host()
        )));
    let pushed = world.upstream(UPSTREAM, "1", image).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    world.forget_requests();
    let sync = async |foreign: &str| {
        let run = world.keeper(&["sync", "--output", "json"]);
        run.env("ECR_KEEPER_FOREIGN_LAYERS", foreign).ran().await.well()
    };
    sync("false").await;
    let from_elsewhere = || asked(upstream, |request| request.path.starts_with("/v2/library/elsewhere/"));
    assert_eq!(from_elsewhere(), [""; 0]);

    world.ecr(REPOSITORY, "1", tiny("older")).await;
    sync("true").await;
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), pushed.top);
    assert_eq!(from_elsewhere().len(), 1, "the second address, after a dead one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_two_indexes_list_is_put_before_both() {
    let world = world().await;
    let shared = oci(Platform::arm64(), "shared");
    let inner = Index::new(IndexKind::Oci).image(shared.clone());
    let outer = Index::new(IndexKind::Oci).image(shared).index(inner);
    let pushed = world.upstream(UPSTREAM, "1", outer).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let front = world.lab.ecr().front();
    // The image takes longer than the index that lists it.
    let image = &pushed.children[0].digest;
    let slow = Act::Delay(Duration::from_millis(300));
    front.fault(Fault::new(&format!("/manifests/{image}"), slow).method("PUT"));
    world.forget_requests();
    world.sync().await.well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), pushed.top);
    let puts = asked(front, |request| {
        request.method == "PUT" && request.path.contains("/manifests/")
    });
    assert_eq!(puts.len(), 3, "{puts:?}");
    assert!(puts[0].ends_with(image), "{puts:?}");
}
