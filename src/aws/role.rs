use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

/// A role that could not be assumed. What it says of itself is read where there is no other reason.
#[derive(Debug, thiserror::Error)]
#[error("STS did not answer in time")]
pub(super) struct NotAssumed {
    pub(super) role: String,
    /// None where STS did not answer in time.
    source: Option<CredentialsError>,
}

/// Credentials of a role. Where there are none, the error says which role it is.
#[derive(Debug)]
pub(super) struct OfRole {
    role: String,
    asked: AssumeRoleProvider,
    /// How long STS is waited for, all its tries together.
    bound: Duration,
}

impl OfRole {
    pub(super) fn new(role: String, asked: AssumeRoleProvider, bound: Duration) -> Self {
        Self { role, asked, bound }
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let not_assumed = |source| NotAssumed {
            role: self.role.clone(),
            source,
        };
        match tokio::time::timeout(self.bound, self.asked.provide_credentials()).await {
            Ok(Ok(credentials)) => Ok(credentials),
            Ok(Err(error)) => Err(CredentialsError::provider_error(not_assumed(Some(error)))),
            Err(_) => Err(CredentialsError::provider_error(not_assumed(None))),
        }
    }
}

impl ProvideCredentials for OfRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}
