use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::lab;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn an_event_goes_to_the_function_and_its_answer_to_who_asked() {
    let lab = lab().await;
    let api = lab.lambda().await.unwrap();
    let at = |path: &str| format!("http://{}/2018-06-01/runtime/invocation/{path}", api.address());
    let client = reqwest::Client::new();
    let function = async {
        for kind in ["response", "error"] {
            let next = client.get(at("next")).send().await.unwrap();
            let header = |name: &str| next.headers()[name].to_str().unwrap().to_owned();
            let id = header("lambda-runtime-aws-request-id");
            let deadline: i64 = header("lambda-runtime-deadline-ms").parse().unwrap();
            let left = deadline - Timestamp::now().as_millisecond();
            assert!((1..=60_000).contains(&left), "{left}");
            assert!(header("lambda-runtime-invoked-function-arn").starts_with("arn:aws:lambda:"));
            let event: Value = next.json().await.unwrap();
            let answer = || client.post(at(&format!("{id}/{kind}"))).json(&json!({ "to": event }));
            assert_eq!(answer().send().await.unwrap().status(), 202);
            assert_eq!(answer().send().await.unwrap().status(), 400, "it is answered already");
        }
    };
    let asking = async {
        let well = api.invoke(&json!({"number": 1}), MINUTE).await.unwrap();
        assert_eq!(well.answer, Ok(json!({"to": {"number": 1}})));
        let ill = api.invoke(&json!({"number": 2}), MINUTE).await.unwrap();
        assert_eq!(ill.answer, Err(json!({"to": {"number": 2}})));
        assert_ne!(well.id, ill.id);
    };
    tokio::join!(function, asking);
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_keeps_secrets_and_parameters_beside_objects() {
    let lab = lab().await;
    let aws = lab.s3().await.unwrap();
    let secret = aws.keep_secret("team/hub", "one").await.unwrap();
    assert!(
        secret.starts_with("arn:aws:secretsmanager:eu-central-1:123456789012:secret:team/hub-"),
        "{secret}"
    );
    let parameter = aws.keep_parameter("/team/hub", "one").await.unwrap();
    assert_eq!(parameter, "arn:aws:ssm:eu-central-1:123456789012:parameter/team/hub");
}
