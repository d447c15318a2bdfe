//! A second look, at what listings and digests leave open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, stream};

use super::{Compare, Followed, Scope, Survey, Unread};
use crate::aws::ecr::Ecr;
use crate::engine::{EngineError, Session, Side};
use crate::image::{Digest, ImageRef, Kind, Platforms, Repository};
use crate::plan::{Keeps, Policies, Policy, Upstream, Viewed};
use crate::stop::Stop;

impl Survey {
    /// Of the targets that digests and ledger leave open, finds out which platform they are and, where asked, what their
    /// content is.
    pub(super) async fn look_closer(
        &mut self,
        scope: &Scope,
        policies: &Policies,
        ecrs: &BTreeMap<&str, &Ecr>,
        session: &Session,
        stop: &Stop,
    ) {
        let is_open = |one: &mut Viewed| match &one.upstream {
            Upstream::Has(upstream) => {
                session.brings_referrers() || one.in_sync_with(upstream, policies.of(&one.target)).is_none()
            }
            Upstream::Gone | Upstream::NotAsked(_) => false,
        };
        let open: Vec<Viewed> = self.viewed.extract_if(.., is_open).collect();

        let needs_configs = |policy: &Policy| policy.keeps == Keeps::Content || policy.platforms == Platforms::AsTarget;
        let configs = match scope.compare {
            // Where manifests are compared, a config tells its platform alone.
            Compare::Registry if policies.all().any(needs_configs) => read_configs(&open, scope, ecrs, stop).await,
            Compare::Registry | Compare::Pull => BTreeMap::new(),
        };
        let mut left: BTreeMap<ImageRef, Viewed> = open.into_iter().map(|one| (one.target.clone(), one)).collect();
        let look = async |mut one: Viewed| {
            let repository = one.target.repository.clone();
            let config = one.digest.clone().and_then(|digest| configs.get(&(repository, digest)));
            one.config = config.cloned();
            let looked = one.look_closer(policies.of(&one.target), session).await;
            (looked, one)
        };
        let mut answers = stream::iter(left.clone().into_values())
            .map(look)
            .buffer_unordered(scope.at_once)
            .take_until(stop.soft.cancelled())
            .boxed_local();
        while let Some((looked, one)) = answers.next().await {
            left.remove(&one.target);
            match looked {
                Ok(()) => self.viewed.push(one),
                Err(why) => self.unread.push(Unread {
                    target: one.into(),
                    why: Arc::new(why),
                }),
            }
        }
        drop(answers);
        self.unasked.extend(left.into_values().map(Followed::from));
        self.viewed.sort_unstable_by(|one, other| one.target.cmp(&other.target));
    }
}

impl Viewed {
    /// What is not in a listing: the target's platforms, and what an upstream's index lists.
    pub async fn look_closer(&mut self, policy: &Policy, session: &Session) -> Result<(), EngineError> {
        if policy.keeps == Keeps::Everything {
            return self.look_for_outcome(policy, session).await;
        }
        let kind_is_listed = !matches!(self.kind, Some(Kind::Other(_)));
        if kind_is_listed {
            // All that the daemon could tell beside, and sooner had than through it.
            self.read_platform(session).await;
        }
        if self.digest.is_some() && self.platforms.is_empty() {
            let observed = session.observe(&self.target, Side::Target).await?;
            self.platforms = observed.platforms;
            // A listing does not always tell, and an index must not be taken for a single image.
            if !kind_is_listed {
                self.kind = Some(observed.kind);
                self.read_platform(session).await;
            }
        }
        if let Upstream::Has(upstream) = &mut self.upstream {
            session.read_index(&self.follows, upstream).await?;
        }
        self.look_for_facts(policy, session).await
    }

    /// What is asked of an image before it may come, which nobody reads of one that may not in any case.
    async fn look_for_facts(&mut self, policy: &Policy, session: &Session) -> Result<(), EngineError> {
        let Upstream::Has(upstream) = &self.upstream else {
            return Ok(());
        };
        let Ok(brings) = self.brings(upstream, policy) else {
            return Ok(());
        };
        if self.in_sync_with(upstream, policy).is_none() && policy.safety.is_open(self, upstream, policy.now) {
            let facts = session
                .registries()
                .facts(&self.follows, &upstream.top, brings.platforms());
            self.facts = Some(Box::new(facts.await?));
        }
        Ok(())
    }

    /// A single image's platform, from its config, where that was read and nobody has told the platform yet.
    async fn read_platform(&mut self, session: &Session) {
        if let (false, true, Some(config)) = (self.is_index(), self.platforms.is_empty(), &self.config) {
            let platform = session.platform(&self.target.repository, config).await;
            self.platforms.extend(platform);
        }
    }

    /// Where digests stay, they tell all; but for what is made anew: what that would be is found out.
    async fn look_for_outcome(&mut self, policy: &Policy, session: &Session) -> Result<(), EngineError> {
        let Upstream::Has(upstream) = &mut self.upstream else {
            return Ok(());
        };
        if policy.changes_digests(&upstream.kind) {
            session.read_index(&self.follows, upstream).await?;
            let upstream = upstream.clone();
            if let Ok(brings) = self.brings(&upstream, policy) {
                self.outcome = session.outcome(&self.follows, &upstream.top, &brings).await?;
                // What a part takes the place of is told before it is done.
                if let (true, Some(digest)) = (self.is_index(), &self.digest)
                    && self.outcome.as_ref() != Some(digest)
                {
                    self.platforms = session.target_platforms(&self.target, digest).await?;
                }
            }
        }
        self.look_for_referrers(policy, session).await?;
        self.look_for_facts(policy, session).await
    }

    /// What is the same may have been signed since.
    async fn look_for_referrers(&mut self, policy: &Policy, session: &Session) -> Result<(), EngineError> {
        if let (Upstream::Has(upstream), Some(digest)) = (&self.upstream, &self.digest)
            && self.in_sync_with(upstream, policy).is_some()
        {
            let lacks = session.lacks_referrers(&self.follows, digest, &self.target).await;
            self.lacks_referrers = lacks?;
        }
        Ok(())
    }
}

/// The config digests of single images, by repository and manifest digest. What cannot be read is left out: then a pull tells.
async fn read_configs(
    open: &[Viewed],
    scope: &Scope,
    ecrs: &BTreeMap<&str, &Ecr>,
    stop: &Stop,
) -> BTreeMap<(Repository, Digest), Digest> {
    let mut wanted: BTreeMap<Repository, BTreeSet<Digest>> = BTreeMap::new();
    for one in open.iter().filter(|one| !one.is_index()) {
        let digests = wanted.entry(one.target.repository.clone()).or_default();
        digests.extend(one.digest.clone());
    }
    let asked = wanted
        .into_iter()
        .filter_map(|(repository, digests)| Some((*ecrs.get(&*repository.host)?, repository, digests)));
    stream::iter(asked)
        .map(|(ecr, repository, digests)| async move {
            let digests: Vec<Digest> = digests.into_iter().collect();
            (ecr.config_digests(&repository.path, &digests).await, repository)
        })
        .buffer_unordered(scope.at_once)
        .take_until(stop.soft.cancelled())
        .fold(BTreeMap::new(), |mut configs, (answer, repository)| async move {
            match answer {
                Ok(found) => configs.extend(
                    found
                        .into_iter()
                        .map(|(manifest, config)| ((repository.clone(), manifest), config)),
                ),
                Err(error) => {
                    tracing::warn!(
                        "{error}; the images of {} will be pulled to be compared",
                        repository.path
                    );
                }
            }
            configs
        })
        .await
}
