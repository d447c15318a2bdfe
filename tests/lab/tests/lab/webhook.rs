use std::time::Duration;

use serde_json::{Value, json};

use super::lab;

async fn post(url: &str, body: &Value) -> (u16, Value) {
    let response = reqwest::Client::new().post(url).json(body).send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sink_has_discords_rules() {
    let lab = lab().await;
    let url = lab.webhook().url();
    let text = |length: usize| json!({"content": "ü".repeat(length)});
    assert_eq!(post(&url, &text(2000)).await.0, 204);
    let (status, answer) = post(&url, &text(2001)).await;
    assert_eq!((status, &answer["code"]), (400, &json!(50035)));
    let (status, answer) = post(&url, &json!({"content": ""})).await;
    assert_eq!((status, &answer["code"]), (400, &json!(50006)));
    assert_eq!(post(&format!("{url}x"), &text(1)).await.0, 401);
    assert_eq!(lab.webhook().messages().len(), 1);
    assert_eq!(lab.webhook().attempts().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sink_is_slow_or_broken_when_told() {
    let lab = lab().await;
    let url = lab.webhook().url();
    lab.webhook().rate_limit(1, Duration::from_millis(1300));
    lab.webhook().answer_status(1, 500);
    let body = json!({"content": "a"});
    let limited = reqwest::Client::new().post(&url).json(&body).send().await.unwrap();
    assert_eq!(limited.status(), 429);
    assert_eq!(limited.headers()["retry-after"], "2");
    assert_eq!(limited.json::<Value>().await.unwrap()["retry_after"], 1.3);
    assert_eq!(post(&url, &body).await.0, 500);
    assert_eq!(post(&url, &body).await.0, 204);
    assert_eq!(lab.webhook().messages()[0].content, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_hooks_take_any_json() {
    let lab = lab().await;
    let url = lab.webhook().hook_url("slack");
    assert_eq!(post(&url, &json!({"text": "a"})).await.0, 200);
    assert_eq!(lab.webhook().messages()[0].json["text"], "a");
    assert_eq!(lab.webhook().messages()[0].path, "/hook/slack");
}
