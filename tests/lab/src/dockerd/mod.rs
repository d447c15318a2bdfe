//! Daemons of the lab's own that speak Docker's API.

mod moby;
mod podman;
mod tls;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::chance;
use crate::process::{Command, Keeper, Supervised, until_ready};

pub use tls::Tls;

/// Which daemon, by where it keeps images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Store {
    /// Debian's dockerd 20.10 with its overlay2 store, which packs layers again when it pushes.
    #[default]
    Classic,
    /// A modern dockerd with containerd's image store, which keeps digests. `scripts/tools` builds it.
    Containerd,
    /// Debian's podman 4.3 as a service; it has no `/distribution`.
    Podman,
}

/// What a daemon is told besides its store.
#[derive(Debug, Clone, Default)]
pub struct DockerdOptions {
    /// The registry (`HOST:PORT`) that Docker Hub's images are pulled from first.
    pub mirror: Option<String>,
    /// Whether it also listens on a TCP port, with TLS and only for clients that have a certificate. Podman cannot.
    pub tls: bool,
    /// Where podman writes each layer that it pushes, rather than beside its storage.
    pub temporary: Option<PathBuf>,
}

impl DockerdOptions {
    /// Only a mirror of Docker Hub.
    pub fn with_mirror(host: &str) -> DockerdOptions {
        DockerdOptions {
            mirror: Some(host.to_owned()),
            ..DockerdOptions::default()
        }
    }
}

/// A daemon with its own storage and socket, and no network for containers. It needs root.
/// Dropping it ends it, and the containerd it may have.
#[derive(Debug)]
pub struct Dockerd {
    // Both are dropped before the keeper, which waits for their supervisors. The one with the API is the last.
    servers: Vec<Supervised>,
    setup: Setup,
    _keeper: Option<Keeper>,
}

/// What a daemon's command line is made of.
#[derive(Debug)]
struct Setup {
    home: PathBuf,
    store: Store,
    options: DockerdOptions,
    tls: Option<Tls>,
}

/// One process of a daemon.
#[derive(Debug)]
struct Part {
    command: Command,
    ready: Ready,
}

/// How a process shows that it is ready.
#[derive(Debug)]
enum Ready {
    /// This socket takes connections.
    Connects(PathBuf),
    /// Docker's API answers on this socket.
    Answers(PathBuf),
}

impl Dockerd {
    /// Starts Debian's dockerd in a new folder inside `dir`. With a lab's folder as `dir` it also ends with the lab.
    ///
    /// # Errors
    /// When it does not start; its log's end is in the error.
    pub async fn start(dir: &Path) -> Result<Dockerd> {
        Dockerd::start_as(dir, Store::Classic, DockerdOptions::default()).await
    }

    /// Starts one that pulls Docker Hub's images from this registry (`HOST:PORT`) first.
    ///
    /// # Errors
    /// As [`Dockerd::start`].
    pub async fn start_with_mirror(dir: &Path, mirror: &str) -> Result<Dockerd> {
        Dockerd::start_as(dir, Store::Classic, DockerdOptions::with_mirror(mirror)).await
    }

    /// Starts a daemon of another kind.
    ///
    /// # Errors
    /// As [`Dockerd::start`], and when `scripts/prepare` has not installed it.
    pub async fn start_as(dir: &Path, store: Store, options: DockerdOptions) -> Result<Dockerd> {
        ensure!(
            !options.tls || store != Store::Podman,
            "podman's service does not speak TLS"
        );
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
            servers: Vec::new(),
            setup: Setup {
                home,
                store,
                options,
                tls: None,
            },
            _keeper: keeper,
        };
        dockerd.run_first().await?;
        Ok(dockerd)
    }

    async fn run_first(&mut self) -> Result<()> {
        if self.setup.options.tls {
            self.setup.tls = Some(Tls::make(&self.setup.home)?);
        }
        let mut tries = 5;
        while let Err(error) = self.run().await {
            tries -= 1;
            // Someone else may have taken the port in the meantime; nothing else gets better by itself.
            match &mut self.setup.tls {
                Some(tls) if tries > 0 => tls.take_another_port()?,
                _ => return Err(error),
            }
            self.end().await;
        }
        Ok(())
    }

    async fn run(&mut self) -> Result<()> {
        self.setup.remove_what_runs_left();
        for part in self.setup.parts()? {
            let server = Supervised::start(part.command)?;
            let ready = until_ready(&server, Duration::from_secs(60), || part.ready.reached()).await;
            self.servers.push(server);
            ready?;
        }
        Ok(())
    }

    /// `unix:///…`, as in `DOCKER_HOST`.
    pub fn host(&self) -> String {
        self.setup.host()
    }

    /// Where it listens with TLS, if it was asked to.
    pub fn tls(&self) -> Option<&Tls> {
        self.setup.tls.as_ref()
    }

    /// Where it keeps images.
    pub fn store(&self) -> Store {
        self.setup.store
    }

    /// The folder of everything it writes.
    pub fn dir(&self) -> &Path {
        &self.setup.home
    }

    /// The daemon's process id; 0 when it has none.
    pub fn pid(&self) -> u32 {
        self.servers.last().and_then(Supervised::pid).unwrap_or(0)
    }

    /// Kills the daemon with SIGKILL and waits until it is gone. Its containerd stays until the restart.
    pub async fn kill(&mut self) {
        let Some(server) = self.servers.last() else { return };
        let _ = server.signal(Signal::KILL);
        until(|| server.exited().is_some()).await;
    }

    /// Stops the daemon with SIGSTOP: its socket still takes connections, and nothing is answered on them.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn freeze(&self) -> Result<()> {
        let server = self.servers.last().context("the daemon does not run")?;
        server.signal(Signal::STOP)?;
        until(|| server.is_stopped()).await;
        ensure!(server.is_stopped(), "the daemon runs on after SIGSTOP");
        Ok(())
    }

    /// Lets a frozen daemon go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&self) -> Result<()> {
        let server = self.servers.last().context("the daemon does not run")?;
        server.signal(Signal::CONT)
    }

    /// Ends the daemon, if it still runs, and starts it again on what it had stored.
    ///
    /// # Panics
    /// When it does not start again.
    pub async fn restart(&mut self) {
        self.end().await;
        if let Err(error) = self.run().await {
            panic!("the daemon does not start again: {error:#}");
        }
    }

    /// Ends the daemon and waits for that, without blocking the runtime.
    pub async fn stop(mut self) {
        self.end().await;
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    async fn end(&mut self) {
        let servers = std::mem::take(&mut self.servers);
        let _ = tokio::task::spawn_blocking(move || end_in_turn(servers)).await;
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        end_in_turn(std::mem::take(&mut self.servers));
        // Its storage is of no more use; the keeper would remove it only with the whole lab.
        let _ = fs::remove_dir_all(&self.setup.home);
    }
}

impl Setup {
    fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.home.join("docker.sock")
    }

    fn path(&self, name: &str) -> String {
        self.home.join(name).display().to_string()
    }

    /// The processes, in the order of their start.
    fn parts(&self) -> Result<Vec<Part>> {
        match self.store {
            Store::Classic => moby::classic(self),
            Store::Containerd => moby::on_containerd(self),
            Store::Podman => podman::service(self),
        }
    }

    /// What a killed daemon left would keep the next from starting, its containerd's process id
    /// above all, which can be another's by now.
    fn remove_what_runs_left(&self) {
        for folder in ["exec", "run", "containerd/state"] {
            let _ = fs::remove_dir_all(self.home.join(folder));
        }
        for file in ["dockerd.pid", "docker.sock", "containerd.sock", "containerd.sock.ttrpc"] {
            let _ = fs::remove_file(self.home.join(file));
        }
    }
}

impl Ready {
    async fn reached(&self) -> bool {
        match self {
            Ready::Connects(socket) => UnixStream::connect(socket).await.is_ok(),
            Ready::Answers(socket) => ping(socket).await,
        }
    }
}

/// The last first: each needs those before it.
fn end_in_turn(mut servers: Vec<Supervised>) {
    while let Some(server) = servers.pop() {
        drop(server);
    }
}

/// Waits for what a signal brings about, five seconds at most.
async fn until(reached: impl Fn() -> bool) {
    for _ in 0..500 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
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
