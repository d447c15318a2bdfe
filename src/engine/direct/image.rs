//! What is copied: an image's manifests from the top down, and what refers to them.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};

use super::Session;
use crate::engine::registries::{failed, first};
use crate::engine::{EngineError, Note, Order, Side, Trouble};
use crate::image::{Descriptor, Digest, ImageRef, Manifest, Observed, Platform, Reference};
use crate::plan::Brings;
use crate::registry::Remote;

/// The most manifests of one image, followers included. The largest that are known have some hundreds.
const MOST_MANIFESTS: usize = 1000;

/// How many indexes may be in one another. Images have one, what refers to them sometimes two.
const DEEPEST: usize = 4;

/// Manifests that are read at once.
const READ_AT_ONCE: usize = 8;

/// All that is to be at the target.
#[derive(Debug)]
pub(super) struct Image {
    /// Where it is read.
    pub(super) sources: Vec<Remote>,
    /// As a person names it.
    pub(super) upstream: ImageRef,
    /// What the target's tag will name.
    pub(super) main: Tree,
    /// What refers to it, each after what it refers to.
    pub(super) followers: Vec<Tree>,
    /// What a person should know.
    pub(super) notes: Vec<Note>,
}

/// A manifest and all manifests below it.
#[derive(Debug)]
pub(super) struct Tree {
    /// What it is put under: its digest, or a tag.
    pub(super) name: Reference,
    /// The top alone, then what it lists, and so on.
    pub(super) levels: Vec<Vec<Manifest>>,
}

impl Tree {
    pub(super) fn top(&self) -> &Manifest {
        &self.levels[0][0]
    }

    pub(super) fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.levels.iter().flatten()
    }
}

impl Image {
    pub(super) fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        let followers = self.followers.iter().flat_map(Tree::manifests);
        self.main.manifests().chain(followers)
    }
}

impl Session {
    /// Reads all that an order brings.
    pub(super) async fn read(&self, order: &Order) -> Result<Image, EngineError> {
        let upstream = &order.upstream;
        let manifest = self
            .registries
            .manifest(upstream, &order.digest, Side::Upstream)
            .await?;
        let (top, mut notes) = self.top_of(upstream, manifest, &order.brings).await?;
        let mut known = BTreeSet::new();
        let sources = self.registries.sources(upstream, Side::Upstream)?;
        let name = Reference::from(top.digest.clone());
        let main = self.tree(upstream, &sources, name, top, &mut known).await?;
        let (followers, gone) = match self.options.referrers {
            true => self.followers(upstream, &sources, &main, &mut known).await?,
            false => (Vec::new(), 0),
        };
        if gone > 0 {
            notes.push(Note::ReferrersGone(gone));
        }
        let mut image = Image {
            sources,
            upstream: upstream.clone(),
            main,
            followers,
            notes: Vec::new(),
        };
        let foreign: BTreeSet<&Digest> = image
            .manifests()
            .flat_map(Manifest::blobs)
            .filter(|blob| blob.is_foreign() && !self.options.foreign_layers)
            .map(|blob| &blob.digest)
            .collect();
        if !foreign.is_empty() {
            notes.push(Note::ForeignLayers(foreign.len()));
        }
        image.notes = notes;
        Ok(image)
    }

    /// Whether a registry that has this manifest has all that it names: but foreign layers, where they are to come.
    pub(super) fn is_all_with(&self, manifest: &Manifest) -> bool {
        !self.options.foreign_layers || !manifest.blobs().iter().any(Descriptor::is_foreign)
    }

    /// What of an upstream's manifest the target's tag will name.
    pub(super) async fn top_of(
        &self,
        upstream: &ImageRef,
        manifest: Manifest,
        brings: &Brings,
    ) -> Result<(Manifest, Vec<Note>), EngineError> {
        match brings {
            Brings::Whole(_) | Brings::Platform(None) => Ok((manifest, Vec::new())),
            Brings::Platform(Some(platform)) if manifest.kind.is_index() => {
                let own = |child: &&Descriptor| child.platform.as_ref().is_some_and(|own| own.is_for(platform));
                let child = manifest.children().iter().find(own);
                let child =
                    child.ok_or_else(|| other_platform(upstream, platform, &Observed::from(&manifest).platforms))?;
                let child = self
                    .child(upstream, &self.registries.sources(upstream, Side::Upstream)?, child)
                    .await?;
                Ok((child, Vec::new()))
            }
            Brings::Platform(Some(platform)) => {
                self.is_for_one_of(upstream, &manifest, std::slice::from_ref(platform))
                    .await?;
                Ok((manifest, Vec::new()))
            }
            Brings::Part {
                platforms,
                attestations,
            } => match manifest.kind.is_index() {
                true => {
                    let own = Observed::from(&manifest).platforms;
                    let missing = |wanted: &&Platform| !own.iter().any(|own| own.is_for(wanted));
                    if let Some(missing) = platforms.iter().find(missing) {
                        return Err(other_platform(upstream, missing, &own));
                    }
                    let part = manifest.part(platforms, *attestations);
                    let part = part.map_err(|why| broken(upstream, Trouble::Broken, why))?;
                    let rebuilt = (part.digest != manifest.digest).then_some(Note::IndexRebuilt);
                    Ok((part, rebuilt.into_iter().collect()))
                }
                false => {
                    let own = self.is_for_one_of(upstream, &manifest, platforms).await?;
                    let is_less = platforms.len() > 1;
                    let notes = is_less.then_some(Note::SingleImage(own));
                    Ok((manifest, notes.into_iter().collect()))
                }
            },
        }
    }

    /// Makes sure that a single image is for one of `wanted`, as far as its config says; none is any. Answers which it is for.
    async fn is_for_one_of(
        &self,
        upstream: &ImageRef,
        manifest: &Manifest,
        wanted: &[Platform],
    ) -> Result<Option<Platform>, EngineError> {
        let (Some(config), Some(first)) = (manifest.blobs().first(), wanted.first()) else {
            return Ok(None);
        };
        let own = self
            .registries
            .platform(&upstream.repository, &config.digest, Side::Upstream)
            .await?;
        match own {
            Some(own) if !wanted.iter().any(|wanted| own.is_for(wanted)) => {
                Err(other_platform(upstream, first, &[own]))
            }
            own => Ok(own),
        }
    }

    /// A manifest and all below it. `known` keeps the digests of all that were read, so that nothing is read twice.
    pub(super) async fn tree(
        &self,
        upstream: &ImageRef,
        sources: &[Remote],
        name: Reference,
        top: Manifest,
        known: &mut BTreeSet<Digest>,
    ) -> Result<Tree, EngineError> {
        known.insert(top.digest.clone());
        let mut levels = vec![vec![top]];
        loop {
            let last = &levels[levels.len() - 1];
            let children: Vec<Descriptor> = last
                .iter()
                .flat_map(Manifest::children)
                .filter(|child| known.insert(child.digest.clone()))
                .cloned()
                .collect();
            if known.len() > MOST_MANIFESTS {
                let why = format!("it has more than {MOST_MANIFESTS} manifests, which is too many to be an image");
                return Err(broken(upstream, Trouble::Broken, why));
            }
            if children.is_empty() {
                let levels = each_below_its_parents(levels);
                return Ok(Tree { name, levels });
            }
            if levels.len() > DEEPEST {
                let why = format!("its indexes are in one another more than {DEEPEST} deep");
                return Err(broken(upstream, Trouble::Broken, why));
            }
            let level: Vec<Manifest> = stream::iter(&children)
                .map(|child| self.child(upstream, sources, child))
                .buffered(READ_AT_ONCE)
                .try_collect()
                .await?;
            levels.push(level);
        }
    }

    async fn child(
        &self,
        upstream: &ImageRef,
        sources: &[Remote],
        child: &Descriptor,
    ) -> Result<Manifest, EngineError> {
        let reference = Reference::from(child.digest.clone());
        let read = async |remote: Remote| remote.manifest(&reference).await;
        let image = upstream.repository.image(child.digest.clone());
        let manifest = first(sources, read)
            .await
            .map_err(|error| failed("read", Side::Upstream, &image, error))?;
        match manifest.bytes.len() as u64 {
            size if size == child.size => Ok(manifest),
            size => {
                let why = format!("it has {size} bytes, and the index that lists it says {}", child.size);
                Err(broken(&image, Trouble::Broken, why))
            }
        }
    }
}

/// An index may list what another index below it lists as well, which comes first.
fn each_below_its_parents(levels: Vec<Vec<Manifest>>) -> Vec<Vec<Manifest>> {
    let manifests: Vec<Manifest> = levels.into_iter().flatten().collect();
    let mut depths: BTreeMap<Digest, usize> = BTreeMap::from_iter(manifests.iter().map(|one| (one.digest.clone(), 0)));
    // It ends: no digest can be below itself.
    let mut is_settled = false;
    while !is_settled {
        is_settled = true;
        for manifest in &manifests {
            let below = depths[&manifest.digest] + 1;
            for child in manifest.children() {
                if let Some(depth) = depths.get_mut(&child.digest).filter(|depth| **depth < below) {
                    *depth = below;
                    is_settled = false;
                }
            }
        }
    }
    let mut sorted: Vec<Vec<Manifest>> = Vec::new();
    for manifest in manifests {
        let depth = depths[&manifest.digest];
        sorted.resize_with(sorted.len().max(depth + 1), Vec::new);
        sorted[depth].push(manifest);
    }
    sorted
}

fn other_platform(upstream: &ImageRef, wanted: &Platform, there: &[Platform]) -> EngineError {
    let there: Vec<String> = there.iter().map(Platform::to_string).collect();
    EngineError::OtherPlatform {
        image: upstream.clone(),
        wanted: wanted.to_string(),
        found: match there.is_empty() {
            true => "none that it names".to_owned(),
            false => there.join(", "),
        },
    }
}

/// Something upstream that must not be copied as it is.
pub(super) fn broken(image: &ImageRef, trouble: Trouble, why: impl ToString) -> EngineError {
    EngineError::Registry {
        attempt: "read",
        side: Side::Upstream,
        image: image.clone(),
        trouble,
        message: why.to_string(),
    }
}
