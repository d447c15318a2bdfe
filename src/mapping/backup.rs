//! Under which tag an image stays that another is about to take the place of.

use std::cmp::Reverse;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use regex::Regex;

use crate::image::{InvalidReference, Tag};

const TAG: &str = "{tag}";
const DATE: &str = "{date}";

/// Names of backups: `{tag}-before-{date}` is `1.27-before-2026-11-22`, and another one of that day `1.27-before-2026-11-22.2`.
#[derive(Debug, Clone)]
pub struct Backup {
    template: String,
    any: Regex,
}

/// A text that makes no names of backups.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidBackup(&'static str);

impl FromStr for Backup {
    type Err = InvalidBackup;

    fn from_str(text: &str) -> Result<Self, InvalidBackup> {
        let rest = text.replacen(TAG, "", 1).replacen(DATE, "", 1);
        let is_of_tag = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !text.contains(TAG) {
            return Err(InvalidBackup("it lacks {tag}, the tag whose image is kept"));
        }
        if !text.ends_with(DATE) {
            return Err(InvalidBackup(
                "it has to end with {date}, so that none takes another's place",
            ));
        }
        if !rest.chars().all(is_of_tag) || text.starts_with(['.', '-']) {
            return Err(InvalidBackup(
                "beside {tag} and {date} it may have letters, digits and . _ -",
            ));
        }
        if !rest.contains(|c: char| c.is_ascii_alphabetic()) {
            return Err(InvalidBackup(
                "it lacks a word beside {tag} and {date}, so that no tag of an upstream is taken for one",
            ));
        }
        Ok(Self {
            any: pattern(text, "(?P<tag>.+)").map_err(|_| InvalidBackup("it is too long"))?,
            template: text.to_owned(),
        })
    }
}

/// The name of a backup where the one that it should have is another's already: that with a number behind its date.
///
/// # Errors
/// Where it would be longer than a tag may be.
pub fn another(name: &Tag, number: usize) -> Result<Tag, InvalidReference> {
    format!("{name}.{number}").parse()
}

/// What matches the backups of tags that `tags` matches: their dates, and numbers where they have some.
fn pattern(template: &str, tags: &str) -> Result<Regex, regex::Error> {
    let escaped = regex::escape(template);
    let dated = escaped.replacen(
        &regex::escape(DATE),
        r"(?P<date>\d{4}-\d{2}-\d{2})(?:\.(?P<number>\d+))?",
        1,
    );
    Regex::new(&format!("^{}$", dated.replacen(&regex::escape(TAG), tags, 1)))
}

impl Backup {
    /// The backup of `tag` that is made at `now`, the first of its day.
    ///
    /// # Errors
    /// Where that is longer than a tag may be.
    pub fn name(&self, tag: &str, now: Timestamp) -> Result<Tag, InvalidReference> {
        let date = now.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string();
        self.template.replacen(TAG, tag, 1).replacen(DATE, &date, 1).parse()
    }

    /// Whether a tag is a backup of any other.
    pub fn is_one(&self, tag: &str) -> bool {
        self.any.is_match(tag)
    }

    /// Of which tag another one is a backup, and of which day (UTC).
    pub fn read<'a>(&self, tag: &'a str) -> Option<(&'a str, Date)> {
        let found = self.any.captures(tag)?;
        let day = found.name("date")?.as_str().parse().ok()?;
        Some((found.name("tag")?.as_str(), day))
    }

    /// Of all tags of a repository the backups of `tag`, the newest first.
    pub fn all_of<'a>(&self, tag: &str, tags: impl Iterator<Item = &'a Tag>) -> Vec<&'a Tag> {
        let Ok(own) = pattern(&self.template, &regex::escape(tag)) else {
            return Vec::new();
        };
        let made = |one: &'a Tag| -> Option<(String, u64, &'a Tag)> {
            let found = own.captures(one.as_str())?;
            let number = found
                .name("number")
                .map_or(Some(1), |number| number.as_str().parse().ok())?;
            Some((found["date"].to_owned(), number, one))
        };
        let mut all: Vec<(String, u64, &Tag)> = tags.filter_map(made).collect();
        all.sort_by_key(|(date, number, _)| Reverse((date.clone(), *number)));
        all.into_iter().map(|(.., one)| one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(template: &str) -> Backup {
        template.parse().unwrap()
    }

    #[test]
    fn a_backup_is_named_by_its_tag_and_day() {
        let now: Timestamp = "2026-11-22T23:59:59Z".parse().unwrap();
        let dated = backup("{tag}-before-{date}");
        let name = dated.name("1.27", now).unwrap();
        assert_eq!(name.as_str(), "1.27-before-2026-11-22");
        assert_eq!(another(&name, 3).unwrap().as_str(), "1.27-before-2026-11-22.3");
        assert!(dated.is_one("1.27-before-2026-11-22.3"));
        let day = jiff::civil::date(2026, 11, 22);
        assert_eq!(dated.read("1.27-before-2026-11-22.3"), Some(("1.27", day)));
        assert_eq!(dated.read("1.27-before-2026-22-11"), None, "no day");
        assert!(!dated.is_one("1.27"));
        assert!(!dated.is_one("1.27-before-yesterday"));
        assert!(dated.name(&"x".repeat(120), now).is_err(), "a tag has 128 characters");
    }

    #[test]
    fn the_newest_backup_of_a_tag_is_the_first() {
        for tag in ["1.2", "1.27", "2026-11-22"] {
            let newest = [
                format!("{tag}-before-2026-11-23"),
                format!("{tag}-before-2026-11-22.10"),
                format!("{tag}-before-2026-11-22.2"),
                format!("{tag}-before-2026-11-22"),
            ];
            let others = ["1.20-before-2026-12-01", "2.1.2-before-2026-12-01", tag].map(str::to_owned);
            let mut tags: Vec<Tag> = newest.iter().chain(&others).map(|tag| tag.parse().unwrap()).collect();
            tags.sort();
            let all = backup("{tag}-before-{date}");
            let all: Vec<&str> = all.all_of(tag, tags.iter()).into_iter().map(Tag::as_str).collect();
            assert_eq!(all, newest);
        }
    }

    #[test]
    fn a_name_that_would_be_no_tag_is_none() {
        for wrong in [
            "",
            "old-{date}",
            "{tag}",
            "{tag}-old",
            "{tag}-{date}",
            "{tag}.{date}",
            "{tag} before {date}",
            "-{tag}-old-{date}",
            "{tag}-{time}-{date}",
            "{tag}/old-{date}",
            "{date}-old-{tag}",
        ] {
            assert!(wrong.parse::<Backup>().is_err(), "{wrong:?}");
        }
    }
}
