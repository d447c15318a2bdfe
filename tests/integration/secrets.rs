//! Secrets by their ARN, and settings at AWS, on the command line and in a function.

use std::fs;
use std::time::Duration;

use ecr_lab::images::{Place, tiny};
use ecr_lab::{LabOptions, RegistryLogin, RegistryOptions, S3};
use serde_json::json;

use crate::support::{Content, Run, World};

const PASSWORD: &str = "hunter2-of-the-hub";

async fn world() -> (World, S3) {
    let world = World::without_daemon(LabOptions::default()).await;
    let aws = world.lab.s3().await.expect("AWS starts");
    (world, aws)
}

fn by_aws(run: Run, aws: &S3) -> Run {
    let run = run.env("AWS_ENDPOINT_URL_SECRETS_MANAGER", aws.endpoint());
    run.env("AWS_ENDPOINT_URL_SSM", aws.endpoint())
        .env("AWS_ENDPOINT_URL_S3", aws.endpoint())
}

fn settings(world: &World, text: &str) {
    fs::write(world.folder().join("settings.yaml"), text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_kept_in_secrets_manager_and_shows_nowhere() {
    let (world, aws) = world().await;
    let options = RegistryOptions {
        login: RegistryLogin::Basic {
            user: "somebody".to_owned(),
            password: PASSWORD.to_owned(),
        },
        ..RegistryOptions::default()
    };
    let registry = world.lab.registry(options).await.unwrap();
    let place = Place::of(registry.front()).login("somebody", PASSWORD);
    let pushed = tiny("private").put(&place, "team/app", "1").await;
    world.lab.ecr().create_repository("by/hand");
    let object = json!({"username": "somebody", "password": PASSWORD}).to_string();
    let secret = aws.keep_secret("hub", &object).await.unwrap();
    let host = registry.host();
    settings(
        &world,
        &format!("registries:\n  {host:?}: {{username: somebody, password: '{secret}#password'}}\n"),
    );
    let from = format!("{host}/team/app:1");
    let copy = ["copy", &from, &world.target("by/hand:1"), "--log-level", "trace"];
    let ran = by_aws(world.keeper(&copy), &aws).ran().await.well();
    assert_eq!(world.digest_in_ecr("by/hand", "1"), pushed.top);
    assert!(
        !ran.stderr.contains(PASSWORD) && !ran.stdout.contains(PASSWORD),
        "{}",
        ran.stderr
    );
    let checked = by_aws(world.keeper(&["config", "check"]), &aws).ran().await.well();
    assert!(!checked.stdout.contains(PASSWORD));
    // What is shown is asked of nobody.
    let shown = world.keeper(&["config", "show"]).ran().await.well();
    assert!(
        !shown.stdout.contains(PASSWORD) && shown.stdout.contains("(secret)"),
        "{}",
        shown.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_s_webhook_is_a_parameter_and_shows_in_no_log() {
    let (world, aws) = world().await;
    world.upstream("library/app", "1", tiny("new")).await;
    world.ecr("base/image/app", "1", tiny("old")).await;
    let url = world.lab.webhook().url();
    let (_, token) = url.rsplit_once('/').unwrap();
    let parameter = aws.keep_parameter("/team/webhook", &url).await.unwrap();
    let api = world.lab.lambda().await.unwrap();
    let run = by_aws(world.function(api.address()), &aws).env("DISCORD_WEBHOOK", parameter);
    let running = run.env("AWS_LAMBDA_LOG_LEVEL", "TRACE").started();
    let event = json!({"keyword": "base/image"});
    let invoked = api.invoke(&event, Duration::from_secs(60)).await.unwrap();
    let answer = invoked.answer.expect("no error");
    assert_eq!(answer["ok"], true, "{answer:#}");
    assert_eq!(world.lab.webhook().messages().len(), 1);
    running.signal("TERM");
    let log = running.end().await.stderr;
    assert!(log.contains("GetParameter"), "{log}");
    assert!(!log.contains(token) && !answer.to_string().contains(token), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_read_is_told_by_its_key_and_its_arn_with_all_other_mistakes() {
    let (world, aws) = world().await;
    let text = aws.keep_secret("text", PASSWORD).await.unwrap();
    let none = "arn:aws:ssm:eu-central-1:123456789012:parameter/none";
    let yaml = format!(
        "registries:\n  a.example: {{username: a, password: '{text}#password'}}\n  b.example: {{username: b, password: '{none}'}}\nconcurency: 2\n"
    );
    settings(&world, &yaml);
    let ran = by_aws(world.keeper(&["config", "check"]), &aws).ran().await.code_is(2);
    for part in [
        "the settings have 3 mistakes",
        "settings.yaml: registries.a.example.password: it is kept at AWS and cannot be read: GetSecretValue of arn:aws:secretsmanager:",
        "it is no JSON object with text at \"password\"\n",
        "settings.yaml: registries.b.example.password: it is kept at AWS and cannot be read: GetParameter of arn:aws:ssm:",
        "ParameterNotFound",
        "; it takes ssm:GetParameter, and kms:Decrypt",
        "concurency: no such setting; did you mean concurrency?",
    ] {
        assert!(ran.stderr.contains(part), "no {part}:\n{}", ran.stderr);
    }
    assert!(!ran.stderr.contains(PASSWORD), "{}", ran.stderr);
    assert!(!ran.stderr.contains(".;"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_line_names_settings_in_s3_or_in_a_parameter() {
    let (world, aws) = world().await;
    aws.create_bucket("team").await.unwrap();
    aws.put("team", "settings.yaml", "concurrency: 7\n").await.unwrap();
    aws.keep_parameter("/team/settings", "concurrency: 8\n").await.unwrap();
    for (place, number) in [("s3://team/settings.yaml", "7"), ("ssm:/team/settings", "8")] {
        let shown = by_aws(world.keeper(&["config", "show", "-c", place, "--output", "json"]), &aws);
        let shown = shown.ran().await.well().json();
        let mut all = shown.as_array().unwrap().iter();
        let found = all.find(|one| one["key"] == "concurrency").unwrap();
        assert_eq!((&found["value"], &found["origin"]), (&json!(number), &json!(place)));
        let checked = by_aws(world.keeper(&["config", "check"]), &aws).env("ECR_KEEPER_CONFIG", place);
        let checked = checked.ran().await.well();
        assert!(checked.stdout.contains(place), "{}", checked.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_hub_s_login_has_variables_of_its_own_where_both_are_there() {
    let (world, _aws) = world().await;
    let shown = async |run: Run| run.ran().await.well().stdout;
    let show = || world.keeper(&["config", "show"]);
    let both = shown(show().env("DOCKER_USERNAME", "robot").env("DOCKER_PASSWORD", PASSWORD)).await;
    let origin = |text: &str, key: &str| text.lines().find(|line| line.starts_with(key)).map(str::to_owned);
    let username = origin(&both, "registries.docker.io.username").unwrap();
    assert!(
        username.contains("robot") && username.ends_with("environment variable DOCKER_USERNAME"),
        "{username}"
    );
    assert!(
        origin(&both, "registries.docker.io.password")
            .unwrap()
            .ends_with("environment variable DOCKER_PASSWORD")
    );
    assert!(!both.contains(PASSWORD));
    let one = shown(show().env("DOCKER_USERNAME", "robot")).await;
    assert_eq!(origin(&one, "registries.docker.io.username"), None);
}
