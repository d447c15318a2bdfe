//! `images`: upstreams that are named, with where they go and the rules for their tags.

use std::collections::{BTreeMap, BTreeSet};

use config::ValueKind;

use super::Mistake;
use super::layers::Found;
use super::reader::{Reader, Setting, Why, text_of};
use super::values::{flag, from_str, pattern, suffix, within};
use crate::aws::ecr::account_and_region;
use crate::image::Repository;
use crate::mapping::Named;
use crate::selection::{Constraint, MAX_SELECTED, Pattern, Per, Rules, Selection, words};

const MOST: usize = 100_000;

/// A repository's name in ECR (API reference, CreateRepository).
const LONGEST: usize = 256;

impl Reader {
    /// All entries. One that has a mistake is left out: it is noted.
    pub(super) fn images(&mut self) -> Vec<Named> {
        let list = ["images".to_owned()];
        let mut known: BTreeMap<String, Named> = BTreeMap::new();
        let mut entries = Vec::new();
        for entry in self.entries(&list) {
            let entry = [&list[..], &[entry.to_string()]].concat();
            let Some(named) = self.image(&entry) else { continue };
            let first = known.entry(named.repository.clone()).or_insert_with(|| named.clone());
            // They would take each other's tags.
            if first.upstream != named.upstream {
                let problem = format!(
                    "{} would follow both {} and {}, which {} says; name another repository",
                    named.repository, named.upstream, first.upstream, first.from
                );
                self.wrong_with(&entry, problem);
            }
            entries.push(named);
        }
        entries
    }

    /// The numbers of the entries of a list.
    fn entries(&self, list: &[String]) -> BTreeSet<usize> {
        let inside = self.inside(list);
        inside
            .filter_map(|(place, _)| place.get(list.len())?.parse().ok())
            .collect()
    }

    /// All that was found within a section.
    fn inside<'a>(&'a self, section: &'a [String]) -> impl Iterator<Item = (&'a Vec<String>, &'a Found)> {
        let from = self.places.range(section.to_vec()..);
        from.take_while(move |(place, _)| place.starts_with(section))
    }

    fn image(&mut self, entry: &[String]) -> Option<Named> {
        let upstream = self.value(entry, "upstream", from_str::<Repository>);
        if upstream.is_none() && self.at(entry, "upstream").is_none() {
            self.lacking(entry, "upstream: the repository that the images come from");
        }
        let name = |text: &str| is_name(text).then(|| text.to_owned());
        let repository = self.value(entry, "repository", |text| name(text).filter(|name| name.len() > 1));
        let prefix = self.value(entry, "repo_prefix", name);
        let template = self.value(entry, "name", |text| is_template(text).then(|| text.to_owned()));
        let ways = ["repository", "repo_prefix", "name"].map(|way| (way, self.at(entry, way)));
        let mut said = ways.into_iter().filter_map(|(way, setting)| Some((way, setting?)));
        match said.next() {
            None => self.lacking(entry, "repository, repo_prefix or name: where the images go"),
            Some((first, _)) => {
                let mistake = |(_, setting): (_, Setting)| {
                    setting.mistake(format!("{first} says where the images go: only one of them can"))
                };
                self.mistakes.extend(said.map(mistake));
            }
        }
        let mut any = vec![self.rules(entry)];
        let sets = [entry, &["any".to_owned()]].concat();
        let inner: Vec<Rules> = self
            .entries(&sets)
            .into_iter()
            .map(|set| self.rules(&[&sets[..], &[set.to_string()]].concat()))
            .collect();
        if !inner.is_empty() {
            self.only_sets(entry);
            any = inner;
        }
        let max_selected = self.value(entry, "max_selected", |text| within(text, 1..=MOST));
        let origin = self.inside(entry).next()?.1.origin.clone();
        let upstream = upstream?;
        let repository = match (repository, prefix, template) {
            (Some(repository), None, None) => repository,
            (None, Some(prefix), None) => format!("{prefix}/{}", upstream.path),
            (None, None, Some(template)) => filled(&template, &upstream),
            _ => return None,
        };
        if !is_name(&repository) {
            self.wrong_with(entry, format!("{repository} is no name of a repository in ECR"));
            return None;
        }
        if repository.len() > LONGEST {
            self.wrong_with(
                entry,
                format!("{repository} is longer than the {LONGEST} characters of a name in ECR"),
            );
            return None;
        }
        Some(Named {
            upstream,
            repository,
            tags: Selection {
                any,
                max_selected: max_selected.unwrap_or(MAX_SELECTED),
            },
            from: format!("{} of {origin}", entry.join(".")),
        })
    }

    fn rules(&mut self, at: &[String]) -> Rules {
        let rules = Rules {
            include_tags: self.words(at, "include_tags"),
            exclude_tags: self.words(at, "exclude_tags"),
            include_rls: self.words(at, "include_rls"),
            exclude_rls: self.words(at, "exclude_rls"),
            constraint: self.told(at, "constraint", |text| {
                text.parse::<Constraint>().map_err(|why| why.to_string())
            }),
            release_only: self.value(at, "release_only", flag).unwrap_or_default(),
            max_results: self
                .value(at, "max_results", |text| within(text, 0..=MOST))
                .unwrap_or_default(),
            allow: self.patterns(at, "allow"),
            deny: self.patterns(at, "deny"),
            suffix: self.told(at, "suffix", suffix),
            newest: self.value(at, "newest", |text| within(text, 1..=MOST)),
            newest_per: self.value(at, "newest_per", from_str::<Per>),
        };
        if rules.suffix.is_some() {
            for other in ["include_rls", "exclude_rls", "release_only"] {
                let says_something =
                    |setting: &Setting| text_of(&setting.found.value).is_some_and(|text| text != "false");
                if let Some(setting) = self.at(at, other).filter(says_something) {
                    self.mistakes
                        .push(setting.mistake("suffix takes its place: only one of both can be said".to_owned()));
                }
            }
        }
        rules
    }

    /// Rules beside sets of rules would choose for none of them.
    fn only_sets(&mut self, entry: &[String]) {
        let sets = [entry, &["any".to_owned()]].concat();
        let beside: Vec<Setting> = super::rule_keys::OF_ENTRIES
            .iter()
            .filter_map(|key| self.at(entry, key.parts().last()?))
            .collect();
        for setting in beside {
            let problem = format!(
                "put it into each of the sets of {}: beside them it says nothing",
                sets.join(".")
            );
            self.mistakes.push(setting.mistake(problem));
        }
    }

    fn at(&self, section: &[String], key: &str) -> Option<Setting> {
        self.find_at([section, &[key.to_owned()]].concat())
    }

    fn value<T>(&mut self, section: &[String], key: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let setting = self.at(section, key)?;
        self.read(&setting, &|text| parse(text).ok_or(None))
    }

    fn told<T>(&mut self, section: &[String], key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let setting = self.at(section, key)?;
        self.read(&setting, &|text| parse(text).map_err(Some))
    }

    /// A list of words; in one text there are commas or spaces between.
    fn words(&mut self, section: &[String], key: &str) -> Vec<String> {
        if self.is_empty_list(section, key) {
            return Vec::new();
        }
        let parse = |text: &str| match words(text) {
            words if words.is_empty() => Err("it names nothing; leave it out".to_owned()),
            words => Ok(words),
        };
        self.told(section, key, parse).unwrap_or_default()
    }

    /// Whether it is what a sample file has in the place of a list.
    fn is_empty_list(&self, section: &[String], key: &str) -> bool {
        let setting = self.at(section, key);
        setting.is_some_and(|setting| matches!(&setting.found.value.kind, ValueKind::Array(items) if items.is_empty()))
    }

    /// A list of patterns; one text is one of them, since a comma may be a part of it.
    pub(super) fn patterns(&mut self, section: &[String], key: &str) -> Vec<Pattern> {
        let Some(setting) = self.at(section, key).filter(|_| !self.is_empty_list(section, key)) else {
            return Vec::new();
        };
        let texts: Option<Vec<String>> = match &setting.found.value.kind {
            ValueKind::Array(items) => items.iter().map(text_of).collect(),
            _ => text_of(&setting.found.value).map(|text| vec![text]),
        };
        let parse = |_: &str| -> Result<Vec<Pattern>, Why> {
            let texts = texts.as_deref().filter(|texts| !texts.is_empty()).ok_or(None)?;
            texts.iter().map(|text| pattern(text).map_err(Some)).collect()
        };
        self.read(&setting, &parse).unwrap_or_default()
    }

    fn lacking(&mut self, entry: &[String], what: &str) {
        self.wrong_with(entry, format!("needs {what}"));
    }

    fn wrong_with(&mut self, entry: &[String], problem: String) {
        let origin = self.inside(entry).next().map(|(_, found)| found.origin.clone());
        self.mistakes.push(Mistake {
            origin: origin.unwrap_or_default(),
            key: entry.join("."),
            problem,
        });
    }
}

/// What stands for parts of the upstream in `name`.
fn parts(upstream: &Repository) -> [(&'static str, &str); 3] {
    let path = &*upstream.path;
    let name = path.rsplit('/').next().unwrap_or(path);
    [("{registry}", &upstream.host), ("{path}", path), ("{name}", name)]
}

fn filled(template: &str, upstream: &Repository) -> String {
    let fill = |filled: String, (part, text)| filled.replace(part, text);
    parts(upstream).into_iter().fold(template.to_owned(), fill)
}

/// Whether nothing but names is left once the upstream's parts are filled in, of which there has to be one: two upstreams would share a
/// repository.
fn is_template(text: &str) -> bool {
    let any: Option<Repository> = "registry.example.com/team/app".parse().ok();
    any.is_some_and(|any| {
        let filled = filled(text, &any);
        filled != text && is_name(&filled)
    })
}

/// Of a repository of ECR (API reference, CreateRepository), without the registry before it.
fn is_name(text: &str) -> bool {
    let is_of_ecr = text
        .split('/')
        .next()
        .is_some_and(|first| account_and_region(first).is_some());
    !is_of_ecr && format!("registry.example.com/{text}").parse::<Repository>().is_ok()
}
