//! The policies of `deploy/iam`: everything that a command asks AWS for is in its policy, and nothing else is.

mod policies;
mod seen;
mod work;

use std::collections::BTreeSet;
use std::fs;

use ecr_lab::images::{Artifact, Image, Layer, Place, Platform, multi, tiny};
use ecr_lab::{LabFunction, LabOptions, Referrers, S3};

use crate::support::{Run, World};
use crate::usage::{OWN, alone, days_ago, with_services};
use policies::allowed_on;
use seen::Seen;

const BUCKET: &str = "team-state";
const NAME: &str = "base/image/app";

/// Two repositories whose images have the same layers, and both have moved upstream.
async fn moved(world: &World) {
    for (upstream, name) in [("library/app", NAME), ("library/twin", "base/image/twin")] {
        for tag in ["1.0", "1.1"] {
            world.upstream(upstream, tag, tiny(tag)).await;
            world.ecr(name, tag, tiny(&format!("old {tag}"))).await;
        }
    }
    world.forget_requests();
}

/// With so many layers that an empty repository is not asked for each.
fn layered(text: &str) -> Image {
    let layer = |at: u8| Layer::new().file(&format!("etc/lab/{at}"), text.as_bytes());
    (0..12).map(layer).fold(Image::new(Platform::amd64()), Image::layer)
}

async fn direct() -> World {
    let world = World::without_daemon(LabOptions::default()).await;
    moved(&world).await;
    world
}

async fn aws(world: &World) -> S3 {
    let aws = world.lab.s3().await.expect("moto starts");
    aws.create_bucket(BUCKET).await.expect("a bucket");
    aws
}

fn at(aws: &S3, run: Run) -> Run {
    run.env("AWS_ENDPOINT_URL_S3", aws.endpoint())
        .env("AWS_ENDPOINT_URL_SQS", aws.endpoint())
        .env("AWS_ENDPOINT_URL_SSM", aws.endpoint())
        .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", aws.endpoint())
}

/// All that was asked for is in one of these policies.
#[track_caller]
fn is_within(seen: &Seen, policies: &[&str]) {
    let allowed: BTreeSet<String> = policies.iter().flat_map(|name| allowed_on(name)).collect();
    let missing: Vec<_> = seen.actions.difference(&allowed).collect();
    assert!(missing.is_empty(), "{policies:?} lack {missing:?}");
}

/// The same, and all of the first was asked for.
#[track_caller]
fn is_least(seen: &Seen, policy: &str, beside: &[&str]) {
    is_within(seen, &[&[policy], beside].concat());
    let own = allowed_on(policy);
    let unseen: Vec<_> = own.difference(&seen.actions).collect();
    assert!(
        unseen.is_empty(),
        "deploy/iam/{policy}.json allows {unseen:?}, and nobody asked for it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_and_sync_from_registry_to_registry() {
    let world = direct().await;
    world.keeper(&["plan"]).ran().await.well();
    is_least(&Seen::of(&world), "plan-direct", &[]);
    world.upstream("library/app", "2.0", layered("2.0")).await;
    world.lab.ecr().create_repository("mirror/empty");
    let images = "engine: direct\nimages: [{upstream: app, repository: mirror/empty, include_tags: ['2.0']}]\n";
    fs::write(world.folder().join("settings.yaml"), images).unwrap();
    world.forget_requests();
    world.sync().await.well();
    is_least(&Seen::of(&world), "sync-direct", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_and_sync_through_a_daemon() {
    let world = World::new().await;
    moved(&world).await;
    world.keeper(&["plan"]).ran().await.well();
    is_least(&Seen::of(&world), "plan-docker", &[]);
    world.forget_requests();
    world.sync().await.well();
    is_least(&Seen::of(&world), "sync-docker", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_compared_by_a_pull() {
    let world = World::new().await;
    moved(&world).await;
    let sync = world.keeper(&["sync"]).env("ECR_KEEPER_DOCKER__COMPARE", "pull");
    sync.ran().await.well();
    is_least(&Seen::of(&world), "compare-pull", &["sync-docker"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_looks_closer_where_its_settings_ask_for_that() {
    let world = direct().await;
    let upstream = world.lab.upstream();
    upstream.set_referrers(Referrers::Supported);
    let of_three = |text: &str| {
        let third = Image::new(Platform::new("linux", "s390x"));
        multi(text).image(third).attested()
    };
    let image = world.upstream("library/app", "1.0", of_three("new")).await;
    world.upstream("library/app", "1.1", of_three("new")).await;
    world.sync().await.well();
    let signature = Artifact::new("application/vnd.example.signature", b"signed").subject(&image);
    let signed = signature.push(&Place::of(upstream), "library/app", None).await;
    signed.expect("a signature");
    world.upstream("library/app", "1.1", of_three("newer")).await;
    set(&world, "");
    world.forget_requests();
    world.keeper(&["plan"]).ran().await.well();
    is_within(&Seen::of(&world), &["plan-direct"]);
    for settings in [
        "platforms: [linux/amd64, linux/arm64]",
        "attestations: strip",
        "referrers: true",
    ] {
        set(&world, settings);
        world.forget_requests();
        world.keeper(&["plan"]).ran().await;
        is_within(&Seen::of(&world), &["plan-closer", "plan-direct"]);
    }
    is_least(&Seen::of(&world), "plan-closer", &["plan-direct"]);
}

/// Settings of the direct engine.
fn set(world: &World, settings: &str) {
    let settings = format!("engine: direct\n{settings}\n");
    fs::write(world.folder().join("settings.yaml"), settings).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_setting_of_the_direct_engine_asks_for_more() {
    let world = direct().await;
    for settings in [
        "referrers: true",
        "platforms: [linux/amd64, linux/arm64]",
        "policy: {backup: '{tag}-before-{date}'}",
        "policy: {retag: freeze}",
        "compare: missing-only",
    ] {
        world.upstream("library/app", "1.0", multi(settings)).await;
        set(&world, settings);
        world.forget_requests();
        // Some of it may be refused, which is not what this is about.
        world.keeper(&["plan", "--out", "plan.json"]).ran().await;
        world.keeper(&["explain", &format!("{NAME}:1.0")]).ran().await;
        is_within(&Seen::of(&world), &["plan-direct", "plan-closer"]);
        world.keeper(&["apply", "plan.json"]).ran().await;
        world.keeper(&["sync"]).ran().await;
        is_within(&Seen::of(&world), &["sync-direct"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_image_is_copied_by_hand() {
    let world = direct().await;
    world.upstream("library/app", "2.0", layered("2.0")).await;
    world.lab.ecr().create_repository("by/hand");
    let target = world.target("by/hand:1");
    world.keeper(&["copy", "library/app:2.0", &target]).ran().await.well();
    is_least(&Seen::of(&world), "copy", &[]);
    // From ECR: what it takes to read an image is what a daemon's pull asks for.
    world.forget_requests();
    world.lab.ecr().create_repository("by/others");
    let other = world.target("by/others:1");
    world.keeper(&["copy", &target, &other]).ran().await.well();
    is_within(&Seen::of(&world), &["copy", "compare-pull"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_is_put_back() {
    let world = direct().await;
    let policy = "engine: direct\npolicy: {backup: '{tag}-before-{date}'}\n";
    fs::write(world.folder().join("settings.yaml"), policy).unwrap();
    world.sync().await.well();
    world.forget_requests();
    world.keeper(&["rollback", &format!("{NAME}:1.0")]).ran().await.well();
    is_least(&Seen::of(&world), "rollback", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_are_read_with_their_resource_tags() {
    let world = direct().await;
    let plan = world
        .keeper(&["plan"])
        .env("ECR_KEEPER_DISCOVERY__RESOURCE_TAGS", "true");
    plan.ran().await.well();
    is_least(&Seen::of(&world), "resource-tags", &["plan-direct"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_are_created_by_the_settings() {
    let world = direct().await;
    let settings = "engine: direct\nimages: [{upstream: app, repository: mirror/app}]\ncreate_repositories: settings\n\
                    repositories: {lifecycle_policy: lifecycle.json, policy: policy.json, tags: {team: platform}}\n";
    fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    fs::write(
        world.folder().join("policy.json"),
        r#"{"Version": "2012-10-17", "Statement": []}"#,
    )
    .unwrap();
    let sync = || world.keeper(&["sync", "--output", "json"]).without("KEYWORD").ran();
    // ECR refuses this one, and the repository is taken back.
    fs::write(world.folder().join("lifecycle.json"), "{}").unwrap();
    sync().await.code_is(1);
    let rule = r#"{"rules": [{"rulePriority": 1, "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 9}, "action": {"type": "expire"}}]}"#;
    fs::write(world.folder().join("lifecycle.json"), rule).unwrap();
    sync().await.well();
    is_least(&Seen::of(&world), "create-settings", &["sync-direct"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_are_created_by_a_template() {
    let world = direct().await;
    world.lab.ecr().creation_template("mirror", &["CREATE_ON_PUSH"]);
    let settings = "engine: direct\nimages: [{upstream: app, repository: mirror/app}]\ncreate_repositories: template\n";
    fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    world.sync().await.well();
    is_least(&Seen::of(&world), "create-template", &["sync-direct"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_and_who_runs_it() {
    let world = of_two_regions().await;
    moved(&world).await;
    let home = world.lab.ecr();
    home.pushed_at("base/image/twin", "1.0", days_ago(900));
    home.pushed_at("base/image/twin", "1.1", days_ago(900));
    home.add_function(LabFunction::new("app", &world.target(&format!("{NAME}:1.0"))));
    home.add_service("main", "web", &[("web", &world.target(&format!("{NAME}:1.1")))]);
    world.forget_requests();
    alone(&world, &[]).ran().await.well();
    is_least(&Seen::of(&world), "usage", &[]);
    alone(&world, &["--include", "ecs"]).ran().await.well();
    is_least(&Seen::of(&world), "usage-ecs", &["usage"]);
    for arguments in [&["--coverage"][..], &["--regions", "eu-central-1", "--candidates"]] {
        alone(&world, arguments).ran().await.well();
        is_within(&Seen::of(&world), &["usage", "usage-ecs"]);
    }
}

/// Which regions there are is asked in us-east-1.
async fn of_two_regions() -> World {
    let regions = ["eu-central-1", "us-east-1"].map(|region| (OWN.to_owned(), region.to_owned()));
    World::without_daemon(LabOptions {
        regions: regions.to_vec(),
        ..LabOptions::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_looked_after_by_hand() {
    let world = of_two_regions().await;
    moved(&world).await;
    world.ecr(NAME, "2.0", multi("new")).await;
    let asks = async |arguments: &[&str]| {
        world.forget_requests();
        let run = world.keeper(arguments);
        with_services(&world, run).ran().await.well();
        Seen::of(&world)
    };
    is_least(&asks(&["images", "list", "--all"]).await, "images", &[]);
    is_within(&asks(&["repositories", "list"]).await, &["images"]);
    is_least(&asks(&["get-login-password"]).await, "login", &[]);
    let create = asks(&["repositories", "create", "base/image/other", "--yes"]).await;
    is_within(&create, &["images", "create-settings"]);
    let tag = format!("{NAME}:1.0");
    is_within(&asks(&["images", "delete", &tag, "--yes"]).await, &["prune"]);
    let delete = asks(&["repositories", "delete", NAME, "--force", "--yes"]).await;
    is_least(&delete, "delete-repository", &["prune"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_needs_any_more_goes() {
    let world = of_two_regions().await;
    moved(&world).await;
    let home = world.lab.ecr();
    world.ecr(NAME, "2.0", multi("new")).await;
    world.ecr(NAME, "3.0", multi("newer")).await;
    home.add_function(LabFunction::new("app", &world.target(&format!("{NAME}:1.0"))));
    home.add_service("main", "web", &[("web", &world.target(&format!("{NAME}:1.0")))]);
    home.add_task(
        "main",
        &world.target(&format!("{NAME}:2.0")),
        &world.digest_in_ecr(NAME, "2.0"),
    );
    world.forget_requests();
    let run = world.keeper(&["images", "prune", NAME, "--keep", "1", "--apply", "--yes"]);
    with_services(&world, run).ran().await.well();
    is_least(&Seen::of(&world), "prune", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_and_a_list_are_in_s3() {
    let world = direct().await;
    let aws = aws(&world).await;
    aws.record().await.unwrap();
    let list = world.keeper(&["sync", "--action", "s3"]).env("BUCKET_NAME", BUCKET);
    at(&aws, list).ran().await.well();
    is_least(&Seen::with(&world, &aws).await, "list-s3", &["plan-direct"]);
    aws.record().await.unwrap();
    world.forget_requests();
    let sync = world
        .keeper(&["sync"])
        .env("ECR_KEEPER_LEDGER", format!("s3://{BUCKET}/ledger.json"));
    at(&aws, sync).ran().await.well();
    let seen = Seen::with(&world, &aws).await.and("s3:ListBucket", "s3:GetObject");
    is_least(&seen, "ledger-s3", &["sync-direct"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_secrets_are_kept_at_aws() {
    let world = direct().await;
    let aws = aws(&world).await;
    let settings = "engine: direct\n";
    aws.put(BUCKET, "settings.yaml", settings).await.unwrap();
    aws.keep_parameter("/ecr-keeper/settings", settings).await.unwrap();
    let secret = aws.keep_secret("ecr-keeper/slack", "xoxb-1").await.unwrap();
    let check = |place: &str| at(&aws, world.keeper(&["config", "check", "-c", place]));
    for (place, policy) in [
        ("s3://team-state/settings.yaml", "settings-s3"),
        ("ssm:/ecr-keeper/settings", "settings-ssm"),
    ] {
        aws.record().await.unwrap();
        check(place).ran().await.well();
        is_least(&Seen::with(&world, &aws).await, policy, &[]);
    }
    aws.record().await.unwrap();
    let with_secret = check("s3://team-state/settings.yaml").env("ECR_KEEPER_WEBHOOK__URL", &secret);
    // The secret is no URL, and was read.
    with_secret.ran().await.code_is(2);
    is_least(&Seen::with(&world, &aws).await, "secrets", &["settings-s3"]);
}
