//! What was found out about both sides of a target, and what the policy wants of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Brings, CopyBecause, Facts, Keeps, KeptBecause, RefusedBecause, Safety};
use crate::image::{Attestations, Digest, ImageRef, Kind, Observed, Platform, Platforms, Repository};
use crate::ledger::Made;

/// A target's tag and all that was found out about both of its sides.
#[derive(Debug, Clone)]
pub struct Viewed {
    /// The target's tag.
    pub target: ImageRef,
    /// What it names; none where there is no such tag.
    pub digest: Option<Digest>,
    /// What that is.
    pub kind: Option<Kind>,
    /// Its config digest, where it was read.
    pub config: Option<Digest>,
    /// Its platforms, where they were read.
    pub platforms: Vec<Platform>,
    /// The tag that it follows.
    pub follows: ImageRef,
    /// What that tag names.
    pub upstream: Upstream,
    /// What the ledger knows of the target.
    pub made: Option<Box<Made>>,
    /// What the target's tag would name after a copy, where that was found out.
    pub outcome: Option<Digest>,
    /// Since when its upstream's tag is known to name what it names, where that is remembered.
    pub first_seen: Option<Timestamp>,
    /// What the upstream's manifests and configs say, where they were read.
    pub facts: Option<Box<Facts>>,
    /// Whether the repository lets the tag move.
    pub can_move: bool,
    /// Whether something refers to it upstream that the target lacks, where that is to come too.
    pub lacks_referrers: bool,
}

/// The items of a list from its last to its first, whose memory is given back as they go: of some hundred thousand tags two lists weigh as much as all else.
pub fn backwards<T>(mut list: Vec<T>) -> impl Iterator<Item = T> {
    /// To give it back item by item would take longer.
    const AT_ONCE: usize = 1 << 14;
    std::iter::from_fn(move || {
        let last = list.pop();
        if list.len().is_multiple_of(AT_ONCE) {
            list.shrink_to_fit();
        }
        last
    })
}

/// What the upstream answered.
#[derive(Debug, Clone)]
pub enum Upstream {
    /// The tag is there.
    Has(Box<Observed>),
    /// The registry answered that it is not.
    Gone,
    /// Nobody asked it, for this reason.
    NotAsked(KeptBecause),
}

/// What the settings say about a sync.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Which platforms are wanted.
    pub platforms: Platforms,
    /// What the engine keeps of an image.
    pub keeps: Keeps,
    /// What becomes of attestations, where the engine can leave them out.
    pub attestations: Attestations,
    /// What must hold before an image takes another's place.
    pub safety: Safety,
    /// When it is decided.
    pub now: Timestamp,
}

/// The run's policy, and those of repositories that have one of their own.
#[derive(Debug, Clone)]
pub struct Policies {
    /// What holds for all others.
    pub usual: Policy,
    /// By target repository.
    pub own: BTreeMap<Repository, Policy>,
}

impl Policies {
    /// What holds for a target.
    pub fn of(&self, target: &ImageRef) -> &Policy {
        self.own.get(&target.repository).unwrap_or(&self.usual)
    }

    /// Every policy that there is.
    pub fn all(&self) -> impl Iterator<Item = &Policy> {
        self.own.values().chain([&self.usual])
    }
}

impl From<Policy> for Policies {
    fn from(usual: Policy) -> Self {
        Self {
            usual,
            own: BTreeMap::new(),
        }
    }
}

impl Viewed {
    /// Whether both sides hold the same, as far as digests and the ledger tell.
    pub fn in_sync_with(&self, upstream: &Observed, policy: &Policy) -> Option<KeptBecause> {
        let wanted = policy.whole_is_wanted(&upstream.kind);
        if self.digest.as_ref() == Some(&upstream.top) && wanted {
            return Some(KeptBecause::SameDigest);
        }
        let digest = self.digest.as_ref()?;
        if self.outcome.as_ref() == Some(digest) {
            return Some(KeptBecause::SamePart);
        }
        let ours = match &policy.platforms {
            Platforms::One(platform) => upstream.manifest_for(Some(platform)) == Some(digest),
            // Whichever platform the target has, it is one of the upstream's.
            Platforms::AsTarget => upstream.children.iter().flatten().any(|child| child.digest == *digest),
            Platforms::Listed(_) | Platforms::All => false,
        };
        if ours {
            return Some(KeptBecause::SamePlatformManifest);
        }
        let made = self.made.as_ref()?;
        let known = made.is_of(digest, &self.follows.repository, &upstream.top, policy.wanted());
        known.then_some(match made.rolled_back {
            true => KeptBecause::RolledBack,
            false => KeptBecause::MadeFromThisUpstream,
        })
    }

    /// What of the upstream the target should have.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn brings(&self, upstream: &Observed, policy: &Policy) -> Result<Brings, RefusedBecause> {
        let index = upstream.kind.is_index();
        let can_be_whole = policy.keeps != Keeps::Content || !index;
        let part = |platforms: &[Platform]| Brings::Part {
            platforms: platforms.to_vec(),
            attestations: policy.attestations,
        };
        let whole = || Brings::Whole(upstream.platforms.clone());
        match &policy.platforms {
            Platforms::One(platform) => one_of(platform, &upstream.platforms),
            Platforms::All if policy.strips(&upstream.kind) => Ok(part(&[])),
            Platforms::All if can_be_whole => Ok(whole()),
            Platforms::All => Err(RefusedBecause::OnePlatformAtATime),
            // One image is no index that could be cut: it comes as it is, if it is for one of them.
            Platforms::Listed(wanted) if policy.keeps == Keeps::Everything && !index => Ok(part(wanted)),
            Platforms::Listed(wanted) => {
                let missing = without(wanted, &upstream.platforms);
                let others = without(&upstream.platforms, wanted);
                match () {
                    () if !missing.is_empty() => Err(RefusedBecause::PlatformsMissing {
                        missing,
                        there: upstream.platforms.clone(),
                    }),
                    () if policy.keeps == Keeps::Everything && index => match others.is_empty() {
                        true if policy.attestations == Attestations::Keep => Ok(whole()),
                        _ => Ok(part(wanted)),
                    },
                    () if !can_be_whole => Err(RefusedBecause::OnePlatformAtATime),
                    () if !others.is_empty() => Err(RefusedBecause::IndexHasOthers { others }),
                    () => Ok(whole()),
                }
            }
            // Nothing is there that could be lost, and nothing of the upstream has to be.
            Platforms::AsTarget if self.kind.is_none() && can_be_whole => Ok(whole()),
            Platforms::AsTarget if self.kind.as_ref().is_none_or(|kind| !kind.is_index()) => {
                match &self.platforms[..] {
                    // An arm64 copy must not become an amd64 one because the runner is one.
                    [only] => one_of(only, &upstream.platforms),
                    _ => Ok(Brings::Platform(None)),
                }
            }
            Platforms::AsTarget if index && can_be_whole => Ok(whole()),
            Platforms::AsTarget => Err(RefusedBecause::WouldLosePlatforms {
                kind: self.kind.clone().unwrap_or(upstream.kind.clone()),
                platforms: self.platforms.clone(),
            }),
        }
    }

    /// Whether the target's tag names an index.
    pub fn is_index(&self) -> bool {
        self.kind.as_ref().is_some_and(Kind::is_index)
    }

    pub(super) fn because(&self, upstream: &Observed, brings: &Brings, keeps: Keeps) -> CopyBecause {
        if self.digest.is_none() {
            return CopyBecause::Missing;
        }
        let known = match (brings, keeps) {
            // Two single manifests may be one image, packed twice.
            (_, Keeps::Everything) => return CopyBecause::DigestDiffers,
            (_, Keeps::Content) => None,
            (Brings::Whole(_) | Brings::Part { .. }, Keeps::Manifests) => Some(&upstream.top),
            (Brings::Platform(platform), Keeps::Manifests) => upstream.manifest_for(platform.as_ref()),
        };
        // An index is never what one platform's pull brings.
        match self.is_index() || known.is_some() {
            true => CopyBecause::DigestDiffers,
            false => CopyBecause::OnlyAPullTells,
        }
    }
}

impl Upstream {
    pub(super) fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Has(observed) => Some(&observed.top),
            Self::Gone | Self::NotAsked(_) => None,
        }
    }
}

impl Policy {
    /// What is wanted of an image, as the ledger remembers it.
    pub fn wanted(&self) -> (&Platforms, Attestations) {
        (&self.platforms, self.attestations)
    }

    /// Whether attestations are to go from what the upstream has.
    fn strips(&self, upstream: &Kind) -> bool {
        self.keeps == Keeps::Everything && self.attestations == Attestations::Strip && upstream.is_index()
    }

    /// Whether the upstream's own digest may be what the target should name.
    fn whole_is_wanted(&self, upstream: &Kind) -> bool {
        self.keeps != Keeps::Everything
            || !upstream.is_index()
            || match &self.platforms {
                Platforms::All | Platforms::AsTarget => !self.strips(upstream),
                // Only the index itself tells whether it is for exactly these.
                Platforms::One(_) | Platforms::Listed(_) => false,
            }
    }

    /// Whether what a copy would leave at the target can be another digest than the upstream's own, and so has to be found
    /// out.
    pub fn changes_digests(&self, upstream: &Kind) -> bool {
        self.keeps == Keeps::Everything && !self.whole_is_wanted(upstream)
    }
}

/// One platform's image, unless the upstream is known to have none for it.
fn one_of(platform: &Platform, all: &[Platform]) -> Result<Brings, RefusedBecause> {
    match all.is_empty() || all.iter().any(|own| own.is_for(platform)) {
        true => Ok(Brings::Platform(Some(platform.clone()))),
        false => Err(RefusedBecause::PlatformsMissing {
            missing: vec![platform.clone()],
            there: all.to_vec(),
        }),
    }
}

/// Those of `all` that none of `others` is for.
fn without(all: &[Platform], others: &[Platform]) -> Vec<Platform> {
    let left = all.iter().filter(|one| !others.iter().any(|other| other.is_for(one)));
    left.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_backwards_whole() {
        for length in [0, 1, 16_384, 40_000] {
            let list: Vec<usize> = (0..length).collect();
            assert!(backwards(list).eq((0..length).rev()), "{length}");
        }
    }
}
