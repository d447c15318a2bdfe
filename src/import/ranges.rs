//! Ranges of versions, of three grammars, as a constraint of this program's.

use crate::selection::Constraint;

/// Whose grammar it is. All have `= > >= < <=`, a space for and; the missing numbers of a version are zeros, unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grammar {
    /// regclient's own, with `~` and `^`.
    Regclient,
    /// blang/semver's, with `!=`, `||` and `x`. <https://pkg.go.dev/github.com/blang/semver/v4#ParseRange>
    Blang,
    /// Masterminds/semver's, with commas, `!=`, `~`, `^`, `||`, `x` and `1.2 - 1.4`. Missing numbers may be any.
    /// <https://github.com/Masterminds/semver#checking-version-constraints>
    Masterminds,
}

/// A constraint that means what a range does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) constraint: String,
    /// Whether versions with a suffix are meant too, each by its numbers.
    pub(super) with_suffixes: bool,
}

/// What is not quite the same for ranges that mean versions with a suffix, too.
pub(super) const BY_NUMBERS: &str = "brought over by numbers alone: 1.2-rc1 counts as 1.2, and a tag of one number, such as 3, \
as no version; see what is chosen with `ecr-keeper tags`";

/// What is not quite the same for all others.
pub(super) const NO_SINGLE_NUMBERS: &str =
    "brought over, but a tag of one number, such as 3, counts as no version; name it in include_tags";

impl Range {
    /// What is not quite the same.
    pub(super) fn difference(&self) -> &'static str {
        match self.with_suffixes {
            true => BY_NUMBERS,
            false => NO_SINGLE_NUMBERS,
        }
    }
}

/// The constraint for a range.
///
/// # Errors
/// Why there is none.
pub(super) fn range(text: &str, grammar: Grammar) -> Result<Range, String> {
    let mut names_suffix = false;
    let mut any = Vec::new();
    for alternative in text.split("||") {
        let mut all = Vec::new();
        for (word, version) in conditions(alternative, grammar)? {
            names_suffix |= version.has_suffix;
            all.extend(condition(&word, &version, grammar)?);
        }
        any.push(all.join(", "));
    }
    let constraint = any.join(" || ");
    constraint.parse::<Constraint>().map_err(|why| why.to_string())?;
    Ok(Range {
        constraint,
        with_suffixes: names_suffix || grammar != Grammar::Masterminds,
    })
}

/// A version in a condition.
struct Bound {
    numbers: Vec<u64>,
    /// Whether the numbers that are not written may be any.
    is_open: bool,
    has_suffix: bool,
}

impl Bound {
    fn text(&self) -> String {
        dotted(&self.numbers)
    }

    /// The first version that is none of those that begin with the first `parts` numbers.
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
    let text = text.replace(',', " ");
    let mut words = text.split_whitespace().peekable();
    let mut conditions = Vec::new();
    while let Some(first) = words.next() {
        let version = first.trim_start_matches(['=', '<', '>', '!', '~', '^']);
        let word = &first[..first.len() - version.len()];
        let version = match version {
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
    let is_any = |part: &&&str| matches!(**part, "x" | "X" | "*");
    let written = parts.iter().take_while(|part| !is_any(part));
    let numbers: Vec<u64> = written
        .map(|part| part.parse().map_err(|_| no_version()))
        .collect::<Result<_, _>>()?;
    let has_any = numbers.len() < parts.len();
    if has_any && (grammar == Grammar::Regclient || !parts[numbers.len()..].iter().all(|part| is_any(&part))) {
        return Err(no_version());
    }
    Ok(Bound {
        is_open: has_any || grammar == Grammar::Masterminds && parts.len() < 3,
        has_suffix: !suffix.is_empty(),
        numbers,
    })
}

/// The conditions that mean the same here.
fn condition(word: &str, bound: &Bound, grammar: Grammar) -> Result<Vec<String>, String> {
    let (text, written) = (bound.text(), bound.numbers.len());
    let from = format!(">= {text}");
    if written == 0 {
        // Any version at all.
        return match word {
            "" | "=" | ">=" => Ok(vec![">= 0".to_owned()]),
            _ => Err(format!("{word}* has no counterpart")),
        };
    }
    Ok(match (word, bound.is_open) {
        ("" | "=" | "==", _) if bound.has_suffix => {
            return Err("one version with a suffix is a tag: name it in include_tags".to_owned());
        }
        ("" | "=" | "==", true) => vec![from, format!("< {}", bound.next(written))],
        ("" | "=" | "==", false) => vec![format!("= {text}")],
        (">=" | "=>", _) => vec![from],
        ("<", _) => vec![format!("< {text}")],
        (">", true) => vec![format!(">= {}", bound.next(written))],
        (">", false) => vec![format!("> {text}")],
        ("<=" | "=<", true) => vec![format!("< {}", bound.next(written))],
        ("<=" | "=<", false) => vec![format!("<= {text}")],
        ("!=" | "!", false) if !bound.has_suffix => vec![format!("!= {text}")],
        ("~" | "~>", _) if grammar == Grammar::Masterminds => vec![from, format!("< {}", bound.next(written.min(2)))],
        ("~", _) if grammar == Grammar::Regclient => vec![from, format!("< {}", bound.next(2))],
        ("^", _) if grammar != Grammar::Blang => vec![from, format!("< {}", bound.next(fixed(bound)))],
        _ => return Err(format!("{word}{text} has no counterpart")),
    })
}

/// How many numbers `^` holds fast: up to the first that is not zero, of those that are written.
fn fixed(bound: &Bound) -> usize {
    let first = bound.numbers.iter().position(|number| *number > 0);
    first.map_or(bound.numbers.len(), |at| at + 1).min(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_grammar_is_read_by_its_own_documentation() {
        use Grammar::{Blang, Masterminds, Regclient};
        for (grammar, text, expected) in [
            // regclient, internal/semver: NewConstraint.
            (Regclient, ">=1.0.0 <2.0.0", ">= 1.0.0, < 2.0.0"),
            (Regclient, "^1.2.3", ">= 1.2.3, < 2"),
            (Regclient, "^0.2.3", ">= 0.2.3, < 0.3"),
            (Regclient, "^0.0.3", ">= 0.0.3, < 0.0.4"),
            (Regclient, "~1.2.3", ">= 1.2.3, < 1.3"),
            (Regclient, "~1", ">= 1, < 1.1"),
            (Regclient, "1.2", "= 1.2"),
            (Regclient, ">v1.2", "> 1.2"),
            // README of blang/semver, "Ranges".
            (Blang, ">=1.31.0 <1.31.9", ">= 1.31.0, < 1.31.9"),
            (
                Blang,
                ">1.0.0 <2.0.0 || >3.0.0 !4.2.1",
                "> 1.0.0, < 2.0.0 || > 3.0.0, != 4.2.1",
            ),
            (Blang, "1.2.x", ">= 1.2, < 1.3"),
            (Blang, ">1.x", ">= 2"),
            (Blang, "<=2.x.x", "< 3"),
            // README of Masterminds/semver, "Checking Version Constraints".
            (Masterminds, ">= 3.12.0", ">= 3.12.0"),
            (
                Masterminds,
                ">= 1.2, < 3.0.0 || >= 4.2.3",
                ">= 1.2, < 3.0.0 || >= 4.2.3",
            ),
            (Masterminds, "1.2 - 1.4.5", ">= 1.2, <= 1.4.5"),
            (Masterminds, "2.3.4 - 4.5", ">= 2.3.4, < 4.6"),
            (Masterminds, "1.2.x", ">= 1.2, < 1.3"),
            (Masterminds, "<= 2.x", "< 3"),
            (Masterminds, "> 11", ">= 12"),
            (Masterminds, "*", ">= 0"),
            (Masterminds, "~1.2.3", ">= 1.2.3, < 1.3"),
            (Masterminds, "~1", ">= 1, < 2"),
            (Masterminds, "~2.3", ">= 2.3, < 2.4"),
            (Masterminds, "^1.2.x", ">= 1.2, < 2"),
            (Masterminds, "^0.2", ">= 0.2, < 0.3"),
            (Masterminds, "^0.0", ">= 0.0, < 0.1"),
            (Masterminds, "^0", ">= 0, < 1"),
            (Masterminds, "!= 1.2.3", "!= 1.2.3"),
        ] {
            let read = range(text, grammar).unwrap();
            assert_eq!(read.constraint, expected, "{grammar:?} {text}");
            assert_eq!(read.with_suffixes, grammar != Masterminds, "{grammar:?} {text}");
        }
        // "Working With Prerelease Versions": -0 lets all of them in.
        let before = range(">=1.2.3-0", Masterminds).unwrap();
        assert_eq!((before.constraint.as_str(), before.with_suffixes), (">= 1.2.3", true));
    }

    #[test]
    fn what_has_no_counterpart_is_no_range() {
        use Grammar::{Blang, Masterminds, Regclient};
        for (grammar, text) in [
            (Regclient, ""),
            (Regclient, "1.x"),
            (Regclient, ">= latest"),
            (Regclient, "=1.2-alpine"),
            (Blang, "^1.2.3"),
            (Blang, ">="),
            (Blang, "!=1.2.x"),
            (Blang, "1.x.3"),
            (Masterminds, "1.2 -"),
            (Masterminds, "!= 1.2"),
            (Masterminds, "> 1 ||"),
        ] {
            assert!(range(text, grammar).is_err(), "{grammar:?} {text}");
        }
    }
}
