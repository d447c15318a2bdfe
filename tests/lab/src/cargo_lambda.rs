//! AWS Lambda's runtime API as cargo-lambda has it, with Lambda's own API to invoke what asks there.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Client;
use serde_json::Value;

use crate::chance;
use crate::process::{Command, Supervised, until_ready};
use crate::tools;

/// It only runs within a package.
const PACKAGE: &str = "[package]\nname = \"function\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";

/// A running one. Dropping it ends it.
#[derive(Debug)]
pub struct CargoLambda {
    _server: Supervised,
    address: String,
}

impl CargoLambda {
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let home = folder.join(format!("cargo-lambda-{}", chance::hex(4)));
        fs::create_dir_all(home.join("src")).with_context(|| format!("create {}", home.display()))?;
        fs::write(home.join("Cargo.toml"), PACKAGE)?;
        fs::write(home.join("src/main.rs"), "fn main() {}\n")?;
        let port = chance::free_port()?.to_string();
        let watch = [
            "lambda",
            "watch",
            "--only-lambda-apis",
            "--invoke-address",
            "127.0.0.1",
            "--invoke-port",
            &port,
        ];
        let mut line = vec![tools::program("cargo-lambda")?];
        line.extend(watch.map(str::to_owned));
        let mut command = Command::new(&home, "cargo-lambda", line);
        command.directory = home.clone();
        let server = Supervised::start(command)?;
        let address = format!("127.0.0.1:{port}");
        let ready = || async { tokio::net::TcpStream::connect(&address).await.is_ok() };
        until_ready(&server, Duration::from_secs(60), ready).await?;
        Ok(Self {
            _server: server,
            address,
        })
    }

    /// What it says `AWS_LAMBDA_RUNTIME_API` has to be.
    pub fn address(&self) -> String {
        format!("http://{}/.rt", self.address)
    }

    /// Invokes the function as Lambda's `Invoke` does; answers the status and the function's answer or error.
    ///
    /// # Errors
    /// When that is no JSON.
    pub async fn invoke(&self, event: &Value) -> Result<(u16, Value)> {
        let url = format!("http://{}/2015-03-31/functions/_/invocations", self.address);
        let answer = Client::new().post(url).body(event.to_string()).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }
}
