//! One registry of ECR: what of it is looked after, and what its tags follow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join;
use futures::{StreamExt, stream};

use super::named::Chosen;
use super::{Absent, Closed, Followed, Part, PassedOver, Place, Scope, Survey, SurveyError, Unmatched, is_below};
use crate::aws::AwsError;
use crate::aws::ecr::{FixedTags, ListedRepository};
use crate::engine::{EngineError, Session};
use crate::events::{Event, Events};
use crate::image::{Repository, Tag};
use crate::ledger::Ledger;
use crate::mapping::{Named, Only};
use crate::stop::Stop;

/// What upstreams are asked while ECR is still listed.
pub(super) struct Upstreams<'a> {
    pub(super) session: &'a Session,
    /// Their tags, each listed once.
    pub(super) known: BTreeMap<Repository, Result<Arc<[Tag]>, Arc<EngineError>>>,
    /// Told of each target as soon as it is known what it follows.
    pub(super) follow: &'a dyn Fn(&Followed),
}

impl Upstreams<'_> {
    /// Lists those that are not known; a stop may leave some out.
    pub(super) async fn read(&mut self, upstreams: impl Iterator<Item = &Repository>, at_once: usize, stop: &Stop) {
        let unknown = upstreams.filter(|upstream| !self.known.contains_key(upstream));
        let unknown: Vec<Repository> = unknown.cloned().collect();
        let session = self.session;
        let listed: Vec<_> = stream::iter(unknown)
            .map(|upstream| async move { (session.tags(&upstream).await, upstream) })
            .buffer_unordered(at_once)
            .take_until(stop.soft.cancelled())
            .map(|(tags, upstream)| (upstream, tags.map(Arc::from).map_err(Arc::new)))
            .collect()
            .await;
        self.known.extend(listed);
    }
}

impl Survey {
    /// What of one registry is looked after, and what its tags follow. Nobody has asked the upstreams for images yet.
    pub(super) async fn look(
        &mut self,
        place: &Place,
        ledger: &Ledger,
        upstreams: &mut Upstreams<'_>,
        stop: &Stop,
        events: &Events,
    ) -> Result<Vec<Followed>, AwsError> {
        let (scope, ecr) = place;
        let asked = join(ecr.repositories(), ecr.cache_prefixes());
        let Some((listed, prefixes)) = stop.soft.run_until_cancelled(asked).await else {
            return Ok(Vec::new());
        };
        let mut listed = listed?;
        let is_listed = |name: &&String| listed.iter().any(|one| one.name == **name);
        let overrides = scope.naming.overrides.keys().filter(|_| scope.discovers);
        for name in overrides.filter(|name| !is_listed(name)) {
            tracing::warn!(
                "discovery.upstream names {name}, which is no repository of {}",
                scope.registry
            );
        }
        let is_matched = listed.iter().any(|one| scope.has_keyword(&one.name));
        if scope.discovers {
            listed.retain(|one| scope.part.has(&one.name));
        }
        let named = self.named(scope, &listed, ecr, stop).await;
        let are_there: BTreeSet<String> = listed.iter().map(|one| one.name.clone()).collect();
        let are_named: BTreeSet<&str> = named.iter().map(|named| named.repository.as_str()).collect();
        listed.retain(|one| scope.has_keyword(&one.name) || are_named.contains(one.name.as_str()));
        let mut names: Vec<String> = listed.iter().map(|one| one.name.clone()).collect();
        names.extend(named.iter().map(|named| named.repository.clone()));
        let near = |only: &Only| only.nearest(&scope.registry, &names).cloned();
        let nearest: Vec<Option<String>> = scope.only.iter().map(near).collect();
        self.unmatched = self.unmatched_by(scope, is_matched, &named, ecr.region());
        listed.retain(|one| scope.is_about(&one.name));
        self.repositories = listed.len();
        self.leave_caches(prefixes, &mut listed);
        events.send(Event::Listing {
            repositories: listed.len(),
        });
        let chosen = self.choose(scope, &named, &listed, ecr, upstreams, stop).await;
        self.repositories += self.missing.len();
        let comes = |repository: &Repository| scope.has_keyword(&repository.path);
        let is_to_come = self.missing.keys().any(comes);
        self.unmatched.take_if(|_| is_to_come);
        let mut followed = self.list(place, listed, &chosen, ledger, upstreams, stop).await;
        if !stop.is_asked() {
            let is_absent = |only: &Only| {
                let closed = |closed: &Closed| only.is_repository(&scope.registry, &closed.repository);
                !followed.iter().any(|one| only.is(&one.target)) && !self.closed.iter().any(closed)
            };
            let absent = scope.only.iter().zip(nearest).filter(|(only, _)| is_absent(only));
            self.absent = absent
                .map(|(only, near)| Absent {
                    only: only.clone(),
                    near,
                    keyword: scope.leaves_out(only),
                    passed_over: self.why_not(scope, only, &are_there, &chosen),
                })
                .collect();
        }
        for named in named {
            let repository = scope.repository(&named.repository);
            self.named.entry(repository).or_insert(named.from);
        }
        // What was asked for by name is there, although another part has it.
        followed.retain(|one| scope.shard.is_none_or(|shard| shard.has(&one.follows)));
        Ok(followed)
    }

    /// What says which repositories are looked after, where that finds none.
    fn unmatched_by(&self, scope: &Scope, is_matched: bool, named: &[Named], region: &str) -> Option<Unmatched> {
        let by_tags_alone = scope.resource_tags && scope.only.is_empty() && scope.part == Part::All;
        let is_nobody = match &scope.keyword {
            Some(_) => !is_matched && !matches!(scope.part, Part::Of(_)),
            None => by_tags_alone && named.is_empty() && self.closed.is_empty(),
        };
        (scope.discovers && is_nobody).then(|| Unmatched {
            keyword: scope.keyword.clone(),
            registry: scope.registry.clone(),
            region: region.to_owned(),
        })
    }

    /// Why what the run was narrowed down to is not looked after, as far as that is known; `are_there` are the registry's repositories.
    fn why_not(
        &self,
        scope: &Scope,
        only: &Only,
        are_there: &BTreeSet<String>,
        chosen: &BTreeMap<String, Chosen>,
    ) -> Option<PassedOver> {
        if scope.is_backup(only) && self.backups > 0 {
            return Some(PassedOver::Backup);
        }
        // Where nobody may read resource tags, that is told.
        let are_read = !self
            .closed
            .iter()
            .any(|closed| matches!(closed.why, SurveyError::Aws(_)));
        if !scope.discovers && are_read && are_there.contains(only.name_in(&scope.registry)) {
            return Some(PassedOver::NotNamed);
        }
        chosen
            .iter()
            .find_map(|(name, chosen)| chosen.why_not(scope, name, only))
    }

    /// Takes out the repositories of pull-through caches. Who may not ask for the rules goes on without.
    fn leave_caches(&mut self, prefixes: Result<Vec<String>, AwsError>, listed: &mut Vec<ListedRepository>) {
        let prefixes = match prefixes {
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
        (scope, ecr): &Place,
        listed: Vec<ListedRepository>,
        chosen: &BTreeMap<String, Chosen>,
        ledger: &Ledger,
        upstreams: &Upstreams<'_>,
        stop: &Stop,
    ) -> Vec<Followed> {
        let is_ours = |one: &&Followed| scope.shard.is_none_or(|shard| shard.has(&one.follows));
        let mut followed = Vec::new();
        let mut add = |more: Vec<Followed>| {
            more.iter().filter(is_ours).for_each(upstreams.follow);
            followed.extend(more);
        };
        let mut unlisted: BTreeSet<String> = listed.iter().map(|one| one.name.clone()).collect();
        let fixed: BTreeMap<String, FixedTags> = listed.into_iter().map(|one| (one.name, one.fixed)).collect();
        let mut answers = stream::iter(fixed.keys())
            .map(|name| async move { (ecr.images(name).await, name) })
            .buffer_unordered(scope.at_once)
            .take_until(stop.soft.cancelled())
            .boxed_local();
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
                add(self.follow(scope, &follows, &images, &fixed[name], ledger));
            }
        }
        drop(answers);
        let missing: Vec<Repository> = self.missing.keys().cloned().collect();
        for name in missing.iter().map(|repository| &*repository.path) {
            if let Some(follows) = self.follows(scope, name, chosen.get(name)) {
                let none = FixedTags::NoneBut(Vec::new());
                add(self.follow(scope, &follows, &[], &none, ledger));
            }
        }
        self.closed
            .sort_by(|one, other| (&one.repository, &one.from).cmp(&(&other.repository, &other.from)));
        self.unlisted = unlisted.into_iter().collect();
        followed.sort_unstable_by(|one, other| one.target.cmp(&other.target));
        followed
    }
}
