//! `usage` against the lab's ECR, Lambda, CloudWatch Logs, ECS and STS: two accounts, two regions, pages of two.

mod coverage;
mod formats;
mod joined;
mod telling;
mod trouble;

use std::path::PathBuf;

use ecr_lab::{EcrRegion, LabFunction, LabOptions};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::support::{Ran, Run, World};

pub const OWN: &str = "123456789012";
pub const OTHER: &str = "210987654321";
pub const ROLE: &str = "arn:aws:iam::210987654321:role/usage-reader";
pub const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];

/// An image of two layers, one of which all of them share, as an OCI manifest.
pub fn manifest(seed: &str, own_layer: u64) -> String {
    let digest = |text: &str| ecr_lab::images::digest(text.as_bytes());
    let layer = |name: &str, size: u64| json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest(name), "size": size});
    let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&format!("config {seed}")), "size": 1000});
    json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": config,
        "layers": [layer("shared", 40_000_000), layer(seed, own_layer)],
    })
    .to_string()
}

pub const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

/// A lab with both accounts in both regions.
pub async fn world() -> World {
    let pairs = [OWN, OTHER]
        .into_iter()
        .flat_map(|account| REGIONS.map(|region| (account, region)));
    World::without_daemon(LabOptions {
        page_size: 2,
        regions: pairs
            .map(|(account, region)| (account.to_owned(), region.to_owned()))
            .collect(),
        ..LabOptions::default()
    })
    .await
}

/// One account in one region.
pub fn place<'a>(world: &'a World, account: &str, region: &str) -> &'a EcrRegion {
    let mut regions = world.lab.regions().iter();
    let found = regions.find(|one| one.account_id() == account && one.name() == region);
    found.expect("the lab has it")
}

pub fn days_ago(days: i64) -> Timestamp {
    Timestamp::now() - (days * 24).hours()
}

/// Notes an image, pushed so many days ago; answers its digest.
pub fn image(place: &EcrRegion, repository: &str, tag: &str, size: u64, days: i64) -> String {
    if !place.repositories().iter().any(|name| name == repository) {
        place.create_repository(repository);
    }
    place.list_image(
        repository,
        tag,
        IMAGE,
        &manifest(&format!("{repository}:{tag}:{days}"), size),
    );
    place.pushed_at(repository, tag, days_ago(days));
    place.digest_of(repository, tag).expect("it is listed")
}

/// A function that runs a tag of a repository.
pub fn function(place: &EcrRegion, name: &str, repository: &str, tag: &str) -> LabFunction {
    LabFunction::new(name, &format!("{}/{repository}:{tag}", place.host()))
}

/// Some of everything in both accounts and regions.
pub fn fill(world: &World) {
    let home = place(world, OWN, "eu-central-1");
    image(home, "shop/checkout", "v1", 300_000_000, 400);
    // It loses its tag to the next one.
    image(home, "shop/checkout", "latest", 310_000_000, 30);
    let latest = image(home, "shop/checkout", "latest", 320_000_000, 3);
    let old = image(home, "media/thumbnails", "2026-03", 900_000_000, 250);
    let thumbnails = image(home, "media/thumbnails", "2026-09", 910_000_000, 70);
    image(home, "legacy/reports", "final", 700_000_000, 430);
    image(home, "legacy/reports", "final-2", 710_000_000, 420);
    image(home, "scratch/try-out", "x", 10_000_000, 20);
    home.create_repository("empty/for-later");
    home.archive("media/thumbnails", &old).expect("it is there");
    home.add_function(
        function(home, "checkout-api", "shop/checkout", "latest")
            .resolved(&latest)
            .described("Takes orders"),
    );
    home.add_function(function(home, "checkout-mail", "shop/checkout", "v1"));
    // An alias may still send requests to it.
    home.add_function(function(home, "checkout-api", "shop/checkout", "v1").published(3));
    home.add_function(
        function(home, "thumbnails", "media/thumbnails", "2026-09")
            .resolved(&thumbnails)
            .logs_to("/team/media"),
    );
    home.add_function(function(home, "left-over", "shop/checkout", "v0"));
    home.add_function(LabFunction::zip("not-an-image"));
    let partner = "999988887777.dkr.ecr.eu-west-1.amazonaws.com/partner/import:7";
    home.add_function(LabFunction::new("partner-import", partner));
    home.add_log_stream("/aws/lambda/checkout-api", "2026/11/01/[3]aa", Some(days_ago(21)));
    home.add_log_stream("/aws/lambda/checkout-api", "2026/11/21/[$LATEST]bb", Some(days_ago(1)));
    home.add_log_stream("/team/media", "2026/11/22/[$LATEST]cc", Some(days_ago(0)));
    home.create_log_group("/aws/lambda/checkout-mail");
    home.add_service(
        "main",
        "web",
        &[
            ("proxy", &format!("{}/scratch/try-out:x", home.host())),
            ("agent", "grafana/agent:7"),
        ],
    );
    home.add_service("main", "api", &[("api", &format!("{}/shop/checkout:v1", home.host()))]);
    home.add_service(
        "second",
        "cron",
        &[("cron", &format!("{}/shop/checkout:latest", home.host()))],
    );
    let away = place(world, OWN, "us-east-1");
    let yearly = image(away, "billing/yearly", "2024", 640_000_000, 690);
    away.add_function(function(away, "yearly-bill", "billing/yearly", "2024").resolved(&yearly));
    away.add_log_stream("/aws/lambda/yearly-bill", "2025/09/01/[$LATEST]dd", Some(days_ago(420)));
    let staging = place(world, OTHER, "eu-central-1");
    image(staging, "shop/checkout", "canary", 330_000_000, 1);
    // Another account's function, in the same region.
    staging.add_function(LabFunction::new(
        "canary",
        &format!("{}/shop/checkout:latest", home.host()),
    ));
}

/// `usage` in this world, by both accounts in both regions.
pub fn usage(world: &World, arguments: &[&str]) -> Run {
    let both = ["--role-arn", ROLE, "--regions", "eu-central-1,us-east-1"];
    alone(world, &[&both, arguments].concat())
}

/// `usage` with these arguments alone.
pub fn alone(world: &World, arguments: &[&str]) -> Run {
    with_services(world, world.keeper(&[&["usage"], arguments].concat()))
}

/// Where AWS's services are in this world.
pub fn with_services(world: &World, mut run: Run) -> Run {
    let endpoint = world.lab.endpoint();
    for service in ["STS", "LAMBDA", "CLOUDWATCH_LOGS", "ECS", "ACCOUNT"] {
        run = run.env(&format!("AWS_ENDPOINT_URL_{service}"), &endpoint);
    }
    run
}

/// Its JSON.
pub async fn report(world: &World, arguments: &[&str]) -> Value {
    let ran = usage(world, &[&["--output", "json"], arguments].concat()).ran().await;
    ran.json()
}

pub fn python() -> PathBuf {
    let moto = ecr_lab::program("moto").expect("scripts/tools got it");
    PathBuf::from(moto).parent().expect("a folder").join("python")
}

/// Runs a script of tests/usage.
pub async fn script(name: &str, arguments: &[&str]) -> Ran {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/usage").join(name);
    let mut command = tokio::process::Command::new(python());
    command.arg(path).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    Ran::of(command.output().await.expect("python starts"))
}

/// A repository of a report.
pub fn repository<'a>(report: &'a Value, account: &str, region: &str, name: &str) -> &'a Value {
    let accounts = report["accounts"].as_array().expect("accounts");
    let account = accounts.iter().find(|one| one["id"] == account).expect("the account");
    let repositories = account["ecr"][region]["repositories"].as_array().expect("repositories");
    repositories
        .iter()
        .find(|one| one["repositoryName"] == name)
        .expect("the repository")
}
