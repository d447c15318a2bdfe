//! Who we are in one account, for many regions.

use aws_config::{Region, SdkConfig};

use super::{AwsError, AwsOptions};

/// Who we are in one account, found out once for all its regions and services: a role is assumed once.
#[derive(Debug, Clone)]
pub struct Login {
    options: AwsOptions,
    config: SdkConfig,
}

impl Login {
    /// Whoever `options` lead to.
    pub async fn open(options: &AwsOptions) -> Result<Self, AwsError> {
        let there = AwsOptions {
            // That is of ECR.
            endpoint_url: None,
            ..options.clone()
        };
        let config = there.load().await?;
        Ok(Self {
            options: options.clone(),
            config,
        })
    }

    /// The region that is asked where none is named.
    pub fn region(&self) -> &str {
        self.config.region().map_or("", Region::as_ref)
    }

    /// The role that is assumed.
    pub fn role_arn(&self) -> Option<&str> {
        self.options.role_arn.as_deref()
    }

    /// For a service in a region.
    pub(super) fn at(&self, region: &str) -> SdkConfig {
        let region = Region::new(region.to_owned());
        self.config.to_builder().region(region).build()
    }

    /// For ECR in a region: where an endpoint is said, that is of the region that is said with it; AWS's own variables hold everywhere.
    pub(super) fn ecr_at(&self, region: &str) -> SdkConfig {
        match region == self.region() {
            true => self.options.asking(self.at(region)),
            false => self.at(region),
        }
    }
}
