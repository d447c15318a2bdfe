use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan};

use super::*;
use crate::aws::ecr::{ImageDetails, RepositoryDetails, Status};
use crate::image::Kind;

const HOST: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn days_ago(days: i64) -> Timestamp {
    now() - (days * 24).hours()
}

fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

fn image(letter: char, tags: &[&str], media_type: &str, days: i64) -> ImageDetails {
    ImageDetails {
        digest: digest(letter).parse().unwrap(),
        tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
        kind: Kind::of_media_type(media_type),
        artifact_type: None,
        bytes: Some(100),
        pushed: Some(days_ago(days)),
        pulled: None,
        archived: None,
        subject: None,
        status: Status::Active,
    }
}

fn repository(name: &str, images: Vec<ImageDetails>) -> Repository {
    let details = RepositoryDetails {
        name: name.to_owned(),
        uri: format!("{HOST}/{name}"),
        arn: format!("arn:aws:ecr:eu-central-1:123456789012:repository/{name}"),
        created: None,
        image_tag_mutability: "MUTABLE".to_owned(),
        mutability_exclusion_filters: Vec::new(),
        scan_on_push: false,
        encryption_type: "AES256".to_owned(),
        kms_key: None,
    };
    Repository::listed(details).with_images(images, true)
}

fn function(name: &str, image: &str, resolved: Option<String>, last_run: LastRun) -> FoundFunction {
    FoundFunction {
        resolved,
        function: Function {
            function_name: name.to_owned(),
            memory_size: None,
            last_modified: None,
            package_type: "Image".to_owned(),
            image_uri: Some(format!("{HOST}/{image}")),
            description: String::new(),
            log_group_name: format!("/aws/lambda/{name}"),
            arn: format!("arn:aws:lambda:eu-central-1:123456789012:function:{name}"),
            version: "$LATEST".to_owned(),
            image: RanImage::Unknown,
            last_run,
        },
    }
}

fn joined(repositories: Vec<Repository>, functions: Vec<FoundFunction>) -> Joined {
    let region = FoundRegion {
        asked: Asked {
            region: "eu-central-1".to_owned(),
            registry: Some(HOST.to_owned()),
            ecr: Answer::Read,
            lambda: Answer::Read,
            ecs: Answer::NotAsked,
        },
        repositories,
        functions,
        services: Vec::new(),
        knows_runs: true,
    };
    let account = FoundAccount {
        id: Some("123456789012".to_owned()),
        name: None,
        email: None,
        asked_as: None,
        is_closed: false,
        regions: vec![region],
    };
    let rules = Rules {
        time_zone: "UTC".to_owned(),
        no_push_for: "6 months".parse().unwrap(),
        no_run_for: "1 year".parse().unwrap(),
        price_per_gb_month: 0.10,
    };
    let found = Found {
        accounts: vec![account],
        failures: Vec::new(),
    };
    Joined::of(found, rules.at(now(), &[Runner::Lambda]))
}

fn only(report: &Report) -> &Repository {
    report.repositories().next().unwrap().2
}

fn uses(report: &Report) -> Vec<Use> {
    only(report).images.iter().map(|image| image.r#use).collect()
}

const RAN: LastRun = LastRun::Ran {
    at: Timestamp::UNIX_EPOCH,
};

#[test]
fn the_digest_that_runs_wins_over_a_tag_that_has_moved() {
    let images = || vec![image('a', &[], IMAGE, 9), image('b', &["latest"], IMAGE, 1)];
    let resolved = Some(format!("{HOST}/app@{}", digest('a')));
    let by_digest = joined(
        vec![repository("app", images())],
        vec![function("f", "app:latest", resolved, RAN)],
    );
    assert_eq!(uses(&by_digest.report(now())), [Use::Used, Use::Unused]);
    // Without one, and without a tag, it is latest.
    let by_tag = joined(vec![repository("app", images())], vec![function("f", "app", None, RAN)]);
    assert_eq!(uses(&by_tag.report(now())), [Use::Unused, Use::Used]);
}

#[test]
fn a_part_of_an_index_that_runs_is_used_and_may_be_one_until_that_is_read() {
    let images = vec![
        image('a', &["1"], INDEX, 1),
        image('b', &[], IMAGE, 1),
        image('c', &[], IMAGE, 1),
    ];
    let functions = || vec![function("f", "app:1", None, RAN)];
    let mut joined = joined(vec![repository("app", images)], functions());
    let manifest = |parts: &[char], blobs: &[(char, u64)]| Manifest {
        parts: parts.iter().map(|&part| digest(part)).collect(),
        blobs: blobs.iter().map(|&(blob, size)| (digest(blob), size)).collect(),
    };
    let before = joined.accounts()[0].regions[0].repositories[0].clone();
    let before: Vec<Use> = before.images.iter().map(|image| image.r#use).collect();
    assert_eq!(before, [Use::Used, Use::Unknown, Use::Unknown]);
    let contents = BTreeMap::from([
        (digest('a'), manifest(&['b'], &[])),
        (digest('b'), manifest(&[], &[('1', 40), ('2', 60)])),
        (digest('c'), manifest(&[], &[('1', 40), ('3', 50)])),
    ]);
    joined.learn(&BTreeMap::from([(format!("{HOST}/app"), contents)]), Vec::new());
    let report = joined.report(now());
    assert_eq!(uses(&report), [Use::Used, Use::Used, Use::Unused]);
    let repository = only(&report);
    assert_eq!((repository.bytes, repository.distinct_bytes), (300, Some(150)));
    assert_eq!(repository.images[1].part_of, Some(vec![digest('a')]));
}

#[test]
fn layers_are_not_counted_where_a_manifest_was_not_read() {
    let images = vec![image('a', &["1"], IMAGE, 1), image('b', &["2"], IMAGE, 1)];
    let mut joined = joined(vec![repository("app", images)], Vec::new());
    let contents = BTreeMap::from([(digest('a'), Manifest::default())]);
    joined.learn(&BTreeMap::from([(format!("{HOST}/app"), contents)]), Vec::new());
    assert_eq!(only(&joined.report(now())).distinct_bytes, None);
}

#[test]
fn only_what_surely_last_ran_long_ago_could_go() {
    let of = |runs: &[LastRun]| {
        let functions = runs.iter().enumerate();
        let functions = functions.map(|(at, run)| function(&format!("f{at}"), "app:1", None, *run));
        let joined = joined(
            vec![repository("app", vec![image('a', &["1"], IMAGE, 900)])],
            functions.collect(),
        );
        joined.candidates().iter().map(|one| one.because).next()
    };
    let ran = |days| LastRun::Ran { at: days_ago(days) };
    assert_eq!(of(&[]), Some(CandidateBecause::Unused));
    assert_eq!(of(&[ran(400)]), Some(CandidateBecause::NotRun));
    assert_eq!(of(&[ran(364)]), None);
    assert_eq!(of(&[ran(400), ran(3)]), None);
    for other in [
        LastRun::NoLogGroup,
        LastRun::NoStreams,
        LastRun::NotAllowed,
        LastRun::Failed,
    ] {
        assert_eq!(of(&[ran(400), other]), None, "{other:?}");
    }
}

#[test]
fn a_recent_push_or_no_image_at_all_keeps_a_repository() {
    let of = |images: Vec<ImageDetails>| joined(vec![repository("app", images)], Vec::new()).candidates().len();
    // Six months before 22 November is 22 May, 184 days ago.
    assert_eq!(of(vec![image('a', &["1"], IMAGE, 185)]), 1);
    assert_eq!(of(vec![image('a', &["1"], IMAGE, 183)]), 0);
    assert_eq!(of(vec![image('a', &["1"], IMAGE, 900), image('b', &[], IMAGE, 1)]), 0);
    assert_eq!(of(Vec::new()), 0);
}

#[test]
fn an_address_that_nobody_listed_is_gone_or_outside() {
    let functions = vec![
        function("no-tag", "app:2", None, RAN),
        function("no-repository", "other:1", None, RAN),
    ];
    let report = joined(vec![repository("app", vec![image('a', &["1"], IMAGE, 1)])], functions).report(now());
    let states: Vec<&str> = report.accounts[0].lambda.0[0]
        .1
        .iter()
        .map(|one| one.image.word())
        .collect();
    assert_eq!(states, ["gone", "gone"]);
    // Who names an image that is gone keeps the repository in use.
    assert_eq!(only(&report).r#use, Use::Used);
}

#[test]
fn a_report_is_read_back_as_it_was_written() {
    let functions = vec![function("f", "app:1", None, LastRun::NoStreams)];
    let report = joined(vec![repository("app", vec![image('a', &["1"], IMAGE, 1)])], functions).report(now());
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}
