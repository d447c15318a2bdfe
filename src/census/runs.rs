//! What one region runs: functions of Lambda with their last run, and services of ECS.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use futures::future::join;
use futures::stream::iter;

use super::held::{Read, listed, some_at_once};
use super::trouble::{Notes, unless_stopped};
use crate::aws::Login;
use crate::aws::functions::{FunctionImage, Functions, ListedFunction};
use crate::aws::logs::{LastEvent, Logs};
use crate::aws::services::{DefinedContainer, DescribedService, Services};
use crate::stop::Stop;
use crate::usage::{Container, EcsService, Failed, FailureKind, FoundFunction, Function, LastRun, RanImage, Service};

/// Questions about functions at once; how often one begins, quotas say.
const AT_ONCE: usize = 32;

/// All functions whose package is an image, with their images and last runs.
pub(super) async fn functions(login: &Login, region: &str, stop: &Stop) -> Read<FoundFunction> {
    let (lambda, logs) = (Functions::of(login, region), Logs::of(login, region));
    let mut notes = Notes::default();
    let (all, is_answered) = listed(stop, Service::Lambda, &mut notes, lambda.list()).await;
    let is_all_listed = notes.failures.is_empty();
    let all: Vec<ListedFunction> = all.into_iter().filter(ListedFunction::is_image).collect();
    let (images, last_runs) = join(images(&lambda, &all, stop), last_runs(&logs, &all, stop)).await;
    let mut functions = Vec::new();
    let mut knows_all = is_all_listed;
    for (listed, image) in all.into_iter().zip(images) {
        let image = match image {
            Ok(image) => image,
            Err(failed) => {
                let has_gone = failed.kind == FailureKind::NotFound;
                notes.push(failed);
                // What is not there any more runs nothing.
                if has_gone {
                    continue;
                }
                FunctionImage::default()
            }
        };
        knows_all &= image.image_uri.is_some();
        let last_run = last_runs
            .get(&listed.log_group())
            .map_or(LastRun::Failed, |(run, _)| *run);
        functions.push(found(&listed, image, last_run));
    }
    let mut read = Read::new(functions, notes, is_answered);
    read.knows_all = knows_all;
    // That a last run is not known says nothing about who is there.
    let of_logs = last_runs.into_values().filter_map(|(_, failed)| failed);
    of_logs.for_each(|failed| read.notes.push(failed));
    read
}

pub(super) async fn images(
    lambda: &Functions,
    all: &[ListedFunction],
    stop: &Stop,
) -> Vec<Result<FunctionImage, Failed>> {
    let asked = all.iter().map(|function| async move {
        let image = unless_stopped(stop, Service::Lambda, lambda.image(function)).await;
        image.map_err(|failed| Failed {
            subject: Some(function.function_name.clone()),
            ..failed
        })
    });
    iter(asked).buffered(AT_ONCE).collect().await
}

/// By log group, which several functions may share, and all versions of one do.
async fn last_runs(logs: &Logs, all: &[ListedFunction], stop: &Stop) -> BTreeMap<String, (LastRun, Option<Failed>)> {
    let groups: BTreeSet<String> = all.iter().map(ListedFunction::log_group).collect();
    let asked = groups.into_iter().map(|group| async move {
        let run = match unless_stopped(stop, Service::Logs, logs.last_event(&group)).await {
            Ok(LastEvent::At(at)) => (LastRun::Ran { at }, None),
            Ok(LastEvent::NoStreams) => (LastRun::NoStreams, None),
            Ok(LastEvent::NoGroup) => (LastRun::NoLogGroup, None),
            Err(failed) => {
                let run = match failed.kind {
                    FailureKind::NotAllowed => LastRun::NotAllowed,
                    _ => LastRun::Failed,
                };
                let subject = Some(group.clone());
                (run, Some(Failed { subject, ..failed }))
            }
        };
        (group, run)
    });
    iter(asked).buffered(AT_ONCE).collect().await
}

fn found(listed: &ListedFunction, image: FunctionImage, last_run: LastRun) -> FoundFunction {
    FoundFunction {
        resolved: image.resolved_image_uri,
        function: Function {
            function_name: listed.function_name.clone(),
            memory_size: listed.memory_size,
            last_modified: listed.modified(),
            package_type: "Image".to_owned(),
            image_uri: image.image_uri,
            description: listed.description.clone().unwrap_or_default(),
            log_group_name: listed.log_group(),
            arn: listed.arn().to_owned(),
            version: listed.version.clone(),
            image: RanImage::Unknown,
            last_run,
        },
    }
}

/// All services, and what the task definitions that are deployed consist of.
pub(super) struct Described {
    pub(super) services: Vec<DescribedService>,
    pub(super) definitions: BTreeMap<String, Vec<DefinedContainer>>,
    pub(super) notes: Notes,
    pub(super) is_answered: bool,
}

impl Described {
    pub(super) async fn of(ecs: &Services, stop: &Stop) -> Self {
        let mut notes = Notes::default();
        let (clusters, is_answered) = listed(stop, Service::Ecs, &mut notes, ecs.clusters()).await;
        let of_clusters = clusters.iter().map(|cluster| async {
            let mut notes = Notes::default();
            let (services, _) = listed(stop, Service::Ecs, &mut notes, ecs.of_cluster(cluster)).await;
            for failed in &mut notes.failures {
                failed.subject = Some(cluster.clone());
            }
            (services, notes.failures)
        });
        let mut services: Vec<DescribedService> = Vec::new();
        for (some, failures) in some_at_once(of_clusters).await {
            services.extend(some);
            failures.into_iter().for_each(|failed| notes.push(failed));
        }
        let definitions = definitions(ecs, &services, stop, &mut notes).await;
        Self {
            services,
            definitions,
            notes,
            is_answered,
        }
    }

    /// Each service with the containers of the tasks that it runs.
    pub(super) fn running(&self) -> impl Iterator<Item = EcsService> {
        self.services.iter().flat_map(|service| {
            let definitions = service
                .task_definitions()
                .filter_map(|arn| Some((arn, self.definitions.get(arn)?)));
            definitions.map(|(arn, containers)| running(service, arn, containers))
        })
    }
}

/// All services, with the containers of the tasks that they run.
pub(super) async fn services(login: &Login, region: &str, stop: &Stop) -> Read<EcsService> {
    let described = Described::of(&Services::of(login, region), stop).await;
    Read::new(described.running().collect(), described.notes, described.is_answered)
}

/// What each revision that runs consists of.
async fn definitions(
    ecs: &Services,
    all: &[DescribedService],
    stop: &Stop,
    notes: &mut Notes,
) -> BTreeMap<String, Vec<DefinedContainer>> {
    let arns: BTreeSet<&str> = all.iter().flat_map(DescribedService::task_definitions).collect();
    let asked = arns.into_iter().map(|arn| async move {
        let containers = unless_stopped(stop, Service::Ecs, ecs.containers(arn)).await;
        let subject = Some(arn.to_owned());
        (arn, containers.map_err(|failed| Failed { subject, ..failed }))
    });
    let mut definitions = BTreeMap::new();
    for (arn, containers) in some_at_once(asked).await {
        match containers {
            Ok(containers) => drop(definitions.insert(arn.to_owned(), containers)),
            Err(failed) => notes.push(failed),
        }
    }
    definitions
}

fn running(service: &DescribedService, task_definition: &str, containers: &[DefinedContainer]) -> EcsService {
    let containers = containers.iter().map(|container| Container {
        container: container.name.clone(),
        image_uri: container.image.clone(),
        image: RanImage::Unknown,
    });
    EcsService {
        service: service.service_name.clone(),
        cluster: service.cluster().to_owned(),
        arn: service.service_arn.clone(),
        task_definition: task_definition.to_owned(),
        running: service.running_count,
        desired: service.desired_count,
        containers: containers.collect(),
    }
}
