//! TLS on both sides: a small authority, and the certificates that it signs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::chance;

/// Where a daemon listens with TLS, and the certificates of its clients.
#[derive(Debug)]
pub struct Tls {
    port: u16,
    home: PathBuf,
}

/// A certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
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
        ours.sign(ExtendedKeyUsagePurpose::ServerAuth)?
            .write(&tls.server(), &ours)?;
        ours.sign(ExtendedKeyUsagePurpose::ClientAuth)?
            .write(&tls.certs(), &ours)?;
        let stranger = foreign.sign(ExtendedKeyUsagePurpose::ClientAuth)?;
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

/// A certificate and its key, in PEM.
struct Signed {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Result<Authority> {
        let key = KeyPair::generate().context("make a key")?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).with_context(|| format!("sign {name}"))?.pem();
        Ok(Authority {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    fn sign(&self, purpose: ExtendedKeyUsagePurpose) -> Result<Signed> {
        let key = KeyPair::generate().context("make a key")?;
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names).context("name a certificate")?;
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &self.issuer).context("sign a certificate")?;
        Ok(Signed {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Signed {
    /// With the authority that its holder trusts.
    fn write(&self, folder: &Path, trusted: &Authority) -> Result<()> {
        fs::create_dir(folder).with_context(|| format!("create {}", folder.display()))?;
        let files = [
            ("ca.pem", &trusted.certificate),
            ("cert.pem", &self.certificate),
            ("key.pem", &self.key),
        ];
        for (name, content) in files {
            let path = folder.join(name);
            fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }
}
