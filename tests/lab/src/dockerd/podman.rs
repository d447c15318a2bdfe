//! How podman's service is started, with nothing of the machine's own.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Part, Ready, Setup};
use crate::process::Command;

/// Podman refuses a longer path than 50 bytes here, so it is relative to where podman runs.
const RUN_ROOT: &str = "run";

pub(super) fn service(setup: &Setup) -> Result<Vec<Part>> {
    configure(setup)?;
    let line = ["podman", "--root", &setup.path("root"), "--runroot", RUN_ROOT];
    let line = line.into_iter().chain(["--storage-driver", "overlay"]);
    let socket = setup.host();
    let line = line.chain(["system", "service", "--time=0", &socket]);
    let file = |name: &str| setup.home.join(name);
    let command = Command {
        grace: Duration::from_secs(15),
        directory: setup.home.clone(),
        environment: vec![
            // Its policy for signatures is looked for there before /etc.
            ("HOME", setup.home.clone()),
            ("CONTAINERS_CONF", file("containers.conf")),
            ("CONTAINERS_STORAGE_CONF", file("storage.conf")),
            ("CONTAINERS_REGISTRIES_CONF", file("registries.conf")),
            ("REGISTRY_AUTH_FILE", file("auth.json")),
            (
                "TMPDIR",
                setup.options.temporary.clone().unwrap_or_else(|| setup.home.clone()),
            ),
        ],
        ..Command::new(&setup.home, "daemon", line.map(str::to_owned).collect())
    };
    let ready = Ready::Answers(setup.socket());
    Ok(vec![Part { command, ready }])
}

fn configure(setup: &Setup) -> Result<()> {
    let write = |name: &str, content: &str| {
        let path = setup.home.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))
    };
    let policies = setup.home.join(".config/containers");
    fs::create_dir_all(&policies).with_context(|| format!("create {}", policies.display()))?;
    write(
        ".config/containers/policy.json",
        r#"{"default": [{"type": "insecureAcceptAnything"}]}"#,
    )?;
    write("auth.json", "{}")?;
    write("storage.conf", &storage(setup))?;
    write("containers.conf", &engine(setup))?;
    write("registries.conf", &registries(setup))
}

fn storage(setup: &Setup) -> String {
    let root = setup.path("root");
    format!("[storage]\ndriver = 'overlay'\ngraphroot = '{root}'\nrunroot = '{RUN_ROOT}'\n")
}

/// Locks in files: podman's default is one segment of shared memory for the whole machine.
fn engine(setup: &Setup) -> String {
    format!(
        "[engine]
cgroup_manager = 'cgroupfs'
events_logger = 'file'
events_logfile_path = '{run}/events'
lock_type = 'file'
tmp_dir = '{run}/libpod'
static_dir = '{root}/libpod'
volume_path = '{root}/volumes'
[network]
network_backend = 'cni'
network_config_dir = '{net}'
",
        run = setup.path(RUN_ROOT),
        root = setup.path("root"),
        net = setup.path("net"),
    )
}

/// A host without a port stands for all its ports here, so that loopback registries may speak plain HTTP as with dockerd.
fn registries(setup: &Setup) -> String {
    let mut text = "unqualified-search-registries = ['docker.io']\nshort-name-mode = 'permissive'\n".to_owned();
    for host in ["127.0.0.1", "localhost"] {
        text += &format!("[[registry]]\nlocation = '{host}'\ninsecure = true\n");
    }
    if let Some(mirror) = &setup.options.mirror {
        text += "[[registry]]\nlocation = 'docker.io'\n";
        text += &format!("[[registry.mirror]]\nlocation = '{mirror}'\ninsecure = true\n");
    }
    text
}
