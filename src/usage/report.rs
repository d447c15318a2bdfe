use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::candidates::because;
use super::contents::learn;
use super::coverage::Running;
use super::join::{join, settle};
use super::{
    Account, Address, Answer, ByRegion, Candidate, Changes, Contents, Coverage, Failed, Found, FoundAccount, GB,
    LastRun, RanImage, Region, Repository, Runner, Terms, Totals,
};
use crate::aws::ecr::account_and_region;

/// The version of a report's JSON: raised when a field changes its meaning or goes, not when one comes.
pub const SCHEMA_VERSION: u32 = 1;

/// What registries hold, and who runs it. Its JSON is told of in `docs/usage-report.md`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Who made it.
    pub program: String,
    /// When it was begun; all ages are counted from it.
    pub generated_at: Timestamp,
    /// What shaped it.
    pub settings: Terms,
    /// Whether every call was answered.
    pub complete: bool,
    /// Sums over all accounts and regions.
    pub totals: Totals,
    /// What was found.
    pub accounts: Vec<Account>,
    /// Images that run here and come from elsewhere.
    pub outside: Vec<Outside>,
    /// Repositories that could go, the largest first.
    pub candidates: Vec<Candidate>,
    /// What changed since an earlier report.
    pub changes: Option<Changes>,
    /// Whether what runs is in ECR, and current.
    pub coverage: Coverage,
    /// What could not be read.
    pub failures: Vec<Failed>,
}

/// An image that runs here and comes from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    /// Its address.
    #[serde(rename = "ImageUri")]
    pub image_uri: String,
    /// Its host.
    pub registry: String,
    /// Of a registry of ECR.
    pub account: Option<String>,
    /// Of a registry of ECR.
    pub region: Option<String>,
    /// ARNs of functions and services.
    pub used_by: Vec<String>,
}

/// What was found, joined: the report but for what manifests say.
#[derive(Debug)]
pub struct Joined {
    found: Found,
    terms: Terms,
    /// Regions in which everybody was asked who could use an image there.
    known: BTreeSet<String>,
    last_runs: BTreeMap<String, LastRun>,
}

impl Joined {
    /// Joins what was found.
    pub fn of(mut found: Found, terms: Terms) -> Self {
        join(&mut found);
        let regions = || found.accounts.iter().flat_map(|account| &account.regions);
        // A function has its image from its own region (AWS Lambda Developer Guide, "Create a Lambda function using a container image");
        // a task may have it from any. That regions were not named is for who named the others to know.
        let asks_services = terms.include.contains(&Runner::Ecs);
        let mut accounts = found.accounts.iter();
        let is_open = accounts.all(|account| !account.is_closed && (account.knows_regions || !asks_services));
        let knows = |name: &str| {
            let mut own = regions().filter(|one| one.asked.region == name);
            let mut others = regions().filter(|one| one.asked.region != name);
            is_open
                && own.all(|one| one.knows_runs)
                && others.all(|one| one.asked.ecs != Answer::Failed && one.asked.ecs != Answer::Incomplete)
        };
        let known: BTreeSet<String> = regions()
            .map(|one| &one.asked.region)
            .filter(|name| knows(name))
            .cloned()
            .collect();
        let functions = regions().flat_map(|region| &region.functions);
        let last_runs = functions
            .map(|one| (one.function.arn.clone(), one.function.last_run))
            .collect();
        for region in found.accounts.iter_mut().flat_map(|account| &mut account.regions) {
            let is_known = known.contains(&region.asked.region);
            for repository in &mut region.repositories {
                settle(repository, is_known);
            }
        }
        Self {
            found,
            terms,
            known,
            last_runs,
        }
    }

    fn repositories(&self) -> impl Iterator<Item = (&Repository, bool)> {
        let regions = self.found.accounts.iter().flat_map(|account| &account.regions);
        regions.flat_map(|region| {
            let is_known = self.known.contains(&region.asked.region);
            region.repositories.iter().map(move |repository| (repository, is_known))
        })
    }

    /// What could go, the largest first.
    pub fn candidates(&self) -> Vec<Candidate> {
        let last_run_of = |user: &str| self.last_runs.get(user);
        let candidate = |(repository, is_known): (&Repository, bool)| {
            let because = because(repository, is_known, last_run_of, &self.terms)?;
            Some(Candidate::of(repository, because, &self.terms))
        };
        let mut candidates: Vec<Candidate> = self.repositories().filter_map(candidate).collect();
        candidates.sort_by(|one, other| (other.bytes, &one.repository_uri).cmp(&(one.bytes, &other.repository_uri)));
        candidates
    }

    /// Adds what the manifests of repositories say, by the repositories' addresses, and why some could not be read.
    pub fn learn(&mut self, contents: &BTreeMap<String, Contents>, failures: Vec<Failed>) {
        for region in self.found.accounts.iter_mut().flat_map(|account| &mut account.regions) {
            let is_known = self.known.contains(&region.asked.region);
            for repository in &mut region.repositories {
                if let Some(contents) = contents.get(&repository.repository_uri) {
                    learn(repository, contents);
                    settle(repository, is_known);
                }
            }
        }
        self.found.failures.extend(failures);
    }

    /// What was found, by account.
    pub fn accounts(&self) -> &[FoundAccount] {
        &self.found.accounts
    }

    /// The report, of what was begun at `generated_at`.
    pub fn report(self, generated_at: Timestamp) -> Report {
        let candidates = self.candidates();
        let accounts: Vec<Account> = self.found.accounts.into_iter().map(account).collect();
        let running: Vec<Running> = Running::all(&accounts).collect();
        Report {
            schema_version: SCHEMA_VERSION,
            program: concat!("ecr-keeper ", env!("CARGO_PKG_VERSION")).to_owned(),
            generated_at,
            complete: self.found.failures.is_empty(),
            totals: Totals::of(&accounts, &candidates, &self.terms),
            outside: outside(&running),
            coverage: Coverage::of(&running),
            settings: self.terms,
            accounts,
            candidates,
            changes: None,
            failures: self.found.failures,
        }
    }
}

impl Report {
    /// Notes something more that could not be read.
    pub fn failed(&mut self, failed: Failed) {
        self.complete = false;
        self.failures.push(failed);
    }

    /// What could not be read, and in whose account where there are several.
    pub fn told(&self, failed: &Failed) -> String {
        match &failed.account {
            Some(id) if self.accounts.len() > 1 => format!("{}: {}", self.title_of(id), failed.in_words()),
            _ => failed.in_words(),
        }
    }

    /// What could not be read, as [`Report::told`], and what to do next; what failed in just the same way elsewhere is told once.
    pub fn not_read(&self) -> impl Iterator<Item = (String, Option<String>)> {
        Failed::grouped(&self.failures).map(|one| (self.told(&one), one.hint))
    }

    /// How people call an account.
    pub fn title_of<'a>(&'a self, id: &'a str) -> &'a str {
        let account = self.accounts.iter().find(|one| one.id.as_deref() == Some(id));
        account.map_or(id, Account::title)
    }

    /// All repositories, with their account and region.
    pub fn repositories(&self) -> impl Iterator<Item = (&Account, &str, &Repository)> {
        self.accounts.iter().flat_map(|account| {
            let regions = account.ecr.0.iter();
            regions.flat_map(move |(region, there)| {
                let repositories = there.repositories.iter();
                repositories.map(move |repository| (account, region.as_str(), repository))
            })
        })
    }
}

fn account(found: FoundAccount) -> Account {
    let (mut ecr, mut lambda, mut ecs) = (Vec::new(), Vec::new(), Vec::new());
    let mut regions = Vec::new();
    for region in found.regions {
        let name = region.asked.region.clone();
        if !region.repositories.is_empty() {
            ecr.push((
                name.clone(),
                summed(region.repositories, region.asked.ecr == Answer::Read),
            ));
        }
        if !region.functions.is_empty() {
            let functions = region.functions.into_iter().map(|one| one.function);
            lambda.push((name.clone(), functions.collect()));
        }
        if !region.services.is_empty() {
            ecs.push((name, region.services));
        }
        regions.push(region.asked);
    }
    ecr.sort_by_key(|(_, region): &(String, Region)| std::cmp::Reverse(region.bytes));
    Account {
        id: found.id,
        name: found.name,
        email: found.email,
        asked_as: found.asked_as,
        regions,
        ecr: ByRegion(ecr),
        lambda: ByRegion(lambda),
        ecs: ByRegion(ecs),
    }
}

fn summed(mut repositories: Vec<Repository>, complete: bool) -> Region {
    repositories.sort_by_cached_key(|repository| std::cmp::Reverse(repository.order()));
    let bytes = repositories.iter().map(|repository| repository.bytes).sum();
    Region {
        total_size_gb: bytes as f64 / GB,
        bytes,
        distinct_bytes: repositories.iter().map(|one| one.distinct_bytes).sum(),
        complete,
        repositories,
    }
}

/// By address.
fn outside(running: &[Running<'_>]) -> Vec<Outside> {
    let mut found: BTreeMap<&str, Outside> = BTreeMap::new();
    for run in running {
        let (Some(address), RanImage::Outside { registry }) = (run.address, run.image) else {
            continue;
        };
        let ours = account_and_region(registry);
        let entry = found.entry(address).or_insert_with(|| Outside {
            image_uri: address.to_owned(),
            registry: registry.clone(),
            account: ours.map(|(account, _)| account.to_owned()),
            region: ours.map(|(_, region)| region.to_owned()),
            used_by: Vec::new(),
        });
        if !entry.used_by.iter().any(|one| one == run.user) {
            entry.used_by.push(run.user.to_owned());
        }
    }
    found.into_values().collect()
}

impl Address<'_> {
    /// `HOST/NAME`, as ECR calls its repositories.
    pub fn repository_uri(&self) -> String {
        format!("{}/{}", self.host, self.path)
    }
}
