//! Rules that come to nothing beside others. It shows before any upstream is asked.

use std::collections::BTreeSet;

use super::Rules;
use crate::image::Tag;

/// Why a rule comes to nothing, in words that follow its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Idle {
    /// What it names is denied.
    #[error("{tag} never comes: deny matches it ({deny})")]
    Denied {
        /// The tag.
        tag: Tag,
        /// The pattern.
        deny: String,
    },
    /// A pattern leaves no tag.
    #[error("{0} matches every tag: nothing comes")]
    DeniesAll(String),
    /// It excludes what is named.
    #[error("{0} comes all the same: include_tags names it")]
    Named(Tag),
    /// The names that are excluded say what comes.
    #[error("says nothing beside exclude_tags, which chooses all tags but those it names")]
    BesideExcluded,
    /// It would add tags, and only as many come as are named.
    #[error("adds nothing beside include_tags without a constraint: no more tags come than that names")]
    BesideNamed,
    /// It would leave a suffix out where none comes.
    #[error("says nothing without include_rls: a constraint chooses releases alone")]
    NoSuffixComes,
    /// It leaves something out of nothing.
    #[error("chooses nothing without include_rls, which says what it is left out of")]
    OutOfNothing,
    /// It leaves out all that the constraint chooses.
    #[error(
        "with it the constraint chooses nothing: that chooses releases alone, and these have no suffix; add include_rls, or leave it out"
    )]
    NoRelease,
    /// There is nothing that it would leave out.
    #[error("says nothing without include_rls and constraint")]
    Alone,
    /// What it chooses is left out again.
    #[error("{word} chooses nothing: exclude_rls has {by}, with which all of it begins")]
    LeftOut {
        /// The word.
        word: String,
        /// What leaves it out.
        by: String,
    },
    /// No version is such a one.
    #[error("no version is {0}")]
    Impossible(String),
    /// No release is such a one.
    #[error("no release is {0}, and nothing else is held against it: name a tag with a suffix in include_tags")]
    NamesSuffix(String),
    /// Fewer come anyway.
    #[error("no more than {0} come: max_results says so")]
    OverLimit(usize),
}

impl Rules {
    /// The rules that come to nothing, by their names, in the order in which `docs/rules.md` tells of them.
    pub fn idle(&self) -> Vec<(&'static str, Idle)> {
        let mut idle: Vec<(&'static str, Idle)> = Vec::new();
        let included: BTreeSet<&Tag> = self.include_tags.iter().collect();
        for tag in included {
            if let Some(deny) = self.denying(tag.as_str()) {
                let (tag, deny) = (tag.clone(), deny.to_owned());
                idle.push(("include_tags", Idle::Denied { tag, deny }));
            }
        }
        let excluded: BTreeSet<&Tag> = self.exclude_tags.iter().collect();
        let named = excluded.into_iter().filter(|tag| self.names(tag.as_str()));
        idle.extend(named.map(|tag| ("exclude_tags", Idle::Named(tag.clone()))));
        match () {
            // It takes the place of what follows.
            () if self.suffix.is_some() => {}
            () if !self.exclude_tags.is_empty() => {
                let said = self.choosing_versions().into_iter();
                idle.extend(said.map(|rule| (rule, Idle::BesideExcluded)));
            }
            () => self.idle_of_suffixes(&mut idle),
        }
        if let Some(constraint) = self.constraint.as_ref().filter(|_| !self.is_by_exclusion()) {
            idle.extend(constraint.impossible().map(|(text, names_suffix)| {
                let why = if names_suffix {
                    Idle::NamesSuffix
                } else {
                    Idle::Impossible
                };
                ("constraint", why(text))
            }));
        }
        self.idle_of_limits(&mut idle);
        let everything = self.deny.iter().map(ToString::to_string);
        let everything = everything.filter(|text| matches!(text.as_str(), ".*" | ".+"));
        idle.extend(everything.map(|text| ("deny", Idle::DeniesAll(text))));
        idle
    }

    /// Whether the names that are excluded say what comes.
    fn is_by_exclusion(&self) -> bool {
        !self.exclude_tags.is_empty() && self.suffix.is_none()
    }

    /// What is said of versions beside names.
    fn choosing_versions(&self) -> Vec<&'static str> {
        let said = [
            ("constraint", self.constraint.is_some()),
            ("include_rls", !self.include_rls.is_empty()),
            ("exclude_rls", !self.exclude_rls.is_empty()),
            ("release_only", self.release_only),
        ];
        said.into_iter()
            .filter(|(_, is_said)| *is_said)
            .map(|(rule, _)| rule)
            .collect()
    }

    fn idle_of_suffixes(&self, idle: &mut Vec<(&'static str, Idle)>) {
        let has_constraint = self.constraint.is_some();
        if self.include_rls.is_empty() {
            if !self.exclude_rls.is_empty() {
                let why = if has_constraint {
                    Idle::NoSuffixComes
                } else {
                    Idle::OutOfNothing
                };
                idle.push(("exclude_rls", why));
            }
            if self.release_only {
                idle.push((
                    "release_only",
                    if has_constraint { Idle::NoRelease } else { Idle::Alone },
                ));
            }
        }
        for word in &self.include_rls {
            if let Some(by) = self.exclude_rls.iter().find(|by| word.starts_with(by.as_str())) {
                let (word, by) = (word.clone(), by.clone());
                idle.push(("include_rls", Idle::LeftOut { word, by }));
            }
        }
    }

    fn idle_of_limits(&self, idle: &mut Vec<(&'static str, Idle)>) {
        if self.has_named_limit() {
            let said = [
                (
                    "include_rls",
                    !self.include_rls.is_empty() && self.exclude_tags.is_empty(),
                ),
                ("exclude_tags", !self.exclude_tags.is_empty()),
            ];
            idle.extend(
                said.into_iter()
                    .filter(|(_, is_said)| *is_said)
                    .map(|(rule, _)| (rule, Idle::BesideNamed)),
            );
        } else if let (Some(newest), None) = (self.newest, self.newest_per)
            && (1..newest).contains(&self.max_results)
        {
            idle.push(("newest", Idle::OverLimit(self.max_results)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(names: &[&str]) -> Vec<Tag> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn told(rules: &Rules) -> Vec<String> {
        let idle = rules.idle().into_iter();
        idle.map(|(rule, why)| format!("{rule}: {why}")).collect()
    }

    /// What the rules choose among tags of all kinds.
    fn chosen(rules: &Rules) -> usize {
        let all = tags(&[
            "latest",
            "3",
            "1.2",
            "1.3-rc1",
            "1.3",
            "1.3-debian-12",
            "2.0",
            "0.1-deb",
            "1.2.0.1",
        ]);
        let selection = crate::selection::Selection {
            any: vec![rules.clone()],
            ..Default::default()
        };
        selection.choose(&all).unwrap().chosen.len()
    }

    #[test]
    fn rules_that_choose_nothing_are_told() {
        let constraint = |text: &str| Rules {
            constraint: Some(text.parse().unwrap()),
            ..Rules::default()
        };
        for (rules, says) in [
            (constraint(">= 2, < 1"), "constraint: no version is >= 2, < 1"),
            (
                constraint("> 1.2, <= 1.2.0"),
                "constraint: no version is > 1.2, <= 1.2.0",
            ),
            (constraint("~> 1.2, >= 2"), "constraint: no version is ~> 1.2, >= 2"),
            (constraint("= 1.3-rc1"), "constraint: no release is = 1.3-rc1, and"),
            (constraint("~> 1.3-rc1"), "constraint: no release is ~> 1.3-rc1, and"),
            (
                Rules {
                    release_only: true,
                    ..constraint(">= 1.3-rc1")
                },
                "release_only: with it the constraint chooses nothing",
            ),
            (
                Rules {
                    exclude_rls: words(&["rc"]),
                    ..Rules::default()
                },
                "exclude_rls: chooses nothing without include_rls",
            ),
            (
                Rules {
                    include_rls: words(&["debian"]),
                    exclude_rls: words(&["deb"]),
                    ..Rules::default()
                },
                "include_rls: debian chooses nothing: exclude_rls has deb",
            ),
            (
                Rules {
                    include_tags: tags(&["latest", "latest"]),
                    deny: vec!["l.*".parse().unwrap()],
                    ..Rules::default()
                },
                "include_tags: latest never comes: deny matches it (l.*)",
            ),
            (
                Rules {
                    deny: vec![".*".parse().unwrap()],
                    ..Rules::default()
                },
                "deny: .* matches every tag",
            ),
        ] {
            let told = told(&rules);
            assert!(told.len() == 1 && told[0].starts_with(says), "{says}: {told:?}");
            assert_eq!(chosen(&rules), 0, "{says}");
        }
    }

    #[test]
    fn a_rule_that_changes_nothing_is_told() {
        let one = |text: &str| Some(text.parse().unwrap());
        let excluded = || Rules {
            exclude_tags: tags(&["3"]),
            ..Rules::default()
        };
        for (rules, without, says) in [
            (
                Rules {
                    constraint: one("> 9"),
                    ..excluded()
                },
                excluded(),
                "constraint: says nothing beside exclude_tags",
            ),
            (
                Rules {
                    exclude_rls: words(&["rc"]),
                    constraint: one("> 1"),
                    ..Rules::default()
                },
                Rules {
                    constraint: one("> 1"),
                    ..Rules::default()
                },
                "exclude_rls: says nothing without include_rls",
            ),
            (
                Rules {
                    release_only: true,
                    ..Rules::default()
                },
                Rules::default(),
                "release_only: says nothing",
            ),
            (
                Rules {
                    newest: Some(3),
                    max_results: 2,
                    ..Rules::default()
                },
                Rules {
                    max_results: 2,
                    suffix: Some(crate::selection::Suffix::Matches(".*".parse().unwrap())),
                    ..Rules::default()
                },
                "newest: no more than 2 come",
            ),
            (
                Rules {
                    include_tags: tags(&["latest"]),
                    include_rls: words(&["debian"]),
                    ..Rules::default()
                },
                Rules {
                    include_tags: tags(&["latest"]),
                    ..Rules::default()
                },
                "include_rls: adds nothing beside include_tags",
            ),
        ] {
            let told = told(&rules);
            assert!(told.len() == 1 && told[0].starts_with(says), "{says}: {told:?}");
            assert_eq!(chosen(&rules), chosen(&without), "{says}");
        }
    }

    #[test]
    fn rules_that_people_write_are_not_told_of() {
        for constraint in [
            ">= 1.2, < 2",
            "~> 1.0 || ~> 2.0",
            "> 1.2, < 1.2.1",
            ">= 1.3-rc1",
            "!= 1.2",
            "= 1.2",
            "> 1.2, < 1.2.0.1",
            "< 1.3-rc1",
        ] {
            let rules = Rules {
                constraint: Some(constraint.parse().unwrap()),
                include_rls: words(&["debian"]),
                exclude_rls: words(&["debian-rc", "rc"]),
                include_tags: tags(&["latest"]),
                release_only: true,
                newest: Some(2),
                max_results: 2,
                ..Rules::default()
            };
            assert_eq!(told(&rules), [""; 0], "{constraint}");
        }
        let alternatives = Rules {
            constraint: Some("~> 1.0 || >= 3, < 2".parse().unwrap()),
            ..Rules::default()
        };
        assert_eq!(told(&alternatives), ["constraint: no version is >= 3, < 2"]);
    }
}
