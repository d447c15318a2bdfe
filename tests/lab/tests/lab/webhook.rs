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
    lab.webhook().answer_status(9, 500);
    lab.webhook().recover();
    assert_eq!(post(&url, &body).await.0, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_hooks_take_any_json() {
    let lab = lab().await;
    let url = lab.webhook().hook_url("slack");
    assert_eq!(post(&url, &json!({"text": "a"})).await.0, 200);
    assert_eq!(lab.webhook().messages()[0].json["text"], "a");
    assert_eq!(lab.webhook().messages()[0].path, "/hook/slack");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_says_back_who_asked_and_where() {
    let lab = lab().await;
    let request = reqwest::Client::new().post(lab.webhook().echo_url("json-secret"));
    let answer = request.bearer_auth("key").json(&json!({})).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["message"], "Bearer key may not post to json-secret");
    assert_eq!(body["error"]["code"], "json-secret");
    let answer = reqwest::Client::new().post(lab.webhook().echo_url("secret"));
    assert_eq!(answer.send().await.unwrap().text().await.unwrap(), "secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_has_its_own_rules_and_answers() {
    let lab = lab().await;
    let sink = lab.webhook();
    let api = format!("{}/chat.postMessage", sink.slack_api());
    let post = async |token: &str, body: Value| -> Value {
        let request = reqwest::Client::new().post(&api).bearer_auth(token).json(&body);
        request.send().await.unwrap().json().await.unwrap()
    };
    let section = |length: usize| json!({"type": "section", "text": {"type": "mrkdwn", "text": "a".repeat(length)}});
    let message = |blocks: Vec<Value>| json!({"channel": "C0IMAGES", "text": "a", "blocks": blocks});
    let token = sink.slack_token().to_owned();
    assert_eq!(post(&token, message(vec![section(3000); 3])).await["ok"], true);
    let header = json!({"type": "header", "text": {"type": "plain_text", "text": "a".repeat(151)}});
    for (token, body, code) in [
        ("xoxb-nobody", message(vec![section(1)]), "invalid_auth"),
        ("xoxb-reader", message(vec![section(1)]), "missing_scope"),
        (
            &*token,
            json!({"channel": "C0STRANGERS", "text": "a"}),
            "not_in_channel",
        ),
        (&*token, json!({"channel": "C0", "text": "a"}), "channel_not_found"),
        (&*token, message(vec![section(3001)]), "invalid_blocks"),
        (&*token, message(vec![header]), "invalid_blocks"),
        (&*token, message(vec![section(1); 51]), "invalid_blocks"),
        (&*token, message(vec![section(3000); 4]), "msg_blocks_too_long"),
    ] {
        assert_eq!(post(token, body).await["error"], code);
    }
    let hook = async |url: &str, body: &Value| {
        let answer = reqwest::Client::new().post(url).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(
        hook(&sink.slack_hook(), &json!({"text": "a"})).await,
        (200, "ok".to_owned())
    );
    assert_eq!(hook(&sink.slack_hook(), &json!({})).await, (400, "no_text".to_owned()));
    assert_eq!(
        hook(&sink.slack_hook_called("x"), &json!({"text": "a"})).await,
        (404, "no_service".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_takes_cards_of_28_kb_in_utf_16_and_nothing_else() {
    let lab = lab().await;
    let sink = lab.webhook();
    let card = |length: usize| {
        let run = json!({"type": "TextRun", "text": "a".repeat(length)});
        let body = json!([{"type": "RichTextBlock", "inlines": [run]}]);
        let card = json!({"type": "AdaptiveCard", "version": "1.4", "body": body});
        let kind = "application/vnd.microsoft.card.adaptive";
        json!({"type": "message", "attachments": [{"contentType": kind, "contentUrl": null, "content": card}]})
    };
    assert_eq!(post(&sink.teams_url(), &card(13_600)).await.0, 202);
    let unsigned = sink.teams_url().replace("sig=", "sig=x");
    for (url, body, status, code) in [
        (&sink.teams_url(), card(14_400), 413, "RequestEntityTooLarge"),
        (&sink.teams_url(), card(0), 400, "TriggerInputSchemaMismatch"),
        (
            &sink.teams_url(),
            json!({"text": "a"}),
            400,
            "TriggerInputSchemaMismatch",
        ),
        (&unsigned, card(1), 401, "DirectApiAuthorizationRequired"),
        (&sink.teams_flow("workflows/2"), card(1), 404, "WorkflowNotFound"),
    ] {
        let (answered, body) = post(url, &body).await;
        assert_eq!((answered, &body["error"]["code"]), (status, &json!(code)));
    }
}
