//! What holds of every plan, whatever is in a repository.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::ToSpan;
use proptest::collection::{btree_set, vec};
use proptest::option::weighted;
use proptest::prelude::*;

use super::sample::{Shield, days_ago, digest, now, repository};
use super::*;
use crate::aws::ecr::Status;
use crate::image::Kind;
use crate::usage::{Manifest, Run, WhoRuns};

const TAGS: [&str; 12] = [
    "1.0",
    "1.1",
    "1.1-alpine3.18",
    "1.2",
    "1.2-alpine3.19",
    "2.0",
    "latest",
    "stable",
    "dev-1",
    "dev-2",
    "1.0-before-2026-11-01",
    "1.0-before-2025-11-01",
];

/// An image, by its number; what it belongs to has another.
#[derive(Debug, Clone)]
struct Drawn {
    days: i64,
    pulled: Option<i64>,
    tag: Option<usize>,
    is_index: bool,
    is_read: bool,
    is_archived: bool,
    is_run: bool,
    is_protected: bool,
    parts: BTreeSet<usize>,
    subject: Option<usize>,
    /// What its tags say that it signs; more than are there.
    signs: BTreeSet<usize>,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let flags = (
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.98),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
    );
    let signs = prop_oneof![4 => Just(BTreeSet::new()), 1 => btree_set(0..30_usize, 1..3)];
    let kin = (btree_set(0..24_usize, 0..4), weighted(0.15, 0..24_usize), signs);
    let times = (0..400_i64, weighted(0.4, 0..400_i64));
    (times, weighted(0.6, 0..TAGS.len()), flags, kin).prop_map(
        |((days, pulled), tag, (is_index, is_read, is_archived, is_run, is_protected), (parts, subject, signs))| {
            Drawn {
                days,
                pulled,
                tag,
                is_index,
                is_read,
                is_archived,
                is_run,
                is_protected,
                parts,
                subject,
                signs,
            }
        },
    )
}

fn rules() -> impl Strategy<Value = Rules> {
    let days = |days: i64| Duration::from_hours(24 * days.unsigned_abs());
    let ages = (weighted(0.4, 0..300_i64), weighted(0.3, 0..300_i64));
    (0..6_usize, any::<bool>(), ages, 0..5_usize, prop::bool::weighted(0.3)).prop_map(
        move |(keep, per_suffix, (older_than, not_pulled_for), other, archived)| match other {
            3 => Rules::all_images(),
            _ => Rules {
                per_suffix,
                older_than: older_than.map(days),
                not_pulled_for: not_pulled_for.map(days),
                untagged: other == 1,
                orphans: other == 4,
                tags: (other == 2).then(|| "dev-.*|1\\..*".parse().unwrap()),
                archived,
                ..Rules::keeping(keep)
            },
        },
    )
}

/// A repository of these, in which each tag names one image, and what belongs to another came before it.
fn registry(all: &[Drawn]) -> (Repository, Shield) {
    let word = |at: usize| format!("image {at}");
    let mut tags = BTreeSet::new();
    let mut own = repository(Vec::new());
    let mut shield = Shield {
        backup: "{tag}-before-{date}".parse().ok(),
        ..Shield::default()
    };
    for (at, one) in all.iter().enumerate() {
        let tag = one
            .tag
            .map(|tag| TAGS[tag])
            .filter(|tag| tags.insert((*tag).to_owned()));
        // No two of one moment.
        let mut image = super::sample::image(&word(at), one.days, tag.as_slice());
        image.pushed = image.pushed.map(|pushed| pushed - i64::try_from(at).unwrap().seconds());
        let signed = one.signs.iter().filter(|signed| **signed != at);
        let places = signed.map(|signed| format!("{}.sig", digest(&word(*signed)).as_tag()));
        let places = places.filter(|place| tags.insert(place.clone()));
        image.tags.extend(places.map(|place| place.parse::<Tag>().unwrap()));
        image.pulled = one.pulled.map(days_ago);
        image.subject = one
            .subject
            .filter(|subject| *subject < at)
            .map(|subject| digest(&word(subject)));
        if one.is_index {
            image.kind = Kind::OciIndex;
        }
        if one.is_archived {
            image.status = Status::Archived;
        }
        if one.is_read && !one.is_archived {
            let parts = one.parts.iter().filter(|part| one.is_index && **part < at);
            let manifest = Manifest {
                parts: parts.map(|part| digest(&word(*part)).to_string()).collect(),
                blobs: vec![(format!("layer {}", at % 5), 10)],
            };
            own.contents.insert(image.digest.to_string(), manifest);
        }
        if one.is_run {
            shield = shield.runs(&word(at));
        }
        if one.is_protected {
            shield = shield.protects(image.digest.as_str());
        }
        own.images.push(image);
    }
    (own, shield)
}

/// The images that a fresh look would name the newest so many: tagged, and of themselves.
fn newest(own: &Repository, keep: usize) -> Vec<Digest> {
    let parts: BTreeSet<&String> = own.contents.values().flat_map(|manifest| &manifest.parts).collect();
    let mut top: Vec<_> = own
        .images
        .iter()
        .filter(|image| !image.tags.is_empty() && image.subject.is_none())
        .filter(|image| !image.tags.iter().any(Tag::is_of_referrers))
        .filter(|image| !parts.contains(&image.digest.to_string()))
        .collect();
    top.sort_by_key(|image| image.pushed);
    top.iter().rev().take(keep).map(|image| image.digest.clone()).collect()
}

/// What belongs together stays together, and goes in order.
fn belongs_together(own: &Repository, shield: &Shield, plan: &Plan) -> Result<(), TestCaseError> {
    let goes = places(plan);
    let kept: BTreeSet<&Digest> = plan.kept.iter().map(|one| &one.image.digest).collect();
    for image in &own.images {
        let own_place = goes.get(&image.digest);
        let manifest = own
            .contents
            .get(image.digest.as_str())
            .filter(|_| image.kind.is_index());
        for part in manifest.iter().flat_map(|manifest| &manifest.parts) {
            let part: Digest = part.parse().unwrap();
            if let Some(place) = goes.get(&part) {
                prop_assert!(own_place.is_some_and(|own| own < place), "a part goes before its index");
            }
            let is_run = shield.who.runs.iter().any(|run| run.address.ends_with(part.as_str()));
            prop_assert!(!is_run || own_place.is_none(), "an index goes of which a part runs");
            let is_there = own.images.iter().any(|image| image.digest == part);
            let is_protected = shield.protected.iter().any(|entry| entry.to_string() == part.as_str());
            prop_assert!(
                !is_there || !is_protected || own_place.is_none(),
                "an index goes of which a part is protected"
            );
        }
        let subject = image.subject.as_ref().filter(|subject| kept.contains(subject));
        prop_assert!(
            subject.is_none() || own_place.is_none(),
            "a signature goes before what it signs"
        );
    }
    Ok(())
}

/// What is tagged as a signature stays with each that it signs; with what is not here, unless a rule names it.
fn signatures_stay(own: &Repository, rules: &Rules, plan: &Plan) -> Result<(), TestCaseError> {
    let parts: BTreeSet<&String> = own.contents.values().flat_map(|manifest| &manifest.parts).collect();
    let there: BTreeSet<String> = own
        .images
        .iter()
        .map(|image| format!("{}.sig", image.digest.as_tag()))
        .collect();
    let kept: BTreeSet<String> = plan
        .kept
        .iter()
        .map(|one| format!("{}.sig", one.image.digest.as_tag()))
        .collect();
    let is_named = rules.all_images || rules.tags.is_some() || rules.orphans;
    for one in &plan.goes {
        let image = &one.image;
        let is_signature = !image.tags.is_empty() && image.tags.iter().all(Tag::is_of_referrers);
        for tag in &image.tags {
            prop_assert!(!kept.contains(tag.as_str()), "a signature goes before what it signs");
        }
        let is_of_another = image.tags.iter().any(|tag| !there.contains(tag.as_str()));
        let is_part = parts.contains(&image.digest.to_string());
        prop_assert!(
            is_named || is_part || !is_signature || !is_of_another,
            "{:?} goes",
            image
        );
    }
    Ok(())
}

/// Where in its order each image goes.
fn places(plan: &Plan) -> BTreeMap<&Digest, usize> {
    let digests = plan.goes.iter().map(|one| &one.image.digest);
    digests.enumerate().map(|(at, digest)| (digest, at)).collect()
}

fn check(own: &Repository, shield: &Shield, rules: &Rules) -> Result<Plan, TestCaseError> {
    let plan = plan(own, rules, &shield.protection(), now());
    let goes = places(&plan);
    let kept: BTreeSet<&Digest> = plan.kept.iter().map(|one| &one.image.digest).collect();
    prop_assert_eq!(goes.len() + kept.len(), own.images.len());
    prop_assert_eq!(plan.goes.len() + plan.kept.len(), own.images.len());
    if !rules.all_images && !rules.per_suffix {
        for one in newest(own, rules.keep) {
            prop_assert!(kept.contains(&one), "one of the newest {} goes", rules.keep);
        }
    }
    for one in &plan.goes {
        let image = &one.image;
        let run = shield
            .who
            .runs
            .iter()
            .any(|run| run.address.ends_with(image.digest.as_str()));
        let protected = shield
            .protected
            .iter()
            .any(|entry| entry.to_string() == image.digest.as_str());
        let young = image.tags.iter().any(|tag| tag.as_str() == "1.0-before-2026-11-01");
        prop_assert!(!run && !protected && !young, "{:?} goes", image);
        prop_assert!(rules.archived || image.status != Status::Archived);
    }
    let mut unreadable = own
        .images
        .iter()
        .filter(|image| image.kind.is_index() && image.status == Status::Active);
    let is_unread = |image: &ImageDetails| !own.contents.contains_key(image.digest.as_str());
    prop_assert!(
        !unreadable.any(is_unread) || plan.goes.is_empty(),
        "what may be a part goes"
    );
    belongs_together(own, shield, &plan)?;
    signatures_stay(own, rules, &plan)?;
    let batches = plan.batches();
    prop_assert_eq!(batches.iter().map(|batch| batch.len()).sum::<usize>(), plan.goes.len());
    for batch in batches {
        prop_assert!((1..=100).contains(&batch.len()));
        let together: BTreeSet<&Digest> = batch.iter().map(|one| &one.image.digest).collect();
        prop_assert!(
            batch
                .iter()
                .all(|one| one.after.iter().all(|before| !together.contains(before)))
        );
    }
    Ok(plan)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn nothing_protected_goes_and_none_of_the_newest_and_twice_is_as_once(all in vec(drawn(), 0..24), rules in rules()) {
        let (mut own, shield) = registry(&all);
        let first = check(&own, &shield, &rules)?;
        let gone = first.shown();
        own.images.retain(|image| !gone.contains_key(&image.digest));
        own.contents.retain(|digest, _| !gone.keys().any(|gone| gone.as_str() == digest));
        let second = check(&own, &shield, &rules)?;
        prop_assert!(second.goes.is_empty(), "{:?}", second.goes);
    }

    #[test]
    fn half_a_plan_and_a_rerun_keep_the_same(all in vec(drawn(), 0..24), rules in rules(), done in 0..24_usize) {
        let (mut own, shield) = registry(&all);
        let first = check(&own, &shield, &rules)?;
        let kept: BTreeSet<Digest> = first.kept.iter().map(|one| one.image.digest.clone()).collect();
        let gone: BTreeSet<Digest> = first.goes.iter().take(done).map(|one| one.image.digest.clone()).collect();
        own.images.retain(|image| !gone.contains(&image.digest));
        own.contents.retain(|digest, _| !gone.iter().any(|gone| gone.as_str() == digest));
        let second = check(&own, &shield, &rules)?;
        let taken = second.goes.iter().find(|one| kept.contains(&one.image.digest));
        prop_assert!(taken.is_none(), "{:?}", taken);
    }

    #[test]
    fn where_not_everybody_was_asked_nothing_goes(all in vec(drawn(), 0..24), rules in rules()) {
        let (own, _) = registry(&all);
        let shield = Shield { who: WhoRuns { runs: Vec::<Run>::new(), ..WhoRuns::default() }, ..Shield::default() };
        let unknown = Protection { knows_users: false, ..shield.protection() };
        prop_assert!(plan(&own, &rules, &unknown, now()).goes.is_empty());
        let unresolved = Protection { may_run: vec!["a service".to_owned()], ..shield.protection() };
        prop_assert!(plan(&own, &rules, &unresolved, now()).goes.is_empty());
    }
}
