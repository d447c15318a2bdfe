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
    /// Message and causes, with colons between; what a stop cut off says where.
    pub fn in_words(&self) -> String {
        let words = [&self.message].into_iter().chain(&self.causes);
        let words = words.map(String::as_str).collect::<Vec<_>>().join(": ");
        match (self.kind, &self.region, &self.subject) {
            (FailureKind::Stopped, Some(region), None) => format!("{words} (in {region})"),
            (FailureKind::Stopped, Some(region), Some(subject)) => format!("{words} ({subject} in {region})"),
            _ => words,
        }
    }

    /// Each once, and as one what failed in just the same way elsewhere.
    pub fn grouped(failures: &[Self]) -> impl Iterator<Item = Self> {
        let mut groups: Vec<(&Self, Vec<&Self>)> = Vec::new();
        for failed in failures {
            if groups.iter().any(|(first, _)| *first == failed) {
                continue;
            }
            match groups.iter_mut().find(|(first, _)| first.is_like(failed)) {
                Some((_, others)) => others.push(failed),
                None => groups.push((failed, Vec::new())),
            }
        }
        groups.into_iter().map(|(first, others)| first.with(&others))
    }

    /// Whether another is the same failure of the same account: in another region, and about the whole of it there, or about another thing that
    /// nobody may ask about, either.
    fn is_like(&self, other: &Self) -> bool {
        let is_same = self.account == other.account
            && self.service == other.service
            && self.operation == other.operation
            && self.kind == other.kind
            && self.hint == other.hint;
        is_same
            && match (&self.subject, &other.subject, &self.region, &other.region) {
                (None, None, Some(here), Some(there)) => {
                    here != there
                        && self.causes == other.causes
                        && self.message.replace(here, "") == other.message.replace(there, "")
                }
                (Some(one), Some(another), ..) => one != another && self.kind == FailureKind::NotAllowed,
                _ => false,
            }
    }

    /// This and `others` that are like it, in one.
    fn with(&self, others: &[&Self]) -> Self {
        let mut one = self.clone();
        match (&self.region, others) {
            (_, []) => {}
            (Some(region), _) if self.subject.is_none() => {
                let others = others.iter().filter_map(|other| other.region.as_deref());
                let mut all: Vec<&str> = [region.as_str()].into_iter().chain(others).collect();
                all.dedup();
                let all = format!("{} regions ({})", all.len(), all.join(", "));
                one.message = self.message.replace(region, &all);
                one.region = Some(all);
            }
            _ => {
                let last = one.causes.last_mut().unwrap_or(&mut one.message);
                last.push_str(&format!(", and {} more like it", others.len()));
            }
        }
        one
    }
}
