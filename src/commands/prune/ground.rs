//! What is known before anything goes: images, who runs them, and what else protects them.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::Job;
use crate::aws::ecr::{Ecr, RepositoryDetails, Status};
use crate::census::{CensusOptions, everybody_who_runs};
use crate::commands::guard::Guard;
use crate::commands::which::Found;
use crate::prune::{Plan, Protection, Repository, Rules, Shown, plan};
use crate::report::Failure;
use crate::settings::Settings;
use crate::stop::Stop;
use crate::usage::{Contents, WhoRuns};

/// How long an answer of who runs what is good for.
const FRESH: Duration = Duration::from_mins(1);

/// What all repositories have in common.
pub(super) struct Ground<'a> {
    pub(super) ecr: &'a Ecr,
    pub(super) settings: &'a Settings,
    pub(super) job: &'a Job,
    pub(super) guard: Guard<'a>,
    pub(super) who: WhoRuns,
    asked: Instant,
    now: Timestamp,
    pub(super) failures: Vec<Failure>,
    /// What was not looked at, and is no failure.
    pub(super) left_out: Vec<String>,
}

/// A repository that was looked at.
pub(super) struct Looked {
    pub(super) details: RepositoryDetails,
    pub(super) repository: Repository,
    pub(super) plan: Plan,
    /// When manifests were read, which ECR takes for pulls.
    pub(super) reading: Span,
}

/// From a moment to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    begin: Timestamp,
    end: Timestamp,
}

impl Span {
    fn now() -> Self {
        let now = Timestamp::now();
        Self { begin: now, end: now }
    }

    /// Whether it was then, by a clock that need not be ours.
    pub(super) fn has(self, at: Timestamp) -> bool {
        let is_before = self.begin.checked_sub(FRESH).is_ok_and(|begin| at < begin);
        let is_after = self.end.checked_add(FRESH).is_ok_and(|end| at > end);
        !is_before && !is_after
    }
}

impl<'a> Ground<'a> {
    /// Looks at all of them, and at who runs what.
    pub(super) async fn look(
        job: &'a Job,
        found: Found,
        ecr: &'a Ecr,
        settings: &'a Settings,
        stop: &Stop,
    ) -> Result<(Self, Vec<Looked>), Failure> {
        let guard = Guard::open(settings).await?;
        let mut ground = Self {
            ecr,
            settings,
            job,
            guard,
            who: WhoRuns::default(),
            asked: Instant::now(),
            now: Timestamp::now(),
            failures: found.failures,
            left_out: found.notes,
        };
        let whom = ground.whom();
        let who = everybody_who_runs(&settings.aws, &whom, stop);
        let read = stream::iter(found.repositories)
            .map(async |details| {
                let mut reading = Span::now();
                let read = ground.read(&details, Contents::new()).await;
                reading.end = Timestamp::now();
                (read, reading, details)
            })
            .buffered(settings.concurrency)
            .collect::<Vec<_>>();
        let (who, read) = tokio::join!(who, read);
        ground.who = who;
        let (mut there, mut failures) = (Vec::new(), Vec::new());
        for (repository, reading, details) in read {
            match repository {
                Ok(repository) => there.push((repository, reading, details)),
                Err(failure) => failures.push(failure),
            }
        }
        let planned = stream::iter(there)
            .map(async |(repository, reading, details)| ground.looked(repository, reading, details).await)
            .buffered(settings.concurrency)
            .collect::<Vec<_>>();
        let mut looked = Vec::new();
        for (one, failure) in planned.await {
            looked.push(one);
            failures.extend(failure);
        }
        ground.failures.extend(failures);
        let unknown = ground.unknown(looked.first().map(|one| &one.details));
        let unread = looked.iter().filter_map(|one| ground.unread_revisions(&one.details));
        let unknown: Vec<Failure> = unknown.into_iter().chain(unread).collect();
        ground.failures.extend(unknown);
        Ok((ground, looked))
    }

    /// What becomes of its images and what that frees, as far as that can be read.
    async fn looked(
        &self,
        mut repository: Repository,
        mut reading: Span,
        details: RepositoryDetails,
    ) -> (Looked, Option<Failure>) {
        let (mut plan, mut unread_layers) = (self.plan(&repository, &details, None), None);
        // Reading is a pull to ECR, which rules that go by pulls would find the next time.
        if self.job.count_layers && !plan.goes.is_empty() {
            let active = repository
                .images
                .iter()
                .filter(|image| image.status != Status::Archived);
            let digests = active.map(|image| image.digest.to_string());
            let unread: Vec<String> = digests
                .filter(|digest| !repository.contents.contains_key(digest))
                .collect();
            match self.contents(&repository.name, &unread).await {
                Ok(contents) => repository.contents.extend(contents),
                Err(failure) => unread_layers = Some(failure),
            }
            reading.end = Timestamp::now();
            plan = self.plan(&repository, &details, None);
        }
        let looked = Looked {
            details,
            repository,
            plan,
            reading,
        };
        (looked, unread_layers)
    }

    /// What is in a repository now, with what its indexes consist of, as far as that is not known already.
    pub(super) async fn read(&self, details: &RepositoryDetails, known: Contents) -> Result<Repository, Failure> {
        let name = &details.name;
        self.guard.knows_last_copies(name)?;
        let images = self.ecr.image_details(name).await;
        let images = images.map_err(|error| Failure::from(&error))?;
        let indexes = images
            .iter()
            .filter(|image| image.kind.may_be_index() && image.status != Status::Archived);
        let indexes = indexes.map(|image| image.digest.to_string());
        let unread: Vec<String> = indexes.filter(|digest| !known.contains_key(digest)).collect();
        let mut contents = known;
        contents.extend(self.contents(name, &unread).await?);
        Ok(Repository {
            name: name.clone(),
            uri: details.uri.clone(),
            images,
            contents,
        })
    }

    async fn contents(&self, name: &str, digests: &[String]) -> Result<Contents, Failure> {
        let manifests = self.ecr.manifests(name, digests).await;
        let manifests = manifests.map_err(|error| Failure::from(&error))?;
        Ok(manifests
            .into_iter()
            .map(|(digest, manifest)| (digest, (&manifest).into()))
            .collect())
    }

    /// What becomes of each image; of what was shown, where that has been, and of nothing else.
    pub(super) fn plan(&self, repository: &Repository, details: &RepositoryDetails, shown: Option<&Shown>) -> Plan {
        let protection = Protection {
            users: self.who.of_repository(&details.uri),
            knows_users: self.job.without_usage || self.unknown_of(details).is_empty(),
            may_run: match self.job.without_usage {
                true => Vec::new(),
                false => self.unresolved_of(details).map(|one| one.by.clone()).collect(),
            },
            unused_at: self.job.unused_at,
            protected: &self.settings.prune.protected,
            last_copies: self.guard.last_copies(&details.uri),
            backups: self
                .guard
                .safeties(&details.name)
                .filter_map(|safety| safety.backup.as_ref())
                .collect(),
            backup_term: self.settings.prune.backup_term,
            shown,
        };
        plan(repository, self.rules(), &protection, self.now)
    }

    pub(super) fn rules(&self) -> &'a Rules {
        &self.job.rules
    }

    /// The registry's own region in any case.
    fn whom(&self) -> CensusOptions {
        let mut asked = self.settings.census.clone();
        if let Some(regions) = &mut asked.regions
            && !regions.iter().any(|region| region == self.ecr.region())
        {
            regions.push(self.ecr.region().to_owned());
        }
        asked
    }

    /// Asks again who runs what, where that was a while ago, before something of this repository goes; whether it did.
    pub(super) async fn refresh(&mut self, details: &RepositoryDetails, stop: &Stop) -> bool {
        let is_due = self.asked.elapsed() > FRESH;
        if is_due {
            // What begins to run while they answer may not be in it.
            self.asked = Instant::now();
            self.who = everybody_who_runs(&self.settings.aws, &self.whom(), stop).await;
            let unknown = self
                .unknown(Some(details))
                .into_iter()
                .chain(self.unread_revisions(details));
            let unknown: Vec<Failure> = unknown.filter(|one| !self.failures.contains(one)).collect();
            self.failures.extend(unknown);
        }
        is_due
    }
}
