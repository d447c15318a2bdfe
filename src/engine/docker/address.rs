//! Where the daemon is: a setting, a docker context, or one of the usual sockets.

use std::fmt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::credentials::docker_configuration;
use crate::engine::{DaemonTrouble, EngineError};
use crate::image::Digest;

/// Where a daemon listens. What it is shown as holds no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Unix(PathBuf),
    Tcp {
        /// `host:port`.
        host: String,
        tls: Option<Certificates>,
    },
}

/// The files that a daemon's TLS needs, as `DOCKER_CERT_PATH` names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificates {
    pub(super) ca: PathBuf,
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

/// What was said about where the daemon is.
#[derive(Debug, Clone, Default)]
pub struct Whereabouts {
    /// `unix:///PATH` or `tcp://HOST:PORT`.
    pub host: Option<String>,
    /// A docker context's name; counts where no host is said.
    pub context: Option<String>,
    /// Whether `tcp://` is spoken over TLS, with both sides' certificates.
    pub tls_verify: bool,
    /// Where `ca.pem`, `cert.pem` and `key.pem` are; without it, Docker's configuration folder.
    pub cert_path: Option<PathBuf>,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, .. } => write!(f, "tcp://{host}"),
        }
    }
}

impl Whereabouts {
    /// As the docker command finds it: the host that is said, else the context, else the usual socket; and where that is not
    /// there, those of rootless daemons.
    pub(super) fn find(&self) -> Result<Address, NoAddress> {
        if let Some(host) = &self.host {
            let usual = docker_configuration().unwrap_or_default();
            let folder = self.cert_path.as_deref().unwrap_or(&usual);
            return address(host, self.tls_verify.then_some(folder));
        }
        match self.context.clone().or_else(current_context) {
            Some(name) if name != "default" => of_context(&name),
            _ => Ok(Address::Unix(usual_socket())),
        }
    }
}

/// What an address names; over TLS, where a folder with certificates is given.
fn address(host: &str, certificates: Option<&Path>) -> Result<Address, NoAddress> {
    if let Some(path) = host.strip_prefix("unix://") {
        return Ok(Address::Unix(PathBuf::from(path)));
    }
    let rest = ["tcp://", "http://", "https://"]
        .iter()
        .find_map(|scheme| host.strip_prefix(scheme));
    match rest {
        Some(rest) if !rest.contains('@') && !rest.is_empty() => Ok(Address::Tcp {
            tls: certificates.map(|folder| of_folder(folder, host)).transpose()?,
            host: rest.trim_end_matches('/').to_owned(),
        }),
        // A login in it would be shown.
        _ => Err(no_address(
            host.split_once("://")
                .map_or("an address without a scheme", |(scheme, _)| scheme),
            DaemonTrouble::Address,
            "not an address of a daemon (unix:///PATH or tcp://HOST:PORT)",
        )),
    }
}

/// No daemon can be asked there.
#[derive(Debug)]
pub(super) struct NoAddress {
    address: String,
    trouble: DaemonTrouble,
    why: String,
}

impl From<NoAddress> for EngineError {
    fn from(NoAddress { address, trouble, why }: NoAddress) -> Self {
        Self::NoDaemon { address, trouble, why }
    }
}

fn no_address(address: impl fmt::Display, trouble: DaemonTrouble, why: impl Into<String>) -> NoAddress {
    NoAddress {
        address: address.to_string(),
        trouble,
        why: why.into(),
    }
}

fn of_folder(folder: &Path, host: &str) -> Result<Certificates, NoAddress> {
    let file = |name: &str| {
        let path = folder.join(name);
        match std::fs::File::open(&path) {
            Ok(_) => Ok(path),
            Err(error) => Err(no_address(
                host,
                DaemonTrouble::Tls,
                format!("{}: {error}", path.display()),
            )),
        }
    };
    Ok(Certificates {
        ca: file("ca.pem")?,
        cert: file("cert.pem")?,
        key: file("key.pem")?,
    })
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

fn current_context() -> Option<String> {
    let text = std::fs::read(docker_configuration()?.join("config.json")).ok()?;
    let configuration: Configuration = serde_json::from_slice(&text).ok()?;
    configuration.current_context.filter(|name| !name.is_empty())
}

#[derive(Deserialize)]
struct Context {
    #[serde(rename = "Endpoints")]
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "Host")]
    host: String,
}

/// The docker command files a context under the SHA-256 of its name.
fn of_context(name: &str) -> Result<Address, NoAddress> {
    let what = format!("docker context {name}");
    let unusable = |why: String| no_address(&what, DaemonTrouble::Context, why);
    let folder = docker_configuration().ok_or_else(|| unusable("there is no home folder".to_owned()))?;
    let id = Digest::of(name.as_bytes());
    let id = id.as_str().trim_start_matches("sha256:");
    let meta = folder.join("contexts/meta").join(id).join("meta.json");
    let text = std::fs::read(&meta).map_err(|error| unusable(format!("{}: {error}", meta.display())))?;
    let context: Context =
        serde_json::from_slice(&text).map_err(|error| unusable(format!("{}: {error}", meta.display())))?;
    let endpoint = context.endpoints.docker;
    let endpoint = endpoint.ok_or_else(|| unusable("it has no docker endpoint".to_owned()))?;
    let tls = folder.join("contexts/tls").join(id).join("docker");
    address(&endpoint.host, Some(tls.as_path()).filter(|folder| folder.is_dir()))
}

/// The first socket that lets us in, of Docker's, then rootless Docker's and Docker Desktop's, then Podman's. Where none does,
/// the first that is there: its error is the one to tell.
fn usual_socket() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let home = dirs::home_dir();
    let below = |folder: &Option<PathBuf>, rest: &str| folder.as_ref().map(|folder| folder.join(rest));
    let sockets: Vec<PathBuf> = [
        Some(PathBuf::from(USUAL)),
        below(&runtime, "docker.sock"),
        below(&home, ".docker/run/docker.sock"),
        below(&home, ".docker/desktop/docker.sock"),
        Some(PathBuf::from("/run/podman/podman.sock")),
        below(&runtime, "podman/podman.sock"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let open = sockets.iter().find(|path| UnixStream::connect(path).is_ok());
    let there = open.or_else(|| sockets.iter().find(|path| path.exists()));
    there.cloned().unwrap_or_else(|| PathBuf::from(USUAL))
}

const USUAL: &str = "/var/run/docker.sock";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_that_docker_knows() {
        assert_eq!(
            address("unix:///run/docker.sock", None).unwrap(),
            Address::Unix("/run/docker.sock".into())
        );
        assert_eq!(address("tcp://dind:2375", None).unwrap().to_string(), "tcp://dind:2375");
    }

    #[test]
    fn a_login_in_an_address_is_refused_and_not_shown() {
        for host in ["tcp://me:sesame@dind:2375", "ssh://me:sesame@host"] {
            let error = EngineError::from(address(host, None).unwrap_err()).to_string();
            assert!(!error.contains("sesame"), "{error}");
        }
    }
}
