use std::time::{Duration, Instant};

use ecr_lab::images::{self, Place};
use ecr_lab::{Act, Fault, Lab};

use super::lab;

async fn filled() -> (Lab, String, String) {
    let lab = lab().await;
    let pushed = images::tiny("a")
        .push(&Place::of(lab.upstream()), "aa", "1")
        .await
        .unwrap();
    let url = |path: String| format!("http://{}/v2/aa/{path}", lab.upstream().host());
    let manifest = url("manifests/1".to_owned());
    let blob = url(format!("blobs/{}", pushed.children[0].config));
    (lab, manifest, blob)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_answered_as_often_as_told() {
    let (lab, manifest, blob) = filled().await;
    lab.upstream().fault(
        Fault::new("/manifests/", Act::too_many_requests(3))
            .method("GET")
            .times(1),
    );
    assert_eq!(reqwest::get(&blob).await.unwrap().status(), 200);
    let refused = reqwest::get(&manifest).await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "3");
    assert!(refused.text().await.unwrap().contains("TOOMANYREQUESTS"));
    assert_eq!(reqwest::get(&manifest).await.unwrap().status(), 200);
    let statuses: Vec<u16> = lab.upstream().requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [200, 429, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_cut_after_the_bytes_told() {
    let (lab, _, blob) = filled().await;
    lab.upstream().fault(Fault::new("/blobs/", Act::CutBody(10)).times(1));
    let mut cut = reqwest::get(&blob).await.unwrap();
    assert!(cut.content_length().unwrap() > 10);
    assert_eq!(cut.chunk().await.unwrap().unwrap().len(), 10);
    assert!(cut.chunk().await.is_err());
    assert_eq!(lab.upstream().requests()[0].bytes_out, 10);
    assert!(reqwest::get(&blob).await.unwrap().bytes().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_cut() {
    let (lab, _, _) = filled().await;
    lab.upstream()
        .fault(Fault::new("/blobs/uploads/", Act::CutRequest(5)).method("PUT").times(1));
    let place = Place::new(lab.upstream().host());
    assert!(images::tiny("b").push(&place, "aa", "2").await.is_err());
    let requests = lab.upstream().requests();
    let cut = requests.iter().find(|request| request.method == "PUT").unwrap();
    assert_eq!(cut.status, 0, "no answer");
    assert!(images::tiny("b").push(&place, "aa", "2").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_digests_and_delays_are_wrong_when_told() {
    let (lab, manifest, _) = filled().await;
    lab.upstream().fault(Fault::new(
        "/manifests/",
        Act::Header("RateLimit-Remaining".into(), "7".into()),
    ));
    lab.upstream().fault(Fault::new("/manifests/", Act::WrongDigest));
    lab.upstream()
        .fault(Fault::new("/manifests/", Act::Delay(Duration::from_millis(150))));
    let begin = Instant::now();
    let answer = reqwest::get(&manifest).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(150));
    assert_eq!(answer.headers()["ratelimit-remaining"], "7");
    assert_eq!(
        answer.headers()["docker-content-digest"],
        format!("sha256:{}", "0bad".repeat(16)).as_str()
    );
    lab.upstream().clear_faults();
    assert!(
        !reqwest::get(&manifest)
            .await
            .unwrap()
            .headers()
            .contains_key("ratelimit-remaining")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_request_waits_for_its_release() {
    let (lab, manifest, _) = filled().await;
    lab.upstream().fault(Fault::new("/manifests/", Act::Hold).times(1));
    let held = tokio::spawn(reqwest::get(manifest));
    lab.upstream().held(1).await;
    assert!(!held.is_finished());
    lab.upstream().release();
    assert_eq!(held.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_waits_for_the_login_except_on_the_base() {
    let lab = lab().await;
    lab.ecr()
        .front()
        .fault(Fault::new("^/v2/$", Act::status(503, "UNAVAILABLE", "busy")).times(1));
    lab.ecr()
        .front()
        .fault(Fault::new("/tags/", Act::status(500, "UNKNOWN", "broken")).times(1));
    let url = |path: &str| format!("http://{}{path}", lab.ecr().host());
    assert_eq!(reqwest::get(url("/v2/")).await.unwrap().status(), 503);
    assert_eq!(reqwest::get(url("/v2/aa/tags/list")).await.unwrap().status(), 401);
    let token = lab.ecr().issue_token();
    assert_eq!(super::get(lab.ecr().host(), "/v2/aa/tags/list", &token).await.0, 500);
    assert_eq!(super::get(lab.ecr().host(), "/v2/aa/tags/list", &token).await.0, 404);
}
