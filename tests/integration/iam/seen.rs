//! What the lab saw, as IAM names it.

use std::collections::BTreeSet;

use ecr_lab::{AwsCall, Logged, S3};

use crate::support::World;

/// An action, and that it is on dead letters, where it is: it is no right at the queue that they come from.
pub fn on(action: &str, resource: &str) -> String {
    match resource.ends_with("-dead") {
        true => format!("{action} on dead letters"),
        false => action.to_owned(),
    }
}

/// Actions that AWS asks IAM about.
pub struct Seen {
    pub actions: BTreeSet<String>,
}

impl Seen {
    /// At ECR's API and its registry, and what the lab has beside these, in all regions, since the world forgot its requests.
    pub fn of(world: &World) -> Self {
        let mut actions = BTreeSet::new();
        for request in world.lab.regions().iter().flat_map(|region| region.api_requests()) {
            // Service Authorization Reference, Amazon ECR: CreateRepository depends on it where there are tags.
            if request.action == "CreateRepository" && request.body["tags"].is_array() {
                actions.insert("ecr:TagResource".to_owned());
            }
            actions.insert(format!("{}:{}", service(&request.action), request.action));
        }
        let registry = world.lab.ecr().front().requests();
        actions.extend(registry.iter().flat_map(at_the_registry).map(str::to_owned));
        Self { actions }
    }

    /// And at the services that moto stands in for, since it began to record.
    pub async fn with(world: &World, aws: &S3) -> Self {
        let mut seen = Self::of(world);
        let calls = aws.recorded().await.expect("moto's recording");
        seen.actions.extend(calls.iter().map(action));
        seen
    }

    /// One that no request tells, but that AWS looks at for another one.
    pub fn and(mut self, action: &str, with: &str) -> Self {
        if self.actions.contains(with) {
            self.actions.insert(action.to_owned());
        }
        self
    }
}

/// Whose an action is: the lab has several services at one place.
fn service(action: &str) -> &'static str {
    match action {
        "ListRegions" => "account",
        "ListFunctions" | "GetFunction" => "lambda",
        "DescribeLogStreams" => "logs",
        "ListClusters" | "ListServices" | "DescribeServices" | "DescribeTaskDefinition" => "ecs",
        "ListTasks" | "DescribeTasks" | "DescribeServiceRevisions" => "ecs",
        _ => "ecr",
    }
}

/// Amazon ECR User Guide, "IAM permissions for pushing an image", and the API reference's word on who calls which of these.
fn at_the_registry(request: &Logged) -> Vec<&'static str> {
    let (path, query) = (request.path.as_str(), request.query.as_str());
    match request.method.as_str() {
        "GET" if path == "/v2/" => vec![],
        "GET" if path.ends_with("/tags/list") => vec!["ecr:ListImages"],
        "GET" | "HEAD" if path.contains("/manifests/") => vec!["ecr:BatchGetImage"],
        // Amazon ECR API Reference, ListImageReferrers: "must have the ecr:BatchGetImage permission".
        "GET" if path.contains("/referrers/") => vec!["ecr:BatchGetImage"],
        "PUT" if path.contains("/manifests/") => vec!["ecr:PutImage"],
        // A mount reads the blob where it is.
        "POST" if query.contains("mount=") => vec!["ecr:InitiateLayerUpload", "ecr:GetDownloadUrlForLayer"],
        "POST" if path.contains("/blobs/uploads") => vec!["ecr:InitiateLayerUpload"],
        "PATCH" if path.contains("/blobs/uploads") => vec!["ecr:UploadLayerPart"],
        "PUT" if path.contains("/blobs/uploads") && request.bytes_in == 0 => vec!["ecr:CompleteLayerUpload"],
        "PUT" if path.contains("/blobs/uploads") => vec!["ecr:UploadLayerPart", "ecr:CompleteLayerUpload"],
        "HEAD" if path.contains("/blobs/") => vec!["ecr:BatchCheckLayerAvailability"],
        "GET" if path.contains("/blobs/") => vec!["ecr:GetDownloadUrlForLayer"],
        method => panic!("which action is {method} {path}?"),
    }
}

/// Operations whose action has another name (Service Authorization Reference, Amazon SQS and Amazon S3).
fn action(call: &AwsCall) -> String {
    let name = match (call.service.as_str(), call.operation.as_str()) {
        ("sqs", "SendMessageBatch") => "SendMessage",
        ("sqs", "DeleteMessageBatch") => "DeleteMessage",
        ("s3", "ListObjectsV2") => "ListBucket",
        (_, same) => same,
    };
    let queue = call.queue.as_deref().unwrap_or_default();
    on(&format!("{}:{name}", call.service), queue)
}
