//! One target of a copy: what it has, what failed there, and the manifests that make an image of its blobs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::watch;

use super::Session;
use super::blobs::Blob;
use super::image::{Image, Tree};
use super::referrers::only_adds_to;
use crate::engine::registries::failed;
use crate::engine::{Copied, EngineError, Goal, Note, Receipt, Side, Steps, Trouble};
use crate::events::{Bytes, CopyStep};
use crate::image::{Descriptor, Digest, ImageRef, Manifest, Reference, Repository};
use crate::registry::{Put, RegistryError, Remote};

/// Manifests that are looked for, or put, at once.
const AT_ONCE: usize = 8;

/// Small blobs of an image from which on it pays to find out whether all are lacking.
const MANY: usize = 10;

/// Blobs of them that are asked for.
const PROBES: usize = 4;

/// The largest that may be sent although it is there.
const SMALL: u64 = 2 << 20;

/// A bar need not know of every piece.
const TELL_EVERY: u64 = 1 << 20;

/// A target of one copy.
pub(super) struct Target<'a> {
    session: &'a Session,
    goal: &'a Goal,
    steps: Steps<'a>,
    remote: Result<Remote, EngineError>,
    /// Manifests that are there, and all that they consist of with them.
    has: Mutex<BTreeSet<Digest>>,
    failed: Mutex<Option<EngineError>>,
    /// Nothing of the image seems to be there.
    is_bare: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
    /// Blobs that are not there yet.
    missing: watch::Sender<usize>,
}

impl<'a> Target<'a> {
    pub(super) fn new(session: &'a Session, goal: &'a Goal, steps: Steps<'a>) -> Self {
        let remote = session.registries.client.target(&goal.target.repository);
        Self {
            session,
            goal,
            steps,
            remote: remote.map_err(|error| failed("reach", Side::Target, &goal.target, error)),
            has: Mutex::default(),
            failed: Mutex::default(),
            is_bare: AtomicBool::new(false),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            missing: watch::Sender::new(0),
        }
    }

    pub(super) fn image(&self) -> &ImageRef {
        &self.goal.target
    }

    pub(super) fn repository(&self) -> &Repository {
        &self.goal.target.repository
    }

    /// None once something failed.
    pub(super) fn remote(&self) -> Option<&Remote> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        self.remote.as_ref().ok().filter(|_| failed.is_none())
    }

    pub(super) fn fail(&self, error: EngineError) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert(error);
        drop(failed);
        // Who waits for the rest need not.
        self.missing.send_replace(0);
    }

    /// One blob has come to an end here, well or not.
    pub(super) fn is_through(&self) {
        self.missing.send_modify(|missing| *missing = missing.saturating_sub(1));
    }

    /// Waits until every blob is there, or one failed.
    pub(super) async fn has_all(&self) {
        // The sender is this target's own.
        let _ = self.missing.subscribe().wait_for(|missing| *missing == 0).await;
    }

    pub(super) fn lacks(&self, manifest: &Manifest) -> bool {
        let has = self.has.lock().unwrap_or_else(PoisonError::into_inner);
        !has.contains(&manifest.digest)
    }

    /// Finds out which of the manifests are there already.
    pub(super) async fn look(&self, image: &Image) {
        let Some(remote) = self.remote() else { return };
        let looked: Result<(), RegistryError> = async {
            let there: Vec<Option<Digest>> = stream::iter(image.manifests())
                .map(|manifest| async {
                    let there = self.session.is_all_with(manifest) && remote.has_manifest(&manifest.digest).await?;
                    Ok(there.then(|| manifest.digest.clone()))
                })
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await?;
            let mut has = self.has.lock().unwrap_or_else(PoisonError::into_inner);
            has.extend(there.into_iter().flatten());
            Ok(())
        }
        .await;
        if let Err(error) = looked {
            self.fail(failed("look up", Side::Target, self.image(), error));
        }
    }

    /// Finds out whether the repository is empty: then small blobs are sent without asking for each first. A run that was cut short leaves blobs
    /// and no tag, which shows in some of them; what that misses is sent once more.
    pub(super) async fn look_for_blobs(&self, blobs: &[Blob<'_>]) {
        let Some(remote) = self.remote() else { return };
        let own = blobs.iter().filter(|blob| blob.is_wanted_by(self.image()));
        let own = own.map(|blob| blob.descriptor).filter(|blob| is_small(blob));
        let own: Vec<&Descriptor> = own.collect();
        let may_be = self.goal.held.is_none() && own.len() >= MANY;
        if !may_be || self.session.has_tags(remote).await {
            return;
        }
        let probes = (0..PROBES).map(|at| own[at * (own.len() - 1) / (PROBES - 1)]);
        let probes = probes.map(|blob| async {
            let has = remote.has_blob(&blob.digest, blob.size).await;
            if matches!(has, Ok(true)) {
                self.session.note(self.repository(), blob);
            }
            has
        });
        let has = join_all(probes).await;
        // Who cannot tell is asked for each.
        let is_bare = has.iter().all(|has| matches!(has, Ok(false)));
        self.is_bare.store(is_bare, Ordering::Relaxed);
    }

    /// Whether it lacks a blob, as far as that need not be asked.
    pub(super) fn lacks_small(&self, blob: &Descriptor) -> bool {
        self.is_bare.load(Ordering::Relaxed) && is_small(blob)
    }

    /// How many bytes are to come.
    pub(super) fn expects(&self, blobs: &[Blob<'_>]) {
        let own: Vec<u64> = blobs
            .iter()
            .filter(|blob| blob.is_wanted_by(self.image()))
            .map(|blob| blob.descriptor.size)
            .collect();
        self.total.store(own.iter().sum(), Ordering::Relaxed);
        if self.remote().is_some() {
            self.missing.send_replace(own.len());
        }
        self.moved(0);
    }

    /// So many bytes more are there.
    pub(super) fn moved(&self, bytes: u64) {
        let before = self.done.fetch_add(bytes, Ordering::Relaxed);
        let done = before + bytes;
        let total = self.total.load(Ordering::Relaxed);
        if before / TELL_EVERY != done / TELL_EVERY || done >= total || bytes == 0 {
            (self.steps)(self.image(), CopyStep::Copied(Bytes { done, total }));
        }
    }

    /// Bytes that have to come once more.
    pub(super) fn lost(&self, bytes: u64) {
        self.done.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Makes an image of what is there now: children before parents, the tag last.
    pub(super) async fn seal(&self, image: &Image) -> Result<Copied, EngineError> {
        let failure = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let remote = match (failure, &self.remote) {
            (Some(error), _) => return Err(error),
            (None, Err(error)) => return Err(error.clone()),
            (None, Ok(remote)) => remote,
        };
        (self.steps)(self.image(), CopyStep::Checking);
        let mut notes = image.notes.clone();
        notes.extend(self.put_all(remote, image).await?);
        Ok(Copied::Pushed(Receipt {
            digest: image.main.top().digest.clone(),
            notes,
        }))
    }

    async fn put_all(&self, remote: &Remote, image: &Image) -> Result<Vec<Note>, EngineError> {
        let refused = |error| failed("write", Side::Target, self.image(), error);
        let top = image.main.top();
        self.put_below(remote, &image.main).await.map_err(refused)?;
        if !image.followers.is_empty() && self.lacks(top) {
            let by_digest = Reference::from(top.digest.clone());
            self.put(remote, top, &by_digest).await.map_err(refused)?;
        }
        let (mut left_behind, mut others) = (0, 0);
        for follower in &image.followers {
            match self.follow(remote, follower).await {
                Ok(true) => {}
                Ok(false) => others += 1,
                Err(error) if takes_no_referrers(&error) => {
                    tracing::debug!("{error}");
                    left_behind += 1;
                }
                Err(error) => return Err(refused(error)),
            }
        }
        // Who answers this step with nonsense may have moved the tag.
        let refused = |error| match Trouble::from(&error) {
            Trouble::Broken => failed("tag", Side::Target, self.image(), error),
            _ => refused(error),
        };
        match self.put(remote, top, &self.goal.target.reference).await {
            Ok(put) if put.is_confirmed => {}
            Ok(_) => self.is_there(remote, top).await?,
            // The answer to an earlier try may have been lost, and the tag cannot be moved again.
            Err(error) if Trouble::from(&error) == Trouble::ImmutableTag => {
                let there = self.is_there(remote, top).await;
                there.map_err(|_| refused(error))?;
            }
            Err(error) => return Err(refused(error)),
        }
        let notes = [
            (left_behind, Note::ReferrersRefused(left_behind)),
            (others, Note::SignaturesKept(others)),
        ];
        let notes = notes.into_iter().filter(|(count, _)| *count > 0);
        Ok(notes.map(|(_, note)| note).collect())
    }

    /// Puts a manifest, and sees to it that what it refers to tells of it.
    async fn put(&self, remote: &Remote, manifest: &Manifest, name: &Reference) -> Result<Put, RegistryError> {
        let put = remote.put(manifest, name).await?;
        if let (Some(subject), false) = (&manifest.subject, put.knows_subjects) {
            self.session.note_referrer(remote, subject, manifest).await?;
        }
        Ok(put)
    }

    /// The registry did not say what it took.
    async fn is_there(&self, remote: &Remote, top: &Manifest) -> Result<(), EngineError> {
        let head = remote.head(&self.goal.target.reference).await;
        let found = head.map_err(|error| failed("check", Side::Target, self.image(), error))?;
        match found.digest == top.digest {
            true => Ok(()),
            false => Err(EngineError::PushNotConfirmed {
                image: self.image().clone(),
                pushed: top.digest.clone(),
                found: found.digest,
            }),
        }
    }

    /// The manifests that a tree's top lists, the lowest first.
    async fn put_below(&self, remote: &Remote, tree: &Tree) -> Result<(), RegistryError> {
        for level in tree.levels.iter().skip(1).rev() {
            stream::iter(level.iter().filter(|manifest| self.lacks(manifest)))
                .map(|manifest| async {
                    let name = Reference::from(manifest.digest.clone());
                    self.put(remote, manifest, &name).await.map(drop)
                })
                .buffer_unordered(AT_ONCE)
                .try_collect::<()>()
                .await?;
        }
        Ok(())
    }

    /// Brings what refers to the image; false where the target has something of its own under that tag.
    async fn follow(&self, remote: &Remote, follower: &Tree) -> Result<bool, RegistryError> {
        let top = follower.top();
        let there = match &follower.name {
            Reference::Digest(digest) => (!self.lacks(top)).then(|| digest.clone()),
            name @ Reference::Tag(_) => self.session.named(remote, name).await?,
        };
        match there {
            // A tag that cannot be moved is not put a second time.
            Some(there) if there == top.digest => {
                self.is_noted(remote, top).await?;
                return Ok(true);
            }
            Some(there) => {
                let there = remote.manifest(&Reference::from(there)).await?;
                if !only_adds_to(top, &there) {
                    return Ok(false);
                }
            }
            None => {}
        }
        self.put_below(remote, follower).await?;
        match self.put(remote, top, &follower.name).await {
            Ok(_) => Ok(true),
            Err(error) if Trouble::from(&error) == Trouble::ImmutableTag => {
                tracing::debug!("{error}");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Sees to it that what a manifest refers to tells of it: an earlier run may have been cut off before that.
    async fn is_noted(&self, remote: &Remote, manifest: &Manifest) -> Result<(), RegistryError> {
        let Some(subject) = &manifest.subject else {
            return Ok(());
        };
        let known = remote.referrers(subject).await?;
        match known.iter().any(|one| one.digest == manifest.digest) {
            true => Ok(()),
            false => self.session.note_referrer(remote, subject, manifest).await,
        }
    }
}

/// What ECR was seen to answer to a manifest with a subject.
pub(super) fn takes_no_referrers(error: &RegistryError) -> bool {
    error.status().is_some_and(|status| status.as_u16() == 405)
}

/// Not one of which the target may have only an address.
fn is_small(blob: &Descriptor) -> bool {
    blob.size <= SMALL && !blob.is_foreign()
}
