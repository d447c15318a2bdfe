//! Which of an upstream's tags are wanted, and why not the others. Pure.

mod constraint;
mod idle;
mod npm;
mod passed_over;
mod rules;
#[cfg(test)]
mod tests;
mod version;

pub use constraint::{Constraint, InvalidConstraint};
pub use idle::Idle;
pub use passed_over::PassedOver;
pub use rules::{InvalidPattern, InvalidPer, Pattern, Per, Rules, Suffix};
pub use version::{InvalidVersion, Version};

use std::cmp::{Ordering, Reverse};

use crate::image::{InvalidReference, Tag};

/// How many tags may be chosen, where nobody says: more are rather a mistake in the rules than meant.
pub const MAX_SELECTED: usize = 1000;

/// Sets of rules. A tag is wanted when one of them wants it.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The sets; without one, everything is wanted.
    pub any: Vec<Rules>,
    /// How many tags may be chosen.
    pub max_selected: usize,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            any: Vec::new(),
            max_selected: MAX_SELECTED,
        }
    }
}

/// What was made of an upstream's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Plain tags in the order of their letters, then versions, the newest first.
    pub chosen: Vec<Tag>,
    /// The others, in the same order, each with what every set of rules says of it.
    pub passed_over: Vec<(Tag, Vec<PassedOver>)>,
}

/// Rules that choose more tags than they may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rules choose {chosen} of {all} tags, and max_selected is {max_selected}")]
pub struct TooMany {
    /// How many they choose.
    pub chosen: usize,
    /// How many tags there are.
    pub all: usize,
    /// How many they may choose.
    pub max_selected: usize,
}

/// A tag as the rules see it.
struct Candidate<'a> {
    tag: &'a Tag,
    class: Class,
    /// Where it stands, as far as a number tells: a hundred thousand are sorted by it.
    rank: u128,
}

enum Class {
    /// Such as `latest`, `3` and `11-slim`.
    Plain,
    /// It begins like one and is none, such as `7.3.x-foo`.
    NoVersion,
    Version(Version),
}

impl Class {
    /// A version begins with `v` and a digit, or with up to five digits and a point: `20230101` is a date.
    fn of(tag: &str) -> Self {
        let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let is_like_one = match tag.strip_prefix('v') {
            Some(rest) => digits(rest) > 0,
            None => (1..=5).contains(&digits(tag)) && tag[digits(tag)..].starts_with('.'),
        };
        match (is_like_one, tag.parse()) {
            (false, _) => Self::Plain,
            (true, Ok(version)) => Self::Version(version),
            (true, Err(_)) => Self::NoVersion,
        }
    }
}

/// Whether a tag is a version: not `latest`, `3` or `11-slim`.
pub fn is_version(tag: &str) -> bool {
    matches!(Class::of(tag), Class::Version(_))
}

/// The words of a version's suffix without its numbers, by which versions are of one kind: `alpine-slim` of `1.25-alpine3.18-slim`, nothing of
/// `1.25`. None of what begins with no number, such as `latest`.
pub fn family_of(tag: &str) -> Option<String> {
    let version: Version = tag.parse().ok()?;
    Some(rules::family(version.suffix()).collect::<Vec<_>>().join("-"))
}

impl<'a> Candidate<'a> {
    fn of(tag: &'a Tag) -> Self {
        let class = Class::of(tag.as_str());
        let rank = match &class {
            Class::Plain | Class::NoVersion => 0,
            // The newest first, and all of them after the plain ones.
            Class::Version(version) => u128::MAX - version.leading(),
        };
        Self { tag, class, rank }
    }

    /// Plain tags by their letters, then versions from the newest on.
    fn order(&self, other: &Self) -> Ordering {
        let by_version = || match (&self.class, &other.class) {
            (Class::Version(one), Class::Version(other)) => Reverse(one).cmp(&Reverse(other)),
            _ => Ordering::Equal,
        };
        let ranks = self.rank.cmp(&other.rank);
        ranks.then_with(by_version).then_with(|| self.tag.cmp(other.tag))
    }
}

impl Selection {
    /// The tags that are wanted by name, and not denied: they are so whether or not a listing has them.
    pub fn named_tags(&self) -> impl Iterator<Item = Tag> {
        self.any.iter().flat_map(Rules::named_tags)
    }

    /// Chooses among the tags that an upstream has, in whichever order they come.
    ///
    /// # Errors
    /// Where that would be more than [`Selection::max_selected`]. Nothing is chosen then.
    pub fn choose(&self, tags: &[Tag]) -> Result<Choice, TooMany> {
        let mut candidates: Vec<Candidate<'_>> = tags.iter().map(Candidate::of).collect();
        candidates.sort_unstable_by(Candidate::order);
        candidates.dedup_by(|one, other| one.tag == other.tag);
        let everything = [Rules::default()];
        let sets = if self.any.is_empty() {
            &everything[..]
        } else {
            &self.any
        };
        let mut judged: Vec<_> = sets.iter().map(|rules| rules.judge(&candidates).into_iter()).collect();
        let mut choice = Choice {
            chosen: Vec::new(),
            passed_over: Vec::new(),
        };
        for candidate in &candidates {
            let judged = judged.iter_mut().filter_map(Iterator::next);
            let mut why = Vec::new();
            let is_chosen = judged.fold(false, |is_chosen, judged| match judged {
                Ok(()) => true,
                Err(because) => {
                    why.push(because);
                    is_chosen
                }
            });
            match is_chosen {
                true => choice.chosen.push(candidate.tag.clone()),
                false => choice.passed_over.push((candidate.tag.clone(), why)),
            }
        }
        match choice.chosen.len() <= self.max_selected {
            true => Ok(choice),
            false => Err(TooMany {
                chosen: choice.chosen.len(),
                all: candidates.len(),
                max_selected: self.max_selected,
            }),
        }
    }
}

/// The tags of a list in one text: with commas, spaces or both between.
///
/// # Errors
/// Where a word of it can be no tag.
pub fn tags(text: &str) -> Result<Vec<Tag>, InvalidReference> {
    words(text).iter().map(|word| word.parse()).collect()
}

/// The words of a list in one text: with commas, spaces or both between.
pub fn words(text: &str) -> Vec<String> {
    let words = text.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}
