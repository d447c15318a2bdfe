//! What is joined, held against boto3.

use super::{OTHER, OWN, REGIONS, ROLE, alone, fill, place, report, repository, script, usage, world};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn the_joined_objects_equal_what_boto3_comes_to() {
    let world = world().await;
    fill(&world);
    let file = world.folder().join("usage.json");
    let file = file.to_str().expect("UTF-8");
    let run = usage(&world, &["--include", "ecs", "--output", "json", "--out", file]);
    let ran = run.ran().await.well();
    assert_eq!(ran.stdout, "");
    // Every listing has more than its first page holds.
    let asked = |action: &str| {
        let requests = place(&world, OWN, "eu-central-1").api_requests();
        requests.iter().filter(|request| request.action == action).count()
    };
    for (action, pages) in [
        ("DescribeRepositories", 3),
        ("ListFunctions", 4),
        ("ListClusters", 1),
        ("ListServices", 2),
    ] {
        assert!(asked(action) >= pages, "{action} was called {} times", asked(action));
    }
    let answer = script("expected.py", &[file, &world.lab.endpoint(), ROLE, &REGIONS.join(",")]).await;
    assert_eq!(answer.code, Some(0), "{}\n{}", answer.stdout, answer.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_as_its_schema_says() {
    let world = world().await;
    fill(&world);
    let report = report(&world, &["--include", "ecs"]).await;
    let schema = include_str!("../../../docs/usage-report.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mistakes: Vec<String> = validator
        .iter_errors(&report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    assert_eq!(report["complete"], true, "{}", report["failures"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_of_another_account_keeps_a_repository_in_use() {
    let world = world().await;
    fill(&world);
    let found = report(&world, &[]).await;
    let canary = format!("arn:aws:lambda:eu-central-1:{OTHER}:function:canary");
    let users = &repository(&found, OWN, "eu-central-1", "shop/checkout")["used_by"];
    assert!(users.as_array().unwrap().contains(&canary.clone().into()), "{users}");
    // Its own account has no function for its own image.
    assert_eq!(
        repository(&found, OTHER, "eu-central-1", "shop/checkout")["use"],
        "unused"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_go_has_its_layers_once_and_what_they_cost() {
    let world = world().await;
    fill(&world);
    let found = report(&world, &[]).await;
    let names: Vec<&str> = found["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["repositoryName"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["legacy/reports", "billing/yearly"]);
    let [reports, yearly] = [0, 1].map(|at| &found["candidates"][at]);
    assert_eq!(
        (&reports["because"], &yearly["because"]),
        (&"unused".into(), &"not_run".into())
    );
    // Two images of a config of 1,000 bytes, 40 MB that both share, and 700 and 710 MB of their own.
    assert_eq!(reports["bytes"], 2_000 + 2 * 40_000_000 + 700_000_000 + 710_000_000_u64);
    assert_eq!(
        reports["distinct_bytes"],
        2_000 + 40_000_000 + 700_000_000 + 710_000_000_u64
    );
    // 1.450002 GB at 0.10.
    assert_eq!(reports["cost_per_month"], 0.15);
    assert_eq!(yearly["last_run"]["state"], "ran");
    // Nothing else was read, for to ECR that is a pull.
    let requests = place(&world, OWN, "eu-central-1").api_requests();
    let read: Vec<&Value> = requests
        .iter()
        .filter(|one| one.action == "BatchGetImage")
        .map(|one| &one.body["repositoryName"])
        .collect();
    assert_eq!(read, ["legacy/reports"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_revisions_of_a_deployment_run() {
    let world = world().await;
    fill(&world);
    let home = place(&world, OWN, "eu-central-1");
    home.deploying_over(
        "main",
        "web",
        &[("proxy", &format!("{}/legacy/reports:final", home.host()))],
    );
    let found = report(&world, &["--include", "ecs"]).await;
    let web = format!("arn:aws:ecs:eu-central-1:{OWN}:service/main/web");
    for name in ["scratch/try-out", "legacy/reports"] {
        assert_eq!(
            repository(&found, OWN, "eu-central-1", name)["used_by"][0],
            web,
            "{name}"
        );
    }
    let services = found["accounts"][0]["ecs"]["eu-central-1"].as_array().unwrap();
    let revisions: Vec<&str> = services
        .iter()
        .filter(|one| one["service"] == "web")
        .map(|one| one["task_definition"].as_str().unwrap().rsplit(':').next().unwrap())
        .collect();
    assert_eq!(revisions, ["6", "7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_are_read_where_that_tells_something_and_an_empty_repository_hides_no_sum() {
    let world = world().await;
    fill(&world);
    place(&world, OWN, "us-east-1").create_repository("empty/for-later");
    let run = usage(&world, &["--output", "json"]).env("ECR_KEEPER_USAGE__LAYERS", "all");
    let found = run.ran().await.well().json();
    // A config of 1,000 bytes, 40 MB that others share, and 640 MB of its own.
    let own = &found["accounts"][0]["ecr"];
    assert_eq!(own["us-east-1"]["distinct_bytes"], 680_001_000);
    // One of its images is archived, and cannot be read.
    let requests = place(&world, OWN, "eu-central-1").api_requests();
    let read = requests.iter().filter(|one| one.action == "BatchGetImage");
    let mut read: Vec<&str> = read.map(|one| one.body["repositoryName"].as_str().unwrap()).collect();
    read.sort_unstable();
    assert_eq!(read, ["legacy/reports", "scratch/try-out", "shop/checkout"]);
    assert_eq!(own["eu-central-1"]["distinct_bytes"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_regions_are_those_that_are_enabled() {
    let world = world().await;
    fill(&world);
    let found = alone(&world, &["--output", "json"]).ran().await.well().json();
    let regions = found["accounts"][0]["regions"].as_array().unwrap();
    let names: Vec<&str> = regions
        .iter()
        .map(|region| region["region"].as_str().unwrap())
        .collect();
    assert_eq!(names, REGIONS);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_against_moto() {
    let world = world().await;
    let moto = world.lab.s3().await.expect("moto starts");
    let regions = REGIONS.join(",");
    let seeded = script("moto.py", &[moto.endpoint(), ROLE, &regions]).await;
    assert_eq!(seeded.code, Some(0), "{}\n{}", seeded.stdout, seeded.stderr);
    let arguments = [
        "usage",
        "--role-arn",
        ROLE,
        "--regions",
        &regions,
        "--include",
        "ecs",
        "--output",
        "json",
    ];
    let run = world.keeper(&[&arguments[..], &["--out", "usage.json"]].concat());
    let run = run.without("AWS_ENDPOINT_URL_ECR").without("ECR");
    let run = run
        .env("AWS_ENDPOINT_URL", moto.endpoint())
        .env("ECR_KEEPER_USAGE__LAYERS", "all");
    run.ran().await.well();
    let file = world.folder().join("usage.json");
    let answer = script(
        "expected.py",
        &[file.to_str().expect("UTF-8"), moto.endpoint(), ROLE, &regions],
    )
    .await;
    assert_eq!(answer.code, Some(0), "{}\n{}", answer.stdout, answer.stderr);
    let report: Value = serde_json::from_str(&world.file("usage.json")).unwrap();
    assert_eq!(report["totals"]["repositories"]["all"], 12);
    assert_eq!(report["totals"]["functions"], 20);
    assert_eq!(report["outside"].as_array().unwrap().len(), 1);
}
