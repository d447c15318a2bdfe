//! What a mirror owes its users: what must hold before an image takes another's place.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::{KeptBecause, RefusedBecause, Viewed};
use crate::image::{Observed, Platform};
use crate::mapping::Backup;
use crate::selection::{Pattern, is_version};

/// The settings' `policy`; by itself it asks for nothing.
#[derive(Debug, Clone, Default)]
pub struct Safety {
    /// Under which tag an image stays that is replaced.
    pub backup: Option<Backup>,
    /// How long an upstream's digest has to have been seen before it comes.
    pub min_age: Option<Duration>,
    /// Tags that need not wait.
    pub min_age_except: Vec<Pattern>,
    /// What is done where a version's tag names another image upstream.
    pub retag: Retag,
    /// Versions' tags that are known to move.
    pub retag_except: Vec<Pattern>,
    /// What is done about an image whose upstream has gone.
    pub vanished: Vanished,
    /// What an image has to be.
    pub require: Requirements,
}

impl Safety {
    /// Whether it asks for something that only the ledger remembers.
    pub fn goes_by_the_ledger(&self) -> bool {
        self.backup.is_some()
            || self.min_age.is_some()
            || self.retag != Retag::Follow
            || self.vanished == Vanished::Protect
    }
}

/// What is done where a version's tag names another image upstream than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retag {
    /// It comes, like any other.
    #[default]
    Follow,
    /// It comes, and the run is not well.
    Alarm,
    /// The target keeps what it has.
    Freeze,
}

/// What is done about an image whose upstream has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vanished {
    /// It stays, and the run is not well.
    #[default]
    Alarm,
    /// It stays, and all is well.
    Keep,
    /// It stays, and nothing here deletes it: it may be the last.
    Protect,
}

/// What an image has to be to come.
#[derive(Debug, Clone, Default)]
pub struct Requirements {
    /// Platforms that the upstream has to have.
    pub platforms: Vec<Platform>,
    /// The most bytes that one platform's image may have, packed as registries hold it.
    pub max_size: Option<u64>,
    /// Labels that each platform's image has to have, with what has to match their values.
    pub labels: BTreeMap<String, Pattern>,
}

/// What its manifests and configs say of an image: of several platforms, of all that may come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// What they run on.
    pub platforms: Vec<Platform>,
    /// The bytes of the largest, packed.
    pub size: u64,
    /// The labels of each; none at all where nothing of it is an image.
    pub labels: Vec<BTreeMap<String, String>>,
    /// When the newest was made, as it says itself.
    pub created: Option<Timestamp>,
}

impl Requirements {
    /// Whether manifests and configs have to be read to tell.
    fn need_facts(&self) -> bool {
        self.max_size.is_some() || !self.labels.is_empty() || !self.platforms.is_empty()
    }

    /// What an image lacks, in words.
    pub(super) fn unmet(&self, upstream: &Observed, facts: Option<&Facts>) -> Vec<String> {
        let facts = facts.cloned().unwrap_or_default();
        let has = |wanted: &&Platform| {
            let mut own = upstream.platforms.iter().chain(&facts.platforms);
            own.any(|own| own.is_for(wanted))
        };
        let platforms = self.platforms.iter().filter(|wanted| !has(wanted));
        let mut unmet: Vec<String> = platforms.map(|lacking| format!("an image for {lacking}")).collect();
        if facts.labels.is_empty() && (self.max_size.is_some() || !self.labels.is_empty()) {
            unmet.push("an image that tells its size and its labels".to_owned());
        }
        if let Some(most) = self.max_size.filter(|most| facts.size > *most) {
            unmet.push(format!("at most {most} bytes; it has {}", facts.size));
        }
        for (name, pattern) in &self.labels {
            let values = facts.labels.iter().map(|labels| labels.get(name));
            for value in values {
                match value {
                    Some(value) if pattern.is_match(value) => continue,
                    Some(value) => unmet.push(format!("a label {name} that {pattern} matches; it is {value:?}")),
                    None => unmet.push(format!("a label {name}")),
                }
                break;
            }
        }
        unmet
    }
}

impl Safety {
    /// Until when an image has to wait; none where it need not. The ledger says since when it was seen; a time that an image itself names
    /// can make it younger than that, and not older: anybody can write it.
    pub(super) fn waits_until(&self, one: &Viewed, now: Timestamp) -> Option<Timestamp> {
        let tag = one.target.reference.as_str();
        let age = self.min_age?;
        if self.min_age_except.iter().any(|except| except.is_match(tag)) {
            return None;
        }
        let created = one
            .facts
            .as_ref()
            .and_then(|facts| facts.created)
            .filter(|at| *at < now);
        let since = one.first_seen.unwrap_or(now).max(created.unwrap_or(Timestamp::MIN));
        let until = since.checked_add(age).unwrap_or(Timestamp::MAX);
        (until > now).then_some(until)
    }

    /// Whether a version's tag has moved upstream, so far as is known: the target was made of another digest, or nobody knows of what.
    pub(super) fn is_moved_version(&self, one: &Viewed, upstream: &Observed) -> bool {
        let tag = one.target.reference.as_str();
        let is_other = match &one.made {
            Some(made) if one.digest.as_ref() == Some(&made.digest) => made.from != upstream.top,
            _ => true,
        };
        let is_except = || self.retag_except.iter().any(|except| except.is_match(tag));
        one.digest.is_some() && is_other && is_version(tag) && !is_except()
    }

    /// What becomes of an image whose upstream has gone.
    pub(super) fn of_vanished(&self) -> Result<KeptBecause, RefusedBecause> {
        match self.vanished {
            Vanished::Alarm => Err(RefusedBecause::UpstreamGone),
            Vanished::Keep => Ok(KeptBecause::UpstreamGone),
            Vanished::Protect => Ok(KeptBecause::Protected),
        }
    }

    /// Whether what an image says itself has to be read before it may come.
    pub fn is_open(&self, one: &Viewed, upstream: &Observed, now: Timestamp) -> bool {
        let needs_facts = self.require.need_facts() || self.min_age.is_some();
        needs_facts && one.can_move && self.freezes(one, upstream).is_none() && self.waits_until(one, now).is_none()
    }

    /// Why an image may not take the place of another.
    pub(super) fn freezes(&self, one: &Viewed, upstream: &Observed) -> Option<RefusedBecause> {
        let is_frozen = self.retag == Retag::Freeze && self.is_moved_version(one, upstream);
        let made = one
            .made
            .as_ref()
            .filter(|made| one.digest.as_ref() == Some(&made.digest));
        is_frozen.then(|| RefusedBecause::VersionMoved {
            was: made.map(|made| made.from.clone()),
        })
    }

    /// What an image lacks to come.
    pub(super) fn lacks(&self, one: &Viewed, upstream: &Observed) -> Option<RefusedBecause> {
        let unmet = self.require.unmet(upstream, one.facts.as_deref());
        (!unmet.is_empty()).then_some(RefusedBecause::Requirements { unmet })
    }
}
