use super::{Action, Copy, CopyBecause, Kept, KeptBecause, Plan, Refused, RefusedBecause};
use crate::image::{Digest, ImageRef, Kind, Observed, Platform};
use crate::ledger::Made;

/// A target's tag and all that was found out about both of its sides.
#[derive(Debug, Clone)]
pub struct Viewed {
    /// The target's tag.
    pub target: ImageRef,
    /// What it names.
    pub digest: Digest,
    /// What that is.
    pub kind: Kind,
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
}

/// What the upstream answered.
#[derive(Debug, Clone)]
pub enum Upstream {
    /// The tag is there.
    Has(Observed),
    /// The registry answered that it is not.
    Gone,
}

/// What the settings say about a sync.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The one platform that is wanted; none leaves each target the platform that it has.
    pub platform: Option<Platform>,
    /// Whether a tag that has gone upstream is well.
    pub keep_missing: bool,
}

/// Decides what becomes of each target.
pub fn sync(viewed: Vec<Viewed>, policy: &Policy) -> Plan {
    let mut plan = Plan::default();
    let mut copies = Vec::new();
    for one in viewed {
        match decide(&one, policy) {
            Decision::Copy(platform, because) => {
                if let Upstream::Has(upstream) = one.upstream {
                    copies.push(Action::Copy(Copy {
                        target: one.target,
                        upstream: one.follows,
                        upstream_digest: upstream.top,
                        target_digest: one.digest,
                        target_config: one.config,
                        replaces: lost(&one.platforms, platform.as_ref()),
                        platform,
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
    Copy(Option<Platform>, CopyBecause),
    Keep(KeptBecause),
    Refuse(RefusedBecause),
}

fn decide(one: &Viewed, policy: &Policy) -> Decision {
    let upstream = match &one.upstream {
        Upstream::Has(upstream) => upstream,
        Upstream::Gone if policy.keep_missing => return Decision::Keep(KeptBecause::UpstreamGone),
        Upstream::Gone => return Decision::Refuse(RefusedBecause::UpstreamGone),
    };
    if let Some(because) = one.in_sync_with(upstream, policy) {
        return Decision::Keep(because);
    }
    if one.kind.is_index() && policy.platform.is_none() {
        return Decision::Refuse(RefusedBecause::WouldLosePlatforms {
            kind: one.kind.clone(),
            platforms: one.platforms.clone(),
        });
    }
    // Where nobody said, a target keeps the platform that it has: an arm64 copy must not become an amd64 one because
    // the runner is one.
    let platform = policy.platform.clone().or_else(|| match &one.platforms[..] {
        [only] => Some(only.clone()),
        _ => None,
    });
    // An index is never what one platform's pull brings; two single manifests may be one image, packed twice.
    let because = match one.kind.is_index() {
        true => CopyBecause::DigestDiffers,
        false => CopyBecause::OnlyAPullTells,
    };
    Decision::Copy(platform, because)
}

/// The platforms that are there and are not the wanted one.
fn lost(there: &[Platform], wanted: Option<&Platform>) -> Vec<Platform> {
    let kept = |platform: &&Platform| wanted.is_none_or(|wanted| platform.is_for(wanted));
    there.iter().filter(|platform| !kept(platform)).cloned().collect()
}

impl Viewed {
    /// Whether both sides hold the same, as far as digests and the ledger tell.
    pub fn in_sync_with(&self, upstream: &Observed, policy: &Policy) -> Option<KeptBecause> {
        if self.digest == upstream.top {
            return Some(KeptBecause::SameDigest);
        }
        let made = self.made.as_ref()?;
        let known = made.digest == self.digest
            && made.from == upstream.top
            && made.upstream == self.follows.repository
            && made.platform == policy.platform;
        known.then_some(KeptBecause::MadeFromThisUpstream)
    }
}

impl Upstream {
    fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Has(observed) => Some(&observed.top),
            Self::Gone => None,
        }
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
        })
    }

    fn single(held: &str, upstream: Upstream) -> Viewed {
        Viewed {
            target: "localhost:1/base/image/busybox:1".parse().unwrap(),
            digest: digest(held),
            kind: Kind::DockerManifest,
            config: None,
            platforms: vec!["linux/arm64".parse().unwrap()],
            follows: "busybox:1".parse().unwrap(),
            upstream,
            made: None,
        }
    }

    fn policy() -> Policy {
        Policy {
            platform: None,
            keep_missing: false,
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
        assert_eq!(copy.platform, Some("linux/arm64".parse().unwrap()));
    }

    #[test]
    fn the_ledger_counts_for_exactly_what_it_names() {
        let made = |from: &str, of: &str, platform: Option<&str>| Made {
            digest: digest(of),
            upstream: "busybox".parse().unwrap(),
            from: digest(from),
            platform: platform.map(|text| text.parse().unwrap()),
            at: jiff::Timestamp::UNIX_EPOCH,
        };
        let with = |made: Made| {
            let mut one = single("a", has("b"));
            one.made = Some(made);
            sync(vec![one], &policy()).kept.len()
        };
        assert_eq!(with(made("b", "a", None)), 1);
        assert_eq!(with(made("c", "a", None)), 0, "upstream has moved since");
        assert_eq!(
            with(made("b", "c", None)),
            0,
            "the target was pushed by somebody else since"
        );
        assert_eq!(
            with(made("b", "a", Some("linux/amd64"))),
            0,
            "made for another platform"
        );
    }

    #[test]
    fn several_platforms_are_not_replaced_by_one() {
        let mut one = single("a", has("b"));
        one.kind = Kind::OciIndex;
        let plan = sync(vec![one.clone()], &policy());
        assert!(matches!(
            plan.refused[0].because,
            RefusedBecause::WouldLosePlatforms { .. }
        ));

        let asked = Policy {
            platform: Some("linux/amd64".parse().unwrap()),
            ..policy()
        };
        let plan = sync(vec![one], &asked);
        assert_eq!(only_copy(&plan).because, CopyBecause::DigestDiffers);
        assert_eq!(
            only_copy(&plan).replaces,
            ["linux/arm64".parse().unwrap()],
            "and it says what goes"
        );
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
