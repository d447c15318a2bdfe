//! `login`, `logout`, `get-login-password`: what they leave in Docker's configuration, and what Docker makes of it.

mod foreign;
mod helper;
mod several;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ecr_lab::LabOptions;
use ecr_lab::images::tiny;
use serde_json::{Value, json};

use crate::support::{Ran, Run, World};

const NAME: &str = "base/image/app";

fn config(world: &World) -> PathBuf {
    world.folder().join("docker/config.json")
}

fn write(world: &World, text: &str) {
    fs::create_dir_all(world.folder().join("docker")).unwrap();
    fs::write(config(world), text).unwrap();
}

fn read(world: &World) -> String {
    world.file("docker/config.json")
}

/// With Docker's configuration in the world's own folder, and programs of the test's own on the PATH.
fn in_world(world: &World, run: Run) -> Run {
    let path = std::env::var("PATH").unwrap();
    let own = world.folder().join("bin");
    run.env("DOCKER_CONFIG", world.folder().join("docker"))
        .env("PATH", format!("{}:{path}", own.display()))
}

fn keeper(world: &World, arguments: &[&str]) -> Run {
    in_world(world, world.keeper(arguments))
}

fn docker(world: &World, arguments: &[&str]) -> Run {
    in_world(world, world.keeper(&[]).of("docker".as_ref(), arguments))
}

fn program(world: &World, name: &str, script: &str) {
    let path = world.folder().join("bin").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A helper that notes what it is asked, and keeps it.
fn vault(world: &World) {
    program(
        world,
        "docker-credential-vault",
        "echo \"$@\" >> asked.txt; cat > \"$1.txt\"",
    );
}

async fn without_daemon() -> World {
    World::without_daemon(LabOptions::default()).await
}

/// The password in an entry's `auth`.
fn password(entry: &Value) -> String {
    let pair = STANDARD.decode(entry["auth"].as_str().expect("a login")).unwrap();
    let pair = String::from_utf8(pair).unwrap();
    pair.strip_prefix("AWS:").expect("the user AWS").to_owned()
}

fn entry(world: &World, registry: &str) -> Value {
    let config: Value = serde_json::from_str(&read(world)).unwrap();
    config["auths"][registry].clone()
}

fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word} is not in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_pulls_with_the_login_and_not_after_the_logout() {
    let world = World::new().await;
    world.ecr(NAME, "1", tiny("private")).await;
    let image = world.target(&format!("{NAME}:1"));
    docker(&world, &["pull", &image]).ran().await.code_is(1);
    let ran = keeper(&world, &["login"]).ran().await.well();
    says(&ran.stdout, &["logged in     ", world.lab.ecr().host(), "config.json"]);
    docker(&world, &["pull", &image]).ran().await.well();
    docker(&world, &["rmi", &image]).ran().await.well();
    let ran = keeper(&world, &["logout"]).ran().await.well();
    says(&ran.stdout, &["logged out    "]);
    docker(&world, &["pull", &image]).ran().await.code_is(1);
    let again = keeper(&world, &["logout"]).ran().await.well();
    says(&again.stdout, &["not logged in "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_login_takes_the_password_and_writes_what_login_writes() {
    let world = World::new().await;
    let host = world.lab.ecr().host().to_owned();
    // Docker sorts what it writes, and this is before the lab's.
    let before = "{\n\t\"auths\": {\n\t\t\"0.example\": {\n\t\t\t\"auth\": \"eDp5\"\n\t\t}\n\t}\n}";
    write(&world, before);
    let password = keeper(&world, &["get-login-password"]).ran().await.well();
    assert_eq!(password.stderr, "", "nothing but the password is said");
    let arguments = ["login", "--username", "AWS", "--password-stdin", &host];
    let theirs = docker(&world, &arguments).given(&password.stdout).await.well();
    assert_eq!(self::password(&entry(&world, &host)), password.stdout.trim_end());
    let by_docker = read(&world);
    write(&world, before);
    let ours = keeper(&world, &["login", &host]).ran().await.well();
    let auth = |text: &str| serde_json::from_str::<Value>(text).unwrap()["auths"][&host]["auth"].clone();
    let (written, expected) = (auth(&read(&world)), auth(&by_docker));
    let renamed = read(&world).replace(written.as_str().unwrap(), expected.as_str().unwrap());
    assert_eq!(renamed, by_docker);
    // Docker before 27 said it in other words.
    if theirs.stderr.contains("go/credential-store") {
        assert_eq!(ours.stderr, theirs.stderr);
    }
    says(
        &ours.stderr,
        &[
            "WARNING! Your credentials are stored unencrypted in '",
            "/docker/config.json'",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_in_the_file_stays_and_the_file_is_for_its_owner_alone() {
    let world = without_daemon().await;
    let host = world.lab.ecr().host();
    let before = "{\n\t\"psFormat\": \"{{.ID}}\",\n\t\"auths\": {\n\t\t\"https://index.docker.io/v1/\": {\n\t\t\t\"auth\": \"eDp5\",\n\t\t\t\"x\": 1.0e3\n\t\t},\n\
                  \t\t\"a.example\": {}\n\t},\n\t\"proxies\": {\"default\": {}}\n}\n";
    // The file is somewhere else, and anybody may read it.
    fs::create_dir_all(world.folder().join("docker")).unwrap();
    fs::create_dir_all(world.folder().join("dotfiles")).unwrap();
    let real = world.folder().join("dotfiles/docker.json");
    fs::write(&real, before).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).unwrap();
    symlink("../dotfiles/docker.json", config(&world)).unwrap();
    keeper(&world, &["login"]).ran().await.well();
    assert!(config(&world).is_symlink());
    assert_eq!(real.metadata().unwrap().mode() & 0o777, 0o600);
    let own = format!(",\n\t\t\"{host}\": {}", "{\n\t\t\t\"auth\": \"");
    let text = read(&world);
    let (start, rest) = text.split_once(&own).unwrap();
    let (_, end) = rest.split_once("\"\n\t\t}").unwrap();
    assert_eq!(format!("{start}{end}"), before);
    keeper(&world, &["logout"]).ran().await.well();
    assert_eq!(read(&world), before);
    let left: Vec<_> = fs::read_dir(world.folder().join("dotfiles")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_none_of_docker_s_is_told_and_left_alone_and_aws_is_not_asked() {
    let world = without_daemon().await;
    for (text, why) in [
        (
            "{\"auths\": {\"x\": {\"auth\": \"c2VzYW1l\"}",
            "it is no JSON (line 1, column ",
        ),
        ("[]", "it is no JSON object"),
    ] {
        write(&world, text);
        let ran = keeper(&world, &["login", "--output", "json"]).ran().await.code_is(1);
        says(&ran.failure(), &["docker/config.json", why, "mend the file"]);
        assert!(!ran.stdout.contains("c2VzYW1l"));
        assert_eq!(read(&world), text);
    }
    assert_eq!(world.lab.ecr().api_requests().len(), 0);
    write(&world, "{\"auths\": []}");
    let ran = keeper(&world, &["login", "--output", "json"]).ran().await.code_is(1);
    says(&ran.stdout, &["\"outcome\": \"failed\"", "auths is no object"]);
    // A folder in its place.
    fs::remove_file(config(&world)).unwrap();
    fs::create_dir(config(&world)).unwrap();
    let ran = keeper(&world, &["login"]).ran().await.code_is(1);
    says(&ran.stderr, &["read ", "docker/config.json", "DOCKER_CONFIG"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_that_the_configuration_names_keeps_the_login_and_the_file_has_none() {
    let world = without_daemon().await;
    let host = world.lab.ecr().host();
    vault(&world);
    for named in [
        json!({"credsStore": "vault"}),
        json!({"credHelpers": {host: "vault"}, "credsStore": "nobody"}),
        // A login of before does not stay behind.
        json!({"credsStore": "vault", "auths": {host: {"auth": "QVdTOm9sZA=="}}}),
    ] {
        write(&world, &named.to_string());
        let ran = keeper(&world, &["login"]).ran().await.well();
        says(&ran.stdout, &["kept by docker-credential-vault"]);
        assert_eq!(ran.stderr, "", "nothing is stored unencrypted");
        assert_eq!(entry(&world, host), json!({}));
        let stored: Value = serde_json::from_str(&world.file("store.txt")).unwrap();
        let secret = stored["Secret"].as_str().unwrap();
        assert_eq!(
            (&stored["ServerURL"], &stored["Username"]),
            (&json!(host), &json!("AWS"))
        );
        assert!(secret.len() > 20 && !read(&world).contains(secret));
        let ran = keeper(&world, &["logout", "--output", "json"]).ran().await.well();
        assert_eq!(ran.json()["registries"][0]["helper"], "docker-credential-vault");
        assert_eq!(world.file("erase.txt"), *host);
        assert_eq!(entry(&world, host), Value::Null);
        // Its arguments are for all to see.
        assert_eq!(world.file("asked.txt"), "store\nerase\n");
        fs::remove_file(world.folder().join("asked.txt")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_that_fails_leaves_the_file_as_it_was() {
    let world = without_daemon().await;
    program(&world, "docker-credential-broken", "cat; cat >&2; exit 3");
    for (name, why) in [
        ("broken", "it ended with exit status: 3"),
        ("absent", "there is no such program on the PATH"),
    ] {
        let text = json!({"credsStore": name}).to_string();
        write(&world, &text);
        for command in ["login", "logout"] {
            let ran = keeper(&world, &[command]).ran().await.code_is(1);
            says(
                &ran.stdout,
                &[
                    "failed        ",
                    &format!("docker-credential-{name} "),
                    why,
                    "hint: it is named in credHelpers",
                ],
            );
            assert_eq!(ran.stderr, "");
            assert_eq!(read(&world), text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_registry_s_name_the_account_s_own_is_meant() {
    let world = without_daemon().await;
    let host = world.lab.ecr().host();
    keeper(&world, &["login"]).without("ECR").ran().await.well();
    assert!(!password(&entry(&world, host)).is_empty());
    let ran = keeper(&world, &["logout", "--output", "json"])
        .without("ECR")
        .ran()
        .await
        .well();
    assert_eq!(ran.json()["registries"][0]["outcome"], "logged-out");
    assert_eq!(entry(&world, host), Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_gives_a_token_of_is_a_mistake() {
    let world = without_daemon().await;
    for name in ["ghcr.io", "123456789012.dkr.ecr.eu-central-1.example.com"] {
        let ran = keeper(&world, &["login", world.lab.ecr().host(), name])
            .ran()
            .await
            .code_is(2);
        says(
            &ran.stderr,
            &[name, "is no registry of ECR that is known here", "`docker login`"],
        );
    }
    assert!(!config(&world).exists(), "nothing is begun");
    for name in ["a b", "", "https://"] {
        let ran = keeper(&world, &["login", name]).ran().await.code_is(2);
        says(&ran.stderr, &["it is no registry's host[:port]"]);
    }
    // Its own logins Docker forgets here too.
    write(&world, "{\"auths\": {\"ghcr.io\": {}}}");
    keeper(&world, &["logout", "ghcr.io"]).ran().await.well();
    assert_eq!(entry(&world, "ghcr.io"), Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_said_nowhere_else() {
    let world = without_daemon().await;
    let said = |ran: &Ran| format!("{}{}", ran.stdout, ran.stderr);
    vault(&world);
    let mut texts = Vec::new();
    for name in ["", "vault"] {
        write(&world, &json!({"credsStore": name}).to_string());
        let ran = keeper(&world, &["login", "--log-level", "trace"]).ran().await.well();
        texts.push(said(&ran));
    }
    write(&world, "{}");
    texts.push(said(
        &keeper(&world, &["login", "--log-level", "trace", "--output", "json"])
            .ran()
            .await
            .well(),
    ));
    let stored: Value = serde_json::from_str(&world.file("store.txt")).unwrap();
    let secrets = [
        stored["Secret"].as_str().unwrap().to_owned(),
        password(&entry(&world, world.lab.ecr().host())),
        "lab-secret-access-key".to_owned(),
    ];
    for text in texts {
        for secret in &secrets {
            assert!(
                !text.contains(secret) && !text.contains(&STANDARD.encode(format!("AWS:{secret}"))),
                "{text}"
            );
        }
    }
    assert_eq!(world.file("asked.txt"), "store\n");
}
