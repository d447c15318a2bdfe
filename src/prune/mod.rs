//! Which images of a repository go, and why the others stay. Pure: what was read of it makes the plan.
//!
//! An image goes where every one of the [`Rules`] holds for it and nothing protects it ([`Protection`]). What is a part of an index, and what refers to
//! another image, goes with that and stays with it. A [`Plan`] says each image once.

mod because;
mod decide;
mod freed;
mod kin;
mod lifecycle;
mod protect;
mod rules;

pub use because::{GoesBecause, KeptBecause, Rule};
pub use decide::plan;
pub use freed::Freed;
pub use lifecycle::{LifecyclePolicy, nearest};
pub use protect::{ByName, InvalidProtected, LastCopy, Protected, Protection};
pub use rules::{Contradiction, Rules};

use std::collections::BTreeMap;
use std::time::Duration;

use crate::aws::ecr::{IDS_PER_CALL, ImageDetails};
use crate::image::{Digest, Tag};
use crate::usage::Contents;

/// A repository, as far as it was read.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Its name in the registry.
    pub name: String,
    /// `HOST/NAME`
    pub uri: String,
    /// All images, untagged and archived ones too.
    pub images: Vec<ImageDetails>,
    /// What indexes consist of, and what images do where that was read, by digest.
    pub contents: Contents,
}

/// What becomes of each image of a repository.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In the order in which they can be deleted: an index before its parts, an image before what refers to it.
    pub goes: Vec<Going>,
    /// The newest first.
    pub kept: Vec<Kept>,
    /// What is free then.
    pub freed: Freed,
}

/// An image that goes.
#[derive(Debug, Clone)]
pub struct Going {
    /// What ECR tells of it.
    pub image: ImageDetails,
    /// Why.
    pub because: GoesBecause,
    /// What has to be gone before.
    pub after: Vec<Digest>,
}

/// An image that stays.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What ECR tells of it.
    pub image: ImageDetails,
    /// Why.
    pub because: KeptBecause,
}

/// What stays where nobody says more.
#[derive(Debug, Clone)]
pub struct PruneOptions {
    /// So many tagged images.
    pub keep: usize,
    /// Backups, for so long.
    pub backup_term: Duration,
    /// The entries of `protect`.
    pub protected: Vec<Protected>,
}

/// What a plan showed of images that go: their tags, by digest.
pub type Shown = BTreeMap<Digest, Vec<Tag>>;

impl Plan {
    /// What goes, with the tags that it has.
    pub fn shown(&self) -> Shown {
        let going = self.goes.iter();
        going
            .map(|one| (one.image.digest.clone(), one.image.tags.clone()))
            .collect()
    }

    /// What goes in one call each: nothing together with what has to be gone before it, and no more than ECR takes.
    pub fn batches(&self) -> Vec<&[Going]> {
        let mut batches = Vec::new();
        let mut rest = &self.goes[..];
        while !rest.is_empty() {
            let begun = |at: usize| rest[..at].iter().map(|one| &one.image.digest);
            let is_after = |at: &usize| begun(*at).any(|digest| rest[*at].after.contains(digest));
            let end = (1..rest.len().min(IDS_PER_CALL)).find(is_after);
            let (batch, others) = rest.split_at(end.unwrap_or(rest.len().min(IDS_PER_CALL)));
            batches.push(batch);
            rest = others;
        }
        batches
    }
}

#[cfg(test)]
mod doubts;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
