//! Actions on rules of the pull through cache.

use serde_json::{Value, json};

use super::super::account::Account;
use super::super::api_error::ApiError;
use super::super::cache_rule::CacheRule;
use super::{Outcome, paging, seconds};

pub(super) fn describe(account: &Account, body: &Value) -> Outcome {
    let rules = account.cache_rules();
    let Some(prefixes) = body["ecrRepositoryPrefixes"].as_array() else {
        return paging::page(
            account,
            "DescribePullThroughCacheRules",
            body,
            "pullThroughCacheRules",
            &rules,
            |prefix, rule| description(account, prefix, rule),
        );
    };
    let mut found = Vec::new();
    for prefix in prefixes.iter().filter_map(Value::as_str) {
        let Some(rule) = rules.get(prefix) else {
            let text = format!(
                "The pull through cache rule with ecrRepositoryPrefix '{prefix}' does not exist in the registry \
                 with id '{}'",
                account.id
            );
            return Err(ApiError::new("PullThroughCacheRuleNotFoundException", text));
        };
        found.push(description(account, prefix, rule));
    }
    Ok(json!({"pullThroughCacheRules": found}))
}

fn description(account: &Account, prefix: &str, rule: &CacheRule) -> Value {
    let mut description = json!({
        "ecrRepositoryPrefix": prefix,
        "upstreamRegistryUrl": rule.upstream,
        "createdAt": seconds(rule.created_at),
        "updatedAt": seconds(rule.created_at),
        "registryId": account.id,
    });
    if let Some(registry) = rule.registry() {
        description["upstreamRegistry"] = json!(registry);
    }
    description
}
