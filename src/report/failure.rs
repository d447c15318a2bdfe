use std::borrow::Cow;
use std::error::Error;
use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::aws::Trouble as AwsTrouble;
use crate::aws::ecr::NotCreated;
use crate::engine::{EngineError, Trouble};
use crate::execute::NotAttempted;
use crate::plan::Copy;
use crate::survey::{Absent, Closed, PassedOver, Survey, SurveyError, Unmatched};

use super::hints::trouble_hint;
use super::text::one_line;

/// What went wrong, in words: what was tried, on what, on which side; what came back; what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What was tried and came to nothing.
    pub message: String,
    /// What brought it about, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<Cow<'static, str>>,
}

impl From<&Unmatched> for Failure {
    fn from(
        Unmatched {
            keyword,
            registry,
            region,
        }: &Unmatched,
    ) -> Self {
        let none = format!("no repository of {registry} in {region} has");
        let (message, hint) = match keyword {
            Some(keyword) => (
                format!("{none} {keyword:?} in its name"),
                "check `keyword` (letter case counts), the region and the account; discovery.allow_no_match: true makes this no failure",
            ),
            None => (
                format!("{none} the resource tag ecr_sync_opt: in, and neither keyword nor images are set"),
                "set keyword (KEYWORD) or images, tag the repositories that are meant (docs/rules.md), or check the region and the account; \
                 discovery.allow_no_match: true makes this no failure",
            ),
        };
        Self {
            message,
            causes: Vec::new(),
            hint: Some(hint.into()),
        }
    }
}

impl Failure {
    /// Of an error and everything beneath it.
    pub fn new(error: &(dyn Error + 'static), hint: Option<&'static str>) -> Self {
        Self {
            message: error.to_string(),
            causes: anyhow::Chain::new(error).skip(1).map(ToString::to_string).collect(),
            hint: hint.map(Into::into),
        }
    }

    /// Message and causes on one line.
    pub fn in_one_line(&self) -> String {
        let mut line = self.message.clone();
        for cause in &self.causes {
            line.push_str(": ");
            line.push_str(cause);
        }
        one_line(&line)
    }

    /// The run was stopped while it was at something.
    pub fn stopped(at: &str) -> Self {
        Self {
            message: format!("stopped while {at}"),
            causes: Vec::new(),
            hint: None,
        }
    }

    /// What the survey could not find out that is not one image's.
    pub fn of_survey(survey: &Survey) -> impl Iterator<Item = Self> {
        let closed = survey.closed.iter().map(Self::of_closed);
        let absent = survey.absent.iter().map(Self::of_absent);
        let unmatched = survey.unmatched.iter().map(Self::from);
        unmatched
            .chain(closed)
            .chain(survey.unlisted.iter().map(Self::of_unlisted))
            .chain(absent)
    }

    fn of_absent(
        Absent {
            only,
            near,
            keyword,
            passed_over,
        }: &Absent,
    ) -> Self {
        if let Some(why) = passed_over {
            let (why, hint) = match why {
                PassedOver::Rules(why) => (
                    why.clone(),
                    "`ecr-keeper tags` with the same rules and --explain tells of every tag",
                ),
                PassedOver::NotNamed => (
                    "its repository has no resource tag ecr_sync_opt: in, and no entry of images names it".to_owned(),
                    "give it the resource tags ecr_sync_opt and ecr_sync_source (docs/rules.md)",
                ),
                PassedOver::Backup => (
                    "it is a backup (policy.backup), which follows nothing".to_owned(),
                    "`ecr-keeper rollback` with the tag that it is of puts it back",
                ),
                PassedOver::NotUpstream(upstream) => (
                    format!("upstream {upstream} has no such tag"),
                    "`ecr-keeper tags` lists those that there are",
                ),
            };
            return Self {
                message: format!("{only} is not looked after"),
                causes: vec![why],
                hint: Some(hint.into()),
            };
        }
        let meant = match near {
            Some(near) => format!("; did you mean {near}?"),
            None => String::new(),
        };
        Self {
            message: format!("{only} is not among the repositories and tags that are looked after{meant}"),
            causes: Vec::new(),
            hint: Some(
                match keyword {
                    true => "check the name, and that `keyword` is a part of it; a plan lists all",
                    false => "check the name and the tag, the region and the account",
                }
                .into(),
            ),
        }
    }

    fn of_unlisted(repository: &String) -> Self {
        Self {
            message: format!("repository {repository} was not looked at: the run was stopped before"),
            causes: Vec::new(),
            hint: None,
        }
    }

    pub(super) fn not_attempted(why: NotAttempted) -> Self {
        let (message, hint) = match why {
            NotAttempted::Stopped => ("not attempted: the run was stopped before", None),
            NotAttempted::DaemonLost => (
                "not attempted: the daemon was lost before",
                trouble_hint(Trouble::DaemonLost),
            ),
            NotAttempted::NoRepository => ("not attempted: the repository was not created", None),
        };
        Self {
            message: message.to_owned(),
            causes: Vec::new(),
            hint: hint.map(Into::into),
        }
    }

    /// Of an image that nobody who works on the queue has told of yet.
    pub(super) fn queued() -> Self {
        Self {
            message: "not done yet: it is in the queue".to_owned(),
            causes: Vec::new(),
            hint: Some(
                "`ecr-keeper work run` does it; see that somebody runs it, and what is in the dead-letter queue".into(),
            ),
        }
    }

    /// Of an image that did not get into the queue.
    pub fn not_queued() -> Self {
        Self {
            message: "not done: it was not put into the queue".to_owned(),
            causes: Vec::new(),
            hint: Some("run `ecr-keeper work enqueue` again: what is current by then is not sent again".into()),
        }
    }

    /// Of an image that nobody tries any more.
    pub fn given_up(why: &str) -> Self {
        Self {
            message: "given up".to_owned(),
            causes: vec![why.to_owned()],
            hint: Some(
                "the message is in the dead-letter queue: once the reason is gone, start its redrive, or enqueue anew"
                    .into(),
            ),
        }
    }

    /// Of a version whose tag moved upstream, and that was followed.
    pub(super) fn of_moved_version(copy: &Copy) -> Self {
        Self {
            message: format!(
                "the version {} has moved upstream, and {} has followed it",
                copy.upstream, copy.target
            ),
            causes: Vec::new(),
            hint: Some(
                "find out why it moved; policy.retag: freeze keeps what is there, policy.retag_except names tags that are known to move".into(),
            ),
        }
    }

    /// Of a repository that did not come about as it should.
    pub fn of_creation(repository: &impl Display, why: &NotCreated) -> Self {
        let inner = Self::from(&why.source);
        let invalid = match why.source.call {
            "CreateRepository" => {
                "check the name (lower case; letters, digits and . _ - / between them; 2 to 256 characters) and `repositories`"
            }
            "PutLifecyclePolicy" => "mend the file that repositories.lifecycle_policy names",
            _ => "mend the file that repositories.policy names",
        };
        let mut causes = vec![inner.message];
        causes.extend(inner.causes);
        causes.extend(why.left.iter().flat_map(|left| {
            let left = Self::from(left);
            let told = "the repository is there without it, for it could not be removed again".to_owned();
            [told, left.message].into_iter().chain(left.causes)
        }));
        Self {
            message: format!("create repository {repository}"),
            causes,
            hint: match why.source.trouble {
                _ if why.left.is_some() => {
                    Some("delete the repository, or mend it by hand: the next run takes it as it is".into())
                }
                AwsTrouble::Invalid => Some(invalid.into()),
                _ => inner.hint,
            },
        }
    }

    pub(super) fn cut_off() -> Self {
        Self {
            message: "cut off: the run was stopped while it was at work on this image".to_owned(),
            causes: Vec::new(),
            hint: Some("the registry may have taken it at the last moment; the next run compares again".into()),
        }
    }

    fn of_closed(Closed { repository, from, why }: &Closed) -> Self {
        let inner = Self::from(why);
        // It names the tag and its repository itself.
        if let SurveyError::Tag(_) = why {
            return inner;
        }
        let mut causes = vec![inner.message];
        causes.extend(inner.causes);
        Self {
            message: match from {
                // A repository's own tags.
                Some(from) if from.ends_with(&format!(" of {repository}")) => {
                    format!("what {from} name is passed over")
                }
                Some(from) => format!("{from}, for repository {repository}, is passed over"),
                None => format!("repository {repository} is passed over"),
            },
            causes,
            hint: inner.hint,
        }
    }

    /// Of what could not be removed from the daemon: one for each, but one for all where the daemon was lost.
    pub(super) fn of_leftovers(left: &[EngineError]) -> Vec<Self> {
        let is_lost = |error: &&EngineError| {
            matches!(
                error,
                EngineError::Daemon {
                    trouble: Trouble::DaemonLost,
                    ..
                }
            )
        };
        let mut failures: Vec<Self> = left
            .iter()
            .filter(|error| !is_lost(error))
            .map(Self::of_leftover)
            .collect();
        if left.iter().any(|error| is_lost(&error)) {
            failures.push(Self {
                message: "the daemon was lost, and what the run had brought into it is there still".to_owned(),
                causes: Vec::new(),
                hint: Some("`docker images` shows it when the daemon is back; remove it by hand".into()),
            });
        }
        failures
    }

    fn of_leftover(error: &EngineError) -> Self {
        let inner = Self::from(error);
        Self {
            message: "something that the run brought into the daemon could not be removed".to_owned(),
            causes: std::iter::once(inner.message).chain(inner.causes).collect(),
            hint: Some("`docker images` shows it; remove it by hand".into()),
        }
    }
}
