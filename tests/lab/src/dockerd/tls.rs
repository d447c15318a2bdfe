//! TLS on both sides of a daemon's API.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::certificates::{Authority, Holder};
use crate::chance;

/// Where a daemon listens with TLS, and the certificates of its clients.
#[derive(Debug)]
pub struct Tls {
    port: u16,
    home: PathBuf,
}

impl Tls {
    /// Makes the certificates in a daemon's folder.
    pub(super) fn make(home: &Path) -> Result<Tls> {
        let tls = Tls {
            port: chance::free_port()?,
            home: home.to_owned(),
        };
        let ours = Authority::new("the lab's authority")?;
        let foreign = Authority::new("a foreign authority")?;
        ours.sign(Holder::Server, &[])?.write(&tls.server(), &ours)?;
        ours.sign(Holder::Client, &[])?.write(&tls.certs(), &ours)?;
        let stranger = foreign.sign(Holder::Client, &[])?;
        // It knows the daemon; the daemon does not know it.
        stranger.write(&tls.foreign_certs(), &ours)?;
        Ok(tls)
    }

    /// `tcp://127.0.0.1:PORT`, as in `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// Folder with the `ca.pem`, `cert.pem` and `key.pem` of a client, as in `DOCKER_CERT_PATH`.
    pub fn certs(&self) -> PathBuf {
        self.home.join("certs")
    }

    /// The same of a client whose certificate another authority signed: it trusts the daemon, which refuses it.
    pub fn foreign_certs(&self) -> PathBuf {
        self.home.join("certs-foreign")
    }

    fn server(&self) -> PathBuf {
        self.home.join("certs-server")
    }

    /// For a start that found the port taken.
    pub(super) fn take_another_port(&mut self) -> Result<()> {
        self.port = chance::free_port()?;
        Ok(())
    }

    /// What dockerd's command line needs to listen there.
    pub(super) fn arguments(&self) -> Vec<String> {
        let file = |name: &str| self.server().join(name).display().to_string();
        let mut line = vec!["-H".to_owned(), self.host(), "--tlsverify".to_owned()];
        line.extend(["--tlscacert".to_owned(), file("ca.pem")]);
        line.extend(["--tlscert".to_owned(), file("cert.pem")]);
        line.extend(["--tlskey".to_owned(), file("key.pem")]);
        line
    }
}
