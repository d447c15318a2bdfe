//! Asks both sides what they hold. The only reader.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, stream};

use crate::aws::AwsError;
use crate::aws::ecr::{Ecr, ListedImage};
use crate::engine::docker::Session;
use crate::engine::{EngineError, Side};
use crate::events::{Event, Events};
use crate::image::{Digest, ImageRef, Kind, Repository};
use crate::ledger::Ledger;
use crate::mapping::{Mapping, Naming, NoUpstream};
use crate::plan::{Policy, Upstream, Viewed};
use crate::stop::Stop;

/// What a survey looks at.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The registry's `host[:port]`.
    pub registry: String,
    /// Repositories whose name contains this, letter case as written.
    pub keyword: String,
    /// How a repository's name tells its upstream.
    pub naming: Naming,
    /// How the content of a target is compared.
    pub compare: Compare,
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

/// What was found.
#[derive(Debug, Default)]
pub struct Survey {
    /// How many repositories the keyword matched.
    pub repositories: usize,
    /// How many of their images have no tag, and so no upstream.
    pub untagged: usize,
    /// Targets both of whose sides are known.
    pub viewed: Vec<Viewed>,
    /// Targets of which something could not be read.
    pub unread: Vec<Unread>,
    /// Repositories of which nothing could be read.
    pub closed: Vec<(String, SurveyError)>,
    /// Repositories that were not listed, because the run was stopped.
    pub unlisted: Vec<String>,
    /// Targets that nobody was asked about, because the run was stopped.
    pub unasked: Vec<Followed>,
}

/// A target's tag and the upstream's that it follows.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The target's tag.
    pub target: ImageRef,
    /// What it names.
    pub digest: Digest,
    /// What that is.
    pub kind: Kind,
    /// The upstream's tag.
    pub follows: ImageRef,
}

/// A target of which something could not be read.
#[derive(Debug)]
pub struct Unread {
    /// Which target.
    pub target: Followed,
    /// Why. Several targets may follow one upstream tag, and share its error.
    pub why: Arc<EngineError>,
}

/// A repository of which nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// ECR did not list its images.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Its name tells no upstream.
    #[error(transparent)]
    NoUpstream(#[from] NoUpstream),
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
    let mut names = names?;
    for name in scope.naming.overrides.keys().filter(|name| !names.contains(name)) {
        tracing::warn!(
            "discovery.upstream names {name}, which is no repository of {}",
            scope.registry
        );
    }
    names.retain(|name| name.contains(&scope.keyword));
    survey.repositories = names.len();
    events.send(Event::Listing {
        repositories: names.len(),
    });
    let followed = survey.list(scope, ecr, names, stop).await;

    let tags: BTreeSet<ImageRef> = followed.iter().map(|one| one.follows.clone()).collect();
    events.send(Event::Comparing { tags: tags.len() });
    let upstreams = ask_upstreams(tags, scope, session, stop).await;
    for one in followed {
        match upstreams.get(&one.follows) {
            Some(Ok(upstream)) => survey.viewed.push(Viewed {
                made: ledger.of(&one.target).cloned(),
                target: one.target,
                digest: one.digest,
                kind: one.kind,
                config: None,
                platforms: Vec::new(),
                follows: one.follows,
                upstream: upstream.clone(),
            }),
            Some(Err(why)) => survey.unread.push(Unread {
                target: one,
                why: Arc::clone(why),
            }),
            None => survey.unasked.push(one),
        }
    }
    survey.look_closer(scope, policy, ecr, session, stop).await;
    Ok(survey)
}

impl Survey {
    /// The tags of every repository, and what each follows.
    async fn list(&mut self, scope: &Scope, ecr: &Ecr, names: Vec<String>, stop: &Stop) -> Vec<Followed> {
        let mut unlisted: BTreeSet<String> = names.iter().cloned().collect();
        let mut answers: Vec<_> = stream::iter(names)
            .map(|name| async move { (ecr.images(&name).await, name) })
            .buffer_unordered(scope.at_once)
            .take_until(stop.soft.cancelled())
            .collect()
            .await;
        answers.sort_by(|(_, one), (_, other)| one.cmp(other));
        let mut followed = Vec::new();
        for (images, name) in answers {
            unlisted.remove(&name);
            let mapping = scope.naming.upstream_of(&name).map(|upstream| Mapping {
                upstream,
                target: Repository {
                    host: scope.registry.clone(),
                    path: name.clone(),
                },
            });
            match (images, mapping) {
                (Ok(images), Ok(mapping)) => {
                    self.untagged += images.iter().filter(|image| image.tags.is_empty()).count();
                    followed.extend(images.iter().flat_map(|image| follow(image, &mapping)));
                }
                (Err(error), _) => self.closed.push((name, error.into())),
                (Ok(_), Err(error)) => self.closed.push((name, error.into())),
            }
        }
        self.unlisted = unlisted.into_iter().collect();
        followed.sort_by(|one, other| one.target.cmp(&other.target));
        followed
    }

    /// Of the targets that digests and ledger leave open, finds out which platform they are and, where asked, what their
    /// content is.
    async fn look_closer(&mut self, scope: &Scope, policy: &Policy, ecr: &Ecr, session: &Session, stop: &Stop) {
        let (open, settled): (Vec<Viewed>, Vec<Viewed>) =
            std::mem::take(&mut self.viewed)
                .into_iter()
                .partition(|one| match &one.upstream {
                    Upstream::Has(upstream) => one.in_sync_with(upstream, policy).is_none(),
                    Upstream::Gone => false,
                });
        self.viewed = settled;

        let configs = match scope.compare {
            Compare::Registry => read_configs(&open, scope, ecr, stop).await,
            Compare::Pull => BTreeMap::new(),
        };
        let mut left: BTreeMap<ImageRef, Viewed> = open.into_iter().map(|one| (one.target.clone(), one)).collect();
        let targets: Vec<ImageRef> = left.keys().cloned().collect();
        let mut answers = stream::iter(targets)
            .map(|target| async move { (session.observe(&target, Side::Target).await, target) })
            .buffer_unordered(scope.at_once)
            .take_until(stop.soft.cancelled())
            .boxed();
        while let Some((answer, target)) = answers.next().await {
            let Some(mut one) = left.remove(&target) else { continue };
            match answer {
                Ok(observed) => {
                    one.platforms = observed.platforms;
                    // A listing does not always tell, and an index must not be taken for a single image.
                    if matches!(one.kind, Kind::Other(_)) {
                        one.kind = observed.kind;
                    }
                    one.config = configs
                        .get(&(target.repository.path.clone(), one.digest.clone()))
                        .cloned();
                    self.viewed.push(one);
                }
                Err(why) => self.unread.push(Unread {
                    target: one.into(),
                    why: Arc::new(why),
                }),
            }
        }
        drop(answers);
        self.unasked.extend(left.into_values().map(Followed::from));
        self.viewed.sort_by(|one, other| one.target.cmp(&other.target));
    }
}

impl From<Viewed> for Followed {
    fn from(one: Viewed) -> Self {
        Self {
            target: one.target,
            digest: one.digest,
            kind: one.kind,
            follows: one.follows,
        }
    }
}

fn follow<'a>(image: &'a ListedImage, mapping: &'a Mapping) -> impl Iterator<Item = Followed> + 'a {
    image.tags.iter().map(|tag| Followed {
        target: mapping.target.image(tag.clone()),
        digest: image.digest.clone(),
        kind: image.kind.clone(),
        follows: mapping.upstream.image(tag.clone()),
    })
}

async fn ask_upstreams(
    tags: BTreeSet<ImageRef>,
    scope: &Scope,
    session: &Session,
    stop: &Stop,
) -> BTreeMap<ImageRef, Result<Upstream, Arc<EngineError>>> {
    stream::iter(tags)
        .map(|tag| async move {
            let upstream = match session.observe(&tag, Side::Upstream).await {
                Ok(observed) => Ok(Upstream::Has(observed)),
                Err(error) if error.is_gone() => Ok(Upstream::Gone),
                Err(error) => Err(Arc::new(error)),
            };
            (tag, upstream)
        })
        .buffer_unordered(scope.at_once)
        .take_until(stop.soft.cancelled())
        .collect()
        .await
}

/// The config digests of single images, by repository and manifest digest. What cannot be read is left out: then a pull tells.
async fn read_configs(open: &[Viewed], scope: &Scope, ecr: &Ecr, stop: &Stop) -> BTreeMap<(String, Digest), Digest> {
    let mut wanted: BTreeMap<String, BTreeSet<Digest>> = BTreeMap::new();
    for one in open.iter().filter(|one| !one.kind.is_index()) {
        let digests = wanted.entry(one.target.repository.path.clone()).or_default();
        digests.insert(one.digest.clone());
    }
    stream::iter(wanted)
        .map(|(repository, digests)| async move {
            let digests: Vec<Digest> = digests.into_iter().collect();
            (ecr.config_digests(&repository, &digests).await, repository)
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
                Err(error) => tracing::warn!("{error}; the images of {repository} will be pulled to be compared"),
            }
            configs
        })
        .await
}
