//! Plans that are kept, to be carried out later by exactly what they say.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Action, Brings, Copy, CopyBecause, EngineKind, Keeps, Kept, KeptBecause, Plan, Policies, Policy, Refused,
    RefusedBecause, Upstream,
};
use crate::image::{Attestations, Digest, Platforms};
use crate::ledger::Made;

/// The version of [`Saved`]'s shape: raised when a field changes its meaning or goes, or when one comes without which a plan does
/// not say what it leads to. Not when any other comes.
pub const SAVED_VERSION: u32 = 4;

/// A plan as a file (`docs/plan.md`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Saved {
    /// [`SAVED_VERSION`].
    pub version: u32,
    /// When it was made.
    pub made: Timestamp,
    /// The target registry's `host[:port]`.
    pub registry: String,
    /// Who carries it out.
    pub engine: EngineKind,
    /// The platforms that were asked for.
    pub platforms: Platforms,
    /// What becomes of attestations.
    pub attestations: Attestations,
    /// Whether what refers to an image comes with it.
    pub referrers: bool,
    /// Whether layers come that the upstream only has an address of.
    pub foreign_layers: bool,
    /// The plan itself.
    #[serde(flatten)]
    pub plan: Plan,
}

impl Saved {
    /// What it says in the place of the settings of whoever carries it out, by their names.
    pub fn as_settings(&self) -> Vec<(&'static str, String)> {
        let attestations = match self.attestations {
            Attestations::Keep => "keep",
            Attestations::Strip => "strip",
        };
        vec![
            ("engine", self.engine.word().to_owned()),
            ("attestations", attestations.to_owned()),
            ("referrers", self.referrers.to_string()),
            ("foreign_layers", self.foreign_layers.to_string()),
        ]
    }
}

/// What both sides of a planned copy hold now.
#[derive(Debug, Clone)]
pub struct Now {
    /// What the target's tag names; none where it has gone.
    pub target: Option<Digest>,
    /// What the upstream's tag names.
    pub upstream: Upstream,
    /// What the ledger knows of the target.
    pub made: Option<Made>,
}

/// What of a saved plan still holds: a copy whose target or upstream has moved since is refused, and one that was carried out
/// already is kept.
pub fn recheck(copies: Vec<(Copy, Now)>, policies: &Policies) -> Plan {
    let mut plan = Plan::default();
    let mut stage = Vec::new();
    for (copy, now) in copies {
        match decide(&copy, &now, policies.of(&copy.target)) {
            Ok(None) => stage.push(Action::Copy(Box::new(copy))),
            Ok(Some(because)) => plan.kept.push(Kept {
                target_digest: now.target.or(copy.target_digest),
                target: copy.target,
                upstream: copy.upstream,
                upstream_digest: now.upstream.digest().cloned(),
                until: None,
                because,
            }),
            Err(because) => plan.refused.push(Refused {
                target_digest: now.target.or(copy.target_digest),
                target: copy.target,
                upstream: copy.upstream,
                upstream_digest: now.upstream.digest().cloned(),
                because,
            }),
        }
    }
    if !stage.is_empty() {
        plan.stages.push(stage);
    }
    plan
}

/// Why a copy is kept back, or refused; none where it holds.
fn decide(copy: &Copy, now: &Now, policy: &Policy) -> Result<Option<KeptBecause>, RefusedBecause> {
    let is_made = match (&now.made, &now.target) {
        (Some(made), Some(target)) => made.is_of(
            target,
            &copy.upstream.repository,
            &copy.upstream_digest,
            (copy.asked.as_ref().unwrap_or(&policy.platforms), policy.attestations),
        ),
        _ => false,
    };
    // Its image is there already, which says nothing of what refers to it.
    let is_there = copy.because != CopyBecause::ReferrersMissing;
    match &now.upstream {
        _ if is_made && is_there => {
            let is_rolled_back = now.made.as_ref().is_some_and(|made| made.rolled_back);
            return Ok(Some(match is_rolled_back {
                true => KeptBecause::RolledBack,
                false => KeptBecause::MadeFromThisUpstream,
            }));
        }
        _ if is_there && now.target.is_some() && now.target.as_ref() == copy.leaves() => {
            return Ok(Some(KeptBecause::SameDigest));
        }
        Upstream::Gone => return policy.safety.of_vanished().map(Some),
        Upstream::NotAsked(because) => return Ok(Some(*because)),
        Upstream::Has(upstream) if upstream.top != copy.upstream_digest => {
            return Err(RefusedBecause::UpstreamMoved {
                planned: copy.upstream_digest.clone(),
            });
        }
        Upstream::Has(_) => {}
    }
    if now.target != copy.target_digest {
        return Err(RefusedBecause::TargetMoved {
            planned: copy.target_digest.clone(),
            now: now.target.clone(),
        });
    }
    let can_bring = match (&copy.brings, policy.keeps) {
        // Only a daemon has a platform of its own.
        (Brings::Platform(None), Keeps::Everything) => !copy.upstream_kind.is_index(),
        (_, Keeps::Everything) | (Brings::Platform(_), _) => true,
        (Brings::Whole(_), keeps) => keeps == Keeps::Manifests || !copy.upstream_kind.is_index(),
        (Brings::Part { .. }, _) => false,
    };
    match can_bring {
        true => Ok(None),
        false => Err(RefusedBecause::OtherEngine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Kind, Observed};
    use crate::plan::Safety;

    fn digest(of: &str) -> Digest {
        format!("sha256:{:0>64}", of).parse().unwrap()
    }

    fn copy() -> Copy {
        Copy {
            target: "localhost:1/base/image/busybox:1".parse().unwrap(),
            upstream: "busybox:1".parse().unwrap(),
            upstream_digest: digest("b"),
            upstream_kind: Kind::OciIndex,
            upstream_platforms: Vec::new(),
            target_digest: Some(digest("a")),
            target_kind: Some(Kind::DockerManifest),
            target_config: None,
            brings: Brings::Whole(Vec::new()),
            asked: None,
            makes: None,
            backup: None,
            moved_version: false,
            replaces: Vec::new(),
            because: CopyBecause::DigestDiffers,
        }
    }

    fn now(target: &str, upstream: &str) -> Now {
        Now {
            target: Some(digest(target)),
            upstream: Upstream::Has(Box::new(Observed {
                top: digest(upstream),
                kind: Kind::OciIndex,
                platforms: Vec::new(),
                children: None,
            })),
            made: None,
        }
    }

    fn rechecked(now: Now, keeps: Keeps) -> Plan {
        let policy = Policy {
            platforms: Platforms::All,
            keeps,
            attestations: Attestations::Keep,
            safety: Safety::default(),
            now: Timestamp::UNIX_EPOCH,
        };
        recheck(vec![(copy(), now)], &policy.into())
    }

    #[test]
    fn a_copy_holds_while_neither_side_has_moved() {
        assert_eq!(rechecked(now("a", "b"), Keeps::Manifests).actions().count(), 1);
    }

    #[test]
    fn what_moved_is_refused_by_name() {
        let refused = |now| rechecked(now, Keeps::Manifests).refused[0].because.clone();
        assert_eq!(
            refused(now("a", "c")),
            RefusedBecause::UpstreamMoved { planned: digest("b") }
        );
        let moved = RefusedBecause::TargetMoved {
            planned: Some(digest("a")),
            now: Some(digest("c")),
        };
        assert_eq!(refused(now("c", "b")), moved);
        let gone = Now {
            upstream: Upstream::Gone,
            ..now("a", "b")
        };
        assert_eq!(refused(gone), RefusedBecause::UpstreamGone);
        let deleted = Now {
            target: None,
            ..now("a", "b")
        };
        assert!(matches!(
            refused(deleted),
            RefusedBecause::TargetMoved { now: None, .. }
        ));
    }

    #[test]
    fn what_is_done_already_is_kept() {
        let kept = |now| rechecked(now, Keeps::Manifests).kept[0].because;
        assert_eq!(kept(now("b", "b")), KeptBecause::SameDigest);
        let made = Now {
            made: Some(Made {
                digest: digest("d"),
                upstream: "busybox".parse().unwrap(),
                from: digest("b"),
                platforms: Platforms::All,
                attestations: Attestations::Keep,
                rolled_back: false,
                at: Timestamp::UNIX_EPOCH,
            }),
            ..now("d", "b")
        };
        assert_eq!(kept(made), KeptBecause::MadeFromThisUpstream);
    }

    #[test]
    fn a_part_is_told_by_what_it_makes() {
        let part = Copy {
            brings: Brings::Part {
                platforms: Vec::new(),
                attestations: Attestations::Strip,
            },
            makes: Some(digest("d")),
            ..copy()
        };
        let policy = Policy {
            platforms: Platforms::All,
            keeps: Keeps::Everything,
            attestations: Attestations::Strip,
            safety: Safety::default(),
            now: Timestamp::UNIX_EPOCH,
        };
        let rechecked = |target: &str| {
            let planned = Copy {
                target_digest: Some(digest(target)),
                ..part.clone()
            };
            recheck(vec![(planned, now(target, "b"))], &policy.clone().into())
        };
        assert_eq!(rechecked("b").actions().count(), 1, "the whole index is not the part");
        assert_eq!(rechecked("d").kept[0].because, KeptBecause::SameDigest);
    }

    #[test]
    fn an_index_is_not_squeezed_through_an_engine_that_brings_one_platform() {
        let plan = rechecked(now("a", "b"), Keeps::Content);
        assert_eq!(plan.refused[0].because, RefusedBecause::OtherEngine);
    }
}
