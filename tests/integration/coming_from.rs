//! `docs/coming-from.md`: its commands are those of the program.

use std::path::Path;

use tokio::process::Command;

use crate::support::Ran;

/// Every command in the page's tables and texts, with the variables before it.
fn commands(page: &str) -> Vec<&str> {
    let quoted = page.split('`').skip(1).step_by(2);
    let is_one = |text: &&str| text.starts_with("ecr-keeper ") || text.contains(" ecr-keeper ");
    quoted.filter(is_one).collect()
}

/// As a shell takes it apart.
async fn helped(command: &str) -> Ran {
    let program = env!("CARGO_BIN_EXE_ecr-keeper");
    let line = format!("{} --help", command.replace("ecr-keeper ", &format!("{program} ")));
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).env_clear();
    Ran::of(shell.output().await.expect("a shell"))
}

#[tokio::test]
async fn every_command_of_the_page_is_one_of_the_program() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/coming-from.md");
    let page = std::fs::read_to_string(page).unwrap();
    let commands = commands(&page);
    assert!(commands.len() > 35, "{commands:?}");
    for command in commands {
        let ran = helped(command).await;
        assert_eq!(ran.code, Some(0), "{command}: {}", ran.stderr);
        // Without a command of its own it would be the page of all.
        assert!(
            !ran.stdout.contains("Usage: ecr-keeper [OPTIONS] <COMMAND>"),
            "{command}"
        );
    }
}

#[tokio::test]
async fn what_the_program_does_not_know_would_be_found() {
    for command in [
        "ecr-keeper sync --onyl x",
        "ecr-keeper prunes",
        "ecr-keeper usage --region",
    ] {
        assert_ne!(helped(command).await.code, Some(0), "{command}");
    }
}
