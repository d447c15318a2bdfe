//! distribution 3 by itself, for measurements: no front in between, and it counts what it is asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Certificate, Client};

use crate::certificates::{Authority, Holder};
use crate::chance;
use crate::images::Place;
use crate::process::{Command, Supervised, until_ready};
use crate::tools;

/// A running registry. Dropping it ends it; its content goes with the lab, or with [`BareRegistry::remove`].
#[derive(Debug)]
pub struct BareRegistry {
    server: Supervised,
    host: String,
    counters: String,
    home: PathBuf,
    storage: PathBuf,
    client: Client,
}

/// What a registry was asked since it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Requests by method, in capitals.
    pub methods: BTreeMap<String, u64>,
    /// Bytes of requests, heads included.
    pub received: u64,
    /// Bytes of answers.
    pub sent: u64,
}

impl BareRegistry {
    /// With the content of `storage`, or none.
    pub(crate) async fn start(folder: &Path, storage: Option<&Path>, tls: bool) -> Result<BareRegistry> {
        let home = folder.join(format!("bare-{}", chance::hex(4)));
        fs::create_dir(&home).with_context(|| format!("create {}", home.display()))?;
        let certificates = home.join("tls");
        let client = match tls {
            false => Client::new(),
            true => {
                let authority = Authority::new("the authority of a registry of the lab")?;
                let signed = authority.sign(Holder::Server, &[])?;
                signed.write(&certificates, &authority)?;
                let trusted = Certificate::from_pem(authority.certificate().as_bytes())?;
                Client::builder().tls_certs_merge([trusted]).build()?
            }
        };
        let storage = storage.map_or_else(|| home.join("storage"), Path::to_owned);
        let mut failures = Vec::new();
        for _ in 0..5 {
            let ports = (chance::free_port()?, chance::free_port()?);
            match start_once(&home, &storage, tls.then_some(&certificates), ports, &client).await {
                Ok(server) => {
                    return Ok(BareRegistry {
                        server,
                        host: format!("127.0.0.1:{}", ports.0),
                        counters: format!("http://127.0.0.1:{}/metrics", ports.1),
                        home,
                        storage,
                        client,
                    });
                }
                // Someone else may have taken a port in the meantime.
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
        bail!("distribution 3 does not start: {}", failures.join("; "))
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where its content is, for another one that shows the same.
    pub fn storage(&self) -> &Path {
        &self.storage
    }

    /// The folder with `ca.pem`, the authority that signed its certificate. Without TLS there is none.
    pub fn certificates(&self) -> PathBuf {
        self.home.join("tls")
    }

    /// Where images can be pushed to. Without TLS only.
    pub fn place(&self) -> Place {
        Place::new(&self.host)
    }

    /// What it was asked, as it counts itself.
    ///
    /// # Errors
    /// When it does not tell.
    pub async fn asked(&self) -> Result<Asked> {
        let text = self.client.get(&self.counters).send().await?.text().await?;
        let mut asked = Asked::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let number = || value.parse::<f64>().map(|value| value as u64).context("a counter");
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            match name {
                "registry_http_requests_total" => {
                    let method = labels
                        .split_once("method=\"")
                        .and_then(|(_, rest)| rest.split('"').next());
                    let method = method.context("a method")?.to_uppercase();
                    *asked.methods.entry(method).or_default() += number()?;
                }
                "registry_http_request_size_bytes_sum" => asked.received += number()?,
                "registry_http_response_size_bytes_sum" => asked.sent += number()?,
                _ => {}
            }
        }
        Ok(asked)
    }

    /// Ends it and removes its content.
    ///
    /// # Errors
    /// When the content cannot be removed.
    pub async fn remove(self) -> Result<()> {
        let remove = move || {
            let BareRegistry {
                mut server,
                home,
                storage,
                ..
            } = self;
            server.end();
            if storage.exists() {
                fs::remove_dir_all(&storage)?;
            }
            fs::remove_dir_all(&home)
        };
        tokio::task::spawn_blocking(remove)
            .await?
            .context("remove a registry's content")
    }
}

impl Asked {
    /// Takes in what another one was asked.
    pub fn add(&mut self, other: &Asked) {
        for (method, count) in &other.methods {
            *self.methods.entry(method.clone()).or_default() += count;
        }
        self.received += other.received;
        self.sent += other.sent;
    }

    /// What came after `before`.
    #[must_use]
    pub fn since(&self, before: &Asked) -> Asked {
        let earlier = |method: &String| before.methods.get(method).copied().unwrap_or_default();
        let methods = self
            .methods
            .iter()
            .map(|(method, count)| (method.clone(), count - earlier(method)));
        Asked {
            methods: methods.filter(|(_, count)| *count > 0).collect(),
            received: self.received - before.received,
            sent: self.sent - before.sent,
        }
    }
}

async fn start_once(
    home: &Path,
    storage: &Path,
    certificates: Option<&PathBuf>,
    (port, counters): (u16, u16),
    client: &Client,
) -> Result<Supervised> {
    let config = home.join("config.yml");
    let tls = certificates.map_or_else(String::new, |folder| {
        let folder = folder.display();
        format!("  tls: {{certificate: '{folder}/cert.pem', key: '{folder}/key.pem'}}\n")
    });
    let content = format!(
        "version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: '{}'}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http:
  addr: 127.0.0.1:{port}
  debug: {{addr: '127.0.0.1:{counters}', prometheus: {{enabled: true, path: /metrics}}}}
{tls}",
        storage.display()
    );
    fs::write(&config, content).context("write the registry's configuration")?;
    let line = vec![
        tools::program("registry")?,
        "serve".to_owned(),
        config.display().to_string(),
    ];
    let command = Command {
        // Or it looks for a collector of traces.
        environment: vec![("OTEL_TRACES_EXPORTER", PathBuf::from("none"))],
        ..Command::new(home, "registry", line)
    };
    let server = Supervised::start(command)?;
    let scheme = if tls.is_empty() { "http" } else { "https" };
    let url = format!("{scheme}://127.0.0.1:{port}/v2/");
    let ready = || async {
        client
            .get(&url)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
    };
    until_ready(&server, Duration::from_secs(20), ready).await?;
    Ok(server)
}
