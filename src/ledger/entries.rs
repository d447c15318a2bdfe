//! What a ledger holds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Made, Seen};
use crate::aws::ecr::account_and_region;
use crate::image::{ImageRef, Reference, Tag};

/// One entry for each target's tag, or upstream's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entries {
    pub(super) made: BTreeMap<ImageRef, Made>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) seen: BTreeMap<ImageRef, Seen>,
    /// Targets that are kept for they may be the last, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) protected: BTreeMap<ImageRef, Timestamp>,
}

impl Entries {
    /// Tags of one repository that are kept, and since when.
    pub(super) fn protected_in(&self, host: &str, name: &str) -> Vec<(Tag, Timestamp)> {
        let own = account_and_region(host);
        let is_here = |other: &str| other == host || (own.is_some() && account_and_region(other) == own);
        let here = self
            .protected
            .iter()
            .filter(|(target, _)| *target.repository.path == *name && is_here(&target.repository.host));
        let tagged = here.filter_map(|(target, since)| match &target.reference {
            Reference::Tag(tag) => Some((tag.clone(), *since)),
            Reference::Digest(_) => None,
        });
        tagged.collect()
    }

    /// Adds what others have found; of one tag, what was found last, and since when it was seen first.
    pub(super) fn add(&mut self, theirs: Self) {
        for (target, theirs) in theirs.made {
            let is_newer = |own: &Made| own.at < theirs.at;
            if self.made.get(&target).is_none_or(is_newer) {
                self.made.insert(target, theirs);
            }
        }
        for (tag, theirs) in theirs.seen {
            match self.seen.entry(tag) {
                Entry::Vacant(vacant) => {
                    vacant.insert(theirs);
                }
                Entry::Occupied(mut own) => {
                    let own = own.get_mut();
                    let is_better = match own.digest == theirs.digest {
                        true => theirs.since < own.since,
                        false => theirs.since > own.since,
                    };
                    if is_better {
                        *own = theirs;
                    }
                }
            }
        }
        for (target, since) in theirs.protected {
            let own = self.protected.entry(target).or_insert(since);
            *own = since.min(*own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_by_each_name_of_its_registry() {
        let since = Timestamp::from_second(5).unwrap();
        // As it is written where settings name the dual-stack endpoint (AWS page "Amazon ECR endpoints and quotas").
        let target = "123456789012.dkr-ecr.eu-central-1.on.aws/shop/api:1";
        let entries = Entries {
            protected: BTreeMap::from([(target.parse().unwrap(), since)]),
            ..Entries::default()
        };
        let kept = |host: &str, name: &str| entries.protected_in(host, name);
        let tag: Tag = "1".parse().unwrap();
        for host in [
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com",
            "123456789012.dkr-ecr.eu-central-1.on.aws",
        ] {
            assert_eq!(kept(host, "shop/api"), [(tag.clone(), since)], "{host}");
        }
        assert!(kept("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "shop/api").is_empty());
        assert!(kept("123456789012.dkr.ecr.eu-central-1.amazonaws.com", "shop/web").is_empty());
    }

    #[test]
    fn an_image_counts_from_when_any_run_saw_it_first() {
        let tag: ImageRef = "busybox:1".parse().unwrap();
        let entries = |digest: &str, second: i64| Entries {
            seen: BTreeMap::from([(
                tag.clone(),
                Seen {
                    digest: format!("sha256:{digest:0>64}").parse().unwrap(),
                    since: Timestamp::from_second(second).unwrap(),
                },
            )]),
            ..Entries::default()
        };
        for (own, theirs, left) in [
            (entries("a", 5), entries("a", 3), entries("a", 3)),
            (entries("a", 3), entries("a", 5), entries("a", 3)),
            (entries("a", 3), entries("b", 5), entries("b", 5)),
            (entries("b", 5), entries("a", 3), entries("b", 5)),
        ] {
            let mut own = own;
            own.add(theirs);
            assert_eq!(own, left);
        }
    }
}
