//! The ways to a daemon: sockets, TCP, TLS, docker contexts, and what a password in an address becomes.

use std::fs;
use std::path::Path;

use ecr_lab::images::tiny;
use ecr_lab::{Dockerd, DockerdOptions, Store};

use crate::support::World;

const REPOSITORY: &str = "base/image/busybox";
const UPSTREAM: &str = "library/busybox";

async fn one_change(world: &World) -> String {
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    world.upstream(UPSTREAM, "1", tiny("new")).await.children[0]
        .config
        .clone()
}

/// A docker context, filed as the docker command does it: under the SHA-256 of its name.
fn write_context(docker: &Path, name: &str, host: &str, certificates: Option<&Path>) {
    let id = sha256(name);
    let meta = docker.join("contexts/meta").join(&id);
    fs::create_dir_all(&meta).unwrap();
    let text = format!(
        r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#
    );
    fs::write(meta.join("meta.json"), text).unwrap();
    if let Some(certificates) = certificates {
        let tls = docker.join("contexts/tls").join(&id).join("docker");
        fs::create_dir_all(&tls).unwrap();
        for file in ["ca.pem", "cert.pem", "key.pem"] {
            fs::copy(certificates.join(file), tls.join(file)).unwrap();
        }
    }
}

fn sha256(text: &str) -> String {
    let script = format!("printf %s {text} | sha256sum | cut -c1-64");
    let sum = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .expect("sh starts");
    String::from_utf8(sum.stdout).expect("UTF-8").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_behind_tls_is_used_with_its_certificates_and_not_without() {
    let world = World::new().await;
    let new = one_change(&world).await;
    let options = DockerdOptions {
        tls: true,
        ..DockerdOptions::default()
    };
    let dind = Dockerd::start_as(world.lab.dir(), Store::Classic, options)
        .await
        .expect("dockerd starts");
    let tls = dind.tls().expect("it listens with TLS");
    let reach = |certificates: &Path| {
        world
            .keeper(&["sync", "--output", "json"])
            .env("DOCKER_HOST", tls.host())
            .env("DOCKER_TLS_VERIFY", "1")
            .env("DOCKER_CERT_PATH", certificates)
    };
    for (run, says) in [
        (reach(&tls.foreign_certs()), "certificate"),
        (reach(world.folder()), "ca.pem: No such file"),
        (reach(&tls.certs()).without("DOCKER_TLS_VERIFY"), "HTTPS server"),
    ] {
        let ran = run.ran().await.code_is(1);
        let failure = ran.failure();
        assert!(
            failure.contains(says) && failure.contains("DOCKER_TLS_VERIFY=1"),
            "{failure}"
        );
    }
    let ran = reach(&tls.certs()).ran().await.well();
    assert_eq!(ran.outcome("busybox:1"), "updated");
    assert_eq!(world.config_in_ecr(REPOSITORY, "1"), new);
    assert!(ran.json()["engine"].as_str().unwrap().contains(&tls.host()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_docker_context_is_followed_as_the_docker_command_does() {
    let world = World::new().await;
    one_change(&world).await;
    let options = DockerdOptions {
        tls: true,
        ..DockerdOptions::default()
    };
    let dind = Dockerd::start_as(world.lab.dir(), Store::Classic, options)
        .await
        .expect("dockerd starts");
    let tls = dind.tls().expect("it listens with TLS");
    let docker = world.folder().join(".docker");
    write_context(&docker, "mine", &tls.host(), Some(&tls.certs()));
    let reached = async |run: crate::support::Run| {
        let ran = run.ran().await.well();
        ran.json()["engine"].as_str().unwrap().to_owned()
    };
    let plan = || world.keeper(&["plan", "--output", "json"]);

    // DOCKER_HOST wins over DOCKER_CONTEXT, and that over what `docker context use` wrote.
    assert!(
        reached(plan().env("DOCKER_CONTEXT", "mine"))
            .await
            .contains(&world.dockerd().host())
    );
    let by_name = plan().without("DOCKER_HOST").env("DOCKER_CONTEXT", "mine");
    assert!(reached(by_name).await.contains(&tls.host()));
    fs::write(docker.join("config.json"), r#"{"currentContext":"mine"}"#).unwrap();
    assert!(reached(plan().without("DOCKER_HOST")).await.contains(&tls.host()));

    let unknown = plan()
        .without("DOCKER_HOST")
        .env("DOCKER_CONTEXT", "nobodys")
        .ran()
        .await
        .code_is(1);
    assert!(unknown.stderr.contains("docker context nobodys"), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("docker context ls"), "{}", unknown.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rootless_socket_is_found() {
    let world = World::new().await;
    one_change(&world).await;
    let runtime = world.folder().join("run");
    fs::create_dir_all(&runtime).unwrap();
    std::os::unix::fs::symlink(world.socket(), runtime.join("docker.sock")).unwrap();
    let run = world.keeper(&["plan", "--output", "json"]).without("DOCKER_HOST");
    let ran = run
        .env("XDG_RUNTIME_DIR", &runtime)
        .without_sockets_of_the_machine()
        .ran()
        .await
        .well();
    let engine = ran.json()["engine"].as_str().unwrap().to_owned();
    assert!(
        engine.contains(&format!("{}/docker.sock", runtime.display())),
        "{engine}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_an_address_is_refused_and_told_nowhere() {
    let world = World::new().await;
    let address = "tcp://me:sesame@127.0.0.1:2375";
    let docker = world.folder().join(".docker");
    write_context(&docker, "mine", address, None);
    for (run, code) in [
        (world.keeper(&["plan"]).env("DOCKER_HOST", address), 2),
        (
            world
                .keeper(&["plan"])
                .without("DOCKER_HOST")
                .env("DOCKER_CONTEXT", "mine"),
            1,
        ),
        (world.keeper(&["config", "show"]).env("DOCKER_HOST", address), 0),
        (
            world
                .keeper(&["config", "check"])
                .env("AWS_ENDPOINT_URL_ECR", "ftp://me:sesame@example.com/x"),
            2,
        ),
    ] {
        let ran = run.ran().await.code_is(code);
        assert!(
            !ran.stdout.contains("sesame") && !ran.stderr.contains("sesame"),
            "{}{}",
            ran.stdout,
            ran.stderr
        );
    }
}
