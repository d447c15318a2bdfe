use std::time::{Duration, Instant};

use ecr_lab::images::{self, Place};
use ecr_lab::{Act, Fault, Lab};
use reqwest::Client;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{ask, header, lab};

/// The bytes of a blob upstream, and where it is.
const CONTENT: &[u8] = b"0123456789abcdef";

async fn with_a_blob() -> (Lab, String) {
    let lab = lab().await;
    let place = Place::of(lab.upstream());
    let digest = place.put_blob("aa", CONTENT).await.unwrap();
    let url = format!("http://{}/v2/aa/blobs/{digest}", lab.upstream().host());
    (lab, url)
}

fn wrong(lab: &Lab, act: Act) {
    lab.upstream().clear_faults();
    lab.upstream().fault(Fault::new("/v2/aa/", act));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_whole_and_to_head_without_its_body() {
    let (lab, url) = with_a_blob().await;
    let headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
    let body = b"<p>captive portal".to_vec();
    wrong(
        &lab,
        Act::Answer {
            status: 200,
            headers,
            body,
        },
    );
    let got = ask(Client::new().get(&url)).await;
    assert_eq!(
        (header(&got, "content-type"), header(&got, "content-length")),
        ("text/html", "17")
    );
    assert_eq!(got.text().await.unwrap(), "<p>captive portal");
    let head = ask(Client::new().head(&url)).await;
    assert_eq!((head.status().as_u16(), header(&head, "content-length")), (200, "17"));
    assert_eq!(head.text().await.unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_left_out() {
    let (lab, url) = with_a_blob().await;
    wrong(&lab, Act::RemoveHeader("Docker-Content-Digest".into()));
    let got = ask(Client::new().get(&url)).await;
    assert_eq!(header(&got, "docker-content-digest"), "");
    assert_eq!(header(&got, "content-length"), "16");

    wrong(&lab, Act::RemoveHeader("Content-Length".into()));
    let got = ask(Client::new().get(&url)).await;
    assert_eq!(
        (header(&got, "content-length"), header(&got, "transfer-encoding")),
        ("", "chunked")
    );
    assert_eq!(got.bytes().await.unwrap(), CONTENT);
    let head = ask(Client::new().head(&url)).await;
    assert_eq!((head.status().as_u16(), header(&head, "content-length")), (200, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_ignored_when_told() {
    let (lab, url) = with_a_blob().await;
    let request = || Client::new().get(&url).header("Range", "bytes=10-");
    let part = ask(request()).await;
    assert_eq!(
        (part.status().as_u16(), part.text().await.unwrap().as_str()),
        (206, "abcdef")
    );
    wrong(&lab, Act::IgnoreRange);
    let whole = ask(request()).await;
    assert_eq!(whole.status(), 200);
    assert_eq!(whole.bytes().await.unwrap(), CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_truncated_and_corrupted_as_if_nothing_were() {
    let (lab, url) = with_a_blob().await;
    wrong(&lab, Act::Truncate(10));
    let got = ask(Client::new().get(&url)).await;
    assert_eq!(header(&got, "content-length"), "10");
    assert_eq!(got.text().await.unwrap(), "0123456789");
    let head = ask(Client::new().head(&url)).await;
    assert_eq!(header(&head, "content-length"), "10");
    wrong(&lab, Act::Truncate(100));
    assert_eq!(ask(Client::new().get(&url)).await.bytes().await.unwrap(), CONTENT);

    wrong(&lab, Act::Corrupt);
    let got = ask(Client::new().get(&url)).await;
    assert_eq!(header(&got, "content-length"), "16");
    let got = got.bytes().await.unwrap();
    assert_eq!((&got[..15], got.len()), (&CONTENT[..15], 16));
    assert_ne!(got[15], CONTENT[15]);
}

/// Begins an upload and goes on wherever the answer says.
async fn upload(lab: &Lab, content: &[u8]) -> (reqwest::Url, reqwest::Response) {
    let client = Client::new();
    let begin = ask(client.post(format!("http://{}/v2/aa/blobs/uploads/", lab.upstream().host()))).await;
    assert_eq!(begin.status(), 202);
    let mut target = begin.url().join(header(&begin, "location")).unwrap();
    let digest = format!("sha256:{:x}", Sha256::digest(content));
    target.query_pairs_mut().append_pair("digest", &digest);
    let put = client
        .put(target.clone())
        .header("Content-Type", "application/octet-stream");
    (target, ask(put.body(content.to_vec())).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_is_a_path_when_told() {
    let (lab, _) = with_a_blob().await;
    let absolute = format!("http://{}/v2/aa/blobs/", lab.upstream().host());
    let (_, done) = upload(&lab, b"one").await;
    assert!(header(&done, "location").starts_with(&absolute));
    wrong(&lab, Act::RelativeLocation);
    let (_, done) = upload(&lab, b"two").await;
    assert_eq!(done.status(), 201);
    assert!(header(&done, "location").starts_with("/v2/aa/blobs/sha256:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_at_another_host_without_a_login() {
    let (lab, _) = with_a_blob().await;
    lab.upstream()
        .fault(Fault::new("/uploads/$", Act::LocationOnOtherHost).method("POST"));
    let (target, done) = upload(&lab, b"one").await;
    assert_eq!((target.host_str(), done.status().as_u16()), (Some("127.0.0.2"), 201));
    assert!(header(&done, "location").starts_with("http://127.0.0.2:"));

    lab.upstream().require_login("me", "secret");
    let client = Client::new();
    let begin = client.post(format!("http://{}/v2/aa/blobs/uploads/", lab.upstream().host()));
    let begin = ask(begin.basic_auth("me", Some("secret"))).await;
    let target = header(&begin, "location").to_owned();
    lab.upstream().clear_requests();
    let patched = ask(client.patch(&target).body("tw")).await;
    assert_eq!(patched.status(), 202);
    let cancel = client.delete(header(&patched, "location"));
    assert_eq!(ask(cancel.basic_auth("me", Some("secret"))).await.status(), 204);
    let other = target.split("/v2/").next().unwrap();
    assert_eq!(ask(client.get(format!("{other}/v2/aa/tags/list"))).await.status(), 401);
    let seen: Vec<(String, String)> = lab
        .upstream()
        .requests()
        .into_iter()
        .map(|request| (format!("http://{}", request.host), request.authorization))
        .collect();
    let expected = ["", "Basic", ""].map(|scheme| (other.to_owned(), scheme.to_owned()));
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_read_slowly_when_told() {
    let (lab, _) = with_a_blob().await;
    let image = images::tiny("a").layer(images::Layer::random(1, 3_000_000));
    lab.upstream()
        .fault(Fault::new("/blobs/uploads/", Act::SlowBody(Duration::from_millis(100))).method("PUT"));
    let begin = Instant::now();
    let place = Place::new(lab.upstream().host());
    image.push(&place, "aa", "1").await.unwrap();
    // Three blobs, and the large one comes in several pieces.
    assert!(begin.elapsed() > Duration::from_millis(600), "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn ecr_goes_on_at_another_host_too() {
    let lab = lab().await;
    lab.ecr().create_repository("aa");
    let sent_on = Fault::new("/uploads/$", Act::LocationOnOtherHost).method("POST");
    lab.ecr().front().fault(sent_on);
    let client = Client::new();
    let begin = client.post(format!("http://{}/v2/aa/blobs/uploads/", lab.ecr().host()));
    let begin = ask(begin.basic_auth("AWS", Some(lab.ecr().issue_token()))).await;
    let target = header(&begin, "location");
    assert!(target.starts_with("http://127.0.0.2:"), "{target}");
    let target = format!("{target}&digest=sha256:{:x}", Sha256::digest("one"));
    assert_eq!(ask(client.put(target).body("one")).await.status(), 201);
    assert_eq!(lab.ecr().front().requests()[1].authorization, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_labs_page_knows_every_act() {
    let (lab, url) = with_a_blob().await;
    let acts = [
        json!({"remove_header": "Docker-Content-Digest"}),
        json!({"slow_body_ms": 1}),
        json!({"truncate": 3}),
        json!("corrupt"),
        json!("ignore_range"),
        json!("relative_location"),
        json!("location_on_other_host"),
    ];
    for act in acts {
        let page = Client::new().post(format!("{}/_lab/faults", lab.endpoint()));
        let fault = json!({"path": "/blobs/", "act": act}).to_string();
        assert_eq!(ask(page.body(fault)).await.status(), 200, "{act}");
    }
    let got = ask(Client::new().get(&url).header("Range", "bytes=10-")).await;
    assert_eq!(header(&got, "docker-content-digest"), "");
    assert_eq!(
        got.text().await.unwrap(),
        "013",
        "the first three, the last of them another"
    );
    let page = Client::new().post(format!("{}/_lab/faults", lab.endpoint()));
    let answer = json!({"answer": {"status": 418, "body": "tea"}});
    ask(page.body(json!({"path": "/tags/", "act": answer}).to_string())).await;
    let got = ask(Client::new().get(format!("http://{}/v2/aa/tags/list", lab.upstream().host()))).await;
    assert_eq!(
        (got.status().as_u16(), got.text().await.unwrap().as_str()),
        (418, "tea")
    );
}
