use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use ecr_lab::images::{self, Layer, Place};
use ecr_lab::{Dockerd, DockerdOptions, Lab, Store};
use reqwest::{Client, Method};
use serde_json::Value;

use super::lab;
use super::nothing_stays::left_of;

/// Docker's API, without its client: a modern daemon refuses the one that Debian has.
async fn ask(daemon: &Dockerd, method: Method, path: &str) -> (u16, String) {
    ask_as(daemon, method, path, "").await
}

async fn ask_as(daemon: &Dockerd, method: Method, path: &str, login: &str) -> (u16, String) {
    let socket = daemon.host().trim_start_matches("unix://").to_owned();
    let client = Client::builder().unix_socket(socket).build().expect("a client");
    let request = client.request(method, format!("http://docker{path}"));
    let request = request.header("X-Registry-Auth", login);
    let answer = request.send().await.expect("an answer");
    (
        answer.status().as_u16(),
        answer.text().await.expect("the answer's text"),
    )
}

async fn get(daemon: &Dockerd, path: &str) -> Value {
    let (status, text) = ask(daemon, Method::GET, path).await;
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

async fn post(daemon: &Dockerd, path: &str) -> String {
    // `{}`: the classic dockerd wants a login with every push.
    post_as(daemon, path, "e30=").await
}

async fn post_as(daemon: &Dockerd, path: &str, login: &str) -> String {
    let (status, text) = ask_as(daemon, Method::POST, path, login).await;
    assert!((200..300).contains(&status), "{path}: {status} {text}");
    assert!(!text.contains("errorDetail"), "{path}: {text}");
    text
}

async fn pull(daemon: &Dockerd, repository: &str, tag: &str) {
    post(daemon, &format!("/images/create?fromImage={repository}&tag={tag}")).await;
}

/// Starts one with the lab's upstream as Docker Hub's mirror, which holds `library/nginx:1`.
async fn with_an_image(store: Store) -> (Lab, Dockerd, images::Pushed) {
    let lab = lab().await;
    let upstream = Place::of(lab.upstream());
    let pushed = images::tiny("a").push(&upstream, "library/nginx", "1").await.unwrap();
    let options = DockerdOptions::with_mirror(lab.upstream().host());
    let daemon = Dockerd::start_as(lab.dir(), store, options).await.unwrap();
    assert_eq!(daemon.store(), store);
    (lab, daemon, pushed)
}

/// Pulls by both names, kills, restarts, freezes and drops it.
async fn keeps_images_and_leaves_nothing(store: Store) {
    let (lab, mut daemon, _) = with_an_image(store).await;
    pull(&daemon, "nginx", "1").await;
    let name = format!("{}/library/nginx", lab.upstream().host());
    pull(&daemon, &name, "1").await;

    let before = daemon.pid();
    daemon.kill().await;
    assert!(!Path::new(&format!("/proc/{before}")).exists());
    daemon.restart().await;
    assert_ne!(daemon.pid(), before);
    get(&daemon, "/images/nginx:1/json").await;
    get(&daemon, &format!("/images/{name}:1/json")).await;

    daemon.freeze().await.unwrap();
    let asked = ask(&daemon, Method::GET, "/_ping");
    assert!(tokio::time::timeout(Duration::from_millis(300), asked).await.is_err());
    daemon.thaw().unwrap();
    assert_eq!(ask(&daemon, Method::GET, "/_ping").await.0, 200);
    daemon.freeze().await.unwrap();

    let folder = daemon.dir().to_owned();
    assert!(!left_of(&folder).is_empty());
    daemon.stop().await;
    assert!(!folder.exists());
    assert!(left_of(&folder).is_empty(), "{:?}", left_of(&folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_classic_daemon_keeps_images_and_leaves_nothing() {
    keeps_images_and_leaves_nothing(Store::Classic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_on_containerd_keeps_images_and_leaves_nothing() {
    keeps_images_and_leaves_nothing(Store::Containerd).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_keeps_images_and_leaves_nothing() {
    keeps_images_and_leaves_nothing(Store::Podman).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_classic_daemon_knows_an_image_by_its_config() {
    let (_lab, daemon, pushed) = with_an_image(Store::Classic).await;
    let about = get(&daemon, "/info").await;
    assert_eq!(about["Driver"], "overlay2", "{}", about["DriverStatus"]);
    pull(&daemon, "nginx", "1").await;
    let image = get(&daemon, "/images/nginx:1/json").await;
    assert_eq!(image["Id"], pushed.children[0].config.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_on_containerd_keeps_digests() {
    let (lab, daemon, pushed) = with_an_image(Store::Containerd).await;
    let about = get(&daemon, "/info").await;
    let status = about["DriverStatus"].to_string();
    assert!(status.contains("io.containerd.snapshotter.v1"), "{status}");
    pull(&daemon, "nginx", "1").await;
    let image = get(&daemon, "/images/nginx:1/json").await;
    assert_eq!(image["Id"], pushed.top.as_str());

    let target = format!("{}/copy", lab.upstream().host());
    post(&daemon, &format!("/images/nginx:1/tag?repo={target}&tag=1")).await;
    let told = post(&daemon, &format!("/images/{target}/push?tag=1")).await;
    assert!(told.contains(&pushed.top), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_knows_an_image_by_its_config_and_pushes_it_over_plain_http() {
    let (lab, daemon, pushed) = with_an_image(Store::Podman).await;
    let about = get(&daemon, "/version").await;
    assert_eq!(about["Components"][0]["Name"], "Podman Engine");
    pull(&daemon, "nginx", "1").await;
    let image = get(&daemon, "/images/nginx:1/json").await;
    let id = image["Id"].as_str().unwrap_or_default().trim_start_matches("sha256:");
    assert!(pushed.children[0].config.ends_with(id), "{id}");

    lab.ecr().create_repository("base/image/nginx");
    let target = format!("{}/base/image/nginx", lab.ecr().host());
    post(&daemon, &format!("/images/nginx:1/tag?repo={target}&tag=1")).await;
    let login = serde_json::json!({ "username": "AWS", "password": lab.ecr().issue_token() });
    let login = base64::engine::general_purpose::URL_SAFE.encode(login.to_string());
    let told = post_as(&daemon, &format!("/images/{target}/push?tag=1"), &login).await;
    let digest = lab.ecr().digest_of("base/image/nginx", "1").expect("a pushed image");
    assert!(told.contains(&digest), "{told}");
}

/// A disk of 24 MB, as long as this lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(path: PathBuf) -> SmallDisk {
        fs::create_dir(&path).expect("a mount point");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(&path)
            .status();
        assert!(mount.expect("mount").success(), "a small disk needs root");
        SmallDisk(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn says_that_its_disk_is_full(store: Store) {
    let lab = lab().await;
    let big = images::tiny("big").layer(Layer::random(1, 30_000_000));
    big.push(&Place::of(lab.upstream()), "library/big", "1").await.unwrap();
    let disk = SmallDisk::new(lab.dir().join("small"));
    let options = DockerdOptions::with_mirror(lab.upstream().host());
    let daemon = Dockerd::start_as(&disk.0, store, options).await.unwrap();
    assert!(daemon.dir().starts_with(&disk.0));
    let name = format!("{}/library/big", lab.upstream().host());
    let (status, text) = ask(&daemon, Method::POST, &format!("/images/create?fromImage={name}&tag=1")).await;
    assert!(text.contains("no space left on device"), "{status} {text}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_daemon_says_that_its_disk_is_full() {
    for store in [Store::Classic, Store::Containerd, Store::Podman] {
        says_that_its_disk_is_full(store).await;
    }
}
