//! Blobs on their way: each is read once, and feeds every target that lacks it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::OwnedMutexGuard;

use super::Session;
use super::feed::Fed;
use super::image::Image;
use super::seal::Target;
use crate::engine::registries::failed;
use crate::engine::{EngineError, Side, Trouble};
use crate::image::{Descriptor, ImageRef, Repository};
use crate::registry::{Mounted, RegistryError, Remote, Upload};
use crate::retry::Passes;

/// A blob, and the targets that lack a manifest which names it.
pub(super) struct Blob<'a> {
    pub(super) descriptor: &'a Descriptor,
    /// By repository: what goes into one is there for all its tags.
    wanted: BTreeMap<&'a Repository, Vec<&'a ImageRef>>,
}

impl<'a> Blob<'a> {
    /// Every blob that a target may lack, the largest first: what takes longest should not begin last.
    pub(super) fn wanted(image: &'a Image, targets: &'a [Target<'a>]) -> Vec<Self> {
        let mut blobs: BTreeMap<_, Self> = BTreeMap::new();
        for manifest in image.manifests() {
            for target in targets.iter().filter(|target| target.lacks(manifest)) {
                for descriptor in manifest.blobs() {
                    let blob = blobs.entry(&descriptor.digest).or_insert_with(|| Self {
                        descriptor,
                        wanted: BTreeMap::new(),
                    });
                    // What one manifest only has the address of, another may have itself.
                    if blob.descriptor.is_foreign() {
                        blob.descriptor = descriptor;
                    }
                    let wanting = blob.wanted.entry(target.repository()).or_default();
                    if !wanting.contains(&target.image()) {
                        wanting.push(target.image());
                    }
                }
            }
        }
        let mut blobs: Vec<Self> = blobs.into_values().collect();
        blobs.sort_by_key(|blob| std::cmp::Reverse(blob.descriptor.size));
        blobs
    }

    pub(super) fn is_wanted_by(&self, target: &ImageRef) -> bool {
        self.wanted
            .get(&target.repository)
            .is_some_and(|wanting| wanting.contains(&target))
    }
}

/// One repository that a blob goes to.
pub(super) struct Line<'a> {
    remote: Remote,
    targets: Vec<&'a Target<'a>>,
    /// That no other image brings this blob here meanwhile; none once this one is through.
    turns: Mutex<Option<LineTurns>>,
}

/// What others wait for while a blob is on its way.
struct LineTurns {
    _repository: OwnedMutexGuard<()>,
    registry: Option<RegistryTurn>,
}

/// The first of a blob in its registry: once it is in one repository, others can mount it from there. Shared by the lines of one image.
type RegistryTurn = Arc<Mutex<Option<OwnedMutexGuard<()>>>>;

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.is_through();
    }
}

impl Line<'_> {
    /// The blob has come to an end here, well or not: who waits for that goes on, whatever becomes of the other lines.
    pub(super) fn is_through(&self) {
        let turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(turns) = turns {
            if let Some(turn) = turns.registry {
                turn.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
            self.targets.iter().for_each(|target| target.is_through());
        }
    }

    fn shares(&self, turn: Option<RegistryTurn>) {
        if let Some(turns) = &mut *self.turns.lock().unwrap_or_else(PoisonError::into_inner) {
            turns.registry = turn;
        }
    }

    /// Whether a target of it still can come to a good end.
    fn is_wanted(&self) -> bool {
        self.targets.iter().any(|target| target.remote().is_some())
    }

    pub(super) fn repository(&self) -> &Repository {
        self.remote.repository()
    }

    pub(super) fn moved(&self, bytes: u64) {
        self.targets.iter().for_each(|target| target.moved(bytes));
    }

    pub(super) fn lost(&self, bytes: u64) {
        self.targets.iter().for_each(|target| target.lost(bytes));
    }

    /// One blob failed for all of them.
    fn fail(&self, error: &EngineError) {
        self.targets.iter().for_each(|target| target.fail(error.clone()));
    }

    fn refused(&self, error: RegistryError) {
        if let Some(target) = self.targets.first() {
            self.fail(&failed("write", Side::Target, target.image(), error));
        }
    }
}

impl Session {
    /// Sees to it that a blob is in every repository that wants it; one where that fails leaves the others alone.
    pub(super) async fn bring(&self, image: &Image, blob: &Blob<'_>, targets: &[Target<'_>]) {
        let wanting = blob.wanted.keys().filter_map(|repository| {
            let own = |target: &&Target<'_>| target.repository() == *repository && blob.is_wanted_by(target.image());
            let targets: Vec<&Target<'_>> = targets.iter().filter(own).collect();
            let remote = targets.iter().find_map(|target| target.remote())?.clone();
            Some((remote, targets))
        });
        let wanting: Vec<(Remote, Vec<&Target<'_>>)> = wanting.collect();
        // Another image that brings the same blob to the same repository waits here, and then finds it. All wait in the order of
        // names, and for registries last, so that no two wait for each other.
        let mut lines = Vec::new();
        for (remote, targets) in wanting {
            let thing = format!("{} to {}", blob.descriptor.digest, remote.repository());
            let turns = LineTurns {
                _repository: self.turns.wait_for(thing).await,
                registry: None,
            };
            let turns = Mutex::new(Some(turns));
            lines.push(Line { remote, targets, turns });
        }
        if blob.descriptor.is_foreign() && !self.options.foreign_layers {
            lines.iter().for_each(|line| line.moved(blob.descriptor.size));
            return;
        }
        let lines = self.lacking(image, blob.descriptor, lines).await;
        self.take_turns_in_registries(blob.descriptor, &lines).await;
        let opened = join_all(lines.iter().map(|line| self.begin(image, blob.descriptor, line))).await;
        let mut lacking = Vec::new();
        for (line, opened) in lines.into_iter().zip(opened) {
            match opened {
                Ok(None) => line.moved(blob.descriptor.size),
                Ok(Some(upload)) => lacking.push((line, upload)),
                Err(error) => line.refused(error),
            }
        }
        // One connection reads; the others write.
        let at_once = self.options.connections.max(2) - 1;
        let mut groups = VecDeque::new();
        while !lacking.is_empty() {
            let later = lacking.split_off(lacking.len().min(at_once));
            groups.push_back(std::mem::replace(&mut lacking, later));
        }
        // Who was too slow for the others gets the blob by itself.
        while let Some(group) = groups.pop_front() {
            for slow in self.feed_group(image, blob.descriptor, group).await {
                groups.push_back(self.begin_again(vec![slow]).await);
            }
        }
    }

    /// The lines whose repositories lack a blob, or can mount it: a mount comes to the same where it is there.
    async fn lacking<'a>(&self, image: &Image, blob: &Descriptor, lines: Vec<Line<'a>>) -> Vec<Line<'a>> {
        let look = async |line: &Line<'a>| match self.has_seen(line.repository(), blob) {
            true => Ok(true),
            false if self.mounted_from(image, blob, &line.remote).is_some() => Ok(false),
            false if line.targets.iter().any(|target| target.lacks_small(blob)) => Ok(false),
            false => line.remote.has_blob(&blob.digest, blob.size).await,
        };
        let looked = join_all(lines.iter().map(look)).await;
        let mut lacking = Vec::new();
        for (line, has) in lines.into_iter().zip(looked) {
            match has {
                Ok(true) => {
                    self.note(line.repository(), blob);
                    line.moved(blob.size);
                }
                Ok(false) => lacking.push(line),
                Err(error) => line.refused(error),
            }
        }
        lacking
    }

    /// Waits for the turn to bring a blob into each registry that may mount it from where it came first. None is waited for where it is
    /// there already, or nothing is mounted.
    async fn take_turns_in_registries(&self, blob: &Descriptor, lines: &[Line<'_>]) {
        let mut turns: BTreeMap<&Arc<str>, RegistryTurn> = BTreeMap::new();
        for line in lines {
            let host = &line.repository().host;
            let is_first = || line.remote.mounts_at_all() && !self.is_in_registry(line.repository(), blob);
            if !turns.contains_key(host) && is_first() {
                let turn = self.turns.wait_for(format!("{} into {host}", blob.digest)).await;
                if is_first() {
                    turns.insert(host, Arc::new(Mutex::new(Some(turn))));
                }
            }
            line.shares(turns.get(host).cloned());
        }
    }

    /// The repository of the same registry from which a blob can be mounted, as far as is known.
    fn mounted_from(&self, image: &Image, blob: &Descriptor, remote: &Remote) -> Option<Arc<str>> {
        let repository = remote.repository();
        let source = image.sources.iter().map(Remote::repository);
        let mut source = source.filter(|source| source.host == repository.host && source.path != repository.path);
        let from = source.next().map(|source| source.path.clone());
        let from = from.or_else(|| self.neighbour(repository, blob));
        from.filter(|from| remote.may_mount(from))
    }

    /// Begins an upload into a repository that lacks the blob; none where it is mounted, or turns out to be there.
    async fn begin(
        &self,
        image: &Image,
        blob: &Descriptor,
        Line { remote, .. }: &Line<'_>,
    ) -> Result<Option<Upload>, RegistryError> {
        let Some(from) = self.mounted_from(image, blob, remote) else {
            return remote.upload().await.map(Some);
        };
        let begun = match remote.mount(&blob.digest, &from).await? {
            Mounted::Done => {
                self.note(remote.repository(), blob);
                return Ok(None);
            }
            Mounted::Not(upload) => Some(*upload),
            // Who may not read the other repository can still upload.
            Mounted::Refused => None,
        };
        // Nobody has asked yet whether it is there.
        match (remote.has_blob(&blob.digest, blob.size).await?, begun) {
            (false, Some(upload)) => Ok(Some(upload)),
            (false, None) => remote.upload().await.map(Some),
            (true, begun) => {
                if let Some(upload) = begun {
                    upload.cancel().await;
                }
                self.note(remote.repository(), blob);
                Ok(None)
            }
        }
    }

    /// Feeds lines until each has the blob or has failed for good; answers those that held up the others for too long.
    async fn feed_group<'a>(
        &self,
        image: &Image,
        blob: &Descriptor,
        mut lines: Vec<(Line<'a>, Upload)>,
    ) -> Vec<Line<'a>> {
        let mut failures = 0;
        let mut sources = &image.sources[..];
        let mut slow = Vec::new();
        loop {
            let needed = u32::try_from(1 + lines.len()).unwrap_or(u32::MAX);
            let mut open = self.connections.acquire_many(needed).await.ok();
            let reading = open.as_mut().and_then(|open| open.split(1));
            // Another blob may have failed meanwhile.
            lines = self.still_wanted(lines).await;
            if lines.is_empty() {
                return slow;
            }
            let fed = self.feed(image, sources, blob, &lines, reading).await;
            drop(open);
            let fed = match fed {
                Ok(fed) => fed,
                Err(error) => {
                    for (_, upload) in &lines {
                        upload.cancel().await;
                    }
                    // What a mirror has not got right, the next one may have.
                    sources = match sources {
                        [_, others @ ..] if !others.is_empty() => others,
                        _ => {
                            lines.iter().for_each(|(line, _)| line.fail(&error));
                            return slow;
                        }
                    };
                    tracing::warn!("{error}; asking the next mirror");
                    let again = lines.into_iter().map(|(line, _)| line).collect();
                    lines = self.begin_again(again).await;
                    continue;
                }
            };
            let delay = match fed.iter().any(Fed::counts) {
                true => {
                    failures += 1;
                    self.options.retry.delay(failures)
                }
                false => Some(self.options.retry.wait),
            };
            let is_alone = lines.len() == 1;
            let mut longest = Duration::ZERO;
            let mut again = Vec::new();
            for ((line, upload), fed) in lines.into_iter().zip(fed) {
                if !matches!(fed, Fed::Done) {
                    upload.cancel().await;
                }
                match (fed, delay) {
                    (Fed::Done, _) => {}
                    (Fed::TooSlow, _) if !is_alone => slow.push(line),
                    (Fed::TooSlow, Some(_)) => again.push(line),
                    (Fed::TooSlow, None) => line.fail(&self.too_slow(&line)),
                    (Fed::Failed(error), Some(delay)) if error.passes() && self.is_bearable(&error) => {
                        tracing::warn!(
                            "{error}; sending {} again in {:.1} s",
                            blob.digest.short(),
                            delay.as_secs_f64()
                        );
                        longest = longest.max(
                            error
                                .retry_after()
                                .map_or(delay, |asked| asked.max(self.options.retry.wait)),
                        );
                        again.push(line);
                    }
                    (Fed::Failed(error), _) => line.refused(error),
                }
            }
            if !again.is_empty() {
                tokio::time::sleep(longest).await;
            }
            lines = self.begin_again(again).await;
        }
    }

    /// Without the lines whose targets have all failed.
    async fn still_wanted<'a>(&self, lines: Vec<(Line<'a>, Upload)>) -> Vec<(Line<'a>, Upload)> {
        let mut wanted = Vec::new();
        for (line, upload) in lines {
            match line.is_wanted() {
                true => wanted.push((line, upload)),
                false => upload.cancel().await,
            }
        }
        wanted
    }

    /// Who asks for a longer wait than that is taken at its word, and not tried again.
    fn is_bearable(&self, error: &RegistryError) -> bool {
        error
            .retry_after()
            .is_none_or(|asked| asked <= self.options.retry.longest)
    }

    async fn begin_again<'a>(&self, lines: Vec<Line<'a>>) -> Vec<(Line<'a>, Upload)> {
        let mut begun = Vec::new();
        for line in lines {
            match line.remote.upload().await {
                Ok(upload) => begun.push((line, upload)),
                Err(error) => line.refused(error),
            }
        }
        begun
    }

    fn too_slow(&self, line: &Line<'_>) -> EngineError {
        EngineError::Registry {
            attempt: "write",
            side: Side::Target,
            image: line.targets[0].image().clone(),
            trouble: Trouble::Unreachable,
            message: format!("it took none of a layer for {} s", self.options.transfer.as_secs()),
        }
    }
}
