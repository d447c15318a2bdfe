//! Toxiproxy: a network that is far away.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};

use crate::chance;
use crate::process::{Command, Supervised, until_ready};
use crate::tools;

/// A running toxiproxy. Dropping it ends it and cuts all connections through it.
#[derive(Debug)]
pub struct Toxiproxy {
    _server: Supervised,
    api: String,
    client: Client,
}

impl Toxiproxy {
    pub(crate) async fn start(folder: &Path) -> Result<Toxiproxy> {
        let home = folder.join(format!("toxiproxy-{}", chance::hex(4)));
        fs::create_dir(&home).with_context(|| format!("create {}", home.display()))?;
        let port = chance::free_port()?.to_string();
        let line = [&tools::program("toxiproxy")?, "-host", "127.0.0.1", "-port", &port];
        let server = Supervised::start(Command::new(&home, "toxiproxy", line.map(str::to_owned).to_vec()))?;
        let api = format!("http://127.0.0.1:{port}");
        let client = Client::new();
        let ready = || async { client.get(format!("{api}/version")).send().await.is_ok() };
        until_ready(&server, Duration::from_secs(20), ready).await?;
        Ok(Toxiproxy {
            _server: server,
            api,
            client,
        })
    }

    /// Opens a way to `host` over which everything comes back so much later; answers its `127.0.0.1:PORT`.
    ///
    /// # Errors
    /// When toxiproxy refuses it.
    pub async fn way(&self, host: &str, latency: Duration) -> Result<String> {
        let name = chance::hex(8);
        let listen = format!("127.0.0.1:{}", chance::free_port()?);
        self.post(
            "proxies",
            &json!({"name": name, "listen": listen, "upstream": host, "enabled": true}),
        )
        .await?;
        let toxic = json!({"type": "latency", "attributes": {"latency": latency.as_millis()}});
        self.post(&format!("proxies/{name}/toxics"), &toxic).await?;
        Ok(listen)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<()> {
        let answer = self
            .client
            .post(format!("{}/{path}", self.api))
            .json(body)
            .send()
            .await?;
        let status = answer.status();
        ensure!(
            status.is_success(),
            "toxiproxy: {path}: {status} {}",
            answer.text().await?
        );
        Ok(())
    }
}
