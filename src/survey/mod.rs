//! Asks both sides what they hold. The only reader.

mod again;
mod closer;
mod found;
mod named;

pub use again::{Seen, look_again};
pub use found::{Absent, Closed, Followed, SurveyError, Unmatched, Unread};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, stream};

use self::named::Chosen;
use crate::aws::AwsError;
use crate::aws::ecr::{Ecr, FixedTags, ListedRepository};
use crate::engine::{EngineError, Session, Side};
use crate::events::{Event, Events};
use crate::image::{ImageRef, Repository};
use crate::ledger::Ledger;
use crate::mapping::{Backup, Creation, Named, Naming, NewRepository, Only};
use crate::plan::{KeptBecause, Policy, Upstream, Viewed};
use crate::selection::Pattern;
use crate::stop::Stop;

/// What a survey looks at.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The registry's `host[:port]`.
    pub registry: String,
    /// Repositories whose name contains this, letter case as written. None for all that `only` names, or else for none.
    pub keyword: Option<String>,
    /// Of those, only these; empty for all.
    pub only: Vec<Only>,
    /// How a repository's name tells its upstream.
    pub naming: Naming,
    /// Upstreams that are named, with where their images go.
    pub images: Vec<Named>,
    /// Whether the repositories' own resource tags may name some too.
    pub resource_tags: bool,
    /// What is done about a repository that is named and not there.
    pub creation: Creation,
    /// How backups are named, which follow nothing.
    pub backup: Option<Backup>,
    /// How the content of a target is compared.
    pub compare: Compare,
    /// Tags that never move: where they are there, nobody is asked about them.
    pub fixed_tags: Option<Pattern>,
    /// Whether rules that choose nothing are well.
    pub allow_no_match: bool,
    /// Whether a target that is there is let alone.
    pub missing_only: bool,
    /// How many questions are open at once.
    pub at_once: usize,
}

/// Where the content that a target holds is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// In its manifest, from ECR (BatchGetImage); by a pull where that is not allowed.
    Registry,
    /// By a pull, always.
    Pull,
}

impl Scope {
    fn repository(&self, name: &str) -> Repository {
        Repository {
            host: self.registry.as_str().into(),
            path: name.into(),
        }
    }

    fn has_keyword(&self, name: &str) -> bool {
        match &self.keyword {
            Some(keyword) => name.contains(keyword),
            None => !self.only.is_empty(),
        }
    }

    /// Whether the run is not narrowed down to other repositories.
    fn is_about(&self, name: &str) -> bool {
        let only = |only: &Only| only.is_repository(&self.registry, name);
        self.only.is_empty() || self.only.iter().any(only)
    }

    /// Whether the run was narrowed down to just this tag, among others.
    fn names(&self, image: &ImageRef) -> bool {
        self.only.iter().any(|only| only.tag.is_some() && only.is(image))
    }

    fn means(&self, image: &ImageRef) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only.is(image))
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Survey {
    /// How many repositories are looked after: those that the keyword matched, and those that are named.
    pub repositories: usize,
    /// The keyword, where no repository has it in its name.
    pub unmatched: Option<Unmatched>,
    /// How many of their images have no tag, and so no upstream.
    pub untagged: usize,
    /// How many tags are no versions but places of what refers to an image.
    pub signature_tags: usize,
    /// How many tags are backups.
    pub backups: usize,
    /// Targets both of whose sides are known.
    pub viewed: Vec<Viewed>,
    /// Targets of which something could not be read.
    pub unread: Vec<Unread>,
    /// What the settings and resource tags name, by whom.
    pub named: Vec<Named>,
    /// Repositories that are named, and not there yet: what they will be like, or nothing where ECR decides that.
    pub missing: BTreeMap<Repository, Option<NewRepository>>,
    /// Repositories that ECR itself keeps current, as a cache of an upstream registry.
    pub cached: Vec<String>,
    /// What stands before the names of those.
    cache_prefixes: Vec<String>,
    /// Repositories, or entries of `images` for them, of which nothing could be read.
    pub closed: Vec<Closed>,
    /// Repositories that were not listed, because the run was stopped.
    pub unlisted: Vec<String>,
    /// Targets that nobody was asked about, because the run was stopped.
    pub unasked: Vec<Followed>,
    /// What the run was narrowed down to, and is not there.
    pub absent: Vec<Absent>,
}

/// Asks ECR for its images and the upstreams for theirs.
///
/// # Errors
/// Only where the repositories cannot be listed at all; anything smaller is in the [`Survey`].
pub async fn survey(
    scope: &Scope,
    policy: &Policy,
    ecr: &Ecr,
    session: &Session,
    ledger: &Ledger,
    stop: &Stop,
    events: &Events,
) -> Result<Survey, AwsError> {
    let mut survey = Survey::default();
    let Some(names) = stop.soft.run_until_cancelled(ecr.repositories()).await else {
        return Ok(survey);
    };
    let mut listed = names?;
    let is_listed = |name: &&String| listed.iter().any(|one| one.name == **name);
    for name in scope.naming.overrides.keys().filter(|name| !is_listed(name)) {
        tracing::warn!(
            "discovery.upstream names {name}, which is no repository of {}",
            scope.registry
        );
    }
    let named = survey.named(scope, &listed, ecr, stop).await;
    let are_named: BTreeSet<&str> = named.iter().map(|named| named.repository.as_str()).collect();
    listed.retain(|one| scope.has_keyword(&one.name) || are_named.contains(one.name.as_str()));
    let mut names: Vec<String> = listed.iter().map(|one| one.name.clone()).collect();
    names.extend(named.iter().map(|named| named.repository.clone()));
    let near = |only: &Only| only.nearest(&scope.registry, &names).cloned();
    let nearest: Vec<Option<String>> = scope.only.iter().map(near).collect();
    let is_matched = listed.iter().any(|one| scope.has_keyword(&one.name));
    survey.unmatched = scope.keyword.clone().filter(|_| !is_matched).map(|keyword| Unmatched {
        keyword,
        registry: scope.registry.clone(),
        region: ecr.region().to_owned(),
    });
    listed.retain(|one| scope.is_about(&one.name));
    survey.repositories = listed.len();
    survey.leave_caches(ecr, &mut listed).await;
    events.send(Event::Listing {
        repositories: listed.len(),
    });
    let chosen = survey.choose(scope, &named, &listed, ecr, session, stop).await;
    survey.repositories += survey.missing.len();
    let comes = |repository: &Repository| scope.has_keyword(&repository.path);
    survey.unmatched = survey.unmatched.filter(|_| !survey.missing.keys().any(comes));
    let mut followed = survey.list(scope, ecr, listed, &chosen, ledger, stop).await;
    if !stop.is_asked() {
        let is_absent = |only: &Only| {
            let closed = |closed: &Closed| only.is_repository(&scope.registry, &closed.repository);
            !followed.iter().any(|one| only.is(&one.target)) && !survey.closed.iter().any(closed)
        };
        let absent = scope.only.iter().zip(nearest).filter(|(only, _)| is_absent(only));
        survey.absent = absent
            .map(|(only, near)| Absent {
                only: only.clone(),
                near,
                keyword: scope
                    .keyword
                    .as_ref()
                    .is_some_and(|keyword| !only.repository.contains(keyword.as_str())),
                passed_over: chosen
                    .iter()
                    .find_map(|(name, chosen)| chosen.why_not(scope, name, only)),
            })
            .collect();
    }

    // A registry may have some hundred thousand tags.
    survey.viewed.reserve_exact(followed.len());
    for one in followed.extract_if(.., |one| scope.settles(one).is_some()) {
        let because = scope.settles(&one).unwrap_or(KeptBecause::Present);
        survey.viewed.push(one.viewed(Upstream::NotAsked(because), ledger));
    }
    let tags: BTreeSet<ImageRef> = followed.iter().map(|one| one.follows.clone()).collect();
    events.send(Event::Comparing { tags: tags.len() });
    let upstreams = ask_upstreams(tags, scope.at_once, session, stop).await;
    for one in followed {
        match upstreams.get(&one.follows) {
            Some(Ok(upstream)) => survey.viewed.push(one.viewed(upstream.clone(), ledger)),
            Some(Err(why)) => survey.unread.push(Unread {
                target: one,
                why: Arc::clone(why),
            }),
            None => survey.unasked.push(one),
        }
    }
    survey.look_closer(scope, policy, ecr, session, stop).await;
    survey.named = named;
    Ok(survey)
}

impl Survey {
    /// Whether nothing was found, and nothing that was asked for by name is missing.
    pub fn is_empty(&self) -> bool {
        self.repositories == 0 && self.absent.is_empty()
    }

    /// Takes out the repositories of pull-through caches. Who may not ask for the rules goes on without.
    async fn leave_caches(&mut self, ecr: &Ecr, listed: &mut Vec<ListedRepository>) {
        let prefixes = match ecr.cache_prefixes().await {
            Ok(prefixes) => prefixes,
            Err(error) => return tracing::debug!("{error}; repositories of a pull-through cache are taken for others"),
        };
        let of_cache = |name: &str| prefixes.iter().any(|prefix| is_below(prefix, name));
        let cached = listed.extract_if(.., |one| of_cache(&one.name));
        self.cached = cached.map(|one| one.name).collect();
        self.cached.sort();
        self.cache_prefixes = prefixes;
    }

    /// The tags of every repository that are looked after, and what each follows.
    async fn list(
        &mut self,
        scope: &Scope,
        ecr: &Ecr,
        listed: Vec<ListedRepository>,
        chosen: &BTreeMap<String, Chosen>,
        ledger: &Ledger,
        stop: &Stop,
    ) -> Vec<Followed> {
        let mut unlisted: BTreeSet<String> = listed.iter().map(|one| one.name.clone()).collect();
        let fixed: BTreeMap<String, FixedTags> = listed.into_iter().map(|one| (one.name, one.fixed)).collect();
        let mut answers = stream::iter(fixed.keys())
            .map(|name| async move { (ecr.images(name).await, name) })
            .buffer_unordered(scope.at_once)
            .take_until(stop.soft.cancelled())
            .boxed_local();
        let mut followed = Vec::new();
        // Each answer is let go before the next is read: all of them weigh more than what is kept of them.
        while let Some((images, name)) = answers.next().await {
            unlisted.remove(name);
            let images = match images {
                Ok(images) => images,
                Err(error) => {
                    self.close(name, None, error);
                    continue;
                }
            };
            if let Some(follows) = self.follows(scope, name, chosen.get(name)) {
                followed.extend(self.follow(scope, &follows, &images, &fixed[name], ledger));
            }
        }
        drop(answers);
        let missing: Vec<Repository> = self.missing.keys().cloned().collect();
        for name in missing.iter().map(|repository| &*repository.path) {
            if let Some(follows) = self.follows(scope, name, chosen.get(name)) {
                let none = FixedTags::NoneBut(Vec::new());
                followed.extend(self.follow(scope, &follows, &[], &none, ledger));
            }
        }
        self.closed
            .sort_by(|one, other| (&one.repository, &one.from).cmp(&(&other.repository, &other.from)));
        self.unlisted = unlisted.into_iter().collect();
        followed.sort_unstable_by(|one, other| one.target.cmp(&other.target));
        followed
    }

    fn close(&mut self, repository: &str, from: Option<&str>, why: impl Into<SurveyError>) {
        self.closed.push(Closed {
            repository: repository.to_owned(),
            from: from.map(str::to_owned),
            why: why.into(),
        });
    }
}

fn is_below(prefix: &str, name: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
}

impl Followed {
    fn viewed(self, upstream: Upstream, ledger: &Ledger) -> Viewed {
        Viewed {
            made: ledger.of(&self.target).cloned().map(Box::new),
            first_seen: match &upstream {
                Upstream::Has(has) => ledger.first_seen(&self.follows, &has.top),
                Upstream::Gone | Upstream::NotAsked(_) => None,
            },
            facts: None,
            target: self.target,
            digest: self.digest,
            kind: self.kind,
            config: None,
            platforms: Vec::new(),
            follows: self.follows,
            upstream,
            outcome: None,
            can_move: self.can_move,
            lacks_referrers: false,
        }
    }
}

impl Scope {
    /// Why nobody needs to be asked about a target.
    fn settles(&self, one: &Followed) -> Option<KeptBecause> {
        let tag = one.target.reference.as_str();
        // What is to come for the first time has to be asked for.
        one.digest.as_ref()?;
        match &self.fixed_tags {
            Some(fixed) if fixed.is_match(tag) => Some(KeptBecause::FixedTag),
            _ if self.missing_only => Some(KeptBecause::Present),
            _ => None,
        }
    }
}

impl From<Viewed> for Followed {
    fn from(one: Viewed) -> Self {
        Self {
            target: one.target,
            digest: one.digest,
            kind: one.kind,
            follows: one.follows,
            can_move: one.can_move,
        }
    }
}

async fn ask_upstreams(
    tags: BTreeSet<ImageRef>,
    at_once: usize,
    session: &Session,
    stop: &Stop,
) -> BTreeMap<ImageRef, Result<Upstream, Arc<EngineError>>> {
    stream::iter(tags)
        .map(|tag| async move {
            let upstream = match session.observe(&tag, Side::Upstream).await {
                Ok(observed) => Ok(Upstream::Has(Box::new(observed))),
                Err(error) if error.is_gone() => Ok(Upstream::Gone),
                Err(error) => Err(Arc::new(error)),
            };
            (tag, upstream)
        })
        .buffer_unordered(at_once)
        .take_until(stop.soft.cancelled())
        .collect()
        .await
}
