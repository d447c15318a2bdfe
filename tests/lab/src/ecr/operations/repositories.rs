//! Actions on repositories.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::super::account::Account;
use super::super::api_error::ApiError;
use super::super::repository::{Mutability, Repository};
use super::{Outcome, paging, repository_name, required, seconds};

/// From the API reference of CreateRepository.
static NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$").ok());

pub(super) fn describe(account: &Account, body: &Value) -> Outcome {
    let registry = body["registryId"].as_str().unwrap_or(&account.id);
    if let Some(names) = body["repositoryNames"].as_array() {
        return describe_named(account, registry, body, names);
    }
    if registry != account.id {
        let text = format!("Access to the registry with id '{registry}' is denied");
        return Err(ApiError::new("AccessDeniedException", text));
    }
    let describe = |name: &str, repository: &Repository| description(account, name, repository);
    let repositories = account.repositories();
    paging::page(
        account,
        "DescribeRepositories",
        body,
        "repositories",
        &repositories,
        describe,
    )
}

fn describe_named(account: &Account, registry: &str, body: &Value, names: &[Value]) -> Outcome {
    if names.len() > 100 || names.is_empty() {
        let text = "Invalid parameter at 'repositoryNames' failed to satisfy constraint: \
                    'Member must have length between 1 and 100'";
        return Err(ApiError::invalid(text));
    }
    if !body["nextToken"].is_null() || !body["maxResults"].is_null() {
        let text = "Pagination parameters cannot be used with 'repositoryNames'";
        return Err(ApiError::invalid(text));
    }
    let mut found = Vec::new();
    for name in names.iter().filter_map(Value::as_str) {
        if registry != account.id {
            return Err(ApiError::no_repository(name, registry));
        }
        found.push(account.with_repository(name, |repository| description(account, name, repository))?);
    }
    Ok(json!({"repositories": found}))
}

pub(super) fn create(account: &Account, body: &Value) -> Outcome {
    let name = required(body, "repositoryName")?;
    let valid = NAME.as_ref().is_none_or(|form| form.is_match(name));
    if !valid || !(2..=256).contains(&name.len()) {
        let text = "Invalid parameter at 'repositoryName' failed to satisfy constraint: \
                    'must satisfy regular expression'";
        return Err(ApiError::invalid(text));
    }
    let mut repository = Repository::new(mutability(body)?);
    repository.scan_on_push = body["imageScanningConfiguration"]["scanOnPush"] == true;
    if body["encryptionConfiguration"].is_object() {
        repository.encryption = body["encryptionConfiguration"].clone();
    }
    for tag in body["tags"].as_array().into_iter().flatten() {
        let (key, value) = (required(tag, "Key")?, required(tag, "Value")?);
        repository.resource_tags.insert(key.to_owned(), value.to_owned());
    }
    let mut repositories = account.repositories();
    if repositories.contains_key(name) {
        let text = format!(
            "The repository with name '{name}' already exists in the registry with id '{}'",
            account.id
        );
        return Err(ApiError::new("RepositoryAlreadyExistsException", text));
    }
    let answer = json!({"repository": description(account, name, &repository)});
    repositories.insert(name.to_owned(), repository);
    Ok(answer)
}

fn mutability(body: &Value) -> Result<Mutability, ApiError> {
    let filters = body["imageTagMutabilityExclusionFilters"].as_array();
    let filters = filters.into_iter().flatten();
    let filters: Vec<String> = filters
        .filter_map(|filter| filter["filter"].as_str().map(str::to_owned))
        .collect();
    match body["imageTagMutability"].as_str().unwrap_or("MUTABLE") {
        "MUTABLE" => Ok(Mutability::Mutable),
        "IMMUTABLE" => Ok(Mutability::Immutable { except: Vec::new() }),
        "IMMUTABLE_WITH_EXCLUSION" => Ok(Mutability::Immutable { except: filters }),
        "MUTABLE_WITH_EXCLUSION" => Ok(Mutability::MutableExcept { filters }),
        _ => Err(ApiError::invalid("Invalid parameter at 'imageTagMutability'")),
    }
}

pub(super) fn delete(account: &Account, body: &Value) -> Outcome {
    let name = repository_name(account, body)?;
    let force = body["force"].as_bool().unwrap_or(false);
    let answer = account.with_repository(name, |repository| {
        if !repository.images.is_empty() && !force {
            let text = format!(
                "The repository with name '{name}' in registry with id '{}' cannot be deleted \
                 because it still contains images",
                account.id
            );
            return Err(ApiError::new("RepositoryNotEmptyException", text));
        }
        Ok(json!({"repository": description(account, name, repository)}))
    })??;
    account.repositories().remove(name);
    Ok(answer)
}

pub(super) fn list_tags(account: &Account, body: &Value) -> Outcome {
    let name = name_of_arn(account, required(body, "resourceArn")?)?;
    account.with_repository(&name, |repository| {
        let tags = repository.resource_tags.iter();
        let tags: Vec<Value> = tags.map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        json!({"tags": tags})
    })
}

pub(super) fn tag(account: &Account, body: &Value) -> Outcome {
    let name = name_of_arn(account, required(body, "resourceArn")?)?;
    let mut tags = Vec::new();
    for tag in body["tags"].as_array().into_iter().flatten() {
        tags.push((required(tag, "Key")?.to_owned(), required(tag, "Value")?.to_owned()));
    }
    account.with_repository(&name, |repository| repository.resource_tags.extend(tags))?;
    Ok(json!({}))
}

fn name_of_arn(account: &Account, arn: &str) -> Result<String, ApiError> {
    let prefix = arn_prefix(account);
    let name = arn.strip_prefix(&prefix).map(str::to_owned);
    name.ok_or_else(|| ApiError::invalid("Invalid parameter at 'resourceArn'"))
}

fn arn_prefix(account: &Account) -> String {
    format!("arn:aws:ecr:{}:{}:repository/", account.region, account.id)
}

fn description(account: &Account, name: &str, repository: &Repository) -> Value {
    let mut description = json!({
        "repositoryArn": format!("{}{name}", arn_prefix(account)),
        "registryId": account.id,
        "repositoryName": name,
        "repositoryUri": format!("{}/{name}", account.host),
        "createdAt": seconds(repository.created_at),
        "imageTagMutability": repository.mutability.name(),
        "imageScanningConfiguration": {"scanOnPush": repository.scan_on_push},
        "encryptionConfiguration": repository.encryption,
    });
    let filters = repository.mutability.filters().iter();
    let filters: Vec<Value> = filters
        .map(|filter| json!({"filterType": "WILDCARD", "filter": filter}))
        .collect();
    if !filters.is_empty() {
        description["imageTagMutabilityExclusionFilters"] = json!(filters);
    }
    description
}
