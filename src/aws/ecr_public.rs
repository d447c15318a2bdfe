//! Amazon ECR Public: who pulls from it by name may pull more.

use serde::Deserialize;
use serde_json::json;

use super::api::{Api, Protocol, Service};
use super::ecr::{Token, token_of};
use super::{AwsError, AwsOptions};

/// The registry's host.
pub const HOST: &str = "public.ecr.aws";

/// Its API is here alone (AWS page "Amazon ECR Public endpoints and quotas").
const REGION: &str = "us-east-1";

const ECR_PUBLIC: Service = Service {
    id: "ECR PUBLIC",
    host: "api.ecr-public",
    name: "ecr-public",
    protocol: Protocol::Json {
        version: "1.1",
        target: "SpencerFrontendService",
    },
};

/// The API of Amazon ECR Public.
#[derive(Debug, Clone)]
pub struct EcrPublic {
    api: Api,
}

impl EcrPublic {
    /// With the credentials that `options` lead to.
    pub async fn connect(options: &AwsOptions) -> Result<Self, AwsError> {
        let there = AwsOptions {
            region: Some(REGION.to_owned()),
            ..options.clone()
        };
        Ok(Self {
            api: Api::new(&there.load().await?, ECR_PUBLIC),
        })
    }

    /// A fresh login.
    pub async fn token(&self) -> Result<Token, AwsError> {
        const CALL: &str = "GetAuthorizationToken";
        const ON: &str = "for public.ecr.aws";
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            authorization_data: Data,
        }
        /// Amazon ECR Public API Reference, "AuthorizationData".
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            authorization_token: String,
            /// Seconds since 1970.
            expires_at: f64,
        }
        let answer: Answer = self.api.call(CALL, ON, &json!({})).await?;
        let data = answer.authorization_data;
        token_of(&data.authorization_token, HOST, Some(data.expires_at as i64))
            .ok_or_else(|| AwsError::odd_answer(CALL, ON, "a token that cannot be read"))
    }
}
