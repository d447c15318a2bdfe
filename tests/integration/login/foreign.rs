//! Registries that targets name and that are none of ECR's see no password of ECR's.

use std::fs;

use ecr_lab::LabOptions;
use serde_json::{Value, json};

use super::{config, entry, helper, in_world, keeper, password, says, write};
use crate::support::World;

/// A target at a host, without a word on its API.
fn target(world: &World, host: &str) {
    let settings = format!(
        "images:\n  - {{upstream: app, repository: mirror/app, targets: [{{registry: '{host}', region: eu-central-1}}]}}\n"
    );
    let own = world.folder().join("config/ecr-keeper");
    fs::create_dir_all(&own).unwrap();
    for folder in [world.folder(), &own] {
        fs::write(folder.join("settings.yaml"), &settings).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_kept_for_no_host_but_the_one_that_it_is_of() {
    let world = World::without_daemon(LabOptions::default()).await;
    let foreign = "registry.corp.example";
    target(&world, foreign);
    for arguments in [&["login", foreign][..], &["get-login-password", foreign]] {
        let ran = keeper(&world, arguments).without("ECR").ran().await.code_is(1);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        says(
            &said,
            &["registry.corp.example is no registry of ECR", world.lab.ecr().host()],
        );
    }
    assert!(!config(&world).exists());
    // Only the token tells that this is the registry itself: it has no name of ECR's.
    let own = world.lab.ecr().host();
    target(&world, own);
    keeper(&world, &["login", own]).without("ECR").ran().await.well();
    assert!(!password(&entry(&world, own)).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_docker_get_it_by_the_helper() {
    let world = World::without_daemon(LabOptions::default()).await;
    helper::install(&world);
    let foreign = "registry.corp.example";
    target(&world, foreign);
    let run = |action: &str| in_world(&world, helper::helper(&world, action)).without("ECR");
    let ran = run("get").given(foreign).await.code_is(1);
    says(&ran.stdout, &["registry.corp.example is no registry of ECR"]);
    assert!(!ran.stdout.contains("Secret"), "{}", ran.stdout);
    // A login that Docker was given for it would be lost here.
    let login = json!({"ServerURL": foreign, "Username": "x", "Secret": "sesame"}).to_string();
    let ran = run("store").given(&login).await.code_is(1);
    says(&ran.stdout, &["no logins are kept here"]);
    let own = world.lab.ecr().host();
    target(&world, own);
    assert_eq!(run("get").given(own).await.well().json()["Username"], "AWS");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_while_a_helper_waits_stays() {
    let world = World::without_daemon(LabOptions::default()).await;
    let host = world.lab.ecr().host();
    // Somebody else logs in while this one asks a person.
    let script = |entry: &str| format!("cat > /dev/null\nprintf '%s' '{entry}' > docker/config.json");
    let with = |other: &str| json!({"credsStore": "vault", "auths": {other: {"auth": "eDp5"}}}).to_string();
    super::program(&world, "docker-credential-vault", &script(&with("quay.io")));
    write(&world, &json!({"credsStore": "vault"}).to_string());
    keeper(&world, &["login"]).ran().await.well();
    assert_eq!(entry(&world, "quay.io"), json!({"auth": "eDp5"}));
    assert_eq!(entry(&world, host), json!({}));
    super::program(&world, "docker-credential-vault", &script(&with("ghcr.io")));
    keeper(&world, &["logout"]).ran().await.well();
    assert_eq!(entry(&world, "ghcr.io"), json!({"auth": "eDp5"}));
    assert_eq!(entry(&world, host), Value::Null);
}
