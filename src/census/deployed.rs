//! With which images services of ECS go on, whatever their tags name by now.
//!
//! A service goes on with the digest that a tag named when it was deployed (Amazon ECS Developer Guide, "Container image resolution"). Its revisions tell which;
//! where they do not, the tasks that a deployment began.

use std::collections::BTreeSet;

use super::held::listed;
use super::runs::Described;
use super::trouble::Notes;
use crate::aws::services::{DescribedService, RunningContainer, RunningTask, ServiceRevision, Services};
use crate::stop::Stop;
use crate::usage::{Failed, Run, Service, Unresolved};

/// What ECS keeps of the revisions of services, and why that is not all.
pub(super) struct Revisions {
    all: Vec<ServiceRevision>,
    failed: Option<Failed>,
}

impl Revisions {
    pub(super) async fn of(ecs: &Services, services: &[DescribedService], stop: &Stop) -> Self {
        let arns: BTreeSet<&str> = services.iter().flat_map(DescribedService::revisions).collect();
        let arns: Vec<&str> = arns.into_iter().collect();
        let mut notes = Notes::default();
        let (all, _) = listed(stop, Service::Ecs, &mut notes, ecs.revisions(&arns)).await;
        Self {
            all,
            failed: notes.failures.into_iter().next(),
        }
    }

    /// Those of a service; none where one of them is not known.
    fn of_service(&self, service: &DescribedService) -> Vec<&ServiceRevision> {
        let find = |arn: &str| self.all.iter().find(|one| one.service_revision_arn == arn);
        let all: Option<Vec<&ServiceRevision>> = service.revisions().map(find).collect();
        all.unwrap_or_default()
    }

    /// Images of services, by their digests.
    pub(super) fn runs(&self, services: &[DescribedService]) -> Vec<Run> {
        let known = services
            .iter()
            .flat_map(|service| self.of_service(service).into_iter().map(move |one| (service, one)));
        let runs = known.flat_map(|(service, revision)| {
            let resolved = revision
                .container_images
                .iter()
                .filter(|one| one.image_digest.is_some());
            resolved.map(|one| Run {
                by: service.service_arn.clone(),
                address: one.image.clone(),
                digest: one.image_digest.clone(),
            })
        });
        runs.collect()
    }

    /// Images of services of which neither a revision nor a task tells the digest.
    pub(super) fn unresolved(&self, described: &Described, tasks: &[RunningTask]) -> Vec<Unresolved> {
        let mut all = Vec::new();
        for service in &described.services {
            let revisions = self.of_service(service);
            for definition in service.task_definitions() {
                let containers = described.definitions.get(definition).into_iter().flatten();
                let resolved = containers.filter(|one| one.is_resolved());
                let unknown = resolved.filter(|one| {
                    let image = one.image.as_str();
                    !is_in_revision(image, definition, &revisions) && !is_in_tasks(image, definition, service, tasks)
                });
                all.extend(unknown.map(|one| Unresolved {
                    by: service.service_arn.clone(),
                    address: one.image.clone(),
                    failed: self.failed.clone().filter(|_| service.revisions().next().is_some()),
                }));
            }
        }
        all
    }
}

fn is_in_revision(image: &str, definition: &str, revisions: &[&ServiceRevision]) -> bool {
    let mut own = revisions.iter().filter(|one| one.task_definition == definition);
    own.any(|one| tells(&one.container_images, image))
}

/// Whether each deployment of a revision of a task definition has begun a task by which it is known.
fn is_in_tasks(image: &str, definition: &str, service: &DescribedService, tasks: &[RunningTask]) -> bool {
    let mut own = service
        .deployed()
        .filter(|one| one.task_definition.as_deref() == Some(definition))
        .peekable();
    let has_begun = |id: &str| {
        let mut begun = tasks.iter().filter(|task| task.started_by.as_deref() == Some(id));
        begun.any(|task| tells(&task.containers, image))
    };
    own.peek().is_some() && own.all(|one| has_begun(&one.id))
}

fn tells(containers: &[RunningContainer], image: &str) -> bool {
    let mut own = containers.iter().filter(|one| one.image == image);
    own.any(|one| one.image_digest.is_some())
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    const IMAGE: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/api:v1";

    fn read<T: DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    /// A service without tasks, deployed as `web:7` with `revision`, whose container has these settings beside its image.
    fn described(revision: Option<&str>, container: Value) -> Described {
        let mut container = container;
        container["image"] = container.get("image").cloned().unwrap_or(IMAGE.into());
        Described {
            services: vec![read(json!({
                "serviceName": "web",
                "serviceArn": "arn:web",
                "taskDefinition": "web:7",
                "deployments": [{"id": "ecs-svc/1", "taskDefinition": "web:7"}],
                "currentServiceRevisions": revision.map(|arn| json!({"arn": arn})).into_iter().collect::<Vec<_>>(),
            }))],
            definitions: [("web:7".to_owned(), vec![read(container)])].into(),
            notes: Notes::default(),
            is_answered: true,
        }
    }

    fn revisions(digest: Option<&str>) -> Revisions {
        let all = json!([{"serviceRevisionArn": "arn:1", "taskDefinition": "web:7", "containerImages": [{"image": IMAGE, "imageDigest": digest}]}]);
        Revisions {
            all: read(all),
            failed: None,
        }
    }

    #[test]
    fn a_service_goes_on_with_the_digest_of_its_revision() {
        let web = described(Some("arn:1"), json!({}));
        let told = revisions(Some("sha256:a"));
        let run = Run {
            by: "arn:web".to_owned(),
            address: IMAGE.to_owned(),
            digest: Some("sha256:a".to_owned()),
        };
        assert_eq!(told.runs(&web.services), [run]);
        assert!(told.unresolved(&web, &[]).is_empty());
    }

    #[test]
    fn where_no_revision_tells_it_a_task_of_the_same_deployment_does() {
        let task = |by: &str, digest: Option<&str>| -> Vec<RunningTask> {
            read(json!([{"startedBy": by, "containers": [{"image": IMAGE, "imageDigest": digest}]}]))
        };
        // One from before there were revisions, one that ECS does not tell of, and one that has no digest yet.
        for (web, told) in [
            (described(None, json!({})), revisions(Some("sha256:a"))),
            (described(Some("arn:2"), json!({})), revisions(Some("sha256:a"))),
            (described(Some("arn:1"), json!({})), revisions(None)),
        ] {
            assert_eq!(told.unresolved(&web, &[]).len(), 1);
            assert_eq!(told.unresolved(&web, &task("ecs-svc/0", Some("sha256:a"))).len(), 1);
            assert_eq!(told.unresolved(&web, &task("ecs-svc/1", None)).len(), 1);
            assert!(told.unresolved(&web, &task("ecs-svc/1", Some("sha256:a"))).is_empty());
        }
    }

    #[test]
    fn what_names_a_digest_or_is_asked_anew_by_each_task_is_known() {
        let pinned = format!("{IMAGE}@sha256:a");
        for container in [json!({"image": pinned}), json!({"versionConsistency": "disabled"})] {
            assert!(revisions(None).unresolved(&described(None, container), &[]).is_empty());
        }
    }
}
