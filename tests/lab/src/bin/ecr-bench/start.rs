//! How long it takes from nothing to the first request to AWS.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ecr_lab::{Lab, LambdaApi};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::measure::median;
use crate::table::{Goal, Table};
use crate::tools::Programs;

/// Starts in each round.
const STARTS: usize = 7;
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn measure(lab: &Lab, programs: &Programs, rounds: usize) -> Result<Table> {
    let mut table = Table::new("Start and size");
    let aws = TcpListener::bind("127.0.0.1:0").await?;
    let api = lab.lambda().await?;
    let (mut in_shells, mut as_functions) = (Vec::new(), Vec::new());
    for _ in 0..rounds * STARTS {
        in_shells.push(until_it_asks(in_shell(lab, programs, &aws)?, &aws).await?);
        as_functions.push(cold(as_function(lab, programs, &aws, &api)?, &aws, &api).await?);
    }
    let size = fs::metadata(&programs.keeper)?.len() as f64 / 1e6;
    table.goals.push(Goal::at_most(
        "ms from its start to the first request to ECR, median",
        median(in_shells),
        40.0,
    ));
    table.goals.push(Goal::at_most(
        "ms from a function's cold start to the first request to ECR, median",
        median(as_functions),
        40.0,
    ));
    table.goals.push(Goal::at_most("MB of the release binary", size, 20.0));
    Ok(table)
}

fn keeper(lab: &Lab, programs: &Programs, aws: &TcpListener) -> Result<Command> {
    let mut keeper = Command::new(&programs.keeper);
    keeper
        .env("AWS_ACCESS_KEY_ID", "LABACCESSKEY")
        .env("AWS_SECRET_ACCESS_KEY", "lab-secret-access-key")
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL_ECR", format!("http://{}", aws.local_addr()?))
        .env("KEYWORD", "base/image")
        .current_dir(lab.dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    Ok(keeper)
}

fn in_shell(lab: &Lab, programs: &Programs, aws: &TcpListener) -> Result<Command> {
    let mut keeper = keeper(lab, programs, aws)?;
    keeper.args(["--progress", "none", "plan", "--engine", "direct"]);
    Ok(keeper)
}

fn as_function(lab: &Lab, programs: &Programs, aws: &TcpListener, api: &LambdaApi) -> Result<Command> {
    let mut keeper = keeper(lab, programs, aws)?;
    keeper
        .env("AWS_LAMBDA_RUNTIME_API", api.address())
        .env("AWS_LAMBDA_FUNCTION_NAME", "ecr-keeper")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("LAMBDA_TASK_ROOT", lab.dir());
    Ok(keeper)
}

/// With an event that waits for it: a cold start has one.
async fn cold(keeper: Command, aws: &TcpListener, api: &LambdaApi) -> Result<f64> {
    let event = json!({"command": "plan"});
    tokio::select! {
        biased;
        answered = api.invoke(&event, PATIENCE) => bail!("it asks nothing, and answers {:?}", answered?.answer),
        asked = until_it_asks(keeper, aws) => asked,
    }
}

/// Milliseconds from its start to the first byte of a request.
async fn until_it_asks(mut keeper: Command, aws: &TcpListener) -> Result<f64> {
    let began = Instant::now();
    let mut keeper = keeper.spawn().context("start ecr-keeper")?;
    let first = async {
        let (mut connection, _) = aws.accept().await?;
        connection.read_u8().await
    };
    tokio::time::timeout(PATIENCE, first)
        .await
        .context("it asks nothing")??;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    keeper.kill().await?;
    Ok(took)
}
