//! `docker-credential-ecr-keeper`: Docker asks this program itself.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use ecr_lab::images::tiny;
use ecr_lab::{ApiFault, LabOptions};
use serde_json::{Value, json};

use super::{config, docker, in_world, keeper, read, says, write};
use crate::support::{Run, World};

/// What Docker reads where a helper has nothing (docker-credential-helpers).
const NOT_FOUND: &str = "credentials not found in native keychain\n";

/// Installs the program under the helper's name.
pub fn install(world: &World) {
    let bin = world.folder().join("bin");
    fs::create_dir_all(&bin).unwrap();
    symlink(
        env!("CARGO_BIN_EXE_ecr-keeper"),
        bin.join("docker-credential-ecr-keeper"),
    )
    .unwrap();
}

pub fn helper(world: &World, action: &str) -> Run {
    let program = world.folder().join("bin/docker-credential-ecr-keeper");
    in_world(world, world.keeper(&[]).of(program.as_os_str(), &[action]))
}

async fn world() -> World {
    let world = World::without_daemon(LabOptions::default()).await;
    install(&world);
    world
}

/// Every file below a folder, with its content.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path.display().to_string(), fs::read(&path).unwrap())),
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_pulls_and_pushes_with_the_helper_and_no_login_is_on_the_disk() {
    let world = World::new().await;
    install(&world);
    world.ecr("base/image/app", "1", tiny("private")).await;
    let (host, image) = (world.lab.ecr().host(), world.target("base/image/app:1"));
    write(&world, &json!({"credHelpers": {host: "ecr-keeper"}}).to_string());
    let before = files(world.folder());
    docker(&world, &["pull", &image]).ran().await.well();
    let copy = world.target("base/image/app:2");
    docker(&world, &["tag", &image, &copy]).ran().await.well();
    docker(&world, &["push", &copy]).ran().await.well();
    assert!(world.lab.ecr().digest_of("base/image/app", "2").is_some());
    // Others read Docker's configuration too.
    let crane = ecr_lab::peer("crane");
    let others: [(&OsStr, &[&str]); 2] = [
        (
            "skopeo".as_ref(),
            &["inspect", "--tls-verify=false", &format!("docker://{image}")],
        ),
        (crane.as_os_str(), &["digest", "--insecure", &image]),
    ];
    for (program, arguments) in others {
        in_world(&world, world.keeper(&[]).of(program, arguments))
            .ran()
            .await
            .well();
    }
    assert_eq!(files(world.folder()), before);
    // A login on top of it is of no use, and does no harm.
    let password = keeper(&world, &["get-login-password"]).ran().await.well().stdout;
    let login = ["login", "--username", "AWS", "--password-stdin", host];
    docker(&world, &login).given(&password).await.well();
    assert!(!read(&world).contains("\"auth\""), "{}", read(&world));
    docker(&world, &["logout", host]).ran().await.well();
    docker(&world, &["rmi", &image, &copy]).ran().await.well();
    docker(&world, &["pull", &image]).ran().await.well();
    let ran = keeper(&world, &["login"]).ran().await.well();
    says(
        &ran.stdout,
        &["not needed    ", "Docker asks docker-credential-ecr-keeper each time"],
    );
    // What keeps it from answering is told, also where Docker goes on without a login.
    world
        .lab
        .ecr()
        .api_fault(ApiFault::access_denied("GetAuthorizationToken"));
    let ran = docker(&world, &["pull", &image]).ran().await.code_is(1);
    says(
        &ran.stderr,
        &[
            "docker-credential-ecr-keeper: GetAuthorizationToken",
            "AccessDeniedException",
            "hint: ",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_answered_for_ecr_and_nothing_for_others() {
    let world = world().await;
    let host = world.lab.ecr().host();
    for server in [host.to_owned(), format!("https://{host}/v2/\n")] {
        let answer = helper(&world, "get").given(&server).await.well().json();
        assert_eq!(answer["ServerURL"], server.trim());
        assert_eq!(answer["Username"], "AWS");
        assert!(answer["Secret"].as_str().unwrap().len() > 20);
    }
    for server in [
        "https://index.docker.io/v1/",
        "ghcr.io",
        "evil.example/123456789012.dkr.ecr.eu-central-1.amazonaws.com",
    ] {
        let ran = helper(&world, "get").given(server).await.code_is(1);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (NOT_FOUND, ""), "{server}");
    }
    // By its name alone, without any setting.
    let own = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
    let bare = helper(&world, "get").without("ECR").without("AWS_REGION");
    let answer = bare.given(own).await.well().json();
    assert_eq!(
        (&answer["ServerURL"], &answer["Username"]),
        (&json!(own), &json!("AWS"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ecr_public_is_for_everybody() {
    let world = world().await;
    let answer = helper(&world, "get").given("public.ecr.aws").await.well().json();
    assert_eq!(answer["Secret"], world.lab.ecr_public_password());
    let denied = ApiFault::exception("GetAuthorizationToken", "AccessDeniedException", "not authorized");
    world.lab.ecr_public().api_fault(denied);
    let ran = helper(&world, "get").given("public.ecr.aws").await.code_is(1);
    assert_eq!(ran.stdout, NOT_FOUND);
    says(&ran.stderr, &["AccessDeniedException"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_and_no_login_is_taken_that_would_be_lost() {
    let world = world().await;
    let host = world.lab.ecr().host();
    let login = |server: &str| json!({"ServerURL": server, "Username": "x", "Secret": "sesame"}).to_string();
    let before = files(world.folder());
    let ran = helper(&world, "store").given(&login(host)).await.well();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    let ran = helper(&world, "store").given(&login("ghcr.io")).await.code_is(1);
    says(&ran.stdout, &["no logins are kept here", "ghcr.io", "credHelpers"]);
    assert!(!ran.stdout.contains("sesame"));
    let ran = helper(&world, "store").given("sesame").await.code_is(1);
    assert_eq!(ran.stdout, "what is to be stored is no login\n");
    for server in [host, "ghcr.io"] {
        assert_eq!(helper(&world, "erase").given(server).await.well().stdout, "");
    }
    assert_eq!(files(world.folder()), before);
    assert_eq!(
        helper(&world, "get").given("\n").await.code_is(1).stdout,
        "no credentials server URL\n"
    );
    says(
        &helper(&world, "version").given("").await.well().stdout,
        &["docker-credential-ecr-keeper ", env!("CARGO_PKG_VERSION")],
    );
    for action in ["", "put", "--help"] {
        says(
            &helper(&world, action).given("").await.code_is(1).stdout,
            &["usage: ", "get|store|erase|list|version"],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_the_user_s_own_hold_and_those_of_the_folder_do_not() {
    let world = world().await;
    let own = world.folder().join("config/ecr-keeper");
    fs::create_dir_all(&own).unwrap();
    let host = world.lab.ecr().host().to_owned();
    // Somebody's checkout would have Docker send ECR's password to his own registry.
    fs::write(world.folder().join("settings.yaml"), "ecr: evil.example\n").unwrap();
    let run = |action: &str| helper(&world, action).without("ECR");
    let ran = run("get").given("evil.example").await.code_is(1);
    assert_eq!(ran.stdout, NOT_FOUND);
    assert_eq!(run("list").given("").await.well().json(), json!({}));
    assert_eq!(run("get").given(&host).await.code_is(1).stdout, NOT_FOUND);
    fs::write(own.join("settings.yaml"), format!("ecr: {host}\n")).unwrap();
    run("get").given(&host).await.well();
    assert_eq!(run("list").given("").await.well().json(), json!({&host: "AWS"}));
    // Mistakes are told.
    fs::write(own.join("settings.yaml"), "concurency: 4\n").unwrap();
    let ran = run("get").given(&host).await.code_is(1);
    says(&ran.stdout, &["concurency", "did you mean concurrency?"]);
    says(&ran.stderr, &["did you mean concurrency?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn this_program_itself_may_find_its_login_by_the_helper() {
    let world = world().await;
    world.ecr("base/image/app", "1", tiny("private")).await;
    world.lab.ecr().create_repository("base/image/copy");
    let host = world.lab.ecr().host();
    write(&world, &json!({"credHelpers": {host: "ecr-keeper"}}).to_string());
    let (from, to) = (world.target("base/image/app:1"), world.target("base/image/copy:1"));
    // For this run it is a registry like any other; for the helper, as its own settings say, one of ECR.
    let own = world.folder().join("config/ecr-keeper");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("settings.yaml"), format!("ecr: {host}\n")).unwrap();
    fs::write(world.folder().join("settings.yaml"), "engine: direct\n").unwrap();
    let run = keeper(&world, &["copy", &from, &to]).without("ECR");
    run.ran().await.well();
    assert!(config(&world).exists());
    assert_eq!(
        world.digest_in_ecr("base/image/copy", "1"),
        world.digest_in_ecr("base/image/app", "1")
    );
    let asked: Vec<Value> = world
        .lab
        .ecr()
        .api_requests()
        .into_iter()
        .map(|one| json!(one.action))
        .collect();
    assert_eq!(asked, [json!("GetAuthorizationToken")], "once for the run");
}
