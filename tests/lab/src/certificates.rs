//! A small authority, and the certificates that it signs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// Which side shows a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Server,
    Client,
}

/// A certificate and its key, in PEM.
pub(crate) struct Signed {
    certificate: String,
    key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Result<Authority> {
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

    /// Its own certificate, in PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for 127.0.0.1, localhost and these names or addresses.
    pub(crate) fn sign(&self, holder: Holder, names: &[String]) -> Result<Signed> {
        let key = KeyPair::generate().context("make a key")?;
        let own = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let names: Vec<String> = own.iter().chain(names).cloned().collect();
        let mut params = CertificateParams::new(names).context("name a certificate")?;
        params.extended_key_usages = vec![match holder {
            Holder::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Holder::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        let certificate = params.signed_by(&key, &self.issuer).context("sign a certificate")?;
        Ok(Signed {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Signed {
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// As `ca.pem`, `cert.pem` and `key.pem`, with the authority that its holder trusts.
    pub(crate) fn write(&self, folder: &Path, trusted: &Authority) -> Result<()> {
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
