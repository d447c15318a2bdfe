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
    command
        .args(["-f", "%U %S %M", "-o"])
        .arg(&took)
        .args(&line.words)
        .envs(line.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let began = Instant::now();
    let status = command.status().await.context("start /usr/bin/time")?;
    let wall = began.elapsed().as_secs_f64();
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
        memory: memory / 1024.0,
        ..Run::default()
    })
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
