use serde::{Deserialize, Serialize};

/// A call that failed: what was asked, of whom, and why it failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Twelve digits; none where it is about all, or not known.
    pub account: Option<String>,
    /// None where it is about all of an account.
    pub region: Option<String>,
    /// Who was asked.
    pub service: Service,
    /// Such as `DescribeImages`.
    pub operation: String,
    /// The repository, function, log group, cluster or image.
    pub subject: Option<String>,
    /// What sort of failure it is.
    pub kind: FailureKind,
    /// What was tried and came to nothing.
    pub message: String,
    /// What brought it about, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
}

/// Who was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Who we are, and roles.
    Sts,
    /// Which regions an account has.
    Account,
    /// Repositories and images.
    Ecr,
    /// Functions.
    Lambda,
    /// Their logs.
    Logs,
    /// Services.
    Ecs,
    /// The registry that an image comes from.
    Upstream,
    /// What remembers which image was made of what.
    Ledger,
}

impl Service {
    /// As it stands in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Account => "account",
            Self::Ecr => "ecr",
            Self::Lambda => "lambda",
            Self::Logs => "logs",
            Self::Ecs => "ecs",
            Self::Upstream => "upstream",
            Self::Ledger => "ledger",
        }
    }
}

/// What sort of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// There are no credentials, or they may not do this.
    NotAllowed,
    /// Too many requests, also after all tries.
    Throttled,
    /// Nobody answered, or not in time.
    Unreachable,
    /// It has gone since it was listed.
    NotFound,
    /// A signal, or the end of the time, came first.
    Stopped,
    /// Anything else.
    Other,
}

impl FailureKind {
    /// As it stands in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
            Self::NotFound => "not_found",
            Self::Stopped => "stopped",
            Self::Other => "other",
        }
    }
}

impl Failed {
    /// Message and causes, with colons between.
    pub fn in_words(&self) -> String {
        let words = [&self.message].into_iter().chain(&self.causes);
        words.map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    /// Whether another is the same failure of the same account in another region, about the whole of it.
    pub fn is_elsewhere(&self, other: &Self) -> bool {
        let (Some(here), Some(there)) = (&self.region, &other.region) else {
            return false;
        };
        let about = |one: &Self| {
            (
                one.account.clone(),
                one.service,
                one.operation.clone(),
                one.hint.clone(),
            )
        };
        here != there
            && self.subject.is_none()
            && other.subject.is_none()
            && about(self) == about(other)
            && self.causes == other.causes
            && self.message.replace(here, "") == other.message.replace(there, "")
    }
}
