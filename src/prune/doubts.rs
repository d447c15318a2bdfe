//! What stays where something is not known.

use super::sample::{
    Shield, archived, because, days_ago, decided, digest, goes, image, now, pulled, referrer, repository,
};
use super::*;
use crate::image::Kind;

#[test]
fn an_index_that_cannot_be_read_stays_and_so_does_whatever_may_be_its_part() {
    let own = repository(vec![image("loose", 100, &[]), image("tagged", 100, &["1"])]);
    let own = own
        .index("nested", 100, &[], &["loose"])
        .unread_index("index", 100, &["2"]);
    for rules in [Rules::keeping(1), Rules::all_images()] {
        let plan = decided(&own, &rules, &Shield::default());
        assert!(plan.goes.is_empty(), "{:?}", plan.goes);
    }
    let plan = decided(&own, &Rules::all_images(), &Shield::default());
    assert_eq!(because(&plan, "index"), &KeptBecause::Unreadable);
    for word in ["tagged", "nested"] {
        let index = digest("index");
        assert_eq!(because(&plan, word), &KeptBecause::MayBePartOf { index }, "{word}");
    }
}

#[test]
fn the_index_of_a_protected_part_stays_and_so_does_the_index_of_that() {
    let own = repository(vec![image("part", 100, &[]), image("other", 100, &[])]);
    let own = own
        .index("inner", 100, &[], &["part"])
        .index("outer", 100, &["1"], &["inner"])
        .index("third", 100, &["2"], &["other"]);
    let shield = Shield::default().protects(digest("part").as_str());
    let plan = decided(&own, &Rules::all_images(), &shield);
    assert_eq!(goes(&plan, &["third", "other"]), ["third", "other"]);
    let part = digest("part");
    assert_eq!(because(&plan, "inner"), &KeptBecause::PartStays { part });
    let part = digest("inner");
    assert_eq!(because(&plan, "outer"), &KeptBecause::PartStays { part });
}

#[test]
fn orphans_refer_to_what_is_not_here_by_all_that_is_known() {
    let of = |word: &str| format!("{}.sig", digest(word).as_tag());
    let own = repository(vec![
        image("here", 9, &["1"]),
        image("loose", 9, &[]),
        referrer("attestation", 8, "gone"),
        image("signature", 7, &[&of("gone"), &of("gone too")]),
        image("of both", 6, &[&of("gone and back"), &of("here")]),
        image("in part", 5, &[&format!("sha512-{}", "a".repeat(64))]),
        image("named", 4, &["latest", &digest("gone and more").as_tag()]),
    ]);
    let rules = Rules {
        orphans: true,
        ..Rules::keeping(0)
    };
    let plan = decided(&own, &rules, &Shield::default());
    assert_eq!(goes(&plan, &["attestation", "signature"]), ["attestation", "signature"]);
    for word in ["here", "loose", "in part", "named"] {
        assert_eq!(because(&plan, word), &KeptBecause::NoOrphan, "{word}");
    }
    assert_eq!(
        decided(&own, &rules, &Shield::default().runs("signature")).goes.len(),
        1
    );
}

#[test]
fn a_repository_that_was_used_since_it_was_reported_stays() {
    let images = || vec![image("old", 90, &["1"]), pulled(image("older", 91, &["2"]), 3)];
    let shield = Shield::default();
    let of = |days: i64| {
        let protection = Protection {
            unused_at: Some(days_ago(days)),
            ..shield.protection()
        };
        plan(&repository(images()), &Rules::all_images(), &protection, now())
    };
    let at = days_ago(3);
    assert_eq!(because(&of(4), "old"), &KeptBecause::UsedSince { at });
    assert_eq!(of(2).goes.len(), 2);
    // Reading what it consists of is one, too.
    let mut own = repository(vec![image("part", 90, &[])]).index("index", 90, &["1"], &["part"]);
    own.images[1] = pulled(own.images[1].clone(), 3);
    let protection = Protection {
        unused_at: Some(days_ago(4)),
        ..shield.protection()
    };
    assert_eq!(plan(&own, &Rules::all_images(), &protection, now()).goes.len(), 2);
}

#[test]
fn what_has_no_media_type_and_cannot_be_read_may_be_an_index() {
    let unknown = |media_type: &str| {
        let mut own = repository(vec![image("old", 9, &["1"]), image("new", 8, &["2"])]);
        own.images[0].kind = Kind::Other(media_type.to_owned());
        decided(&own, &Rules::keeping(1), &Shield::default())
    };
    assert_eq!(because(&unknown(""), "old"), &KeptBecause::Unreadable);
    // Docker's image manifest, version 2 schema 1.
    let schema1 = unknown("application/vnd.docker.distribution.manifest.v1+prettyjws");
    assert_eq!(goes(&schema1, &["old"]), ["old"]);
}

#[test]
fn what_has_no_tag_may_be_a_part_of_an_archived_index() {
    let mut own =
        repository(vec![image("loose", 100, &[]), image("tagged", 100, &["1"])]).unread_index("index", 1, &["2"]);
    own.images[2] = archived(own.images[2].clone());
    let plan = decided(&own, &Rules::keeping(0), &Shield::default());
    assert_eq!(goes(&plan, &["tagged"]), ["tagged"]);
    let index = digest("index");
    assert_eq!(because(&plan, "loose"), &KeptBecause::MayBePartOf { index });
    let plan = decided(&own, &Rules::all_images(), &Shield::default());
    let batches = plan.batches();
    assert_eq!(
        (batches.len(), batches[1][0].image.digest.clone()),
        (2, digest("loose"))
    );
}
