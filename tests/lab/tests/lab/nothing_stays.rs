use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ecr_lab::{RegistryOptions, RegistryTls, Software};

/// Whatever has this text in its command line or its mount point.
pub(super) fn left_of(folder: &Path) -> Vec<String> {
    let text = folder.display().to_string();
    let mut left: Vec<String> = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(&text) {
            left.push(command);
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    left.extend(mounts.lines().filter(|line| line.contains(&text)).map(str::to_owned));
    left
}

fn wait_until(what: &str, limit: Duration, mut true_: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !true_() {
        assert!(begin.elapsed() < limit, "{what} within {limit:?}");
        sleep(Duration::from_millis(50));
    }
}

fn serve(dir: &Path, daemon: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecr-lab"));
    command
        .args(["serve", "--empty", "--dir"])
        .arg(dir)
        .args(daemon)
        .stdout(Stdio::null());
    command.spawn().unwrap()
}

#[test]
fn nothing_stays_of_a_lab_that_was_killed() {
    nothing_stays_of_a_killed_lab("classic", &["dockerd"]);
}

#[test]
fn nothing_stays_of_a_lab_with_containerd_that_was_killed() {
    nothing_stays_of_a_killed_lab("containerd", &["containerd", "dockerd"]);
}

#[test]
fn nothing_stays_of_a_lab_with_podman_that_was_killed() {
    nothing_stays_of_a_killed_lab("podman", &["podman"]);
}

fn nothing_stays_of_a_killed_lab(store: &str, programs: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let mut lab = serve(dir.path(), &["--store", store]);
    wait_until("ready", Duration::from_secs(180), || {
        dir.path().join("lab.json").exists()
    });
    let before = left_of(dir.path());
    for program in programs {
        let runs = |command: &String| command.split(' ').next().is_some_and(|path| path.ends_with(program));
        assert!(before.iter().any(runs), "{program} in {before:?}");
    }

    lab.kill().unwrap();
    lab.wait().unwrap();
    wait_until("nothing left", Duration::from_secs(60), || {
        left_of(dir.path()).is_empty()
    });
    wait_until("an empty folder", Duration::from_secs(30), || {
        fs::read_dir(dir.path()).unwrap().next().is_none()
    });
}

#[test]
fn nothing_stays_of_a_lab_that_is_killed_while_it_starts() {
    let dir = tempfile::tempdir().unwrap();
    let mut lab = serve(dir.path(), &["--no-dockerd"]);
    wait_until("begun", Duration::from_secs(60), || {
        fs::read_dir(dir.path()).unwrap().next().is_some()
    });
    lab.kill().unwrap();
    lab.wait().unwrap();
    wait_until("nothing left", Duration::from_secs(60), || {
        left_of(dir.path()).is_empty()
    });
    wait_until("an empty folder", Duration::from_secs(30), || {
        fs::read_dir(dir.path()).unwrap().next().is_none()
    });
}

#[test]
fn a_terminated_lab_ends_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut lab = serve(dir.path(), &["--no-dockerd"]);
    wait_until("ready", Duration::from_secs(180), || {
        dir.path().join("lab.json").exists()
    });
    let pid = rustix::process::Pid::from_child(&lab);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(lab.wait().unwrap().success());
    assert!(left_of(dir.path()).is_empty());
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_lab_has_gone_when_the_drop_returns() {
    let lab = super::lab().await;
    let (folder, pids) = (lab.dir().to_owned(), lab.process_ids());
    assert_eq!(pids.len(), 2);
    assert!(folder.exists());
    drop(lab);
    assert!(!folder.exists());
    assert!(left_of(&folder).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extra_registry_goes_when_it_is_dropped_and_with_its_lab() {
    let lab = super::lab().await;
    let options = RegistryOptions {
        software: Software::Distribution3,
        tls: RegistryTls::Server,
        ..RegistryOptions::default()
    };
    let first = lab.registry(options.clone()).await.unwrap();
    let (folder, process) = (first.ca(), format!("/proc/{}", first.pid()));
    assert!(folder.exists() && Path::new(&process).exists());
    drop(first);
    assert!(!folder.exists() && !Path::new(&process).exists());

    let (registry, proxy) = (lab.registry(options).await.unwrap(), lab.proxy().await.unwrap());
    let folder = lab.dir().to_owned();
    drop(lab);
    assert!(!folder.exists());
    assert!(left_of(&folder).is_empty());
    for host in [registry.host(), proxy.host()] {
        wait_until("closed", Duration::from_secs(5), || TcpStream::connect(host).is_err());
    }
}
