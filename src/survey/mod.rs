//! Asks both sides what they hold. The only reader.

mod again;
mod closer;
mod found;
mod named;
mod place;

pub use again::{Seen, look_again};
pub use found::{Absent, Closed, Followed, PassedOver, SurveyError, Unmatched, Unread};

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::channel::mpsc;
use futures::{Stream, StreamExt, join};

use self::place::Upstreams;
use crate::aws::AwsError;
use crate::aws::ecr::Ecr;
use crate::engine::{EngineError, Session, Side};
use crate::events::{Event, Events};
use crate::image::{ImageRef, Repository, Tag};
use crate::ledger::Ledger;
use crate::mapping::{Backup, Creation, Named, Naming, NewRepository, Only, Shard};
use crate::plan::{KeptBecause, Policies, Upstream, Viewed, backwards};
use crate::selection::Pattern;
use crate::stop::Stop;

/// What a survey looks at.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The registry's `host[:port]`.
    pub registry: String,
    /// Whether repositories are looked after that nothing names: those with the keyword.
    pub discovers: bool,
    /// Those that the run's own registry has for this survey.
    pub part: Part,
    /// Repositories whose name contains this, letter case as written. None for all that `only` names, or else for none.
    pub keyword: Option<String>,
    /// Of those, only these; empty for all.
    pub only: Vec<Only>,
    /// Of their images, only those of this part.
    pub shard: Option<Shard>,
    /// How a repository's name tells its upstream.
    pub naming: Naming,
    /// Upstreams that are named, with where their images go.
    pub images: Vec<Named>,
    /// Whether the repositories' own resource tags may name some too.
    pub resource_tags: bool,
    /// The most tags that these choose, unless they say more.
    pub max_results: usize,
    /// What is done about a repository that is named and not there.
    pub creation: Creation,
    /// How backups are named, which follow nothing.
    pub backups: Vec<Backup>,
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

/// Repositories of a registry, by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Every one.
    All,
    /// These.
    Of(BTreeSet<String>),
    /// All others: another engine looks after these.
    AllBut(BTreeSet<String>),
}

impl Part {
    /// Whether it has a repository.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(names) => names.contains(name),
            Self::AllBut(names) => !names.contains(name),
        }
    }
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
            _ if !self.discovers => false,
            Some(keyword) => name.contains(keyword),
            None => !self.only.is_empty(),
        }
    }

    /// Whether the keyword leaves out what the run was narrowed down to.
    fn leaves_out(&self, only: &Only) -> bool {
        let is_other = |keyword: &String| !only.repository.contains(keyword.as_str());
        self.discovers && self.keyword.as_ref().is_some_and(is_other)
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

    /// Whether a tag of this name keeps what another one named before.
    fn is_backup(&self, only: &Only) -> bool {
        let of = |tag: &Tag| self.backups.iter().any(|backup| backup.is_one(tag.as_str()));
        only.tag.as_ref().is_some_and(of)
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
    /// What says which repositories are looked after, where that finds none.
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
    /// Repositories that the settings or resource tags name, with where the first says so.
    pub named: BTreeMap<Repository, String>,
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

/// A registry of ECR that is looked at, and what of it.
pub type Place = (Scope, Ecr);

/// Asks ECR for its images and the upstreams for theirs. The first of `places` is the run's own registry; each upstream is asked once, however many
/// of them follow it.
///
/// # Errors
/// Only where the repositories of the run's own registry cannot be listed at all; anything smaller is in the [`Survey`].
pub async fn survey(
    places: &[Place],
    policies: &Policies,
    session: &Session,
    ledger: &Ledger,
    stop: &Stop,
    events: &Events,
) -> Result<Survey, AwsError> {
    let Some((scope, _)) = places.first() else {
        return Ok(Survey::default());
    };
    let (tags, asked) = mpsc::unbounded();
    let look = async move {
        let known = RefCell::new(BTreeSet::new());
        let follow = |one: &Followed| {
            if scope.settles(one).is_none() && known.borrow_mut().insert(one.follows.clone()) {
                // Who asks does so until this is dropped, or the run is stopped.
                let _ = tags.unbounded_send(one.follows.clone());
            }
        };
        let upstreams = Upstreams {
            session,
            known: BTreeMap::new(),
            follow: &follow,
        };
        let looked = look_at_all(places, ledger, upstreams, stop, events).await;
        let tags = known.borrow().len();
        events.send(Event::Comparing { tags });
        looked
    };
    // What the tags of one repository follow is asked for while the next is listed.
    let (looked, upstreams) = join!(look, ask_upstreams(asked, scope.at_once, session, stop));
    let (mut survey, followed) = looked?;
    // A registry may have some hundred thousand tags.
    survey.viewed.reserve_exact(followed.len());
    let mut asked_for = Vec::new();
    for one in backwards(followed) {
        match scope.settles(&one) {
            Some(because) => survey.viewed.push(one.viewed(Upstream::NotAsked(because), ledger)),
            None => asked_for.push(one),
        }
    }
    survey.viewed.reverse();
    asked_for.reverse();
    let followed = asked_for;
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
    let ecrs: BTreeMap<&str, &Ecr> = places
        .iter()
        .map(|(scope, ecr)| (scope.registry.as_str(), ecr))
        .collect();
    survey.look_closer(scope, policies, &ecrs, session, stop).await;
    Ok(survey)
}

/// What each registry has, and what its tags follow.
async fn look_at_all(
    places: &[Place],
    ledger: &Ledger,
    mut upstreams: Upstreams<'_>,
    stop: &Stop,
    events: &Events,
) -> Result<(Survey, Vec<Followed>), AwsError> {
    let mut survey = Survey::default();
    let mut followed = Vec::new();
    for place in places {
        let (scope, _) = place;
        let mut there = Survey::default();
        let found = there.look(place, ledger, &mut upstreams, stop, events).await;
        match found {
            Ok(found) if scope.discovers => {
                followed = found;
                survey = there;
            }
            Ok(found) => {
                followed.extend(found);
                survey.add_elsewhere(there, &scope.registry);
            }
            Err(error) if scope.discovers => return Err(error),
            Err(error) => {
                for named in &scope.images {
                    there.close(&named.repository, Some(&named.from), error.clone());
                }
                survey.add_elsewhere(there, &scope.registry);
            }
        }
    }
    // A name may be there in one registry and not in another.
    let looked_for = |only: &Only| places.iter().filter(|(scope, _)| scope.only.contains(only)).count();
    let absent = std::mem::take(&mut survey.absent);
    for one in &absent {
        let missed = absent.iter().filter(|other| other.only == one.only).count();
        if missed == looked_for(&one.only) && !survey.absent.iter().any(|known| known.only == one.only) {
            survey.absent.push(one.clone());
        }
    }
    Ok((survey, followed))
}

impl Survey {
    /// Whether nothing was found, and nothing that was asked for by name is missing.
    pub fn is_empty(&self) -> bool {
        self.repositories == 0 && self.absent.is_empty()
    }

    /// Adds what was found in another registry than the run's own, whose repositories are called by their full names from here on.
    pub fn add_elsewhere(&mut self, other: Self, host: &str) {
        let full = |name: String| format!("{host}/{name}");
        self.repositories += other.repositories;
        self.untagged += other.untagged;
        self.signature_tags += other.signature_tags;
        self.backups += other.backups;
        self.viewed.extend(other.viewed);
        self.unread.extend(other.unread);
        self.named.extend(other.named);
        self.missing.extend(other.missing);
        self.cached.extend(other.cached.into_iter().map(full));
        self.closed.extend(other.closed.into_iter().map(|closed| Closed {
            repository: full(closed.repository),
            ..closed
        }));
        self.unlisted.extend(other.unlisted.into_iter().map(full));
        self.unasked.extend(other.unasked);
        self.absent.extend(other.absent);
    }

    /// Passes over a repository, or what somebody (`from`) names for it.
    pub fn close(&mut self, repository: &str, from: Option<&str>, why: impl Into<SurveyError>) {
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
            made: ledger.of(&self.target).map(Box::new),
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

/// What upstreams hold, of which each is asked once where `tags` names none twice. A stop leaves some out.
async fn ask_upstreams(
    tags: impl Stream<Item = ImageRef>,
    at_once: usize,
    session: &Session,
    stop: &Stop,
) -> BTreeMap<ImageRef, Result<Upstream, Arc<EngineError>>> {
    tags.map(|tag| async move {
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
