//! Version numbers as HashiCorp's go-version reads and orders them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use smallvec::SmallVec;

/// A version: `v1.25.3-alpine3.18+build.7`. Any number of segments, an optional `v`, what is before the release it
/// names (which in image tags is mostly a flavour), and metadata that no comparison looks at.
///
/// The grammar is that of [go-version][go], which is more lenient than Semantic Versioning: `1`, `1.2.3.4` and `1.25rc1` are
/// versions too. The order is [Semantic Versioning's][order], which go-version means to follow (there `5.4-alpha` is after
/// `5.4-alpha.beta`), but for numbers within a word of what is before the release, which count as numbers: `r32` is after `r9`.
///
/// [go]: https://pkg.go.dev/github.com/hashicorp/go-version
/// [order]: https://semver.org/spec/v2.0.0.html#spec-item-11
#[derive(Debug, Clone)]
pub struct Version {
    /// Beside the rest of it, as a hundred thousand are sorted by them.
    segments: SmallVec<[u64; 4]>,
    before: Box<str>,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version, such as 1.2, v1.2.3 or 1.2.3-rc1")]
pub struct InvalidVersion(pub(super) String);

impl Version {
    /// Its numbers, as many as were written.
    pub fn segments(&self) -> &[u64] {
        &self.segments
    }

    /// What stands after the numbers, without the `-` before it; empty for a release.
    pub fn suffix(&self) -> &str {
        &self.before
    }

    /// The segment at `at`, counted from 0. Those that are not written are 0.
    pub fn segment(&self, at: usize) -> u64 {
        self.segments.get(at).copied().unwrap_or_default()
    }

    /// The release with these numbers.
    pub(super) fn of(segments: &[u64]) -> Self {
        Self {
            segments: segments.into(),
            before: Box::default(),
        }
    }

    /// The release with the same numbers.
    pub(super) fn core(&self) -> Self {
        Self::of(&self.segments)
    }

    /// A release after this one, and before every later one that has no more than `segments` numbers.
    pub(super) fn right_after(&self, segments: usize) -> Self {
        let zeros = std::iter::repeat_n(0, segments.saturating_sub(self.segments.len()));
        let all: Vec<u64> = self.segments.iter().copied().chain(zeros).chain([1]).collect();
        Self::of(&all)
    }

    /// Its first three numbers as one, which is less where the version is, or the same: no number counts for more than it has room for.
    pub(super) fn leading(&self) -> u128 {
        const BITS: u32 = 42;
        let most = (1 << BITS) - 1;
        (0..3).fold(0, |sum, at| sum << BITS | u128::from(self.segment(at).min(most)))
    }

    /// Whether both have the same numbers.
    pub fn has_core_of(&self, other: &Self) -> bool {
        self.compare_cores(other).is_eq()
    }

    /// As if this were its suffix.
    pub(super) fn compare_with(&self, suffix: &str, other: &Self) -> Ordering {
        let before = || match (suffix.is_empty(), other.before.is_empty()) {
            (true, true) => Ordering::Equal,
            // A release is after all that was before it.
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_parts(suffix, &other.before),
        };
        self.compare_cores(other).then_with(before)
    }

    fn compare_cores(&self, other: &Self) -> Ordering {
        let both = self.segments.len().min(other.segments.len());
        let (ones, others) = (self.segments.split_at(both), other.segments.split_at(both));
        let some = |rest: &[u64]| rest.iter().any(|&number| number > 0);
        let rest = || some(ones.1).cmp(&some(others.1));
        ones.0.cmp(others.0).then_with(rest)
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        parse(text).ok_or_else(|| InvalidVersion(text.to_owned()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments: Vec<String> = self.segments.iter().map(u64::to_string).collect();
        f.write_str(&segments.join("."))?;
        match self.before.is_empty() {
            true => Ok(()),
            false => write!(f, "-{}", self.before),
        }
    }
}

fn parse(text: &str) -> Option<Version> {
    let (text, metadata) = match text.split_once('+') {
        Some((text, metadata)) => (text, Some(metadata)),
        None => (text, None),
    };
    if metadata.is_some_and(|metadata| !is_parts(metadata)) {
        return None;
    }
    let mut rest = text.strip_prefix('v').unwrap_or(text);
    let mut segments = SmallVec::new();
    loop {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        segments.push(rest[..digits].parse().ok()?);
        rest = &rest[digits..];
        // A point that no number follows is the grammar's end, and of no version.
        match rest.strip_prefix('.') {
            Some(next) => rest = next,
            None => break,
        }
    }
    let before = match rest.strip_prefix('-') {
        // One `-` alone is before the release, too.
        Some("") => "-",
        Some(before) => before,
        // Digits would have been a segment's.
        None => rest,
    };
    let is_fine = match rest.is_empty() {
        true => true,
        false => is_parts(before),
    };
    is_fine.then(|| Version {
        segments,
        before: before.into(),
    })
}

/// Words of letters, digits, `-` and `~`, with points between.
fn is_parts(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'~';
    text.split('.')
        .all(|part| !part.is_empty() && part.bytes().all(allowed))
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare_with(&self.before, other)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

/// Part by part; one that has fewer, all else being equal, is less.
fn compare_parts(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        let ordering = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(other)) => compare_part(one, other),
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
}

/// A number is less than a word; words are compared by their runs of digits and of anything else.
fn compare_part(one: &str, other: &str) -> Ordering {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    is_number(other).cmp(&is_number(one)).then_with(|| natural(one, other))
}

/// By runs of digits, which are compared as numbers, and of what is between them.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let ordering = match (run(&mut one), run(&mut other)) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(Run::Number(one)), Some(Run::Number(other))) => one.len().cmp(&other.len()).then(one.cmp(other)),
            (Some(Run::Number(_)), Some(Run::Other(_))) => Ordering::Less,
            (Some(Run::Other(_)), Some(Run::Number(_))) => Ordering::Greater,
            (Some(Run::Other(one)), Some(Run::Other(other))) => one.cmp(other),
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
}

enum Run<'a> {
    /// Digits, without those zeros before them that say nothing.
    Number(&'a str),
    Other(&'a str),
}

/// Takes the first run off a text.
fn run<'a>(text: &mut &'a str) -> Option<Run<'a>> {
    let is_digit = text.chars().next()?.is_ascii_digit();
    let end = text
        .find(|c: char| c.is_ascii_digit() != is_digit)
        .unwrap_or(text.len());
    let (run, rest) = text.split_at(end);
    *text = rest;
    Some(match is_digit {
        true => Run::Number(run.trim_start_matches('0')),
        false => Run::Other(run),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn what_go_version_s_documentation_calls_a_version_is_one() {
        // README of hashicorp/go-version and the package's documentation of VersionRegexpRaw.
        for text in [
            "1.2.3",
            "v1.2.3",
            "1",
            "1.0",
            "1.2.3.4.5",
            "1.2-beta",
            "1.2-beta.5",
            "1.2.0-x.Y.0",
            "1.2.0-x.Y.0+metadata",
            "1.2.0-metadata-1.2.0+metadata~dist",
            "1.2.3-alpha",
            "1.2.3+build",
            "1.2rc1",
            "1.2.3.4-rc1",
            "7.3.4-r32",
            "1.7rc2",
            "v1.7rc2",
            "1.25-alpine3.18",
            "17.04.0-ce",
            "1.0-",
        ] {
            assert!(text.parse::<Version>().is_ok(), "{text}");
        }
        for text in [
            "",
            "v",
            "1.",
            ".1",
            "1..2",
            "latest",
            "7.3.x-foo",
            "1.2_3",
            "1.2.3-a..b",
            "1.2.3+",
            "1.2.3+a_b",
            "v v1",
            "foo1.2.3",
            "1.2.99999999999999999999",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_in_the_order_of_semantic_versioning() {
        // Semantic Versioning 2.0.0, item 11, and go-version's README.
        for ascending in [
            &[
                "1.0.0-alpha",
                "1.0.0-alpha.1",
                "1.0.0-alpha.beta",
                "1.0.0-beta",
                "1.0.0-beta.2",
                "1.0.0-beta.11",
                "1.0.0-rc.1",
                "1.0.0",
            ][..],
            &["0.7.1", "1.1", "1.4-beta", "1.4", "2"],
            &["1.2.3", "1.2.3.1", "1.2.4", "1.2.10", "1.10"],
            &["7.3.4-debian-12-r9", "7.3.4-debian-12-r32", "7.3.5-debian-12-r0"],
            &["1.25-alpine3.9", "1.25-alpine3.18", "1.25"],
            &["1.25rc1", "1.25rc2", "1.25rc10", "1.25"],
        ] {
            for pair in ascending.windows(2) {
                assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
            }
        }
        for (one, other) in [
            ("1", "1.0.0"),
            ("v1.2", "1.2"),
            ("1.2.3+one", "1.2.3+other"),
            ("1.2-r007", "1.2-r7"),
        ] {
            assert_eq!(version(one), version(other));
        }
    }

    /// Versions of few numbers and words, so that equal ones come too.
    const VERSION: &str = "v?[0-2](\\.[0-2]){0,3}(-?(rc|r|a)[01]?[0-9](\\.(b|[01]?[0-9]|r9)){0,2})?(\\+x)?";

    proptest::proptest! {
        #[test]
        fn the_order_is_total(one in VERSION, other in VERSION, third in VERSION) {
            let (one, other, third) = (version(&one), version(&other), version(&third));
            assert_eq!(one.cmp(&other), other.cmp(&one).reverse());
            assert_eq!(one.cmp(&one), Ordering::Equal);
            if one <= other && other <= third {
                assert!(one <= third);
            }
            if one == other {
                assert_eq!(one.cmp(&third), other.cmp(&third));
            }
        }

        #[test]
        fn what_is_written_is_read_as_the_same(one in VERSION) {
            let one = version(&one);
            assert_eq!(version(&one.to_string()), one);
        }

        #[test]
        fn a_release_is_after_all_that_was_before_it(one in VERSION) {
            let one = version(&one);
            let release = Version {
                segments: one.segments.clone(),
                before: Box::default(),
            };
            assert_eq!(one < release, !one.suffix().is_empty());
        }
    }
}
