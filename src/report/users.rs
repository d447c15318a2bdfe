//! Who runs images: beside what is looked after, and before something goes.

use std::io::{self, Write};

use serde::Serialize;

use super::Failure;
use super::repositories::write_failures;
use crate::usage::{Runner, Use};

/// Who runs an image, or one of a repository's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users {
    /// Whether somebody does; not known where nobody was seen to and not everybody could be asked.
    pub r#use: Use,
    /// ARNs of functions and services.
    pub by: Vec<String>,
}

impl Users {
    /// Nobody, of something that nobody can run.
    pub fn none() -> Self {
        Self {
            r#use: Use::Unused,
            by: Vec::new(),
        }
    }

    /// Nobody was asked yet.
    pub fn unknown() -> Self {
        Self {
            r#use: Use::Unknown,
            by: Vec::new(),
        }
    }

    /// Those of several together.
    pub fn of_all<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut together = Self::none();
        for one in all {
            together.r#use = match (together.r#use, one.r#use) {
                (Use::Used, _) | (_, Use::Used) => Use::Used,
                (Use::Unknown, _) | (_, Use::Unknown) => Use::Unknown,
                (Use::Unused, Use::Unused) => Use::Unused,
            };
            let new = one.by.iter().filter(|user| !together.by.contains(user));
            let new: Vec<String> = new.cloned().collect();
            together.by.extend(new);
        }
        together
    }

    /// For people, with whole ARNs.
    pub fn in_words(&self) -> String {
        match self.r#use {
            Use::Used => format!("used by {}", self.by.join(", ")),
            Use::Unused => "nobody was seen to use it".to_owned(),
            Use::Unknown => "who uses it is not known".to_owned(),
        }
    }

    /// In a column: `function NAME`, `service CLUSTER/NAME`; `-` for nobody, `?` where that is not known.
    pub fn in_short(&self) -> String {
        match self.r#use {
            Use::Used => self.by.iter().map(|arn| short(arn)).collect::<Vec<_>>().join(", "),
            Use::Unused => "-".to_owned(),
            Use::Unknown => "?".to_owned(),
        }
    }

    /// Why it may not go; none where it may. This word on the command line lets it go all the same.
    pub fn refusal(&self, word: &str) -> Option<Failure> {
        let (message, hint) = match self.r#use {
            Use::Unused => return None,
            Use::Used => ("it is in use", "let those who use it run another image first"),
            Use::Unknown => (
                "who uses it is not known",
                "allow who runs this to ask (docs/looking-after.md names what that takes)",
            ),
        };
        Some(Failure {
            message: message.to_owned(),
            causes: Vec::new(),
            hint: Some(format!("{hint}; {word} deletes it all the same").into()),
        })
    }
}

/// `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME[:VERSION]`, `arn:PARTITION:ecs:REGION:ACCOUNT:service/CLUSTER/NAME`.
fn short(arn: &str) -> String {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or(arn);
    match resource.split_once([':', '/']) {
        Some((kind, name)) => format!("{kind} {name}"),
        None => resource.to_owned(),
    }
}

/// Who was asked what runs. Nobody else can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WhoWasAsked {
    /// Functions of Lambda, services of ECS.
    pub runners: Vec<Runner>,
    /// In which accounts, by their numbers, as far as these are known.
    pub accounts: Vec<String>,
    /// In which regions.
    pub regions: Vec<String>,
    /// What could not be read of that.
    pub failures: Vec<Failure>,
}

impl WhoWasAsked {
    /// Below what goes: who was asked, and what could not be read of that.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", self.in_words())?;
        write_failures(out, &self.failures)
    }

    /// For people, with what nobody was asked.
    pub fn in_words(&self) -> String {
        let words = |runner: &Runner| match runner {
            Runner::Lambda => "functions of Lambda",
            Runner::Ecs => "services and tasks of ECS",
        };
        let asked: Vec<&str> = self.runners.iter().map(words).collect();
        let all = [Runner::Lambda, Runner::Ecs];
        let others = all.iter().filter(|runner| !self.runners.contains(runner));
        let others: Vec<String> = others
            .map(|runner| format!("{} (usage.include)", words(runner)))
            .collect();
        let never = "EKS, App Runner, Batch, SageMaker and other accounts".to_owned();
        format!(
            "asked who uses it: {} in {} of {}; not seen: {}",
            asked.join(" and "),
            match self.regions.len() {
                0..=3 => self.regions.join(", "),
                many => format!("{many} regions"),
            },
            match self.accounts.is_empty() {
                true => "an account whose number is not known".to_owned(),
                false => self.accounts.join(", "),
            },
            others.into_iter().chain([never]).collect::<Vec<_>>().join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(r#use: Use, by: &[&str]) -> Users {
        Users {
            r#use,
            by: by.iter().map(|&arn| arn.to_owned()).collect(),
        }
    }

    #[test]
    fn a_user_is_told_by_what_it_is_and_its_name() {
        // The ARNs' shapes are those of the Service Authorization Reference.
        let by = [
            "arn:aws:lambda:eu-central-1:123456789012:function:checkout-api:3",
            "arn:aws:ecs:eu-central-1:123456789012:service/main/web",
        ];
        let used = users(Use::Used, &by);
        assert_eq!(used.in_short(), "function checkout-api:3, service main/web");
        assert_eq!(used.in_words(), format!("used by {}", by.join(", ")));
        assert_eq!(users(Use::Unused, &[]).in_short(), "-");
        assert_eq!(users(Use::Unknown, &[]).in_short(), "?");
    }

    #[test]
    fn of_several_one_that_is_used_counts_and_then_one_that_is_not_known() {
        let (a, b) = (users(Use::Used, &["a"]), users(Use::Used, &["a", "b"]));
        let (unknown, unused) = (users(Use::Unknown, &[]), users(Use::Unused, &[]));
        assert_eq!(
            Users::of_all([&unused, &a, &unknown, &b]),
            users(Use::Used, &["a", "b"])
        );
        assert_eq!(Users::of_all([&unused, &unknown]), unknown);
        assert_eq!(Users::of_all([&unused, &unused]), unused);
        assert_eq!(Users::of_all([]), unused);
    }

    #[test]
    fn only_what_nobody_uses_goes_without_force() {
        assert_eq!(users(Use::Unused, &[]).refusal("--force"), None);
        for (r#use, says) in [(Use::Used, "it is in use"), (Use::Unknown, "not known")] {
            let refusal = users(r#use, &[]).refusal("--force").unwrap();
            assert!(refusal.message.contains(says), "{}", refusal.message);
            assert!(refusal.hint.unwrap().contains("--force"));
        }
    }
}
