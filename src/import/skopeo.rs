//! The YAML that `skopeo sync --src yaml` reads (containers/skopeo, docs/skopeo-sync.1.md).

use std::collections::BTreeMap;

use super::draft::{Draft, Image, RuleSet};
use super::login::{Said, Templates, log_in};
use super::names;
use super::patterns::{Anchors, whole};
use super::ranges::{Grammar, range};
use super::section::{Item, Section};
use super::{Beside, ImportError, below, keys_of, other};
use crate::image::{Repository, Tag};
use crate::yaml::Node;

const EXPECTED: &str = "a configuration of skopeo sync is a mapping of registries to mappings with images, images-by-tag-regex or images-by-semver";

/// Reads all of it.
pub(super) fn read(root: &Node, beside: &Beside<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let target = Target::of(beside)?;
    let registries = keys_of(root, draft, EXPECTED)?.take_all();
    if let Some((_, odd)) = registries.iter().find(|(_, item)| !item.is_section()) {
        return Err(other(root, odd.line, draft, EXPECTED));
    }
    let mut has_images = false;
    for (name, item) in registries {
        has_images |= registry(name, &item, &target, draft);
    }
    if !beside.all {
        draft.take_one_platform(", or import with --all where skopeo is told that");
    }
    match has_images {
        true => Ok(()),
        false => Err(other(root, root.line, draft, EXPECTED)),
    }
}

/// Where all images go.
struct Target {
    host: String,
    prefix: String,
    scoped: bool,
}

impl Target {
    fn of(beside: &Beside<'_>) -> Result<Self, ImportError> {
        let text = beside.target.ok_or(ImportError::NoTarget)?;
        let wrong = |why| ImportError::Target {
            target: text.rsplit('@').next().unwrap_or_default().to_owned(),
            why,
        };
        let place = text.strip_prefix("docker://").unwrap_or(text).trim_end_matches('/');
        let (host, prefix) = place.split_once('/').unwrap_or((place, ""));
        let target = Self {
            host: names::host(host).map_err(wrong)?,
            prefix: prefix.to_owned(),
            scoped: beside.scoped,
        };
        below(&target.host, &target.prefix, "x").map_err(wrong)?;
        Ok(target)
    }

    /// By the last part of a repository's name alone, or by all of it.
    fn of_upstream(&self, upstream: &Repository) -> Result<Repository, String> {
        match self.scoped {
            true => below(&self.host, &self.prefix, &upstream.to_string()),
            false => below(
                &self.host,
                &self.prefix,
                upstream.path.rsplit('/').next().unwrap_or_default(),
            ),
        }
        .map_err(|why| format!("where it goes: {why}"))
    }
}

/// Whether it has images at all.
fn registry(name: &str, item: &Item<'_>, target: &Target, draft: &mut Draft) -> bool {
    let Some(mut section) = item.section(draft) else {
        return false;
    };
    let lists: Vec<(Choose, Item<'_>)> = [
        ("images", Choose::Named),
        ("images-by-tag-regex", Choose::Pattern),
        ("images-by-semver", Choose::Range),
    ]
    .into_iter()
    .filter_map(|(key, choose)| Some((choose, section.take(key)?)))
    .collect();
    let has_images = !lists.is_empty();
    let host = match names::host(name) {
        Ok(host) => host,
        Err(why) => {
            draft.leave(item, why);
            return has_images;
        }
    };
    for (choose, list) in lists {
        for (repository, said) in list.section(draft).map(|mut all| all.take_all()).unwrap_or_default() {
            image(&format!("{host}/{repository}"), choose, &said, target, draft);
        }
    }
    access(section, &host, draft);
    has_images
}

/// How tags are chosen.
#[derive(Debug, Clone, Copy)]
enum Choose {
    Named,
    Pattern,
    Range,
}

fn image(upstream: &str, choose: Choose, said: &Item<'_>, target: &Target, draft: &mut Draft) {
    let both = names::repository(upstream).and_then(|upstream| Ok((target.of_upstream(&upstream)?, upstream)));
    let (target, upstream) = match both {
        Ok(both) => both,
        Err(why) => return draft.leave(said, why),
    };
    let sets = match choose {
        Choose::Named => named(said, draft).map(|set| vec![set]),
        Choose::Pattern => said.text(draft).and_then(|text| match whole(text, Anchors::None) {
            Ok(pattern) => Some(vec![RuleSet {
                allow: vec![pattern],
                ..RuleSet::default()
            }]),
            Err(why) => {
                draft.leave(said, format!("it is no regular expression here: {why}"));
                None
            }
        }),
        Choose::Range => said.text(draft).and_then(|text| in_range(text, said, draft)),
    };
    let Some(sets) = sets else { return };
    draft.images.push(Image {
        said: draft.said(said),
        label: None,
        upstream,
        target,
        sets,
        digests: BTreeMap::new(),
        common: BTreeMap::new(),
    });
}

/// An empty list is all tags. None where none of those that are named can be brought over.
fn named(said: &Item<'_>, draft: &mut Draft) -> Option<RuleSet> {
    if said.is_nothing() {
        return Some(RuleSet::default());
    }
    if !said.is_list() {
        draft.leave(said, "it is no list of tags");
        return None;
    }
    let items = said.items(draft);
    let mut tags = Vec::new();
    for item in &items {
        match item.text(draft) {
            Some(text) if text.contains(':') => draft.leave(item, names::DIGEST),
            Some(text) if text.parse::<Tag>().is_ok() => tags.push(text.to_owned()),
            Some(_) => draft.leave(item, "it is no tag"),
            None => {}
        }
    }
    match (tags.is_empty(), items.is_empty()) {
        (true, false) => None,
        _ => Some(RuleSet::of_tags(tags)),
    }
}

fn in_range(text: &str, said: &Item<'_>, draft: &mut Draft) -> Option<Vec<RuleSet>> {
    match range(text, Grammar::Masterminds) {
        Ok(range) => {
            draft.leave(said, range.difference());
            Some(range.sets(Grammar::Masterminds, &RuleSet::default()))
        }
        Err(why) => {
            draft.leave(said, format!("it is no range of versions here: {why}"));
            None
        }
    }
}

/// Who we are there, and how it is asked.
fn access(mut section: Section<'_>, host: &str, draft: &mut Draft) {
    if let Some(mut login) = section.take("credentials").and_then(|item| item.section(draft)) {
        let username = Said::username(login.take("username"), Templates::None, draft);
        let password = Said::password(login.take("password"), Templates::None, draft);
        log_in(draft, host, username, password);
        login.leave_rest(draft, |key| {
            (key == "identitytoken").then_some("a secret is not written, and tokens are asked for with a login")
        });
    }
    if let Some(item) = section.take("tls-verify")
        && item.flag(draft) == Some(false)
    {
        draft.leave(
            &item,
            "certificates are always checked: name the registry's authority in `registries.HOST.ca`, or say \
             `registries.HOST.plain_http: true` where it has no TLS",
        );
    }
    section.leave_rest(draft, |key| {
        (key == "cert-dir").then_some("name the files in it as `registries.HOST.ca`, `cert` and `key`")
    });
}
