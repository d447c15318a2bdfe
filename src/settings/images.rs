//! `images`: upstreams that are named, with where they go and the rules for their tags.

use std::collections::{BTreeMap, BTreeSet};

use config::ValueKind;

use super::Mistake;
use super::layers::Found;
use super::reader::{Reader, Setting, Why, text_of};
use super::rule_keys::OF_ENTRIES;
use super::values::{flag, from_str, pattern, platforms, suffix, within};
use crate::image::{Digest, InvalidReference, Platforms, Repository, Tag};
use crate::mapping::{Elsewhere, Named};
use crate::plan::{EngineKind, Safety};
use crate::selection::{Constraint, MAX_SELECTED, Pattern, Per, Rules, Selection, words};

/// The most tags that rules may be told to choose.
pub(super) const MOST_TAGS: usize = 100_000;

/// What an entry of `images` says for one of its targets.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Whose images, which, and where they go.
    pub named: Named,
    /// The platforms that are wanted there, where not those of all.
    pub platforms: Option<Platforms>,
    /// What must hold there before an image takes another's place, where not what holds for all.
    pub safety: Option<Safety>,
    /// Who copies there, where not who copies everything.
    pub engine: Option<EngineKind>,
}

impl Reader {
    /// All entries, one for each target. One that has a mistake is left out: it is noted.
    pub(super) fn images(&mut self, usual: Option<&Safety>) -> Vec<Entry> {
        let list = ["images".to_owned()];
        let mut known: BTreeMap<(Option<Elsewhere>, String), Entry> = BTreeMap::new();
        let mut all = Vec::new();
        for entry in self.entries(&list) {
            let entry = [&list[..], &[entry.to_string()]].concat();
            for mut one in self.image(&entry, usual).into_iter().flatten() {
                let named = &one.named;
                let target = (named.elsewhere.clone(), named.repository.clone());
                let Some(first) = known.get_mut(&target) else {
                    known.insert(target, one.clone());
                    all.push(one);
                    continue;
                };
                let (name, from) = (&named.repository, first.named.from.clone());
                // They would take each other's tags.
                let problem = match &first.named.upstream {
                    other if *other != named.upstream => Some(format!(
                        "{name} would follow both {} and {other}, which {from} says; name another repository",
                        named.upstream
                    )),
                    _ if one.platforms.is_some() || one.safety.is_some() || one.engine.is_some() => Some(format!(
                        "platforms, policy and engine hold for all of {name}, which {from} names before: say them there"
                    )),
                    _ => named.digests.iter().find_map(|(tag, digest)| {
                        let first = first.named.digests.entry(tag.clone()).or_insert(digest.clone());
                        (first != digest).then(|| format!("{name}:{tag} would name both {digest} and {first}"))
                    }),
                };
                let engine = first.engine;
                if let Some(problem) = problem {
                    self.wrong_with(&entry, problem);
                }
                // Two engines would take each other's tags.
                one.engine = engine;
                all.push(one);
            }
        }
        all
    }

    /// The numbers of the entries of a list.
    pub(super) fn entries(&self, list: &[String]) -> BTreeSet<usize> {
        let inside = self.inside(list);
        inside
            // What is no section is a mistake already.
            .filter(|(place, _)| place.len() > list.len() + 1)
            .filter_map(|(place, _)| place.get(list.len())?.parse().ok())
            .collect()
    }

    /// All that was found within a section.
    pub(super) fn inside<'a>(&'a self, section: &'a [String]) -> impl Iterator<Item = (&'a Vec<String>, &'a Found)> {
        let from = self.places.range(section.to_vec()..);
        from.take_while(move |(place, _)| place.starts_with(section))
    }

    /// One for each target.
    fn image(&mut self, entry: &[String], usual: Option<&Safety>) -> Option<Vec<Entry>> {
        let upstream = self.value(entry, "upstream", from_str::<Repository>);
        if upstream.is_none() && self.at(entry, "upstream").is_none() {
            self.lacking(entry, "upstream: the repository that the images come from");
        }
        let targets = self.targets(entry, upstream.as_ref());
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
        let digests = self.digests(&[entry, &["digests".to_owned()]].concat());
        let platforms = self.value(entry, "platforms", platforms);
        let safety = self.own_safety(entry, usual);
        let engine = self.own_engine(entry);
        let max_selected = self.value(entry, "max_selected", |text| within(text, 1..=MOST_TAGS));
        let origin = self.inside(entry).next()?.1.origin.clone();
        let upstream = upstream?;
        // Without rules everything would be chosen beside the digests.
        let tags = (digests.is_empty() || self.has_rules(entry)).then(|| Selection {
            any,
            max_selected: max_selected.unwrap_or(MAX_SELECTED),
        });
        let from = format!("{} of {origin}", entry.join("."));
        let one = |(elsewhere, repository)| Entry {
            named: Named {
                upstream: upstream.clone(),
                repository,
                elsewhere,
                tags: tags.clone(),
                digests: digests.clone(),
                from: from.clone(),
            },
            platforms: platforms.clone(),
            safety: safety.clone(),
            engine,
        };
        Some(targets.into_iter().map(one).collect())
    }

    /// Digests by the tags that are to name them.
    fn digests(&mut self, section: &[String]) -> BTreeMap<Tag, Digest> {
        let mut digests = BTreeMap::new();
        for name in self.names_in(section) {
            let digest = self.value(section, &name, from_str::<Digest>);
            match name.parse::<Tag>() {
                Ok(tag) => digests.extend(digest.map(|digest| (tag, digest))),
                Err(why) => self.wrong_with(section, format!("{name} is no tag: {why}")),
            }
        }
        digests
    }

    /// The names that the user chose in a section.
    pub(super) fn names_in(&self, section: &[String]) -> BTreeSet<String> {
        let inside = self.inside(section);
        inside
            .filter_map(|(place, _)| place.get(section.len()).cloned())
            .collect()
    }

    fn has_rules(&self, entry: &[String]) -> bool {
        let mut keys = OF_ENTRIES.iter().filter_map(|key| key.parts().last());
        keys.any(|key| self.at(entry, key).is_some())
            || !self.names_in(&[entry, &["any".to_owned()]].concat()).is_empty()
    }

    fn rules(&mut self, at: &[String]) -> Rules {
        let mistakes = self.mistakes.len();
        let rules = Rules {
            include_tags: self.listed(at, "include_tags", named),
            exclude_tags: self.listed(at, "exclude_tags", named),
            include_rls: self.listed(at, "include_rls", word),
            exclude_rls: self.listed(at, "exclude_rls", word),
            constraint: self.told(at, "constraint", |text| {
                text.parse::<Constraint>().map_err(|why| why.to_string())
            }),
            release_only: self.value(at, "release_only", flag).unwrap_or_default(),
            max_results: self
                .value(at, "max_results", |text| within(text, 0..=MOST_TAGS))
                .unwrap_or_default(),
            allow: self.patterns(at, "allow"),
            deny: self.patterns(at, "deny"),
            suffix: self.told(at, "suffix", suffix),
            newest: self.value(at, "newest", |text| within(text, 1..=MOST_TAGS)),
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
        // What is wrong may be what they lack.
        if self.mistakes.len() == mistakes {
            for (rule, why) in rules.idle() {
                self.note(&[at, &[rule.to_owned()]].concat(), why.to_string());
            }
        }
        rules
    }

    /// Rules beside sets of rules would choose for none of them.
    fn only_sets(&mut self, entry: &[String]) {
        let sets = [entry, &["any".to_owned()]].concat();
        let beside: Vec<Setting> = OF_ENTRIES
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

    pub(super) fn at(&self, section: &[String], key: &str) -> Option<Setting> {
        self.find_at([section, &[key.to_owned()]].concat())
    }

    pub(super) fn value<T>(&mut self, section: &[String], key: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let setting = self.at(section, key)?;
        self.read(&setting, &|text| parse(text).ok_or(None))
    }

    pub(super) fn told<T>(
        &mut self,
        section: &[String],
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let setting = self.at(section, key)?;
        self.read(&setting, &|text| parse(text).map_err(Some))
    }

    /// What each of a list is; in one text there are commas or spaces between.
    fn listed<T>(&mut self, section: &[String], key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        self.list(section, key, &words, &parse)
    }

    /// A list of patterns; one text is one of them, since a comma may be a part of it.
    pub(super) fn patterns(&mut self, section: &[String], key: &str) -> Vec<Pattern> {
        self.texts(section, key, &pattern)
    }

    /// A list in which one text is one of them.
    pub(super) fn texts<T>(
        &mut self,
        section: &[String],
        key: &str,
        parse: &dyn Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        self.list(section, key, &|text| vec![text.to_owned()], parse)
    }

    /// An empty list would mean that there is no such rule, and choose everything.
    fn list<T>(
        &mut self,
        section: &[String],
        key: &str,
        split: &dyn Fn(&str) -> Vec<String>,
        parse: &dyn Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(setting) = self.at(section, key) else {
            return Vec::new();
        };
        let texts: Option<Vec<String>> = match &setting.found.value.kind {
            ValueKind::Array(items) => items.iter().map(text_of).collect(),
            _ => text_of(&setting.found.value).map(|text| split(&text)),
        };
        let read = |_: &str| -> Result<Vec<T>, Why> {
            let texts = texts.as_deref().ok_or(None)?;
            if texts.is_empty() {
                return Err(Some("it names nothing; leave it out".to_owned()));
            }
            texts.iter().map(|text| parse(text).map_err(Some)).collect()
        };
        self.read(&setting, &read).unwrap_or_default()
    }

    pub(super) fn lacking(&mut self, entry: &[String], what: &str) {
        self.wrong_with(entry, format!("needs {what}"));
    }

    pub(super) fn wrong_with(&mut self, entry: &[String], problem: String) {
        let origin = self.inside(entry).next().map(|(_, found)| found.origin.clone());
        self.mistakes.push(Mistake {
            origin: origin.unwrap_or_default(),
            key: entry.join("."),
            problem,
        });
    }
}

fn named(text: &str) -> Result<Tag, String> {
    text.parse().map_err(|why: InvalidReference| why.to_string())
}

/// One of a list, in which each stands by itself.
fn word(text: &str) -> Result<String, String> {
    match words(text).as_slice() {
        [one] if one == text => Ok(text.to_owned()),
        _ => Err(format!("{text:?} is no word: write each word by itself")),
    }
}

/// What stands for parts of the upstream in `name`.
fn parts(upstream: &Repository) -> [(&'static str, &str); 3] {
    let path = &*upstream.path;
    let name = path.rsplit('/').next().unwrap_or(path);
    [("{registry}", &upstream.host), ("{path}", path), ("{name}", name)]
}

pub(super) fn filled(template: &str, upstream: &Repository) -> String {
    let fill = |filled: String, (part, text)| filled.replace(part, text);
    parts(upstream).into_iter().fold(template.to_owned(), fill)
}
