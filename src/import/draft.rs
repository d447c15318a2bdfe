//! What was read so far, in this program's words: it becomes the settings.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::section::Item;
use crate::image::{Digest, Repository, Tag};

/// Something of a file that the settings made of it do not say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LeftOut {
    /// The file that it is in, as it was named.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// Its place in the file, with `.` between the parts; entries of lists are counted from 1.
    pub key: String,
    /// Why, and what to do in its place.
    pub why: Cow<'static, str>,
}

pub(super) const PLATFORMS: &str = "platforms";
pub(super) const REFERRERS: &str = "referrers";
pub(super) const FOREIGN_LAYERS: &str = "foreign_layers";
/// Its value is `every` or `cron`, and what follows that.
pub(super) const SCHEDULE: &str = "schedule";
pub(super) const BACKUP: &str = "policy.backup";

/// What most machines are that skopeo runs on: it brings their own platform where nobody says which.
const ONE_PLATFORM: &str = "linux/amd64";

/// What is said of all images at once in the settings, and of each in other programs' files.
pub(super) const COMMON: [&str; 3] = [REFERRERS, FOREIGN_LAYERS, SCHEDULE];

/// What an entry of `images` may say by itself, too.
pub(super) const OWN: [&str; 2] = [PLATFORMS, BACKUP];

/// All that was read so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The file that is being read.
    pub(super) file: String,
    pub(super) engine: &'static str,
    pub(super) docker_host: Option<String>,
    pub(super) concurrency: Option<usize>,
    pub(super) hosts: BTreeMap<String, Host>,
    pub(super) images: Vec<Image>,
    pub(super) left_out: Vec<LeftOut>,
}

/// How one registry is asked.
#[derive(Debug)]
pub(super) struct Host {
    /// Where it was first said.
    pub(super) said: Said,
    pub(super) username: Option<String>,
    pub(super) plain_http: Option<bool>,
    pub(super) mirrors: Vec<String>,
    pub(super) requests_per_second: Option<usize>,
    pub(super) concurrency: Option<usize>,
    /// Keys that only the environment is to say.
    pub(super) in_environment: BTreeSet<&'static str>,
    /// What is told of these where images come from the registry, or go to it.
    pub(super) told: Vec<(Said, String)>,
}

/// An upstream, where its images go, and which of them.
#[derive(Debug, Clone)]
pub(super) struct Image {
    /// Where it was said.
    pub(super) said: Said,
    /// What the file calls it.
    pub(super) label: Option<String>,
    pub(super) upstream: Repository,
    pub(super) target: Repository,
    /// None beside digests; without those all tags are meant.
    pub(super) sets: Vec<RuleSet>,
    /// By the tags that are to name them.
    pub(super) digests: BTreeMap<Tag, Digest>,
    /// By the setting of [`COMMON`] or [`OWN`] that they are.
    pub(super) common: BTreeMap<&'static str, Common>,
}

/// A place in a file.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) key: String,
}

/// What one entry says of something that may be one setting for all images.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) said: Said,
    pub(super) value: Vec<String>,
}

/// Rules of which each has to choose a tag; empty ones choose all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RuleSet {
    pub(super) include_tags: Vec<String>,
    pub(super) constraint: Option<String>,
    pub(super) suffix: Option<&'static str>,
    pub(super) allow: Vec<String>,
    pub(super) deny: Vec<String>,
}

impl RuleSet {
    /// Any tag, said by a rule.
    pub(super) fn all() -> Self {
        Self {
            allow: vec![".*".to_owned()],
            ..Self::default()
        }
    }

    /// These tags and no others.
    pub(super) fn of_tags(tags: Vec<String>) -> Self {
        Self {
            include_tags: tags,
            ..Self::default()
        }
    }
}

impl Draft {
    /// Notes that something cannot be brought over. `why` never has a secret's value in it.
    pub(super) fn leave(&mut self, item: &Item<'_>, why: impl Into<Cow<'static, str>>) {
        let said = self.said(item);
        self.leave_said(&said, why);
    }

    /// The same of a place that was noted.
    pub(super) fn leave_said(&mut self, said: &Said, why: impl Into<Cow<'static, str>>) {
        self.left_out.push(LeftOut {
            file: said.file.clone(),
            line: said.line,
            key: said.key.clone(),
            why: why.into(),
        });
    }

    /// Where something is said.
    pub(super) fn said(&self, item: &Item<'_>) -> Said {
        Said {
            file: self.file.clone(),
            line: item.line,
            key: item.path.clone(),
        }
    }

    /// Takes one platform for images of which nobody says which, as skopeo does.
    pub(super) fn take_one_platform(&mut self, hint: &str) {
        let mut first = None;
        for image in &mut self.images {
            if image.common.contains_key(PLATFORMS) {
                continue;
            }
            first.get_or_insert_with(|| image.said.clone());
            let common = Common {
                said: image.said.clone(),
                value: vec![ONE_PLATFORM.to_owned()],
            };
            image.common.insert(PLATFORMS, common);
        }
        if let Some(said) = first {
            let why = format!(
                "no platform is named, and skopeo brings that of the machine that it runs on: {ONE_PLATFORM} was taken for it; set \
                 `platforms` where it is another{hint}"
            );
            self.leave_said(&said, why);
        }
    }

    /// How a registry is asked, which `item` says something of.
    pub(super) fn host(&mut self, host: &str, item: &Item<'_>) -> &mut Host {
        let said = self.said(item);
        self.hosts.entry(host.to_owned()).or_insert_with(|| Host {
            said,
            username: None,
            plain_http: None,
            mirrors: Vec::new(),
            requests_per_second: None,
            concurrency: None,
            in_environment: BTreeSet::new(),
            told: Vec::new(),
        })
    }

    /// What such a setting is, as one entry says it.
    pub(super) fn common(&self, item: &Item<'_>, value: Vec<String>) -> Common {
        Common {
            said: self.said(item),
            value,
        }
    }
}
