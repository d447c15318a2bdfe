use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

/// A profile that no AWS configuration file has.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no AWS configuration file has the profile {0:?}")]
pub(super) struct UnknownProfile(pub(super) String);

/// Credentials of whoever was asked with a profile in mind. Where there are none, it is the profile that is looked at first.
#[derive(Debug)]
pub(super) struct OfProfile {
    profile: String,
    asked: SharedCredentialsProvider,
}

impl OfProfile {
    pub(super) fn new(profile: String, asked: SharedCredentialsProvider) -> Self {
        Self { profile, asked }
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let answer = self.asked.provide_credentials().await;
        // What somebody else answered, or did not in time, is not the profile's fault.
        let may_be_unknown = matches!(
            answer,
            Err(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_))
        );
        match may_be_unknown && is_unknown(&self.profile).await {
            true => Err(CredentialsError::not_loaded(UnknownProfile(self.profile.clone()))),
            false => answer,
        }
    }
}

impl ProvideCredentials for OfProfile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.asked.fallback_on_interrupt()
    }
}

/// Whether the AWS configuration files can be read, and none has this profile.
pub(super) async fn is_unknown(profile: &str) -> bool {
    let (files, environment, places) = (Default::default(), Default::default(), Default::default());
    let profiles = aws_config::profile::load(&files, &environment, &places, None).await;
    profiles.is_ok_and(|profiles| profiles.get_profile(profile).is_none())
}
