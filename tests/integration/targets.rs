//! `targets`: registries of ECR in other regions and accounts.

use std::fs;

use ecr_lab::images::{Place, tiny};
use ecr_lab::{ApiFault, EcrRegion, LabOptions, Logged, Store};
use serde_json::Value;

use crate::support::{Content, Ran, Run, World};

const ROLE: &str = "arn:aws:iam::222222222222:role/mirror";

/// A registry in each of three regions, and one more in the last of them, of another account: only its role leads there.
async fn world() -> World {
    let regions = [
        ("123456789012", "eu-central-1"),
        ("123456789012", "eu-west-1"),
        ("123456789012", "us-east-1"),
        ("222222222222", "us-east-1"),
    ];
    let world = World::without_daemon(LabOptions {
        regions: regions
            .map(|(account, region)| (account.to_owned(), region.to_owned()))
            .to_vec(),
        ..LabOptions::default()
    })
    .await;
    for tag in ["1.0", "1.1"] {
        world.upstream("library/app", tag, tiny(tag)).await;
    }
    for region in world.lab.regions() {
        region.create_repository("base/image/app");
    }
    world
}

fn settings(world: &World, yaml: &str) {
    fs::write(world.folder().join("settings.yaml"), format!("engine: direct\n{yaml}")).unwrap();
}

fn keeper(world: &World, arguments: &[&str]) -> Run {
    let run = world.keeper(arguments).without("KEYWORD");
    run.env("AWS_ENDPOINT_URL_STS", world.lab.endpoint())
}

/// The registry of the other account.
fn other_account(world: &World) -> &EcrRegion {
    world.lab.regions().last().unwrap()
}

/// Those that `everywhere` names.
fn targets(world: &World) -> impl Iterator<Item = &EcrRegion> {
    let regions = world.lab.regions().iter();
    regions.filter(|region| (region.account_id(), region.name()) != ("123456789012", "us-east-1"))
}

async fn sync(world: &World) -> Ran {
    keeper(world, &["sync", "--output", "json"]).ran().await
}

fn everywhere() -> String {
    format!(
        "images:\n  - upstream: app\n    repository: base/image/app\n    constraint: '~> 1.0'\n    newest: 1\n    targets:\n      \
         - {{region: eu-central-1}}\n      - {{region: eu-west-1}}\n      - {{region: us-east-1, role_arn: '{ROLE}'}}\n"
    )
}

fn outcome(ran: &Ran, region: &EcrRegion, tag: &str) -> String {
    ran.outcome(&format!("{}/base/image/app:{tag}", region.host()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_goes_to_all_regions_and_accounts_that_are_named() {
    let world = world().await;
    settings(&world, &everywhere());
    let ran = sync(&world).await.well();
    let new = tiny("1.1")
        .put(&Place::of(world.lab.upstream()), "library/app", "1.1")
        .await;
    for region in targets(&world) {
        assert_eq!(outcome(&ran, region, "1.1"), "updated");
        assert_eq!(region.digest_of("base/image/app", "1.1"), Some(new.top.clone()));
        assert_eq!(region.digest_of("base/image/app", "1.0"), None);
    }
    let ran = sync(&world).await.well();
    assert_eq!(ran.json()["totals"]["unchanged"], 3, "{}", ran.stdout);
    assert_eq!(ran.json()["totals"]["updated"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_s_tags_and_digests_are_asked_for_once() {
    let world = world().await;
    settings(&world, &everywhere());
    world.forget_requests();
    sync(&world).await.well();
    let asked = world.lab.upstream().requests();
    let count = |which: &dyn Fn(&Logged) -> bool| asked.iter().filter(|request| which(request)).count();
    assert_eq!(count(&|request| request.path.contains("/tags/list")), 1, "{asked:?}");
    assert_eq!(
        count(&|request| request.method == "HEAD" && request.path.ends_with("/manifests/1.1")),
        1,
        "{asked:?}"
    );
    let layers = world.pulled_layers();
    assert_eq!(layers.len(), 1, "{layers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_is_applied_in_every_registry() {
    let world = world().await;
    settings(&world, &everywhere());
    let shown = keeper(&world, &["plan", "--out", "plan.json"]).ran().await.well();
    // Whoever approves it has to see where it goes.
    for (region, name) in [
        ("eu-central-1", "base/image/app:1.1".to_owned()),
        (
            "eu-west-1",
            format!("{}/base/image/app:1.1", world.lab.region("eu-west-1").host()),
        ),
    ] {
        let line = format!("copy      {name}\n");
        assert!(shown.stdout.contains(&line), "{region}: {}", shown.stdout);
    }
    let ran = keeper(&world, &["apply", "plan.json", "--output", "json"])
        .ran()
        .await
        .well();
    for region in targets(&world) {
        assert_eq!(outcome(&ran, region, "1.1"), "updated");
    }
    // Who may no longer be somebody there is told so.
    let nobody = "arn:aws:iam::333333333333:role/mirror";
    settings(&world, &everywhere().replace(ROLE, nobody));
    let ran = keeper(&world, &["apply", "plan.json", "--output", "json"])
        .ran()
        .await
        .code_is(1);
    let image = ran.image(&format!("{}/base/image/app:1.1", other_account(&world).host()));
    let why = image["failure"]["message"].to_string();
    assert!(why.contains(nobody) && why.contains("AccessDenied: User"), "{image}");
    // Settings that no longer name a registry do not let a plan write there.
    settings(
        &world,
        "images:\n  - {upstream: app, repository: base/image/app, newest: 1}\n",
    );
    let ran = keeper(&world, &["apply", "plan.json"]).ran().await.code_is(2);
    assert!(
        ran.stderr.contains("which no target of `images` names"),
        "{}",
        ran.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_cannot_be_reached_leaves_the_others_alone() {
    let world = world().await;
    let nobody = "arn:aws:iam::333333333333:role/mirror";
    settings(&world, &everywhere().replace(ROLE, nobody));
    let west = world.lab.region("eu-west-1");
    west.api_fault(ApiFault::access_denied("DescribeRepositories"));
    let ran = sync(&world).await.code_is(1);
    let report = ran.json();
    assert_eq!(outcome(&ran, world.lab.ecr(), "1.1"), "updated");
    assert_eq!(report["images"].as_array().unwrap().len(), 1, "{}", ran.stdout);
    let failures = report["failures"].to_string();
    for says in [
        nobody,
        "could not be assumed: AccessDenied: ",
        "is not authorized to perform: sts:AssumeRole",
        "let the role's trust policy name who asks",
        "images.1 of settings.yaml",
        &format!("{}/base/image/app", west.host()),
        "DescribeRepositories",
    ] {
        assert!(failures.contains(says), "{says}: {failures}");
    }
    assert_eq!(report["failures"].as_array().unwrap().len(), 2, "{failures}");
    assert!(!ran.stderr.contains("Unhandled"), "{}", ran.stderr);
    let plan = keeper(&world, &["plan"]).ran().await;
    assert!(plan.stdout.contains(", 2 other failures"), "{}", plan.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_roles_for_one_registry_are_refused_by_name() {
    let world = world().await;
    let other = ROLE.replace("mirror", "other");
    let targets = format!(
        "images:\n  - upstream: app\n    newest: 1\n    targets:\n      - {{region: us-east-1, role_arn: '{ROLE}', repository: base/image/app}}\n      \
         - {{region: us-east-1, role_arn: '{other}', repository: base/image/other}}\n"
    );
    settings(&world, &targets);
    let ran = sync(&world).await.code_is(1);
    assert_eq!(outcome(&ran, other_account(&world), "1.1"), "updated");
    let failures = ran.json()["failures"].to_string();
    assert!(failures.contains("assumes another role there"), "{failures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_not_there_is_created_in_its_own_region() {
    let world = world().await;
    settings(
        &world,
        "create_repositories: settings\nimages:\n  - upstream: app\n    newest: 1\n    targets:\n      \
         - {region: eu-west-1, repository: new/app}\n",
    );
    let ran = sync(&world).await.well();
    let west = world.lab.region("eu-west-1");
    assert!(west.digest_of("new/app", "1.1").is_some());
    assert!(!world.lab.ecr().repositories().contains(&"new/app".to_owned()));
    assert_eq!(ran.json()["created"][0], format!("{}/new/app", west.host()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_narrowed_down_to_a_name_leaves_the_run_s_own_of_that_name_alone() {
    let world = world().await;
    world.ecr("base/image/app", "1.1", tiny("the team's own")).await;
    let own = world.digest_in_ecr("base/image/app", "1.1");
    settings(
        &world,
        "images:\n  - {upstream: app, repository: base/image/app, newest: 1, targets: [{region: eu-west-1}]}\n",
    );
    let run = keeper(&world, &["sync", "--only", "base/image/app", "--output", "json"]);
    let ran = run.ran().await.well();
    assert_eq!(outcome(&ran, world.lab.region("eu-west-1"), "1.1"), "updated");
    assert_eq!(ran.json()["images"].as_array().unwrap().len(), 1, "{}", ran.stdout);
    assert_eq!(world.digest_in_ecr("base/image/app", "1.1"), own);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_none_of_ecr_s_is_no_target() {
    let world = world().await;
    let other = world.lab.upstream().host();
    settings(
        &world,
        &format!(
            "registries: {{'{other}': {{plain_http: true}}}}\nimages:\n  - {{upstream: app, repository: base/image/app, newest: 1, targets: [{{registry: '{other}'}}]}}\n"
        ),
    );
    world.forget_requests();
    let ran = sync(&world).await.code_is(1);
    let failures = ran.json()["failures"].to_string();
    assert!(
        failures.contains(&format!("{other} is no registry of ECR")),
        "{failures}"
    );
    let pushes = world.lab.upstream().requests();
    assert!(
        pushes.iter().all(|request| request.authorization.is_empty()),
        "{pushes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_before_the_name_narrows_a_run_explains_and_rolls_back() {
    let world = world().await;
    settings(
        &world,
        &format!("policy: {{backup: '{{tag}}-before-{{date}}'}}\n{}", everywhere()),
    );
    sync(&world).await.well();
    let west = world.lab.region("eu-west-1");
    let first = west.digest_of("base/image/app", "1.1").unwrap();
    world.upstream("library/app", "1.1", tiny("moved")).await;
    let one = format!("{}/base/image/app:1.1", west.host());
    let ran = keeper(&world, &["sync", "--only", &one, "--output", "json"])
        .ran()
        .await
        .well();
    assert_eq!(ran.json()["images"].as_array().unwrap().len(), 1, "{}", ran.stdout);
    assert_ne!(west.digest_of("base/image/app", "1.1").unwrap(), first);
    assert_eq!(world.digest_in_ecr("base/image/app", "1.1"), first);
    let ran = keeper(&world, &["explain", &one, "--output", "json"])
        .ran()
        .await
        .well();
    assert_eq!(ran.json()["named_in"], "images.1 of settings.yaml");
    let ran = keeper(&world, &["rollback", &one, "--output", "json"])
        .ran()
        .await
        .well();
    assert_eq!(ran.json()["target"], one);
    assert_eq!(west.digest_of("base/image/app", "1.1").unwrap(), first);
    // It stays there, and the others follow.
    let ran = sync(&world).await.well();
    assert_eq!(outcome(&ran, west, "1.1"), "unchanged");
    assert_eq!(outcome(&ran, world.lab.ecr(), "1.1"), "updated");
    // One name that two registries have means both.
    let ran = keeper(&world, &["plan", "--only", "base/image/app:1.1", "--output", "json"]);
    let plan = ran.ran().await.well().json();
    assert_eq!(plan["kept"].as_array().unwrap().len(), 3, "{plan}");
    let absent = keeper(&world, &["plan", "--only", "base/image/ap:1.1"])
        .ran()
        .await
        .code_is(1);
    assert_eq!(
        absent.stderr.matches("is not among").count() + absent.stdout.matches("is not among").count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_in_targets_is_told_at_once() {
    let world = world().await;
    let west = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    settings(
        &world,
        &format!(
            "images:
  - upstream: app
    repository: arn:aws:lambda:eu-west-1:123456789012:function:app
  - upstream: app
    targets:
      - {{region: eu-west-1}}
      - {{repository: base/image/app}}
      - {{registry: {west}, region: eu-west-2, repository: base/image/app}}
      - {{registry: {west}, repository: 'arn:aws:ecr:eu-west-3:123456789012:repository/base/image/app'}}
      - {{region: eu-west-1, role_arn: mirror, repository: base/image/app}}
      - {{region: eu-west-1, repositry: base/image/app}}
  - upstream: one
    repository: base/image/one
    targets: [{{region: eu-west-1}}, {{region: eu-west-1}}]
  - upstream: two
    repository: base/image/one
    targets: [{{region: eu-west-1}}]
"
        ),
    );
    let ran = keeper(&world, &["config", "check"]).ran().await.code_is(2);
    for says in [
        "images.1.repository: \"arn:aws:lambda:eu-west-1:123456789012:function:app\" is not allowed: it is of another service than ECR",
        "images.2.targets.1: needs repository, there or in the entry itself",
        "images.2.targets.2: needs registry or region, or a repository's ARN",
        "images.2.targets.3: the registry is in eu-west-1, and region is eu-west-2",
        "images.2.targets.4: the repository's ARN is of 123456789012.dkr.ecr.eu-west-3.amazonaws.com, and registry is",
        "images.2.targets.5.role_arn: \"mirror\" is not allowed",
        "images.2.targets.6.repositry: no such setting; did you mean images.2.targets.6.repository?",
        "images.3.targets.2: is the same as one before it",
        "images.4: base/image/one would follow both docker.io/library/two and docker.io/library/one",
    ] {
        assert!(ran.stderr.contains(says), "{says}\nis not in\n{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_s_own_registry_may_be_a_role_s() {
    let world = world().await;
    settings(&world, &format!("aws: {{role_arn: '{ROLE}'}}\nkeyword: base/image\n"));
    let run = keeper(&world, &["plan", "--output", "json"])
        .without("ECR")
        .env("AWS_REGION", "us-east-1");
    let plan = run.ran().await.well().json();
    assert_eq!(plan["registry"], other_account(&world).host());
    // Whoever connects waits for an answer.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let run = keeper(&world, &["plan"]).without("ECR").env("AWS_REGION", "us-east-1");
    let run = run
        .env(
            "AWS_ENDPOINT_URL_STS",
            format!("http://{}", silent.local_addr().unwrap()),
        )
        .env("ECR_KEEPER_TIMEOUTS__ANSWER", "1s");
    let ran = run.ran().await.code_is(1);
    let says = format!("the role {ROLE} could not be assumed: STS did not answer in time");
    assert!(ran.stderr.replace("\n       ", " ").contains(&says), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_rolled_back_elsewhere_than_where_it_was_asked_for() {
    let world = world().await;
    let backup = "policy: {backup: '{tag}-before-{date}'}\n";
    settings(&world, &format!("{backup}{}", everywhere()));
    sync(&world).await.well();
    world.upstream("library/app", "1.1", tiny("moved")).await;
    sync(&world).await.well();
    let nobody = "arn:aws:iam::333333333333:role/mirror";
    settings(&world, &format!("{backup}{}", everywhere().replace(ROLE, nobody)));
    let moved = world.digest_in_ecr("base/image/app", "1.1");
    let one = format!("{}/base/image/app:1.1", other_account(&world).host());
    let ran = keeper(&world, &["rollback", &one]).ran().await.code_is(1);
    assert!(
        ran.stderr.contains(nobody) && ran.stderr.contains("sts:AssumeRole"),
        "{}",
        ran.stderr
    );
    // One that can be reached is none of its business.
    keeper(&world, &["rollback", "base/image/app:1.1"]).ran().await.well();
    assert_ne!(world.digest_in_ecr("base/image/app", "1.1"), moved);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_says_its_registry_by_its_host_its_api_and_its_arn() {
    let world = world().await;
    let (own, west) = (world.lab.ecr(), world.lab.region("eu-west-1"));
    // Another endpoint of its own than the one that everybody is asked at.
    let api = world.lab.endpoint().replace("127.0.0.1", "localhost");
    settings(
        &world,
        &format!(
            "images:
  - {{upstream: app, newest: 1, targets: [{{registry: '{}', region: eu-west-1, endpoint_url: '{api}', repository: base/image/app}}]}}
  - {{upstream: app, newest: 1, repository: 'arn:aws:ecr:us-east-1:123456789012:repository/base/image/app'}}
",
            west.host()
        ),
    );
    let ran = sync(&world).await.code_is(1);
    assert_eq!(outcome(&ran, west, "1.1"), "updated");
    assert_eq!(own.digest_of("base/image/app", "1.1"), None);
    // The lab's registries are not where an ARN says that one is, which the API does not hide.
    let report = ran.json();
    let named = "123456789012.dkr.ecr.us-east-1.amazonaws.com/base/image/app";
    assert!(report.to_string().contains(named), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_for_a_repository_is_said_once_however_its_registry_is_spelt() {
    let world = world().await;
    let west = world.lab.region("eu-west-1");
    settings(
        &world,
        &format!(
            "images:
  - {{upstream: app, include_tags: '1.0', repository: base/image/app, targets: [{{region: eu-west-1}}]}}
  - {{upstream: app, include_tags: '1.1', repository: base/image/app, policy: {{retag: freeze}}, targets: [{{registry: '{}', region: eu-west-1}}]}}
",
            west.host()
        ),
    );
    let ran = sync(&world).await.code_is(1);
    assert_eq!(outcome(&ran, west, "1.0"), "updated");
    let failures = ran.json()["failures"].to_string();
    assert!(
        failures.contains("images.1 of settings.yaml names before by another spelling"),
        "{failures}"
    );
    assert_eq!(west.digest_of("base/image/app", "1.1"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_brings_tags_and_digests_to_other_registries() {
    for store in [Store::Classic, Store::Containerd, Store::Podman] {
        let regions = [("123456789012", "eu-central-1"), ("123456789012", "eu-west-1")];
        let regions = regions.map(|(account, region)| (account.to_owned(), region.to_owned()));
        let options = LabOptions {
            regions: regions.to_vec(),
            ..LabOptions::default()
        };
        let world = World::with_daemon(options, store).await;
        let audited = world.upstream("library/app", "1.0", tiny("audited")).await;
        world.upstream("library/app", "1.1", tiny("newest")).await;
        for region in world.lab.regions() {
            region.create_repository("base/image/app");
        }
        let yaml = format!(
            "images:\n  - upstream: app\n    repository: base/image/app\n    newest: 1\n    digests: {{audited: '{}'}}\n    targets: \
             [{{region: eu-central-1}}, {{region: eu-west-1}}]\n",
            audited.top
        );
        fs::write(world.folder().join("settings.yaml"), yaml).unwrap();
        let ran = sync(&world).await.well();
        for region in world.lab.regions() {
            for tag in ["audited", "1.1"] {
                assert_eq!(outcome(&ran, region, tag), "updated", "{store:?}: {}", ran.stdout);
            }
            // Whether the daemon kept its digest is its own business: what it is made of is the image's.
            let digest = region.digest_of("base/image/app", "audited").unwrap();
            let manifest: Value = serde_json::from_str(&region.manifest("base/image/app", &digest).unwrap()).unwrap();
            assert_eq!(manifest["config"]["digest"], audited.children[0].config, "{store:?}");
        }
        let ran = sync(&world).await.well();
        assert_eq!(ran.json()["totals"]["unchanged"], 4, "{store:?}: {}", ran.stdout);
    }
}
