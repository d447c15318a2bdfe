use std::collections::BTreeMap;

use serde::Serialize;

use super::{Plan, Repository};
use crate::aws::ecr::ImageDetails;
use crate::image::Digest;

/// What is free when the images of a plan are gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Freed {
    /// Their sizes together; what they share counts for each. An index counts nothing beside its parts.
    pub bytes: u64,
    /// Each config and layer once, and none that an image needs that stays; none where that was not read of all.
    pub distinct_bytes: Option<u64>,
}

impl Freed {
    /// Once these of a repository are gone, and all others stay.
    pub(super) fn of(repository: &Repository, goes: &[&ImageDetails], kept: &[&ImageDetails]) -> Self {
        let own = goes.iter().filter(|image| !image.kind.is_index());
        let digests =
            |images: &'_ [&ImageDetails]| images.iter().map(|image| image.digest.to_string()).collect::<Vec<_>>();
        Self {
            bytes: own.filter_map(|image| image.bytes).sum(),
            distinct_bytes: distinct(repository, &digests(goes), &digests(kept)),
        }
    }

    /// Of several repositories, which share nothing.
    pub fn of_all(all: impl Iterator<Item = Self> + Clone) -> Self {
        Self {
            bytes: all.clone().map(|one| one.bytes).sum(),
            distinct_bytes: all.map(|one| one.distinct_bytes).sum(),
        }
    }
}

impl Plan {
    /// What is free where of all that was to go these have gone.
    pub fn freed_by(&self, repository: &Repository, has_gone: impl Fn(&Digest) -> bool) -> Freed {
        let all = self.goes.iter().map(|one| &one.image);
        let (gone, left): (Vec<_>, Vec<_>) = all.partition(|image| has_gone(&image.digest));
        let kept: Vec<_> = left.into_iter().chain(self.kept.iter().map(|one| &one.image)).collect();
        Freed::of(repository, &gone, &kept)
    }
}

fn distinct(repository: &Repository, goes: &[String], kept: &[String]) -> Option<u64> {
    let blobs = |digest: &String| Some(&repository.contents.get(digest)?.blobs);
    let mut freed: BTreeMap<&str, u64> = BTreeMap::new();
    for digest in goes {
        freed.extend(blobs(digest)?.iter().map(|(blob, size)| (blob.as_str(), *size)));
    }
    for digest in kept {
        // Of nothing, nothing has to be known.
        if freed.is_empty() {
            break;
        }
        for (blob, _) in blobs(digest)? {
            freed.remove(blob.as_str());
        }
    }
    Some(freed.values().sum())
}
