//! Which versions are wanted, in HashiCorp go-version's words.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::npm::{hyphen_range, in_letters, in_our_words};
use super::version::{InvalidVersion, Version};

/// Conditions on a version: `>= 1.2, < 2` (all of them), and `~> 1.2 || ~> 2.0` (any of those).
///
/// The words and their meaning are [go-version's][go]: `= != > >= < <= ~>`, none for `=`; `=>` and `=<` are taken for `>=` and
/// `<=`. `~> 1.2` lets the last number that is written grow: from 1.2 on, and below 2. `||` is ours.
///
/// [go]: https://pkg.go.dev/github.com/hashicorp/go-version#Constraint
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    any: Vec<Vec<Condition>>,
    /// As it is told beside each of thousands of tags.
    text: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    word: Word,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Is,
    IsNot,
    Above,
    AtLeast,
    Below,
    AtMost,
    Pessimistic,
}

/// Each word, the longer ones first. Those with letters are for where AWS allows no others: in a repository's resource tags.
const WORDS: [(&str, Word); 16] = [
    ("!=", Word::IsNot),
    (">=", Word::AtLeast),
    ("=>", Word::AtLeast),
    ("<=", Word::AtMost),
    ("=<", Word::AtMost),
    ("~>", Word::Pessimistic),
    ("=", Word::Is),
    (">", Word::Above),
    ("<", Word::Below),
    ("-eq", Word::Is),
    ("-ne", Word::IsNot),
    ("-gt", Word::Above),
    ("-ge", Word::AtLeast),
    ("-lt", Word::Below),
    ("-le", Word::AtMost),
    ("-pe", Word::Pessimistic),
];

/// A text that is no constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConstraint {
    /// Nothing stands where a condition should.
    #[error("a condition is missing: write one such as >= 1.2, with a comma between several")]
    Empty,
    /// What follows the word is no version.
    #[error("{condition:?}: {why}")]
    Version {
        /// The condition.
        condition: String,
        /// What is wrong.
        why: InvalidVersion,
    },
    /// It is said as npm's users do.
    #[error("{condition:?} is no condition here: write {instead}")]
    Npm {
        /// The condition.
        condition: String,
        /// The same in the words that there are.
        instead: String,
    },
    /// It stands where one of the words in letters does.
    #[error("{0:?} is no word: write -gt, -ge, -lt, -le, -eq, -ne or -pe")]
    Word(String),
    /// Several words follow each other.
    #[error("{0:?} is no condition: write a word (= != > >= < <= ~>) and a version, with a comma between several")]
    Condition(String),
}

impl InvalidConstraint {
    /// Told to somebody who can write no other words than those of letters.
    fn in_letters(self) -> Self {
        match self {
            Self::Npm { condition, instead } => Self::Npm {
                condition,
                instead: in_letters(&instead),
            },
            other => other,
        }
    }
}

impl Constraint {
    /// Whether a version is one of those.
    ///
    /// What is before a release (`1.2-rc1`) only fits a condition that names such a one itself, of the same numbers; but `=` and
    /// `!=` compare as they are.
    pub fn holds_for(&self, version: &Version) -> bool {
        self.holds(version, version.suffix())
    }

    /// Whether a version's numbers alone are one of those.
    pub fn holds_for_core_of(&self, version: &Version) -> bool {
        self.holds(version, "")
    }

    fn holds(&self, version: &Version, suffix: &str) -> bool {
        let mut any = self.any.iter();
        any.any(|all| all.iter().all(|condition| condition.holds(version, suffix)))
    }

    /// Those of its alternatives that hold for no release there could be, each with whether a suffix in it is why.
    pub(super) fn impossible(&self) -> impl Iterator<Item = (String, bool)> {
        let never = self.any.iter().filter(|all| !is_possible(all));
        never.map(|all| {
            let names_suffix = all.iter().any(|condition| !condition.version.suffix().is_empty());
            (text_of(all), names_suffix)
        })
    }

    /// As it is written.
    pub(super) fn text(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    fn new(any: Vec<Vec<Condition>>) -> Self {
        let all: Vec<String> = any.iter().map(|all| text_of(all)).collect();
        let text = all.join(" || ").into();
        Self { any, text }
    }

    /// Of a resource tag of a repository, in which AWS allows no `<`, `>`, `~`, `!` and no comma: its words are `-gt`, `-ge`, `-lt`,
    /// `-le`, `-eq`, `-ne` and `-pe`, with a comma or spaces between.
    pub fn of_resource_tag(text: &str) -> Result<Self, InvalidConstraint> {
        let mut all = Vec::new();
        let mut word = None;
        for part in text.split([',', ' ']).filter(|part| !part.is_empty()) {
            match (WORDS.iter().find(|(name, _)| *name == part), word.take()) {
                (Some((_, found)), None) => word = Some(*found),
                (Some(_), Some(_)) => return Err(InvalidConstraint::Condition(text.to_owned())),
                (None, Some(word)) => all.push(Condition {
                    word,
                    version: version(part, text).map_err(InvalidConstraint::in_letters)?,
                }),
                (None, None) if part.starts_with('-') => return Err(InvalidConstraint::Word(part.to_owned())),
                (None, None) => all.push(condition(part).map_err(InvalidConstraint::in_letters)?),
            }
        }
        match (word, all.is_empty()) {
            (None, false) => Ok(Self::new(vec![all])),
            (None, true) => Err(InvalidConstraint::Empty),
            (Some(_), _) => Err(InvalidConstraint::Condition(text.to_owned())),
        }
    }
}

fn text_of(all: &[Condition]) -> String {
    let all: Vec<String> = all.iter().map(Condition::to_string).collect();
    all.join(", ")
}

/// Whether there could be a release for which all hold. Between two versions there always is another one, so that it is enough to look at those
/// that are named and at what comes right after each.
fn is_possible(all: &[Condition]) -> bool {
    let longest = all.iter().map(|condition| condition.version.segments().len()).max();
    let named = all.iter().map(|condition| condition.version.core());
    let mut releases = named.flat_map(|core| {
        let next = core.right_after(longest.unwrap_or_default());
        [core, next]
    });
    let is_one = |release: &Version| all.iter().all(|condition| condition.holds(release, ""));
    let least = Version::of(&[0]);
    is_one(&least) || releases.any(|release| is_one(&release))
}

impl FromStr for Constraint {
    type Err = InvalidConstraint;

    fn from_str(text: &str) -> Result<Self, InvalidConstraint> {
        let all = |all: &str| all.split(',').map(condition).collect();
        let any: Result<_, _> = text.split("||").map(all).collect();
        any.map(Self::new)
    }
}

fn condition(text: &str) -> Result<Condition, InvalidConstraint> {
    let text = text.trim();
    if text.is_empty() {
        return Err(InvalidConstraint::Empty);
    }
    let with_word = WORDS
        .iter()
        .find_map(|(name, word)| text.strip_prefix(name).map(|rest| (*word, rest)));
    let (word, rest) = with_word.unwrap_or((Word::Is, text));
    Ok(Condition {
        word,
        version: version(rest.trim(), text)?,
    })
}

fn version(text: &str, condition: &str) -> Result<Version, InvalidConstraint> {
    // Two conditions without a comma between are a mistake of their own.
    if text.contains(char::is_whitespace) {
        return Err(match hyphen_range(condition).or_else(|| in_our_words(condition)) {
            Some(instead) => InvalidConstraint::Npm {
                condition: condition.to_owned(),
                instead,
            },
            None => InvalidConstraint::Condition(condition.to_owned()),
        });
    }
    text.parse().map_err(|why| match in_our_words(condition) {
        Some(instead) => InvalidConstraint::Npm {
            condition: condition.to_owned(),
            instead,
        },
        None => InvalidConstraint::Version {
            condition: condition.to_owned(),
            why,
        },
    })
}

impl Condition {
    /// For a version's numbers with this suffix.
    fn holds(&self, version: &Version, suffix: &str) -> bool {
        let own = &self.version;
        let ordering = || version.compare_with(suffix, own);
        match self.word {
            Word::Is => ordering().is_eq(),
            Word::IsNot => ordering().is_ne(),
            Word::Above => self.may_compare(version, suffix) && ordering().is_gt(),
            Word::AtLeast => self.may_compare(version, suffix) && ordering().is_ge(),
            Word::Below => self.may_compare(version, suffix) && ordering().is_lt(),
            Word::AtMost => self.may_compare(version, suffix) && ordering().is_le(),
            Word::Pessimistic => {
                let fixed = own.segments().len() - 1;
                let is_same = (0..fixed).all(|at| version.segment(at) == own.segment(at));
                let is_release_of_another = !own.suffix().is_empty() && suffix.is_empty();
                // 1.2.3 is not exact enough for ~> 1.2.3.0, as in go-version, which takes up to three numbers for three.
                let exactness = |of: &Version| of.segments().len().max(3);
                let is_exact = exactness(version) >= exactness(own);
                self.may_compare(version, suffix) && !is_release_of_another && ordering().is_ge() && is_same && is_exact
            }
        }
    }

    /// Versions before a release are nobody's who did not ask for them.
    fn may_compare(&self, version: &Version, suffix: &str) -> bool {
        match (self.version.suffix().is_empty(), suffix.is_empty()) {
            (_, true) => true,
            (true, false) => false,
            (false, false) => version.has_core_of(&self.version),
        }
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = WORDS.iter().find(|(_, word)| *word == self.word);
        write!(f, "{} {}", name.map_or("", |(name, _)| name), self.version)
    }
}
