use jiff::Timestamp;

use super::{
    Action, Brings, Copy, CopyBecause, Kept, KeptBecause, Plan, Policies, Policy, Refused, RefusedBecause, Retag,
    Upstream, Viewed, backwards,
};
use crate::image::{Platform, Tag};

/// Decides what becomes of each target.
pub fn sync(viewed: Vec<Viewed>, policies: &Policies) -> Plan {
    let mut plan = Plan::default();
    let mut copies = Vec::new();
    // Of some hundred thousand tags most are kept, and a list that doubles as it grows would weigh half as much again.
    plan.kept.reserve_exact(viewed.len());
    for one in backwards(viewed) {
        let policy = policies.of(&one.target);
        match decide(&one, policy) {
            Decision::Copy(brings, because, backup) => {
                let moved_version = policy.safety.retag == Retag::Alarm && is_moved(&one, policy);
                if let Upstream::Has(upstream) = one.upstream {
                    let upstream_top = upstream.top.clone();
                    let own = policies.own.get(&one.target.repository);
                    copies.push(Action::Copy(Box::new(Copy {
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
                        asked: own.map(|own| own.platforms.clone()),
                        backup,
                        moved_version,
                        because,
                    })));
                }
            }
            Decision::Keep(because, until) => plan.kept.push(Kept {
                until,
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
    plan.kept.shrink_to_fit();
    plan.kept.reverse();
    plan.refused.reverse();
    copies.reverse();
    if !copies.is_empty() {
        plan.stages.push(copies);
    }
    plan
}

enum Decision {
    Copy(Brings, CopyBecause, Option<Tag>),
    Keep(KeptBecause, Option<Timestamp>),
    Refuse(RefusedBecause),
}

fn decide(one: &Viewed, policy: &Policy) -> Decision {
    let upstream = match &one.upstream {
        Upstream::Has(upstream) => upstream,
        Upstream::Gone => {
            return match policy.safety.of_vanished() {
                Ok(because) => Decision::Keep(because, None),
                Err(because) => Decision::Refuse(because),
            };
        }
        Upstream::NotAsked(because) => return Decision::Keep(*because, None),
    };
    if let Some(because) = one.in_sync_with(upstream, policy) {
        return match one.brings(upstream, policy) {
            Ok(brings) if one.lacks_referrers && because != KeptBecause::RolledBack => {
                Decision::Copy(brings, CopyBecause::ReferrersMissing, None)
            }
            _ => Decision::Keep(because, None),
        };
    }
    let brings = match one.brings(upstream, policy) {
        Ok(_) if !one.can_move => return Decision::Refuse(RefusedBecause::ImmutableTag),
        Ok(brings) => brings,
        Err(because) => return Decision::Refuse(because),
    };
    if let Some(because) = policy.safety.freezes(one, upstream) {
        return Decision::Refuse(because);
    }
    if let Some(until) = policy.safety.waits_until(one, policy.now) {
        return Decision::Keep(KeptBecause::TooYoung, Some(until));
    }
    if let Some(because) = policy.safety.lacks(one, upstream) {
        return Decision::Refuse(because);
    }
    match backup(one, policy) {
        Ok(backup) => {
            let because = one.because(upstream, &brings, policy.keeps);
            Decision::Copy(brings, because, backup)
        }
        Err(because) => Decision::Refuse(because),
    }
}

/// Under which tag what the target has stays, where something is there and that is asked for.
fn backup(one: &Viewed, policy: &Policy) -> Result<Option<Tag>, RefusedBecause> {
    let wanted = policy.safety.backup.as_ref().filter(|_| one.digest.is_some());
    let name = wanted.map(|backup| backup.name(one.target.reference.as_str(), policy.now));
    name.transpose().map_err(|_| RefusedBecause::NoBackup)
}

fn is_moved(one: &Viewed, policy: &Policy) -> bool {
    match &one.upstream {
        Upstream::Has(upstream) => policy.safety.is_moved_version(one, upstream),
        Upstream::Gone | Upstream::NotAsked(_) => false,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Attestations, Digest, Kind, Observed, Platforms};
    use crate::ledger::Made;
    use crate::plan::{Keeps, Safety, Vanished};

    /// By one policy for all.
    fn sync(viewed: Vec<Viewed>, policy: &Policy) -> Plan {
        super::sync(viewed, &policy.clone().into())
    }

    #[test]
    fn a_repository_s_own_policy_holds_for_it_alone() {
        let mut policies = Policies::from(wanting("all", Keeps::Manifests));
        let own = wanting("linux/s390x", Keeps::Manifests);
        let mut other = single("a", has("b"));
        other.target = "localhost:1/base/image/other:1".parse().unwrap();
        policies.own.insert(other.target.repository.clone(), own);
        let plan = super::sync(vec![single("a", has("b")), other], &policies);
        assert_eq!(only_copy(&plan).asked, None);
        assert_eq!(&*plan.refused[0].target.repository.path, "base/image/other");
        assert!(matches!(
            plan.refused[0].because,
            RefusedBecause::PlatformsMissing { .. }
        ));
    }

    fn digest(of: &str) -> Digest {
        format!("sha256:{:0>64}", of).parse().unwrap()
    }

    fn has(top: &str) -> Upstream {
        Upstream::Has(Box::new(Observed {
            top: digest(top),
            kind: Kind::OciIndex,
            platforms: vec!["linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap()],
            children: None,
        }))
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
            first_seen: None,
            facts: None,
            can_move: true,
            lacks_referrers: false,
        }
    }

    fn policy() -> Policy {
        Policy {
            platforms: Platforms::AsTarget,
            keeps: Keeps::Content,
            attestations: Attestations::Keep,
            safety: Safety::default(),
            now: Timestamp::UNIX_EPOCH,
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
            rolled_back: false,
            at: jiff::Timestamp::UNIX_EPOCH,
        };
        let with = |made: Made| {
            let mut one = single("a", has("b"));
            one.made = Some(Box::new(made));
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
            Some(RefusedBecause::PlatformsMissing {
                missing: vec![s390x],
                there: vec!["linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap()],
            })
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
            safety: Safety {
                vanished: Vanished::Keep,
                ..Safety::default()
            },
            ..policy()
        };
        assert_eq!(sync(gone(), &keep).kept[0].because, KeptBecause::UpstreamGone);
    }
}
