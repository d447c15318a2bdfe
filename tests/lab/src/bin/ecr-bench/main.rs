//! `ecr-bench`: the direct engine against other tools that do the same work, in one run.

mod copies;
mod measure;
mod table;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use ecr_lab::{Lab, LabOptions};

use crate::copies::{Bounds, Copies};
use crate::table::{Goal, Table};
use crate::tools::Programs;

/// Measures ecr-keeper's direct engine against crane, regsync and skopeo; prints Markdown, and exits with 1 when a goal is missed
#[derive(Debug, Parser)]
struct Cli {
    /// The ecr-keeper to measure
    #[arg(long)]
    keeper: PathBuf,
    /// How often each tool does each piece of work
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The same on smaller work
    #[arg(long)]
    quick: bool,
    /// Only what has this in its title
    #[arg(long)]
    only: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
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
                ..Bounds::default()
            },
        ),
    ];
    let lab = Lab::start(LabOptions::default()).await?;
    let mut met = true;
    for (copies, bounds) in all {
        if cli
            .only
            .as_ref()
            .is_some_and(|only| !copies.title.contains(only.as_str()))
        {
            continue;
        }
        let table: Table = copies.measure(&lab, &programs, cli.rounds, bounds).await?;
        met &= table.goals.iter().all(Goal::is_met);
        println!("{}", table.markdown());
    }
    lab.stop().await;
    Ok(met)
}
