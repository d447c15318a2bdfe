//! Targets that refuse, uploads and logins that end, and what is waited for.

use std::time::{Duration, Instant};

use ecr_lab::images::{Image, Layer, Place, Platform, tiny};
use ecr_lab::{Act, Fault, RegistryOptions, Software};

use super::{Case, DIGEST, REPOSITORY, UPSTREAM, image, requests, without};

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_says_no_digest_is_asked_for_it() {
    let case = Case::new().await;
    case.target()
        .fault(Fault::new("/manifests/1$", without(DIGEST)).method("PUT"));
    case.works().await;
    let looked = requests(case.target(), |request| {
        request.method == "HEAD" && request.path.ends_with("/manifests/1")
    });
    assert_eq!(looked.len(), 1);
    let case = case.moved(2).await;
    case.target()
        .fault(Fault::new("/manifests/1$", without(DIGEST)).method("PUT"));
    case.target()
        .fault(Fault::new("/manifests/1$", Act::WrongDigest).method("HEAD"));
    let ran = case.run().ran().await.code_is(1);
    let message = ran.image("app:1")["failure"]["message"].to_string();
    assert!(
        message.contains("check target") && message.contains("the registry has sha256:0bad"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_go_where_the_registry_says() {
    let case = Case::new().await;
    case.target()
        .fault(Fault::new("/blobs/uploads/", Act::RelativeLocation));
    case.works().await;
    // Another host has no part in the login.
    let case = case.moved(2).await;
    case.target()
        .fault(Fault::new("/blobs/uploads/", Act::LocationOnOtherHost));
    case.works().await;
    let there = requests(case.target(), |request| request.host.starts_with("127.0.0.2"));
    assert!(there.len() >= 2, "{there:?}");
    for request in there {
        assert_eq!((request.method.as_str(), request.authorization.as_str()), ("PUT", ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_from_a_target_before_its_manifest_comes_is_brought_again() {
    let case = Case::new().await;
    case.target()
        .fault(Fault::new("/manifests/1$", Act::Hold).method("PUT").times(1));
    let run = case.run().started();
    case.world.held(case.target()).await;
    let target = Place::of(case.target());
    target.delete_blob(REPOSITORY, case.layer()).await.unwrap();
    case.target().release();
    case.ends_well(run.end().await);
    let sent = requests(case.target(), |request| {
        request.method == "PUT" && request.query.contains(&case.layer().replace(':', "%3A"))
    });
    assert_eq!(sent.len(), 2, "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_loses_what_is_brought_is_tried_twice() {
    let case = Case::new().await;
    let unknown = Act::status(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry");
    case.target().fault(Fault::new("/manifests/1$", unknown).method("PUT"));
    let ran = case.run().ran().await;
    let tries = requests(case.target(), |request| {
        request.method == "PUT" && request.path.ends_with("/manifests/1")
    });
    assert_eq!(tries.len(), 2);
    let ran = case.ends_badly(ran, &["write target", "blob unknown to registry"]);
    let hint = ran.image("app:1")["failure"]["hint"].to_string();
    assert!(hint.contains("something removes it"), "{hint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_has_expired_is_begun_again() {
    let unknown = || Act::status(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    let case = Case::new().await;
    case.target()
        .fault(Fault::new("/blobs/uploads/", unknown()).method("PUT").times(1));
    case.works().await;
    let case = case.moved(2).await;
    // A large layer would still be on its way when it is refused, and the connection breaks.
    case.world.upstream(UPSTREAM, "1", tiny("small")).await;
    case.target()
        .fault(Fault::new("/blobs/uploads/", unknown()).method("PUT"));
    case.fails(&["write target", "BLOB_UPLOAD_UNKNOWN"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_host_sees_no_login() {
    let case = Case::new().await;
    // ECR as the source: it redirects to a host that refuses every Authorization header.
    let there = case.world.lab.registry(RegistryOptions::default()).await.unwrap();
    let (from, to) = (
        case.world.target(&format!("{REPOSITORY}:1")),
        format!("{}/copied/app:1", there.host()),
    );
    case.world.keeper(&["copy", &from, &to]).ran().await.well();
    assert_eq!(
        Place::of(there.front()).digest_of("copied/app", "1").await.unwrap(),
        Some(case.old.clone())
    );
    let stored = case.world.lab.ecr().blobs().requests();
    assert_eq!(stored.len(), 2, "{stored:?}");
    assert!(
        stored
            .iter()
            .all(|request| request.authorization.is_empty() && request.status == 200),
        "{stored:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_reference_is_refused_before_anything_is_asked() {
    let case = Case::new().await;
    let target = case.world.target("by/hand:1");
    let long = format!("app:{}", "x".repeat(200));
    for odd in [
        ":1",
        "a b",
        "x/UPPER",
        "x@sha256:12",
        &long,
        "",
        "/",
        "https://docker.io/library/app",
        "a:b:c",
        "x:",
    ] {
        for arguments in [["copy", odd, &target], ["copy", "app:1", odd]] {
            let ran = case.world.keeper(&arguments).ran().await.code_is(2);
            assert!(ran.stderr.contains(odd), "{arguments:?}: {}", ran.stderr);
            assert!(ran.stdout.is_empty());
        }
    }
    assert_eq!(case.upstream().requests().len() + case.target().requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_the_manifest_keeps_its_tag() {
    let case = Case::new().await;
    let manifest = |act| Fault::new("/manifests/", act).method("PUT");
    let invalid = Act::status(400, "MANIFEST_INVALID", "manifest invalid");
    case.target().fault(manifest(invalid));
    case.fails(&["write target", "400", "MANIFEST_INVALID manifest invalid"])
        .await;
    let fixed = Act::status(400, "TAG_INVALID", "the repository is immutable");
    case.target().fault(manifest(fixed));
    case.fails(&["write target", "TAG_INVALID the repository is immutable"])
        .await;
    let ill = || Act::status(500, "UNKNOWN", "ill");
    case.target().fault(manifest(ill()));
    case.fails(&["write target", "500", "UNKNOWN ill"]).await;
    case.target().fault(manifest(ill()).times(2));
    case.works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_ends_in_the_middle_is_renewed() {
    let mut case = Case::new().await;
    for (seed, method, path) in [
        (2, "HEAD", "/blobs/"),
        (3, "POST", "/uploads/"),
        (4, "PUT", "/uploads/"),
        (5, "PUT", "/manifests/"),
    ] {
        case = case.moved(seed).await;
        case.target().fault(Fault::new(path, Act::Hold).method(method).times(1));
        let run = case.run().started();
        case.world.held(case.target()).await;
        case.world.lab.ecr().revoke_tokens();
        case.target().release();
        case.ends_well(run.end().await);
        let refused = requests(case.target(), |request| request.status == 403);
        assert!(!refused.is_empty(), "{method} {path}: nobody was refused");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_one_request_goes_in_several() {
    let case = Case::new().await;
    let large = Act::status(413, "SIZE_INVALID", "too large");
    case.target()
        .fault(Fault::new("/blobs/uploads/", large).method("PUT").times(1));
    // That it wants it in another way is no try that failed.
    let run = case.run().env("ECR_KEEPER_RETRY__TRIES", "1");
    case.ends_well(run.ran().await);
    assert!(!requests(case.target(), |request| request.method == "PATCH").is_empty());

    let image = Image::new(Platform::amd64()).layer(Layer::random(7, 2_500_000));
    let pushed = case.world.upstream(UPSTREAM, "large", image).await;
    for software in [Software::Distribution2, Software::Distribution3] {
        let options = RegistryOptions {
            software,
            ..RegistryOptions::default()
        };
        let there = case.world.lab.registry(options).await.unwrap();
        let settings = format!("registries:\n  {:?}:\n    chunk_mib: 1\n", there.host());
        std::fs::write(case.world.folder().join("settings.yaml"), settings).unwrap();
        let to = format!("{}/copied/app:1", there.host());
        case.world
            .keeper(&["copy", &format!("{UPSTREAM}:large"), &to])
            .ran()
            .await
            .well();
        assert_eq!(
            Place::of(there.front()).digest_of("copied/app", "1").await.unwrap(),
            Some(pushed.top.clone())
        );
        let mut parts: Vec<u64> = requests(there.front(), |one| one.method == "PATCH")
            .iter()
            .map(|one| one.bytes_in)
            .collect();
        parts.sort_unstable();
        // The config, and the layer in three.
        assert_eq!((parts.len(), parts[2], parts[3]), (4, 1 << 20, 1 << 20), "{software:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_waited_for() {
    let case = Case::new().await;
    let began = Instant::now();
    case.upstream().fault(
        Fault::new(case.layer(), Act::too_many_requests(1))
            .method("GET")
            .times(1),
    );
    let ran = case.works().await;
    assert!(
        ran.stderr.contains("429") && began.elapsed() >= Duration::from_secs(1),
        "{}",
        ran.stderr
    );
    let case = case.moved(2).await;
    let busy = Act::status(503, "UNAVAILABLE", "busy");
    case.target()
        .fault(Fault::new("/blobs/uploads/", busy).method("POST").times(2));
    case.works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_longer_wait_than_the_longest_is_not_waited_for() {
    let began = Instant::now();
    let busy = |status| Act::Status {
        status,
        code: "UNAVAILABLE".to_owned(),
        message: "busy".to_owned(),
        headers: vec![("Retry-After".to_owned(), "3600".to_owned())],
    };
    for status in [503, 429] {
        let case = Case::new().await;
        // Of the blobs that come at once, one meets the limit, and the others may meet its end.
        case.layer_is(busy(status)).fails(&["read a layer of upstream"]).await;
        for (method, path) in [("POST", "/blobs/"), ("PUT", "/blobs/"), ("PUT", "/manifests/")] {
            let fault = Fault::new(path, busy(status)).method(method);
            case.target().fault(fault);
            case.fails(&["write target"]).await;
        }
    }
    assert!(began.elapsed() < Duration::from_secs(60));

    // Unless the settings say so.
    let case = Case::new().await;
    let settings = format!("registries:\n  {:?}:\n    on_limit: wait\n", case.target().host());
    std::fs::write(case.world.folder().join("settings.yaml"), settings).unwrap();
    for method in ["POST", "PUT"] {
        let fault = Fault::new("/blobs/", Act::too_many_requests(2)).method(method).times(1);
        case.target().fault(fault);
    }
    let run = case.run().env("ECR_KEEPER_RETRY__LONGEST", "1s").ran();
    case.ends_well(run.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_at_a_time_is_enough_to_copy_within_a_registry() {
    let case = Case::new().await;
    // It mounts nothing: each layer is read from where it is written to.
    let new = case.world.ecr("team/app", "1", image(5)).await;
    let settings = format!("registries:\n  {:?}:\n    concurrency: 1\n", case.target().host());
    std::fs::write(case.world.folder().join("settings.yaml"), settings).unwrap();
    case.world.lab.ecr().create_repository("other/app");
    let names = ["team/app:1", "base/image/app:1", "base/image/app:2", "other/app:1"];
    let [from, to @ ..] = names.map(|name| case.world.target(name));
    let run = case.world.keeper(&["copy", &from, &to[0], &to[1], &to[2]]).ran();
    let ran = tokio::time::timeout(Duration::from_secs(20), run).await;
    ran.expect("nothing waits for itself").well();
    assert_eq!(case.world.digest_in_ecr(REPOSITORY, "1"), new.top);
    assert_eq!(case.world.digest_in_ecr("other/app", "1"), new.top);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_planned_is_what_is_copied() {
    let case = Case::new().await;
    case.world.keeper(&["plan", "--out", "plan.json"]).ran().await.well();
    let planned = case.new.top.clone();
    case.world.upstream(UPSTREAM, "1", image(2)).await;
    let ran = case
        .world
        .keeper(&["apply", "plan.json", "--output", "json"])
        .ran()
        .await;
    case.ends_badly(
        ran,
        &["upstream docker.io/library/app:1 has moved since the plan was made"],
    );

    // Within one run it is by digest.
    case.world.upstream(UPSTREAM, "1", image(1)).await;
    case.upstream()
        .fault(Fault::new("/manifests/sha256", Act::Hold).method("GET").times(1));
    let run = case.run().started();
    case.world.held(case.upstream()).await;
    case.world.upstream(UPSTREAM, "1", image(3)).await;
    case.upstream().release();
    assert_eq!(case.new.top, planned);
    case.ends_well(run.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_429_without_a_word_on_how_long_ends_well() {
    let case = Case::new().await;
    let busy = || Act::status(429, "TOOMANYREQUESTS", "Rate exceeded");
    case.target().fault(Fault::new("/blobs/", busy()).times(5));
    let run = case.run().env("ECR_KEEPER_RETRY__TRIES", "6");
    case.ends_well(run.ran().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_that_lies_is_found_out_also_where_the_blob_is_there_already() {
    let case = Case::new().await;
    case.works().await;
    let case = case.moved(2).await;
    // The same layer as before, with another size.
    let text = String::from_utf8(image(1).build().unwrap().manifest.to_vec()).unwrap();
    let layer = &image(1).build().unwrap().blobs[0];
    let size = layer.1.len();
    let lying = text.replace(&format!("\"size\":{size}"), &format!("\"size\":{}", size - 7));
    assert_ne!(lying, text, "the layer's size is in the manifest");
    let place = Place::of(case.upstream());
    place
        .put_manifest(UPSTREAM, "1", &case.new.media_type, lying)
        .await
        .unwrap();
    case.fails(&["write target", "the manifest says that it has"]).await;
}
