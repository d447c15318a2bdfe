//! Ranges of versions, of three grammars, as constraints of this program's.
//!
//! All three have `1.2-rc1` before `1.2`, and here a version with a suffix is held against a constraint by its numbers alone. So a range
//! becomes two: one for releases, and one for versions with a suffix, for which `>= 1.2` is `> 1.2`, and `< 2` is `<= 2`.

use super::draft::RuleSet;
use crate::selection::Constraint;

/// Whose grammar it is. All have `= > >= < <=`, a space for and; the missing numbers of a version are zeros, unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grammar {
    /// regclient's own, with `~` and `^`, and nothing between a word and its version.
    Regclient,
    /// blang/semver's, with `!=`, `||` and `x`. <https://pkg.go.dev/github.com/blang/semver/v4#ParseRange>
    Blang,
    /// Masterminds/semver's, with commas, `!=`, `~`, `^`, `||`, `x` and `1.2 - 1.4`. Missing numbers may be any.
    /// <https://github.com/Masterminds/semver#checking-version-constraints>
    Masterminds,
}

/// Tags that are versions here, and none there. `1.2.3.4`:
const LONG: &str = r"v?\d+(\.\d+){3,}.*";
/// `1.2rc1`.
const GLUED: &str = r"v?[\d.]+[a-zA-Z].*";
/// `1.2-rc1`.
const SHORT: &str = r"v?\d+(\.\d+)?-.*";
/// `1.2.3-rc.01`.
const PADDED: &str = r"[^-]*-(.*\.)?0\d+(\..*)?";

impl Grammar {
    /// What may stand before a version.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Regclient => &["", "=", ">", ">=", "<", "<=", "~", "^"],
            Self::Blang => &["", "=", "==", "!=", "!", ">", ">=", "<", "<="],
            Self::Masterminds => &["", "=", "!=", ">", ">=", "=>", "<", "<=", "=<", "~", "~>", "^"],
        }
    }

    fn no_versions(self, is_suffixed: bool) -> &'static [&'static str] {
        match (self, is_suffixed) {
            (Self::Regclient, false) => &[],
            (Self::Regclient, true) => &[GLUED],
            (Self::Blang | Self::Masterminds, false) => &[LONG],
            (Self::Blang, true) => &[LONG, GLUED, SHORT, PADDED],
            (Self::Masterminds, true) => &[LONG, GLUED, PADDED],
        }
    }
}

/// What a range means: each of its alternatives as a constraint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Range {
    /// For releases.
    releases: Vec<String>,
    /// For versions with a suffix. None of an alternative that means releases alone.
    suffixed: Vec<String>,
    /// Whether less is chosen than was meant, for the sake of a bound that has a suffix.
    is_less: bool,
}

/// What is not quite the same for ranges with a bound such as `>= 1.2-rc1`.
const FROM_RELEASES: &str = "the range goes from release to release here: what has the numbers of a bound with a suffix, such as 1.2-rc1, comes not at \
all, and a tag of one number, such as 3, counts as no version; name them in include_tags";

/// What is not quite the same for all others.
const NO_SINGLE_NUMBERS: &str = "a tag of one number, such as 3, counts as no version here; name it in include_tags";

/// A suffix that is one everywhere: what ends with `-` has none for regclient.
const ANY_SUFFIX: &str = r".*\w";

impl Range {
    /// What is not quite the same.
    pub(super) fn difference(&self) -> &'static str {
        match self.is_less {
            true => FROM_RELEASES,
            false => NO_SINGLE_NUMBERS,
        }
    }

    /// The alternatives of both.
    pub(super) fn or(mut self, other: Self) -> Self {
        self.releases.extend(other.releases);
        self.suffixed.extend(other.suffixed);
        self
    }

    /// The sets of rules that choose the versions of the range among what `others` choose; none where it has no alternative.
    pub(super) fn sets(&self, grammar: Grammar, others: &RuleSet) -> Vec<RuleSet> {
        let kinds = [(&self.releases, None), (&self.suffixed, Some(ANY_SUFFIX))];
        let of_kind = |(any, suffix): (&Vec<String>, Option<&'static str>)| {
            let no_versions = grammar.no_versions(suffix.is_some()).iter();
            (!any.is_empty()).then(|| RuleSet {
                constraint: Some(any.join(" || ")),
                suffix,
                deny: others
                    .deny
                    .iter()
                    .cloned()
                    .chain(no_versions.map(|&text| text.to_owned()))
                    .collect(),
                ..others.clone()
            })
        };
        kinds.into_iter().filter_map(of_kind).collect()
    }
}

/// The constraints for a range.
///
/// # Errors
/// Why there is none.
pub(super) fn range(text: &str, grammar: Grammar) -> Result<Range, String> {
    let alternatives: Vec<&str> = match grammar {
        Grammar::Regclient => vec![text],
        Grammar::Blang | Grammar::Masterminds => text.split("||").collect(),
    };
    let mut range = Range::default();
    for alternative in alternatives {
        let said = conditions(alternative, grammar)?;
        let mut all = Vec::new();
        for (word, bound) in &said {
            all.extend(condition(word, bound, grammar)?);
        }
        let releases: Vec<&str> = all.iter().map(|one| one.releases.as_str()).collect();
        range.releases.push(checked(releases)?);
        // Masterminds's ranges mean releases, unless one of the bounds has a suffix.
        let with_suffixes = grammar != Grammar::Masterminds || said.iter().any(|(_, bound)| bound.suffix.is_some());
        let suffixed: Option<Vec<&str>> = all.iter().map(|one| one.suffixed.as_deref()).collect();
        if let Some(suffixed) = suffixed.filter(|_| with_suffixes) {
            range.suffixed.push(checked(suffixed)?);
        }
        range.is_less |= said.iter().any(|(word, bound)| bound.is_passed_over(word));
    }
    Ok(range)
}

fn checked(all: Vec<&str>) -> Result<String, String> {
    let constraint = all.join(", ");
    constraint.parse::<Constraint>().map_err(|why| why.to_string())?;
    Ok(constraint)
}

/// A version in a condition.
struct Bound {
    numbers: Vec<u64>,
    /// How many numbers are held fast where the others may be any.
    open: Option<usize>,
    suffix: Option<String>,
}

/// The suffix that is before all others.
const LEAST: &str = "0";

impl Bound {
    fn text(&self) -> String {
        dotted(&self.numbers)
    }

    /// Whether versions with its numbers and a suffix are passed over, of which some are meant.
    fn is_passed_over(&self, word: &str) -> bool {
        let is_exact = |suffix: &str| suffix == LEAST && !matches!(word, ">" | "<=" | "=<");
        self.suffix.as_deref().is_some_and(|suffix| !is_exact(suffix))
    }

    /// The first release that is none of those that begin with the first `parts` numbers.
    fn next(&self, parts: usize) -> String {
        let mut numbers: Vec<u64> = (0..parts).map(|at| self.number(at)).collect();
        if let Some(last) = numbers.last_mut() {
            *last = last.saturating_add(1);
        }
        dotted(&numbers)
    }

    fn number(&self, at: usize) -> u64 {
        self.numbers.get(at).copied().unwrap_or_default()
    }
}

fn dotted(numbers: &[u64]) -> String {
    let words: Vec<String> = numbers.iter().map(u64::to_string).collect();
    words.join(".")
}

/// Each word (such as `>=`, or nothing) with its version.
fn conditions(text: &str, grammar: Grammar) -> Result<Vec<(String, Bound)>, String> {
    let text = match grammar {
        Grammar::Masterminds => text.replace(',', " "),
        Grammar::Regclient | Grammar::Blang => text.to_owned(),
    };
    let mut words = text.split_whitespace().peekable();
    let mut conditions = Vec::new();
    while let Some(first) = words.next() {
        let version = first.trim_start_matches(['=', '<', '>', '!', '~', '^']);
        let word = &first[..first.len() - version.len()];
        let version = match version {
            "" if grammar == Grammar::Regclient => return Err(format!("no version follows {word} without a space")),
            "" => words.next().ok_or_else(|| format!("no version follows {word}"))?,
            version => version,
        };
        let bound = bound(version, grammar)?;
        match grammar == Grammar::Masterminds && words.peek() == Some(&"-") {
            true => {
                words.next();
                let upper = words.next().ok_or("no version follows -")?;
                conditions.push((">=".to_owned(), bound));
                conditions.push(("<=".to_owned(), self::bound(upper, grammar)?));
            }
            false => conditions.push((word.to_owned(), bound)),
        }
    }
    match conditions.is_empty() {
        true => Err("no condition is there".to_owned()),
        false => Ok(conditions),
    }
}

fn bound(text: &str, grammar: Grammar) -> Result<Bound, String> {
    let no_version = || format!("{text:?} is no version");
    let release = text.strip_prefix('v').unwrap_or(text);
    let release = release.split('+').next().unwrap_or_default();
    let (release, suffix) = release.split_once('-').unwrap_or((release, ""));
    let parts: Vec<&str> = release.split('.').collect();
    let is_any = |part: &&str| match grammar {
        Grammar::Regclient => false,
        Grammar::Blang => *part == "x",
        Grammar::Masterminds => matches!(*part, "x" | "X" | "*"),
    };
    let written = parts.iter().take_while(|part| !is_any(part));
    let numbers: Vec<u64> = written
        .map(|part| part.parse().map_err(|_| no_version()))
        .collect::<Result<_, _>>()?;
    let has_any = numbers.len() < parts.len();
    let is_nothing = numbers.is_empty() && grammar != Grammar::Masterminds;
    if is_nothing || !parts[numbers.len()..].iter().all(is_any) {
        return Err(no_version());
    }
    let open = match grammar {
        // By the place of the last x alone: 1.x.x is from 1.0.0 on, and below 1.1.0.
        Grammar::Blang => has_any.then(|| parts.len() - 1),
        Grammar::Regclient | Grammar::Masterminds => {
            (has_any || grammar == Grammar::Masterminds && parts.len() < 3).then_some(numbers.len())
        }
    };
    Ok(Bound {
        open,
        suffix: (!suffix.is_empty()).then(|| suffix.to_owned()),
        numbers,
    })
}

/// A condition on the numbers of releases, and on those of versions with a suffix; none where it holds for none of these.
struct Condition {
    releases: String,
    suffixed: Option<String>,
}

impl Condition {
    /// In the order of versions, where each suffix is before its release.
    fn in_order(word: &str, numbers: &str, suffix: Option<&str>) -> Self {
        let (releases, suffixed) = match (word, suffix) {
            ("=", _) => ("=", None),
            // One with a suffix is another one in any case.
            ("!=", _) => {
                return Self {
                    releases: format!("!= {numbers}"),
                    suffixed: Some(">= 0".to_owned()),
                };
            }
            (">=", Some(LEAST)) => (">=", Some(">=")),
            (">=", None) => (">=", Some(">")),
            (">", None) => (">", Some(">")),
            (">" | ">=", Some(_)) => (">=", Some(">")),
            ("<", None) => ("<", Some("<=")),
            ("<=", None) => ("<=", Some("<=")),
            _ => ("<", Some("<")),
        };
        Self {
            releases: format!("{releases} {numbers}"),
            suffixed: suffixed.map(|word| format!("{word} {numbers}")),
        }
    }

    /// Where a suffix does not count.
    fn by_numbers(word: &str, numbers: &str) -> Self {
        let text = format!("{word} {numbers}");
        Self {
            suffixed: Some(text.clone()),
            releases: text,
        }
    }
}

/// The conditions that mean the same here.
fn condition(word: &str, bound: &Bound, grammar: Grammar) -> Result<Vec<Condition>, String> {
    if !grammar.words().contains(&word) {
        return Err(format!("{word} is no word of such a range"));
    }
    let (text, written) = (bound.text(), bound.numbers.len());
    let suffix = bound.suffix.as_deref();
    let is = |word: &str| Condition::in_order(word, &text, suffix);
    let edge = |word: &str, parts: usize| match grammar {
        Grammar::Masterminds => Condition::by_numbers(word, &bound.next(parts)),
        Grammar::Regclient | Grammar::Blang => Condition::in_order(word, &bound.next(parts), None),
    };
    if written == 0 {
        // Any version at all.
        return match word {
            "" | "=" | ">=" => Ok(vec![Condition::in_order(">=", "0", suffix)]),
            _ => Err(format!("{word}* has no counterpart")),
        };
    }
    Ok(match (word, bound.open) {
        ("" | "=" | "==", None) if suffix.is_some() => {
            return Err("one version with a suffix is a tag: name it in include_tags".to_owned());
        }
        ("" | "=" | "==", Some(parts)) => vec![is(">="), edge("<", parts)],
        ("" | "=" | "==", None) => vec![is("=")],
        (">=" | "=>", _) => vec![is(">=")],
        ("<", _) => vec![is("<")],
        (">", Some(parts)) => vec![edge(">=", parts)],
        (">", None) => vec![is(">")],
        ("<=" | "=<", Some(parts)) => vec![edge("<", parts)],
        ("<=" | "=<", None) => vec![is("<=")],
        ("!=" | "!", None) if suffix.is_none() => vec![is("!=")],
        ("~" | "~>", _) if grammar == Grammar::Masterminds => vec![is(">="), edge("<", written.min(2))],
        ("~", _) => vec![is(">="), edge("<", 2)],
        ("^", _) => vec![is(">="), edge("<", fixed(bound, grammar))],
        _ => return Err(format!("{word}{text} has no counterpart")),
    })
}

/// How many numbers `^` holds fast: up to the first that is not zero, of those that are written; regclient takes the others for zeros.
fn fixed(bound: &Bound, grammar: Grammar) -> usize {
    let first = bound.numbers.iter().position(|number| *number > 0);
    let all = match grammar {
        Grammar::Regclient => 3,
        Grammar::Blang | Grammar::Masterminds => bound.numbers.len(),
    };
    first.map_or(all, |at| at + 1).min(3)
}
