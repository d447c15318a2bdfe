//! Pages of a listing.

use std::ops::Bound;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::account::Account;
use super::super::api_error::ApiError;

/// ECR's page size where the request names none.
const DEFAULT: u64 = 100;

/// One page of `items` under `key`, each as `describe` tells it, and a nextToken when there is more.
pub(super) fn page<Item>(
    account: &Account,
    action: &str,
    body: &Value,
    key: &str,
    items: &BTreeMap<String, Item>,
    describe: impl Fn(&str, &Item) -> Value,
) -> Result<Value, ApiError> {
    let wanted = match &body["maxResults"] {
        Value::Null => DEFAULT,
        number => number
            .as_u64()
            .filter(|number| (1..=1000).contains(number))
            .ok_or_else(|| {
                ApiError::invalid(
                    "Invalid parameter at 'maxResults' failed to satisfy constraint: \
                     'must be between 1 and 1000'",
                )
            })?,
    };
    let size = usize::try_from(wanted).unwrap_or(usize::MAX);
    let size = size.min(account.limits.page_size).max(1);
    let call = call(action, body);
    let begin = match body["nextToken"].as_str() {
        None => Bound::Unbounded,
        Some(token) => {
            let last = account.page_tokens.read(&call, token);
            let text = "Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid token'";
            Bound::Excluded(last.ok_or_else(|| ApiError::invalid(text))?)
        }
    };
    let mut rest = items.range((begin, Bound::Unbounded));
    let page: Vec<(&String, &Item)> = rest.by_ref().take(size).collect();
    let values: Vec<Value> = page.iter().map(|(name, item)| describe(name, item)).collect();
    let mut answer = json!({key: values});
    if let (Some((last, _)), Some(_)) = (page.last(), rest.next()) {
        answer["nextToken"] = json!(account.page_tokens.issue(&call, last));
    }
    Ok(answer)
}

/// A token goes on only in the call it came from: same action, same question. The page's
/// size may change.
fn call(action: &str, body: &Value) -> String {
    let mut question = body.clone();
    if let Some(question) = question.as_object_mut() {
        question.retain(|key, value| !value.is_null() && key != "nextToken" && key != "maxResults");
    }
    format!("{action} {question}")
}
