//! Asks accounts and regions what they hold and what they run, all at once. What cannot be read is told beside what can.

mod held;
mod runs;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use self::trouble::Notes;
use crate::aws::account::{Caller, caller, regions, registry_host, usual_regions};
use crate::aws::{AwsError, AwsOptions, Login, Trouble};
use crate::stop::Stop;
use crate::usage::{
    Answer, Asked, Contents, Failed, FailureKind, Found, FoundAccount, FoundRegion, Joined, Runner, Service, Terms,
};

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

/// An account that is asked.
struct Account {
    login: Result<Login, AwsError>,
    role: Option<String>,
    caller: Option<Caller>,
    /// Whether it is clear that nobody there will answer.
    is_closed: bool,
}

impl Account {
    fn id(&self) -> Option<&str> {
        let of_role = || self.role.as_deref().and_then(account_of_role);
        self.caller
            .as_ref()
            .map(|caller| caller.account.as_str())
            .or_else(of_role)
    }
}

/// Asks everybody, and joins what they say.
pub async fn census(aws: &AwsOptions, options: &CensusOptions, terms: Terms, stop: &Stop) -> Joined {
    let mut notes = Notes::default();
    let accounts = accounts(aws, options, stop, &mut notes).await;
    let read = accounts.iter().map(|account| read_account(account, options, stop));
    let mut found = Found::default();
    for (account, failures) in join_all(read).await {
        found.accounts.push(account);
        notes.extend(failures);
    }
    found.failures = notes.failures;
    let mut joined = Joined::of(found, terms);
    let wanted = wanted(&joined, options.layers);
    if !wanted.is_empty() {
        let (contents, failures) = contents(&accounts, wanted, stop).await;
        joined.learn(&contents, failures);
    }
    joined
}

/// Our own account and those of the roles. One that a role is named for is asked as that role alone.
async fn accounts(aws: &AwsOptions, options: &CensusOptions, stop: &Stop, notes: &mut Notes) -> Vec<Account> {
    let roles = options.role_arns.iter().map(|role| Some(role.clone()));
    let asked = [None]
        .into_iter()
        .chain(roles)
        .map(|role| open(aws, options, role, stop));
    let mut accounts: Vec<Account> = Vec::new();
    let mut named: BTreeSet<String> = options
        .role_arns
        .iter()
        .filter_map(|role| account_of_role(role))
        .map(str::to_owned)
        .collect();
    for (account, failure) in join_all(asked).await {
        let is_named = account.role.is_none() && account.id().is_some_and(|id| named.contains(id));
        let is_twice = account.role.is_some() && account.id().is_some_and(|id| !named.remove(id));
        if is_named || is_twice {
            continue;
        }
        notes.extend(failure.into_iter().map(|mut failed| {
            failed.account = account.id().map(str::to_owned);
            failed
        }));
        accounts.push(account);
    }
    accounts
}

async fn open(
    aws: &AwsOptions,
    options: &CensusOptions,
    role: Option<String>,
    stop: &Stop,
) -> (Account, Option<Failed>) {
    let aws = AwsOptions {
        role_arn: role.clone().or_else(|| aws.role_arn.clone()),
        ..aws.clone()
    };
    let login = match Login::open(&aws).await {
        // Whoever names regions, or wants all, need not say where we are.
        Err(error) if error.trouble == Trouble::NoRegion => {
            let first = options.regions.iter().flatten().next().cloned();
            let region = first.unwrap_or_else(|| "us-east-1".to_owned());
            Login::open(&AwsOptions {
                region: Some(region),
                ..aws
            })
            .await
        }
        login => login,
    };
    let mut account = Account {
        login,
        role,
        caller: None,
        is_closed: false,
    };
    let asked = match &account.login {
        Ok(login) => trouble::unless_stopped(stop, Service::Sts, caller(login)).await,
        Err(error) => Err(trouble::failed(Service::Sts, error)),
    };
    match asked {
        Ok(caller) => {
            account.caller = Some(caller);
            (account, None)
        }
        Err(failed) => {
            // Where STS alone is out of reach, the others may not be.
            account.is_closed = account.role.is_some() || failed.kind == FailureKind::NotAllowed;
            let operation = match account.role {
                Some(_) => "AssumeRole".to_owned(),
                None => failed.operation.clone(),
            };
            let subject = account.role.clone();
            (
                account,
                Some(Failed {
                    operation,
                    subject,
                    ..failed
                }),
            )
        }
    }
}

/// `arn:PARTITION:iam::ACCOUNT:role/NAME`.
fn account_of_role(arn: &str) -> Option<&str> {
    arn.split(':').nth(4)
}

async fn read_account(account: &Account, options: &CensusOptions, stop: &Stop) -> (FoundAccount, Vec<Failed>) {
    let mut notes = Notes::default();
    let (mut found_regions, id) = (Vec::new(), account.id().map(str::to_owned));
    match &account.login {
        Ok(login) if !account.is_closed => {
            let names = region_names(login, options, stop, &mut notes).await;
            let read = names
                .iter()
                .map(|region| read_region(login, region, id.as_deref(), options, stop));
            for (region, failures) in join_all(read).await {
                found_regions.push(region);
                notes.extend(failures);
            }
        }
        _ => found_regions.extend(
            options
                .regions
                .iter()
                .flatten()
                .map(|region| unread(region, id.as_deref(), options)),
        ),
    }
    for failure in &mut notes.failures {
        failure.account = id.clone();
    }
    let account = FoundAccount {
        name: id.as_ref().and_then(|id| options.names.get(id).cloned()),
        email: options.email.clone().filter(|_| account.role.is_none()),
        asked_as: account.caller.as_ref().map(|caller| caller.arn.clone()),
        id,
        is_closed: account.is_closed,
        regions: found_regions,
    };
    (account, notes.failures)
}

/// Those of the settings, or all that are enabled for the account.
async fn region_names(login: &Login, options: &CensusOptions, stop: &Stop, notes: &mut Notes) -> Vec<String> {
    if let Some(regions) = &options.regions {
        return regions.clone();
    }
    match trouble::unless_stopped(stop, Service::Account, regions(login)).await {
        Ok(regions) => regions,
        Err(failed) => {
            notes.push(failed);
            usual_regions(login.region())
        }
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

/// Repositories whose manifests are to be read, by the account and region of theirs.
type Wanted = Vec<((usize, String), (String, String, Vec<String>))>;

fn wanted(joined: &Joined, layers: Layers) -> Wanted {
    let candidates: BTreeSet<String> = match layers {
        Layers::Unread => return Vec::new(),
        Layers::OfCandidates => joined.candidates().into_iter().map(|one| one.repository_uri).collect(),
        Layers::OfAll => BTreeSet::new(),
    };
    let mut wanted = Vec::new();
    for (at, account) in joined.accounts().iter().enumerate() {
        for region in &account.regions {
            let repositories = region.repositories.iter();
            let repositories =
                repositories.filter(|one| layers == Layers::OfAll || candidates.contains(&one.repository_uri));
            wanted.extend(repositories.filter(|one| !one.images.is_empty()).map(|one| {
                let digests = one.images.iter().map(|image| image.digest.clone()).collect();
                let names = (one.repository_name.clone(), one.repository_uri.clone(), digests);
                ((at, region.asked.region.clone()), names)
            }));
        }
    }
    wanted
}

async fn contents(accounts: &[Account], wanted: Wanted, stop: &Stop) -> (BTreeMap<String, Contents>, Vec<Failed>) {
    let read = wanted.into_iter().filter_map(|((at, region), (name, uri, digests))| {
        let account = accounts.get(at)?;
        let login = account.login.as_ref().ok()?;
        let id = account.id().map(str::to_owned);
        Some(async move {
            let read = held::contents(login, &region, &name, &digests, stop).await;
            let read = read.map_err(|failed| Failed {
                account: id,
                region: Some(region),
                ..failed
            });
            (uri, read)
        })
    });
    let (mut contents, mut notes) = (BTreeMap::new(), Notes::default());
    for (uri, read) in held::some_at_once(read).await {
        match read {
            Ok(read) => drop(contents.insert(uri, read)),
            Err(failed) => notes.push(failed),
        }
    }
    (contents, notes.failures)
}
