//! The function's own settings, secrets, ledger and log.

use std::fs;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_in_the_package_in_s3_or_in_a_parameter() {
    let world = world().await;
    let aws = world.lab.s3().await.expect("AWS starts");
    aws.create_bucket("team").await.unwrap();
    let keyword = "keyword: base/image\ncompare: missing-only\n";
    fs::create_dir(world.folder().join("etc")).unwrap();
    fs::write(world.folder().join("etc/mirror.yaml"), keyword).unwrap();
    aws.put("team", "mirror/settings.yaml", keyword).await.unwrap();
    let parameter = aws.keep_parameter("/mirror/settings", keyword).await.unwrap();
    for place in [
        "etc/mirror.yaml",
        "s3://team/mirror/settings.yaml",
        "ssm:/mirror/settings",
        &parameter,
    ] {
        let function = Function::with(&world, |run| {
            let run = run
                .env("AWS_ENDPOINT_URL_S3", aws.endpoint())
                .env("AWS_ENDPOINT_URL_SSM", aws.endpoint());
            run.env("ECR_KEEPER_CONFIG", place)
        });
        let function = function.await;
        let answer = function.answered(json!({})).await;
        assert_eq!(
            (&answer["ok"], &answer["unchanged"]),
            (&json!(true), &json!(1)),
            "{place}: {answer:#}"
        );
        if place.starts_with("s3") {
            // The next invocation of the same process goes by what is there then.
            aws.put("team", "mirror/settings.yaml", "keyword: base/image\n")
                .await
                .unwrap();
            let answer = function.answered(json!({"command": "plan"})).await;
            assert_eq!(answer["to_update"], 1, "{answer:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_not_there_are_told_by_their_place() {
    let world = world().await;
    let aws = world.lab.s3().await.expect("AWS starts");
    aws.create_bucket("team").await.unwrap();
    for (place, says) in [
        ("settings.yml", "read the settings file settings.yml: No such file"),
        (
            "s3://team/none.yaml",
            "read the settings s3://team/none.yaml: GetObject of s3://team/none.yaml: NoSuchKey",
        ),
        ("s3://team", "write s3://BUCKET/KEY, ssm:NAME"),
        (
            "ssm:/none",
            "read the settings ssm:/none: GetParameter of /none: ParameterNotFound",
        ),
    ] {
        let function = Function::with(&world, |run| {
            let run = run
                .env("AWS_ENDPOINT_URL_S3", aws.endpoint())
                .env("AWS_ENDPOINT_URL_SSM", aws.endpoint());
            run.env("ECR_KEEPER_CONFIG", place)
        });
        let (kind, message) = function.await.refused(json!({})).await;
        assert_eq!(kind, "InvalidSettings");
        assert!(message.contains(says), "{message}");
    }
    assert_eq!(world.lab.ecr().api_requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_in_s3_or_goes_with_the_sandbox() {
    let world = world().await;
    let aws = world.lab.s3().await.expect("AWS starts");
    aws.create_bucket("team").await.unwrap();
    let function = Function::with(&world, |run| {
        run.env("AWS_ENDPOINT_URL_S3", aws.endpoint())
            .env("ECR_KEEPER_LEDGER", "s3://team/ledger.json")
    });
    let function = function.await;
    assert_eq!(function.answered(json!({"keyword": "base/image"})).await["updated"], 1);
    let ledger = aws.json("team", "ledger.json").await.unwrap().expect("the ledger");
    assert_eq!(ledger["made"].as_object().unwrap().len(), 1);
    let log = function.log().await;
    assert!(!log.contains("WARN"), "{log}");
    let function = Function::start(&world).await;
    assert_eq!(
        function.answered(json!({"keyword": "base/image"})).await["unchanged"],
        1
    );
    assert!(function.log().await.contains("goes with this copy of the function"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_json_where_the_function_asks_for_that_and_tells_whose_it_is() {
    let world = world().await;
    let function = Function::with(&world, |run| {
        run.env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .env("AWS_LAMBDA_LOG_LEVEL", "INFO")
    });
    let function = function.await;
    let invoked = function.invoke(json!({"keyword": "base/image"})).await;
    let bad = function.invoke(json!({"keywort": "base/image"})).await;
    let log = function.log().await;
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |id: &str| {
        lines
            .iter()
            .filter(|line| line["span"]["requestId"] == id)
            .collect::<Vec<_>>()
    };
    let messages: Vec<&str> = of(&invoked.id)
        .iter()
        .filter_map(|line| line["message"].as_str())
        .collect();
    assert!(
        messages.contains(&"updated base/image/app:1.0") && messages.contains(&"1 updated, 0 unchanged"),
        "{log}"
    );
    assert!(
        of(&bad.id)
            .iter()
            .any(|line| line["level"] == "ERROR" && line.to_string().contains("keywort")),
        "{log}"
    );
    assert_eq!(
        of(&invoked.id).len() + of(&bad.id).len(),
        lines.len(),
        "every line is somebody's: {log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_temporary_folder_is_written_to() {
    let world = world().await;
    let package = world.folder().join("package");
    fs::create_dir(&package).unwrap();
    fs::write(package.join("settings.yaml"), "keyword: base/image\n").unwrap();
    let function = Function::with(&world, |run| run.env("LAMBDA_TASK_ROOT", &package)).await;
    assert_eq!(function.answered(json!({})).await["updated"], 1);
    let left: Vec<_> = fs::read_dir(&package)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["settings.yaml"]);
    assert!(world.folder().join("ecr-keeper/result.json").is_file());
}
