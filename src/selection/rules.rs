//! One set of rules, and what it makes of a tag.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use regex::Regex;

use super::constraint::Constraint;
use super::version::Version;
use super::{Candidate, Class, PassedOver};
use crate::image::Tag;

/// Which tags are wanted; nothing set wants everything.
///
/// The first seven are those of lambda-ecr-image-sync. Together they choose, by the first that applies: a plain tag, when it is named, or
/// others are excluded; a version, when it is named, or others are excluded, or else by what follows its numbers and by its
/// numbers. Of what they choose, `allow`, `deny`, `newest` and `newest_per` leave some.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// These tags, whatever else is said.
    pub include_tags: Vec<Tag>,
    /// All tags but these.
    pub exclude_tags: Vec<Tag>,
    /// Versions with a part in their suffix that begins with one of these words.
    pub include_rls: Vec<String>,
    /// None with a part in its suffix that begins with one of these words. By itself this chooses nothing.
    pub exclude_rls: Vec<String>,
    /// Versions for which this holds; without other rules, releases alone.
    pub constraint: Option<Constraint>,
    /// Only versions with a suffix, where include_rls says which.
    pub release_only: bool,
    /// No more than so many, in the order in which they are told; 0 is any number.
    pub max_results: usize,
    /// Tags that one of these matches as a whole.
    pub allow: Vec<Pattern>,
    /// No tag that one of these matches as a whole.
    pub deny: Vec<Pattern>,
    /// Versions with such a suffix, and no other.
    pub suffix: Option<Suffix>,
    /// Of what is left, the newest so many versions, of each group where [`Rules::newest_per`] makes some.
    pub newest: Option<usize>,
    /// In which groups the newest versions are looked for.
    pub newest_per: Option<Per>,
}

/// A regular expression for whole texts.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    whole: Regex,
}

/// What follows a version's numbers.
#[derive(Debug, Clone)]
pub enum Suffix {
    /// Nothing: releases.
    None,
    /// This word, whatever number or revision comes with it: `alpine` is `1.25-alpine3.18`'s, and not `1.25-alpine-slim`'s.
    Word(String),
    /// What this matches as a whole.
    Matches(Pattern),
}

/// Versions of which the newest are wanted apart from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Those with the same first two numbers.
    Minor,
    /// Those with the same first number.
    Major,
    /// Those whose suffixes are the same but for numbers.
    Suffix,
}

/// A text that is no regular expression: what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPattern(String);

impl From<regex::Error> for InvalidPattern {
    /// The mistake is told below a drawing of where it is; the last line is what it is.
    fn from(error: regex::Error) -> Self {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        Self(last.strip_prefix("error: ").unwrap_or(last).to_owned())
    }
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        // By itself first: `a)|(b` would be none, and yet be one between the anchors.
        Regex::new(text)?;
        Ok(Self {
            text: text.to_owned(),
            whole: Regex::new(&format!("^(?:{text})$"))?,
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// Whether it matches a whole text.
    pub fn is_match(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

impl FromStr for Suffix {
    type Err = InvalidPattern;

    /// `none`, a word of letters, or a regular expression.
    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        Ok(match text {
            "" => return Err(InvalidPattern("write none for versions without one".to_owned())),
            "none" => Self::None,
            word if word.bytes().all(|byte| byte.is_ascii_alphabetic()) => Self::Word(word.to_owned()),
            pattern => Self::Matches(pattern.parse()?),
        })
    }
}

/// A word that makes no groups of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write minor, major or suffix")]
pub struct InvalidPer;

impl FromStr for Per {
    type Err = InvalidPer;

    fn from_str(text: &str) -> Result<Self, InvalidPer> {
        match text {
            "minor" => Ok(Self::Minor),
            "major" => Ok(Self::Major),
            "suffix" => Ok(Self::Suffix),
            _ => Err(InvalidPer),
        }
    }
}

impl Suffix {
    fn fits(&self, suffix: &str) -> bool {
        match self {
            Self::None => suffix.is_empty(),
            Self::Word(word) => family(suffix).eq([word.as_str()]),
            Self::Matches(pattern) => pattern.is_match(suffix),
        }
    }
}

/// A suffix without its numbers and revisions: `debian` of `debian-12-r32`, `alpine` and `slim` of `alpine3.18-slim`.
pub(super) fn family(suffix: &str) -> impl Iterator<Item = &str> {
    let is_numeric = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    suffix.split('-').filter_map(move |part| {
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let is_revision = part.strip_prefix('r').is_some_and(is_numeric);
        (!word.is_empty() && !is_revision).then_some(word)
    })
}

impl Rules {
    /// What becomes of each of the candidates, which are in the order in which they are told.
    pub(super) fn judge(&self, candidates: &[Candidate<'_>]) -> Vec<Result<(), PassedOver>> {
        let mut judged: Vec<_> = candidates.iter().map(|candidate| self.judge_one(candidate)).collect();
        self.leave_older(candidates, &mut judged);
        if let Some(limit) = self.limit() {
            let chosen = judged.iter_mut().filter(|judged| judged.is_ok());
            chosen
                .skip(limit)
                .for_each(|judged| *judged = Err(PassedOver::OverLimit { max_results: limit }));
        }
        judged
    }

    /// How many are chosen at most.
    fn limit(&self) -> Option<usize> {
        match self.max_results {
            _ if self.has_named_limit() => Some(self.include_tags.len()),
            0 => None,
            limit => Some(limit),
        }
    }

    /// Whether no more are chosen than are named: unless other rules choose others beside them.
    pub(super) fn has_named_limit(&self) -> bool {
        !self.include_tags.is_empty() && self.constraint.is_none() && !self.has_own()
    }

    fn judge_one(&self, candidate: &Candidate<'_>) -> Result<(), PassedOver> {
        let tag = candidate.tag.as_str();
        if candidate.tag.is_of_referrers() {
            return Err(PassedOver::PlaceOfReferrers);
        }
        if let Some(deny) = self.denying(tag) {
            return Err(PassedOver::Denied { deny: deny.to_owned() });
        }
        if self.names(tag) {
            return Ok(());
        }
        if !self.allow.is_empty() && !self.allow.iter().any(|pattern| pattern.is_match(tag)) {
            return Err(PassedOver::NotAllowed);
        }
        match &candidate.class {
            Class::NoVersion => Err(PassedOver::NoVersion),
            Class::Plain => self.judge_plain(tag),
            Class::Version(version) => self.judge_version(tag, version),
        }
    }

    pub(super) fn named_tags(&self) -> impl Iterator<Item = Tag> {
        let is_denied = |tag: &&Tag| self.denying(tag.as_str()).is_some();
        self.include_tags.iter().filter(move |tag| !is_denied(tag)).cloned()
    }

    /// The pattern that denies a tag.
    pub(super) fn denying(&self, tag: &str) -> Option<&str> {
        let pattern = self.deny.iter().find(|pattern| pattern.is_match(tag));
        pattern.map(|pattern| pattern.text.as_str())
    }

    pub(super) fn names(&self, tag: &str) -> bool {
        self.include_tags.iter().any(|named| named.as_str() == tag)
    }

    /// What excludes a tag by its name; none where no names are excluded.
    fn excludes(&self, tag: &str) -> Option<Result<(), PassedOver>> {
        let named = || self.exclude_tags.iter().any(|named| named.as_str() == tag);
        (!self.exclude_tags.is_empty()).then(|| match named() {
            true => Err(PassedOver::Excluded),
            false => Ok(()),
        })
    }

    /// Whether a rule is set that lambda-ecr-image-sync has not got. What is named there comes beside what these choose.
    fn has_own(&self) -> bool {
        !self.allow.is_empty() || self.suffix.is_some() || self.newest.is_some() || self.newest_per.is_some()
    }

    /// Whether none of the rules is set that choose: then everything is chosen.
    fn choose_all(&self) -> bool {
        let has_words = !self.include_rls.is_empty() || !self.exclude_rls.is_empty();
        self.exclude_tags.is_empty()
            && !has_words
            && self.constraint.is_none()
            && self.suffix.is_none()
            && (self.include_tags.is_empty() || self.has_own())
    }

    fn judge_plain(&self, tag: &str) -> Result<(), PassedOver> {
        match self.excludes(tag) {
            _ if self.newest.is_some() || self.newest_per.is_some() || self.suffix.is_some() => Err(PassedOver::Plain),
            Some(excluded) => excluded,
            None if self.choose_all() => Ok(()),
            None => Err(PassedOver::NotNamed),
        }
    }

    fn judge_version(&self, tag: &str, version: &Version) -> Result<(), PassedOver> {
        if let Some(suffix) = &self.suffix {
            self.excludes(tag).unwrap_or(Ok(()))?;
            return match (suffix.fits(version.suffix()), self.has_core_in_constraint(version)) {
                (false, _) => Err(PassedOver::OtherSuffix),
                (true, false) => Err(self.outside()),
                (true, true) => Ok(()),
            };
        }
        if let Some(excluded) = self.excludes(tag) {
            return excluded;
        }
        if self.choose_all() {
            return Ok(());
        }
        if self.constraint.is_none() && self.include_rls.is_empty() && self.exclude_rls.is_empty() {
            return Err(PassedOver::NotNamed);
        }
        let parts = || version.suffix().split('-');
        let begins = |word: &&String| parts().any(|part| part.starts_with(word.as_str()));
        match version.suffix().is_empty() {
            true if self.release_only => Err(PassedOver::NoSuffix),
            true => match &self.constraint {
                Some(constraint) if constraint.holds_for(version) => Ok(()),
                Some(_) => Err(self.outside()),
                None => Err(PassedOver::NoSuffix),
            },
            false => match (
                self.exclude_rls.iter().find(begins),
                self.include_rls.iter().any(|word| begins(&word)),
            ) {
                (Some(word), _) => Err(PassedOver::ExcludedRelease { word: word.clone() }),
                (None, false) => Err(PassedOver::OtherSuffix),
                (None, true) if self.has_core_in_constraint(version) => Ok(()),
                (None, true) => Err(self.outside()),
            },
        }
    }

    fn has_core_in_constraint(&self, version: &Version) -> bool {
        let holds = |constraint: &Constraint| constraint.holds_for_core_of(version);
        self.constraint.as_ref().is_none_or(holds)
    }

    fn outside(&self) -> PassedOver {
        PassedOver::Outside {
            constraint: self.constraint.as_ref().map(Constraint::text).unwrap_or_default(),
        }
    }

    /// Passes over those that are not among the newest. What is named stays, and does not count.
    fn leave_older(&self, candidates: &[Candidate<'_>], judged: &mut [Result<(), PassedOver>]) {
        let newest = match (self.newest, self.newest_per) {
            (None, None) => return,
            (newest, _) => newest.unwrap_or(1),
        };
        let mut seen: HashMap<(u64, u64, Vec<&str>), usize> = HashMap::new();
        for (candidate, judged) in candidates.iter().zip(judged) {
            let Class::Version(version) = &candidate.class else {
                continue;
            };
            if judged.is_err() || self.names(candidate.tag.as_str()) {
                continue;
            }
            let group = match self.newest_per {
                None => Default::default(),
                Some(Per::Major) => (version.segment(0), 0, Vec::new()),
                Some(Per::Minor) => (version.segment(0), version.segment(1), Vec::new()),
                Some(Per::Suffix) => (0, 0, family(version.suffix()).collect()),
            };
            let seen = seen.entry(group).or_default();
            *seen += 1;
            if *seen > newest {
                *judged = Err(PassedOver::Older { newest });
            }
        }
    }
}
