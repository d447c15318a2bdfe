use std::path::Path;
use std::process::Command;

use ecr_lab::images::{self, Place};
use ecr_lab::{Dockerd, Lab};

use super::lab;

fn docker(lab: &Lab, daemon: &Dockerd, words: &[&str]) -> String {
    let mut command = Command::new("docker");
    command.args(["--config", &lab.dir().join("docker-config").display().to_string()]);
    command.args(["-H", &daemon.host()]).args(words);
    let output = command.output().expect("docker");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {words:?}: {text}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_pulls_tags_and_pushes_and_survives_a_kill() {
    let lab = lab().await;
    lab.ecr().create_repository("base/image/nginx");
    images::tiny("a")
        .push(&Place::of(lab.upstream()), "library/nginx", "1")
        .await
        .unwrap();
    let mut daemon = Dockerd::start_with_mirror(lab.dir(), lab.upstream().host())
        .await
        .unwrap();
    let target = format!("{}/base/image/nginx:1", lab.ecr().host());
    let token = lab.ecr().issue_token();
    docker(&lab, &daemon, &["login", "-u", "AWS", "-p", &token, lab.ecr().host()]);
    docker(&lab, &daemon, &["pull", "nginx:1"]);
    docker(&lab, &daemon, &["tag", "nginx:1", &target]);
    let pushed = docker(&lab, &daemon, &["push", &target]);
    let digest = lab.ecr().digest_of("base/image/nginx", "1").expect("a pushed image");
    assert!(pushed.contains(&digest), "{pushed}");

    let before = daemon.pid();
    daemon.kill().await;
    daemon.restart().await;
    assert_ne!(daemon.pid(), before);
    assert!(docker(&lab, &daemon, &["images"]).contains("nginx"));
    let (folder, process) = (lab.dir().to_owned(), format!("/proc/{}", daemon.pid()));
    assert!(Path::new(&process).exists());
    // The daemon's handle outlives the lab here; its process must not.
    lab.stop().await;
    assert!(!folder.exists());
    assert!(!Path::new(&process).exists());
}
