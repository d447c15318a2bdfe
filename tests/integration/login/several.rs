//! Several registries: of other regions and accounts, as other roles.

use std::fs;

use ecr_lab::{ApiFault, EcrRegion, LabOptions};
use serde_json::Value;

use super::{config, entry, keeper, password, says};
use crate::support::{Run, World};

/// Two regions of an account, and another account, which only a role leads to.
async fn three_registries() -> World {
    let regions = [
        ("123456789012", "eu-central-1"),
        ("123456789012", "eu-west-1"),
        ("222222222222", "us-east-1"),
    ];
    World::without_daemon(LabOptions {
        regions: regions
            .map(|(account, region)| (account.to_owned(), region.to_owned()))
            .to_vec(),
        ..LabOptions::default()
    })
    .await
}

const ROLE: &str = "arn:aws:iam::222222222222:role/mirror";

fn tokens_given(region: &EcrRegion) -> usize {
    let asked = region.api_requests();
    assert!(asked.iter().all(|request| request.action == "GetAuthorizationToken"));
    asked.iter().filter(|request| request.status == 200).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_registries_each_get_the_token_of_their_region_and_role() {
    let world = three_registries().await;
    let regions = world.lab.regions();
    let hosts: Vec<&str> = regions.iter().map(EcrRegion::host).collect();
    let settings = format!(
        "images:\n  - upstream: app\n    repository: mirror/app\n    targets:\n      - {{registry: '{}', region: eu-west-1, endpoint_url: '{}'}}\n      \
         - {{registry: '{}', region: us-east-1, endpoint_url: '{}', role_arn: '{ROLE}'}}\n",
        hosts[1],
        world.lab.endpoint(),
        hosts[2],
        world.lab.endpoint()
    );
    fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let sts = |run: Run| run.env("AWS_ENDPOINT_URL_STS", world.lab.endpoint());
    let arguments = [&["login", "--output", "json"], &hosts[..]].concat();
    let ran = sts(keeper(&world, &arguments)).ran().await.well();
    let outcomes = ran.json()["registries"].as_array().unwrap().clone();
    for ((outcome, host), region) in outcomes.iter().zip(&hosts).zip(regions) {
        assert_eq!(outcome["registry"], *host);
        assert_eq!(outcome["outcome"], "logged-in");
        assert!(outcome["expires"].as_str().unwrap().ends_with('Z'), "{outcome}");
        assert_eq!(tokens_given(region), 1, "{host}");
        assert!(!ran.stdout.contains(&password(&entry(&world, host))));
    }
    // One that fails leaves the others alone.
    regions[1].api_fault(ApiFault::access_denied("GetAuthorizationToken"));
    fs::remove_file(config(&world)).unwrap();
    let ran = sts(keeper(&world, &arguments[..1])).ran().await.well();
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    let arguments = [&["login"], &hosts[..]].concat();
    let ran = sts(keeper(&world, &arguments)).ran().await.code_is(1);
    says(&ran.stdout, &["failed        ", "AccessDeniedException", "hint: "]);
    assert_eq!(entry(&world, hosts[1]), Value::Null);
    assert!(!password(&entry(&world, hosts[2])).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn ecr_s_own_names_say_region_and_account_by_themselves() {
    let world = three_registries().await;
    let (west, other) = (
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "222222222222.dkr.ecr.us-east-1.amazonaws.com",
    );
    let run = keeper(&world, &["login", &format!("https://{west}/v2/"), "public.ecr.aws"]);
    run.without("ECR").ran().await.well();
    assert_eq!(
        password(&entry(&world, "public.ecr.aws")),
        world.lab.ecr_public_password()
    );
    assert_eq!(tokens_given(&world.lab.regions()[1]), 1);
    assert!(!password(&entry(&world, west)).is_empty());
    // A role that is said is assumed, whatever the targets say.
    let run = keeper(
        &world,
        &["get-login-password", other, "--role-arn", ROLE, "--output", "json"],
    );
    let run = run.env("AWS_ENDPOINT_URL_STS", world.lab.endpoint());
    let answer = run.ran().await.well().json();
    assert_eq!(answer["registry"], other);
    assert_eq!(answer["username"], "AWS");
    assert_eq!(tokens_given(&world.lab.regions()[2]), 1);
    let run = keeper(&world, &["get-login-password", other, "--role-arn", "mirror"]);
    says(&run.ran().await.code_is(2).stderr, &["flag --role-arn", "a role's ARN"]);
}
