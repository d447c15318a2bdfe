//! What cannot be read is told, and hides nothing else.

use std::time::Duration;

use ecr_lab::{ApiFault, LabFunction};
use serde_json::Value;

use super::{OTHER, OWN, ROLE, alone, fill, place, report, repository, usage, world};
use crate::bad_input::contains;

fn failures(report: &Value) -> Vec<String> {
    let failures = report["failures"].as_array().expect("failures");
    let words = failures.iter().map(|one| {
        let text = |key: &str| one[key].as_str().unwrap_or("-").to_owned();
        ["account", "region", "service", "operation", "subject", "kind"]
            .map(text)
            .join(" ")
    });
    words.collect()
}

fn asked<'a>(report: &'a Value, account: &str, region: &str, service: &str) -> &'a Value {
    let accounts = report["accounts"].as_array().expect("accounts");
    let account = accounts.iter().find(|one| one["id"] == account).expect("the account");
    let regions = account["regions"].as_array().expect("regions");
    &regions.iter().find(|one| one["region"] == region).expect("the region")[service]
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_throttled_and_deleted_between_leave_the_rest_whole() {
    let world = world().await;
    fill(&world);
    let (home, away) = (place(&world, OWN, "eu-central-1"), place(&world, OWN, "us-east-1"));
    away.api_fault(ApiFault::access_denied("DescribeRepositories"));
    place(&world, OTHER, "us-east-1").api_fault(ApiFault::exception(
        "DescribeRepositories",
        "ThrottlingException",
        "Rate exceeded",
    ));
    let gone = ApiFault::exception("GetFunction", "ResourceNotFoundException", "Function not found").status(404);
    home.api_fault(gone.of("checkout-mail"));
    away.add_function(LabFunction::new(
        "by-ecr-s-name",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/billing/yearly:2024",
    ));
    home.api_fault(ApiFault::access_denied("DescribeLogStreams").of("/team/media"));
    let ran = usage(&world, &["--output", "json"]).ran().await.code_is(1);
    let found = ran.json();
    assert_eq!(found["complete"], false);
    let mut told = failures(&found);
    told.sort();
    assert_eq!(
        told,
        [
            format!("{OWN} eu-central-1 lambda GetFunction checkout-mail not_found"),
            format!("{OWN} eu-central-1 logs DescribeLogStreams /team/media not_allowed"),
            format!("{OWN} us-east-1 ecr DescribeRepositories - not_allowed"),
            format!("{OTHER} us-east-1 ecr DescribeRepositories - throttled"),
        ]
    );
    assert_eq!(asked(&found, OWN, "us-east-1", "ecr"), "failed");
    assert_eq!(asked(&found, OWN, "us-east-1", "lambda"), "read");
    assert_eq!(asked(&found, OWN, "eu-central-1", "ecr"), "read");
    assert_eq!(asked(&found, OWN, "eu-central-1", "lambda"), "incomplete");
    // The rest is there, and known: what is deleted runs nothing.
    let reports = repository(&found, OWN, "eu-central-1", "legacy/reports");
    assert_eq!(
        (&reports["use"], &reports["images"].as_array().unwrap().len()),
        (&"unused".into(), &2)
    );
    let candidates = found["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 1, "{candidates:?}");
    // A function whose repository could not be read has an image that is not known, and not one that is gone.
    let function = &found["accounts"][0]["lambda"]["us-east-1"][0];
    assert_eq!(
        (&function["FunctionName"], &function["image"]["state"]),
        (&"by-ecr-s-name".into(), &"unknown".into())
    );
    assert_eq!(found["totals"]["regions"]["not_read"], 2);
    contains(
        &found["failures"].to_string(),
        &["allow ecr:DescribeRepositories", "allow logs:DescribeLogStreams"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_group_no_streams_and_not_allowed_are_three_things() {
    let world = world().await;
    fill(&world);
    let home = place(&world, OWN, "eu-central-1");
    home.api_fault(ApiFault::access_denied("DescribeLogStreams").of("/team/media"));
    let found = report(&world, &[]).await;
    let functions = found["accounts"][0]["lambda"]["eu-central-1"].as_array().unwrap();
    let state = |name: &str| {
        let function = functions
            .iter()
            .find(|one| one["FunctionName"] == name && one["version"] == "$LATEST");
        function.expect("the function")["last_run"]["state"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        ["checkout-api", "partner-import", "checkout-mail", "thumbnails"].map(state),
        ["ran", "no_log_group", "no_streams", "not_allowed"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_functions_could_not_be_asked_nothing_is_called_unused() {
    let world = world().await;
    fill(&world);
    place(&world, OWN, "eu-central-1").api_fault(ApiFault::access_denied("ListFunctions"));
    let found = report(&world, &[]).await;
    let used = |account: &str, region: &str, name: &str| repository(&found, account, region, name)["use"].clone();
    assert_eq!(used(OWN, "eu-central-1", "legacy/reports"), "unknown");
    // Its images may be run there, too.
    assert_eq!(used(OTHER, "eu-central-1", "shop/checkout"), "unknown");
    assert_eq!(used(OWN, "us-east-1", "billing/yearly"), "used");
    let candidates = found["candidates"].as_array().unwrap();
    let names: Vec<&Value> = candidates.iter().map(|one| &one["repositoryName"]).collect();
    assert_eq!(names, ["billing/yearly"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_was_read_in_part_keeps_what_was_read_and_could_not_go() {
    let world = world().await;
    fill(&world);
    let home = place(&world, OWN, "eu-central-1");
    home.api_fault(ApiFault::access_denied("DescribeImages").of("legacy/reports"));
    let found = report(&world, &[]).await;
    let reports = repository(&found, OWN, "eu-central-1", "legacy/reports");
    assert_eq!((&reports["complete"], &reports["bytes"]), (&false.into(), &0.into()));
    assert_eq!(found["accounts"][0]["ecr"]["eu-central-1"]["complete"], false);
    assert_eq!(asked(&found, OWN, "eu-central-1", "ecr"), "incomplete");
    assert!(!found["candidates"].to_string().contains("legacy/reports"));
    let text = usage(&world, &[]).ran().await.code_is(1);
    contains(
        &text.stdout,
        &[
            "Total Size : at least",
            "====== NOT READ ======",
            "DescribeImages of legacy/reports",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_whose_images_may_not_be_read_does_not_look_empty() {
    let world = world().await;
    fill(&world);
    let home = place(&world, OWN, "eu-central-1");
    home.api_fault(ApiFault::access_denied("DescribeImages").of("media/thumbnails"));
    let text = usage(&world, &[]).ran().await.code_is(1).stdout;
    contains(
        &text,
        &["repository name : media/thumbnails / repository size : not read / last pushed date : not read 🟢"],
    );
    let table = usage(&world, &["--output", "markdown"]).ran().await.code_is(1).stdout;
    contains(&table, &["| media/thumbnails | not read | not read |  | 🟢"]);
    let page = usage(&world, &["--output", "html"]).ran().await.code_is(1).stdout;
    contains(&page, &["<span class=\"none\">not read</span>"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_nobody_may_assume_is_told_and_the_others_are_asked() {
    let world = world().await;
    fill(&world);
    let stranger = "arn:aws:iam::555555555555:role/reader";
    let arguments = [
        "--role-arn",
        stranger,
        "--role-arn",
        ROLE,
        "--regions",
        "eu-central-1",
        "--output",
        "json",
    ];
    let found = alone(&world, &arguments).ran().await.code_is(1).json();
    assert_eq!(
        failures(&found),
        [format!("555555555555 - sts AssumeRole {stranger} not_allowed")]
    );
    let ids: Vec<&Value> = found["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids, [OWN, "555555555555", OTHER]);
    assert_eq!(asked(&found, "555555555555", "eu-central-1", "ecr"), "failed");
    assert_eq!(
        repository(&found, OTHER, "eu-central-1", "shop/checkout")["complete"],
        true
    );
    // Who could not be asked may run it.
    assert_eq!(
        repository(&found, OWN, "eu-central-1", "legacy/reports")["use"],
        "unknown"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_the_report_says_so() {
    let world = world().await;
    let run = alone(&world, &["--regions", "eu-central-1", "--output", "json"]);
    let run = run.without("AWS_ACCESS_KEY_ID").without("AWS_SECRET_ACCESS_KEY");
    let ran = run.ran().await.code_is(1);
    contains(
        &ran.stdout,
        &[
            "no AWS credentials were found",
            "AWS_PROFILE",
            "\"kind\": \"not_allowed\"",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_function_has_in_its_environment_is_nowhere() {
    let world = world().await;
    fill(&world);
    for arguments in [&["--output", "json"][..], &["--log-level", "trace"]] {
        let ran = usage(&world, arguments).ran().await.well();
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("checkout-api"));
        assert!(!said.contains("lab-secret-of-a-function"), "{said}");
        assert!(!said.contains("lab-secret-access-key"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_stopped_tells_what_was_not_asked() {
    let world = world().await;
    fill(&world);
    let slow = ApiFault::slow("ListFunctions", Duration::from_secs(60));
    place(&world, OWN, "eu-central-1").api_fault(slow);
    let run = alone(
        &world,
        &["--regions", "eu-central-1", "--output", "json", "--log-level", "debug"],
    );
    let mut running = run.started();
    running.said("ask AWS: ListFunctions").await;
    running.signal("INT");
    let found = running.end().await.code_is(130).json();
    assert!(
        failures(&found).contains(&format!("{OWN} eu-central-1 lambda - - stopped")),
        "{found:#}"
    );
    assert_eq!(found["candidates"].as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_names_its_account_and_a_table_leaves_none_out() {
    let world = world().await;
    fill(&world);
    for account in [OWN, OTHER] {
        place(&world, account, "us-east-1").api_fault(ApiFault::access_denied("DescribeRepositories"));
    }
    let failed = [OWN, OTHER].map(|account| format!("{account}: DescribeRepositories in us-east-1"));
    let failed = failed.each_ref().map(String::as_str);
    for output in ["text", "markdown"] {
        let told = usage(&world, &["--output", output]).ran().await.code_is(1).stdout;
        contains(&told, &failed);
    }
    let table = usage(&world, &["--output", "csv"]).ran().await.code_is(1);
    contains(&table.stderr, &failed);
    let file = usage(&world, &["--out", "usage.txt"]).ran().await.code_is(1);
    contains(&file.stderr, &failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_regions_may_not_be_listed_the_usual_ones_are_asked_and_that_is_told() {
    let world = world().await;
    fill(&world);
    for region in ["eu-central-1", "us-east-1"] {
        place(&world, OWN, region).api_fault(ApiFault::access_denied("ListRegions"));
    }
    let ran = alone(&world, &["--output", "json"]).ran().await.code_is(1);
    let found = ran.json();
    assert_eq!(failures(&found), [format!("{OWN} - account ListRegions - not_allowed")]);
    contains(&found["failures"].to_string(), &["allow account:ListRegions"]);
    // AWS Account Management Reference Guide: 17 regions are enabled by default.
    assert_eq!(found["totals"]["regions"]["asked"], 17);
    let reports = |found: &Value| repository(found, OWN, "eu-central-1", "legacy/reports")["use"].clone();
    assert_eq!(reports(&found), "unused");
    // A service of a region that has to be enabled may run it.
    let arguments = ["--include", "ecs", "--output", "json"];
    let with_services = alone(&world, &arguments).ran().await.code_is(1).json();
    assert_eq!(reports(&with_services), "unknown");
    assert_eq!(with_services["candidates"].as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_account_runs_that_could_not_be_asked_is_not_called_outside() {
    let world = world().await;
    fill(&world);
    let theirs = "555555555555.dkr.ecr.eu-central-1.amazonaws.com/shop/checkout:1";
    place(&world, OWN, "eu-central-1").add_function(LabFunction::new("of-theirs", theirs));
    let arguments = [
        "--role-arn",
        "arn:aws:iam::555555555555:role/reader",
        "--output",
        "json",
    ];
    let found = alone(&world, &arguments).ran().await.code_is(1).json();
    let functions = found["accounts"][0]["lambda"]["eu-central-1"].as_array().unwrap();
    let function = functions.iter().find(|one| one["FunctionName"] == "of-theirs").unwrap();
    assert_eq!(function["image"]["state"], "unknown");
    assert!(!found["outside"].to_string().contains("555555555555"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_ecr_tells_in_no_known_shape_is_told_and_the_rest_is_read() {
    let world = world().await;
    fill(&world);
    let home = place(&world, OWN, "eu-central-1");
    // ECR has no such tag; whatever answers in its place may.
    home.list_image("legacy/reports", "two words", super::IMAGE, &super::manifest("odd", 1));
    let found = report(&world, &[]).await;
    assert_eq!(
        failures(&found),
        [format!("{OWN} eu-central-1 ecr DescribeImages legacy/reports other")]
    );
    let reports = repository(&found, OWN, "eu-central-1", "legacy/reports");
    assert_eq!(
        (&reports["complete"], reports["images"].as_array().unwrap().len()),
        (&false.into(), 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_of_one_region_is_asked_nothing_of_another() {
    let world = world().await;
    fill(&world);
    let arguments = ["--regions", "eu-central-1,us-east-1", "--output", "json"];
    // Nobody listens there.
    let run = alone(&world, &arguments).env("ECR_KEEPER_AWS__ENDPOINT_URL", "http://127.0.0.1:9");
    let found = run.env("ECR_KEEPER_RETRY__TRIES", "1").ran().await.code_is(1).json();
    assert_eq!(asked(&found, OWN, "eu-central-1", "ecr"), "failed");
    assert_eq!(asked(&found, OWN, "us-east-1", "ecr"), "read");
    assert_eq!(failures(&found).len(), 1, "{:?}", failures(&found));
}
