//! What people and their editors and shells ask of the program.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::support::Ran;

async fn keeper(arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecr-keeper"));
    command.args(arguments).env_clear().current_dir(std::env::temp_dir());
    Ran::of(command.output().await.expect("the program starts"))
}

async fn validator() -> jsonschema::Validator {
    let schema: Value = keeper(&["config", "schema"]).await.well().json();
    jsonschema::meta::validate(&schema).expect("a schema");
    jsonschema::validator_for(&schema).expect("a schema")
}

/// As an editor reads the file.
async fn yaml(text: &str) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.yaml");
    std::fs::write(&path, text).expect("the file");
    let source = config::File::from(path).format(config::FileFormat::Yaml);
    let built = config::Config::builder().add_source(source).build().expect("YAML");
    built.try_deserialize().expect("JSON's values")
}

#[tokio::test]
async fn the_sample_settings_hold_to_the_schema_and_mistakes_do_not() {
    let validator = validator().await;
    let sample = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/settings.yaml")).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&yaml(&sample).await)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, [""; 0]);
    for good in [
        "platforms: [linux/amd64, linux/arm64]",
        "registries: { quay.io: { username: me, password: sesame } }",
        "discovery: { upstream: { base/image/db: quay.io/a/db } }",
    ] {
        assert!(validator.is_valid(&yaml(good).await), "{good}");
    }
    for bad in [
        "concurency: 4",
        "concurrency: 65",
        "concurrency: many",
        "missing_upstream: shrug",
        "webhook: { kind: telegram }",
        "docker: unix:///var/run/docker.sock",
        "registries: { quay.io: { mirror: x } }",
        "keyword: 1.10",
    ] {
        assert!(!validator.is_valid(&yaml(bad).await), "{bad}");
    }
}

#[tokio::test]
async fn shells_take_the_completions() {
    let script = keeper(&["completions", "bash"]).await.well().stdout;
    let mut bash = Command::new("bash")
        .args(["--norc", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash starts");
    let ask =
        "\nCOMP_WORDS=(ecr-keeper pl); COMP_CWORD=1; _ecr__keeper ecr-keeper pl ecr-keeper; echo \"${COMPREPLY[@]}\"\n";
    let mut stdin = bash.stdin.take().expect("a pipe");
    stdin.write_all((script + ask).as_bytes()).await.expect("bash reads");
    drop(stdin);
    let answer = Ran::of(bash.wait_with_output().await.expect("bash ends")).well();
    assert_eq!(answer.stdout.trim(), "plan", "{}", answer.stderr);
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(
            keeper(&["completions", shell])
                .await
                .well()
                .stdout
                .contains("ecr-keeper"),
            "{shell}"
        );
    }
    keeper(&["completions", "abacus"]).await.code_is(2);
}

#[tokio::test]
async fn each_command_has_a_page_in_the_manual() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().unwrap();
    keeper(&["man", "--dir", dir]).await.well();
    let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(page("ecr-keeper.1").contains(".TH ecr-keeper 1"));
    assert!(page("ecr-keeper-config-schema.1").contains("JSON Schema"));
    assert!(page("ecr-keeper-apply.1").contains("ecr\\-keeper apply plan.json"));
    let nowhere = keeper(&["man", "--dir", "/dev/null/x"]).await.code_is(1);
    assert!(nowhere.stderr.contains("--dir"), "{}", nowhere.stderr);
}

#[tokio::test]
async fn a_mistyped_command_or_flag_gets_a_hint() {
    for (typed, meant) in [("sunc", "sync"), ("explian", "explain")] {
        let ran = keeper(&[typed]).await.code_is(2);
        assert!(ran.stderr.contains(meant), "{}", ran.stderr);
    }
    let ran = keeper(&["sync", "--result-dir", "x"]).await.code_is(2);
    assert!(ran.stderr.contains("--results-dir"), "{}", ran.stderr);
}
