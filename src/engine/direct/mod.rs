//! Copies from registry to registry: the same manifests with the same digests, every byte checked on its way, in bounded
//! memory and without a disk.

mod blobs;
mod feed;
mod image;
mod referrers;
mod seal;
mod straight;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use futures::{StreamExt, stream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::blobs::Blob;
use self::feed::IN_FLIGHT;
use self::image::Image;
use self::seal::Target;
use super::registries::login_failed;
use super::turns::Turns;
use super::{Copied, EngineError, Goal, Order, Registries, Side, Steps, Trouble};
use crate::image::{Attestations, Descriptor, Digest, ImageRef, Manifest, Observed, Repository};
use crate::plan::Brings;
use crate::registry::Remote;
use crate::retry::Retry;

/// How much of an image comes, and how many of its blobs at once.
#[derive(Debug, Clone)]
pub struct DirectOptions {
    /// How often something that passes is tried.
    pub retry: Retry,
    /// The most connections that carry blobs: one that reads, and one for each target that is written to.
    pub connections: usize,
    /// How long a target is waited for that takes no more of a blob, or does not answer at its end.
    pub transfer: Duration,
    /// How long one target may hold up others that get the same blob, in all, before it has to get it by itself.
    pub lag: Duration,
    /// What becomes of attestations.
    pub attestations: Attestations,
    /// Whether signatures and what else refers to the image comes along.
    pub referrers: bool,
    /// Whether layers are brought of which the upstream has only an address.
    pub foreign_layers: bool,
}

/// The engine, ready to work.
#[derive(Debug)]
pub struct Session {
    registries: Registries,
    options: DirectOptions,
    connections: Semaphore,
    /// Bytes of blobs that may be in memory.
    room: Arc<Semaphore>,
    /// One blob goes to one repository once, however many images have it.
    turns: Turns,
    /// Which repositories of a registry have a blob, as far as this run has seen.
    seen: Mutex<BTreeMap<Seen, BTreeSet<Arc<str>>>>,
    tagged: Mutex<Tagged>,
}

/// Repositories that have tags, and registries that do not say whether theirs have some.
#[derive(Debug, Default)]
struct Tagged {
    repositories: BTreeSet<Repository>,
    registries: BTreeSet<Arc<str>>,
}

/// A blob in a registry: the host, its digest, and the size that a manifest says it has.
type Seen = (Arc<str>, Digest, u64);

fn seen_in(repository: &Repository, blob: &Descriptor) -> Seen {
    (repository.host.clone(), blob.digest.clone(), blob.size)
}

/// How a goal ended, once it has.
type Outcome = Mutex<Option<Result<Copied, EngineError>>>;

/// A goal, and where its end is told.
type Aim<'o> = (&'o Goal, &'o Outcome);

fn settle(outcome: &Outcome, ended: Result<Copied, EngineError>) {
    *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
}

/// Blobs that are looked after at once for one image; their connections are bounded for all images together.
const BLOBS_AT_ONCE: usize = 64;

impl Session {
    /// Logs in to `target`, the registry's host, where all goes to one, to see at once whether that can be done.
    pub async fn open(
        options: DirectOptions,
        registries: Registries,
        target: Option<&str>,
    ) -> Result<Self, EngineError> {
        let session = Self {
            connections: Semaphore::new(options.connections.max(2)),
            room: Arc::new(Semaphore::new(IN_FLIGHT)),
            options,
            registries,
            turns: Turns::default(),
            seen: Mutex::default(),
            tagged: Mutex::default(),
        };
        if let Some(target) = target {
            let answered = session.registries.client.ping(target).await;
            answered.map_err(|error| login_failed(target, error))?;
        }
        Ok(session)
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        "this program, from registry to registry".to_owned()
    }

    /// What this program itself asks registries.
    pub fn registries(&self) -> &Registries {
        &self.registries
    }

    /// The digest that a copy of `brings` of the index `top` would leave.
    pub async fn outcome(&self, image: &ImageRef, top: &Digest, brings: &Brings) -> Result<Digest, EngineError> {
        match brings {
            Brings::Whole(_) => Ok(top.clone()),
            Brings::Platform(platform) => {
                let manifest = self.registries.manifest(image, top, Side::Upstream).await?;
                // Its descriptor says so: it is not read, which may count as a pull.
                let own = Observed::from(&manifest).manifest_for(platform.as_ref()).cloned();
                Ok(own.unwrap_or_else(|| top.clone()))
            }
            Brings::Part { .. } => {
                let manifest = self.registries.manifest(image, top, Side::Upstream).await?;
                self.top_of(image, manifest, brings).await.map(|(top, _)| top.digest)
            }
        }
    }

    /// Whether what refers to an image comes along with it.
    pub fn brings_referrers(&self) -> bool {
        self.options.referrers
    }

    /// Carries out one order; answers for each goal, in order. What had ended before `stop` is answered as it ended.
    pub async fn copy(
        &self,
        order: &Order,
        stop: &CancellationToken,
        steps: Steps<'_>,
    ) -> Vec<Result<Copied, EngineError>> {
        let outcomes: Vec<Outcome> = order.goals.iter().map(|_| Outcome::default()).collect();
        tokio::select! {
            // What has just ended is not cut off.
            biased;
            () = self.copy_to_all(order, steps, &outcomes) => {}
            () = stop.cancelled() => {}
        }
        let ended = outcomes.into_iter().map(|outcome| outcome.into_inner().ok().flatten());
        ended.map(|ended| ended.unwrap_or(Err(EngineError::Stopped))).collect()
    }

    async fn copy_to_all(&self, order: &Order, steps: Steps<'_>, outcomes: &[Outcome]) {
        let image = match self.read(order).await {
            Ok(image) => image,
            Err(error) => return outcomes.iter().for_each(|outcome| settle(outcome, Err(error.clone()))),
        };
        let all = order.goals.iter().zip(outcomes).collect();
        let lacking = self.make(&image, all, steps).await;
        if lacking.is_empty() {
            return;
        }
        // What was there when it was looked for, or brought, is gone; or another is just writing it.
        tokio::time::sleep(self.options.retry.wait).await;
        for ((goal, _), error) in &lacking {
            tracing::warn!("{error}; looking for its content again");
            self.forget(&goal.target.repository, &image);
        }
        let again = lacking.into_iter().map(|(one, _)| one).collect();
        for ((_, outcome), error) in self.make(&image, again, steps).await {
            settle(outcome, Err(error));
        }
    }

    /// Brings what each target lacks and makes an image of it there. Answers those whose registry found something lacking in the end; all others
    /// are settled.
    async fn make<'o>(&self, image: &Image, goals: Vec<Aim<'o>>, steps: Steps<'_>) -> Vec<(Aim<'o>, EngineError)> {
        let targets: Vec<Target<'_>> = goals.iter().map(|(goal, _)| Target::new(self, goal, steps)).collect();
        let whole = Blob::wanted(image, &targets);
        // One tag of a repository asks for all of its.
        let repositories: BTreeSet<&Repository> = targets.iter().map(Target::repository).collect();
        let firsts = repositories
            .into_iter()
            .filter_map(|repository| targets.iter().find(|target| target.repository() == repository));
        tokio::join!(
            join_all(targets.iter().map(|target| target.look(image))),
            join_all(firsts.map(|target| target.look_for_blobs(&whole)))
        );
        let blobs = Blob::wanted(image, &targets);
        for target in &targets {
            target.expects(&blobs);
        }
        let bringing =
            stream::iter(&blobs).for_each_concurrent(BLOBS_AT_ONCE, |blob| self.bring(image, blob, &targets));
        // One that has all it needs does not wait for the others.
        let sealing = targets.iter().zip(&goals).map(async |(target, goal)| {
            target.has_all().await;
            match target.seal(image).await {
                Err(
                    error @ EngineError::Registry {
                        trouble: Trouble::Lacking,
                        ..
                    },
                ) => Some((*goal, error)),
                ended => {
                    settle(goal.1, ended);
                    None
                }
            }
        });
        let ((), sealed) = tokio::join!(bringing, join_all(sealing));
        sealed.into_iter().flatten().collect()
    }

    /// Whether a repository has any tag, as far as its registry tells. Where it has one, or the registry does not tell, that is remembered.
    async fn has_tags(&self, remote: &Remote) -> bool {
        let repository = remote.repository();
        let tagged = || self.tagged.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known =
            |known: &Tagged| known.registries.contains(&repository.host) || known.repositories.contains(repository);
        if is_known(&tagged()) {
            return true;
        }
        let answer = remote.has_tags().await;
        let mut known = tagged();
        match answer {
            Ok(false) => return false,
            Ok(true) => known.repositories.insert(repository.clone()),
            Err(error) => {
                tracing::debug!("{error}; it is asked for each layer");
                known.registries.insert(repository.host.clone())
            }
        };
        true
    }

    /// Remembers that a repository has a blob.
    fn note(&self, repository: &Repository, blob: &Descriptor) {
        let Ok(mut seen) = self.seen.lock() else { return };
        let repositories = seen.entry(seen_in(repository, blob)).or_default();
        repositories.insert(repository.path.clone());
    }

    fn has_seen(&self, repository: &Repository, blob: &Descriptor) -> bool {
        let key = seen_in(repository, blob);
        let seen = self.seen.lock();
        seen.is_ok_and(|seen| seen.get(&key).is_some_and(|paths| paths.contains(&repository.path)))
    }

    /// Forgets that a repository has an image's blobs.
    fn forget(&self, repository: &Repository, image: &Image) {
        let Ok(mut seen) = self.seen.lock() else { return };
        for blob in image.manifests().flat_map(Manifest::blobs) {
            let key = seen_in(repository, blob);
            let Some(paths) = seen.get_mut(&key) else { continue };
            paths.remove(&repository.path);
            if paths.is_empty() {
                seen.remove(&key);
            }
        }
    }

    /// Whether any repository of the same registry has a blob.
    fn is_in_registry(&self, repository: &Repository, blob: &Descriptor) -> bool {
        let key = seen_in(repository, blob);
        self.seen.lock().is_ok_and(|seen| seen.contains_key(&key))
    }

    /// Another repository of the same registry that has a blob.
    fn neighbour(&self, repository: &Repository, blob: &Descriptor) -> Option<Arc<str>> {
        let key = seen_in(repository, blob);
        let seen = self.seen.lock().ok()?;
        seen.get(&key)?.iter().find(|path| **path != repository.path).cloned()
    }
}
