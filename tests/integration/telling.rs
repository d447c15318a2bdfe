use std::fs;
use std::time::Duration;

use ecr_lab::images::tiny;
use serde_json::Value;

use crate::support::{Ran, World};

const REPOSITORY: &str = "base/image/busybox";
const UPSTREAM: &str = "library/busybox";

/// One of each: updated, unchanged, vanished.
async fn world_of_three() -> World {
    let world = World::new().await;
    world.upstream(UPSTREAM, "new", tiny("new")).await;
    world.ecr(REPOSITORY, "new", tiny("old")).await;
    world.upstream(UPSTREAM, "same", tiny("same")).await;
    world.ecr(REPOSITORY, "same", tiny("same")).await;
    world.ecr(REPOSITORY, "gone", tiny("gone")).await;
    world
}

fn contents(world: &World) -> Vec<String> {
    world
        .lab
        .webhook()
        .messages()
        .into_iter()
        .map(|message| message.content)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_files_are_the_original_s_byte_for_byte() {
    let world = world_of_three().await;
    world.ecr("base/image/alpine", "10", tiny("a")).await;
    world.upstream("library/alpine", "10", tiny("a")).await;
    world.ecr("base/image/alpine", "9", tiny("b")).await;
    world.upstream("library/alpine", "9", tiny("b")).await;
    let ran = world
        .keeper(&["sync", "--output", "json", "--results-dir", "out/results"])
        .ran()
        .await
        .code_is(1);

    let (busybox, alpine) = (world.target(REPOSITORY), world.target("base/image/alpine"));
    // facts of the Python original: the two characters `\n` stand in the line, and a real line feed ends it.
    assert_eq!(
        world.file("out/results/result_update.txt"),
        format!(":white_check_mark: {busybox}:new \\n\n")
    );
    assert_eq!(
        world.file("out/results/result_notupdate.txt"),
        format!(":warning: {alpine}:10 \\n\n:warning: {alpine}:9 \\n\n:warning: {busybox}:same \\n\n"),
        "by repository, then tag, in bytes"
    );
    assert_eq!(
        world.file("out/results/result_failed.txt"),
        format!(":x: {busybox}:gone — upstream docker.io/library/busybox:gone does not exist \\n\n")
    );
    let file: Value = serde_json::from_str(&world.file("out/results/result.json")).unwrap();
    assert_eq!(file, ran.json());
    assert_eq!(file["schema_version"], 1);
    let written = fs::read_dir(world.folder().join("out/results")).unwrap().count();
    assert_eq!(written, 4, "nothing but the results");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_gets_the_original_s_messages_and_one_for_failures() {
    let world = world_of_three().await;
    let run = || {
        world
            .keeper(&["sync", "--output", "json"])
            .env("DISCORD_WEBHOOK", world.lab.webhook().url())
    };
    run().ran().await.code_is(1);
    let busybox = world.target(REPOSITORY);
    assert_eq!(
        contents(&world),
        [
            format!("Updated images!\n:white_check_mark: {busybox}:new"),
            format!("Images not updated!\n:warning: {busybox}:same"),
            format!("Failed images!\n:x: {busybox}:gone — upstream docker.io/library/busybox:gone does not exist"),
        ]
    );
    for message in world.lab.webhook().messages() {
        assert_eq!(message.json["allowed_mentions"]["parse"], serde_json::json!([]));
    }

    // The second run updates nothing: an empty list is told only when that is asked for.
    world.lab.webhook().clear();
    run().ran().await.code_is(1);
    assert_eq!(contents(&world).len(), 2);
    world.lab.webhook().clear();
    run()
        .env("ECR_KEEPER_WEBHOOK__SEND_EMPTY", "true")
        .ran()
        .await
        .code_is(1);
    assert_eq!(contents(&world)[0], "Updated images!");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_are_split_within_discord_s_limit_and_its_rate_is_honoured() {
    let world = World::new().await;
    for number in 0..40 {
        let tag = format!("{number:02}-{}", "a-long-tag".repeat(8));
        world.upstream(UPSTREAM, &tag, tiny("same")).await;
        world.ecr(REPOSITORY, &tag, tiny("same")).await;
    }
    world.lab.webhook().rate_limit(2, Duration::from_millis(300));
    let run = world
        .keeper(&["sync"])
        .env("DISCORD_WEBHOOK", world.lab.webhook().url());
    run.ran().await.well();
    let told = contents(&world);
    assert!(told.len() > 2, "{} messages", told.len());
    let lines: Vec<&str> = told.iter().flat_map(|content| content.lines()).collect();
    let heads = lines.iter().filter(|line| line.starts_with("Images not updated! ("));
    assert_eq!(heads.count(), told.len(), "each says which one it is");
    assert_eq!(lines.len(), 40 + told.len(), "every image once");
    let attempts = world.lab.webhook().attempts();
    assert_eq!(attempts.iter().filter(|attempt| attempt.status == 429).count(), 2);
    let waited = attempts[1].at.duration_since(attempts[0].at);
    assert!(waited >= jiff::SignedDuration::from_millis(300), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_fails_sets_the_exit_code_and_hides_nothing() {
    let world = World::new().await;
    world.upstream(UPSTREAM, "new", tiny("new")).await;
    world.ecr(REPOSITORY, "new", tiny("old")).await;
    world.lab.webhook().answer_status(1, 400);
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("DISCORD_WEBHOOK", world.lab.webhook().url());
    let ran = run.ran().await.code_is(1);
    assert_eq!(ran.outcome("busybox:new"), "updated");
    assert!(ran.failure().contains("post to the webhook: 400"), "{}", ran.failure());
    assert!(world.file("result_update.txt").contains("busybox:new"));
    let file: Value = serde_json::from_str(&world.file("result.json")).unwrap();
    assert_eq!(file, ran.json(), "the file tells of the message that failed, too");

    let gone = world
        .keeper(&["sync", "--output", "json"])
        .env("DISCORD_WEBHOOK", "http://127.0.0.1:9/secret-path");
    let ran = gone.ran().await.code_is(1);
    assert!(ran.failure().contains("no answer"), "{}", ran.failure());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generic_webhook_gets_the_report() {
    let world = world_of_three().await;
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("ECR_KEEPER_WEBHOOK__KIND", "generic");
    let ran = run
        .env("ECR_KEEPER_WEBHOOK__URL", world.lab.webhook().hook_url("team"))
        .ran()
        .await
        .code_is(1);
    let messages = world.lab.webhook().messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].json, ran.json());
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_output_holds_only_the_answer_and_colour_is_never_forced() {
    let world = world_of_three().await;
    let ran = world.keeper(&["sync", "--log-level", "debug"]).ran().await.code_is(1);
    assert!(
        ran.stdout.contains("updated   base/image/busybox:new\n"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("1 updated, 1 unchanged, 1 refused in "),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("hint: remove the tag from ECR"), "{}", ran.stdout);
    assert!(
        !ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'),
        "no colour into a pipe"
    );
    assert!(
        ran.stderr.contains("[1/1] updated base/image/busybox:new"),
        "{}",
        ran.stderr
    );
    let quiet = world.keeper(&["sync", "--progress", "none"]).ran().await.code_is(1);
    assert_eq!(quiet.stderr, "");
    let colour = world.keeper(&["plan", "--color", "always"]).ran().await.code_is(1);
    assert!(colour.stdout.contains('\u{1b}'));
}

/// Standard output, standard error and every file that a run may have written.
fn all_said(world: &World, ran: &Ran) -> String {
    fn files(folder: &std::path::Path, said: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // What the test itself put there.
            if path.ends_with(".docker") {
                continue;
            }
            match path.is_dir() {
                true => files(&path, said),
                false => said.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap())),
            }
        }
    }
    let mut said = format!("{}{}", ran.stdout, ran.stderr);
    files(world.folder(), &mut said);
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_ever_told() {
    let world = world_of_three().await;
    world.lab.upstream().require_login("puller", "upstream-p4ssword");
    let folder = world.folder().join(".docker");
    fs::create_dir(&folder).unwrap();
    // "puller:upstream-p4ssword" in base64.
    let auth = "cHVsbGVyOnVwc3RyZWFtLXA0c3N3b3Jk";
    let config = |auth: &str| {
        format!(
            r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#,
            world.lab.upstream().host()
        )
    };
    fs::write(folder.join("config.json"), config(auth)).unwrap();
    let webhook = world.lab.webhook().url();
    let webhook_token = webhook.rsplit('/').next().unwrap().to_owned();
    let run = |arguments: &[&str]| {
        world
            .keeper(arguments)
            .env("DISCORD_WEBHOOK", &webhook)
            .env("ECR_KEEPER_REGISTRIES__GHCR.IO__USERNAME", "somebody")
            .env("ECR_KEEPER_REGISTRIES__GHCR.IO__PASSWORD", "settings-p4ssword")
            .env("AWS_ACCESS_KEY_ID_ECR", "LABACCESSKEY")
            .env("AWS_SECRET_ACCESS_KEY_ECR", "lab-s3cret-of-ecr")
            .env("ECR_KEEPER_RESULTS__JUNIT", "junit.xml")
            .env("ECR_KEEPER_RESULTS__CSV", "images.csv")
            .env("ECR_KEEPER_RESULTS__MARKDOWN", "summary.md")
            .env("ECR_KEEPER_RESULTS__METRICS", "ecr_keeper.prom")
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_STEP_SUMMARY", "step-summary.md")
    };
    let secrets = [
        "lab-s3cret-of-ecr",
        "lab-secret-access-key",
        "upstream-p4ssword",
        auth,
        "settings-p4ssword",
        &webhook_token,
        // What every password that the lab's ECR hands out begins with, and its base64 behind `AWS:`.
        "eyJwYXlsb2FkIjoi",
        "QVdTOmV5SndZWGxzYjJG",
    ];
    let sync = ["sync", "--log-level", "trace", "--progress", "lines"];
    let mut said = Vec::new();
    said.push(run(&sync).ran().await);
    // Everything that can fail with a secret in its hands.
    world.lab.webhook().answer_status(9, 500);
    said.push(run(&sync).env("ECR_KEEPER_CONCURRENCY", "1").ran().await);
    fs::write(folder.join("config.json"), config("bm9ib2R5OnVwc3RyZWFtLXA0c3N3b3Jk")).unwrap();
    said.push(run(&sync).ran().await);
    said.push(
        run(&[
            "sync",
            "--log-level",
            "trace",
            "--log-format",
            "json",
            "--output",
            "json",
        ])
        .env("ECR", "127.0.0.1:9")
        .ran()
        .await,
    );
    said.push(run(&["plan", "--log-level", "trace"]).ran().await);
    said.push(run(&["config", "show"]).ran().await);
    said.push(run(&["config", "show", "--output", "json"]).ran().await);
    said.push(
        run(&["config", "check"])
            .env("ECR_KEEPER_WEBHOOK__URL", format!("//{webhook_token}"))
            .ran()
            .await,
    );
    said.push(run(&["sync", "--progress", "json"]).ran().await);
    assert!(
        said[0].stderr.contains("DEBUG") || said[0].stderr.contains("TRACE"),
        "it does log: {}",
        said[0].stderr
    );
    for ran in &said {
        let said = all_said(&world, ran);
        for secret in secrets {
            assert!(!said.contains(secret), "{secret} is told in:\n{said}");
        }
    }
    assert_eq!(said[0].code, Some(1), "{}", said[0].stderr);
    for file in ["junit.xml", "images.csv", "summary.md", "step-summary.md"] {
        assert!(world.file(file).contains("busybox"), "{file} was looked at");
    }
    assert!(world.file("ecr_keeper.prom").contains("ecr_keeper_images"));
    let passwords = "registries.ghcr.io.password";
    assert!(
        said[5].stdout.contains(passwords) && said[5].stdout.contains("(secret)"),
        "{}",
        said[5].stdout
    );
    assert!(
        said[5].stdout.contains("environment variable DISCORD_WEBHOOK"),
        "{}",
        said[5].stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_does_not_hide_the_exit_code() {
    let world = world_of_three().await;
    let mut run = world.keeper(&["sync"]).started();
    run.close_stdout();
    run.end().await.code_is(1);
    assert!(world.file("result_update.txt").contains("busybox:new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_redirects_has_taken_nothing() {
    let world = world_of_three().await;
    world.lab.webhook().answer_status(9, 302);
    let run = world
        .keeper(&["sync", "--output", "json"])
        .env("DISCORD_WEBHOOK", world.lab.webhook().url());
    let ran = run.ran().await.code_is(1);
    assert!(ran.failure().contains("post to the webhook: 302"), "{}", ran.failure());
}
