//! Amazon ECR Public: who pulls from it by name may pull more.

use aws_sdk_ecrpublic::Client;

use super::ecr::{Token, token_of};
use super::{AwsError, AwsOptions};

/// The registry's host.
pub const HOST: &str = "public.ecr.aws";

/// Its API is here alone (AWS page "Amazon ECR Public endpoints and quotas").
const REGION: &str = "us-east-1";

/// The API of Amazon ECR Public.
#[derive(Debug, Clone)]
pub struct EcrPublic {
    client: Client,
}

impl EcrPublic {
    /// With the credentials that `options` lead to.
    pub async fn connect(options: &AwsOptions) -> Result<Self, AwsError> {
        let there = AwsOptions {
            region: Some(REGION.to_owned()),
            ..options.clone()
        };
        Ok(Self {
            client: Client::new(&there.load().await?),
        })
    }

    /// A fresh login.
    pub async fn token(&self) -> Result<Token, AwsError> {
        const CALL: &str = "GetAuthorizationToken";
        const ON: &str = "for public.ecr.aws";
        tracing::debug!("ask AWS: {CALL} {ON}");
        let answer = self.client.get_authorization_token().send().await;
        let answer = answer.map_err(|error| AwsError::of_sdk(CALL, ON, error))?;
        let data = answer.authorization_data();
        let data = data.ok_or_else(|| AwsError::odd_answer(CALL, ON, "no token in the answer"))?;
        let encoded = data.authorization_token().unwrap_or_default();
        token_of(encoded, HOST, data.expires_at().map(|at| at.secs()))
            .ok_or_else(|| AwsError::odd_answer(CALL, ON, "a token that cannot be read"))
    }
}
