//! Registries of all kinds: versions, connections, tokens, mirrors, limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use ecr_keeper::credentials::Keyring;
use ecr_keeper::registry::{Client, Options};
use ecr_keeper::retry::{Retry, Timeouts};

use super::*;

/// `host:port` as it stands in a variable's name.
fn variable(host: &str, key: &str) -> String {
    format!("ECR_KEEPER_REGISTRIES__{}__{key}", host.replace(['.', ':', '-'], "_"))
}

#[tokio::test(flavor = "multi_thread")]
async fn both_generations_of_distribution_are_sources_and_targets_over_every_kind_of_connection() {
    let world = world().await;
    let pushed = world.upstream(UPSTREAM, "1", multi("1").attested()).await;
    for software in [Software::Distribution2, Software::Distribution3] {
        for tls in [RegistryTls::Off, RegistryTls::Server, RegistryTls::Mutual] {
            let registry = plain(
                &world,
                RegistryOptions {
                    software,
                    tls,
                    ..RegistryOptions::default()
                },
            )
            .await;
            let run = |from: &str, to: &str| {
                let settings = settings_of(&registry, tls);
                std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
                world.keeper(&["copy", from, to, "--output", "json"]).ran()
            };
            let there = format!("{}/copied/app:1", registry.host());
            let back = world.target("back/app:1");
            if !world.lab.ecr().repositories().iter().any(|name| name == "back/app") {
                world.lab.ecr().create_repository("back/app");
            }
            run(&format!("{UPSTREAM}:1"), &there).await.well();
            run(&there, &back).await.well();
            assert_eq!(world.digest_in_ecr("back/app", "1"), pushed.top, "{software:?} {tls:?}");
        }
    }
}

fn settings_of(registry: &ecr_lab::ExtraRegistry, tls: RegistryTls) -> String {
    let mut settings = format!("registries:\n  {:?}:\n    concurrency: 16\n", registry.host());
    if tls != RegistryTls::Off {
        settings += &format!("    ca: {:?}\n", registry.ca());
    }
    if tls == RegistryTls::Mutual {
        let (cert, key) = registry.client_certificate();
        settings += &format!("    cert: {cert:?}\n    key: {key:?}\n");
    }
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_signed_for_us_is_refused_with_what_to_do() {
    let world = world().await;
    world.upstream(UPSTREAM, "1", tiny("1")).await;
    let registry = plain(
        &world,
        RegistryOptions {
            tls: RegistryTls::Mutual,
            ..RegistryOptions::default()
        },
    )
    .await;
    let to = format!("{}/copied/app:1", registry.host());
    let copy = async |settings: String| {
        std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
        let run = world.keeper(&["copy", &format!("{UPSTREAM}:1"), &to, "--output", "json"]);
        run.ran().await.code_is(1)
    };
    // With another authority, and without a certificate of our own.
    let other = plain(
        &world,
        RegistryOptions {
            tls: RegistryTls::Server,
            ..RegistryOptions::default()
        },
    )
    .await;
    let stranger = format!("registries:\n  {:?}:\n    ca: {:?}\n", registry.host(), other.ca());
    let ran = copy(stranger).await;
    assert!(ran.stdout.contains("registries.HOST.ca"), "{}", ran.stdout);
    let ran = copy(settings_of(&registry, RegistryTls::Server)).await;
    assert!(ran.stdout.to_lowercase().contains("certificate"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_is_asked_for_by_many_requests_and_a_new_one_when_it_ends() {
    let world = world().await;
    let image = (0..12).fold(Image::new(Platform::amd64()).format(Format::Oci), |image, seed| {
        image.layer(Layer::random(seed, 20_000))
    });
    let pushed = world.upstream(UPSTREAM, "1", image).await;
    let registry = plain(
        &world,
        RegistryOptions {
            login: RegistryLogin::Bearer {
                user: "somebody".to_owned(),
                password: "pass-word".to_owned(),
                anonymous_pull: false,
                ttl: Duration::from_secs(3600),
            },
            ..RegistryOptions::default()
        },
    )
    .await;
    let settings = format!(
        "registries:\n  {:?}:\n    username: somebody\n    password: pass-word\n",
        registry.host()
    );
    std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let to = format!("{}/copied/app:1", registry.host());
    let run = world.keeper(&["copy", &format!("{UPSTREAM}:1"), &to, "--output", "json"]);
    run.ran().await.well();
    let tokens = asked(registry.front(), |request| request.path == "/token");
    // One for the registry, one to look (pull), one to write.
    assert!(tokens.len() <= 3, "{tokens:?}");
    let ran = world
        .keeper(&["copy", &format!("{UPSTREAM}:1"), &to, "--output", "json"])
        .ran()
        .await
        .well();
    assert_eq!(ran.image("app:1")["digest_before"], pushed.top.as_str());

    // A wrong password is said, without the password.
    let settings = format!(
        "registries:\n  {:?}:\n    username: somebody\n    password: wrong-word\n",
        registry.host()
    );
    std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let run = world.keeper(&[
        "copy",
        &format!("{UPSTREAM}:1"),
        &to,
        "--output",
        "json",
        "--log-level",
        "trace",
    ]);
    let ran = run.ran().await.code_is(1);
    assert!(ran.stdout.contains("401"), "{}", ran.stdout);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("wrong-word"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_are_asked_in_their_order() {
    let world = world().await;
    let pushed = world.upstream(UPSTREAM, "1", tiny("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let first = plain(&world, RegistryOptions::default()).await;
    let mirrors = format!("127.0.0.1:9,{}/nothing,{}", first.host(), world.lab.upstream().host());
    let run = world.keeper(&["sync", "--output", "json"]);
    let run = run.env("ECR_KEEPER_REGISTRIES__DOCKER_IO__MIRRORS", mirrors);
    run.ran().await.well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), pushed.top);
    let asked_first = asked(first.front(), |request| request.path.contains("/manifests/"));
    assert!(
        !asked_first.is_empty() && asked_first[0].contains("/v2/nothing/library/app/manifests/"),
        "{asked_first:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_with_wrong_content_is_passed_over_for_the_next() {
    let world = world().await;
    let image = || Image::new(Platform::amd64()).layer(Layer::random(1, 300_000));
    let pushed = world.upstream(UPSTREAM, "1", image()).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    let first = plain(&world, RegistryOptions::default()).await;
    image().push(&Place::of(first.front()), UPSTREAM, "1").await.unwrap();
    first.front().fault(Fault::new("/blobs/", Act::Corrupt).method("GET"));
    let mirrors = format!("{},{}", first.host(), world.lab.upstream().host());
    let run = world.keeper(&["sync", "--output", "json"]);
    run.env("ECR_KEEPER_REGISTRIES__DOCKER_IO__MIRRORS", mirrors)
        .ran()
        .await
        .well();
    assert_eq!(world.digest_in_ecr(REPOSITORY, "1"), pushed.top);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_shown_and_429_ends_the_run_s_questions_or_is_waited_for() {
    let world = world().await;
    for at in 0..20 {
        world.upstream(UPSTREAM, &format!("t{at}"), tiny("same")).await;
        world.ecr(REPOSITORY, &format!("t{at}"), tiny("same")).await;
    }
    let front = world.lab.upstream();
    front.fault(Fault::new(
        "",
        Act::Header("ratelimit-remaining".to_owned(), "76;w=21600".to_owned()),
    ));
    front.fault(Fault::new(
        "",
        Act::Header("ratelimit-limit".to_owned(), "100;w=21600".to_owned()),
    ));
    let text = world.keeper(&["sync"]).ran().await.well();
    assert!(text.stdout.contains("76 of 100 pulls left in 6h"), "{}", text.stdout);

    front.fault(Fault::new("/manifests/", Act::too_many_requests(3600)));
    world.forget_requests();
    let ran = world.sync().await.code_is(1);
    assert_eq!(ran.json()["totals"]["failed"], 20);
    let asked_then = asked(front, |request| request.path.contains("/manifests/"));
    assert!(asked_then.len() < 20, "it was asked {} times", asked_then.len());

    front.clear_faults();
    front.fault(Fault::new("/manifests/", Act::too_many_requests(1)).times(6));
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_RETRY__TRIES", "1");
    let run = run.env(&variable(front.host(), "ON_LIMIT"), "wait");
    // The host is named in the file, so that the variable is understood.
    let settings = format!("registries:\n  {:?}:\n    concurrency: 16\n", front.host());
    std::fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    run.ran().await.well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_server_that_is_ill_is_asked_once_by_all_who_wait() {
    const TAGS: usize = 12;
    let world = world().await;
    let login = RegistryLogin::Bearer {
        user: "somebody".to_owned(),
        password: "pass-word".to_owned(),
        anonymous_pull: true,
        ttl: Duration::from_secs(3600),
    };
    let registry = plain(
        &world,
        RegistryOptions {
            login,
            ..RegistryOptions::default()
        },
    );
    let registry = registry.await;
    for tag in 0..TAGS {
        world.ecr(REPOSITORY, &tag.to_string(), tiny("old")).await;
    }
    let front = registry.front();
    front.fault(Fault::new("^/token$", Act::Hold).times(1));
    front.fault(Fault::new("^/token$", Act::status(503, "UNAVAILABLE", "out for lunch")));
    let running = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_REGISTRIES__DOCKER_IO__MIRRORS", registry.host())
        .env("ECR_KEEPER_RETRY__TRIES", "1")
        .started();
    world.held(front).await;
    front.release();
    let ran = running.end().await.code_is(1);
    assert_eq!(ran.json()["totals"]["failed"], TAGS);
    assert!(
        ran.image("app:1").to_string().contains("out for lunch"),
        "{}",
        ran.stdout
    );
    let tokens = asked(front, |request| request.path == "/token");
    // One, but for those whose own refusal came after that.
    assert!(tokens.len() <= TAGS / 2, "{tokens:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tags_of_a_repository_are_listed_page_by_page() {
    let world = world().await;
    for software in [Software::Distribution2, Software::Distribution3] {
        let options = RegistryOptions {
            software,
            page_size: 2,
            ..RegistryOptions::default()
        };
        let registry = plain(&world, options).await;
        let place = Place::of(registry.front());
        for tag in ["1", "2", "3", "4", "5"] {
            tiny(tag).push(&place, "copied/app", tag).await.unwrap();
        }
        registry.front().clear_requests();
        let options = Options {
            retry: Retry {
                tries: 1,
                wait: Duration::ZERO,
                longest: Duration::ZERO,
            },
            timeouts: Timeouts {
                connect: Duration::from_secs(10),
                answer: Duration::from_secs(10),
            },
            hosts: BTreeMap::new(),
        };
        let client = Client::new(options, Arc::new(Keyring::new(BTreeMap::new())));
        let repository = format!("{}/copied/app", registry.host()).parse().unwrap();
        let tags = client.source(&repository).unwrap().tags().await.unwrap();
        let tags: Vec<&str> = tags.iter().map(|tag| tag.as_str()).collect();
        assert_eq!(tags, ["1", "2", "3", "4", "5"]);
        assert_eq!(
            asked(registry.front(), |request| request.path.ends_with("/tags/list")).len(),
            3
        );
    }
}
