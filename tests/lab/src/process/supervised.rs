//! One server under its supervisor.

use std::fs;
use std::future::Future;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::keeper::{Keeper, Line, hang_up};

const SCRIPT: &str = include_str!("supervisor.sh");

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    /// Folder for its `.pid`, `.exit` and `.log` files.
    pub(crate) folder: PathBuf,
    /// Name of those files.
    pub(crate) name: String,
    /// Program and arguments.
    pub(crate) line: Vec<String>,
    /// Between TERM and KILL.
    pub(crate) grace: Duration,
    /// dockerd's `--exec-root`, where its containerd is found.
    pub(crate) exec_root: Option<PathBuf>,
    /// Name of the server in the same folder that needs this one and therefore has to end before it.
    pub(crate) outlives: Option<String>,
    /// Where it runs.
    pub(crate) directory: PathBuf,
    /// What its environment has besides this process's.
    pub(crate) environment: Vec<(&'static str, PathBuf)>,
}

/// A running server. Dropping it ends the server and waits for that.
#[derive(Debug)]
pub(crate) struct Supervised {
    shell: Child,
    line: Line,
    command: Command,
}

impl Supervised {
    /// Starts it. The folder must be a keeper's.
    pub(crate) fn start(command: Command) -> Result<Supervised> {
        for end in ["pid", "exit"] {
            let _ = fs::remove_file(command.file(end));
        }
        let keeper = Keeper::pipe_for(&command.folder)?;
        let exec_root = command.exec_root.clone().unwrap_or_default();
        let outlives = command.outlives.as_ref().map(|name| command.folder.join(name));
        let mut shell = std::process::Command::new("/bin/sh")
            .args(["-c", SCRIPT, "ecr-lab-supervisor"])
            .arg(command.folder.join(&command.name))
            .arg(command.grace.as_secs().max(1).to_string())
            .arg(exec_root)
            .arg(outlives.unwrap_or_default())
            .args(&command.line)
            .current_dir(&command.directory)
            // A containerd that is slow to end writes what it was at into the temporary folder.
            .env("TMPDIR", &command.folder)
            .envs(command.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(keeper)
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal is for the lab, not for its supervisors.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {}", command.name))?;
        let line = Line::new(Mutex::new(shell.stdin.take()));
        Keeper::enlist(&command.folder, &line)?;
        Ok(Supervised { shell, line, command })
    }

    /// The server's process id, once the supervisor has written it.
    pub(crate) fn pid(&self) -> Option<u32> {
        let text = fs::read_to_string(self.command.file("pid")).ok()?;
        text.trim().parse().ok()
    }

    /// Whether the server has exited by itself, with the end of its log.
    pub(crate) fn exited(&self) -> Option<String> {
        let code = fs::read_to_string(self.command.file("exit")).ok()?;
        let log = fs::read(self.command.file("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let tail: Vec<&str> = log.lines().rev().take(10).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        Some(format!("exit code {}\n{}", code.trim(), tail.join("\n")))
    }

    /// Sends the server a signal, if it still runs, and leaves the supervisor in place.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid().context("no process id yet")?;
        if self.exited().is_none() {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            kill_process(pid.context("a process id")?, signal)?;
        }
        Ok(())
    }

    /// Whether the server is stopped, as after SIGSTOP.
    pub(crate) fn is_stopped(&self) -> bool {
        let stat = self.pid().map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")));
        // The state follows the name, which is in parentheses and could hold some itself.
        let state = |stat: String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
        stat.and_then(Result::ok).is_some_and(state)
    }

    /// Asks the server to end, without waiting for it.
    pub(crate) fn hang_up(&self) {
        hang_up(&self.line);
    }

    /// Ends the server and waits for that.
    pub(crate) fn end(&mut self) {
        self.hang_up();
        let _ = self.shell.wait();
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.end();
    }
}

impl Command {
    /// A server that gets two seconds to end.
    pub(crate) fn new(folder: &Path, name: &str, line: Vec<String>) -> Command {
        Command {
            folder: folder.to_owned(),
            name: name.to_owned(),
            line,
            grace: Duration::from_secs(2),
            exec_root: None,
            outlives: None,
            directory: PathBuf::from("/"),
            environment: Vec::new(),
        }
    }

    fn file(&self, end: &str) -> PathBuf {
        self.folder.join(format!("{}.{end}", self.name))
    }
}

/// Asks again and again until `ask` says yes, the server has exited, or the time is up.
pub(crate) async fn until_ready<F, Fut>(server: &Supervised, limit: Duration, mut ask: F) -> Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let begin = Instant::now();
    loop {
        if let Some(how) = server.exited() {
            bail!("{} ended at its start: {how}", server.command.name);
        }
        if server.pid().is_some() && ask().await {
            return Ok(());
        }
        if begin.elapsed() > limit {
            bail!("{} was not ready within {limit:?}", server.command.name);
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}
