use std::collections::BTreeMap;

use super::Repository;
use crate::aws::ecr::Sort;

/// What the manifests of a repository say, by digest, as far as they were read.
pub type Contents = BTreeMap<String, Manifest>;

/// What one manifest consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Digests of the manifests that an index names.
    pub parts: Vec<String>,
    /// Digests and sizes of an image's config and layers.
    pub blobs: Vec<(String, u64)>,
}

impl From<&crate::image::Manifest> for Manifest {
    fn from(manifest: &crate::image::Manifest) -> Self {
        let parts = manifest.children().iter().map(|part| part.digest.to_string());
        // What may not be distributed is not in ECR.
        let blobs = manifest.blobs().iter().filter(|blob| !blob.is_foreign());
        let blobs = blobs.map(|blob| (blob.digest.to_string(), blob.size));
        Self {
            parts: parts.collect(),
            blobs: blobs.collect(),
        }
    }
}

/// Says which index each image is a part of, and what the repository comes to with each layer once.
pub(super) fn learn(repository: &mut Repository, contents: &Contents) {
    let is_read = |digest: &str| contents.contains_key(digest);
    let mut indexes = repository.images.iter().filter(|image| image.kind == Sort::Index);
    if indexes.all(|index| is_read(&index.digest)) {
        let mut part_of: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (index, manifest) in contents {
            for part in &manifest.parts {
                part_of.entry(part).or_default().push(index.clone());
            }
        }
        for image in &mut repository.images {
            image.part_of = Some(part_of.remove(image.digest.as_str()).unwrap_or_default());
        }
    }
    if repository.complete && repository.images.iter().all(|image| is_read(&image.digest)) {
        let blobs: BTreeMap<&str, u64> = contents
            .values()
            .flat_map(|manifest| &manifest.blobs)
            .map(|(digest, size)| (digest.as_str(), *size))
            .collect();
        repository.distinct_bytes = Some(blobs.values().sum());
    }
}
