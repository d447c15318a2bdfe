//! What protects an image, whatever the rules say.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use regex::Regex;

use super::{KeptBecause, Shown};
use crate::aws::ecr::{ImageDetails, Status, account_and_region};
use crate::image::{Digest, Tag};
use crate::mapping::Backup;
use crate::selection::{InvalidPattern, Pattern};
use crate::usage::UsersOf;

/// An entry of `protect` in the settings, or what `manage` keeps beside these.
#[derive(Debug, Clone)]
pub enum Protected {
    /// This image, for it is one of so many that were pushed last.
    PushedLast(Digest, usize),
    /// The image with this digest, in whichever repository.
    Digest(Digest),
    /// Images with a tag that this matches as a whole.
    Tag(Pattern),
    /// Images that this matches as a whole by `REPOSITORY:TAG`; those without a tag by `REPOSITORY:`.
    Image(Pattern),
}

/// A text that protects nothing: why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProtected {
    /// It is no regular expression.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// No tag has a slash.
    #[error("it names a repository and no tag; write REPOSITORY:.* for all that is in it")]
    NoTag,
    /// Neither a tag nor `REPOSITORY:TAG` has that.
    #[error("it has an @; write the digest alone (sha256:…)")]
    WithDigest,
    /// Repositories are matched by their names in the registry.
    #[error("it begins with the registry's host; write REPOSITORY:TAG without it")]
    WithHost,
}

impl FromStr for Protected {
    type Err = InvalidProtected;

    fn from_str(text: &str) -> Result<Self, InvalidProtected> {
        if let Ok(digest) = text.parse() {
            return Ok(Self::Digest(digest));
        }
        let pattern = text.parse()?;
        let host = text.split('/').next().unwrap_or_default().replace('\\', "");
        match (has_colon(text)?, text.contains('/')) {
            _ if account_and_region(&host).is_some() => Err(InvalidProtected::WithHost),
            _ if text.contains('@') => Err(InvalidProtected::WithDigest),
            (true, _) => Ok(Self::Image(pattern)),
            (false, true) => Err(InvalidProtected::NoTag),
            (false, false) => Ok(Self::Tag(pattern)),
        }
    }
}

/// A colon that stands for one: not that of a group `(?:…)` or `(?i:…)`, nor those of a class `[[:digit:]]`.
fn has_colon(pattern: &str) -> Result<bool, InvalidPattern> {
    let others = Regex::new(r"\(\?[[:alpha:]-]*:|\[:\^?[[:alpha:]]+:\]")?;
    Ok(others.replace_all(pattern, "").contains(':'))
}

impl fmt::Display for Protected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) | Self::PushedLast(digest, _) => f.write_str(digest.as_str()),
            Self::Tag(pattern) | Self::Image(pattern) => pattern.fmt(f),
        }
    }
}

impl Protected {
    /// Whether it protects this image of a repository.
    pub fn has(&self, repository: &str, image: &ImageDetails) -> bool {
        match self {
            Self::Digest(digest) | Self::PushedLast(digest, _) => *digest == image.digest,
            Self::Tag(pattern) => image.tags.iter().any(|tag| pattern.is_match(tag.as_str())),
            Self::Image(pattern) => {
                let mut names = image.tags.iter().map(|tag| format!("{repository}:{tag}"));
                let is_untagged = image.tags.is_empty() && pattern.is_match(&format!("{repository}:"));
                is_untagged || names.any(|name| pattern.is_match(&name))
            }
        }
    }
}

/// A tag whose upstream has gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCopy {
    /// The tag.
    pub tag: Tag,
    /// When that was noticed.
    pub since: Timestamp,
}

/// What protects images of one repository by their names, whoever runs them.
#[derive(Debug, Clone, Copy)]
pub struct ByName<'a> {
    /// The entries of `protect`.
    pub protected: &'a [Protected],
    /// Tags that may be the last of their kind.
    pub last_copies: &'a [LastCopy],
    /// How backups are named.
    pub backups: &'a [&'a Backup],
    /// How long these stay.
    pub backup_term: Duration,
}

impl ByName<'_> {
    /// Why this image stays.
    pub fn keeps(&self, repository: &str, image: &ImageDetails, now: Timestamp) -> Option<KeptBecause> {
        let by_settings = || {
            let entry = self.protected.iter().find(|entry| entry.has(repository, image))?;
            Some(match entry {
                Protected::PushedLast(_, count) => KeptBecause::PushedLast { count: *count },
                _ => KeptBecause::Protected { by: entry.to_string() },
            })
        };
        let last = || {
            let LastCopy { tag, since } = self.last_copies.iter().find(|last| image.tags.contains(&last.tag))?;
            Some(KeptBecause::LastCopy {
                tag: tag.clone(),
                since: *since,
            })
        };
        let backup = || {
            let mut until = image.tags.iter().filter_map(|tag| Some((tag, self.until(tag)?)));
            let (tag, until) = until.find(|(_, until)| now < *until)?;
            Some(KeptBecause::Backup {
                tag: tag.clone(),
                until,
            })
        };
        by_settings().or_else(last).or_else(backup)
    }

    /// Counted from the end of the day that a backup is of.
    fn until(&self, tag: &Tag) -> Option<Timestamp> {
        let (_, day) = backup_of(self.backups, tag)?;
        let end = day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
        // A term beyond all times has no end.
        Some(end.checked_add(self.backup_term).unwrap_or(Timestamp::MAX))
    }
}

/// What protects images of one repository.
#[derive(Debug, Clone)]
pub struct Protection<'a> {
    /// Who runs them.
    pub users: UsersOf<'a>,
    /// Whether everybody could be asked; where not, none goes.
    pub knows_users: bool,
    /// Who may run any of them; where there is somebody, none goes.
    pub may_run: Vec<String>,
    /// Since when nobody has used the repository, by a report: where somebody has since, none goes.
    pub unused_at: Option<Timestamp>,
    /// The entries of `protect`.
    pub protected: &'a [Protected],
    /// Tags that may be the last of their kind.
    pub last_copies: Vec<LastCopy>,
    /// How backups are named.
    pub backups: Vec<&'a Backup>,
    /// How long these stay.
    pub backup_term: Duration,
    /// What was shown to go, where that has been: nothing else does.
    pub shown: Option<&'a Shown>,
}

impl Protection<'_> {
    /// Why an image stays that nobody runs.
    pub(super) fn keeps(
        &self,
        repository: &str,
        image: &ImageDetails,
        archived: bool,
        now: Timestamp,
    ) -> Option<KeptBecause> {
        let by_name = ByName {
            protected: self.protected,
            last_copies: &self.last_copies,
            backups: &self.backups,
            backup_term: self.backup_term,
        };
        let put_away = || (image.status == Status::Archived && !archived).then_some(KeptBecause::Archived);
        by_name.keeps(repository, image, now).or_else(put_away)
    }

    /// Whether it may go by what was shown: it was, with the tags that it has.
    pub(super) fn is_as_shown(&self, image: &ImageDetails) -> bool {
        let Some(shown) = self.shown else {
            return true;
        };
        let tags = shown.get(&image.digest);
        tags.is_some_and(|tags| tags.len() == image.tags.len() && image.tags.iter().all(|tag| tags.contains(tag)))
    }

    /// Of which tag another is a backup, and of which day.
    pub(super) fn backup<'t>(&self, tag: &'t Tag) -> Option<(&'t str, Date)> {
        backup_of(&self.backups, tag)
    }
}

fn backup_of<'t>(backups: &[&Backup], tag: &'t Tag) -> Option<(&'t str, Date)> {
    backups.iter().find_map(|backup| backup.read(tag.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prune::sample;

    #[test]
    fn an_entry_is_of_a_digest_a_tag_or_a_repository_s_tag() {
        let digest = format!("sha256:{}", "a".repeat(64));
        assert!(matches!(digest.parse(), Ok(Protected::Digest(_))));
        for tag in [
            "v\\d{1,3}",
            "(?:stable|latest)",
            "(?i:prod).*",
            "[[:alpha:]]+",
            "[[:^alpha:]-]+",
            "(?i)prod",
            "a(?:b|(?-i:c))[[:digit:]]",
        ] {
            assert!(matches!(tag.parse(), Ok(Protected::Tag(_))), "{tag}");
        }
        for image in [
            "base/image/nginx:.*",
            "(?:a|b)/c:1",
            "prod/.*:(?:stable|v.*)",
            ".*:[[:digit:]]+",
            "[:]x",
        ] {
            assert!(matches!(image.parse(), Ok(Protected::Image(_))), "{image}");
        }
        assert!("v(".parse::<Protected>().is_err());
    }

    #[test]
    fn an_entry_that_nothing_could_match_is_refused() {
        let digest = format!("base/image/nginx@sha256:{}", "a".repeat(64));
        for (entry, why) in [
            ("base/image/.*", InvalidProtected::NoTag),
            ("(?:a|b)/c", InvalidProtected::NoTag),
            (digest.as_str(), InvalidProtected::WithDigest),
            (
                "123456789012.dkr.ecr.eu-central-1.amazonaws.com/base/x:1",
                InvalidProtected::WithHost,
            ),
            (
                r"123456789012\.dkr\.ecr\.eu-central-1\.amazonaws\.com/base/x:.*",
                InvalidProtected::WithHost,
            ),
        ] {
            assert_eq!(entry.parse::<Protected>().unwrap_err(), why, "{entry}");
        }
    }

    #[test]
    fn an_entry_for_all_tags_of_a_repository_protects_what_has_none() {
        let loose = sample::image("loose", 8, &[]);
        let has = |entry: &str, repository: &str| entry.parse::<Protected>().unwrap().has(repository, &loose);
        assert!(has("shop/api:.*", "shop/api"));
        assert!(!has("shop/api:v.*", "shop/api") && !has("shop/api:.*", "shop/web"));
    }
}
