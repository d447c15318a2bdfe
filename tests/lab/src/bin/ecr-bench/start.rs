//! How long it takes from nothing to the first request to AWS.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ecr_lab::Lab;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::measure::median;
use crate::table::{Goal, Table};
use crate::tools::Programs;

/// Starts in each round.
const STARTS: usize = 7;

pub async fn measure(lab: &Lab, programs: &Programs, rounds: usize) -> Result<Table> {
    let mut table = Table::new("Start and size");
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let mut starts = Vec::new();
    for _ in 0..rounds * STARTS {
        let began = Instant::now();
        let mut keeper = Command::new(&programs.keeper)
            .args(["--progress", "none", "plan", "--engine", "direct"])
            .env("AWS_ACCESS_KEY_ID", "LABACCESSKEY")
            .env("AWS_SECRET_ACCESS_KEY", "lab-secret-access-key")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL_ECR", &endpoint)
            .env("KEYWORD", "base/image")
            .current_dir(lab.dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("start ecr-keeper")?;
        let first = async {
            let (mut connection, _) = listener.accept().await?;
            connection.read_u8().await
        };
        tokio::time::timeout(Duration::from_secs(30), first)
            .await
            .context("it asks nothing")??;
        starts.push(began.elapsed().as_secs_f64() * 1000.0);
        keeper.kill().await?;
    }
    let size = fs::metadata(&programs.keeper)?.len() as f64 / 1e6;
    table.goals.push(Goal::at_most(
        "ms from its start to the first request to ECR, median",
        median(starts),
        40.0,
    ));
    table.goals.push(Goal::at_most("MB of the release binary", size, 20.0));
    Ok(table)
}
