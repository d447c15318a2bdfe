//! `config import`: other programs' configurations, and that what is made of them brings their images.

use std::path::PathBuf;

use ecr_lab::LabOptions;
use ecr_lab::images::tiny;
use serde_json::{Value, json};

use crate::bad_input::contains;
use crate::support::{Ran, Run, World};

const REGSYNC: &str = include_str!("import/regsync.yml");
const DREGSY: &str = include_str!("import/dregsy.yaml");
const SKOPEO: &str = include_str!("import/skopeo.yml");
const IMAGES: &str = include_str!("import/images.json");
const AUTH: &str = include_str!("import/auth.yaml");

/// What no output may have in it: the passwords of the examples, and the login of dregsy's as it is written there.
const SECRETS: [&str; 6] = [
    "this is a secret",
    "hunter2",
    "hunter3",
    "eyJ1c2Vybm",
    "\"secret\"",
    ": secret",
];

async fn world() -> World {
    World::without_daemon(LabOptions::default()).await
}

fn put(world: &World, name: &str, text: &str) -> PathBuf {
    let path = world.folder().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// The program as somebody runs it who has nothing but the settings that were made.
fn keeper(world: &World, arguments: &[&str]) -> Run {
    let run = world.keeper(arguments);
    run.without("ECR").without("KEYWORD").without("ECR_KEEPER_ENGINE")
}

/// With the variables that an import asks for.
fn with_variables(mut run: Run, imported: &Ran) -> Run {
    for line in imported.stderr.lines() {
        if let Some(name) = variable(line) {
            run = run.env(name, "something");
        }
    }
    run
}

fn variable(line: &str) -> Option<&str> {
    line.strip_prefix("to be set in the environment: ")
}

/// The images that came, by `REPOSITORY:TAG`.
fn updated(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let images = report["images"].as_array().unwrap().iter();
    let mut updated: Vec<String> = images
        .filter(|image| image["outcome"] == "updated")
        .map(|image| image["target"].as_str().unwrap().split_once('/').unwrap().1.to_owned())
        .collect();
    updated.sort();
    updated
}

#[tokio::test(flavor = "multi_thread")]
async fn regsync_s_example_brings_its_images() {
    let world = world().await;
    for (repository, tags) in [
        ("library/busybox", &["latest", "1.37"][..]),
        ("library/alpine", &["latest", "edge", "3", "3.0", "3.18", "3.18.1"]),
        ("library/debian", &["12", "bookworm"]),
        ("regclient/regctl", &["latest", "v1"]),
    ] {
        world.lab.ecr().create_repository(repository);
        for tag in tags {
            world
                .upstream(repository, tag, tiny(&format!("{repository} {tag}")))
                .await;
        }
    }
    put(
        &world,
        "regsync.yml",
        &REGSYNC.replace("registry:5000", world.lab.ecr().host()),
    );
    let import = keeper(
        &world,
        &["config", "import", "regsync", "regsync.yml", "--out", "settings.yaml"],
    );
    let imported = import.ran().await.well();
    assert_eq!(imported.stdout, "");
    contains(
        &imported.stderr,
        &[
            "regsync.yml:2: x-hourly: regsync itself does not read it either\n",
            "regsync.yml:8: creds.2.user: set ECR_KEEPER_REGISTRIES__DOCKER_IO__USERNAME to what HUB_USER holds\n",
            "regsync.yml:9: creds.2.pass: set ECR_KEEPER_REGISTRIES__DOCKER_IO__PASSWORD to the content of /run/secrets/hub_token\n",
            "regsync.yml:11: defaults.ratelimit: ",
            "regsync.yml:15: defaults.interval: `schedule` is one setting for all images, and other entries say otherwise",
            "regsync.yml:16: defaults.backup: it has to end with {date}",
            "regsync.yml:21: sync.1.schedule: `schedule` is one setting",
            "regsync.yml:38: sync.3.mediaTypes: ",
            "regsync.yml:44: sync.5: it brings a whole registry",
            "wrote settings.yaml\n4 entries of `images` came of it; ",
        ],
    );
    let upstream = world.lab.upstream().host();
    let sync = with_variables(keeper(&world, &["sync", "--output", "json"]), &imported);
    let ran = sync
        .env("ECR_KEEPER_REGISTRIES__GHCR_IO__MIRRORS", upstream)
        .ran()
        .await
        .well();
    assert_eq!(
        updated(&ran),
        [
            "library/alpine:3",
            "library/alpine:3.18",
            "library/alpine:latest",
            "library/busybox:latest",
            "library/debian:12",
            "regclient/regctl:latest",
        ]
    );
    assert_eq!(ran.json()["engine"], "this program, from registry to registry");
}

#[tokio::test(flavor = "multi_thread")]
async fn dregsy_s_example_brings_its_images() {
    let world = world().await;
    for (repository, target, tags) in [
        ("test/image", "archive/test/image", &["0.1.0", "0.1.1", "0.2.0"][..]),
        ("test/another-image", "test/another-image", &["1", "v2.0"]),
        (
            "library/busybox",
            "library/busybox",
            &[
                "1.26.2-glibc",
                "1.26.2-other",
                "1.29.4",
                "1.30.0",
                "1.31.1",
                "1.31.2-musl",
                "1.31.9",
                "latest",
                "odd",
            ],
        ),
    ] {
        world.lab.ecr().create_repository(target);
        for tag in tags {
            world
                .upstream(repository, tag, tiny(&format!("{repository} {tag}")))
                .await;
        }
    }
    let text = DREGSY.replace("source-registry.acme.com", world.lab.upstream().host());
    put(
        &world,
        "dregsy.yaml",
        &text.replace("dest-registry.acme.com", world.lab.ecr().host()),
    );
    let import = keeper(
        &world,
        &["config", "import", "dregsy", "dregsy.yaml", "--out", "settings.yaml"],
    );
    let imported = import.ran().await.well();
    // The example's relay is skopeo, which brings one.
    contains(&world.file("settings.yaml"), &["\nplatforms: [linux/amd64]\n"]);
    let ran = with_variables(keeper(&world, &["sync", "--output", "json"]), &imported)
        .ran()
        .await
        .well();
    assert_eq!(
        updated(&ran),
        [
            "archive/test/image:0.1.0",
            "archive/test/image:0.1.1",
            "library/busybox:1.26.2-glibc",
            "library/busybox:1.29.4",
            "library/busybox:1.31.1",
            "library/busybox:1.31.2-musl",
            "library/busybox:latest",
            "test/another-image:1",
            "test/another-image:v2.0",
        ]
    );
}

/// Each format with its example, and the flags that it needs.
const EXAMPLES: [(&str, &str, &str, &[&str]); 4] = [
    ("regsync", "regsync.yml", REGSYNC, &[]),
    ("dregsy", "dregsy.yaml", DREGSY, &[]),
    (
        "skopeo",
        "skopeo.yml",
        SKOPEO,
        &["--target", "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mirror"],
    ),
    ("image-syncer", "images.json", IMAGES, &["--auth", "auth.yaml"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_is_accepted_and_has_no_secret_in_it() {
    let world = world().await;
    put(&world, "auth.yaml", AUTH);
    for (format, file, example, flags) in EXAMPLES {
        put(&world, file, example);
        let made = format!("{format}.settings.yaml");
        let run = |more: &[&str]| {
            let all = [&["config", "import", format, file], flags, more].concat();
            keeper(&world, &all)
        };
        let written = run(&["--out", &made, "--log-level", "trace"]).ran().await.well();
        let check = keeper(&world, &["config", "check", "-c", &made]);
        with_variables(check, &written).ran().await.well();
        // A user name whose password is nowhere is told, and not passed over.
        let named = world.file(&made).contains("username: ");
        keeper(&world, &["config", "check", "-c", &made])
            .ran()
            .await
            .code_is(if named { 2 } else { 0 });
        let printed = run(&[]).ran().await.well();
        assert_eq!(printed.stdout, world.file(&made));
        let json = run(&["--output", "json"]).ran().await.well();
        let answer = json.json();
        assert_eq!(answer["schema_version"], 1);
        assert_eq!(answer["settings"], json!(printed.stdout));
        let entries = printed.stdout.matches("- upstream: ").count();
        assert_eq!(answer["images"], entries);
        let variables: Vec<&str> = printed.stderr.lines().filter_map(variable).collect();
        assert_eq!(answer["variables"], json!(variables));
        assert_eq!(answer["failures"], json!([]));
        let told: Vec<String> = answer["left_out"].as_array().unwrap().iter().map(line_of).collect();
        let lines: Vec<&str> = printed.stderr.lines().take(told.len()).collect();
        assert_eq!(told, lines);
        let all = [&written, &printed, &json]
            .map(|ran| format!("{}{}", ran.stdout, ran.stderr))
            .concat();
        for secret in SECRETS {
            assert!(
                !all.contains(secret) && !world.file(&made).contains(secret),
                "{format}: {secret}\n{all}"
            );
        }
    }
}

fn line_of(left_out: &Value) -> String {
    let text = |key: &str| left_out[key].as_str().unwrap().to_owned();
    format!(
        "{}:{}: {}: {}",
        text("file"),
        left_out["line"],
        text("key"),
        text("why")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_stays_unless_it_may_go() {
    let world = world().await;
    put(&world, "regsync.yml", REGSYNC);
    let made = put(&world, "settings.yaml", "mine: true\n");
    let import = |more: &[&str]| {
        let all = [&["config", "import", "regsync", "regsync.yml", "--out"], more].concat();
        keeper(&world, &all)
    };
    let refused = import(&["settings.yaml"]).ran().await.code_is(1);
    contains(
        &refused.stderr,
        &["write the settings to settings.yaml: it is there already", "--force"],
    );
    assert_eq!(std::fs::read_to_string(&made).unwrap(), "mine: true\n");
    import(&["settings.yaml", "--force"]).ran().await.well();
    contains(&world.file("settings.yaml"), &["\nengine: direct\n"]);
    let below = import(&["regsync.yml/below"]).ran().await.code_is(1);
    contains(&below.stderr, &["write the settings to regsync.yml/below: ", "hint: "]);
    assert_eq!(world.file("regsync.yml"), REGSYNC);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_configuration_is_told_with_its_line() {
    let world = world().await;
    put(&world, "regsync.yml", REGSYNC);
    put(&world, "empty.yml", "");
    put(&world, "broken.yml", "sync:\n  - source: [a\n");
    std::fs::write(world.folder().join("binary.yml"), [0xff, 0xfe, 0x00]).unwrap();
    for (arguments, says) in [
        (
            &["regsync", "absent.yml"][..],
            "read absent.yml as a configuration of regsync: No such file",
        ),
        (&["regsync", "."], "read . as a configuration of regsync: "),
        (
            &["regsync", "binary.yml"],
            "read binary.yml as a configuration of regsync: ",
        ),
        (
            &["regsync", "empty.yml"],
            "read a configuration of regsync: empty.yml has nothing in it",
        ),
        (
            &["regsync", "broken.yml"],
            "read a configuration of regsync: broken.yml: line ",
        ),
        (
            &["dregsy", "regsync.yml"],
            "regsync.yml: line 2: a configuration of dregsy is a mapping with a list `tasks`; this looks like regsync's",
        ),
        (
            &["skopeo", "regsync.yml"],
            "hint: give what `skopeo sync` is given as its destination: --target",
        ),
        (
            &["skopeo", "regsync.yml", "--target", "registry"],
            "registry is no REGISTRY[/PREFIX]",
        ),
        (
            &["regsync", "regsync.yml", "--target", "localhost:5000"],
            "--target is for skopeo",
        ),
        (&["regsync", "regsync.yml", "--all"], "--all is for skopeo"),
        (
            &["regsync", "regsync.yml", "--auth", "empty.yml"],
            "--auth is for image-syncer",
        ),
        (&["regsync", "regsync.yml", "--force"], "--out"),
        (
            &["regbot", "regsync.yml"],
            "[possible values: regsync, dregsy, skopeo, image-syncer]",
        ),
    ] {
        let ran = keeper(&world, &[&["config", "import"], arguments].concat())
            .ran()
            .await
            .code_is(2);
        contains(&ran.stderr, &[says]);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
    let json = keeper(
        &world,
        &["config", "import", "regsync", "empty.yml", "--output", "json"],
    );
    let failures = json.ran().await.code_is(2).json()["failures"].to_string();
    contains(&failures, &["empty.yml has nothing in it"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_read_from_standard_input() {
    let world = world().await;
    let path = put(
        &world,
        "regsync.yml",
        "sync:\n  - {source: a, type: registry, target: b}\n  - {source: a, type: repository, target: 'localhost:5000/aa'}\n",
    );
    let path = path.to_str().unwrap();
    for arguments in [&[][..], &["--out", "-"]] {
        let all = [&["config", "import", "regsync", "-"], arguments].concat();
        // Nothing but standard output is written to.
        let run = keeper(&world, &all).reading(path).env("TMPDIR", "/nowhere");
        let ran = run.ran().await.well();
        contains(
            &ran.stderr,
            &[
                "standard input:2: sync.1: ",
                "1 entry of `images` came of it; 2 lines above",
            ],
        );
        contains(&ran.stdout, &["\nimages:\n  - upstream: docker.io/library/a\n"]);
    }
    assert!(!world.folder().join("-").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_of_which_no_image_comes_is_a_failure() {
    let world = world().await;
    put(
        &world,
        "regsync.yml",
        "sync:\n  - {source: a, type: registry, target: b}\n",
    );
    let import = |more: &[&str]| {
        let all = [&["config", "import", "regsync", "regsync.yml"], more].concat();
        keeper(&world, &all)
    };
    let ran = import(&["--out", "settings.yaml"]).ran().await.code_is(1);
    contains(
        &ran.stderr,
        &[
            "regsync.yml:2: sync.1: it brings a whole registry",
            "\nerror: make settings of a configuration of regsync: no entry of `images` came of it; nothing is written\nhint: ",
        ],
    );
    assert_eq!(ran.stdout, "");
    assert!(!world.folder().join("settings.yaml").exists());
    let answer = import(&["--output", "json"]).ran().await.code_is(1).json();
    assert_eq!(answer["images"], 0);
    assert_eq!(answer["left_out"][0]["key"], "sync.1");
    contains(&answer["failures"].to_string(), &["no entry of `images` came of it"]);
}
