//! How dockerd is started, with its own store or with containerd's.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Part, Ready, Setup, Tls};
use crate::process::Command;
use crate::tools;

/// Debian's dockerd, which starts a containerd of its own.
pub(super) fn classic(setup: &Setup) -> Result<Vec<Part>> {
    Ok(vec![dockerd(setup, "dockerd".to_owned(), &[])?])
}

/// A modern dockerd on a containerd of the lab's: it would take the machine's own, where there is one.
pub(super) fn on_containerd(setup: &Setup) -> Result<Vec<Part>> {
    let containerd = containerd(setup)?;
    let address = ["--containerd".to_owned(), setup.path("containerd.sock")];
    Ok(vec![containerd, dockerd(setup, tools::program("dockerd")?, &address)?])
}

fn dockerd(setup: &Setup, program: String, more: &[String]) -> Result<Part> {
    // A configuration of the machine's own daemon is none of ours.
    fs::write(setup.home.join("daemon.json"), "{}").context("write daemon.json")?;
    let mut line = vec![program];
    line.extend(["--config-file".to_owned(), setup.path("daemon.json")]);
    line.extend(["--data-root".to_owned(), setup.path("root")]);
    line.extend(["--exec-root".to_owned(), setup.path("exec")]);
    line.extend(["--pidfile".to_owned(), setup.path("dockerd.pid")]);
    line.extend(["-H".to_owned(), setup.host()]);
    let no_network = ["--bridge", "none", "--iptables=false", "--ip6tables=false"];
    line.extend(no_network.map(str::to_owned));
    if let Some(mirror) = &setup.options.mirror {
        line.extend(["--registry-mirror".to_owned(), format!("http://{mirror}")]);
    }
    line.extend(setup.tls.iter().flat_map(Tls::arguments));
    line.extend_from_slice(more);
    let command = Command {
        grace: Duration::from_secs(15),
        exec_root: Some(setup.home.join("exec")),
        ..Command::new(&setup.home, "daemon", line)
    };
    Ok(Part {
        command,
        ready: Ready::Answers(setup.socket()),
    })
}

fn containerd(setup: &Setup) -> Result<Part> {
    let socket = setup.home.join("containerd.sock");
    // Kubernetes' plugins would want a network; `opt` and `nri` make folders in the machine's /opt.
    let configuration = format!(
        "version = 3
root = '{root}'
state = '{state}'
disabled_plugins = [
    'io.containerd.cri.v1.images',
    'io.containerd.cri.v1.runtime',
    'io.containerd.grpc.v1.cri',
    'io.containerd.internal.v1.opt',
    'io.containerd.nri.v1.nri',
    'io.containerd.podsandbox.controller.v1.podsandbox',
]
[grpc]
address = '{socket}'
[ttrpc]
address = '{socket}.ttrpc'
",
        root = setup.path("containerd/root"),
        state = setup.path("containerd/state"),
        socket = socket.display(),
    );
    fs::write(setup.home.join("containerd.toml"), configuration).context("write containerd.toml")?;
    let line = vec![
        tools::program("containerd")?,
        "--config".to_owned(),
        setup.path("containerd.toml"),
    ];
    let command = Command {
        grace: Duration::from_secs(10),
        outlives: Some("daemon".to_owned()),
        ..Command::new(&setup.home, "containerd", line)
    };
    Ok(Part {
        command,
        ready: Ready::Connects(socket),
    })
}
