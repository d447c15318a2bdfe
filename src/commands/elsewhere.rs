//! The registries of ECR that a run writes to: its own, and those that entries of `images` name besides.

use std::collections::BTreeMap;

use futures::future::join_all;

use crate::aws::ecr::{Ecr, Token, account_and_region};
use crate::aws::{AwsError, AwsOptions};
use crate::credentials::Keyring;
use crate::image::{Digest, Repository, Tag};
use crate::mapping::{Elsewhere, Named, Only};
use crate::plan::{Policies, Policy};
use crate::settings::{Entry, Settings, repositories};
use crate::survey::{Closed, Part, Place, Scope, SurveyError};

/// A registry of ECR that has given a token.
pub(super) struct Opened {
    /// Its `host[:port]`.
    pub(super) host: String,
    pub(super) ecr: Ecr,
    pub(super) token: Token,
    role_arn: Option<String>,
}

impl Opened {
    /// The registry at `host`, or else the one that the token is for.
    pub(super) async fn open(
        options: &AwsOptions,
        account: Option<String>,
        host: Option<String>,
    ) -> Result<Self, AwsError> {
        let ecr = Ecr::connect(options, account).await?;
        let token = ecr.token().await?;
        Ok(Self {
            host: host.unwrap_or_else(|| token.registry.clone()),
            ecr,
            token,
            role_arn: options.role_arn.clone(),
        })
    }

    /// Which repositories of it one engine looks after: that an entry's target is this registry shows only here.
    pub(super) fn part(&self, settings: &Settings) -> Part {
        let names = |entries| repositories(entries, |elsewhere| self.is(elsewhere));
        match settings.part {
            Part::All => Part::All,
            Part::Of(_) => Part::Of(names(&settings.images)),
            Part::AllBut(_) => Part::AllBut(names(&settings.of_other_engine)),
        }
    }

    fn is(&self, elsewhere: &Elsewhere) -> bool {
        match (&elsewhere.registry, &elsewhere.region) {
            (Some(registry), _) => *registry == self.host,
            (None, region) => {
                let is_us = elsewhere.role_arn.is_none() || elsewhere.role_arn == self.role_arn;
                is_us && region.as_deref().is_none_or(|region| region == self.ecr.region())
            }
        }
    }

    async fn elsewhere(elsewhere: &Elsewhere, settings: &Settings) -> Result<Self, AwsError> {
        let (options, account) = who_we_are(elsewhere, settings);
        Self::open(&options, account, elsewhere.registry.clone()).await
    }
}

/// Refuses a registry whose API is not the one that gave the token: it would be shown ECR's login. Only a target with an endpoint of its own
/// says itself whose that is.
///
/// # Errors
/// Where the host is another registry's.
pub(super) fn is_its_own(host: &str, token: &Token, elsewhere: &Elsewhere) -> Result<(), SurveyError> {
    let is_said = elsewhere.endpoint_url.is_some();
    match is_said || host == token.registry || account_and_region(host).is_some() {
        true => Ok(()),
        false => Err(SurveyError::OtherRegistry {
            host: host.into(),
            own: token.registry.clone(),
        }),
    }
}

/// Who we are at the registry that a target names, and whose that is, where it is not ours.
pub(super) fn who_we_are(elsewhere: &Elsewhere, settings: &Settings) -> (AwsOptions, Option<String>) {
    let host = elsewhere.registry.as_deref();
    let of_host = host.and_then(account_and_region).map(|(account, _)| account.to_owned());
    // Who assumes a role is of that role's account.
    let own = settings.account.clone().filter(|_| elsewhere.role_arn.is_none());
    let aws = &settings.aws;
    let region = elsewhere.region.clone().or_else(|| aws.region.clone());
    // The run's own is of its region; AWS's own variables hold everywhere.
    let own_endpoint = aws.endpoint_url.clone().filter(|_| region == aws.region);
    let options = AwsOptions {
        role_arn: elsewhere.role_arn.clone().or_else(|| aws.role_arn.clone()),
        endpoint_url: elsewhere.endpoint_url.clone().or(own_endpoint),
        region,
        ..aws.clone()
    };
    (options, of_host.or(own))
}

/// What an entry of `images` names for a registry that cannot be reached.
pub(super) struct Unreached {
    elsewhere: Elsewhere,
    name: String,
    pub(super) closed: Closed,
}

impl Unreached {
    /// Whether it may be that repository, whose registry it is not known by where that was not reached.
    pub(super) fn may_be(&self, repository: &Repository, settings: &AwsOptions) -> bool {
        *self.name == *repository.path && may_lead_to(&self.elsewhere, &repository.host, settings)
    }
}

/// What the settings name, by where it goes.
#[derive(Default)]
pub(super) struct Routes {
    /// To the run's own registry.
    pub(super) own: Vec<Entry>,
    /// To others.
    pub(super) others: Vec<(Opened, Vec<Entry>)>,
    /// To others that cannot be reached, and why not.
    pub(super) unreached: Vec<Unreached>,
}

impl Routes {
    /// Opens every registry that the run is about.
    pub(super) async fn open(settings: &Settings, own: &Opened, only: &[Only]) -> Self {
        let mut all: BTreeMap<Option<&Elsewhere>, Vec<Entry>> = BTreeMap::new();
        for entry in &settings.images {
            let elsewhere = entry.named.elsewhere.as_ref();
            all.entry(elsewhere).or_default().push(entry.clone());
        }
        let mut routes = Self {
            own: all.remove(&None).unwrap_or_default(),
            ..Self::default()
        };
        let all = all.into_iter().filter_map(|(elsewhere, entries)| {
            let mut named = entries.iter().map(|entry| &entry.named);
            let is_meant = only.is_empty() || named.any(|named| only.iter().any(|only| may_mean(only, named)));
            Some((elsewhere?, entries)).filter(|_| is_meant)
        });
        let opening =
            all.map(async |(elsewhere, named)| (Opened::elsewhere(elsewhere, settings).await, elsewhere, named));
        let mut opened = join_all(opening).await;
        // Who names a role is who we are there, also for a target that names none.
        opened.sort_by_key(|(_, elsewhere, _)| elsewhere.role_arn.is_none());
        for (opened, elsewhere, named) in opened {
            match opened {
                Ok(opened) => match is_its_own(&opened.host, &opened.token, elsewhere) {
                    Ok(()) => routes.add(opened, own, elsewhere, named),
                    Err(other) => routes.close(elsewhere, named, &other),
                },
                Err(error) => routes.close(elsewhere, named, &error.into()),
            }
        }
        routes.said_once(settings);
        routes
    }

    /// Several targets may lead to one registry: then whoever we are there has to be one.
    fn add(&mut self, opened: Opened, own: &Opened, elsewhere: &Elsewhere, named: Vec<Entry>) {
        let other = self.others.iter_mut().find(|(other, _)| other.host == opened.host);
        let (known, all) = match other {
            _ if own.host == opened.host => (own, &mut self.own),
            Some((other, all)) => (&*other, all),
            None => return self.others.push((opened, named)),
        };
        match elsewhere.role_arn.is_none() || known.role_arn == opened.role_arn {
            true => all.extend(named),
            false => self.close(elsewhere, named, &SurveyError::TwoRoles(opened.host.into())),
        }
    }

    /// What holds for a repository is said once. Settings see to that where its registry is written alike; here it is known which it is.
    fn said_once(&mut self, settings: &Settings) {
        let mut twice = Vec::new();
        for all in self.others.iter_mut().map(|(_, all)| all).chain([&mut self.own]) {
            // By where they stand, and not by how their registry is spelt.
            let at = |entry: &Entry| {
                settings
                    .images
                    .iter()
                    .position(|one| one.named.from == entry.named.from)
            };
            all.sort_by_cached_key(at);
            let mut first: BTreeMap<String, (String, BTreeMap<Tag, Digest>)> = BTreeMap::new();
            all.retain(|entry| {
                let Named {
                    repository,
                    from,
                    digests,
                    ..
                } = &entry.named;
                let Some((known, named)) = first.get_mut(repository) else {
                    first.insert(repository.clone(), (from.clone(), digests.clone()));
                    return true;
                };
                let other = |(tag, digest): (&Tag, &Digest)| named.get(tag).is_some_and(|named| named != digest);
                let is_said = entry.platforms.is_some() || entry.safety.is_some() || digests.iter().any(other);
                match is_said {
                    true => twice.push((entry.clone(), SurveyError::OwnRulesTwice(known.clone()))),
                    false => named.extend(digests.clone()),
                }
                !is_said
            });
        }
        for (entry, why) in twice {
            let elsewhere = entry.named.elsewhere.clone().unwrap_or_default();
            self.unreached.push(unreached(&elsewhere, entry, &why));
        }
    }

    /// The logins of a run, with those of all these registries.
    pub(super) fn keyring(&self, settings: &Settings, own: &Opened) -> Keyring {
        let keyring = Keyring::new(settings.logins.clone()).with_aws(settings.aws.clone());
        let others = self.others.iter().map(|(other, _)| other);
        others.chain([own]).fold(keyring, |keyring, one| {
            keyring.with_ecr(one.ecr.clone(), one.host.clone(), Some(one.token.clone()))
        })
    }

    /// The policies of repositories that have their own, beside that of all others.
    pub(super) fn policies(&self, usual: Policy, own: &Opened) -> Policies {
        let mut policies = Policies::from(usual);
        let others = self.others.iter().map(|(other, entries)| (&other.host, entries));
        for (host, entries) in others.chain([(&own.host, &self.own)]) {
            for entry in entries
                .iter()
                .filter(|entry| entry.platforms.is_some() || entry.safety.is_some())
            {
                let usual = &policies.usual;
                let policy = Policy {
                    platforms: entry.platforms.clone().unwrap_or_else(|| usual.platforms.clone()),
                    safety: entry.safety.clone().unwrap_or_else(|| usual.safety.clone()),
                    ..usual.clone()
                };
                let repository = Repository {
                    host: host.as_str().into(),
                    path: entry.named.repository.as_str().into(),
                };
                policies.own.entry(repository).or_insert(policy);
            }
        }
        policies
    }

    /// What is looked at of each registry, the run's own first, whose scope this is but for what it names.
    pub(super) fn into_places(self, own: Opened, scope: &Scope) -> Vec<Place> {
        let names =
            |entries: &[Entry], only: &Only| entries.iter().any(|entry| entry.named.repository == only.repository);
        let is_of_other = |only: &&Only| {
            let mut others = self.others.iter();
            let is_named = scope.keyword.is_some() || names(&self.own, only);
            others.any(|(other, entries)| {
                // A name by itself that entries name for other registries alone is none of this one's.
                only.name_in(&other.host) != only.repository || !is_named && names(entries, only)
            })
        };
        let of_own = Scope {
            only: scope.only.iter().filter(|only| !is_of_other(only)).cloned().collect(),
            images: named(&self.own),
            ..scope.clone()
        };
        let mut places = Vec::new();
        // Without anything left it would be about everything.
        if scope.only.is_empty() || !of_own.only.is_empty() {
            places.push((of_own, own.ecr));
        }
        for (other, entries) in self.others {
            let is_of_it = |only: &&Only| {
                let name = only.name_in(&other.host);
                name != only.repository || entries.iter().any(|entry| entry.named.repository == name)
            };
            let only: Vec<Only> = scope.only.iter().filter(is_of_it).cloned().collect();
            if scope.only.is_empty() || !only.is_empty() {
                let there = Scope {
                    registry: other.host,
                    discovers: false,
                    part: Part::All,
                    only,
                    images: named(&entries),
                    resource_tags: false,
                    ..scope.clone()
                };
                places.push((there, other.ecr));
            }
        }
        places
    }

    fn close(&mut self, elsewhere: &Elsewhere, entries: Vec<Entry>, why: &SurveyError) {
        let closed = entries.into_iter().map(|entry| unreached(elsewhere, entry, why));
        self.unreached.extend(closed);
    }
}

fn unreached(elsewhere: &Elsewhere, Entry { named, .. }: Entry, why: &SurveyError) -> Unreached {
    Unreached {
        closed: Closed {
            repository: match &elsewhere.registry {
                Some(host) => format!("{host}/{}", named.repository),
                None => format!("{} of {elsewhere}", named.repository),
            },
            from: Some(named.from),
            why: why.clone(),
        },
        elsewhere: elsewhere.clone(),
        name: named.repository,
    }
}

/// Whether a target is the registry at `host`, as far as that shows before it is asked.
pub(super) fn may_lead_to(elsewhere: &Elsewhere, host: &str, usual: &AwsOptions) -> bool {
    match (&elsewhere.registry, account_and_region(host)) {
        (Some(registry), _) => registry == host,
        (None, Some((_, region))) => elsewhere.region.as_deref() == Some(region),
        // Who asks another API than AWS's may have registries of any name.
        (None, None) => elsewhere.endpoint_url.is_some() || usual.endpoint_url.is_some(),
    }
}

fn named(entries: &[Entry]) -> Vec<Named> {
    entries.iter().map(|entry| entry.named.clone()).collect()
}

/// Whether a run that is narrowed down to `only` may be about it: of which registry it is shows only there.
pub(super) fn may_mean(only: &Only, named: &Named) -> bool {
    only.repository == named.repository || with_host(only).is_some_and(|whole| *whole.path == *named.repository)
}

/// The repository that is meant, where its registry was written before it.
pub(super) fn with_host(only: &Only) -> Option<Repository> {
    let (host, path) = only.repository.split_once('/')?;
    // A registry's host has a point or a port in it.
    let is_host = host.contains(['.', ':']) || host == "localhost";
    is_host.then(|| Repository {
        host: host.into(),
        path: path.into(),
    })
}
