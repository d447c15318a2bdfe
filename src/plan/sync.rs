use super::{Action, Brings, Copy, CopyBecause, Keeps, Kept, KeptBecause, Plan, Refused, RefusedBecause};
use crate::image::{Attestations, Digest, ImageRef, Kind, Observed, Platform, Platforms};
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
    pub made: Option<Made>,
    /// What the target's tag would name after a copy, where that was found out.
    pub outcome: Option<Digest>,
    /// Whether the repository lets the tag move.
    pub can_move: bool,
    /// Whether something refers to it upstream that the target lacks, where that is to come too.
    pub lacks_referrers: bool,
}

/// What the upstream answered.
#[derive(Debug, Clone)]
pub enum Upstream {
    /// The tag is there.
    Has(Observed),
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
    /// Whether a tag that has gone upstream is well.
    pub keep_missing: bool,
}

/// Decides what becomes of each target.
pub fn sync(viewed: Vec<Viewed>, policy: &Policy) -> Plan {
    let mut plan = Plan::default();
    let mut copies = Vec::new();
    for one in viewed {
        match decide(&one, policy) {
            Decision::Copy(brings, because) => {
                if let Upstream::Has(upstream) = one.upstream {
                    let upstream_top = upstream.top.clone();
                    copies.push(Action::Copy(Copy {
                        target: one.target,
                        upstream: one.follows,
                        upstream_digest: upstream.top,
                        upstream_kind: upstream.kind,
                        upstream_platforms: upstream.platforms,
                        target_digest: one.digest,
                        target_kind: one.kind,
                        target_config: one.config,
                        replaces: lost(&one.platforms, &brings),
                        makes: one.outcome.filter(|outcome| *outcome != upstream_top),
                        brings,
                        because,
                    }));
                }
            }
            Decision::Keep(because) => plan.kept.push(Kept {
                upstream_digest: one.upstream.digest().cloned(),
                target: one.target,
                upstream: one.follows,
                target_digest: one.digest,
                because,
            }),
            Decision::Refuse(because) => plan.refused.push(Refused {
                upstream_digest: one.upstream.digest().cloned(),
                target: one.target,
                upstream: one.follows,
                target_digest: one.digest,
                because,
            }),
        }
    }
    if !copies.is_empty() {
        plan.stages.push(copies);
    }
    plan
}

enum Decision {
    Copy(Brings, CopyBecause),
    Keep(KeptBecause),
    Refuse(RefusedBecause),
}

fn decide(one: &Viewed, policy: &Policy) -> Decision {
    let upstream = match &one.upstream {
        Upstream::Has(upstream) => upstream,
        Upstream::Gone if policy.keep_missing => return Decision::Keep(KeptBecause::UpstreamGone),
        Upstream::Gone => return Decision::Refuse(RefusedBecause::UpstreamGone),
        Upstream::NotAsked(because) => return Decision::Keep(*because),
    };
    if let Some(because) = one.in_sync_with(upstream, policy) {
        return match one.brings(upstream, policy) {
            Ok(brings) if one.lacks_referrers => Decision::Copy(brings, CopyBecause::ReferrersMissing),
            _ => Decision::Keep(because),
        };
    }
    match one.brings(upstream, policy) {
        Ok(_) if !one.can_move => Decision::Refuse(RefusedBecause::ImmutableTag),
        Ok(brings) => {
            let because = one.because(upstream, &brings, policy.keeps);
            Decision::Copy(brings, because)
        }
        Err(because) => Decision::Refuse(because),
    }
}

/// The platforms that are there and do not come.
fn lost(there: &[Platform], brings: &Brings) -> Vec<Platform> {
    let comes = |platform: &&Platform| match brings {
        Brings::Platform(None) => true,
        Brings::Platform(Some(wanted)) => platform.is_for(wanted),
        Brings::Whole(all) | Brings::Part { platforms: all, .. } => {
            all.is_empty() || all.iter().any(|one| platform.is_for(one))
        }
    };
    there.iter().filter(|platform| !comes(platform)).cloned().collect()
}

/// One platform's image, unless the upstream is known to have none for it.
fn one_of(platform: &Platform, all: &[Platform]) -> Result<Brings, RefusedBecause> {
    match all.is_empty() || all.iter().any(|own| own.is_for(platform)) {
        true => Ok(Brings::Platform(Some(platform.clone()))),
        false => Err(RefusedBecause::PlatformsMissing {
            missing: vec![platform.clone()],
        }),
    }
}

/// Those of `all` that none of `others` is for.
fn without(all: &[Platform], others: &[Platform]) -> Vec<Platform> {
    let left = all.iter().filter(|one| !others.iter().any(|other| other.is_for(one)));
    left.cloned().collect()
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
        known.then_some(KeptBecause::MadeFromThisUpstream)
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
                    () if !missing.is_empty() => Err(RefusedBecause::PlatformsMissing { missing }),
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

    fn because(&self, upstream: &Observed, brings: &Brings, keeps: Keeps) -> CopyBecause {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(of: &str) -> Digest {
        format!("sha256:{:0>64}", of).parse().unwrap()
    }

    fn has(top: &str) -> Upstream {
        Upstream::Has(Observed {
            top: digest(top),
            kind: Kind::OciIndex,
            platforms: vec!["linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap()],
            children: None,
        })
    }

    fn single(held: &str, upstream: Upstream) -> Viewed {
        Viewed {
            target: "localhost:1/base/image/busybox:1".parse().unwrap(),
            digest: Some(digest(held)),
            kind: Some(Kind::DockerManifest),
            config: None,
            platforms: vec!["linux/arm64".parse().unwrap()],
            follows: "busybox:1".parse().unwrap(),
            upstream,
            made: None,
            outcome: None,
            can_move: true,
            lacks_referrers: false,
        }
    }

    fn policy() -> Policy {
        Policy {
            platforms: Platforms::AsTarget,
            keeps: Keeps::Content,
            attestations: Attestations::Keep,
            keep_missing: false,
        }
    }

    fn wanting(platforms: &str, keeps: Keeps) -> Policy {
        Policy {
            platforms: platforms.parse().unwrap(),
            keeps,
            ..policy()
        }
    }

    fn only_copy(plan: &Plan) -> &Copy {
        match &plan.actions().collect::<Vec<_>>()[..] {
            [Action::Copy(copy)] => copy,
            other => panic!("not one copy: {other:?}"),
        }
    }

    #[test]
    fn equal_digests_are_kept() {
        let plan = sync(vec![single("a", has("a"))], &policy());
        assert_eq!(plan.kept[0].because, KeptBecause::SameDigest);
        assert_eq!(plan.actions().count(), 0);
    }

    #[test]
    fn a_differing_digest_is_copied_for_the_platform_that_the_target_has() {
        let plan = sync(vec![single("a", has("b"))], &policy());
        let copy = only_copy(&plan);
        assert_eq!(copy.because, CopyBecause::OnlyAPullTells);
        assert_eq!(copy.brings, Brings::Platform(Some("linux/arm64".parse().unwrap())));
    }

    #[test]
    fn the_ledger_counts_for_exactly_what_it_names() {
        let made = |from: &str, of: &str, platforms: &str| Made {
            digest: digest(of),
            upstream: "busybox".parse().unwrap(),
            from: digest(from),
            platforms: platforms.parse().unwrap(),
            attestations: Attestations::Keep,
            at: jiff::Timestamp::UNIX_EPOCH,
        };
        let with = |made: Made| {
            let mut one = single("a", has("b"));
            one.made = Some(made);
            sync(vec![one], &policy()).kept.len()
        };
        assert_eq!(with(made("b", "a", "")), 1);
        assert_eq!(with(made("c", "a", "")), 0, "upstream has moved since");
        assert_eq!(
            with(made("b", "c", "")),
            0,
            "the target was pushed by somebody else since"
        );
        assert_eq!(with(made("b", "a", "linux/amd64")), 0, "made for another platform");
    }

    #[test]
    fn several_platforms_are_not_replaced_by_one() {
        let mut one = single("a", has("b"));
        one.kind = Some(Kind::OciIndex);
        let plan = sync(vec![one.clone()], &policy());
        assert!(matches!(
            plan.refused[0].because,
            RefusedBecause::WouldLosePlatforms { .. }
        ));

        let plan = sync(vec![one.clone()], &wanting("linux/amd64", Keeps::Content));
        assert_eq!(only_copy(&plan).because, CopyBecause::DigestDiffers);
        assert_eq!(
            only_copy(&plan).replaces,
            ["linux/arm64".parse().unwrap()],
            "and it says what goes"
        );
        let plan = sync(vec![one], &wanting("", Keeps::Manifests));
        let all = ["linux/amd64", "linux/arm64"].map(|text| text.parse().unwrap());
        assert_eq!(
            only_copy(&plan).brings,
            Brings::Whole(all.into()),
            "an index stays one where it can"
        );
    }

    #[test]
    fn several_platforms_come_only_as_the_index_that_the_upstream_has() {
        let plan = |platforms: &str, keeps| sync(vec![single("a", has("b"))], &wanting(platforms, keeps));
        let refused = |plan: Plan| plan.refused.into_iter().next().map(|refused| refused.because);
        let s390x: Platform = "linux/s390x".parse().unwrap();
        let arm64: Platform = "linux/arm64".parse().unwrap();
        for wanted in ["all", "linux/amd64,linux/arm64"] {
            let whole = plan(wanted, Keeps::Manifests);
            assert_eq!(only_copy(&whole).because, CopyBecause::DigestDiffers, "{wanted}");
            assert!(
                matches!(&only_copy(&whole).brings, Brings::Whole(all) if all.len() == 2),
                "{wanted}"
            );
            assert_eq!(
                refused(plan(wanted, Keeps::Content)),
                Some(RefusedBecause::OnePlatformAtATime),
                "{wanted}"
            );
        }
        assert_eq!(
            refused(plan("linux/amd64,linux/s390x", Keeps::Manifests)),
            Some(RefusedBecause::PlatformsMissing { missing: vec![s390x] })
        );
        let mut three = has("b");
        if let Upstream::Has(observed) = &mut three {
            observed.platforms.push("linux/arm/v7".parse().unwrap());
        }
        let plan = sync(
            vec![single("a", three)],
            &wanting("linux/amd64,linux/arm/v7", Keeps::Manifests),
        );
        assert_eq!(
            refused(plan),
            Some(RefusedBecause::IndexHasOthers { others: vec![arm64] })
        );
    }

    #[test]
    fn a_manifest_that_the_upstream_index_lists_is_kept() {
        let mut upstream = has("b");
        if let Upstream::Has(observed) = &mut upstream {
            observed.children = Some(vec![crate::image::Child {
                digest: digest("a"),
                platform: Some("linux/arm64".parse().unwrap()),
            }]);
        }
        let kept = |platforms: &str| {
            let plan = sync(
                vec![single("a", upstream.clone())],
                &wanting(platforms, Keeps::Manifests),
            );
            plan.kept.first().map(|kept| kept.because)
        };
        assert_eq!(kept(""), Some(KeptBecause::SamePlatformManifest));
        assert_eq!(kept("linux/arm64"), Some(KeptBecause::SamePlatformManifest));
        assert_eq!(kept("linux/amd64"), None, "another platform is wanted");
        assert_eq!(kept("all"), None, "one platform is not all");
    }

    #[test]
    fn a_tag_that_has_gone_is_refused_unless_the_settings_keep_it() {
        let gone = || vec![single("a", Upstream::Gone)];
        assert_eq!(sync(gone(), &policy()).refused[0].because, RefusedBecause::UpstreamGone);
        let keep = Policy {
            keep_missing: true,
            ..policy()
        };
        assert_eq!(sync(gone(), &keep).kept[0].because, KeptBecause::UpstreamGone);
    }
}
