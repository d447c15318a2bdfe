//! What ECR knows of a repository and of the images in it.

use std::collections::{BTreeMap, BTreeSet};

use hyper::body::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An image as ECR lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Digest of its manifest or index.
    pub digest: String,
    /// Its tags, sorted; empty for an untagged image.
    pub tags: Vec<String>,
    /// When it was pushed first.
    pub pushed_at: Timestamp,
    /// Bytes: config and layers; of an index its largest child.
    pub size: u64,
    /// Of the manifest or index.
    pub media_type: String,
}

/// Whether a tag may move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mutability {
    /// Any tag.
    Mutable,
    /// None, except those that one of these filters matches (`*` stands for any text).
    Immutable { except: Vec<String> },
    /// All, except those that one of these filters matches.
    MutableExcept { filters: Vec<String> },
}

impl Mutability {
    /// ECR's name for it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Mutability::Mutable => "MUTABLE",
            Mutability::Immutable { except } if except.is_empty() => "IMMUTABLE",
            Mutability::Immutable { .. } => "IMMUTABLE_WITH_EXCLUSION",
            Mutability::MutableExcept { .. } => "MUTABLE_WITH_EXCLUSION",
        }
    }

    pub(crate) fn filters(&self) -> &[String] {
        match self {
            Mutability::Mutable => &[],
            Mutability::Immutable { except } => except,
            Mutability::MutableExcept { filters } => filters,
        }
    }

    fn may_move(&self, tag: &str) -> bool {
        let named = self.filters().iter().any(|filter| wildcard(filter, tag));
        match self {
            Mutability::Mutable => true,
            Mutability::Immutable { .. } => named,
            Mutability::MutableExcept { .. } => !named,
        }
    }
}

/// Whether `*` in the filter can be filled so that it is the text.
fn wildcard(filter: &str, text: &str) -> bool {
    match filter.split_once('*') {
        None => filter == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|tail| {
            let ends = (0..=tail.len()).filter(|end| tail.is_char_boundary(*end));
            ends.into_iter().any(|end| wildcard(rest, &tail[end..]))
        }),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    Archived,
}

/// An image and its manifest.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) tags: BTreeSet<String>,
    pub(crate) pushed_at: Timestamp,
    pub(crate) pulled_at: Option<Timestamp>,
    pub(crate) size: u64,
    pub(crate) media_type: String,
    pub(crate) artifact_type: Option<String>,
    pub(crate) manifest: Bytes,
    pub(crate) status: Status,
}

/// A repository of one account and region.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    pub(crate) created_at: Timestamp,
    pub(crate) mutability: Mutability,
    pub(crate) resource_tags: BTreeMap<String, String>,
    pub(crate) scan_on_push: bool,
    /// `encryptionType`, and `kmsKey` where one is.
    pub(crate) encryption: Value,
    pub(crate) lifecycle_policy: Option<String>,
    pub(crate) policy: Option<String>,
    pub(crate) images: BTreeMap<String, Image>,
}

impl Repository {
    pub(crate) fn new(mutability: Mutability) -> Repository {
        Repository {
            created_at: Timestamp::now(),
            mutability,
            resource_tags: BTreeMap::new(),
            scan_on_push: false,
            encryption: json!({"encryptionType": "AES256"}),
            lifecycle_policy: None,
            policy: None,
            images: BTreeMap::new(),
        }
    }

    /// Whether a push of this tag is refused, as it is there already and may not move.
    pub(crate) fn tag_is_fixed(&self, tag: &str) -> bool {
        !self.mutability.may_move(tag) && self.digest_of(tag).is_some()
    }

    pub(crate) fn digest_of(&self, tag: &str) -> Option<String> {
        let found = self.images.iter().find(|(_, image)| image.tags.contains(tag));
        found.map(|(digest, _)| digest.clone())
    }

    /// Notes a pushed manifest. A tag moves to it; the image that had the tag stays.
    pub(crate) fn record(&mut self, digest: &str, tag: Option<&str>, media_type: &str, manifest: Bytes) {
        let parsed: Value = serde_json::from_slice(&manifest).unwrap_or_default();
        let size = self.size_of(&parsed);
        let artifact_type = parsed["artifactType"].as_str();
        let artifact_type = artifact_type.or_else(|| parsed["config"]["mediaType"].as_str());
        if let Some(tag) = tag {
            for image in self.images.values_mut() {
                image.tags.remove(tag);
            }
        }
        let image = self.images.entry(digest.to_owned());
        let image = image.or_insert_with(|| Image {
            tags: BTreeSet::new(),
            pushed_at: Timestamp::now(),
            pulled_at: None,
            size,
            media_type: media_type.to_owned(),
            artifact_type: artifact_type.map(str::to_owned),
            manifest,
            status: Status::Active,
        });
        image.tags.extend(tag.map(str::to_owned));
    }

    /// ECR's size: config and layers, or the largest child of an index.
    fn size_of(&self, manifest: &Value) -> u64 {
        let sizes = |list: &Value| -> Vec<u64> {
            let list = list.as_array().into_iter().flatten();
            list.filter_map(|blob| blob["size"].as_u64()).collect()
        };
        if let Some(children) = manifest["manifests"].as_array() {
            let digests = children.iter().filter_map(|child| child["digest"].as_str());
            let known = digests.filter_map(|digest| self.images.get(digest));
            return known.map(|image| image.size).max().unwrap_or(0);
        }
        let config = manifest["config"]["size"].as_u64().unwrap_or(0);
        config + sizes(&manifest["layers"]).into_iter().sum::<u64>()
    }

    /// All images, oldest first.
    pub(crate) fn records(&self) -> Vec<ImageRecord> {
        let records = self.images.iter().map(|(digest, image)| ImageRecord {
            digest: digest.clone(),
            tags: image.tags.iter().cloned().collect(),
            pushed_at: image.pushed_at,
            size: image.size,
            media_type: image.media_type.clone(),
        });
        let mut records: Vec<ImageRecord> = records.collect();
        records.sort_by_key(|record| record.pushed_at);
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(wildcard("dev-*", "dev-1"));
        assert!(wildcard("*-rc*", "1.2-rc3"));
        assert!(wildcard("*", ""));
        assert!(!wildcard("dev-*", "1-dev-1"));
        assert!(!wildcard("latest", "latest-1"));
    }

    #[test]
    fn a_moved_tag_leaves_its_image_untagged() {
        let mut repository = Repository::new(Mutability::Mutable);
        let manifest = || Bytes::from_static(br#"{"config":{"size":3},"layers":[{"size":4}]}"#);
        repository.record("sha256:a", Some("1"), "m", manifest());
        repository.record("sha256:b", Some("1"), "m", manifest());
        assert_eq!(repository.digest_of("1").as_deref(), Some("sha256:b"));
        assert!(repository.images["sha256:a"].tags.is_empty());
        assert_eq!(repository.images["sha256:a"].size, 7);
    }
}
