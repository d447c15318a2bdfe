//! Under which tag an image stays that another is about to take the place of.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use regex::Regex;

use crate::image::{InvalidReference, Tag};

const TAG: &str = "{tag}";
const DATE: &str = "{date}";

/// Names of backups: `{tag}-before-{date}` is `1.27-before-2026-11-22`, and another one of that day `1.27-before-2026-11-22.2`.
/// Without `{date}` a tag has one backup, the last.
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
        if text == TAG {
            return Err(InvalidBackup("it is the tag itself"));
        }
        if text.contains(DATE) && !text.ends_with(DATE) {
            return Err(InvalidBackup("{date} has to stand at its end"));
        }
        if !rest.chars().all(is_of_tag) || text.starts_with(['.', '-']) {
            return Err(InvalidBackup(
                "beside {tag} and {date} it may have letters, digits and . _ -",
            ));
        }
        Ok(Self {
            any: pattern(text, ".+").map_err(|_| InvalidBackup("it is too long"))?,
            template: text.to_owned(),
        })
    }
}

/// The name of a backup where the one that it should have is another's already: that with a number behind its date. None for one
/// without a date, which takes the place of the one before, and where it would be too long.
pub fn another(name: &Tag, number: usize) -> Option<Tag> {
    let date = name.as_str().len().checked_sub("2026-11-22".len())?;
    let is_date = |text: &str| text.parse::<jiff::civil::Date>().is_ok();
    let is_dated = name.as_str().get(date..).is_some_and(is_date);
    is_dated.then(|| format!("{name}.{number}").parse().ok())?
}

/// What matches the backups of tags that `tags` matches.
fn pattern(template: &str, tags: &str) -> Result<Regex, regex::Error> {
    let escaped = regex::escape(template);
    let dated = escaped.replacen(&regex::escape(DATE), r"\d{4}-\d{2}-\d{2}(?:\.(\d+))?", 1);
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

    /// Of all tags of a repository the backups of `tag`, the newest first.
    pub fn all_of<'a>(&self, tag: &str, tags: impl Iterator<Item = &'a Tag>) -> Vec<&'a Tag> {
        let Ok(own) = pattern(&self.template, &regex::escape(tag)) else {
            return Vec::new();
        };
        let number = |one: &Tag| -> u64 {
            let number = own
                .captures(one.as_str())
                .and_then(|found| found.get(1)?.as_str().parse().ok());
            number.unwrap_or(1)
        };
        let undated = |one: &Tag| match own.captures(one.as_str()).and_then(|found| found.get(1)) {
            Some(number) => one.as_str().replacen(&format!(".{}", number.as_str()), "", 1),
            None => one.as_str().to_owned(),
        };
        let mut all: Vec<&Tag> = tags.filter(|one| own.is_match(one.as_str())).collect();
        all.sort_by_cached_key(|one| std::cmp::Reverse((undated(one), number(one))));
        all
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
        let single = backup("old-{tag}").name("1.27", now).unwrap();
        assert_eq!((single.as_str(), another(&single, 2)), ("old-1.27", None));
        assert!(dated.is_one("1.27-before-2026-11-22.3"));
        assert!(!dated.is_one("1.27"));
        assert!(!dated.is_one("1.27-before-yesterday"));
        assert!(dated.name(&"x".repeat(120), now).is_err(), "a tag has 128 characters");
    }

    #[test]
    fn the_newest_backup_of_a_tag_is_the_first() {
        let tags: Vec<Tag> = [
            "1.2-before-2026-11-22",
            "1.2-before-2026-11-22.10",
            "1.2-before-2026-11-22.9",
            "1.2-before-2026-11-23",
            "1.20-before-2026-12-01",
            "2.1.2-before-2026-12-01",
            "1.2",
        ]
        .map(|tag| tag.parse().unwrap())
        .to_vec();
        let dated = backup("{tag}-before-{date}");
        let all: Vec<&str> = dated.all_of("1.2", tags.iter()).into_iter().map(Tag::as_str).collect();
        assert_eq!(
            all,
            [
                "1.2-before-2026-11-23",
                "1.2-before-2026-11-22.10",
                "1.2-before-2026-11-22.9",
                "1.2-before-2026-11-22"
            ]
        );
    }

    #[test]
    fn a_name_that_would_be_no_tag_is_none() {
        for wrong in [
            "",
            "old",
            "{tag}",
            "{tag} {date}",
            "-{tag}",
            "{tag}-{time}",
            "{tag}/{date}",
            "{date}-{tag}",
        ] {
            assert!(wrong.parse::<Backup>().is_err(), "{wrong:?}");
        }
    }
}
