//! The HTTP clients that registries are asked with: whom they trust, and where they follow.

use std::sync::Arc;

use reqwest::redirect::{self, Policy};
use reqwest::{Certificate, ClientBuilder, Identity, Url};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;

use super::error::Attempt;
use super::{Cause, RegistryError};
use crate::retry::Timeouts;

/// No storage host is further away.
const REDIRECTS: usize = 5;

/// Connections, and how redirects are dealt with on them. Clones share what there is: to set one up reads all of the system's certificates.
#[derive(Debug, Clone)]
pub(super) struct Ways {
    pub(super) http: reqwest::Client,
    /// Follows no redirect: a login is for whom the registry named, not for whom that one names.
    pub(super) tokens: reqwest::Client,
}

impl Ways {
    /// For registries that the system's authorities vouch for.
    pub(super) fn usual(timeouts: &Timeouts, setup: &Attempt<'_>) -> Result<Self, RegistryError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(BuilderVerifierExt::with_platform_verifier)
            .map_err(|error| setup.error(Cause::Setup, format!("TLS cannot be set up: {error}")))?
            .with_no_client_auth();
        // What reqwest offers where it sets TLS up itself.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let ways = Self::build(timeouts, true, |builder| builder.tls_backend_preconfigured(tls.clone()));
        ways.map_err(|error| setup.transport(error))
    }

    pub(super) fn own(
        authorities: &[Certificate],
        identity: Option<&Identity>,
        timeouts: &Timeouts,
        setup: &Attempt<'_>,
    ) -> Result<Self, RegistryError> {
        // A redirect may lead to somebody who would ask for our certificate.
        let ways = Self::build(timeouts, identity.is_none(), |builder| {
            let builder = builder.tls_certs_merge(authorities.to_vec());
            match identity {
                Some(identity) => builder.identity(identity.clone()),
                None => builder,
            }
        });
        ways.map_err(|error| setup.transport(error))
    }

    fn build(
        timeouts: &Timeouts,
        follows: bool,
        secure: impl Fn(ClientBuilder) -> ClientBuilder,
    ) -> reqwest::Result<Self> {
        let client = |redirects| {
            let builder = reqwest::Client::builder()
                .connect_timeout(timeouts.connect)
                .redirect(redirects)
                // An upload's address is nobody else's business.
                .referer(false)
                .user_agent(concat!("ecr-keeper/", env!("CARGO_PKG_VERSION")));
            secure(builder)
        };
        let redirects = match follows {
            true => Policy::custom(follow),
            false => Policy::none(),
        };
        Ok(Self {
            http: client(redirects).build()?,
            tokens: client(Policy::none()).timeout(timeouts.answer).build()?,
        })
    }
}

/// Content may be kept elsewhere; what was asked for over TLS is not fetched without.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let asked = attempt.previous().last().map(Url::scheme);
    match (attempt.previous().len() > REDIRECTS, asked, attempt.url().scheme()) {
        (true, ..) => attempt.error("there are too many"),
        (_, Some("https"), "http") => attempt.error("one leads from TLS to plain HTTP"),
        _ => attempt.follow(),
    }
}
