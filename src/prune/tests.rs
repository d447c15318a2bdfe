use std::collections::BTreeSet;

use super::sample::{
    DAY, Shield, archived, because, days_ago, decided, digest, goes, image, now, pulled, referrer, repository,
};
use super::*;

#[test]
fn the_newest_two_tagged_images_stay_and_the_rest_goes() {
    let own = repository(vec![
        image("a", 4, &["1.0"]),
        image("b", 3, &["1.1"]),
        image("c", 2, &["1.2", "latest"]),
        image("d", 1, &[]),
    ]);
    let plan = decided(&own, &Rules::keeping(2), &Shield::default());
    assert_eq!(goes(&plan, &["a", "b", "c", "d"]), ["a", "d"]);
    let newest = KeptBecause::Newest { keep: 2, suffix: None };
    assert_eq!((because(&plan, "b"), because(&plan, "c")), (&newest, &newest));
}

#[test]
fn what_is_archived_or_a_backup_or_a_part_takes_no_place_of_the_newest() {
    let own = repository(vec![
        image("old", 9, &["1.0"]),
        image("new", 8, &["1.1"]),
        archived(image("away", 3, &["1.2"])),
        image("backup", 2, &["1.1-before-2026-11-20"]),
        image("arm", 1, &["1.0-arm64"]),
        image("signature", 1, &[&format!("{}.sig", digest("new").as_tag())]),
    ])
    .index("index", 7, &["1.3"], &["arm"]);
    let shield = Shield {
        backup: "{tag}-before-{date}".parse().ok(),
        ..Shield::default()
    };
    let plan = decided(&own, &Rules::keeping(2), &shield);
    assert_eq!(goes(&plan, &["old"]), ["old"]);
    assert_eq!(because(&plan, "away"), &KeptBecause::Archived);
    assert!(matches!(because(&plan, "backup"), KeptBecause::Backup { .. }));
    assert!(matches!(because(&plan, "signature"), KeptBecause::RefersTo { .. }));
}

#[test]
fn every_rule_has_to_hold() {
    let own = repository(vec![
        image("young", 10, &[]),
        pulled(image("pulled", 200, &[]), 20),
        image("tagged", 200, &["dev-1"]),
        image("old", 200, &[]),
    ]);
    let rules = Rules {
        older_than: Some(90 * DAY),
        not_pulled_for: Some(180 * DAY),
        untagged: true,
        ..Rules::keeping(0)
    };
    let plan = decided(&own, &rules, &Shield::default());
    assert_eq!(goes(&plan, &["old"]), ["old"]);
    let pushed = Some(days_ago(10));
    assert_eq!(because(&plan, "young"), &KeptBecause::TooYoung { pushed });
    let at = Some(days_ago(20));
    assert_eq!(because(&plan, "pulled"), &KeptBecause::Pulled { at });
    assert_eq!(because(&plan, "tagged"), &KeptBecause::Tagged);
}

#[test]
fn each_tag_of_an_image_has_to_match() {
    let own = repository(vec![
        image("dev", 10, &["dev-1", "dev-latest"]),
        image("both", 9, &["dev-2", "v1"]),
        image("none", 8, &[]),
    ]);
    let rules = Rules {
        tags: "dev-.*".parse().ok(),
        ..Rules::keeping(0)
    };
    let plan = decided(&own, &rules, &Shield::default());
    assert_eq!(goes(&plan, &["dev"]), ["dev"]);
    assert!(matches!(because(&plan, "both"), KeptBecause::OtherTag { tag } if tag.as_str() == "v1"));
    assert_eq!(because(&plan, "none"), &KeptBecause::HasNoTag);
}

#[test]
fn each_suffix_has_its_own_newest() {
    let own = repository(vec![
        image("a", 6, &["1.24-alpine3.17"]),
        image("b", 5, &["1.25-alpine3.18"]),
        image("c", 4, &["1.24"]),
        image("d", 3, &["1.25"]),
        image("e", 2, &["1.25-slim", "nightly"]),
        image("f", 1, &["latest"]),
    ]);
    let rules = Rules {
        per_suffix: true,
        ..Rules::keeping(1)
    };
    let plan = decided(&own, &rules, &Shield::default());
    assert_eq!(goes(&plan, &["a", "c"]), ["a", "c"]);
    let suffix = Some("alpine".to_owned());
    assert_eq!(because(&plan, "b"), &KeptBecause::Newest { keep: 1, suffix });
}

#[test]
fn a_backup_takes_no_place_among_the_newest_of_its_suffix() {
    let mixed = ["1.26-alpine", "1.27-before-2026-01-01"];
    let own = repository(vec![image("plain", 9, &["1.26"]), image("mixed", 8, &mixed)]);
    let shield = Shield {
        backup: "{tag}-before-{date}".parse().ok(),
        ..Shield::default()
    };
    let rules = Rules {
        per_suffix: true,
        ..Rules::keeping(1)
    };
    assert!(decided(&own, &rules, &shield).goes.is_empty());
}

#[test]
fn an_image_of_which_the_push_is_not_known_stays_and_takes_no_place() {
    let mut own = repository(vec![
        image("old", 9, &["1"]),
        image("new", 8, &["2"]),
        image("undated", 7, &["3"]),
    ]);
    own.images[2].pushed = None;
    let plan = decided(&own, &Rules::keeping(1), &Shield::default());
    assert_eq!(goes(&plan, &["old"]), ["old"]);
}

#[test]
fn an_index_goes_with_its_parts_and_before_them() {
    let own = repository(vec![
        image("amd64", 10, &[]),
        image("arm64", 10, &[]),
        image("shared", 10, &[]),
        image("kept", 1, &["3"]),
    ])
    .index("old", 9, &["1"], &["amd64", "arm64", "shared"])
    .index("new", 2, &["2"], &["shared"]);
    let plan = decided(&own, &Rules::keeping(2), &Shield::default());
    let going = goes(&plan, &["old", "amd64", "arm64"]);
    assert_eq!(going[0], "old");
    assert_eq!(going.len(), 3);
    let index = digest("new");
    assert_eq!(because(&plan, "shared"), &KeptBecause::PartOf { index });
    let sizes: Vec<usize> = plan.batches().iter().map(|batch| batch.len()).collect();
    assert_eq!(sizes, [1, 2]);
}

#[test]
fn an_index_that_refers_to_its_own_part_goes_before_it() {
    let mut own = repository(vec![image("part", 10, &[])]).index("index", 9, &["1"], &["part"]);
    own.images[1].subject = Some(digest("part"));
    let plan = decided(&own, &Rules::all_images(), &Shield::default());
    assert_eq!(goes(&plan, &["index", "part"]), ["index", "part"]);
    assert_eq!(plan.batches().len(), 2);
}

#[test]
fn signatures_go_with_what_they_sign() {
    let own = repository(vec![
        image("old", 9, &["1"]),
        image("new", 8, &["2"]),
        referrer("of-old", 1, "old"),
        referrer("of-new", 300, "new"),
        image("by-tag", 1, &[&format!("{}.sig", digest("old").as_tag())]),
    ]);
    let plan = decided(&own, &Rules::keeping(1), &Shield::default());
    let going = goes(&plan, &["old", "of-old", "by-tag"]);
    assert_eq!(going[0], "old");
    assert_eq!(going.len(), 3);
    let subject = digest("new");
    assert_eq!(because(&plan, "of-new"), &KeptBecause::RefersTo { subject });
}

#[test]
fn signatures_of_another_repository_s_images_go_by_their_tags_or_with_all() {
    let tag = format!("{}.sig", digest("elsewhere").as_tag());
    let own = repository(vec![image("signature", 300, &[&tag])]);
    let untagged = Rules {
        untagged: true,
        ..Rules::keeping(0)
    };
    for rules in [Rules::keeping(2), untagged] {
        let plan = decided(&own, &rules, &Shield::default());
        assert_eq!(because(&plan, "signature"), &KeptBecause::SubjectElsewhere);
    }
    let by_tags = |pattern: &str| Rules {
        tags: pattern.parse().ok(),
        ..Rules::keeping(2)
    };
    let plan = decided(&own, &by_tags("dev-.*"), &Shield::default());
    assert!(matches!(because(&plan, "signature"), KeptBecause::OtherTag { .. }));
    for rules in [by_tags("sha256-.*"), Rules::all_images()] {
        let plan = decided(&own, &rules, &Shield::default());
        assert_eq!(goes(&plan, &["signature"]), ["signature"]);
    }
}

#[test]
fn an_sbom_of_several_images_goes_after_the_last_of_them() {
    let of = |word: &str| format!("{}.sbom", digest(word).as_tag());
    let images = vec![image("a", 9, &["1"]), image("b", 8, &["2"]), image("c", 7, &["3"])];
    let mut own = repository(images);
    own.images.push(image("sbom", 300, &[&of("a"), &of("b")]));
    let plan = decided(&own, &Rules::keeping(2), &Shield::default());
    assert_eq!(goes(&plan, &["a"]), ["a"]);
    let subject = digest("b");
    assert_eq!(because(&plan, "sbom"), &KeptBecause::RefersTo { subject });
    let plan = decided(&own, &Rules::keeping(1), &Shield::default());
    let going = goes(&plan, &["a", "b", "sbom"]);
    assert_eq!((going.len(), going[2].as_str()), (3, "sbom"));
    // Of a digest that its tag does not hold whole.
    own.images[3]
        .tags
        .push(format!("sha512-{}", "a".repeat(64)).parse().unwrap());
    let plan = decided(&own, &Rules::keeping(1), &Shield::default());
    assert_eq!(because(&plan, "sbom"), &KeptBecause::SubjectElsewhere);
}

#[test]
fn what_runs_stays_and_so_does_its_index() {
    let own = repository(vec![
        image("amd64", 100, &[]),
        image("arm64", 100, &[]),
        image("lone", 100, &["0"]),
    ])
    .index("index", 100, &["1"], &["amd64", "arm64"]);
    let shield = Shield::default().runs("amd64").runs("lone");
    let plan = decided(&own, &Rules::all_images(), &shield);
    assert!(plan.goes.is_empty());
    assert!(matches!(because(&plan, "lone"), KeptBecause::InUse { by } if by == &["function-of-lone"]));
    assert!(matches!(because(&plan, "index"), KeptBecause::PartInUse { part, .. } if *part == digest("amd64")));
    assert!(matches!(because(&plan, "arm64"), KeptBecause::PartOf { .. }));
    let unknown = Protection {
        knows_users: false,
        ..shield.protection()
    };
    let own = repository(vec![image("a", 1, &["1"])]);
    let plan = super::plan(&own, &Rules::all_images(), &unknown, now());
    assert_eq!(because(&plan, "a"), &KeptBecause::UseUnknown);
}

#[test]
fn the_settings_protect_tags_images_and_digests() {
    let own = repository(vec![
        image("stable", 9, &["stable"]),
        image("named", 8, &["v1"]),
        image("pinned", 7, &[]),
        image("other", 6, &["v2"]),
    ]);
    let shield = Shield::default()
        .protects("stab.*")
        .protects("shop/.*:v1")
        .protects(digest("pinned").as_str());
    let plan = decided(&own, &Rules::all_images(), &shield);
    assert_eq!(goes(&plan, &["other"]), ["other"]);
    let by = "shop/.*:v1".to_owned();
    assert_eq!(because(&plan, "named"), &KeptBecause::Protected { by });
}

#[test]
fn a_backup_stays_for_its_term_and_the_last_copy_for_ever() {
    let own = repository(vec![
        image("young", 400, &["1-before-2026-10-23"]),
        image("old", 400, &["1-before-2026-10-22"]),
        image("last", 400, &["legacy"]),
    ]);
    let shield = Shield {
        backup: "{tag}-before-{date}".parse().ok(),
        last_copies: vec![LastCopy {
            tag: "legacy".parse().unwrap(),
            since: days_ago(300),
        }],
        ..Shield::default()
    };
    let plan = decided(&own, &Rules::all_images(), &shield);
    // 30 days from the end of 23 October are 12 hours from now.
    assert_eq!(goes(&plan, &["old"]), ["old"]);
    let until: jiff::Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    assert!(matches!(because(&plan, "young"), KeptBecause::Backup { until: end, .. } if *end == until));
    assert!(matches!(because(&plan, "last"), KeptBecause::LastCopy { .. }));
}

#[test]
fn a_push_that_is_under_way_is_left_alone() {
    let own = repository(vec![
        image("part", 0, &[]),
        image("signature", 0, &[&digest("gone").as_tag()]),
    ]);
    let plan = decided(&own, &Rules::keeping(1), &Shield::default());
    assert_eq!(because(&plan, "part"), &KeptBecause::JustPushed);
    assert_eq!(because(&plan, "signature"), &KeptBecause::JustPushed);
}

#[test]
fn only_what_was_shown_goes_and_only_as_it_was_shown() {
    let before = repository(vec![
        image("a", 9, &["1"]),
        image("part", 9, &[]),
        image("b", 8, &["3"]),
    ]);
    let before = before.index("index", 9, &["2"], &["part"]);
    let shown = decided(&before, &Rules::all_images(), &Shield::default()).shown();
    assert_eq!(shown.len(), 4);
    let now_there = repository(vec![
        image("a", 9, &["1"]),
        image("part", 9, &[]),
        image("b", 8, &["3", "stable"]),
        image("new", 0, &["4"]),
    ]);
    let now_there = now_there.index("index", 9, &["2", "latest"], &["part"]);
    let shield = Shield::default();
    let protection = Protection {
        shown: Some(&shown),
        ..shield.protection()
    };
    let plan = super::plan(&now_there, &Rules::all_images(), &protection, now());
    assert_eq!(goes(&plan, &["a"]), ["a"]);
    for changed in ["b", "new", "index"] {
        assert_eq!(because(&plan, changed), &KeptBecause::Changed, "{changed}");
    }
    assert!(matches!(because(&plan, "part"), KeptBecause::PartOf { .. }));
}

#[test]
fn a_shared_layer_is_freed_once_and_only_where_nothing_needs_it() {
    let own = repository(vec![
        image("a", 9, &["1"]),
        image("b", 8, &["2"]),
        image("c", 7, &["3"]),
    ])
    .blobs("a", &[("base", 100), ("shared", 10), ("a", 1)])
    .blobs("b", &[("base", 100), ("shared", 10), ("b", 2)])
    .blobs("c", &[("base", 100), ("c", 4)]);
    let plan = decided(&own, &Rules::keeping(1), &Shield::default());
    assert_eq!(plan.goes.len(), 2);
    assert_eq!(
        plan.freed,
        Freed {
            bytes: 20,
            distinct_bytes: Some(13)
        }
    );
}

#[test]
fn a_call_takes_a_hundred() {
    let images: Vec<_> = (0..250).map(|at| image(&format!("{at}"), 9, &[])).collect();
    let plan = decided(&repository(images), &Rules::keeping(1), &Shield::default());
    let sizes: Vec<usize> = plan.batches().iter().map(|batch| batch.len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
    let all: BTreeSet<&Digest> = plan.goes.iter().map(|one| &one.image.digest).collect();
    assert_eq!(all.len(), 250);
}
