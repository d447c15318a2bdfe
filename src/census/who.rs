//! Who runs which images, without a word on what registries hold.

use futures::future::join_all;

use super::accounts::{Account, open_all};
use super::deployed::Revisions;
use super::held::{listed, some_at_once};
use super::runs::Described;
use super::trouble::Notes;
use super::{CensusOptions, region_names, runs};
use crate::aws::account::usual_regions;
use crate::aws::functions::{Functions, ListedFunction};
use crate::aws::services::{RunningTask, Services};
use crate::aws::{AwsOptions, Login};
use crate::stop::Stop;
use crate::usage::{Answered, FailureKind, Run, Runner, Service, Unresolved, WhoRuns};

/// Asks all who can be asked, whatever `options` includes: before something goes, it has to be nobody's.
pub async fn everybody_who_runs(aws: &AwsOptions, options: &CensusOptions, stop: &Stop) -> WhoRuns {
    let everybody = CensusOptions {
        include: vec![Runner::Lambda, Runner::Ecs],
        ..options.clone()
    };
    who_runs(aws, &everybody, stop).await
}

/// Asks functions, and services and tasks, of all accounts and regions at once, those of them that `options` includes.
pub async fn who_runs(aws: &AwsOptions, options: &CensusOptions, stop: &Stop) -> WhoRuns {
    let mut notes = Notes::default();
    let accounts = open_all(aws, options, stop, &mut notes).await;
    let mut who = WhoRuns::default();
    for one in join_all(accounts.iter().map(|account| of_account(account, options, stop))).await {
        who.runs.extend(one.runs);
        who.unresolved.extend(one.unresolved);
        who.answered.extend(one.answered);
        who.closed.extend(one.closed);
        notes.extend(one.failures);
    }
    who.failures = notes.failures;
    who
}

async fn of_account(account: &Account, options: &CensusOptions, stop: &Stop) -> WhoRuns {
    let mut who = WhoRuns::default();
    let id = account.id().map(str::to_owned);
    let name = || {
        let of_id = id.as_ref().map(|id| format!("account {id}"));
        of_id
            .or_else(|| account.role.clone())
            .unwrap_or_else(|| "the own account".to_owned())
    };
    let login = match &account.login {
        Ok(login) if !account.is_closed => login,
        _ => {
            who.closed.push(name());
            return who;
        }
    };
    let mut notes = Notes::default();
    let names = match region_names(login, options, stop).await {
        Ok(names) => names,
        Err(failed) => {
            who.closed.push(name());
            notes.push(failed);
            usual_regions(login.region())
        }
    };
    let asked = names.iter().map(|region| of_region(login, region, options, stop));
    for (mut one, mut failures) in join_all(asked).await {
        for failed in &mut failures.failures {
            failed.region = one.answered.first().map(|answered| answered.region.clone());
        }
        for answered in &mut one.answered {
            answered.account.clone_from(&id);
        }
        who.runs.extend(one.runs);
        who.unresolved.extend(one.unresolved);
        who.answered.extend(one.answered);
        notes.extend(failures.failures);
    }
    for failed in &mut notes.failures {
        failed.account.clone_from(&id);
    }
    who.failures = notes.failures;
    who
}

async fn of_region(login: &Login, region: &str, options: &CensusOptions, stop: &Stop) -> (WhoRuns, Notes) {
    let functions = async {
        match options.include.contains(&Runner::Lambda) {
            true => functions(login, region, stop).await,
            false => Seen::nobody(),
        }
    };
    let services = async {
        match options.include.contains(&Runner::Ecs) {
            true => services(login, region, stop).await,
            false => Seen::nobody(),
        }
    };
    let (functions, services) = tokio::join!(functions, services);
    let mut notes = functions.notes;
    notes.extend(services.notes.failures);
    let who = WhoRuns {
        runs: functions.runs.into_iter().chain(services.runs).collect(),
        unresolved: services.unresolved,
        answered: vec![Answered {
            account: None,
            region: region.to_owned(),
            functions: functions.knows_all,
            services: services.knows_all,
        }],
        ..WhoRuns::default()
    };
    (who, notes)
}

/// What one service of one region said.
struct Seen {
    runs: Vec<Run>,
    unresolved: Vec<Unresolved>,
    /// Whether that is all.
    knows_all: bool,
    notes: Notes,
}

impl Seen {
    /// Of those who were not to be asked.
    fn nobody() -> Self {
        Self {
            runs: Vec::new(),
            unresolved: Vec::new(),
            knows_all: true,
            notes: Notes::default(),
        }
    }
}

async fn functions(login: &Login, region: &str, stop: &Stop) -> Seen {
    let lambda = Functions::of(login, region);
    let mut notes = Notes::default();
    let (all, _) = listed(stop, Service::Lambda, &mut notes, lambda.list()).await;
    let mut knows_all = notes.failures.is_empty();
    let all: Vec<ListedFunction> = all.into_iter().filter(ListedFunction::is_image).collect();
    let images = runs::images(&lambda, &all, stop).await;
    let mut seen = Vec::new();
    for (function, image) in all.iter().zip(images) {
        match image.map(|image| (image.image_uri, image.resolved_image_uri)) {
            Ok((Some(address), resolved)) => seen.push(Run {
                by: function.arn().to_owned(),
                address,
                digest: resolved.and_then(|address| address.rsplit_once('@').map(|(_, digest)| digest.to_owned())),
            }),
            Ok((None, _)) => knows_all = false,
            // What is not there any more runs nothing.
            Err(failed) if failed.kind == FailureKind::NotFound => {}
            Err(failed) => {
                knows_all = false;
                notes.push(failed);
            }
        }
    }
    Seen {
        runs: seen,
        unresolved: Vec::new(),
        knows_all,
        notes,
    }
}

/// Services, by the tags of their task definitions, by the digests that they go on with, and their tasks.
async fn services(login: &Login, region: &str, stop: &Stop) -> Seen {
    let ecs = Services::of(login, region);
    let described = Described::of(&ecs, stop).await;
    let revisions = Revisions::of(&ecs, &described.services, stop).await;
    let (tasks, of_tasks) = tasks(&ecs, stop).await;
    let by_tag = described.running().flat_map(|service| {
        let containers = service.containers.into_iter();
        let runs = containers.map(move |container| Run {
            by: service.arn.clone(),
            address: container.image_uri,
            digest: None,
        });
        runs.collect::<Vec<_>>()
    });
    let by_task = tasks.iter().flat_map(|task| {
        let containers = task.containers.iter();
        containers.map(|container| Run {
            by: task.task_definition_arn.clone(),
            address: container.image.clone(),
            digest: container.image_digest.clone(),
        })
    });
    let mut runs: Vec<Run> = by_tag.collect();
    for run in revisions.runs(&described.services).into_iter().chain(by_task) {
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    let unresolved = revisions.unresolved(&described, &tasks);
    let mut notes = described.notes;
    notes.extend(of_tasks.failures);
    Seen {
        runs,
        unresolved,
        knows_all: notes.failures.is_empty(),
        notes,
    }
}

/// All tasks that run, of services and by themselves.
async fn tasks(ecs: &Services, stop: &Stop) -> (Vec<RunningTask>, Notes) {
    // Why clusters cannot be listed is told of services already, unless it came since.
    let mut notes = Notes::default();
    let (clusters, _) = listed(stop, Service::Ecs, &mut notes, ecs.clusters()).await;
    let of_clusters = clusters.iter().map(|cluster| async {
        let mut notes = Notes::default();
        let (tasks, _) = listed(stop, Service::Ecs, &mut notes, ecs.tasks(cluster)).await;
        for failed in &mut notes.failures {
            failed.subject = Some(cluster.clone());
        }
        (tasks, notes.failures)
    });
    let mut all = Vec::new();
    for (tasks, failures) in some_at_once(of_clusters).await {
        all.extend(tasks);
        failures.into_iter().for_each(|failed| notes.push(failed));
    }
    (all, notes)
}
