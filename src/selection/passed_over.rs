use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// Why a tag is not wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "because", rename_all = "kebab-case")]
pub enum PassedOver {
    /// It is the place of signatures, or of what else refers to an image.
    PlaceOfReferrers,
    /// It looks like a version, and go-version's grammar has no such.
    NoVersion,
    /// It is no version, and the rules are about versions.
    Plain,
    /// include_tags does not name it, and no other rule chooses it.
    NotNamed,
    /// exclude_tags names it.
    Excluded,
    /// deny matches it.
    Denied {
        /// Which of them.
        deny: String,
    },
    /// No pattern of allow matches it.
    NotAllowed,
    /// The constraint does not hold for its numbers.
    Outside {
        /// Which.
        constraint: Arc<str>,
    },
    /// Nothing follows its numbers, and only what has a suffix is wanted.
    NoSuffix,
    /// Something follows its numbers that is not wanted.
    OtherSuffix,
    /// A part of its suffix begins with a word of exclude_rls.
    ExcludedRelease {
        /// Which.
        word: String,
    },
    /// There are newer ones.
    Older {
        /// How many are wanted.
        newest: usize,
    },
    /// As many as are wanted come before it.
    OverLimit {
        /// How many are.
        max_results: usize,
    },
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlaceOfReferrers => f.write_str("it is the place of signatures or other referrers"),
            Self::NoVersion => f.write_str("it looks like a version and is none, and include_tags does not name it"),
            Self::Plain => f.write_str("it is no version, and the rules are about versions"),
            Self::NotNamed => f.write_str("include_tags does not name it"),
            Self::Excluded => f.write_str("exclude_tags names it"),
            Self::Denied { deny } => write!(f, "deny matches it: {deny}"),
            Self::NotAllowed => f.write_str("nothing in allow matches it"),
            Self::Outside { constraint } => write!(f, "the constraint does not hold for it: {constraint}"),
            Self::NoSuffix => f.write_str("nothing follows its numbers, and only versions with a suffix are chosen"),
            Self::OtherSuffix => f.write_str("what follows its numbers is not wanted"),
            Self::ExcludedRelease { word } => {
                write!(f, "exclude_rls has {word}, with which a part of its suffix begins")
            }
            Self::Older { newest: 1 } => f.write_str("a newer one is chosen"),
            Self::Older { newest } => write!(f, "{newest} newer ones are chosen"),
            Self::OverLimit { max_results } => {
                write!(f, "{max_results} come before it, which are as many as are wanted")
            }
        }
    }
}
