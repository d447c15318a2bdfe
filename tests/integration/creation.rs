//! `create_repositories`: what is done about a repository that is not there.

use std::fs;

use ecr_lab::images::tiny;
use ecr_lab::{ApiFault, LabOptions};
use serde_json::{Value, json};

use crate::support::{Ran, World};

const NAME: &str = "mirror/app";

async fn world(creation: &str) -> World {
    let world = World::without_daemon(LabOptions::default()).await;
    world.upstream("library/app", "1.0", tiny("1.0")).await;
    let images = format!("engine: direct\nimages: [{{upstream: app, repository: {NAME}}}]\n{creation}");
    fs::write(world.folder().join("settings.yaml"), images).unwrap();
    world
}

async fn sync(world: &World) -> Ran {
    let run = world.keeper(&["sync", "--output", "json"]).without("KEYWORD");
    run.ran().await
}

fn asked(world: &World, action: &str, body: &Value) -> Value {
    world.lab.ecr().ask(action, body).unwrap()
}

fn failures(ran: &Ran) -> String {
    ran.json()["failures"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn never_names_the_command_that_creates_it() {
    let world = world("").await;
    let ran = sync(&world).await.code_is(1);
    let command = format!("aws ecr create-repository --region eu-central-1 --repository-name {NAME}");
    assert!(failures(&ran).contains(&command), "{}", ran.stdout);
    assert!(
        failures(&ran).contains("create_repositories: settings"),
        "{}",
        ran.stdout
    );
    assert_eq!(world.lab.ecr().repositories(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_created_with_its_settings() {
    let world = world(
        "create_repositories: settings\nrepositories:\n  image_tag_mutability: IMMUTABLE\n  \
         mutability_exclusion_filters: [latest, 'dev-*']\n  scan_on_push: true\n  encryption_type: KMS\n  kms_key: alias/images\n  \
         lifecycle_policy: lifecycle.json\n  policy: policy.json\n  tags: {team: platform}\n",
    )
    .await;
    let lifecycle = r#"{"rules": [{"rulePriority": 1, "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 9}, "action": {"type": "expire"}}]}"#;
    fs::write(world.folder().join("lifecycle.json"), lifecycle).unwrap();
    let policy = r#"{"Version": "2012-10-17", "Statement": []}"#;
    fs::write(world.folder().join("policy.json"), policy).unwrap();
    let ran = sync(&world).await.well();
    assert_eq!(ran.outcome("/mirror/app:1.0"), "updated");
    let created = ran.json()["created"].clone();
    assert_eq!(created, json!([world.target(NAME)]));
    let listed = asked(&world, "DescribeRepositories", &json!({"repositoryNames": [NAME]}));
    let repository = &listed["repositories"][0];
    assert_eq!(repository["imageTagMutability"], "IMMUTABLE_WITH_EXCLUSION");
    let filters =
        json!([{"filterType": "WILDCARD", "filter": "latest"}, {"filterType": "WILDCARD", "filter": "dev-*"}]);
    assert_eq!(repository["imageTagMutabilityExclusionFilters"], filters);
    assert_eq!(repository["imageScanningConfiguration"], json!({"scanOnPush": true}));
    let encryption = json!({"encryptionType": "KMS", "kmsKey": "alias/images"});
    assert_eq!(repository["encryptionConfiguration"], encryption);
    let of = json!({"repositoryName": NAME});
    assert_eq!(
        asked(&world, "GetLifecyclePolicy", &of)["lifecyclePolicyText"],
        lifecycle
    );
    assert_eq!(asked(&world, "GetRepositoryPolicy", &of)["policyText"], policy);
    let tags = asked(
        &world,
        "ListTagsForResource",
        &json!({"resourceArn": repository["repositoryArn"]}),
    );
    assert_eq!(tags["tags"], json!([{"Key": "team", "Value": "platform"}]));
    // The next run finds it like any other.
    let ran = sync(&world).await.well();
    assert_eq!(ran.outcome("/mirror/app:1.0"), "unchanged");
    assert!(ran.json()["created"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_will_be_created_and_is_applied_as_it_was_approved() {
    let world = world("create_repositories: settings\nrepositories: {scan_on_push: true}\n").await;
    let plan = |arguments: &[&str]| world.keeper(arguments).without("KEYWORD");
    let shown = plan(&["plan", "--out", "plan.json"]).ran().await.well();
    assert!(
        shown
            .stdout
            .contains("create    mirror/app\n          tags may move, scanned on push"),
        "{}",
        shown.stdout
    );
    let explained = plan(&["explain", &format!("{NAME}:1.0")]).ran().await.well();
    let says = format!("create    {}, which is not there", world.target(NAME));
    assert!(explained.stdout.contains(&says), "{}", explained.stdout);
    assert_eq!(
        world.lab.ecr().repositories(),
        Vec::<String>::new(),
        "a plan changes nothing"
    );
    // Settings may have changed since.
    let settings = fs::read_to_string(world.folder().join("settings.yaml")).unwrap();
    let other = settings.replace("scan_on_push: true", "scan_on_push: false");
    fs::write(world.folder().join("settings.yaml"), other).unwrap();
    let ran = plan(&["apply", "plan.json", "--output", "json"]).ran().await.well();
    assert_eq!(ran.outcome("/mirror/app:1.0"), "updated");
    let listed = asked(&world, "DescribeRepositories", &json!({"repositoryNames": [NAME]}));
    assert_eq!(
        listed["repositories"][0]["imageScanningConfiguration"]["scanOnPush"],
        true
    );
    // Once more: everything is there.
    let ran = plan(&["apply", "plan.json", "--output", "json"]).ran().await.well();
    assert_eq!(ran.outcome("/mirror/app:1.0"), "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_repository_from_being_created_is_told_plainly() {
    for (code, says, hint) in [
        (
            "LimitExceededException",
            "The repository cannot be created",
            "Service Quotas",
        ),
        ("AccessDeniedException", "is not authorized", "IAM policy"),
        (
            "InvalidParameterException",
            "must satisfy regular expression",
            "check the name",
        ),
    ] {
        let world = world("create_repositories: settings\n").await;
        world
            .lab
            .ecr()
            .api_fault(ApiFault::exception("CreateRepository", code, says));
        let ran = sync(&world).await.code_is(1);
        let told = failures(&ran);
        for word in ["create repository", NAME, code, says, hint] {
            assert!(told.contains(word), "{word} is not in {told}");
        }
        assert_eq!(ran.outcome("/mirror/app:1.0"), "not-attempted", "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_whose_policy_is_refused_is_removed_again() {
    let world = world("create_repositories: settings\nrepositories: {lifecycle_policy: lifecycle.json}\n").await;
    fs::write(world.folder().join("lifecycle.json"), "{}").unwrap();
    let ran = sync(&world).await.code_is(1);
    let told = failures(&ran);
    assert!(told.contains("PutLifecyclePolicy"), "{told}");
    assert!(told.contains("repositories.lifecycle_policy"), "{told}");
    assert_eq!(world.lab.ecr().repositories(), Vec::<String>::new());
    // Who may not remove it is told that it is there.
    world.lab.ecr().api_fault(ApiFault::access_denied("DeleteRepository"));
    let ran = sync(&world).await.code_is(1);
    assert!(
        failures(&ran).contains("the repository is there without it"),
        "{}",
        ran.stdout
    );
    assert_eq!(world.lab.ecr().repositories(), [NAME]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ecr_creates_it_by_a_template_where_one_is_for_it() {
    let world = world("create_repositories: template\n").await;
    world.lab.ecr().creation_template("other", &["CREATE_ON_PUSH"]);
    world.lab.ecr().creation_template("mirror", &["PULL_THROUGH_CACHE"]);
    let ran = sync(&world).await.code_is(1);
    let why = format!("no repository creation template of eu-central-1 creates {NAME} on push");
    assert!(failures(&ran).contains(&why), "{}", ran.stdout);
    world
        .lab
        .ecr()
        .creation_template("mirror", &["PULL_THROUGH_CACHE", "CREATE_ON_PUSH"]);
    // Also when it was planned before.
    let run = |arguments: &[&str]| world.keeper(arguments).without("KEYWORD");
    run(&["plan", "--out", "plan.json"]).ran().await.well();
    let ran = run(&["apply", "plan.json", "--output", "json"]).ran().await.well();
    assert_eq!(ran.outcome("/mirror/app:1.0"), "updated");
    let calls = world.lab.ecr().api_requests();
    assert!(calls.iter().all(|call| call.action != "CreateRepository"));
    assert!(world.lab.ecr().digest_of(NAME, "1.0").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_created_where_nothing_would_come() {
    let world = world("create_repositories: settings\n").await;
    let settings = fs::read_to_string(world.folder().join("settings.yaml")).unwrap();
    let narrow = settings.replace("repository: mirror/app", "repository: mirror/app, constraint: '>= 9'");
    fs::write(world.folder().join("settings.yaml"), narrow).unwrap();
    sync(&world).await;
    assert_eq!(world.lab.ecr().repositories(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_settings_of_new_repositories_is_told_at_once() {
    let world = world(
        "create_repositories: settings\nrepositories:\n  image_tag_mutability: immutable\n  mutability_exclusion_filters: ['*a*b*']\n  \
         kms_key: alias/x\n  lifecycle_policy: nowhere.json\n",
    )
    .await;
    let ran = world.keeper(&["config", "check"]).ran().await.code_is(2);
    for says in [
        "repositories.image_tag_mutability: \"immutable\" is not allowed; allowed: MUTABLE or IMMUTABLE",
        "repositories.mutability_exclusion_filters: \"*a*b*\" is not allowed",
        "repositories.kms_key: needs repositories.encryption_type: KMS or KMS_DSSE",
        "repositories.lifecycle_policy: \"nowhere.json\" is not allowed: no such file",
    ] {
        assert!(ran.stderr.contains(says), "{says} is not in {}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyword_that_only_a_new_repository_has_is_matched() {
    let world = world("create_repositories: settings\nkeyword: mirror\n").await;
    let ran = sync(&world).await.well();
    assert_eq!(ran.outcome("/mirror/app:1.0"), "updated");
}
