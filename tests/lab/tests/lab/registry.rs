use std::process::Command;
use std::time::Duration;

use ecr_lab::images::{self, Compression, Format, Image, Layer, Place, Platform};
use ecr_lab::{Lab, LabOptions};

use super::{get, lab, lab_with};

/// Runs skopeo with ECR's token for its target, and tells what it printed.
fn skopeo(lab: &Lab, words: &[&str]) -> (bool, String) {
    let login = format!("AWS:{}", lab.ecr().issue_token());
    let mut command = Command::new("skopeo");
    command.args(["copy", "--src-tls-verify=false", "--dest-tls-verify=false"]);
    let output = command
        .args(["--dest-creds", &login])
        .args(words)
        .output()
        .expect("skopeo");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_copies_an_index_there_and_back() {
    let lab = lab().await;
    lab.ecr().create_repository("base/image/nginx");
    let pushed = images::multi("a")
        .push(&Place::of(lab.upstream()), "library/nginx", "1")
        .await
        .unwrap();
    assert!(lab.upstream().requests().is_empty());

    let from = format!("docker://{}/library/nginx:1", lab.upstream().host());
    let to = format!("docker://{}/base/image/nginx:1", lab.ecr().host());
    let (well, text) = skopeo(&lab, &["--all", &from, &to]);
    assert!(well, "{text}");
    assert_eq!(lab.ecr().digest_of("base/image/nginx", "1"), Some(pushed.top));

    let folder = lab.dir().join("copy");
    let login = format!("AWS:{}", lab.ecr().issue_token());
    let back = format!("dir:{}", folder.display());
    let (well, text) = skopeo(&lab, &["--all", "--src-creds", &login, &to, &back]);
    assert!(well, "{text}");
    let blobs = lab.ecr().blobs().requests();
    assert!(
        blobs.iter().any(|request| request.status == 200),
        "skopeo followed the redirects"
    );
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_expire_and_can_be_revoked() {
    let lab = lab_with(LabOptions {
        token_ttl: Duration::from_millis(700),
        ..LabOptions::default()
    })
    .await;
    let host = lab.ecr().host();
    let expired = r#"{"errors":[{"code":"DENIED","message":"Your authorization token has expired. Reauthenticate and try again."}]}"#;
    let token = lab.ecr().issue_token();
    assert_eq!(get(host, "/v2/", &token).await.0, 200);
    lab.ecr().revoke_tokens();
    assert_eq!(get(host, "/v2/", &token).await, (403, expired.to_owned()));
    let token = lab.ecr().issue_token();
    assert_eq!(get(host, "/v2/", &token).await.0, 200);
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(get(host, "/v2/", &token).await, (403, expired.to_owned()));

    let response = reqwest::get(format!("http://{host}/v2/")).await.unwrap();
    assert_eq!(response.status(), 401);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.ends_with(r#",service="ecr.amazonaws.com""#), "{challenge}");
    assert_eq!(get(host, "/v2/", "invented").await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_must_exist() {
    let lab = lab().await;
    let place = Place::ecr(lab.ecr());
    let refused = images::tiny("a")
        .push(&place, "none", "1")
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("404"), "{refused}");
    assert!(refused.contains("NAME_UNKNOWN"), "{refused}");
    let text = "The repository with name 'none' does not exist in the registry with id '123456789012'";
    assert!(refused.contains(text), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_tag_is_refused_even_with_the_same_digest() {
    let lab = lab().await;
    lab.ecr().create_immutable_repository("fixed");
    lab.ecr().create_immutable_repository_except("mostly", &["dev-*"]);
    let place = Place::ecr(lab.ecr());
    let image = images::tiny("a");
    image.push(&place, "fixed", "1").await.unwrap();
    let refused = image.push(&place, "fixed", "1").await.unwrap_err().to_string();
    assert!(refused.contains("400") && refused.contains("TAG_INVALID"), "{refused}");
    let text = "The image tag '1' already exists in the 'fixed' repository and cannot be \
                overwritten because the repository is immutable.";
    assert!(refused.contains(text), "{refused}");

    image.push(&place, "mostly", "dev-1").await.unwrap();
    images::tiny("b").push(&place, "mostly", "dev-1").await.unwrap();
    image.push(&place, "mostly", "1").await.unwrap();
    assert!(images::tiny("b").push(&place, "mostly", "1").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_moves_and_leaves_its_image_behind() {
    let lab = lab().await;
    lab.ecr().create_repository("aa");
    let place = Place::ecr(lab.ecr());
    let old = images::tiny("old").push(&place, "aa", "1").await.unwrap();
    let new = images::tiny("new").push(&place, "aa", "1").await.unwrap();
    let images = lab.ecr().images("aa");
    let tags: Vec<(&str, Vec<String>)> = images.iter().map(|it| (it.digest.as_str(), it.tags.clone())).collect();
    assert_eq!(
        tags,
        [(old.top.as_str(), vec![]), (new.top.as_str(), vec!["1".to_owned()])]
    );
    let path = format!("/v2/aa/manifests/{}", old.top);
    assert_eq!(get(lab.ecr().host(), &path, &lab.ecr().issue_token()).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tag_lists_page_with_links() {
    let lab = lab_with(LabOptions {
        page_size: 2,
        ..LabOptions::default()
    })
    .await;
    lab.ecr().create_repository("aa");
    let ecr = Place::ecr(lab.ecr());
    for tag in ["1", "2", "3"] {
        images::tiny(tag)
            .push(&Place::of(lab.upstream()), "aa", tag)
            .await
            .unwrap();
        images::tiny(tag).push(&ecr, "aa", tag).await.unwrap();
    }
    for front in [lab.upstream(), lab.ecr().front()] {
        let url = format!("http://{}/v2/aa/tags/list?n=100", front.host());
        let client = reqwest::Client::new();
        let password = lab.ecr().issue_token();
        let first = client
            .get(&url)
            .basic_auth("AWS", Some(&password))
            .send()
            .await
            .unwrap();
        assert_eq!(first.headers()["link"], r#"</v2/aa/tags/list?last=2&n=2>; rel="next""#);
        assert_eq!(first.text().await.unwrap(), r#"{"name":"aa","tags":["1","2"]}"#);
        let last = get(front.host(), "/v2/aa/tags/list?last=2&n=2", &password).await;
        assert_eq!(last.1, r#"{"name":"aa","tags":["3"]}"#);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_begins_an_upload_unless_mounting_is_on() {
    for (blob_mounting, expected) in [(false, 202), (true, 201)] {
        let lab = lab_with(LabOptions {
            blob_mounting,
            ..LabOptions::default()
        })
        .await;
        lab.ecr().create_repository("aa");
        lab.ecr().create_repository("bb");
        let pushed = images::tiny("a").push(&Place::ecr(lab.ecr()), "aa", "1").await.unwrap();
        let (host, config) = (lab.ecr().host(), &pushed.children[0].config);
        let url = format!("http://{host}/v2/bb/blobs/uploads/?mount={config}&from=aa");
        let request = reqwest::Client::new()
            .post(url)
            .basic_auth("AWS", Some(lab.ecr().issue_token()));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), expected);
        let location = response.headers()["location"].to_str().unwrap();
        assert!(location.starts_with(&format!("http://{host}/")), "{location}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_blob_host_takes_no_authorization() {
    let lab = lab().await;
    lab.ecr().create_repository("aa");
    let pushed = images::tiny("a").push(&Place::ecr(lab.ecr()), "aa", "1").await.unwrap();
    let url = format!("http://{}/v2/aa/blobs/{}", lab.ecr().host(), pushed.children[0].config);
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let login = |request: reqwest::RequestBuilder| request.basic_auth("AWS", Some(lab.ecr().issue_token()));
    let redirected = login(client.get(&url)).send().await.unwrap();
    assert_eq!(redirected.status(), 307);
    let target = redirected.headers()["location"].to_str().unwrap();
    assert_eq!(client.get(target).send().await.unwrap().status(), 200);
    assert_eq!(login(client.get(target)).send().await.unwrap().status(), 400);
    assert_eq!(
        client.get(&target[..target.len() - 1]).send().await.unwrap().status(),
        403
    );
    assert_eq!(login(client.head(&url)).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_tag_can_vanish_alone() {
    let lab = lab().await;
    let place = Place::of(lab.upstream());
    images::tiny("a").push(&place, "aa", "1").await.unwrap();
    images::tiny("a").push(&place, "aa", "latest").await.unwrap();
    lab.upstream().remove_tag("aa", "latest").unwrap();
    assert_eq!(place.digest_of("aa", "latest").await.unwrap(), None);
    assert!(place.digest_of("aa", "1").await.unwrap().is_some());
    assert!(lab.upstream().remove_tag("aa", "latest").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn upstream_can_ask_for_a_login() {
    let lab = lab().await;
    images::tiny("a")
        .push(&Place::of(lab.upstream()), "aa", "1")
        .await
        .unwrap();
    lab.upstream().require_login("me", "secret");
    let place = Place::new(lab.upstream().host());
    assert!(place.digest_of("aa", "1").await.is_err());
    let place = place.login("me", "secret");
    assert!(place.digest_of("aa", "1").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_counts_bytes_both_ways() {
    let lab = lab().await;
    let image = Image::new(Platform::host()).layer(Layer::random(1, 300_000));
    image.push(&Place::new(lab.upstream().host()), "aa", "1").await.unwrap();
    let requests = lab.upstream().requests();
    let put = requests
        .iter()
        .find(|request| request.method == "PUT" && request.bytes_in > 300_000);
    assert_eq!(put.map(|request| request.status), Some(201));
    lab.upstream().clear_requests();
    assert!(lab.upstream().requests().is_empty());
}

#[test]
fn the_same_values_give_the_same_digests() {
    let image = |packed| {
        Image::new(Platform::amd64())
            .layer(Layer::random(3, 100_000))
            .layer(Layer::new().file("a", &[7; 9000]))
            .packed(packed)
    };
    let built = |packed| image(packed).build().unwrap();
    let one = built(Compression::Gzip(6));
    assert_eq!(one.digest, built(Compression::Gzip(6)).digest);
    let again = built(Compression::Gzip(1));
    assert_ne!(one.digest, again.digest, "packed again");
    assert_eq!(one.config, again.config, "the same content");
    let oci = image(Compression::Zstd).format(Format::Oci).build().unwrap();
    assert_eq!(one.config, oci.config);
    assert!(image(Compression::Zstd).build().is_err(), "Docker's format has no zstd");
}
