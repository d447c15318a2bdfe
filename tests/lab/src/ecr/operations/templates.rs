//! Actions on repository creation templates.

use serde_json::{Value, json};

use super::super::account::Account;
use super::{Outcome, paging};

pub(super) fn describe(account: &Account, body: &Value) -> Outcome {
    paging::page(
        account,
        "DescribeRepositoryCreationTemplates",
        body,
        "repositoryCreationTemplates",
        &account.templates(),
        |prefix, applied_for| json!({"prefix": prefix, "appliedFor": applied_for}),
    )
}
