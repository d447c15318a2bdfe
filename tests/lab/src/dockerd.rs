//! A Docker daemon of the lab's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::chance;
use crate::process::{Command, Keeper, Supervised, until_ready};

/// dockerd with its own storage, socket and containerd, no network for containers. It needs root.
/// Dropping it ends it and its containerd.
#[derive(Debug)]
pub struct Dockerd {
    // Dropped before the keeper, which waits for its supervisor.
    server: Option<Supervised>,
    home: PathBuf,
    mirror: Option<String>,
    _keeper: Option<Keeper>,
}

impl Dockerd {
    /// Starts one in a new folder inside `dir`. With a lab's folder as `dir` it also ends with the lab.
    ///
    /// # Errors
    /// When it does not start; its log's end is in the error.
    pub async fn start(dir: &Path) -> Result<Dockerd> {
        Dockerd::start_in(dir, None).await
    }

    /// Starts one that pulls Docker Hub's images from this registry (`HOST:PORT`) first.
    ///
    /// # Errors
    /// As [`Dockerd::start`].
    pub async fn start_with_mirror(dir: &Path, mirror: &str) -> Result<Dockerd> {
        Dockerd::start_in(dir, Some(mirror.to_owned())).await
    }

    async fn start_in(dir: &Path, mirror: Option<String>) -> Result<Dockerd> {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let home = dir.canonicalize()?.join(format!("dockerd-{}", chance::hex(4)));
        ensure!(
            home.as_os_str().len() < 70,
            "{} is too long for the sockets in it (108 bytes with their names)",
            home.display()
        );
        let keeper = match Keeper::has(&home) {
            true => None,
            false => Some(Keeper::start(&home)?),
        };
        fs::create_dir(&home).with_context(|| format!("create {}", home.display()))?;
        let mut dockerd = Dockerd {
            server: None,
            home,
            mirror,
            _keeper: keeper,
        };
        dockerd.run().await?;
        Ok(dockerd)
    }

    async fn run(&mut self) -> Result<()> {
        // What a killed daemon left would keep the next from starting, its containerd's process id
        // above all, which can be another's by now.
        let _ = fs::remove_dir_all(self.home.join("exec"));
        for left in ["dockerd.pid", "docker.sock"] {
            let _ = fs::remove_file(self.home.join(left));
        }
        let server = Supervised::start(Command {
            folder: self.home.clone(),
            name: "daemon".to_owned(),
            line: self.command_line(),
            grace: Duration::from_secs(15),
            exec_root: Some(self.home.join("exec")),
        })?;
        let socket = self.home.join("docker.sock");
        let ready = until_ready(&server, Duration::from_secs(60), || ping(&socket)).await;
        self.server = Some(server);
        ready
    }

    fn command_line(&self) -> Vec<String> {
        let path = |name: &str| self.home.join(name).display().to_string();
        let mut line = vec!["dockerd".to_owned()];
        line.extend(["--data-root".to_owned(), path("root")]);
        line.extend(["--exec-root".to_owned(), path("exec")]);
        line.extend(["--pidfile".to_owned(), path("dockerd.pid")]);
        line.extend(["-H".to_owned(), self.host()]);
        let no_network = ["--bridge", "none", "--iptables=false", "--ip6tables=false"];
        line.extend(no_network.map(str::to_owned));
        // A configuration of the machine's own daemon is none of ours.
        let configuration = path("daemon.json");
        if fs::write(&configuration, "{}").is_ok() {
            line.extend(["--config-file".to_owned(), configuration]);
        }
        if let Some(mirror) = &self.mirror {
            line.extend(["--registry-mirror".to_owned(), format!("http://{mirror}")]);
        }
        line
    }

    /// `unix:///…`, as in `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.home.join("docker.sock").display())
    }

    /// The daemon's process id; 0 when it has none.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().and_then(Supervised::pid).unwrap_or(0)
    }

    /// Kills the daemon with SIGKILL and waits until it is gone. Its containerd stays until the restart.
    pub async fn kill(&mut self) {
        let Some(server) = &self.server else { return };
        let _ = server.kill();
        for _ in 0..500 {
            if server.exited().is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends the daemon, if it still runs, and starts it again on what it had stored.
    ///
    /// # Panics
    /// When it does not start again.
    pub async fn restart(&mut self) {
        self.end().await;
        if let Err(error) = self.run().await {
            panic!("dockerd does not start again: {error:#}");
        }
    }

    /// Ends the daemon and waits for that, without blocking the runtime.
    pub async fn stop(mut self) {
        self.end().await;
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    async fn end(&mut self) {
        let server = self.server.take();
        let _ = tokio::task::spawn_blocking(move || drop(server)).await;
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        self.server.take();
        // Its storage is of no more use; the keeper would remove it only with the whole lab.
        let _ = fs::remove_dir_all(&self.home);
    }
}

async fn ping(socket: &Path) -> bool {
    let answer = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n").await?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await?;
        match text.starts_with(b"HTTP/1.0 200") || text.starts_with(b"HTTP/1.1 200") {
            true => Ok(()),
            false => bail!("no OK"),
        }
    };
    let limit = Duration::from_secs(2);
    matches!(tokio::time::timeout(limit, answer).await, Ok(Ok(())))
}
