//! Actions on the policies of a repository.

use serde_json::{Value, json};

use super::super::account::Account;
use super::super::api_error::ApiError;
use super::{Outcome, repository_name, required};

pub(super) fn put_lifecycle(account: &Account, body: &Value) -> Outcome {
    let (name, text) = (repository_name(account, body)?, required(body, "lifecyclePolicyText")?);
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    if !policy["rules"].is_array() {
        let text = "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: \
                    'Lifecycle policy validation failure: object has missing required properties ([\"rules\"])'";
        return Err(ApiError::invalid(text));
    }
    account.with_repository(name, |repository| repository.lifecycle_policy = Some(text.to_owned()))?;
    Ok(answer(account, name, "lifecyclePolicyText", text))
}

pub(super) fn get_lifecycle(account: &Account, body: &Value) -> Outcome {
    let name = repository_name(account, body)?;
    let policy = account.with_repository(name, |repository| repository.lifecycle_policy.clone())?;
    match policy {
        Some(text) => Ok(answer(account, name, "lifecyclePolicyText", &text)),
        None => Err(none(
            account,
            name,
            "LifecyclePolicyNotFoundException",
            "Lifecycle policy",
        )),
    }
}

pub(super) fn set(account: &Account, body: &Value) -> Outcome {
    let (name, text) = (repository_name(account, body)?, required(body, "policyText")?);
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    if policy["Statement"].is_null() {
        let text =
            "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'";
        return Err(ApiError::invalid(text));
    }
    account.with_repository(name, |repository| repository.policy = Some(text.to_owned()))?;
    Ok(answer(account, name, "policyText", text))
}

pub(super) fn get(account: &Account, body: &Value) -> Outcome {
    let name = repository_name(account, body)?;
    let policy = account.with_repository(name, |repository| repository.policy.clone())?;
    match policy {
        Some(text) => Ok(answer(account, name, "policyText", &text)),
        None => Err(none(
            account,
            name,
            "RepositoryPolicyNotFoundException",
            "Repository policy",
        )),
    }
}

fn answer(account: &Account, name: &str, key: &str, text: &str) -> Value {
    let mut answer = json!({"registryId": account.id, "repositoryName": name});
    answer[key] = json!(text);
    answer
}

fn none(account: &Account, name: &str, code: &str, what: &str) -> ApiError {
    let text = format!(
        "{what} does not exist for the repository with name '{name}' in the registry with id '{}'",
        account.id
    );
    ApiError::new(code, text)
}
