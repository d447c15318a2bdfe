//! The lab in the foreground.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use ecr_lab::{Dockerd, DockerdOptions, Lab, LabOptions, Store, fill};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder for lab.env, lab.json, settings.yaml and everything else
    #[arg(long)]
    dir: PathBuf,
    /// Which daemon
    #[arg(long, value_enum, default_value_t)]
    store: Store,
    /// Without a daemon
    #[arg(long, conflicts_with = "store")]
    no_dockerd: bool,
    /// Without the content of demonstrations
    #[arg(long)]
    empty: bool,
    /// The most that a listing puts on a page
    #[arg(long, default_value_t = 100)]
    page_size: usize,
}

pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::pin!(stopped);
    let started = tokio::select! {
        started = start(options) => started?,
        () = &mut stopped => return Ok(ExitCode::SUCCESS),
    };
    let (lab, dockerd) = started;
    println!("ready: {}", options.dir.join("lab.env").display());
    stopped.await;
    if let Some(dockerd) = dockerd {
        dockerd.stop().await;
    }
    lab.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn start(options: &Options) -> Result<(Lab, Option<Dockerd>)> {
    fs::create_dir_all(&options.dir).context("create the folder")?;
    let dir = options.dir.canonicalize()?;
    if dir.join("lab.json").exists() {
        bail!("{} has a lab.json already: another lab runs there", dir.display());
    }
    let lab = Lab::start(LabOptions {
        page_size: options.page_size,
        parent: Some(dir.clone()),
        ..LabOptions::default()
    })
    .await?;
    for name in ["lab.env", "settings.yaml", "lab.json"] {
        lab.also_remove(&dir.join(name))?;
    }
    let dockerd = match options.no_dockerd {
        true => None,
        false => {
            let daemon_options = DockerdOptions::with_mirror(lab.upstream().host());
            Some(Dockerd::start_as(lab.dir(), options.store, daemon_options).await?)
        }
    };
    if !options.empty {
        fill::demo(&lab).await?;
    }
    let docker_host = dockerd.as_ref().map(Dockerd::host);
    write(&dir, "lab.env", &environment(&lab, &dir, docker_host.as_deref()))?;
    write(&dir, "settings.yaml", &settings(&lab))?;
    let about = json!({
        "pid": std::process::id(),
        "dir": lab.dir(),
        "endpoint": lab.endpoint(),
        "account": lab.ecr().account_id(),
        "region": lab.ecr().name(),
        "ecr": lab.ecr().host(),
        "upstream": lab.upstream().host(),
        "upstream_backend": lab.upstream().backend(),
        "webhook": lab.webhook().url(),
        "docker_host": docker_host,
        "dockerd_pid": dockerd.as_ref().map(Dockerd::pid),
        "registry_pids": lab.process_ids(),
    });
    // The last: who finds it finds the others.
    write(&dir, "lab.json", &format!("{about:#}\n"))?;
    Ok((lab, dockerd))
}

fn environment(lab: &Lab, dir: &Path, docker_host: Option<&str>) -> String {
    let endpoint = lab.endpoint();
    let webhook = lab.webhook().url();
    let folder = dir.display().to_string();
    let mut variables = vec![
        ("AWS_ENDPOINT_URL_ECR", endpoint.as_str()),
        ("AWS_ENDPOINT_URL_ECR_PUBLIC", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "LAB00000000000000000"),
        ("AWS_SECRET_ACCESS_KEY", "of-the-lab"),
        ("AWS_REGION", lab.ecr().name()),
        ("AWS_DEFAULT_REGION", lab.ecr().name()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("ECR", lab.ecr().host()),
        ("KEYWORD", "base/image"),
        ("DISCORD_WEBHOOK", &webhook),
        ("LAB_UPSTREAM", lab.upstream().host()),
        ("LAB_DIR", &folder),
    ];
    variables.extend(docker_host.map(|host| ("DOCKER_HOST", host)));
    let lines = variables
        .iter()
        .map(|(name, value)| format!("export {name}={}\n", quoted(value)));
    lines.collect()
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}

fn settings(lab: &Lab) -> String {
    let mirror = lab.upstream().host();
    format!(
        "# Written by the lab: its upstream registry stands in for these.
registries:
  docker.io:
    mirrors: {mirror}
  quay.io:
    mirrors: {mirror}
"
    )
}

/// Whole or not at all.
fn write(dir: &Path, name: &str, content: &str) -> Result<()> {
    let unfinished = dir.join(format!(".{name}.new"));
    fs::write(&unfinished, content).with_context(|| format!("write {name}"))?;
    fs::rename(&unfinished, dir.join(name)).with_context(|| format!("write {name}"))
}
