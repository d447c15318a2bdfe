//! Repositories for tests: images named by a word each.

use std::time::Duration;

use jiff::{Timestamp, ToSpan};

use super::{KeptBecause, LastCopy, Plan, Protected, Protection, Repository, Rules, plan};
use crate::aws::ecr::{ImageDetails, Status};
use crate::image::{Digest, Kind};
use crate::mapping::Backup;
use crate::usage::{Manifest, Run, WhoRuns};

pub const NAME: &str = "shop/api";
pub const URI: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/api";

pub const DAY: Duration = Duration::from_hours(24);

pub fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

pub fn days_ago(days: i64) -> Timestamp {
    now() - (24 * days).hours()
}

pub fn digest(word: &str) -> Digest {
    Digest::of(word.as_bytes())
}

/// An image that was pushed so many days ago.
pub fn image(word: &str, days: i64, tags: &[&str]) -> ImageDetails {
    ImageDetails {
        digest: digest(word),
        tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
        kind: Kind::OciManifest,
        artifact_type: None,
        bytes: Some(10),
        pushed: Some(days_ago(days)),
        pulled: None,
        status: Status::Active,
        archived: None,
        subject: None,
    }
}

/// A signature, or the like.
pub fn referrer(word: &str, days: i64, subject: &str) -> ImageDetails {
    ImageDetails {
        subject: Some(digest(subject)),
        ..image(word, days, &[])
    }
}

pub fn archived(image: ImageDetails) -> ImageDetails {
    ImageDetails {
        status: Status::Archived,
        ..image
    }
}

pub fn pulled(image: ImageDetails, days: i64) -> ImageDetails {
    ImageDetails {
        pulled: Some(days_ago(days)),
        ..image
    }
}

pub fn repository(images: Vec<ImageDetails>) -> Repository {
    Repository {
        name: NAME.to_owned(),
        uri: URI.to_owned(),
        images,
        contents: Default::default(),
    }
}

impl Repository {
    /// With an index of these parts.
    pub fn index(mut self, word: &str, days: i64, tags: &[&str], parts: &[&str]) -> Self {
        let manifest = Manifest {
            parts: parts.iter().map(|part| digest(part).to_string()).collect(),
            blobs: Vec::new(),
        };
        self.contents.insert(digest(word).to_string(), manifest);
        self.unread_index(word, days, tags)
    }

    /// With an index of which nobody knows the parts.
    pub fn unread_index(mut self, word: &str, days: i64, tags: &[&str]) -> Self {
        self.images.push(ImageDetails {
            kind: Kind::OciIndex,
            ..image(word, days, tags)
        });
        self
    }

    /// With what an image consists of.
    pub fn blobs(mut self, word: &str, blobs: &[(&str, u64)]) -> Self {
        let manifest = Manifest {
            parts: Vec::new(),
            blobs: blobs.iter().map(|&(blob, size)| (blob.to_owned(), size)).collect(),
        };
        self.contents.insert(digest(word).to_string(), manifest);
        self
    }
}

/// What protects: who runs what, by digest or tag, and the settings.
#[derive(Debug, Default)]
pub struct Shield {
    pub who: WhoRuns,
    pub protected: Vec<Protected>,
    pub last_copies: Vec<LastCopy>,
    pub backup: Option<Backup>,
}

impl Shield {
    /// A function runs the image of this word.
    pub fn runs(mut self, word: &str) -> Self {
        self.who.runs.push(Run {
            by: format!("function-of-{word}"),
            address: format!("{URI}@{}", digest(word)),
            digest: None,
        });
        self
    }

    pub fn protects(mut self, entry: &str) -> Self {
        self.protected.push(entry.parse().unwrap());
        self
    }

    pub fn protection(&self) -> Protection<'_> {
        Protection {
            users: self.who.of_repository(URI),
            knows_users: true,
            may_run: Vec::new(),
            unused_at: None,
            protected: &self.protected,
            last_copies: self.last_copies.clone(),
            backups: self.backup.iter().collect(),
            backup_term: Duration::from_hours(24 * 30),
            shown: None,
        }
    }
}

pub fn decided(repository: &Repository, rules: &Rules, shield: &Shield) -> Plan {
    plan(repository, rules, &shield.protection(), now())
}

/// The words of what goes, in its order.
pub fn goes(plan: &Plan, words: &[&str]) -> Vec<String> {
    let word = |digest_of: &Digest| words.iter().find(|word| digest(word) == *digest_of);
    let going = plan.goes.iter();
    going
        .map(|one| (*word(&one.image.digest).expect("a known word")).to_owned())
        .collect()
}

/// Why the image of a word stays.
pub fn because<'a>(plan: &'a Plan, word: &str) -> &'a KeptBecause {
    let kept = plan.kept.iter().find(|one| one.image.digest == digest(word));
    &kept.unwrap_or_else(|| panic!("{word} goes")).because
}
