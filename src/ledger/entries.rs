//! What a ledger holds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Made, Seen};
use crate::image::ImageRef;

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
