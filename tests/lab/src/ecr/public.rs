//! ECR Public's API as far as a client needs it to log in. Its registry is the one that a test starts in its place.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::json;

use super::account::{Account, ApiFault, ApiRequest, Limits};
use super::api_error::ApiError;
use super::operations::{Outcome, seconds};
use crate::chance;

/// The only region that has the API.
pub(super) const REGION: &str = "us-east-1";

/// ECR Public of one account.
#[derive(Debug)]
pub struct EcrPublic {
    account: Account,
    password: String,
}

impl EcrPublic {
    pub(crate) fn new(id: &str, limits: Limits) -> EcrPublic {
        EcrPublic {
            account: Account::new(id, REGION, "public.ecr.aws", limits),
            password: format!("eyJwYXlsb2FkIjoi{}", chance::hex(1_800)),
        }
    }

    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    pub(super) fn run(&self, action: &str) -> Outcome {
        if action != "GetAuthorizationToken" {
            return Err(ApiError::new("UnknownOperationException", ""));
        }
        // Not a list, unlike the private one's.
        Ok(json!({"authorizationData": {
            "authorizationToken": STANDARD.encode(format!("AWS:{}", self.password)),
            "expiresAt": seconds(Timestamp::now() + self.account.limits.token_ttl),
        }}))
    }

    /// The password for user `AWS` that every GetAuthorizationToken hands out.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// All calls of the API since the last clearing.
    pub fn api_requests(&self) -> Vec<ApiRequest> {
        self.account.requests().clone()
    }

    /// Forgets the calls so far.
    pub fn clear_api_requests(&self) {
        self.account.requests().clear();
    }

    /// Adds a fault of the API.
    pub fn api_fault(&self, fault: ApiFault) {
        self.account.faults().push(fault);
    }
}
