//! The question before something is done that people may regret.

use std::io::{self, IsTerminal, Write};

use super::CommandError;
use super::watch::Watch;
use crate::report::Failure;

/// Whether it has to be asked.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Consent {
    /// Do not ask before acting, as in a pipeline
    #[arg(short, long)]
    pub yes: bool,
}

impl Consent {
    /// Somebody has to be there to be asked, which shows before anything is looked at.
    pub(super) fn can_be_had(self) -> Result<(), CommandError> {
        match self.yes || io::stdin().is_terminal() {
            true => Ok(()),
            false => Err(CommandError::Unusable(Failure {
                message: "this asks before it acts, and nobody is there to answer".to_owned(),
                causes: Vec::new(),
                hint: Some("--yes answers for you; standard input is no terminal".into()),
            })),
        }
    }

    /// Asks on standard error; `yes` alone is a yes. A signal is a stop.
    pub(super) async fn ask(self, question: &str, watch: &Watch) -> Result<bool, Failure> {
        self.ask_for("yes", question, watch).await
    }

    /// The same where another word alone is a yes.
    pub(super) async fn ask_for(self, word: &str, question: &str, watch: &Watch) -> Result<bool, Failure> {
        if self.yes {
            return Ok(true);
        }
        watch.hush().await;
        let asked = |error: io::Error| Failure::new(&error, None);
        write!(io::stderr().lock(), "{question} Type {word}: ").map_err(asked)?;
        // The thread is left to itself after a signal: nobody can take back what it reads.
        let answer = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            io::stdin().read_line(&mut line).map(|_| line)
        });
        let answer = async {
            let line = answer.await.map_err(|error| Failure::new(&error, None))?;
            line.map_err(asked)
        };
        let line = watch.unless_stopped("asking", answer).await?;
        Ok(line.trim() == word)
    }
}

/// What is said where the answer was no.
pub(super) fn declined() -> CommandError {
    CommandError::Failed(Failure {
        message: "nothing was done: the answer was another".to_owned(),
        causes: Vec::new(),
        hint: None,
    })
}
