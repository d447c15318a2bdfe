//! One run of a tool, and what it took.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ecr_lab::Asked;
use tokio::process::Command;

/// What is started, and what people call it.
#[derive(Debug, Clone)]
pub struct Line {
    /// The tool with its flags, as the table names it.
    pub label: String,
    /// Program and arguments.
    pub words: Vec<String>,
    /// Of its environment, what counts.
    pub environment: Vec<(String, String)>,
}

/// What one run took.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Seconds.
    pub wall: f64,
    /// Seconds of processor time, its own and the kernel's.
    pub cpu: f64,
    /// The largest process at its largest, in MiB.
    pub memory: f64,
    /// Seconds of processor time of everything else on the machine meanwhile, which is the registries, and what stands before them.
    pub others: f64,
    /// Seconds of processor time that the whole machine had nothing to do.
    pub idle: f64,
    /// Seconds of processor time that the machine's own host gave to others.
    pub stolen: f64,
    /// What the upstream was asked.
    pub upstream: Asked,
    /// What the targets were asked, together.
    pub target: Asked,
}

/// Runs it; the counts are the caller's to add.
pub async fn run(line: &Line, folder: &Path) -> Result<Run> {
    let (took, output) = (folder.join("took"), folder.join("output"));
    let file = fs::File::create(&output)?;
    let mut command = Command::new("/usr/bin/time");
    // Only what a row names counts: no settings, logins and proxies of whoever runs this.
    command
        .args(["-f", "%U %S %M", "-o"])
        .arg(&took)
        .args(&line.words)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .envs(line.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let before = Machine::now()?;
    let began = Instant::now();
    let mut child = command.process_group(0).spawn().context("start /usr/bin/time")?;
    let group = Group(child.id());
    let status = child.wait().await?;
    let wall = began.elapsed().as_secs_f64();
    let machine = Machine::now()?.since(&before);
    drop(group);
    let said = || fs::read_to_string(&output).unwrap_or_default();
    ensure!(status.success(), "{}: {status}\n{}", line.words.join(" "), said());
    let took = fs::read_to_string(&took)?;
    let numbers: Result<Vec<f64>, _> = took.split_whitespace().map(str::parse).collect();
    let [user, system, memory] = numbers.context("what time says")?[..] else {
        anyhow::bail!("time says {took}");
    };
    Ok(Run {
        wall,
        cpu: user + system,
        others: machine.busy - user - system,
        memory: memory / 1024.0,
        idle: machine.idle,
        stolen: machine.stolen,
        ..Run::default()
    })
}

/// All processes of a run: whoever is stopped in its middle leaves none behind.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let pid = self.0.and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::TERM);
        }
    }
}

/// What the machine's processors did since it began, in seconds (proc(5), `/proc/stat`).
struct Machine {
    busy: f64,
    idle: f64,
    stolen: f64,
}

impl Machine {
    fn now() -> Result<Machine> {
        /// Of every Linux that has not been built otherwise.
        const TICKS_PER_SECOND: f64 = 100.0;
        let text = fs::read_to_string("/proc/stat")?;
        let first = text.lines().next().unwrap_or_default();
        let ticks: Vec<f64> = first.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let seconds = |at: usize| ticks.get(at).copied().unwrap_or_default() / TICKS_PER_SECOND;
        Ok(Machine {
            // User, nice, system, and both kinds of interrupts.
            busy: [0, 1, 2, 5, 6].into_iter().map(seconds).sum(),
            idle: seconds(3) + seconds(4),
            stolen: seconds(7),
        })
    }

    fn since(&self, before: &Machine) -> Machine {
        Machine {
            busy: self.busy - before.busy,
            idle: self.idle - before.idle,
            stolen: self.stolen - before.stolen,
        }
    }
}

/// Makes an empty folder for a run.
pub fn clean(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir(folder).with_context(|| format!("create {}", folder.display()))
}

/// The middle one, or the mean of both.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => (sorted[even / 2 - 1] + sorted[even / 2]) / 2.0,
    }
}
