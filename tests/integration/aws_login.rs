//! Who we are at AWS, and in which region.

use std::fs;

use ecr_lab::{ApiFault, LabOptions};

use crate::bad_input::{contains, world_with_one_change};
use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn no_aws_credentials() {
    let world = world_with_one_change().await;
    let run = world
        .keeper(&["sync", "--output", "json"])
        .without("AWS_ACCESS_KEY_ID")
        .without("AWS_SECRET_ACCESS_KEY");
    let ran = run.ran().await.code_is(1);
    contains(
        &ran.failure(),
        &["GetAuthorizationToken", "no AWS credentials were found", "AWS_PROFILE"],
    );

    let wrong = world
        .keeper(&["sync", "--output", "json"])
        .env("AWS_ACCESS_KEY_ID", "WRONG")
        .ran()
        .await
        .code_is(1);
    contains(
        &wrong.failure(),
        &["UnrecognizedClientException", "aws sts get-caller-identity"],
    );

    let half = world
        .keeper(&["sync"])
        .env("AWS_ACCESS_KEY_ID_ECR", "LABONLY")
        .ran()
        .await
        .code_is(2);
    contains(
        &half.stderr,
        &[
            "environment variable AWS_ACCESS_KEY_ID_ECR",
            "AWS_SECRET_ACCESS_KEY_ECR",
        ],
    );

    let no_region = world
        .keeper(&["sync", "--output", "json"])
        .without("AWS_REGION")
        .ran()
        .await
        .code_is(1);
    contains(&no_region.failure(), &["no region is set", "--region"]);

    let no_endpoint = world.keeper(&["sync", "--output", "json"]);
    let no_endpoint = no_endpoint.env("AWS_ENDPOINT_URL_STS", "").ran().await.code_is(1);
    contains(
        &no_endpoint.failure(),
        &["AWS_ENDPOINT_URL_STS says no http:// or https:// URL", "unset it"],
    );

    world
        .lab
        .ecr()
        .api_fault(ApiFault::access_denied("DescribeRepositories"));
    let denied = world.sync().await.code_is(1);
    contains(
        &denied.failure(),
        &[
            "DescribeRepositories in eu-central-1",
            "AccessDeniedException",
            "IAM policy",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_originals_credentials_win() {
    let world = world_with_one_change().await;
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("AWS_ACCESS_KEY_ID", "WRONG")
        .env("AWS_ACCESS_KEY_ID_ECR", "LABONLY")
        .env("AWS_SECRET_ACCESS_KEY_ECR", "lab");
    assert_eq!(run.ran().await.well().outcome("busybox:1"), "updated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_is_asked_for_wins_over_keys_in_the_environment() {
    let world = world_with_one_change().await;
    // Keys from a program, as single sign-on tools hand them out.
    let keys = r#"{"Version":1,"AccessKeyId":"LABPROCESS","SecretAccessKey":"lab"}"#;
    let profile = format!("[profile team]\ncredential_process = echo '{keys}'\n");
    let file = world.folder().join("aws-config");
    fs::write(&file, profile).unwrap();
    let run = |arguments: &[&str]| {
        let run = world.keeper(arguments).env("AWS_CONFIG_FILE", &file);
        run.env("AWS_ACCESS_KEY_ID", "WRONG")
    };
    // As with the AWS CLI, AWS_PROFILE loses to keys in the environment.
    let ran = run(&["sync", "--output", "json"])
        .env("AWS_PROFILE", "team")
        .ran()
        .await
        .code_is(1);
    contains(&ran.failure(), &["UnrecognizedClientException"]);
    let ran = run(&["sync", "--output", "json", "--profile", "team"])
        .ran()
        .await
        .well();
    assert_eq!(ran.outcome("busybox:1"), "updated");
    let ran = run(&["sync", "--output", "json", "--profile", "nobody"])
        .ran()
        .await
        .code_is(1);
    contains(
        &ran.failure(),
        &["no AWS configuration file has the profile", "nobody", "--profile"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_is_in_no_file_is_told_by_its_name() {
    let world = world_with_one_change().await;
    let says = [
        "no AWS configuration file has the profile",
        "nobody",
        "aws configure list-profiles",
    ];
    let run = |arguments: &[&str]| {
        let run = world.keeper(&[&["sync", "--output", "json"], arguments].concat());
        run.without("AWS_ACCESS_KEY_ID").without("AWS_SECRET_ACCESS_KEY")
    };
    // Without any file, and with one that has others.
    for text in ["", "[profile team]\nregion = eu-central-1\n"] {
        let file = world.folder().join("aws-config");
        fs::write(&file, text).unwrap();
        for run in [
            run(&[]).env("AWS_PROFILE", "nobody"),
            run(&["--profile", "nobody"]),
            run(&["--profile", "nobody"]).without("AWS_REGION"),
        ] {
            let ran = run.env("AWS_CONFIG_FILE", &file).ran().await.code_is(1);
            contains(&ran.failure(), &says);
        }
        // One that is there and has no keys is another trouble.
        if !text.is_empty() {
            let run = run(&["--profile", "team"]).env("AWS_CONFIG_FILE", &file);
            contains(
                &run.ran().await.code_is(1).failure(),
                &["no AWS credentials were found"],
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_region() {
    let world = world_with_one_change().await;
    let ran = world
        .keeper(&["sync", "--output", "json", "--region", "us-east-1"])
        .ran()
        .await
        .code_is(1);
    contains(
        &ran.failure(),
        &[
            "log in to 127.0.0.1",
            "401",
            "the token is from us-east-1",
            "check `ecr`, the region",
        ],
    );

    let run = world
        .keeper(&["sync"])
        .env("ECR", "123456789012.dkr.ecr.eu-west-1.amazonaws.com");
    let ran = run.ran().await.code_is(2);
    contains(
        &ran.stderr,
        &[
            "AWS_REGION",
            "aws.region",
            "eu-central-1 is not the region",
            "--region eu-west-1",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_named_by_its_number_alone() {
    let accounts = ["123456789012", "222222222222"];
    let world = World::without_daemon(LabOptions {
        regions: accounts
            .map(|account| (account.to_owned(), "eu-central-1".to_owned()))
            .to_vec(),
        ..LabOptions::default()
    });
    let world = world.await;
    let plan = || world.keeper(&["plan", "--output", "json"]).without("ECR");
    // The lab does not let us in there, and says where that was.
    let other = plan().env("AWS_ACCOUNT_ID", accounts[1]).ran().await.code_is(1);
    contains(
        &other.failure(),
        &["DescribeRepositories", "the registry with id '222222222222' is denied"],
    );
    let wrong = plan().env("AWS_ACCOUNT_ID", "12345").ran().await.code_is(2);
    contains(
        &wrong.stderr,
        &["environment variable AWS_ACCOUNT_ID", "aws.account_id", "12 digits"],
    );
}
