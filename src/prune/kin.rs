//! What belongs to what in a repository.

use std::collections::{BTreeMap, BTreeSet};

use super::Repository;
use crate::aws::ecr::{ImageDetails, Status};
use crate::image::{Digest, SIGNATURE_SUFFIXES, Tag};

/// Indexes and their parts, images and what refers to them.
pub(super) struct Kin<'a> {
    /// The indexes that are there and name it, by digest.
    indexes: BTreeMap<&'a str, Vec<&'a Digest>>,
    /// What an index names and is there, by digest.
    parts: BTreeMap<&'a str, Vec<&'a Digest>>,
    /// What is there and it refers to, by digest.
    subjects: BTreeMap<&'a str, Vec<&'a Digest>>,
    /// Those with a tag of referrers whose subject is not there.
    of_others: BTreeSet<&'a str>,
    /// Indexes of which nobody knows what they name: archived ones.
    pub(super) archived: Vec<&'a Digest>,
    /// The same of those that can be pulled, and what may be an index.
    pub(super) unreadable: Vec<&'a Digest>,
}

impl<'a> Kin<'a> {
    pub(super) fn of(repository: &'a Repository) -> Self {
        let there: BTreeMap<&str, &Digest> = repository
            .images
            .iter()
            .map(|image| (image.digest.as_str(), &image.digest))
            .collect();
        let mut kin = Self {
            indexes: BTreeMap::new(),
            parts: BTreeMap::new(),
            subjects: BTreeMap::new(),
            of_others: BTreeSet::new(),
            archived: Vec::new(),
            unreadable: Vec::new(),
        };
        for image in &repository.images {
            let own = image.digest.as_str();
            kin.add_subjects(image, &there);
            if !image.kind.may_be_index() {
                continue;
            }
            let Some(manifest) = repository.contents.get(own) else {
                match image.status {
                    Status::Archived => kin.archived.push(&image.digest),
                    Status::Active | Status::Activating => kin.unreadable.push(&image.digest),
                }
                continue;
            };
            let named: BTreeSet<&str> = manifest
                .parts
                .iter()
                .map(String::as_str)
                .filter(|part| *part != own)
                .collect();
            for part in named.into_iter().filter_map(|part| there.get(part).copied()) {
                kin.indexes.entry(part.as_str()).or_default().push(&image.digest);
                kin.parts.entry(own).or_default().push(part);
            }
        }
        kin
    }

    /// The indexes that an image is a part of.
    pub(super) fn indexes_of(&self, digest: &Digest) -> &[&'a Digest] {
        self.indexes.get(digest.as_str()).map_or(&[], Vec::as_slice)
    }

    /// What ECR tells that it refers to, and what its tags say under the fallback scheme (OCI distribution specification, "Referrers Tag
    /// Schema") and cosign's. SBOMs that are alike are one image with a tag for each subject.
    fn add_subjects(&mut self, image: &'a ImageDetails, there: &BTreeMap<&str, &'a Digest>) {
        let own = image.digest.as_str();
        let told = image.subject.as_ref().and_then(|digest| there.get(digest.as_str()));
        let mut subjects: BTreeSet<&'a Digest> = told.copied().into_iter().collect();
        for tag in image.tags.iter().filter(|tag| tag.is_of_referrers()) {
            let subject = named_by(tag).and_then(|digest| there.get(digest.as_str()).copied());
            if subject.is_none() {
                self.of_others.insert(own);
            }
            subjects.extend(subject);
        }
        subjects.remove(&image.digest);
        if !subjects.is_empty() {
            self.subjects.insert(own, subjects.into_iter().collect());
        }
    }

    /// What an image refers to.
    pub(super) fn subjects_of(&self, digest: &Digest) -> &[&'a Digest] {
        self.subjects.get(digest.as_str()).map_or(&[], Vec::as_slice)
    }

    /// Whether a tag says that it refers to something that is not here: that may be in another repository, or its digest cannot be read of the tag.
    pub(super) fn is_of_another(&self, image: &ImageDetails) -> bool {
        self.of_others.contains(image.digest.as_str())
    }

    /// Whether it refers to something, and stands for nothing by itself. A tag that holds a digest in part does not say to what.
    pub(super) fn is_referrer(image: &ImageDetails) -> bool {
        let mut tags = image.tags.iter();
        let refers = image.subject.is_some() || !image.tags.is_empty();
        refers && tags.all(|tag| tag.is_of_referrers() && named_by(tag).is_some())
    }

    /// What an index consists of.
    pub(super) fn parts_of(&self, digest: &Digest) -> &[&'a Digest] {
        self.parts.get(digest.as_str()).map_or(&[], Vec::as_slice)
    }

    /// Everything that an index consists of, the parts of its parts too.
    pub(super) fn all_parts_of(&self, digest: &Digest) -> Vec<&'a Digest> {
        let mut all: Vec<&Digest> = Vec::new();
        let mut next: Vec<&Digest> = self.parts_of(digest).to_vec();
        while let Some(part) = next.pop() {
            if part != digest && !all.contains(&part) {
                all.push(part);
                next.extend(self.parts_of(part));
            }
        }
        all
    }

    /// Whether nothing that is there names it: neither an index, nor does it refer to anything.
    pub(super) fn is_top(&self, image: &ImageDetails) -> bool {
        self.indexes_of(&image.digest).is_empty() && self.subjects_of(&image.digest).is_empty()
    }
}

/// The digest that a tag is the place of referrers of.
fn named_by(tag: &Tag) -> Option<Digest> {
    let text = tag.as_str();
    let suffix = SIGNATURE_SUFFIXES.iter().find_map(|suffix| text.strip_suffix(suffix));
    suffix.unwrap_or(text).replacen('-', ":", 1).parse().ok()
}
