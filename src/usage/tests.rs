use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan};

use super::*;
use crate::aws::ecr::{ImageDetails, RepositoryDetails, Status};
use crate::image::Kind;

const HOST: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
const OTHER: &str = "210987654321";
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

fn found(repositories: Vec<Repository>, functions: Vec<FoundFunction>) -> Found {
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
    Found {
        accounts: vec![account("123456789012", vec![region])],
        failures: Vec::new(),
    }
}

fn account(id: &str, regions: Vec<FoundRegion>) -> FoundAccount {
    FoundAccount {
        id: Some(id.to_owned()),
        name: None,
        email: None,
        asked_as: None,
        is_closed: false,
        knows_regions: true,
        regions,
    }
}

/// One of which a role may not be assumed.
fn closed_account() -> FoundAccount {
    FoundAccount {
        is_closed: true,
        knows_regions: false,
        ..account(OTHER, Vec::new())
    }
}

fn by(found: Found, include: &[Runner]) -> Joined {
    let rules = Rules {
        time_zone: "UTC".to_owned(),
        no_push_for: "6 months".parse().unwrap(),
        no_run_for: "1 year".parse().unwrap(),
        price_per_gb_month: 0.10,
    };
    Joined::of(found, rules.at(now(), include, None))
}

fn joined(repositories: Vec<Repository>, functions: Vec<FoundFunction>) -> Joined {
    by(found(repositories, functions), &[Runner::Lambda])
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
        // As a tool that pushes platforms one by one leaves them.
        image('b', &["1-amd64"], IMAGE, 1),
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

#[test]
fn an_empty_repository_hides_no_sum() {
    let full = repository("app", vec![image('a', &["1"], IMAGE, 1)]);
    let mut joined = joined(vec![full, repository("later", Vec::new())], Vec::new());
    let manifest = Manifest {
        parts: Vec::new(),
        blobs: vec![(digest('1'), 40)],
    };
    let contents = BTreeMap::from([(digest('a'), manifest)]);
    joined.learn(&BTreeMap::from([(format!("{HOST}/app"), contents)]), Vec::new());
    let report = joined.report(now());
    assert_eq!(report.totals.distinct_bytes, Some(40));
    assert_eq!(report.accounts[0].ecr.0[0].1.distinct_bytes, Some(40));
}

#[test]
fn where_not_all_regions_are_known_services_of_another_may_use_it() {
    let uses = |knows_regions, include: &[Runner]| {
        let mut found = found(
            vec![repository("app", vec![image('a', &["1"], IMAGE, 900)])],
            Vec::new(),
        );
        found.accounts[0].knows_regions = knows_regions;
        let joined = by(found, include);
        (joined.candidates().len(), only(&joined.report(now())).r#use)
    };
    let both = [Runner::Lambda, Runner::Ecs];
    assert_eq!(uses(true, &both), (1, Use::Unused));
    assert_eq!(uses(false, &both), (0, Use::Unknown));
    // A function is in the region of its image.
    assert_eq!(uses(false, &[Runner::Lambda]), (1, Use::Unused));
}

#[test]
fn an_image_of_an_account_that_could_not_be_asked_is_not_known_and_not_outside() {
    let address = format!("{OTHER}.dkr.ecr.us-east-1.amazonaws.com/app:1");
    let state = |accounts: Vec<FoundAccount>| {
        let mut of_them = function("f", "app:1", None, RAN);
        of_them.function.image_uri = Some(address.clone());
        let mut found = found(Vec::new(), vec![of_them]);
        found.accounts.extend(accounts);
        let report = by(found, &[Runner::Lambda]).report(now());
        let state = report.accounts[0].lambda.0[0].1[0].image.word();
        (state, report.outside.len())
    };
    assert_eq!(state(vec![closed_account()]), ("unknown", 0));
    // Nobody was asked to look there.
    assert_eq!(state(Vec::new()), ("outside", 1));
    // One that did not tell which regions it has may have that one, too.
    let silent = FoundAccount {
        knows_regions: false,
        ..account(OTHER, Vec::new())
    };
    assert_eq!(state(vec![silent]), ("unknown", 0));
}

#[test]
fn what_an_account_had_that_cannot_be_asked_now_is_not_read_now() {
    let of_other = |regions| {
        let mut found = found(Vec::new(), Vec::new());
        found.accounts.push(regions);
        by(found, &[Runner::Lambda]).report(now())
    };
    let region = |name: &str| {
        let mut region = found(Vec::new(), Vec::new()).accounts.remove(0).regions.remove(0);
        region.asked.region = name.to_owned();
        region
    };
    let before = of_other(account(OTHER, vec![region("us-east-1")]));
    let because = |now: &Report| {
        let changes = Changes::between(&before, now);
        let places = changes.not_compared.into_iter();
        places.map(|one| (one.region, one.because)).collect::<Vec<_>>()
    };
    let us_east_1 = |because| vec![("us-east-1".to_owned(), because)];
    let closed = of_other(closed_account());
    assert_eq!(because(&closed), us_east_1(NotComparedBecause::NotReadNow));
    let without = joined(Vec::new(), Vec::new()).report(now());
    assert_eq!(because(&without), us_east_1(NotComparedBecause::NotAskedNow));
    let back = Changes::between(&closed, &before).not_compared;
    assert_eq!(back[0].because, NotComparedBecause::NotReadBefore);
}

#[test]
fn what_failed_alike_is_told_once() {
    let failed = |region: &str, cause: &str| Failed {
        account: None,
        region: Some(region.to_owned()),
        service: Service::Lambda,
        operation: "ListFunctions".to_owned(),
        subject: None,
        kind: FailureKind::Throttled,
        message: format!("ListFunctions in {region}"),
        causes: vec![cause.to_owned()],
        hint: Some("ask for the right".to_owned()),
    };
    let of = |function: &str, kind| Failed {
        operation: "GetFunction".to_owned(),
        subject: Some(function.to_owned()),
        kind,
        message: format!("GetFunction of {function} in eu-west-3"),
        ..failed("eu-west-3", "no")
    };
    let mut report = by(found(Vec::new(), Vec::new()), &[Runner::Lambda]).report(now());
    report.failures = vec![
        failed("eu-west-1", "not you"),
        failed("us-east-1", "too many"),
        failed("us-east-1", "too many"),
        failed("eu-west-2", "not you"),
        of("thumbnails", FailureKind::NotAllowed),
        of("checkout", FailureKind::NotAllowed),
        of("lost", FailureKind::NotFound),
        of("gone", FailureKind::NotFound),
    ];
    let told: Vec<String> = report.not_read().map(|(told, _)| told).collect();
    assert_eq!(
        told,
        [
            "ListFunctions in 2 regions (eu-west-1, eu-west-2): not you",
            "ListFunctions in us-east-1: too many",
            "GetFunction of thumbnails in eu-west-3: no, and 1 more like it",
            "GetFunction of lost in eu-west-3: no",
            "GetFunction of gone in eu-west-3: no",
        ]
    );
}

#[test]
fn a_failure_says_whose_it_is_where_there_are_several_accounts() {
    let failed = Failed {
        account: Some(OTHER.to_owned()),
        region: Some("us-east-1".to_owned()),
        service: Service::Ecr,
        operation: "DescribeRepositories".to_owned(),
        subject: None,
        kind: FailureKind::Throttled,
        message: "DescribeRepositories in us-east-1".to_owned(),
        causes: vec!["Rate exceeded".to_owned()],
        hint: None,
    };
    let told = |accounts: Vec<FoundAccount>| {
        let mut found = found(Vec::new(), Vec::new());
        found.accounts.extend(accounts);
        by(found, &[Runner::Lambda]).report(now()).told(&failed)
    };
    assert_eq!(told(Vec::new()), "DescribeRepositories in us-east-1: Rate exceeded");
    let named = FoundAccount {
        name: Some("staging".to_owned()),
        ..account(OTHER, Vec::new())
    };
    assert_eq!(
        told(vec![named]),
        "staging: DescribeRepositories in us-east-1: Rate exceeded"
    );
}
