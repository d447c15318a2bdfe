//! `ecr-bench`: the direct engine against other tools that do the same work, in one run.

mod choosing;
mod copies;
mod discovery;
mod keeping;
mod measure;
mod narrow;
mod shared;
mod start;
mod table;
mod tools;
mod unchanged;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use clap::Parser;
use ecr_lab::{Lab, LabOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::copies::{Bounds, Copies, Sources};
use crate::shared::Shared;
use crate::table::{Goal, Table};
use crate::tools::Programs;
use crate::unchanged::Unchanged;
use crate::usage::Usage;

/// Measures ecr-keeper's direct engine against crane, regsync and skopeo; prints Markdown, and exits with 1 when a goal is missed
#[derive(Debug, Parser)]
struct Cli {
    /// The ecr-keeper to measure
    #[arg(long)]
    keeper: PathBuf,
    /// How often each tool does each piece of work
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    rounds: usize,
    /// The same on smaller work
    #[arg(long)]
    quick: bool,
    /// Only what has this in its title
    #[arg(long)]
    only: Option<String>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "write a whole number from 1 on".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            eprintln!("ecr-bench: {error}");
            return ExitCode::from(2);
        }
    };
    // Dropped in its middle, it ends its servers and what it measures.
    let ended = tokio::select! {
        ended = run(Cli::parse()) => ended,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("stopped by SIGINT")),
        _ = terminate.recv() => Err(anyhow!("stopped by SIGTERM")),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ecr-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(cli: Cli) -> Result<bool> {
    let programs = Programs { keeper: cli.keeper };
    // A tenth of the bytes is enough to see what a change did.
    let part = if cli.quick { 10 } else { 1 };
    let large = Copies {
        title: "1 GB in 60 layers, plain HTTP",
        layers: 60,
        size: 17_500_000 / part,
        tls: false,
        latency: None,
        targets: 1,
        at_once: 16,
        as_it_comes: false,
    };
    let all = [
        (
            large.clone(),
            Bounds {
                ratio: 0.9,
                memory: Some(32.0),
                ..Bounds::default()
            },
        ),
        (
            Copies {
                title: "1 GB in 60 layers, TLS on both sides",
                tls: true,
                ..large.clone()
            },
            Bounds {
                ratio: 0.7,
                ..Bounds::default()
            },
        ),
        (
            Copies {
                title: "60 layers of 1 MB, 20 ms on every answer",
                size: 1_000_000,
                latency: Some(Duration::from_millis(20)),
                as_it_comes: true,
                ..large.clone()
            },
            Bounds {
                ratio: 0.8,
                ratio_as_it_comes: Some(0.3),
                ..Bounds::default()
            },
        ),
        (
            Copies {
                title: "1 GB to 4 registries",
                targets: 4,
                ..large.clone()
            },
            Bounds {
                ratio: 0.7,
                read_once: true,
                narrow: Some(1.15),
                ..Bounds::default()
            },
        ),
    ];
    if cli.quick {
        println!("Smaller work than each title names, once: the goals are those of the whole, and only a look.\n");
    }
    let lab = Lab::start(LabOptions::default()).await?;
    let wanted = |title: &str| cli.only.as_ref().is_none_or(|only| title.contains(only.as_str()));
    let (mut met, mut told) = (true, 0);
    let mut tell = |table: Table| {
        told += 1;
        met &= table.goals.iter().all(Goal::is_met);
        println!("{}", table.markdown());
    };
    let mut sources = Sources::default();
    for (copies, bounds) in all {
        if wanted(copies.title) {
            tell(
                copies
                    .measure(&lab, &programs, &mut sources, cli.rounds, bounds)
                    .await?,
            );
        }
    }
    drop(sources);
    if wanted("Nothing changed") {
        let unchanged = Unchanged {
            repositories: 50 / part,
            tags: 20,
            latency: Duration::from_millis(10),
        };
        tell(unchanged.measure(&lab, &programs, cli.rounds).await?);
    }
    if wanted("images that share") {
        let shared = Shared {
            images: 100 / part,
            base: 50_000_000,
            own: 100_000,
        };
        tell(shared.measure(&lab, &programs, cli.rounds).await?);
    }
    if wanted("Discovery") {
        tell(discovery::measure(&lab, &programs, cli.rounds, 10_000 / part).await?);
    }
    if wanted("Choosing") {
        let (tags, alone) = (5_000 / part, 100_000);
        tell(choosing::measure(&lab, &programs, cli.rounds, tags, alone).await?);
    }
    if wanted("Usage") {
        let usage = Usage {
            repositories: 50 / part,
            images: 100,
            functions: 100 / part,
            latency: Duration::from_millis(20),
        };
        tell(usage.measure(&lab, &programs, cli.rounds).await?);
    }
    if wanted("Start and size") {
        tell(start::measure(&lab, &programs, cli.rounds).await?);
    }
    lab.stop().await;
    ensure!(
        told > 0,
        "no workload has {:?} in its title",
        cli.only.unwrap_or_default()
    );
    // Small work may miss what is meant for the whole; that it was done is what counts.
    Ok(met || cli.quick)
}
