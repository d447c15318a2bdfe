use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::image::{Digest, Tag};

/// Why an image goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum GoesBecause {
    /// Every rule holds for it, and nothing protects it.
    Rules {
        /// These.
        rules: Vec<Rule>,
    },
    /// Each index that it is a part of goes.
    PartOf {
        /// One of them.
        index: Digest,
    },
    /// What it refers to goes.
    RefersTo {
        /// That.
        subject: Digest,
    },
}

/// A rule that holds for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// So many tagged images are newer, or it has no tag.
    Keep,
    /// It was pushed before that.
    OlderThan,
    /// It has no tag.
    Untagged,
    /// Nobody has pulled it since.
    NotPulledFor,
    /// All its tags match.
    Tags,
    /// What it refers to is not there.
    Orphans,
    /// Everything goes.
    AllImages,
}

/// Why an image stays. What comes first here is told where several hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum KeptBecause {
    /// Somebody runs it.
    InUse {
        /// ARNs.
        by: Vec<String>,
    },
    /// It is an index, and somebody runs a part of it.
    PartInUse {
        /// That part.
        part: Digest,
        /// ARNs.
        by: Vec<String>,
    },
    /// The settings protect it.
    Protected {
        /// The entry of `protect`.
        by: String,
    },
    /// It is among the images that were pushed last, whether they have a tag or not.
    PushedLast {
        /// So many stay.
        count: usize,
    },
    /// Its upstream is gone.
    LastCopy {
        /// Its tag that followed it.
        tag: Tag,
        /// When that was noticed.
        since: Timestamp,
    },
    /// It is a backup.
    Backup {
        /// The tag that says so.
        tag: Tag,
        /// The end of its term.
        until: Timestamp,
    },
    /// It was put away to be kept.
    Archived,
    /// It is among the newest.
    Newest {
        /// So many stay.
        keep: usize,
        /// The words of their suffix, where each such group has its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        suffix: Option<String>,
    },
    /// It was pushed without a tag a moment ago: the index that it is a part of may be on its way.
    JustPushed,
    /// It was pushed too short a time ago.
    TooYoung {
        /// When it was pushed.
        pushed: Option<Timestamp>,
    },
    /// Somebody pulled it, or pushed it, too short a time ago.
    Pulled {
        /// When.
        at: Option<Timestamp>,
    },
    /// What it signs or describes is not in this repository: it may be in another. Only a rule for orphans, for its tags, or for all images takes it.
    SubjectElsewhere,
    /// It refers to nothing, or to something that is there, and only orphans are to go.
    NoOrphan,
    /// It has a tag, and only untagged ones are to go.
    Tagged,
    /// It has no tag that could match.
    HasNoTag,
    /// One of its tags does not match.
    OtherTag {
        /// That one.
        tag: Tag,
    },
    /// It is not as it was shown.
    Changed,
    /// It is a part of an index that stays.
    PartOf {
        /// That one.
        index: Digest,
    },
    /// It is an index, and a part of it stays that has a tag or is protected.
    PartStays {
        /// That one.
        part: Digest,
    },
    /// What it refers to stays.
    RefersTo {
        /// That.
        subject: Digest,
    },
    /// It is an index that cannot be read: whether a part of it runs, or is protected, is not known.
    Unreadable,
    /// It may be a part of an index that stays and cannot be read.
    MayBePartOf {
        /// That one.
        index: Digest,
    },
    /// A service goes on with the digest that its tag named when it was deployed, which is not known: it may be this one.
    MayBeInUse {
        /// ARNs.
        by: Vec<String>,
    },
    /// Its repository has been used since it was reported as one that could go.
    UsedSince {
        /// When an image of it was pulled or pushed last.
        at: Timestamp,
    },
    /// Who runs it is not known.
    UseUnknown,
}

impl GoesBecause {
    /// For people.
    pub fn in_words(&self, rules: &super::Rules) -> String {
        match self {
            Self::Rules { rules: held } => {
                let words: Vec<String> = held.iter().map(|rule| rule.in_words(rules)).collect();
                words.join(", ")
            }
            Self::PartOf { index } => format!("part of {}, which goes", index.short()),
            Self::RefersTo { subject } => format!("refers to {}, which goes", subject.short()),
        }
    }
}

impl Rule {
    fn in_words(self, rules: &super::Rules) -> String {
        let span = |time: Option<Duration>| days(time.unwrap_or_default());
        match self {
            Self::Keep => format!("not among the newest {}", rules.keep),
            Self::OlderThan => format!("pushed over {} ago", span(rules.older_than)),
            Self::Untagged => "untagged".to_owned(),
            Self::NotPulledFor => format!("not pulled for {}", span(rules.not_pulled_for)),
            Self::Tags => "its tags match".to_owned(),
            Self::Orphans => "what it refers to is not here".to_owned(),
            Self::AllImages => "all images".to_owned(),
        }
    }
}

/// Days as such; humantime would make months of 30.44 days of them.
pub(super) fn days(time: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    let rest = Duration::from_secs(time.as_secs() % DAY);
    let rest = humantime::format_duration(rest).to_string();
    match (time.as_secs() / DAY, time.as_secs() % DAY) {
        (0, _) => rest,
        (1, 0) => "1 day".to_owned(),
        (days, 0) => format!("{days} days"),
        (days, _) => format!("{days}d {rest}"),
    }
}

impl KeptBecause {
    /// For people.
    pub fn in_words(&self) -> String {
        let day = |at: &Timestamp| at.strftime("%Y-%m-%d").to_string();
        match self {
            Self::InUse { by } => format!("in use by {}", by.join(", ")),
            Self::PartInUse { part, by } => format!("its part {} is in use by {}", part.short(), by.join(", ")),
            Self::MayBeInUse { by } => format!("may be what {} goes on with", by.join(", ")),
            Self::UsedSince { at } => {
                format!(
                    "its repository has been used since the report: an image was pulled or pushed on {}",
                    day(at)
                )
            }
            Self::UseUnknown => "who runs it is not known".to_owned(),
            Self::Protected { by } => format!("protected by {by:?}"),
            Self::PushedLast { count } => format!("among the {count} pushed last"),
            Self::LastCopy { tag, since } => {
                format!("may be the last copy: the upstream of {tag} was gone on {}", day(since))
            }
            Self::Backup { tag, until } => format!("{tag} is a backup until {}", day(until)),
            Self::Archived => "archived".to_owned(),
            Self::Changed => "not as it was shown: it, or one of its tags, has come since".to_owned(),
            Self::Newest { keep, suffix: None } => format!("among the newest {keep}"),
            Self::Newest {
                keep,
                suffix: Some(suffix),
            } if suffix.is_empty() => {
                format!("among the newest {keep} without a suffix")
            }
            Self::Newest {
                keep,
                suffix: Some(suffix),
            } => format!("among the newest {keep} of {suffix}"),
            Self::JustPushed => "pushed without a tag within the last hour".to_owned(),
            Self::TooYoung { pushed: Some(at) } => format!("pushed on {}", day(at)),
            Self::TooYoung { pushed: None } => "when it was pushed is not known".to_owned(),
            Self::Pulled { at: Some(at) } => format!("pulled or pushed on {}", day(at)),
            Self::Pulled { at: None } => "when it was pulled is not known".to_owned(),
            Self::SubjectElsewhere => "what it refers to is not in this repository".to_owned(),
            Self::NoOrphan => "it refers to nothing that is missing".to_owned(),
            Self::Tagged => "it has a tag".to_owned(),
            Self::HasNoTag => "it has no tag".to_owned(),
            Self::OtherTag { tag } => format!("tag {tag} does not match"),
            Self::PartOf { index } => format!("part of {}, which stays", index.short()),
            Self::PartStays { part } => format!("its part {} stays", part.short()),
            Self::RefersTo { subject } => format!("refers to {}, which stays", subject.short()),
            Self::Unreadable => "an index that cannot be read".to_owned(),
            Self::MayBePartOf { index } => format!("may be part of {}, which cannot be read", index.short()),
        }
    }
}
