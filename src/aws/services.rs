//! Amazon ECS: the services and tasks of one region, and the images that they run.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Api, Protocol, Service};
use super::pace::Pace;
use super::{AwsError, Listing, Login};

const ECS: Service = Service {
    id: "ECS",
    host: "ecs",
    name: "ecs",
    protocol: Protocol::Json {
        version: "1.1",
        target: "AmazonEC2ContainerServiceV20141113",
    },
};

/// Calls in a second. ECS fills its buckets of reads faster (ECS API Reference, "Request throttling").
const CALLS: u32 = 10;

/// The most that a page holds (ECS API Reference, ListClusters, ListServices and ListTasks), and that DescribeServices and DescribeTasks take.
const PAGE: usize = 100;
const SERVICES_PER_CALL: usize = 10;
/// The same of DescribeServiceRevisions.
const REVISIONS_PER_CALL: usize = 20;
const TASKS_PER_CALL: usize = 100;

/// The services of one account in one region.
#[derive(Debug)]
pub struct Services {
    api: Api,
    region: String,
    pace: Pace,
}

/// A service (ECS API Reference, Service).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribedService {
    /// Its name.
    pub service_name: String,
    /// Its ARN.
    pub service_arn: String,
    /// Its cluster's.
    #[serde(default)]
    pub cluster_arn: String,
    /// `ACTIVE`, `DRAINING` or `INACTIVE`.
    pub status: Option<String>,
    /// How many tasks should run.
    #[serde(default)]
    pub desired_count: u64,
    /// How many do.
    #[serde(default)]
    pub running_count: u64,
    /// The revision that should run; none where somebody else deploys.
    pub task_definition: Option<String>,
    #[serde(default)]
    deployments: Vec<Deployment>,
    #[serde(default)]
    task_sets: Vec<Deployment>,
    #[serde(default)]
    current_service_revisions: Vec<CurrentRevision>,
}

/// A revision of a task definition on its way in, or out (ECS API Reference, Deployment and TaskSet).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Tasks that it begins name it as what they were started by.
    #[serde(default)]
    pub id: String,
    /// That revision.
    pub task_definition: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct CurrentRevision {
    arn: Option<String>,
}

/// What a service was deployed with (ECS API Reference, ServiceRevision).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRevision {
    /// Its ARN.
    #[serde(default)]
    pub service_revision_arn: String,
    /// The revision of a task definition.
    #[serde(default)]
    pub task_definition: String,
    /// The images of its containers, and the digests with which it goes on.
    #[serde(default)]
    pub container_images: Vec<RunningContainer>,
}

/// A container of a task.
#[derive(Debug, Clone, Deserialize)]
pub struct DefinedContainer {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its image's address.
    #[serde(default)]
    pub image: String,
    /// `disabled` where each task asks anew what the address names (ECS API Reference, ContainerDefinition).
    #[serde(default, rename = "versionConsistency")]
    version_consistency: Option<String>,
}

/// A task that runs (ECS API Reference, Task).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningTask {
    /// The revision that it is of.
    #[serde(default)]
    pub task_definition_arn: String,
    /// The deployment or task set that began it, or somebody else.
    pub started_by: Option<String>,
    /// What it consists of.
    #[serde(default)]
    pub containers: Vec<RunningContainer>,
}

/// A container of a task that runs, or of a service's revision.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningContainer {
    /// Its image's address.
    #[serde(default)]
    pub image: String,
    /// The digest that this named when the task, or its service, was deployed; none before it was pulled.
    pub image_digest: Option<String>,
}

/// What could not be described (ECS API Reference, Failure).
#[derive(Debug, Clone, Default, Deserialize)]
struct Undescribed {
    arn: Option<String>,
    reason: Option<String>,
}

/// What is not there any more (ECS Developer Guide, "API failure reasons") runs nothing; anything else is not known.
fn unknown(call: &'static str, on: String, failures: &[Undescribed]) -> Option<AwsError> {
    let is_gone = |one: &&Undescribed| one.reason.as_deref() == Some("MISSING");
    let one = failures.iter().find(|one| !is_gone(one))?;
    let arn = one.arn.as_deref().unwrap_or("something that is not named");
    let why = one.reason.as_deref().unwrap_or("no reason");
    Some(AwsError::odd_answer(
        call,
        on,
        format!("{arn} was not described: {why}"),
    ))
}

impl DefinedContainer {
    /// Whether its service goes on with the digest that its tag named when that was deployed (ECS Developer Guide, "Container image resolution").
    pub fn is_resolved(&self) -> bool {
        self.version_consistency.as_deref() != Some("disabled") && !self.image.contains('@')
    }
}

impl DescribedService {
    /// The revisions of task definitions that run, should, or will again: one without tasks is scaled to none, about to start, or what a failed
    /// deployment goes back to.
    pub fn task_definitions(&self) -> impl Iterator<Item = &str> {
        let deployed = self.deployed().filter_map(|one| one.task_definition.as_deref());
        let mut all: Vec<&str> = self.task_definition.as_deref().into_iter().chain(deployed).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter()
    }

    /// Its deployments and task sets.
    pub fn deployed(&self) -> impl Iterator<Item = &Deployment> {
        self.deployments.iter().chain(&self.task_sets)
    }

    /// The ARNs of its revisions; none where it was deployed before ECS kept any (25 October 2024).
    pub fn revisions(&self) -> impl Iterator<Item = &str> {
        let all = self.current_service_revisions.iter();
        all.filter_map(|one| one.arn.as_deref())
    }

    /// The name at the end of its cluster's ARN.
    pub fn cluster(&self) -> &str {
        self.cluster_arn.rsplit('/').next().unwrap_or_default()
    }
}

impl Services {
    /// Those of an account.
    pub fn of(login: &Login, region: &str) -> Self {
        Self {
            api: Api::new(&login.at(region), ECS),
            region: region.to_owned(),
            pace: Pace::per_second(CALLS),
        }
    }

    /// The ARNs of all clusters.
    pub async fn clusters(&self) -> Listing<String> {
        self.arns("ListClusters", "clusterArns", &json!({}), format!("in {}", self.region))
            .await
    }

    /// The services of a cluster that are there to stay.
    pub async fn of_cluster(&self, cluster: &str) -> Listing<DescribedService> {
        let on = || format!("of {cluster}");
        let arns = self
            .arns("ListServices", "serviceArns", &json!({"cluster": cluster}), on())
            .await;
        let mut listing = Listing {
            items: Vec::new(),
            is_answered: arns.is_answered,
            failed: arns.failed,
        };
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            services: Vec<DescribedService>,
            #[serde(default)]
            failures: Vec<Undescribed>,
        }
        for some in arns.items.chunks(SERVICES_PER_CALL) {
            self.pace.turn().await;
            let input = json!({"cluster": cluster, "services": some});
            let page: Page = match self.api.call("DescribeServices", on(), &input).await {
                Ok(page) => page,
                Err(error) => return listing.ended(error),
            };
            let active = page
                .services
                .into_iter()
                .filter(|one| one.status.as_deref() != Some("INACTIVE"));
            listing.page(active);
            if let Some(error) = unknown("DescribeServices", on(), &page.failures) {
                listing.failed.get_or_insert(error);
            }
        }
        listing
    }

    /// What services were deployed with, of those revisions that ECS knows.
    pub async fn revisions(&self, arns: &[&str]) -> Listing<ServiceRevision> {
        let on = || format!("in {}", self.region);
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            #[serde(default)]
            service_revisions: Vec<ServiceRevision>,
        }
        let mut listing = Listing::default();
        for some in arns.chunks(REVISIONS_PER_CALL) {
            self.pace.turn().await;
            let input = json!({"serviceRevisionArns": some});
            match self.api.call::<Page>("DescribeServiceRevisions", on(), &input).await {
                Ok(page) => listing.page(page.service_revisions),
                Err(error) => return listing.ended(error),
            }
        }
        listing
    }

    /// The tasks of a cluster that run, or are about to, of services and by themselves.
    pub async fn tasks(&self, cluster: &str) -> Listing<RunningTask> {
        let on = || format!("of {cluster}");
        let arns = self
            .arns("ListTasks", "taskArns", &json!({"cluster": cluster}), on())
            .await;
        let mut listing = Listing {
            items: Vec::new(),
            is_answered: arns.is_answered,
            failed: arns.failed,
        };
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tasks: Vec<RunningTask>,
            #[serde(default)]
            failures: Vec<Undescribed>,
        }
        for some in arns.items.chunks(TASKS_PER_CALL) {
            self.pace.turn().await;
            let input = json!({"cluster": cluster, "tasks": some});
            match self.api.call::<Page>("DescribeTasks", on(), &input).await {
                Ok(page) => {
                    listing.items.extend(page.tasks);
                    if let Some(error) = unknown("DescribeTasks", on(), &page.failures) {
                        listing.failed.get_or_insert(error);
                    }
                }
                Err(error) => return listing.ended(error),
            }
        }
        listing
    }

    /// The containers of a revision of a task definition.
    pub async fn containers(&self, task_definition: &str) -> Result<Vec<DefinedContainer>, AwsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            task_definition: Definition,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Definition {
            #[serde(default)]
            container_definitions: Vec<DefinedContainer>,
        }
        self.pace.turn().await;
        let input = json!({"taskDefinition": task_definition});
        let on = format!("of {task_definition}");
        let answer: Answer = self.api.call("DescribeTaskDefinition", on, &input).await?;
        Ok(answer.task_definition.container_definitions)
    }

    async fn arns(&self, action: &'static str, key: &str, input: &Value, on: String) -> Listing<String> {
        let mut listing = Listing::default();
        let mut token = None;
        loop {
            let mut input = input.clone();
            input["maxResults"] = PAGE.into();
            if let Some(token) = token.take() {
                input["nextToken"] = token;
            }
            self.pace.turn().await;
            let mut page: BTreeMap<String, Value> = match self.api.call(action, &on, &input).await {
                Ok(page) => page,
                Err(error) => return listing.ended(error),
            };
            let arns = page.remove(key);
            let arns = arns.as_ref().and_then(Value::as_array).into_iter().flatten();
            listing.page(arns.filter_map(Value::as_str).map(str::to_owned));
            token = page
                .remove("nextToken")
                .filter(|token| token.as_str().is_some_and(|token| !token.is_empty()));
            if token.is_none() {
                return listing;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_described_is_not_known_unless_it_has_gone() {
        let failure = |reason: &str| Undescribed {
            arn: Some("arn:aws:ecs:eu-central-1:123456789012:service/shop/web".to_owned()),
            reason: Some(reason.to_owned()),
        };
        let unknown = |failures: &[Undescribed]| super::unknown("DescribeServices", "of shop".to_owned(), failures);
        assert!(unknown(&[failure("MISSING")]).is_none());
        let told = unknown(&[failure("MISSING"), failure("ACCESS_DENIED")]).unwrap();
        assert!(told.to_string().contains("ACCESS_DENIED"), "{told}");
    }

    #[test]
    fn a_service_is_of_each_revision_that_is_deployed_with_tasks_or_without() {
        // ECS API Reference, Service: with CODE_DEPLOY the revisions stand at the task sets.
        let service: DescribedService = serde_json::from_value(json!({
            "serviceName": "web",
            "serviceArn": "arn:aws:ecs:eu-central-1:123456789012:service/shop/web",
            "desiredCount": 0,
            "taskSets": [{"taskDefinition": "web:2", "runningCount": 0}, {"taskDefinition": "web:1", "runningCount": 0}],
            "deployments": [{"taskDefinition": "web:3", "pendingCount": 1, "runningCount": 0}],
        }))
        .unwrap();
        let all: Vec<&str> = service.task_definitions().collect();
        assert_eq!(all, ["web:1", "web:2", "web:3"]);
    }
}
