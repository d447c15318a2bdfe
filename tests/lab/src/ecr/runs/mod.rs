//! What runs in one account and region: AWS Lambda's functions, their log groups, and Amazon ECS' services, as far as somebody may list them.

mod ecs;
mod lambda;
mod logs;
mod seed;

pub use lambda::LabFunction;

use std::collections::{BTreeMap, BTreeSet};

use hyper::http::request::Parts;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::account::Account;
use super::api_error::ApiError;
use super::operations::Outcome;
use super::signature::Service;

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// By ARN.
    functions: BTreeMap<String, LabFunction>,
    /// The last event of each stream, by group and stream.
    groups: BTreeMap<String, BTreeMap<String, Option<Timestamp>>>,
    /// By cluster and service: the containers of its task definition, with their images.
    clusters: BTreeMap<String, BTreeMap<String, Vec<(String, String)>>>,
    /// By cluster and service: those of the revision before, of which a task still runs.
    older: BTreeMap<(String, String), Vec<(String, String)>>,
    /// By cluster, service and revision: the digest that each image's tag named when that was deployed.
    resolved: BTreeMap<(String, String, u32), BTreeMap<String, String>>,
    /// Services, by cluster, of which ECS keeps no revisions.
    without_revisions: BTreeSet<(String, String)>,
    /// By cluster: the image of each task that runs, and the digest that it was pulled by.
    tasks: BTreeMap<String, Vec<(String, String)>>,
}

/// Calls in a second that are answered (Service Quotas of Lambda and CloudWatch Logs); of ECS, what its buckets get.
pub(crate) fn quota(action: &str) -> Option<f64> {
    match action {
        "GetFunction" => Some(100.0),
        "ListFunctions" => Some(15.0),
        "DescribeLogStreams" => Some(25.0),
        "ListClusters"
        | "ListServices"
        | "DescribeServices"
        | "DescribeServiceRevisions"
        | "DescribeTaskDefinition"
        | "ListTasks"
        | "DescribeTasks" => Some(20.0),
        _ => None,
    }
}

/// What a request asks for: an action, and its input.
pub(crate) fn asked(service: Service, head: &Parts, body: &[u8]) -> (String, Value) {
    match service {
        Service::Lambda => lambda::asked(head),
        Service::Account => (
            "ListRegions".to_owned(),
            serde_json::from_slice(body).unwrap_or_default(),
        ),
        _ => {
            let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
            let action = target.and_then(|target| target.rsplit('.').next()).unwrap_or_default();
            (action.to_owned(), serde_json::from_slice(body).unwrap_or_default())
        }
    }
}

/// Runs an action of an account.
pub(crate) fn run(account: &Account, action: &str, input: &Value) -> Outcome {
    match action {
        "ListFunctions" => lambda::list(account, input),
        "GetFunction" => lambda::get(account, input),
        "DescribeLogStreams" => logs::describe(account, input),
        "ListClusters" => ecs::list_clusters(account, input),
        "ListServices" => ecs::list_services(account, input),
        "DescribeServices" => ecs::describe_services(account, input),
        "DescribeServiceRevisions" => ecs::describe_service_revisions(account, input),
        "DescribeTaskDefinition" => ecs::describe_task_definition(account, input),
        "ListTasks" => ecs::list_tasks(account, input),
        "DescribeTasks" => ecs::describe_tasks(account, input),
        _ => Err(ApiError::new("UnknownOperationException", "")),
    }
}

/// The regions that are enabled for an account.
pub(crate) fn regions<'a>(all: impl Iterator<Item = &'a str>) -> Value {
    let regions: Vec<Value> = all
        .map(|name| json!({"RegionName": name, "RegionOptStatus": "ENABLED_BY_DEFAULT"}))
        .collect();
    json!({"Regions": regions})
}

/// A page of items, each as `describe` tells it, and a token where there is more. `names` are those of the list, and of the token in
/// answer and question.
fn page<Item>(
    account: &Account,
    call: &str,
    input: &Value,
    items: &[Item],
    names: [&str; 3],
    describe: impl Fn(&Item) -> Value,
) -> Result<Value, ApiError> {
    let [list, next, token] = names;
    let begin = match input[token].as_str() {
        None => 0,
        Some(token) => {
            let at = account.page_tokens.read(call, token).and_then(|at| at.parse().ok());
            at.ok_or_else(|| ApiError::new("InvalidParameterValueException", "Invalid token"))?
        }
    };
    let end = items.len().min(begin + account.limits.page_size.clamp(1, 50));
    let page: Vec<Value> = items[begin.min(end)..end].iter().map(describe).collect();
    let mut answer = json!({list: page});
    if end < items.len() {
        answer[next] = account.page_tokens.issue(call, &end.to_string()).into();
    }
    Ok(answer)
}
