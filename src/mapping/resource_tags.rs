//! What the resource tags of a repository of ECR say of its upstream: lambda-ecr-image-sync's `ecr_sync_…`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use super::Named;
use crate::image::{Repository, Tag};
use crate::selection::{Constraint, MAX_SELECTED, Rules, Selection, tags, words};

const PREFIX: &str = "ecr_sync_";

/// Every key there is, behind [`PREFIX`]. The last three are ours.
const KEYS: [&str; 12] = [
    "opt",
    "source",
    "constraint",
    "include_tags",
    "exclude_tags",
    "include_rls",
    "exclude_rls",
    "max_results",
    "release_only",
    "suffix",
    "newest",
    "newest_per",
];

/// A resource tag that says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tag {key} of repository {repository}: {why}")]
pub struct TagMistake {
    /// The tag's key.
    pub key: String,
    /// Whose tag it is.
    pub repository: String,
    /// What is wrong with its value.
    pub why: String,
}

/// What the tags of a repository name; none where `ecr_sync_opt` is not there or `out`.
///
/// Values are what AWS allows: letters, digits, spaces and `_ . : / = + - @`. Lists have commas or spaces between.
///
/// # Errors
/// Every mistake.
pub fn named_by_tags(repository: &str, tags: &BTreeMap<String, String>) -> Result<Option<Named>, Vec<TagMistake>> {
    match tags.get("ecr_sync_opt").map(|opt| opt.trim()) {
        Some("in") => {}
        // The AWS console leaves a value empty.
        None | Some("" | "out") => return Ok(None),
        // Nobody writes it to say nothing.
        Some(opt) => {
            return Err(vec![TagMistake {
                key: format!("{PREFIX}opt"),
                repository: repository.to_owned(),
                why: format!("{opt:?} is neither in nor out, in small letters"),
            }]);
        }
    }
    let mut reader = Reader {
        repository,
        tags,
        mistakes: Vec::new(),
    };
    reader.note_unknown();
    let upstream = reader.upstream();
    let rules = reader.rules();
    match (upstream, reader.mistakes.is_empty()) {
        (Some(upstream), true) => Ok(Some(Named {
            upstream,
            repository: repository.to_owned(),
            elsewhere: None,
            tags: Some(Selection {
                any: vec![rules],
                max_selected: MAX_SELECTED,
            }),
            digests: BTreeMap::new(),
            from: format!("the tags ecr_sync_… of {repository}"),
        })),
        _ => Err(reader.mistakes),
    }
}

struct Reader<'a> {
    repository: &'a str,
    tags: &'a BTreeMap<String, String>,
    mistakes: Vec<TagMistake>,
}

impl Reader<'_> {
    fn note(&mut self, key: &str, why: impl Display) {
        self.mistakes.push(TagMistake {
            key: format!("{PREFIX}{key}"),
            repository: self.repository.to_owned(),
            why: why.to_string(),
        });
    }

    fn note_unknown(&mut self) {
        let unknown = self.tags.keys().filter_map(|key| key.strip_prefix(PREFIX));
        for key in unknown.filter(|key| !KEYS.contains(key)) {
            let near = KEYS.iter().min_by_key(|known| strsim::damerau_levenshtein(key, known));
            let meant = near.map(|near| format!("; did you mean {PREFIX}{near}?"));
            self.note(key, format!("no such tag{}", meant.unwrap_or_default()));
        }
    }

    /// None where the tag is not there, or has no value, which the AWS console leaves behind.
    fn text(&self, key: &str) -> Option<String> {
        let text = self.tags.get(&format!("{PREFIX}{key}"))?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn value<T>(&mut self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.note(key, why);
                None
            }
        }
    }

    fn upstream(&mut self) -> Option<Repository> {
        if self.text("source").is_none() {
            self.note(
                "source",
                "is not there, and ecr_sync_opt is in: name the upstream's repository",
            );
        }
        self.value("source", from_str)
    }

    fn rules(&mut self) -> Rules {
        let list = |text: Option<String>| text.map(|text| words(&text)).unwrap_or_default();
        let number = |text: &str| text.parse::<i64>().map_err(|_| format!("{text:?} is no whole number"));
        let rules = Rules {
            include_tags: self.value("include_tags", named).unwrap_or_default(),
            exclude_tags: self.value("exclude_tags", named).unwrap_or_default(),
            include_rls: list(self.text("include_rls")),
            exclude_rls: list(self.text("exclude_rls")),
            constraint: self.value("constraint", |text| {
                Constraint::of_resource_tag(text).map_err(|why| why.to_string())
            }),
            release_only: self.value("release_only", flag).unwrap_or_default(),
            // Up to 0 there is no limit.
            max_results: self
                .value("max_results", number)
                .and_then(|number| usize::try_from(number).ok())
                .unwrap_or_default(),
            suffix: self.value("suffix", from_str),
            newest: self.value("newest", |text| {
                let number = number(text)?;
                usize::try_from(number)
                    .ok()
                    .filter(|number| *number > 0)
                    .ok_or_else(|| format!("{text} is less than 1"))
            }),
            newest_per: self.value("newest_per", from_str),
            ..Rules::default()
        };
        if rules.suffix.is_some() {
            for other in ["include_rls", "exclude_rls", "release_only"] {
                if self.text(other).is_some() {
                    self.note(other, "ecr_sync_suffix takes its place: only one of both can be there");
                }
            }
        }
        rules
    }
}

fn from_str<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|why: T::Err| why.to_string())
}

fn named(text: &str) -> Result<Vec<Tag>, String> {
    tags(text).map_err(|why| why.to_string())
}

fn flag(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(tags: &[(&str, &str)]) -> Result<Option<Named>, Vec<String>> {
        let tags = tags.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
        let mistakes = |mistakes: Vec<TagMistake>| mistakes.iter().map(ToString::to_string).collect();
        named_by_tags("base/app", &tags.collect()).map_err(mistakes)
    }

    #[test]
    fn the_tags_of_lambda_ecr_image_sync_name_an_upstream_and_rules() {
        let named = named(&[
            ("ecr_sync_opt", "in"),
            ("ecr_sync_source", "docker.io/grafana/grafana"),
            ("ecr_sync_constraint", "-ge 1.1 -lt 2"),
            ("ecr_sync_include_rls", "ubuntu, debian"),
            ("ecr_sync_exclude_rls", "rc  beta"),
            ("ecr_sync_include_tags", "latest"),
            ("ecr_sync_max_results", "-1"),
            ("team", "a"),
        ]);
        let named = named.unwrap().unwrap();
        assert_eq!(named.upstream.to_string(), "docker.io/grafana/grafana");
        let tags = [
            "1.0",
            "1.1",
            "1.2-ubuntu",
            "1.3-rc1-debian",
            "1.4-debian",
            "latest",
            "2.0",
        ];
        let tags: Vec<Tag> = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        let chosen = named.tags.unwrap().choose(&tags).unwrap().chosen;
        let chosen: Vec<&str> = chosen.iter().map(Tag::as_str).collect();
        assert_eq!(chosen, ["latest", "1.4-debian", "1.2-ubuntu", "1.1"]);
    }

    #[test]
    fn a_repository_that_does_not_opt_in_is_left_alone() {
        let mistaken = ("ecr_sync_constraint", "nonsense");
        assert!(named(&[mistaken]).unwrap().is_none());
        assert!(named(&[("ecr_sync_opt", "out"), mistaken]).unwrap().is_none());
        assert!(named(&[("ecr_sync_opt", ""), mistaken]).unwrap().is_none());
        for other in ["IN", "yes", "true", "no"] {
            assert_eq!(
                named(&[("ecr_sync_opt", other), mistaken]).unwrap_err(),
                [format!(
                    "tag ecr_sync_opt of repository base/app: {other:?} is neither in nor out, in small letters"
                )]
            );
        }
    }

    #[test]
    fn every_mistake_names_its_tag_and_its_repository() {
        let mistakes = named(&[
            ("ecr_sync_opt", "in"),
            ("ecr_sync_constraint", "1.x"),
            ("ecr_sync_max_results", "many"),
            ("ecr_sync_release_only", "yes"),
            ("ecr_sync_newest", "0"),
            ("ecr_sync_suffix", "alpine"),
            ("ecr_sync_include_tag", "latest"),
            ("ecr_sync_include_tags", "latest -x app:1"),
        ]);
        assert_eq!(
            mistakes.unwrap_err(),
            [
                "tag ecr_sync_include_tag of repository base/app: no such tag; did you mean ecr_sync_include_tags?",
                "tag ecr_sync_source of repository base/app: is not there, and ecr_sync_opt is in: name the upstream's repository",
                "tag ecr_sync_include_tags of repository base/app: \"-x\" is no tag (at most 128 letters, digits, '_', '.' and '-', not \
                 beginning with '.' or '-')",
                "tag ecr_sync_constraint of repository base/app: \"1.x\" is no condition here: write -pe 1.0",
                "tag ecr_sync_release_only of repository base/app: \"yes\" is neither true nor false",
                "tag ecr_sync_max_results of repository base/app: \"many\" is no whole number",
                "tag ecr_sync_newest of repository base/app: 0 is less than 1",
                "tag ecr_sync_release_only of repository base/app: ecr_sync_suffix takes its place: only one of both can be there",
            ]
        );
    }
}
