//! `manage`: the flags and rules of manage_ecr_docker_images, case by case, and what stays all the same.

use ecr_lab::{ApiFault, LabFunction};
use serde_json::{Value, json};

use crate::repositories::answered;
use crate::support::{Ran, Run, World};
use crate::usage::{IMAGE, OWN, days_ago, image, manifest, place, with_services, world};

fn keeper(world: &World, arguments: &[&str]) -> Run {
    with_services(world, world.keeper(&[&["manage"], arguments].concat()))
}

/// Tags of a repository's images.
fn left(world: &World, repository: &str) -> Vec<String> {
    let images = place(world, OWN, "eu-central-1").images(repository);
    let mut all: Vec<String> = images.iter().map(|image| image.tags.join(",")).collect();
    all.sort();
    all
}

/// Images of these tags, the last pushed last.
fn repository(world: &World, name: &str, tags: &[&str]) {
    let home = place(world, OWN, "eu-central-1");
    for (days, tag) in tags.iter().rev().enumerate() {
        image(home, name, tag, 1000, 10 + i64::try_from(days).unwrap());
    }
}

/// Of the environment prod one repository with four images, one with two, one with one, and one that only looks like it.
async fn environment() -> World {
    let world = world().await;
    repository(&world, "prod/app", &["1", "2", "3", "4"]);
    repository(&world, "prod/pair", &["1", "2"]);
    repository(&world, "prod/one", &["1"]);
    repository(&world, "production/app", &["1", "2", "3"]);
    repository(&world, "dev/app", &["1", "2", "3"]);
    world
}

fn firsts(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let all = report["repositories"].as_array().unwrap().iter();
    all.map(|one| {
        format!(
            "{}:{}",
            one["repository"].as_str().unwrap(),
            one["images"][0]["tags"][0].as_str().unwrap()
        )
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn get_prints_the_most_recent_image_of_one_or_of_all_repositories() {
    let world = environment().await;
    let json = async |arguments: &[&str]| {
        let ran = keeper(&world, &[arguments, &["--output", "json"]].concat())
            .ran()
            .await
            .well();
        firsts(&ran)
    };
    assert_eq!(json(&["-e", "prod", "-g", "True", "-r", "app"]).await, ["prod/app:4"]);
    assert_eq!(
        json(&["-e", "prod", "-g", "True", "-r", "prod/app"]).await,
        ["prod/app:4"]
    );
    let all = ["prod/app:4", "prod/one:1", "prod/pair:2"];
    assert_eq!(json(&["-e", "prod", "-g", "True", "-a", "True"]).await, all);
    let long = [
        "--environment",
        "prod",
        "--get",
        "true",
        "--all_repositories",
        "true",
        "--delete",
        "False",
    ];
    assert_eq!(json(&long).await, all);
    assert_eq!(json(&["-e", "prod", "-g", "-a"]).await, all);
    // As `images latest` prints it.
    let ours = keeper(&world, &["-e", "prod", "-g", "True", "-a", "True"])
        .ran()
        .await
        .well()
        .stdout;
    let latest = world
        .keeper(&["images", "latest", "--environment", "prod"])
        .ran()
        .await
        .well()
        .stdout;
    assert_eq!(ours, latest);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_each_pair_is_needed_and_not_both() {
    let world = environment().await;
    world.forget_requests();
    for (arguments, says) in [
        (
            &["-e", "prod", "-a", "True"][..],
            "one of --get (-g) and --delete (-d) is needed",
        ),
        (
            &["-e", "prod", "-g", "False", "-d", "False", "-a", "True"],
            "one of --get (-g) and --delete (-d) is needed",
        ),
        (
            &["-e", "prod", "-g", "True", "-d", "True", "-a", "True"],
            "--get (-g) and --delete (-d) cannot both be said",
        ),
        (
            &["-e", "prod", "-g", "True"],
            "one of --repository (-r) and --all_repositories (-a) is needed",
        ),
        (
            &["-e", "prod", "-d", "True", "-r", "app", "-a", "True"],
            "--repository (-r) and --all_repositories (-a) cannot both be said",
        ),
        (
            &["-e", "prod", "-g", "True", "-o", "True", "-a", "True"],
            "--oldest_images (-o) goes with --delete (-d)",
        ),
        (&["-g", "True", "-a", "True"], "--environment"),
        (&["-e", "", "-g", "True", "-a", "True"], "--environment"),
        (&["-e", "prod", "-g", "maybe", "-a", "True"], "write True or False"),
        (&["-e", "prod", "-g", "True", "-r", "app:1"], "it names a tag"),
        (&["-e", "prod", "-d", "True", "-a", "True"], "nobody is there to answer"),
    ] {
        let ran = keeper(&world, arguments).ran().await.code_is(2);
        assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
    }
    assert!(world.lab.ecr().api_requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_named_within_its_environment() {
    let world = environment().await;
    repository(&world, "team/prod/app", &["1"]);
    for (name, code, says) in [
        (
            "app",
            2,
            "app may be prod/app or team/prod/app of the environment \"prod\"",
        ),
        ("appp", 1, "the environment \"prod\" has no repository appp"),
        ("dev/app", 1, "the environment \"prod\" has no repository dev/app"),
        (
            "999999999999.dkr.ecr.eu-central-1.amazonaws.com/prod/app",
            2,
            "is of the registry 999999999999.",
        ),
    ] {
        let ran = keeper(&world, &["-e", "prod", "-g", "True", "-r", name])
            .ran()
            .await
            .code_is(code);
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    let whole = world.target("team/prod/app");
    let ran = keeper(&world, &["-e", "prod", "-g", "True", "-r", &whole, "--output", "json"])
        .ran()
        .await
        .well();
    assert_eq!(firsts(&ran), ["team/prod/app:1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_with_oldest_images_keeps_the_two_most_recent_of_each() {
    let world = environment().await;
    let delete = ["-e", "prod", "-d", "True", "-o", "True", "-a", "True"];
    let shown = keeper(&world, &[&delete[..], &["--dry-run"]].concat())
        .ran()
        .await
        .well()
        .stdout;
    assert!(shown.contains("prod/app") && !shown.contains("--apply"), "{shown}");
    assert_eq!(left(&world, "prod/app"), ["1", "2", "3", "4"]);
    keeper(&world, &[&delete[..], &["--yes"]].concat()).ran().await.well();
    assert_eq!(left(&world, "prod/app"), ["3", "4"]);
    // Two or fewer: nothing.
    assert_eq!(left(&world, "prod/pair"), ["1", "2"]);
    assert_eq!(left(&world, "prod/one"), ["1"]);
    // Of no other environment.
    assert_eq!(left(&world, "production/app"), ["1", "2", "3"]);
    assert_eq!(left(&world, "dev/app"), ["1", "2", "3"]);
    keeper(&world, &["-e", "dev", "-d", "True", "-o", "True", "-r", "app", "--yes"])
        .ran()
        .await
        .well();
    assert_eq!(left(&world, "dev/app"), ["2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_most_recent_count_whether_they_have_a_tag_or_not() {
    let world = world().await;
    let home = place(&world, OWN, "eu-central-1");
    home.create_repository("prod/app");
    let push = |seed: &str, tag: Option<&str>, days: i64| {
        home.note_image("prod/app", tag, IMAGE, &manifest(seed, 1000), days_ago(days));
    };
    push("old", Some("1"), 40);
    push("lost", None, 30);
    let delete = ["-e", "prod", "-d", "True", "-o", "True", "-r", "app", "--yes"];
    keeper(&world, &delete).ran().await.well();
    assert_eq!(left(&world, "prod/app"), ["", "1"], "a repository with two or fewer");
    push("older", None, 50);
    push("oldest", None, 60);
    let shown = keeper(&world, &delete).ran().await.well().stdout;
    assert_eq!(left(&world, "prod/app"), ["", "1"]);
    assert_eq!(shown.matches("among the 2 pushed last").count(), 2, "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_without_it_deletes_all_images_but_what_is_in_use() {
    let world = environment().await;
    let home = place(&world, OWN, "eu-central-1");
    let digest = home.digest_of("prod/app", "2").unwrap();
    let used = LabFunction::new("shop", &format!("{}/prod/app:2", home.host()));
    home.add_function(used.resolved(&digest));
    let delete = ["-e", "prod", "-d", "True", "-r", "app", "--yes", "--output", "json"];
    let ran = keeper(&world, &delete).ran().await.well();
    assert_eq!(left(&world, "prod/app"), ["2"]);
    let kept = &ran.json()["repositories"][0]["kept"];
    assert!(kept.to_string().contains("function:shop"), "{kept}");
    assert_eq!(left(&world, "prod/pair"), ["1", "2"]);
    // Where not everybody can be asked, nothing goes.
    home.api_fault(ApiFault::access_denied("ListFunctions"));
    let all = ["-e", "prod", "-d", "True", "-a", "True", "--yes"];
    keeper(&world, &all).ran().await.code_is(1);
    assert_eq!(
        (left(&world, "prod/pair"), left(&world, "prod/one")),
        (vec!["1".to_owned(), "2".to_owned()], vec!["1".to_owned()])
    );
    keeper(&world, &[&all[..], &["--without-usage"]].concat()).ran().await;
    assert_eq!(left(&world, "prod/pair"), [""; 0]);
    assert_eq!(left(&world, "production/app"), ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_it_shows_what_goes_and_asks() {
    let world = environment().await;
    let delete = keeper(&world, &["-e", "prod", "-d", "True", "-o", "True", "-a", "True"]);
    let (said, code) = answered(delete, async || {}, "no\n").await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("nothing was done: the answer was another"), "{said}");
    assert_eq!(left(&world, "prod/app").len(), 4);
    let delete = keeper(&world, &["-e", "prod", "-d", "True", "-o", "True", "-a", "True"]);
    let (said, code) = answered(delete, async || {}, "yes\n").await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(left(&world, "prod/app"), ["3", "4"]);
    let value: Value = json!(left(&world, "prod/pair"));
    assert_eq!(value, json!(["1", "2"]));
}
