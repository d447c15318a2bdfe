//! The TLS of a registry.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::RegistryTls;
use crate::certificates::{Authority, Holder};

/// The folder of the files for clients.
pub(super) const CLIENT: &str = "client";

/// Makes all certificates, and leaves those for clients in `home`.
pub(super) fn acceptor(home: &Path, kind: RegistryTls, names: &[String]) -> Result<TlsAcceptor> {
    let authority = Authority::new("the authority of a registry of the lab")?;
    authority
        .sign(Holder::Client, &[])?
        .write(&home.join(CLIENT), &authority)?;
    // An upload may go on there.
    let names: Vec<String> = [&["127.0.0.2".to_owned()], names].concat();
    let server = authority.sign(Holder::Server, &names)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .context("TLS versions")?;
    let config = match kind {
        RegistryTls::Mutual => config.with_client_cert_verifier(verifier(&authority, provider)?),
        RegistryTls::Off | RegistryTls::Server => config.with_no_client_auth(),
    };
    let certificate = CertificateDer::from_pem_slice(server.certificate().as_bytes()).context("read a certificate")?;
    let key = PrivateKeyDer::from_pem_slice(server.key().as_bytes()).context("read a key")?;
    let config = config
        .with_single_cert(vec![certificate], key)
        .context("take a certificate")?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn verifier(
    authority: &Authority,
    provider: Arc<tokio_rustls::rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>> {
    let certificate = authority.certificate().as_bytes();
    let certificate = CertificateDer::from_pem_slice(certificate).context("read a certificate")?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).context("trust a certificate")?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    verifier.build().context("check clients' certificates")
}
