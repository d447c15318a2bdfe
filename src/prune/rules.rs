use std::time::Duration;

use serde::{Serialize, Serializer};

use super::because::days;
use crate::selection::Pattern;

/// What has to hold for an image to go: all of it. `keep` wins over everything else.
#[derive(Debug, Clone, Serialize)]
pub struct Rules {
    /// So many tagged images stay, those that were pushed last.
    pub keep: usize,
    /// Whether so many stay of each group of versions whose suffixes are the same but for numbers.
    pub per_suffix: bool,
    /// How long ago it was pushed, at least.
    #[serde(serialize_with = "in_words", skip_serializing_if = "Option::is_none")]
    pub older_than: Option<Duration>,
    /// Whether it has no tag.
    pub untagged: bool,
    /// How long nobody has pulled it, at least.
    #[serde(serialize_with = "in_words", skip_serializing_if = "Option::is_none")]
    pub not_pulled_for: Option<Duration>,
    /// What each of its tags is like.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub tags: Option<Pattern>,
    /// Whether it refers to what is not there, as the signature of an image that has gone.
    pub orphans: bool,
    /// Whether archived images go, too.
    pub archived: bool,
    /// Whether everything goes that nothing protects, whatever the rest says.
    pub all_images: bool,
}

fn in_words<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(days).serialize(serializer)
}

fn as_text<S: Serializer>(pattern: &Option<Pattern>, serializer: S) -> Result<S::Ok, S::Error> {
    pattern.as_ref().map(ToString::to_string).serialize(serializer)
}

/// Rules that no image could meet, or that say more than they look like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// What has no tag matches none.
    #[error("untagged images have no tag that could match")]
    TagsOfUntagged,
    /// Nothing would stay.
    #[error("none is kept and nothing else is said, which is every image")]
    Everything,
}

impl Rules {
    /// So many stay, and nothing else is said.
    pub fn keeping(keep: usize) -> Self {
        Self {
            keep,
            per_suffix: false,
            older_than: None,
            untagged: false,
            not_pulled_for: None,
            tags: None,
            orphans: false,
            archived: false,
            all_images: false,
        }
    }

    /// Everything goes that nothing protects.
    pub fn all_images() -> Self {
        Self {
            all_images: true,
            archived: true,
            ..Self::keeping(0)
        }
    }

    /// The same, where it holds together.
    ///
    /// # Errors
    /// Where it does not.
    pub fn checked(self) -> Result<Self, Contradiction> {
        let says_more = self.older_than.is_some()
            || self.not_pulled_for.is_some()
            || self.untagged
            || self.orphans
            || self.tags.is_some();
        match self.keep {
            _ if self.untagged && self.tags.is_some() => Err(Contradiction::TagsOfUntagged),
            0 if !says_more && !self.all_images => Err(Contradiction::Everything),
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_come_to_nothing_or_to_everything_are_told() {
        let none = Rules {
            untagged: true,
            tags: "a".parse().ok(),
            ..Rules::keeping(2)
        };
        assert_eq!(none.checked().unwrap_err(), Contradiction::TagsOfUntagged);
        assert_eq!(Rules::keeping(0).checked().unwrap_err(), Contradiction::Everything);
        assert!(Rules::all_images().checked().is_ok());
    }
}
