//! The API's actions, each from its JSON to its answer's.

mod cache_rules;
mod deletion;
mod images;
mod paging;
mod policies;
mod repositories;
mod templates;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::account::Account;
use super::api_error::ApiError;

/// What an action answers.
pub(crate) type Outcome = Result<Value, ApiError>;

/// Runs an action of an account.
pub(crate) fn run(account: &Account, action: &str, body: &Value) -> Outcome {
    match action {
        "DescribeRepositories" => repositories::describe(account, body),
        "CreateRepository" => repositories::create(account, body),
        "DeleteRepository" => repositories::delete(account, body),
        "PutLifecyclePolicy" => policies::put_lifecycle(account, body),
        "GetLifecyclePolicy" => policies::get_lifecycle(account, body),
        "SetRepositoryPolicy" => policies::set(account, body),
        "GetRepositoryPolicy" => policies::get(account, body),
        "DescribeRepositoryCreationTemplates" => templates::describe(account, body),
        "ListTagsForResource" => repositories::list_tags(account, body),
        "TagResource" => repositories::tag(account, body),
        "DescribeImages" => images::describe(account, body),
        "ListImages" => images::list(account, body),
        "BatchGetImage" => images::batch_get(account, body),
        "BatchDeleteImage" => deletion::batch_delete(account, body),
        "DescribePullThroughCacheRules" => cache_rules::describe(account, body),
        "GetAuthorizationToken" => Ok(authorization_token(account)),
        _ => Err(ApiError::new("UnknownOperationException", "")),
    }
}

fn authorization_token(account: &Account) -> Value {
    let (password, expiry) = account.tokens.issue();
    json!({"authorizationData": [{
        "authorizationToken": STANDARD.encode(format!("AWS:{password}")),
        "expiresAt": seconds(expiry),
        "proxyEndpoint": account.proxy_endpoint,
    }]})
}

/// Time as JSON 1.1 has it: seconds since 1970, with milliseconds.
pub(crate) fn seconds(time: jiff::Timestamp) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this era are exact in an f64")]
    let milliseconds = time.as_millisecond() as f64;
    json!(milliseconds / 1000.0)
}

/// A text that the request must have.
fn required<'a>(body: &'a Value, key: &str) -> Result<&'a str, ApiError> {
    body[key].as_str().ok_or_else(|| {
        ApiError::invalid(format!(
            "Invalid parameter at '{key}' failed to satisfy constraint: 'Member must not be null'"
        ))
    })
}

/// The repository that is asked for. Another account's is not to be seen.
fn repository_name<'a>(account: &Account, body: &'a Value) -> Result<&'a str, ApiError> {
    let name = required(body, "repositoryName")?;
    match body["registryId"].as_str() {
        Some(other) if other != account.id => Err(ApiError::no_repository(name, other)),
        _ => Ok(name),
    }
}
