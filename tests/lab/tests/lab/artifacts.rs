use ecr_lab::images::{self, Artifact, Format, Image, Index, IndexKind, Layer, Place, Platform};
use serde_json::Value;

use super::lab;

/// The media type and the bytes of the manifest with this digest.
async fn manifest(host: &str, digest: &str) -> (String, Vec<u8>) {
    let url = format!("http://{host}/v2/aa/manifests/{digest}");
    let accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                  application/vnd.docker.distribution.manifest.v2+json";
    let request = reqwest::Client::new().get(url).header("Accept", accept);
    let answer = super::ask(request).await;
    let kind = super::header(&answer, "content-type").to_owned();
    (kind, answer.bytes().await.unwrap().to_vec())
}

async fn parsed(host: &str, digest: &str) -> Value {
    serde_json::from_slice(&manifest(host, digest).await.1).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_names_its_subject() {
    let lab = lab().await;
    let place = Place::of(lab.upstream());
    let index = images::multi("a").push(&place, "aa", "1").await.unwrap();
    let child = &index.children[0];
    let bill = Artifact::new("application/spdx+json", b"{}").subject(child);
    let bill = bill.push(&place, "aa", Some("bill")).await.unwrap();
    assert_eq!(
        place.digest_of("aa", "bill").await.unwrap().as_deref(),
        Some(bill.digest())
    );
    let artifact = parsed(lab.upstream().host(), bill.digest()).await;
    assert_eq!(artifact["mediaType"], bill.media_type);
    assert_eq!(artifact["artifactType"], "application/spdx+json");
    assert_eq!(artifact["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
    let subject = &artifact["subject"];
    assert_eq!(subject["digest"], child.digest.as_str());
    let (kind, bytes) = manifest(lab.upstream().host(), &child.digest).await;
    assert_eq!(
        (&subject["mediaType"], &subject["size"]),
        (&kind.into(), &bytes.len().into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_may_hold_an_index() {
    let lab = lab().await;
    lab.ecr().create_repository("aa");
    for place in [Place::of(lab.upstream()), Place::ecr(lab.ecr())] {
        let outer = Index::new(IndexKind::Oci)
            .image(images::tiny("b").format(Format::Oci))
            .index(images::multi("a"));
        let outer = outer.push(&place, "aa", "outer").await.unwrap();
        assert_eq!(outer.children.len(), 3);
        let inner = images::multi("a").push(&place, "aa", "inner").await.unwrap();
        assert_eq!(
            place.digest_of("aa", &inner.top).await.unwrap().as_deref(),
            Some(inner.digest())
        );
        assert_eq!(outer.children[1..], inner.children);
    }
    let outer = lab.ecr().digest_of("aa", "outer").unwrap();
    let index = parsed(lab.upstream().host(), &outer).await;
    let inner = lab.ecr().digest_of("aa", "inner").unwrap();
    assert_eq!(index["manifests"][1]["digest"], inner.as_str());
    assert_eq!(
        index["manifests"][1]["mediaType"],
        "application/vnd.oci.image.index.v1+json"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_may_have_no_byte_or_be_elsewhere() {
    let lab = lab().await;
    let place = Place::of(lab.upstream());
    let elsewhere = Layer::random(1, 1000).foreign("https://example.com/layer");
    let layers = [Layer::nothing(), elsewhere];
    let image = layers.into_iter().fold(Image::new(Platform::amd64()), Image::layer);
    for (format, foreign) in [
        (
            Format::Docker,
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ),
        (
            Format::Oci,
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        ),
    ] {
        let pushed = image.clone().format(format).push(&place, "aa", "1").await.unwrap();
        let manifest = parsed(lab.upstream().host(), pushed.digest()).await;
        let [empty, elsewhere] = manifest["layers"].as_array().unwrap().as_slice() else {
            panic!("two layers")
        };
        assert_eq!(empty["size"], 0);
        assert_eq!(
            (&elsewhere["mediaType"], &elsewhere["urls"][0]),
            (&foreign.into(), &"https://example.com/layer".into())
        );
        let blob = |layer: &Value| {
            let digest = layer["digest"].as_str().unwrap_or_default();
            reqwest::get(format!("http://{}/v2/aa/blobs/{digest}", lab.upstream().host()))
        };
        let got = blob(empty).await.unwrap();
        assert_eq!((got.status().as_u16(), got.bytes().await.unwrap().len()), (200, 0));
        assert_eq!(blob(elsewhere).await.unwrap().status(), 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_bytes_can_be_put() {
    let lab = lab().await;
    let place = Place::of(lab.upstream());
    let config = place.put_blob("aa", "{}").await.unwrap();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = format!(
        r#"{{ "schemaVersion":2,  "mediaType":"{kind}",
            "config":{{"mediaType":"a/b","digest":"{config}","size":2}},"layers":[] }}"#
    );
    let digest = place.put_manifest("aa", "odd", kind, &manifest).await.unwrap();
    assert_eq!(place.digest_of("aa", "odd").await.unwrap(), Some(digest));
}
