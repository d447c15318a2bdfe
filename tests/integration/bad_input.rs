use std::fs;
use std::os::unix::fs::PermissionsExt;

use ecr_lab::images::{Layer, tiny};
use ecr_lab::{Disk, Dockerd};

use crate::support::World;

const REPOSITORY: &str = "base/image/busybox";
const UPSTREAM: &str = "library/busybox";

pub async fn world_with_one_change() -> World {
    let world = World::new().await;
    world.upstream(UPSTREAM, "1", tiny("new")).await;
    world.ecr(REPOSITORY, "1", tiny("old")).await;
    world
}

#[track_caller]
pub fn contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_daemon() {
    let world = world_with_one_change().await;
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let ran = run.ran().await.code_is(1);
    contains(
        &ran.failure(),
        &["unix:///nowhere/docker.sock", "nothing listens there", "DOCKER_HOST"],
    );
    // The files are written all the same, and the team is told.
    assert_eq!(world.file("result_update.txt"), "");
    contains(&world.file("result.json"), &["nothing listens there"]);
    contains(
        &world.file("result_failed.txt"),
        &[":x: reach the Docker daemon", " \\n\n"],
    );
    contains(&ran.stderr, &["failed — reach the Docker daemon"]);
    let tls = world
        .keeper(&["plan"])
        .env("DOCKER_HOST", "tcp://127.0.0.1:9")
        .env("DOCKER_TLS_VERIFY", "1")
        .ran()
        .await
        .code_is(1);
    contains(&tls.stderr, &["tcp://127.0.0.1:9: ", "ca.pem: No such file", "hint: "]);

    let refused = world
        .keeper(&["plan"])
        .env("DOCKER_HOST", "tcp://127.0.0.1:9")
        .ran()
        .await
        .code_is(1);
    contains(
        &refused.stderr,
        &["tcp://127.0.0.1:9", "nothing listens there", "hint: "],
    );
    let odd = world
        .keeper(&["plan"])
        .env("DOCKER_HOST", "ftp://somewhere")
        .ran()
        .await
        .code_is(2);
    contains(
        &odd.stderr,
        &["environment variable DOCKER_HOST", "docker.host", "unix:///PATH"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_without_permission() {
    let world = world_with_one_change().await;
    // Root may open any socket: the program runs as somebody who may not, from a place that he can reach.
    for folder in [world.folder(), world.lab.dir(), world.socket().parent().unwrap()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    }
    fs::set_permissions(world.socket(), fs::Permissions::from_mode(0o600)).unwrap();
    let program = world.folder().join("ecr-keeper");
    fs::copy(env!("CARGO_BIN_EXE_ecr-keeper"), &program).unwrap();
    let ran = world
        .keeper(&["sync", "--output", "json"])
        .by_nobody(&program)
        .ran()
        .await
        .code_is(1);
    contains(&ran.failure(), &["permission denied", "docker.sock", "--group-add"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_registry() {
    let world = world_with_one_change().await;
    let ran = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR", "127.0.0.1:9")
        .ran()
        .await
        .code_is(1);
    contains(&ran.failure(), &["log in to 127.0.0.1:9", "connection refused", "hint"]);
    for odd in [
        "https://registry.example.com",
        "registry.example.com/team",
        "registry example",
    ] {
        let ran = world.keeper(&["sync"]).env("ECR", odd).ran().await.code_is(2);
        contains(
            &ran.stderr,
            &["environment variable ECR", odd, "without a scheme or a path"],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_keyword_and_one_that_matches_nothing() {
    let world = world_with_one_change().await;
    for run in [
        world.keeper(&["sync"]).env("KEYWORD", ""),
        world.keeper(&["plan"]).without("KEYWORD"),
        world
            .keeper(&["sync", "--dry-run"])
            .without("KEYWORD")
            .env("ECR_KEEPER_KEYWORD", ""),
    ] {
        contains(&run.ran().await.code_is(2).stderr, &["keyword"]);
    }
    // Letter case counts.
    let ran = world
        .keeper(&["sync", "--output", "json"])
        .env("KEYWORD", "Base/Image")
        .ran()
        .await
        .code_is(1);
    contains(
        &ran.failure(),
        &["Base/Image", "eu-central-1", "discovery.allow_no_match"],
    );
    let allowed = world
        .keeper(&["sync"])
        .env("KEYWORD", "nothing")
        .env("ECR_KEEPER_DISCOVERY__ALLOW_NO_MATCH", "true");
    allowed.ran().await.well();
    // The original's other spelling.
    let ran = world
        .keeper(&["sync", "--output", "json"])
        .without("KEYWORD")
        .env("keyword", "base/image")
        .ran()
        .await;
    assert_eq!(ran.well().outcome("busybox:1"), "updated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_that_image_and_leaves_nothing() {
    let world = world_with_one_change().await;
    let small = Disk::in_memory(world.lab.dir(), 24 << 20).unwrap();
    let daemon = Dockerd::start(small.folder()).await.unwrap();
    world
        .upstream(UPSTREAM, "big", tiny("big").layer(Layer::random(1, 30_000_000)))
        .await;
    world.ecr(REPOSITORY, "big", tiny("old")).await;

    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("DOCKER_HOST", daemon.host());
    let ran = run.env("ECR_KEEPER_CONCURRENCY", "1").ran().await.code_is(1);
    assert_eq!(ran.outcome("busybox:1"), "updated");
    let failed = format!("{}", ran.image("busybox:big"));
    contains(
        &failed,
        &[
            "no space left on device",
            "docker system df",
            "pull upstream docker.io/library/busybox:big",
        ],
    );
    let docker = bollard::Docker::connect_with_host(&daemon.host()).unwrap();
    let images = docker
        .list_images(None::<bollard::query_parameters::ListImagesOptions>)
        .await
        .unwrap();
    assert_eq!(images.len(), 0, "{images:?}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_ledger_costs_time_and_nothing_else() {
    let world = world_with_one_change().await;
    world.sync().await.well();
    let good = fs::read_to_string(world.ledger()).unwrap();
    for bad in ["", "{", "[]", r#"{"version":99,"made":{}}"#, &good[..good.len() / 2]] {
        fs::write(world.ledger(), bad).unwrap();
        world.forget_requests();
        let ran = world.sync().await.well();
        assert_eq!(ran.outcome("busybox:1"), "unchanged", "{bad:?}");
        contains(&ran.stderr, &["ledger.json", "compares the images themselves"]);
        assert_eq!(world.pushes(), [""; 0]);
    }
    // It was written anew, and what was there is not lost: it may have been somebody's file.
    assert!(!world.sync().await.well().stderr.contains("ledger"));
    fs::write(world.ledger(), "my precious notes").unwrap();
    world.upstream(UPSTREAM, "1", tiny("newer")).await;
    assert_eq!(world.sync().await.well().outcome("busybox:1"), "updated");
    let folder = world.ledger().parent().unwrap().to_owned();
    let aside = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let aside: Vec<String> = aside.filter_map(|path| fs::read_to_string(path).ok()).collect();
    assert!(aside.iter().any(|text| text == "my precious notes"), "{aside:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_brings_no_second_one_along() {
    let world = World::new().await;
    let settings = "registries:\n  x.example:\n    username: somebody\n    password: [a, b]\n    cert: nowhere.pem\n    key: nowhere.key\n";
    fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let ran = world.keeper(&["config", "check"]).ran().await.code_is(2);
    contains(
        &ran.stderr,
        &[
            "registries.x.example.password",
            "registries.x.example.cert",
            "registries.x.example.key",
        ],
    );
    assert!(!ran.stderr.contains("beside it"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_no_regular_file_keeps_nobody_waiting() {
    let world = world_with_one_change().await;
    let pipe = world.folder().join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    for place in [pipe.to_str().unwrap(), "/dev/zero"] {
        let ran = world.keeper(&["plan", "--ledger", place]).ran().await.well();
        contains(&ran.stderr, &["no regular file", "compares the images themselves"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_cannot_be_written_is_told_and_hides_nothing() {
    let world = world_with_one_change().await;
    fs::write(world.folder().join("a-file"), "").unwrap();
    let ran = world
        .keeper(&["sync", "--output", "json", "--ledger", "a-file/ledger.json"])
        .ran()
        .await
        .code_is(1);
    assert_eq!(ran.outcome("busybox:1"), "updated");
    contains(&ran.failure(), &["a-file/ledger.json", "--ledger"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_folder_that_cannot_be_written_is_told_and_hides_nothing() {
    let world = world_with_one_change().await;
    fs::write(world.folder().join("a-file"), "").unwrap();
    let ran = world
        .keeper(&["sync", "--output", "json", "--results-dir", "a-file/results"])
        .ran()
        .await
        .code_is(1);
    assert_eq!(ran.outcome("busybox:1"), "updated");
    contains(
        &ran.stdout,
        &[
            "a-file/results/result_update.txt",
            "a-file/results/result.json",
            "--results-dir",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settings_file_with_ten_mistakes_tells_them_all() {
    let world = world_with_one_change().await;
    let settings = r#"
ecr: https://registry.example.com
keyword: ""
concurency: 4
concurrency: many
discovery:
  strip_component: 1
  allow_no_match: maybe
docker: unix:///var/run/docker.sock
registries:
  docker.io: { mirror: mirror.example.com }
stop: { grace: soon }
webhook: { url: "not-a-url-but-secret", kind: telegram }
platforms: [linux, linux/arm64]
"#;
    fs::write(world.folder().join("settings.yaml"), settings).unwrap();
    let run = world
        .keeper(&["config", "check"])
        .without("ECR")
        .without("KEYWORD")
        .without("DOCKER_HOST");
    let ran = run.ran().await.code_is(2);
    contains(
        &ran.stderr,
        &[
            "12 mistakes",
            "settings.yaml: concurency: no such setting; did you mean concurrency?",
            "settings.yaml: concurrency: \"many\" is not allowed; allowed: a whole number from 1 to 64",
            "settings.yaml: ecr: \"https://registry.example.com\" is not allowed",
            "settings.yaml: keyword: \"\" is not allowed",
            "did you mean discovery.strip_components?",
            "discovery.allow_no_match: \"maybe\" is not allowed; allowed: true or false",
            "docker: is a section; allowed in it: host, context, ",
            "did you mean registries.docker.io.mirrors?",
            "stop.grace: \"soon\" is not allowed",
            "webhook.url: the value is not allowed",
            "webhook.kind: \"telegram\" is not allowed; allowed: discord or generic",
            "platforms: \"linux,linux/arm64\" is not allowed",
        ],
    );
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    world.keeper(&["sync"]).ran().await.code_is(2);
    // YAML would make another text of these.
    fs::write(
        world.folder().join("settings.yaml"),
        "keyword: 1.10\naws: { profile: 007 }\n",
    )
    .unwrap();
    let ran = world
        .keeper(&["config", "check"])
        .without("KEYWORD")
        .ran()
        .await
        .code_is(2);
    contains(
        &ran.stderr,
        &[
            "2 mistakes",
            "keyword: is not text in YAML: put it in quotes",
            "aws.profile",
        ],
    );
    assert_eq!(world.pushes(), [""; 0]);

    fs::write(world.folder().join("settings.yaml"), "keyword: [unclosed\n").unwrap();
    contains(
        &world.keeper(&["config", "check"]).ran().await.code_is(2).stderr,
        &["settings.yaml", "line 2"],
    );
    let absent = world
        .keeper(&["config", "check", "-c", "nowhere.yaml"])
        .ran()
        .await
        .code_is(2);
    contains(&absent.stderr, &["nowhere.yaml", "No such file"]);
    let unknown = world.keeper(&["config", "check"]).env("ECR_KEEPER_KEYWRD", "x");
    fs::remove_file(world.folder().join("settings.yaml")).unwrap();
    contains(
        &unknown.ran().await.code_is(2).stderr,
        &["ECR_KEEPER_KEYWRD", "did you mean keyword?"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_down_fails_by_name() {
    let world = world_with_one_change().await;
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_REGISTRIES__DOCKER_IO__MIRRORS", "127.0.0.1:9");
    let ran = run.ran().await.code_is(1);
    let image = format!("{}", ran.image("busybox:1"));
    contains(
        &image,
        &[
            "look up upstream docker.io/library/busybox:1",
            "connection refused",
            "DNS and proxy",
        ],
    );
}
