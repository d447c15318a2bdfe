//! Blobs on their way: each is read once, and feeds every target that lacks it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;

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
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.targets.iter().for_each(|target| target.is_through());
    }
}

impl Line<'_> {
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
        let lines = blob.wanted.keys().filter_map(|repository| {
            let own = |target: &&Target<'_>| target.repository() == *repository && blob.is_wanted_by(target.image());
            let targets: Vec<&Target<'_>> = targets.iter().filter(own).collect();
            let remote = targets.iter().find_map(|target| target.remote())?.clone();
            Some(Line { remote, targets })
        });
        let lines: Vec<Line<'_>> = lines.collect();
        if blob.descriptor.is_foreign() && !self.options.foreign_layers {
            lines.iter().for_each(|line| line.moved(blob.descriptor.size));
            return;
        }
        // Another image that has the same blob waits here, and then finds it. All wait in the order of the repositories' names,
        // so that no two wait for each other.
        let mut turns = Vec::new();
        for line in &lines {
            let thing = format!("{} to {}", blob.descriptor.digest, line.remote.repository());
            turns.push(self.turns.wait_for(thing).await);
        }
        let opened = join_all(lines.iter().map(|line| self.begin(image, blob.descriptor, line))).await;
        let mut lacking = Vec::new();
        for (line, opened) in lines.into_iter().zip(opened) {
            match opened {
                Ok(None) => line.moved(blob.descriptor.size),
                Ok(Some(upload)) => lacking.push((line, upload)),
                Err(error) => line.refused(error),
            }
        }
        self.feed_all(image, blob.descriptor, lacking).await;
    }

    /// Begins an upload; none where the repository has the blob, or mounts it.
    async fn begin(
        &self,
        image: &Image,
        blob: &Descriptor,
        Line { remote, .. }: &Line<'_>,
    ) -> Result<Option<Upload>, RegistryError> {
        let repository = remote.repository();
        if self.has_seen(repository, blob) {
            return Ok(None);
        }
        if remote.has_blob(&blob.digest, blob.size).await? {
            self.note(repository, blob);
            return Ok(None);
        }
        let source = image.sources.iter().map(Remote::repository);
        let source = source.filter(|source| source.host == repository.host && source.path != repository.path);
        let from = source.map(|source| source.path.clone()).next();
        let from = from.or_else(|| self.neighbour(repository, blob));
        match from.filter(|from| remote.may_mount(from)) {
            None => remote.upload().await.map(Some),
            Some(from) => match remote.mount(&blob.digest, &from).await? {
                Mounted::Done => {
                    self.note(repository, blob);
                    Ok(None)
                }
                Mounted::Not(upload) => Ok(Some(*upload)),
                // Who may not read the other repository can still upload.
                Mounted::Refused => remote.upload().await.map(Some),
            },
        }
    }

    /// Feeds lines until each has the blob or has failed for good.
    async fn feed_all(&self, image: &Image, blob: &Descriptor, mut lines: Vec<(Line<'_>, Upload)>) {
        let mut failures = 0;
        let mut sources = &image.sources[..];
        while !lines.is_empty() {
            let needed = u32::try_from(1 + lines.len()).unwrap_or(u32::MAX);
            let most = u32::try_from(self.options.connections.max(2)).unwrap_or(u32::MAX);
            let open = self.connections.acquire_many(needed.min(most)).await;
            let fed = self.feed(image, sources, blob, &lines).await;
            drop(open);
            let fed = match fed {
                Ok(fed) => fed,
                Err(error) => {
                    for (_, upload) in &lines {
                        upload.cancel().await;
                    }
                    // What a mirror has not got right, the next one may have.
                    let [_, others @ ..] = sources else { return };
                    if others.is_empty() {
                        return lines.iter().for_each(|(line, _)| line.fail(&error));
                    }
                    tracing::warn!("{error}; asking the next mirror");
                    sources = others;
                    lines = self
                        .begin_again(lines.into_iter().map(|(line, _)| line).collect())
                        .await;
                    continue;
                }
            };
            failures += 1;
            let delay = self.options.retry.delay(failures);
            let mut longest = Duration::ZERO;
            let mut again = Vec::new();
            for ((line, upload), fed) in lines.into_iter().zip(fed) {
                let error = match fed {
                    Fed::Done => {
                        self.note(line.remote.repository(), blob);
                        continue;
                    }
                    Fed::TooSlow => None,
                    Fed::Failed(error) => Some(error),
                };
                upload.cancel().await;
                match (error, delay) {
                    (Some(error), Some(delay)) if error.passes() && self.is_bearable(&error) => {
                        tracing::warn!(
                            "{error}; sending {} again in {:.1} s",
                            blob.digest.short(),
                            delay.as_secs_f64()
                        );
                        longest = longest.max(error.retry_after().unwrap_or(delay));
                        again.push(line);
                    }
                    (None, Some(_)) => again.push(line),
                    (Some(error), _) => line.refused(error),
                    (None, None) => line.fail(&self.too_slow(&line)),
                }
            }
            tokio::time::sleep(longest).await;
            lines = self.begin_again(again).await;
        }
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
