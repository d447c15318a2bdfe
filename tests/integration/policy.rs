//! `policy`: what must hold before an image takes another's place; and `rollback`.

use std::fs;

use ecr_lab::images::{Artifact, Place, tiny};
use ecr_lab::{Act, Fault, LabOptions, Referrers};
use serde_json::Value;

use crate::bad_input::contains;
use crate::support::{Ran, World};

const NAME: &str = "base/image/app";

/// ECR's copy of each of these tags is what the upstream had.
async fn world(tags: &[&str], policy: &str) -> World {
    let world = World::without_daemon(LabOptions::default()).await;
    for tag in tags {
        world.upstream("library/app", tag, tiny(tag)).await;
        world.ecr(NAME, tag, tiny(tag)).await;
    }
    set(&world, policy);
    world
}

fn set(world: &World, policy: &str) {
    fs::write(
        world.folder().join("settings.yaml"),
        format!("engine: direct\n{policy}"),
    )
    .unwrap();
}

async fn sync(world: &World) -> Ran {
    world.keeper(&["sync", "--output", "json"]).ran().await
}

async fn moves(world: &World, tag: &str, to: &str) -> String {
    world.upstream("library/app", tag, tiny(to)).await.digest().to_owned()
}

fn reason(ran: &Ran, tag: &str) -> String {
    ran.image(&format!("/{NAME}:{tag}"))["reason"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn outcome(ran: &Ran, tag: &str) -> String {
    ran.outcome(&format!("/{NAME}:{tag}"))
}

/// The tags of ECR's repository that begin so.
fn tags(world: &World, prefix: &str) -> Vec<String> {
    let images = world.lab.ecr().images(NAME);
    let mut tags: Vec<String> = images.into_iter().flat_map(|image| image.tags).collect();
    tags.retain(|tag| tag.starts_with(prefix));
    tags.sort();
    tags
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_replaced_stays_as_a_backup_and_is_rolled_back() {
    let world = world(&["1.0"], "policy: {backup: '{tag}-before-{date}'}\n").await;
    let first = world.digest_in_ecr(NAME, "1.0");
    let second = moves(&world, "1.0", "second").await;
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let backup = format!("1.0-before-{today}");
    let explained = world.keeper(&["explain", &format!("{NAME}:1.0")]).ran().await.well();
    let says = format!("what it is stays as {backup}");
    assert!(explained.stdout.contains(&says), "{}", explained.stdout);
    let ran = sync(&world).await.well();
    assert_eq!(world.digest_in_ecr(NAME, "1.0"), second);
    assert_eq!(tags(&world, "1.0-before"), std::slice::from_ref(&backup));
    assert_eq!(world.digest_in_ecr(NAME, &backup), first);
    let notes = ran.image(&format!("/{NAME}:1.0"))["notes"].to_string();
    assert!(notes.contains(&format!("what it was stays as {backup}")), "{notes}");
    // Another one of the same day has a number, and backups follow nothing.
    let third = moves(&world, "1.0", "third").await;
    let ran = sync(&world).await.well();
    assert_eq!(ran.json()["totals"]["updated"], 1);
    assert_eq!(tags(&world, "1.0-before"), [backup.clone(), format!("{backup}.2")]);
    assert_eq!(world.digest_in_ecr(NAME, &format!("{backup}.2")), second);
    // The newest that is another image.
    let rollback = ["rollback", &format!("{NAME}:1.0"), "--output", "json"];
    let shown = world
        .keeper(&[&rollback[..], &["--dry-run"]].concat())
        .ran()
        .await
        .well();
    assert_eq!(shown.json()["digest_after"], second.as_str());
    assert_eq!(world.digest_in_ecr(NAME, "1.0"), third, "a dry run changes nothing");
    world.keeper(&rollback).ran().await.well();
    assert_eq!(world.digest_in_ecr(NAME, "1.0"), second);
    let explain = async |tag: &str| world.keeper(&["explain", &format!("{NAME}:{tag}")]).ran().await;
    let explained = explain("1.0").await.well();
    let says = format!("{second} was put back");
    assert!(explained.stdout.contains(&says), "{}", explained.stdout);
    for (tag, says) in [
        (backup.as_str(), "it is a backup"),
        ("9.9", "is not among the repositories and tags"),
    ] {
        let ran = explain(tag).await.code_is(1);
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    let to = [&rollback[..], &["--to", &backup]].concat();
    let ran = world.keeper(&to).ran().await.well();
    assert_eq!(ran.json()["digest_before"], second.as_str());
    assert_eq!(world.digest_in_ecr(NAME, "1.0"), first, "as it was at first");
    // What was rolled back from does not come again; what comes after it does.
    let ran = sync(&world).await.well();
    assert_eq!(
        reason(&ran, "1.0"),
        "it was rolled back from what the upstream has today"
    );
    assert_eq!(world.digest_in_ecr(NAME, "1.0"), first);
    let fourth = moves(&world, "1.0", "fourth").await;
    sync(&world).await.well();
    assert_eq!(world.digest_in_ecr(NAME, "1.0"), fourth);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_backed_up_is_not_replaced() {
    let world = world(
        &["1.0", "2.0"],
        "policy: {backup: '{tag}-before-{date}'}\nretry: {tries: 1}\n",
    )
    .await;
    let first = world.digest_in_ecr(NAME, "1.0");
    moves(&world, "1.0", "other").await;
    let moved = moves(&world, "2.0", "other two").await;
    let ill = Act::status(500, "UNKNOWN", "ill");
    let fault = Fault::new(&format!("/v2/{NAME}/manifests/1.0-before-"), ill).method("PUT");
    world.lab.ecr().front().fault(fault);
    let ran = sync(&world).await.code_is(1);
    assert_eq!(outcome(&ran, "1.0"), "failed");
    assert!(
        reason(&ran, "1.0").contains("back up target"),
        "{}",
        reason(&ran, "1.0")
    );
    assert_eq!(world.digest_in_ecr(NAME, "1.0"), first);
    assert_eq!(world.digest_in_ecr(NAME, "2.0"), moved, "the others are left alone");
    let puts = world.pushes();
    assert!(!puts.iter().any(|put| put.ends_with("/manifests/1.0")), "{puts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_needs_something_to_go_back_to() {
    let world = world(&["1.0"], "").await;
    let target = format!("{NAME}:1.0");
    for (arguments, code, says) in [
        (vec!["rollback", NAME], 2, "names no tag"),
        (
            vec!["rollback", "base/image/app@sha256:abc"],
            2,
            "write REPOSITORY or REPOSITORY:TAG",
        ),
        (vec!["rollback", &target], 2, "policy.backup is not set"),
        (vec!["rollback", &target, "--to", "nothing"], 1, "has no tag nothing"),
        (
            vec!["rollback", "base/image/nothing:1", "--to", "x"],
            1,
            "RepositoryNotFoundException",
        ),
    ] {
        let ran = world.keeper(&arguments).ran().await.code_is(code);
        assert!(ran.stderr.contains(says), "{says} is not in {}", ran.stderr);
    }
    set(&world, "policy: {backup: '{tag}-old-{date}'}\n");
    let none = ["rollback", &format!("{NAME}:9.9")];
    let ran = world.keeper(&none).ran().await.code_is(1);
    assert!(ran.stderr.contains("its repository has no such tag"), "{}", ran.stderr);
    let ran = world.keeper(&["rollback", &target]).ran().await.code_is(1);
    assert!(
        ran.stderr.contains("there is no backup of it that is another image"),
        "{}",
        ran.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_version_is_followed_with_an_alarm_or_frozen() {
    let world = world(
        &["1.0", "1.1", "latest"],
        "policy: {retag: freeze, retag_except: ['1\\.1']}\n",
    )
    .await;
    // The ledger knows from here on what each was made of.
    let first = world.digest_in_ecr(NAME, "1.0");
    let mut now = Vec::new();
    for tag in ["1.0", "1.1", "latest"] {
        now.push(moves(&world, tag, &format!("other {tag}")).await);
    }
    let ran = sync(&world).await.code_is(1);
    assert_eq!(outcome(&ran, "1.0"), "refused");
    assert!(
        reason(&ran, "1.0").contains("policy.retag is freeze"),
        "{}",
        reason(&ran, "1.0")
    );
    assert_eq!(world.digest_in_ecr(NAME, "1.0"), first);
    assert_eq!(world.digest_in_ecr(NAME, "1.1"), now[1], "it is known to move");
    assert_eq!(world.digest_in_ecr(NAME, "latest"), now[2], "it is no version");
    set(&world, "policy: {retag: alarm}\n");
    let plan = world.keeper(&["plan"]).ran().await.well();
    assert!(
        plan.stdout.contains("this version has moved upstream"),
        "{}",
        plan.stdout
    );
    let ran = sync(&world).await.code_is(1);
    assert_eq!(outcome(&ran, "1.0"), "updated");
    let failures = ran.json()["failures"].to_string();
    assert!(failures.contains("library/app:1.0 has moved upstream"), "{failures}");
    assert!(!failures.contains("app:1.1"), "{failures}");
    // Once it is followed, all is well.
    sync(&world).await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_waits_until_it_has_been_seen_long_enough() {
    let world = world(
        &["1.0", "1.1-hotfix"],
        "policy: {min_age: 72h, min_age_except: ['.*-hotfix']}\n",
    )
    .await;
    let first = world.digest_in_ecr(NAME, "1.0");
    let second = moves(&world, "1.0", "second").await;
    let fix = moves(&world, "1.1-hotfix", "fix").await;
    let ran = sync(&world).await.well();
    assert!(
        reason(&ran, "1.0").contains("has not been seen for policy.min_age yet: it waits until 20"),
        "{}",
        reason(&ran, "1.0")
    );
    assert_eq!(world.digest_in_ecr(NAME, "1.0"), first);
    assert_eq!(world.digest_in_ecr(NAME, "1.1-hotfix"), fix, "it need not wait");
    assert_eq!(ran.json()["totals"]["held"], 1);
    let text = world.keeper(&["sync"]).ran().await.well().stdout;
    contains(
        &text,
        &[
            &format!("held      {NAME}:1.0\n          the upstream's image has not been seen for policy.min_age yet"),
            "0 updated, 2 unchanged, 1 of them held back in ",
        ],
    );
    // As if the first run had been four days ago.
    let ledger = world.ledger();
    let mut remembered: Value = serde_json::from_str(&fs::read_to_string(&ledger).unwrap()).unwrap();
    let since = &mut remembered["seen"][format!("{}/library/app:1.0", "docker.io")]["since"];
    let seen: jiff::Timestamp = since.as_str().expect("it is remembered").parse().unwrap();
    *since = Value::from((seen - jiff::SignedDuration::from_hours(96)).to_string());
    fs::write(&ledger, remembered.to_string()).unwrap();
    // A plan sees that, and writes nothing.
    let plan = world.keeper(&["plan", "--output", "json"]).ran().await.well().json();
    assert_eq!(plan["stages"][0].as_array().map(Vec::len), Some(1), "{plan}");
    sync(&world).await.well();
    assert_eq!(world.digest_in_ecr(NAME, "1.0"), second);
    // The next one waits anew.
    moves(&world, "1.0", "third").await;
    let ran = sync(&world).await.well();
    assert_eq!(outcome(&ran, "1.0"), "unchanged");
    assert_eq!(world.digest_in_ecr(NAME, "1.0"), second);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_gone_upstream_is_kept_told_or_protected() {
    let world = world(&["1.0"], "").await;
    world.ecr(NAME, "0.9", tiny("the last")).await;
    for (policy, code, says) in [
        ("", 1, "does not exist"),
        (
            "policy: {vanished: alarm}\nmissing_upstream: keep\n",
            1,
            "does not exist",
        ),
        ("policy: {vanished: keep}\n", 0, "the settings keep it"),
        ("missing_upstream: keep\n", 0, "the settings keep it"),
        ("policy: {vanished: protect}\n", 0, "policy.vanished protects it"),
    ] {
        set(&world, policy);
        let ran = sync(&world).await.code_is(code);
        assert!(reason(&ran, "0.9").contains(says), "{policy}: {}", reason(&ran, "0.9"));
    }
    let ledger: Value = serde_json::from_str(&fs::read_to_string(world.ledger()).unwrap()).unwrap();
    let protected = ledger["protected"].as_object().unwrap();
    assert_eq!(
        protected.keys().collect::<Vec<_>>(),
        [&world.target(&format!("{NAME}:0.9"))]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_comes_only_when_it_is_what_is_required() {
    let world = world(&["1.0"], "").await;
    let first = world.digest_in_ecr(NAME, "1.0");
    moves(&world, "1.0", "other").await;
    for (require, says) in [
        ("platforms: [linux/amd64, linux/s390x]", "an image for linux/s390x"),
        ("max_size: 10B", "at most 10 bytes; it has "),
        (
            "labels: {org.opencontainers.image.licenses: MIT}",
            "a label org.opencontainers.image.licenses",
        ),
    ] {
        set(&world, &format!("policy: {{require: {{{require}}}}}\n"));
        let ran = sync(&world).await.code_is(1);
        assert_eq!(outcome(&ran, "1.0"), "refused", "{require}");
        assert!(reason(&ran, "1.0").contains(says), "{require}: {}", reason(&ran, "1.0"));
        assert_eq!(world.digest_in_ecr(NAME, "1.0"), first);
    }
    set(&world, "policy: {require: {max_size: 2GiB, platforms: linux/amd64}}\n");
    sync(&world).await.well();
    assert_ne!(world.digest_in_ecr(NAME, "1.0"), first, "it is all that is asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_policy_is_told_at_once() {
    let world = world(
        &[],
        "policy:\n  backup: before-{time}\n  min_age: soon\n  retag: no\n  vanished: gone\n  require: {max_size: much, platforms: x}\n",
    )
    .await;
    let ran = world.keeper(&["config", "check"]).ran().await.code_is(2);
    for says in [
        "policy.backup: \"before-{time}\" is not allowed: it lacks {tag}",
        "policy.min_age: \"soon\" is not allowed; allowed: a duration",
        "policy.retag: ",
        "policy.vanished: \"gone\" is not allowed; allowed: keep or alarm or protect",
        "policy.require.max_size: \"much\" is not allowed; allowed: bytes",
        "policy.require.platforms: \"x\" is not allowed",
    ] {
        assert!(ran.stderr.contains(says), "{says} is not in {}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_stays_whatever_the_next_run_wants_of_the_upstream() {
    for (name, more) in [
        ("the same", ""),
        ("one platform", "platforms: linux/amd64\n"),
        ("referrers", "referrers: true\n"),
    ] {
        let world = world(&["1.0"], "").await;
        moves(&world, "1.0", "second").await;
        sync(&world).await.well();
        let first = world.ecr(NAME, "kept", tiny("1.0")).await;
        // What a run that wants referrers would bring.
        world.lab.upstream().set_referrers(Referrers::Supported);
        let signature = Artifact::new("application/vnd.example.signature", b"signed").subject(&first);
        let place = Place::of(world.lab.upstream());
        signature.push(&place, "library/app", None).await.unwrap();
        let rollback = ["rollback", &format!("{NAME}:1.0"), "--to", "kept", "--output", "json"];
        let ran = world.keeper(&rollback).ran().await.well();
        assert_eq!(ran.json()["remembered"], true, "{name}");
        let again = world.keeper(&rollback[..4]).ran().await.well();
        assert!(again.stdout.contains("names that already"), "{}", again.stdout);
        set(&world, more);
        let run = world.keeper(&["sync", "--only", &format!("{NAME}:1.0"), "--output", "json"]);
        let ran = run.ran().await.well();
        assert_eq!(
            reason(&ran, "1.0"),
            "it was rolled back from what the upstream has today",
            "{name}"
        );
        assert_eq!(world.digest_in_ecr(NAME, "1.0"), first.top, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_cannot_be_remembered_moves_nothing() {
    let world = world(&["1.0"], "").await;
    world.ecr(NAME, "kept", tiny("kept")).await;
    let before = world.digest_in_ecr(NAME, "1.0");
    fs::create_dir_all(world.ledger().parent().unwrap()).unwrap();
    fs::write(world.ledger(), "no ledger").unwrap();
    let rollback = ["rollback", &format!("{NAME}:1.0"), "--to", "kept"];
    let ran = world.keeper(&rollback).ran().await.code_is(1);
    assert!(
        ran.stderr.contains("is not one that this version can read"),
        "{}",
        ran.stderr
    );
    assert_eq!(world.digest_in_ecr(NAME, "1.0"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_replaced_by_a_policy_whose_ledger_cannot_be_read() {
    let world = world(&["1.0"], "policy: {backup: 'was-{tag}-{date}'}\n").await;
    moves(&world, "1.0", "second").await;
    let before = world.digest_in_ecr(NAME, "1.0");
    fs::create_dir_all(world.ledger().parent().unwrap()).unwrap();
    fs::write(world.ledger(), "no ledger").unwrap();
    let ran = sync(&world).await.code_is(1);
    assert!(ran.failure().contains("goes by what it remembers"), "{}", ran.failure());
    assert_eq!(world.digest_in_ecr(NAME, "1.0"), before);
    assert_eq!(fs::read_to_string(world.ledger()).unwrap(), "no ledger");
    // Without a policy it costs time alone.
    set(&world, "");
    sync(&world).await.well();
    assert_ne!(world.digest_in_ecr(NAME, "1.0"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_version_is_told_with_what_it_was_made_of() {
    let world = world(&[], "").await;
    let made = world.upstream("library/app", "1.0", tiny("first")).await;
    world.ecr(NAME, "1.0", tiny("older")).await;
    sync(&world).await.well();
    assert_eq!(world.digest_in_ecr(NAME, "1.0"), made.digest());
    moves(&world, "1.0", "second").await;
    set(&world, "policy: {retag: freeze}\n");
    let ran = sync(&world).await.code_is(1);
    let says = format!("has moved upstream, from {}, and policy.retag is freeze", made.digest());
    assert!(reason(&ran, "1.0").contains(&says), "{}", reason(&ran, "1.0"));
    // One that somebody has replaced in ECR has not moved upstream, so far as anybody knows.
    world.ecr(NAME, "1.0", tiny("by hand")).await;
    let ran = sync(&world).await.code_is(1);
    assert!(
        reason(&ran, "1.0").contains("is another image upstream than here"),
        "{}",
        reason(&ran, "1.0")
    );
}
