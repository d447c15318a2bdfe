//! Content that is not what it should be, or does not come as it should.

use std::time::{Duration, Instant};

use ecr_lab::images::{Image, Index, IndexKind, Layer, Place, Platform, multi};
use ecr_lab::{Act, ExtraRegistry, Fault, Front, RegistryOptions};
use serde_json::{Value, json};

use super::{
    Case, DIGEST, OCI_INDEX, OCI_MANIFEST, REPOSITORY, UPSTREAM, answer, image, reads, requests, web_page, without,
};
use crate::support::Content;

#[tokio::test(flavor = "multi_thread")]
async fn content_with_another_digest_is_not_copied() {
    let case = Case::new().await;
    let of_layer = [
        "read a layer of upstream docker.io/library/app:1",
        "it should be",
        case.layer(),
    ];
    case.layer_is(Act::Corrupt).fails(&of_layer).await;
    // Nor where nobody says how much comes.
    case.layer_is(Act::Corrupt)
        .layer_is(without("Content-Length"))
        .fails(&of_layer)
        .await;

    let of_manifest = [
        "read upstream docker.io/library/app:1",
        "it should be",
        case.new.top.as_str(),
    ];
    let corrupt = Fault::new("/manifests/", Act::Corrupt).method("GET");
    case.upstream().fault(corrupt);
    case.fails(&of_manifest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_names_a_wrong_digest_is_not_believed() {
    let case = Case::new().await;
    // There is no manifest of that digest.
    case.upstream()
        .fault(Fault::new("/manifests/1$", Act::WrongDigest).method("HEAD"));
    case.fails(&["read upstream docker.io/library/app:1", "404"]).await;
    // The only word on a tag is the one beside the bytes.
    case.upstream()
        .fault(Fault::new("/manifests/1$", without(DIGEST)).method("HEAD"));
    case.upstream()
        .fault(Fault::new("/manifests/1$", Act::WrongDigest).method("GET"));
    case.fails(&[
        "look up upstream docker.io/library/app:1",
        "it should be sha256:0bad",
        &case.new.top,
    ])
    .await;
    case.upstream().fault(Fault::new(
        "/manifests/1$",
        Act::Header(DIGEST.to_owned(), "nonsense".to_owned()),
    ));
    case.fails(&["look up upstream docker.io/library/app:1", "\"nonsense\" is no digest"])
        .await;
    // What was asked for by its digest is what it is, whatever a header says.
    case.upstream()
        .fault(Fault::new("/manifests/sha256", Act::WrongDigest).method("GET"));
    case.works().await;

    let case = case.moved(2).await;
    case.target()
        .fault(Fault::new("/blobs/uploads/", Act::WrongDigest).method("PUT"));
    case.fails(&["write target", "was uploaded, and it says that it took sha256:0bad"])
        .await;
    // Too late for the tag, which names the right digest; but the run does not say that all is well.
    case.target()
        .fault(Fault::new("/manifests/1$", Act::WrongDigest).method("PUT"));
    let ran = case.run().ran().await.code_is(1);
    let failure = ran.image("app:1")["failure"].to_string();
    for words in [
        "tag target",
        "it says that it took sha256:0bad",
        "the tag may have moved",
    ] {
        assert!(failure.contains(words), "no {words}: {failure}");
    }
    assert_eq!(case.world.digest_in_ecr(REPOSITORY, "1"), case.new.top);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_shorter_than_it_should_be_is_not_copied() {
    let case = Case::new().await;
    let words = ["read a layer of upstream docker.io/library/app:1", case.layer()];
    case.layer_is(Act::Truncate(1000))
        .fails(&[&words[..], &["has another size"]].concat())
        .await;
    // Again and again at the same place; the other faults are of the first byte.
    case.layer_is(Act::CutBody(0)).fails(&words).await;
    assert_eq!(reads(case.upstream(), case.layer()).len(), 1 + 3, "three tries");
    case.layer_is(Act::IgnoreRange)
        .layer_is(Act::CutBody(1000))
        .fails(&words)
        .await;
    case.layer_is(without("Content-Length"))
        .layer_is(Act::Truncate(1000))
        .layer_is(Act::IgnoreRange)
        .fails(&words)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_breaks_off_is_read_on_from_there() {
    let case = Case::new().await;
    let cut = || Fault::new(case.layer(), Act::CutBody(100_000)).method("GET").times(1);
    case.upstream().fault(cut());
    let ran = case.works().await;
    assert!(ran.stderr.contains("on from byte 100000"), "{}", ran.stderr);
    let size = case.built.blobs[0].1.len() as u64;
    let seen: Vec<(u16, u64)> = reads(case.upstream(), case.layer())
        .iter()
        .map(|one| (one.status, one.bytes_out))
        .collect();
    assert_eq!(seen, [(200, 100_000), (206, size - 100_000)]);

    // It comes from its beginning once more.
    let case = case.moved(2).await;
    let cut = Fault::new(case.layer(), Act::CutBody(100_000)).method("GET").times(1);
    case.upstream().fault(cut);
    case.layer_is(Act::IgnoreRange).works().await;
    let seen: Vec<u16> = reads(case.upstream(), case.layer())
        .iter()
        .map(|one| one.status)
        .collect();
    assert_eq!(seen, [200, 200]);

    // Another part than the one that was asked for is none.
    let case = case.moved(4).await;
    let cut = Fault::new(case.layer(), Act::CutBody(100_000)).method("GET").times(1);
    case.upstream().fault(cut);
    let other = Act::Header("Content-Range".to_owned(), "bytes 200000-299999/300000".to_owned());
    let read = "read a layer of upstream docker.io/library/app:1";
    case.layer_is(other).fails(&[read, "sends another part"]).await;

    // So often as it likes, as long as something comes.
    let case = case.moved(3).await;
    case.layer_is(Act::CutBody(50_000)).works().await;
    assert!(reads(case.upstream(), case.layer()).len() >= 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_breaks_off_is_read_again() {
    let case = Case::new().await;
    case.upstream()
        .fault(Fault::new("/manifests/", Act::CutBody(100)).method("GET").times(1));
    case.works().await;
    let case = case.moved(2).await;
    case.upstream()
        .fault(Fault::new("/manifests/", Act::CutBody(100)).method("GET"));
    case.fails(&["read upstream docker.io/library/app:1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_that_are_not_said_are_not_needed() {
    let case = Case::new().await;
    case.upstream()
        .fault(Fault::new("/(manifests|blobs)/", without("Content-Length")).method("GET"));
    case.works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_a_digest_is_made_up_for_by_reading() {
    let case = Case::new().await;
    case.upstream().fault(Fault::new("/manifests/", without(DIGEST)));
    case.works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_is_no_manifest() {
    let case = Case::new().await;
    case.upstream()
        .fault(Fault::new("/manifests/", web_page()).method("GET"));
    case.fails(&["read upstream docker.io/library/app:1", "text/html"])
        .await;
    case.upstream().fault(Fault::new("", web_page()));
    case.fails(&["look up upstream docker.io/library/app:1", "text/html"])
        .await;
    // A HEAD that tells nothing is nothing, where the manifest itself is there.
    case.upstream()
        .fault(Fault::new("/manifests/", web_page()).method("HEAD"));
    case.works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_without_an_end_is_refused() {
    let mut case = Case::new().await;
    let entry = |digest: &str, size: usize| json!({"mediaType": OCI_INDEX, "digest": digest, "size": size});
    let index =
        |entries: Vec<Value>| json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string();
    let itself = format!("sha256:{}", "c".repeat(64));
    let bytes = index(vec![entry(&itself, 300)]);
    case.answers(OCI_INDEX, bytes.as_bytes()).await;
    case.upstream()
        .fault(Fault::new(&itself, answer(OCI_INDEX, &itself, bytes.as_bytes())));
    let child = format!("read upstream docker.io/library/app@{itself}");
    case.fails(&[&child, "it should be", &itself]).await;

    let many = (0..10_000).map(|at| entry(&format!("sha256:{at:064x}"), 300)).collect();
    case.answers(OCI_INDEX, index(many).as_bytes()).await;
    case.world.forget_requests();
    let began = Instant::now();
    case.fails(&["read upstream docker.io/library/app:1", "more than 1000 manifests"])
        .await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(case.upstream().requests().len() < 10, "nothing of it is read");

    let deep = (0..6).fold(multi("deep"), |inner, _| Index::new(IndexKind::Oci).index(inner));
    case.new = deep.put(&Place::of(case.upstream()), UPSTREAM, "1").await;
    case.fails(&[
        "read upstream docker.io/library/app:1",
        "in one another more than 4 deep",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_descriptor_that_lies_about_a_size_is_found_out() {
    let mut case = Case::new().await;
    let (media_type, size) = (case.built.media_type.clone(), case.built.blobs[0].1.len());
    for said in [0, size - 1, size + 1] {
        let mut manifest = case.manifest();
        manifest["layers"][0]["size"] = said.into();
        case.has(&media_type, &manifest).await;
        let number = format!("{said} bytes");
        let words = [
            "read a layer of upstream docker.io/library/app:1",
            "than the manifest says",
            &number,
        ];
        case.fails(&words).await;
        // Also where the registry does not say how much comes: nothing that is not what it should be gets a tag.
        case.layer_is(without("Content-Length"))
            .fails(&["read a layer of upstream docker.io/library/app:1", case.layer()])
            .await;
    }
    for said in [1, 5_000] {
        let child = json!({"mediaType": media_type, "digest": case.built.digest, "size": said});
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]});
        case.world.upstream(UPSTREAM, "child", image(1)).await;
        case.has(OCI_INDEX, &index).await;
        let child = format!("read upstream docker.io/library/app@{}", case.built.digest);
        case.fails(&[&child, &format!("the index that lists it says {said}")])
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_lead_somewhere_or_are_left() {
    let case = Case::new().await;
    let itself = format!("/v2/{UPSTREAM}/blobs/{}", case.layer());
    let around = Act::Answer {
        status: 307,
        headers: vec![("Location".to_owned(), itself)],
        body: Vec::new(),
    };
    case.layer_is(around)
        .fails(&[
            "read a layer of upstream docker.io/library/app:1",
            "redirects are not followed",
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_upstream_is_named() {
    let case = Case::new().await;
    let gone = |code: &str| Act::status(404, code, "unknown to registry");
    let words = ["read a layer of upstream docker.io/library/app:1", "404", case.layer()];
    case.layer_is(gone("BLOB_UNKNOWN")).fails(&words).await;

    let index = case.world.upstream(UPSTREAM, "1", multi("new")).await;
    let child = &index.children[1].digest;
    case.upstream().fault(Fault::new(child, gone("MANIFEST_UNKNOWN")));
    let read = format!("read upstream docker.io/library/app@{child}");
    case.fails(&[&read, "404"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_image_is_refused_with_the_reason() {
    let mut case = Case::new().await;
    let schema1 = br#"{"schemaVersion": 1, "name": "library/app", "tag": "1", "fsLayers": [], "history": []}"#;
    case.answers("application/vnd.docker.distribution.manifest.v1+prettyjws", schema1)
        .await;
    case.fails(&["read upstream docker.io/library/app:1", "schema 1"]).await;
    let helm = br#"{"schemaVersion": 2, "mediaType": "application/vnd.example.unheard-of.v9+json", "things": []}"#;
    case.answers("application/vnd.example.unheard-of.v9+json", helm).await;
    case.fails(&["read upstream docker.io/library/app:1", "unheard-of.v9+json"])
        .await;
    // CVE-2021-41190.
    let mut both = case.manifest();
    both["manifests"] = json!([]);
    case.answers(
        OCI_INDEX,
        both.to_string().replace(&case.built.media_type, OCI_INDEX).as_bytes(),
    )
    .await;
    case.fails(&[
        "read upstream docker.io/library/app:1",
        "layers and other manifests at once",
    ])
    .await;
    case.answers(OCI_MANIFEST, &case.built.manifest.clone()).await;
    case.fails(&["read upstream docker.io/library/app:1", "it calls itself"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_no_registry_has_to_take_is_refused() {
    let mut case = Case::new().await;
    let mut manifest = case.manifest();
    manifest["annotations"] = json!({"much": "x".repeat(4 << 20)});
    let manifest = manifest.to_string();
    case.answers(&case.built.media_type.clone(), manifest.as_bytes()).await;
    case.fails(&["read upstream docker.io/library/app:1", "larger than 4 MiB"])
        .await;
    // In the lab only the registry's own answers can go without a length, such as those for blobs.
    case.answers(&case.built.media_type.clone(), b"{}").await;
    let blob = Place::of(case.upstream()).put_blob(UPSTREAM, &manifest).await.unwrap();
    let stored = Act::Answer {
        status: 307,
        headers: vec![("Location".to_owned(), format!("/v2/{UPSTREAM}/blobs/{blob}"))],
        body: Vec::new(),
    };
    case.upstream().clear_faults();
    case.upstream()
        .fault(Fault::new("/manifests/1$", answer(&case.built.media_type, &blob, b"")).method("HEAD"));
    case.upstream().fault(Fault::new("/manifests/", stored).method("GET"));
    case.layer_of(&blob, without("Content-Length"));
    case.fails(&["read upstream docker.io/library/app:1", "larger than 4 MiB"])
        .await;
}

/// An image with a layer that is to be had at `there` alone: its digest and its bytes.
async fn with_foreign_layer(case: &mut Case, there: &ExtraRegistry) -> (String, Vec<u8>) {
    let layer = Layer::random(9, 50_000);
    let built = Image::new(Platform::amd64()).layer(layer.clone()).build().unwrap();
    let (digest, bytes) = built.blobs[0].clone();
    let foreign = layer.foreign(&format!("http://{}/layers/9", there.host()));
    case.new = case.world.upstream(UPSTREAM, "1", image(1).layer(foreign)).await;
    case.world.forget_requests();
    (digest, bytes.to_vec())
}

/// How often a blob was taken in.
fn uploads(front: &Front, digest: &str) -> usize {
    let hex = &digest["sha256:".len()..];
    requests(front, |one| one.status == 201 && one.query.contains(hex)).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_layers_stay_away_unless_they_are_asked_for() {
    let mut case = Case::new().await;
    let there = case.world.lab.registry(RegistryOptions::default()).await.unwrap();
    let (foreign, _) = with_foreign_layer(&mut case, &there).await;
    let ran = case.works().await;
    let notes = ran.image("app:1")["notes"].to_string();
    assert!(notes.contains("1 foreign layer"), "{notes}");
    assert_eq!(
        (there.front().requests().len(), uploads(case.target(), &foreign)),
        (0, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_layers_are_fetched_from_their_address_and_checked() {
    let mut case = Case::new().await;
    let there = case.world.lab.registry(RegistryOptions::default()).await.unwrap();
    let (foreign, layer) = with_foreign_layer(&mut case, &there).await;
    let with_them = || case.run().env("ECR_KEEPER_FOREIGN_LAYERS", "true").ran();
    let is_there = |layer: &[u8]| {
        there.front().clear_faults();
        let answer = answer("application/octet-stream", &foreign, layer);
        there.front().fault(Fault::new("^/layers/9$", answer));
    };
    // It is not the upstream's registry that lacks it.
    let read = "read a layer of upstream docker.io/library/app:1";
    case.ends_badly(with_them().await, &[read, "GET 127.0.0.1: 404", &foreign]);
    let mut other = layer.clone();
    other[100] ^= 1;
    is_there(&other);
    case.ends_badly(with_them().await, &[read, "GET 127.0.0.1: it should be", &foreign]);
    is_there(&layer);
    let ran = case.ends_well(with_them().await);
    assert!(!ran.stdout.contains("foreign layer"), "{}", ran.stdout);
    assert_eq!(uploads(case.target(), &foreign), 1);
    let asked = there.front().requests();
    assert!(
        asked.iter().all(|request| request.authorization.is_empty()),
        "{asked:?}"
    );
}
