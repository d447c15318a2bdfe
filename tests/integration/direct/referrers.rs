//! Signatures and what else refers to an image.

use super::*;

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
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_REFERRERS", "true");
    assert_eq!(
        run.ran().await.well().outcome("app:1"),
        "unchanged",
        "what it would not take is not tried each night"
    );
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

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_comes_later_than_its_image_is_brought_by_the_next_run() {
    let world = world().await;
    let upstream = world.lab.upstream();
    upstream.set_referrers(Referrers::Supported);
    let image = world.upstream(UPSTREAM, "1", multi("1")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let sync = async |referrers: &str| {
        let run = world.keeper(&["sync", "--output", "json"]);
        run.env("ECR_KEEPER_REFERRERS", referrers).ran().await.well()
    };
    assert_eq!(sync("true").await.outcome("app:1"), "updated");
    assert_eq!(sync("true").await.outcome("app:1"), "unchanged");

    let place = Place::of(upstream);
    let signature = Artifact::new("application/vnd.example.signature", b"later").subject(&image);
    let signature = signature.push(&place, UPSTREAM, None).await.unwrap();
    assert_eq!(sync("false").await.outcome("app:1"), "unchanged", "nobody asked for it");
    let plan = world
        .keeper(&["plan", "--output", "json"])
        .env("ECR_KEEPER_REFERRERS", "true");
    let plan = plan.ran().await.well().json();
    assert_eq!(plan["stages"][0][0]["because"], "referrers-missing", "{plan:#}");
    let ran = sync("true").await;
    assert_eq!(ran.outcome("app:1"), "updated");
    assert_eq!(
        ran.image("app:1")["reason"],
        "the same image, and what refers to it upstream was brought"
    );
    assert!(world.lab.ecr().manifest(REPOSITORY, &signature.top).is_some());

    // By cosign's tag, and then signed anew under the same one.
    let tag = format!("{}.sig", image.top.replace(':', "-"));
    for signatures in 1..=2 {
        let layers = (0..signatures).map(|seed| Layer::random(seed, 100));
        let cosign = layers.fold(Image::new(Platform::amd64()).format(Format::Oci), Image::layer);
        let cosign = cosign.push(&place, UPSTREAM, &tag).await.unwrap();
        assert_eq!(sync("true").await.outcome("app:1"), "updated");
        assert_eq!(world.digest_in_ecr(REPOSITORY, &tag), cosign.top);
    }
    world.forget_requests();
    assert_eq!(sync("true").await.outcome("app:1"), "unchanged");
    assert_eq!(writes(world.lab.ecr().front()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_signature_is_applied_too() {
    let world = world().await;
    let upstream = world.lab.upstream();
    upstream.set_referrers(Referrers::Supported);
    let image = world.upstream(UPSTREAM, "1", multi("1")).await;
    world.ecr(REPOSITORY, "1", multi("1")).await;
    let signature = Artifact::new("application/vnd.example.signature", b"later").subject(&image);
    let signature = signature.push(&Place::of(upstream), UPSTREAM, None).await.unwrap();
    for command in [&["plan", "--out", "plan.json"][..], &["apply", "plan.json"]] {
        let run = world.keeper(command).env("ECR_KEEPER_REFERRERS", "true");
        run.ran().await.well();
    }
    assert!(world.lab.ecr().manifest(REPOSITORY, &signature.top).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_signatures_are_no_versions_that_an_upstream_could_have() {
    let world = world().await;
    let image = world.upstream(UPSTREAM, "1", multi("1")).await;
    world.ecr(REPOSITORY, "1", multi("1")).await;
    // A team signs its own copies.
    let tag = image.top.replace(':', "-");
    for suffix in [".sig", ".att", ""] {
        world.ecr(REPOSITORY, &format!("{tag}{suffix}"), tiny(suffix)).await;
    }
    let ran = world.keeper(&["sync"]).ran().await.well();
    let passed_over = "3 tags of signatures passed over";
    assert!(ran.stdout.contains(passed_over), "{}", ran.stdout);
    let ran = world.sync().await.well();
    assert_eq!(ran.json()["signature_tags"], 3);
    assert_eq!(ran.json()["totals"]["unchanged"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_index_under_the_fallback_tag_is_not_written_over() {
    let world = world().await;
    let target = plain(&world, RegistryOptions::default()).await;
    let (source, place) = (world.lab.upstream(), Place::of(target.front()));
    source.set_referrers(Referrers::Supported);
    let (image, _) = signed(&world, &Place::of(source), "1").await;
    let tag = image.top.replace(':', "-");
    let somebody = tiny("somebody's").push(&place, "copied/app", &tag).await.unwrap();
    let to = format!("{}/copied/app:1", target.host());
    let run = world.keeper(&["copy", &format!("{UPSTREAM}:1"), &to, "--output", "json"]);
    let ran = run.env("ECR_KEEPER_REFERRERS", "true").ran().await.code_is(1);
    assert!(ran.stdout.contains("it is left as it is"), "{}", ran.stdout);
    let there = async |tag: &str| place.digest_of("copied/app", tag).await.unwrap();
    assert_eq!(there(&tag).await, Some(somebody.top));
    assert_eq!(there("1").await, None, "the tag comes last");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_s_own_signature_at_the_target_is_not_taken_away() {
    let world = world().await;
    let upstream = world.lab.upstream();
    upstream.set_referrers(Referrers::Supported);
    let (image, _) = signed(&world, &Place::of(upstream), "1").await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let tag = format!("{}.sig", image.top.replace(':', "-"));
    let own = world.ecr(REPOSITORY, &tag, tiny("signed by ourselves")).await;
    let sync = async || {
        let run = world.keeper(&["sync", "--output", "json"]);
        run.env("ECR_KEEPER_REFERRERS", "true").ran().await.well()
    };
    let ran = sync().await;
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), image.top);
    assert_eq!(world.digest_in_ecr(REPOSITORY, &tag), own.top);
    let notes = ran.image("app:1")["notes"].to_string();
    assert!(notes.contains("1 signature tag of the target stays"), "{notes}");
    assert_eq!(sync().await.outcome("app:1"), "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_referrer_that_is_listed_and_gone_does_not_keep_the_image_back() {
    let world = world().await;
    let image = world.upstream(UPSTREAM, "1", multi("1")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let gone = format!("sha256:{}", "60e".repeat(22).split_at(64).0);
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"mediaType": manifest, "digest": gone, "size": 500}]});
    let tag = image.top.replace(':', "-");
    // distribution would miss what the index lists.
    let front = world.lab.upstream();
    front.fault(Fault::new(
        &format!("/manifests/{tag}$"),
        Act::Answer {
            status: 200,
            headers: vec![(
                "Content-Type".to_owned(),
                "application/vnd.oci.image.index.v1+json".to_owned(),
            )],
            body: index.to_string().into_bytes(),
        },
    ));
    for outcome in ["updated", "unchanged"] {
        let run = world.keeper(&["sync", "--output", "json"]);
        let ran = run.env("ECR_KEEPER_REFERRERS", "true").ran().await.well();
        assert_eq!(ran.outcome("app:1"), outcome);
        let notes = ran.image("app:1")["notes"].to_string();
        assert_eq!(
            notes.contains("lists 1 referrers that it has not got"),
            outcome == "updated",
            "{notes}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_signature_that_was_cut_off_before_it_was_noted_is_noted_by_the_next_run() {
    let world = world().await;
    let (upstream, target) = (world.lab.upstream(), plain(&world, RegistryOptions::default()).await);
    upstream.set_referrers(Referrers::Supported);
    let image = world.upstream(UPSTREAM, "1", multi("1")).await;
    let to = format!("{}/copied/app:1", target.host());
    let copy = || {
        let run = world.keeper(&["copy", &format!("{UPSTREAM}:1"), &to, "--output", "json"]);
        run.env("ECR_KEEPER_REFERRERS", "true")
    };
    copy().ran().await.well();
    let signature = Artifact::new("application/vnd.example.signature", b"later").subject(&image);
    let signature = signature.push(&Place::of(upstream), UPSTREAM, None).await.unwrap();
    let front = target.front();
    let tag = image.top.replace(':', "-");
    front.fault(Fault::new(&format!("/manifests/{tag}$"), Act::Hold).method("PUT"));
    let running = copy().started();
    world.held(front).await;
    running.signal("KILL");
    running.end().await;
    front.clear_faults();
    let place = Place::of(front);
    let there = async |name: &str| place.digest_of("copied/app", name).await.unwrap();
    assert_eq!(there(&signature.top).await, Some(signature.top.clone()));
    assert_eq!(there(&tag).await, None);
    assert_eq!(copy().ran().await.well().outcome("app:1"), "updated");
    assert!(there(&tag).await.is_some());
    assert_eq!(copy().ran().await.well().outcome("app:1"), "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_is_copied_by_itself_is_noted_too() {
    let world = world().await;
    let upstream = world.lab.upstream();
    let target = plain(&world, RegistryOptions::default()).await;
    let (image, others) = signed(&world, &Place::of(upstream), "1").await;
    let to = format!("{}/copied/app:signature", target.host());
    let source = format!("{UPSTREAM}@{}", others[0].top);
    world.keeper(&["copy", &source, &to]).ran().await.well();
    let place = Place::of(target.front());
    let tag = image.top.replace(':', "-");
    assert!(
        place.digest_of("copied/app", &tag).await.unwrap().is_some(),
        "no index under {tag}"
    );
}
