//! Asks accounts and regions what they hold and what they run, all at once. What cannot be read is told beside what can.

mod accounts;
mod deployed;
mod held;
mod layers;
mod runs;
mod trouble;
mod who;

use std::collections::BTreeMap;

use futures::future::join_all;

pub use who::{everybody_who_runs, who_runs};

use self::accounts::Account;
use self::trouble::Notes;
use crate::aws::account::{regions, registry_host, usual_regions};
use crate::aws::{AwsOptions, Login};
use crate::stop::Stop;
use crate::usage::{Answer, Asked, Failed, Found, FoundAccount, FoundRegion, Joined, Runner, Service, Terms};

/// What is asked of whom.
#[derive(Debug, Clone)]
pub struct CensusOptions {
    /// Roles of other accounts.
    pub role_arns: Vec<String>,
    /// Which regions; none for all that an account has.
    pub regions: Option<Vec<String>>,
    /// Who is asked what runs.
    pub include: Vec<Runner>,
    /// Whose manifests are read, to count each layer once.
    pub layers: Layers,
    /// Names of accounts, by their numbers.
    pub names: BTreeMap<String, String>,
    /// The e-mail address of our own account.
    pub email: Option<String>,
}

/// Whose manifests are read. ECR takes that for a pull of each image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layers {
    /// Nobody's.
    Unread,
    /// Of repositories that could go.
    OfCandidates,
    /// Of all.
    OfAll,
}

/// Asks everybody, and joins what they say.
pub async fn census(aws: &AwsOptions, options: &CensusOptions, terms: Terms, stop: &Stop) -> Joined {
    let mut notes = Notes::default();
    let accounts = accounts::open_all(aws, options, stop, &mut notes).await;
    let read = accounts.iter().map(|account| read_account(account, options, stop));
    let mut found = Found::default();
    for (account, failures) in join_all(read).await {
        found.accounts.push(account);
        notes.extend(failures);
    }
    found.failures = notes.failures;
    let mut joined = Joined::of(found, terms);
    let wanted = layers::wanted(&joined, options.layers);
    if !wanted.is_empty() {
        let (contents, failures) = layers::contents(&accounts, wanted, stop).await;
        joined.learn(&contents, failures);
    }
    joined
}

async fn read_account(account: &Account, options: &CensusOptions, stop: &Stop) -> (FoundAccount, Vec<Failed>) {
    let mut notes = Notes::default();
    let id = account.id().map(str::to_owned);
    let mut found = FoundAccount {
        name: id.as_ref().and_then(|id| options.names.get(id).cloned()),
        email: options.email.clone().filter(|_| account.role.is_none()),
        asked_as: account.caller.as_ref().map(|caller| caller.arn.clone()),
        id: id.clone(),
        is_closed: account.is_closed,
        knows_regions: options.regions.is_some(),
        regions: Vec::new(),
    };
    match &account.login {
        Ok(login) if !account.is_closed => {
            let names = region_names(login, options, stop).await;
            let (names, unlisted) = match names {
                Ok(names) => (names, None),
                Err(failed) => (usual_regions(login.region()), Some(failed)),
            };
            found.knows_regions = unlisted.is_none();
            notes.extend(unlisted);
            let read = names
                .iter()
                .map(|region| read_region(login, region, id.as_deref(), options, stop));
            for (region, failures) in join_all(read).await {
                found.regions.push(region);
                notes.extend(failures);
            }
        }
        _ => {
            let named = options.regions.iter().flatten();
            found
                .regions
                .extend(named.map(|region| unread(region, id.as_deref(), options)));
        }
    }
    for failure in &mut notes.failures {
        failure.account = id.clone();
    }
    (found, notes.failures)
}

/// Those of the settings, or all that are enabled for the account.
async fn region_names(login: &Login, options: &CensusOptions, stop: &Stop) -> Result<Vec<String>, Failed> {
    match &options.regions {
        Some(regions) => Ok(regions.clone()),
        None => trouble::unless_stopped(stop, Service::Account, regions(login)).await,
    }
}

fn unread(region: &str, id: Option<&str>, options: &CensusOptions) -> FoundRegion {
    let answer = |runner| match options.include.contains(&runner) {
        true => Answer::Failed,
        false => Answer::NotAsked,
    };
    FoundRegion {
        asked: Asked {
            region: region.to_owned(),
            registry: id.map(|id| registry_host(id, region)),
            ecr: Answer::Failed,
            lambda: answer(Runner::Lambda),
            ecs: answer(Runner::Ecs),
        },
        repositories: Vec::new(),
        functions: Vec::new(),
        services: Vec::new(),
        knows_runs: options.include.is_empty(),
    }
}

async fn read_region(
    login: &Login,
    region: &str,
    id: Option<&str>,
    options: &CensusOptions,
    stop: &Stop,
) -> (FoundRegion, Vec<Failed>) {
    let mut found = unread(region, id, options);
    let functions = async {
        match options.include.contains(&Runner::Lambda) {
            true => Some(runs::functions(login, region, stop).await),
            false => None,
        }
    };
    let services = async {
        match options.include.contains(&Runner::Ecs) {
            true => Some(runs::services(login, region, stop).await),
            false => None,
        }
    };
    let (held, functions, services) = tokio::join!(held::repositories(login, region, stop), functions, services);
    let mut notes = held.notes;
    let host = held.items.first().and_then(|one| one.repository_uri.split_once('/'));
    if let Some((host, _)) = host {
        found.asked.registry = Some(host.to_owned());
    }
    found.asked.ecr = held.answer;
    found.repositories = held.items;
    found.knows_runs = true;
    if let Some(read) = functions {
        found.asked.lambda = read.answer;
        found.functions = read.items;
        found.knows_runs &= read.knows_all;
        notes.extend(read.notes.failures);
    }
    if let Some(read) = services {
        found.asked.ecs = read.answer;
        found.services = read.items;
        found.knows_runs &= read.knows_all;
        notes.extend(read.notes.failures);
    }
    for failure in &mut notes.failures {
        failure.region = Some(region.to_owned());
    }
    (found, notes.failures)
}
