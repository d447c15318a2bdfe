//! Amazon's APIs: who we are there, and what their errors mean.

mod api;
mod arn;
mod endpoints;
mod error;
mod listing;
mod login;
mod pace;
mod partitions;
mod profile;
mod role;

pub mod account;
pub mod ecr;
pub mod ecr_public;
pub mod functions;
pub mod kept;
pub mod logs;
pub mod queue;
pub mod s3;
pub mod services;

pub use arn::account_and_region_of;
pub use error::{AwsError, Trouble};
pub use listing::Listing;
pub use login::Login;
pub use partitions::Partition;

use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::origin::Origin;
use secrecy::{ExposeSecret, SecretString};

use self::profile::OfProfile;
use self::role::OfRole;
use crate::retry::{Retry, Timeouts};

/// Who we are at AWS and where; what is not said here the SDK's own chain finds (environment, profile, container, instance).
#[derive(Debug, Clone)]
pub struct AwsOptions {
    /// Region code such as `eu-central-1`.
    pub region: Option<String>,
    /// Where everything but ECR is, such as buckets; none where that is [`region`](Self::region) too.
    pub home: Option<String>,
    /// Named profile of the AWS configuration files.
    pub profile: Option<Profile>,
    /// Where the API is asked, instead of AWS.
    pub endpoint_url: Option<String>,
    /// Keys that win over the chain.
    pub keys: Option<Keys>,
    /// The ARN of a role that whoever these make us assumes.
    pub role_arn: Option<String>,
    /// How often a call is tried.
    pub retry: Retry,
    /// How long AWS is waited for.
    pub timeouts: Timeouts,
}

/// A named profile, and how much it weighs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Whether it was asked for outright and wins over keys in the environment, as with the AWS CLI's `--profile`; one from
    /// AWS_PROFILE does not.
    pub outright: bool,
}

/// Access keys said outright.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Access key id.
    pub id: String,
    /// Secret access key.
    pub secret: SecretString,
    /// Session token, for temporary keys.
    pub session_token: Option<SecretString>,
}

impl AwsOptions {
    /// The SDK's configuration for these options.
    ///
    /// # Errors
    /// [`Trouble::NoRegion`] where neither these options nor the SDK's chain name a region; [`Trouble::UnknownProfile`] where that
    /// is because the profile is not there; [`Trouble::NoEndpoint`] where a variable of the environment that has to say one does not.
    pub async fn load(&self) -> Result<SdkConfig, AwsError> {
        if let Some(variable) = endpoints::wrong(std::env::vars_os()) {
            return Err(AwsError::wrong_endpoint(&variable));
        }
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(u32::try_from(self.retry.tries).unwrap_or(u32::MAX))
                    .with_initial_backoff(self.retry.wait)
                    .with_max_backoff(self.retry.longest),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(self.timeouts.connect)
                    .operation_attempt_timeout(self.timeouts.answer)
                    .build(),
            );
        if let Ok(name) = AppName::new("ecr-keeper") {
            loader = loader.app_name(name);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(&profile.name);
            if profile.outright {
                let region = self.region.clone().map(Region::new);
                let provider = ProfileFileCredentialsProvider::builder()
                    .profile_name(&profile.name)
                    .configure(&ProviderConfig::default().with_region(region))
                    .build();
                loader = loader.credentials_provider(provider);
            }
        }
        if let Some(keys) = &self.keys {
            loader = loader.credentials_provider(Credentials::new(
                keys.id.clone(),
                keys.secret.expose_secret(),
                keys.session_token
                    .as_ref()
                    .map(|token| token.expose_secret().to_owned()),
                None,
                "ecr-keeper settings",
            ));
        }
        let config = self.telling(loader.load().await);
        match (config.region(), &self.profile) {
            (Some(_), _) => Ok(self.asking(self.assuming(config).await)),
            (None, Some(profile)) if profile::is_unknown(&profile.name).await => {
                Err(AwsError::unknown_profile(&profile.name))
            }
            (None, _) => Err(AwsError::no_region()),
        }
    }

    /// As the role, where there is one: it is assumed when a call is first signed, and again before that ends.
    async fn assuming(&self, config: SdkConfig) -> SdkConfig {
        let Some(role) = &self.role_arn else {
            return config;
        };
        let asked = AssumeRoleProvider::builder(role)
            .session_name("ecr-keeper")
            .configure(&config)
            .build()
            .await;
        let bound = self.timeouts.answer;
        let provider = OfRole::new(role.clone(), asked, bound);
        // Who waits for it waits longer than itself, which says what it was.
        let cache = IdentityCache::lazy().load_timeout(bound + Duration::from_secs(1));
        config
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(provider))
            .identity_cache(cache.build())
            .build()
    }

    /// At the endpoint that is said, which wins over AWS's own variables. It is ECR's and none of STS's: who we are is found out without it.
    fn asking(&self, config: SdkConfig) -> SdkConfig {
        let Some(url) = &self.endpoint_url else {
            return config;
        };
        let mut config = config.into_builder().endpoint_url(url);
        config.insert_origin("endpoint_url", Origin::shared_config());
        config.build()
    }

    /// The SDK passes over a profile that is not there, or tells of it in words.
    fn telling(&self, config: SdkConfig) -> SdkConfig {
        let (Some(profile), Some(provider)) = (&self.profile, config.credentials_provider()) else {
            return config;
        };
        let telling = OfProfile::new(profile.name.clone(), provider);
        config
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(telling))
            .build()
    }
}
