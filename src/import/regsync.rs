//! regsync's configuration (regclient, docs/regsync.md, as of v0.11).

mod creds;

use std::collections::BTreeMap;

use super::draft::{COMMON, Common, Draft, Image, RuleSet, SCHEDULED};
use super::patterns::{Anchors, whole};
use super::ranges::{Grammar, range};
use super::section::{Item, Section};
use super::yaml::Node;
use super::{ImportError, keys_of, names, other};
use crate::image::{Platforms, Repository};

const EXPECTED: &str = "a configuration of regsync is a mapping with a list `sync`";

/// Reads all of it.
pub(super) fn read(root: &Node, draft: &mut Draft) -> Result<(), ImportError> {
    let mut all = keys_of(root, draft, EXPECTED)?;
    let Some(sync) = all.take("sync").filter(Item::is_list) else {
        return Err(other(root, root.line, draft, EXPECTED));
    };
    if let Some(version) = all.take("version")
        && version.text(draft).is_some_and(|text| !matches!(text, "0" | "1"))
    {
        let expected = "a configuration of regsync has `version: 1`; no other is known here";
        return Err(other(root, version.line, draft, expected));
    }
    if let Some(creds) = all.take("creds") {
        for one in creds.items(draft) {
            creds::read(&one, draft);
        }
    }
    let mut defaults = BTreeMap::new();
    if let Some(mut section) = all.take("defaults").and_then(|item| item.section(draft)) {
        if let Some(parallel) = section.take("parallel") {
            draft.concurrency = parallel.number(draft, 1, 64);
        }
        defaults = common(&mut section, draft);
        section.leave_rest(draft, why);
    }
    for entry in sync.items(draft) {
        image(&entry, &defaults, draft);
    }
    all.leave_rest(draft, |key| {
        key.starts_with("x-")
            .then_some("regsync itself does not read it either")
    });
    Ok(())
}

/// Why a key of `defaults` or of an entry of `sync` is left out.
fn why(key: &str) -> Option<&'static str> {
    Some(match key {
        "interval" | "schedule" => SCHEDULED,
        "backup" => "it is written otherwise here, for all images: policy.backup, such as '{tag}-before-{date}'",
        "ratelimit" => "limits are heeded as the registries tell them; `registries.HOST.on_limit: wait` waits for them",
        "hooks" => "no command is run around an image; `webhook` and the result files tell what happened",
        "mediaTypes" => "images and indexes of Docker and OCI come, and nothing else",
        "forceRecursive" => "what is at the target is looked at, and only what is missing there is sent",
        "fastCheck" => "a tag whose digest is the upstream's is left alone in any case",
        "referrerFilters" | "referrerSource" | "referrerTarget" | "referrerSlow" => {
            "`referrers` brings all that refers to an image, to the repository that the image goes to"
        }
        "skipDockerConfig" => {
            "Docker's configuration is asked for logins that the settings do not have; DOCKER_CONFIG names another"
        }
        "blobLimit" | "cacheCount" | "cacheTime" | "userAgent" => "it has no counterpart, and is not needed",
        _ => return None,
    })
}

/// One entry of `sync`.
fn image(entry: &Item<'_>, defaults: &BTreeMap<&'static str, Common>, draft: &mut Draft) {
    let Some(mut section) = entry.section(draft) else {
        return;
    };
    let mut text = |key: &str, draft: &mut Draft| section.take(key).and_then(|item| item.text(draft));
    let (source, target, kind) = (text("source", draft), text("target", draft), text("type", draft));
    let (Some(source), Some(target), Some(kind)) = (source, target, kind) else {
        return draft.leave(entry, "it needs source, target and type");
    };
    let read = match kind {
        "image" => of_image(source, target),
        "repository" => of_repository(source, target).and_then(|(upstream, target)| {
            let sets = sets(&mut section, draft).ok_or("none of its rules for tags can be brought over")?;
            Ok((upstream, target, sets))
        }),
        "registry" => {
            Err("it brings a whole registry: name each of its repositories in an entry of `images`".to_owned())
        }
        _ => Err("its type is none of image, repository and registry".to_owned()),
    };
    let (upstream, target, sets) = match read {
        Ok(read) => read,
        Err(why) => return draft.leave(entry, why),
    };
    let mut all = defaults.clone();
    let own = common(&mut section, draft);
    all.extend(own);
    all.retain(|setting, common| *setting == COMMON[0] || common.value == ["true"]);
    draft.images.push(Image {
        said: draft.said(entry),
        label: None,
        upstream,
        target,
        sets,
        common: all,
    });
    section.leave_rest(draft, |key| match key {
        "tags" | "tagSets" => Some("regsync does not read it with `type: image`"),
        "repos" => Some("regsync reads it with `type: registry` alone"),
        key => why(key),
    });
}

type Read = (Repository, Repository, Vec<RuleSet>);

fn of_image(source: &str, target: &str) -> Result<Read, String> {
    let in_registry = |text: &str| no_folder(text).and_then(|()| names::image(text));
    let (source, target) = (
        in_registry(source).map_err(|why| format!("its source: {why}"))?,
        in_registry(target).map_err(|why| format!("its target: {why}"))?,
    );
    let (from, to) = (names::tag_of(&source)?, names::tag_of(&target)?);
    if from != to {
        return Err(format!(
            "a tag keeps its name here: {from} cannot become {to}; bring it with `ecr-keeper copy`"
        ));
    }
    let sets = vec![RuleSet::of_tags(vec![from.to_string()])];
    Ok((source.repository, target.repository, sets))
}

fn of_repository(source: &str, target: &str) -> Result<(Repository, Repository), String> {
    let in_registry = |text: &str| no_folder(text).and_then(|()| names::repository(text));
    Ok((
        in_registry(source).map_err(|why| format!("its source: {why}"))?,
        in_registry(target).map_err(|why| format!("its target: {why}"))?,
    ))
}

fn no_folder(text: &str) -> Result<(), String> {
    match text.starts_with("ocidir:") || text.starts_with("ocifile:") {
        true => Err("it is a folder, and images go from registry to registry here".to_owned()),
        false => Ok(()),
    }
}

/// All sets of rules, of which any may choose; none where no one of those that are there can be brought over.
fn sets(section: &mut Section<'_>, draft: &mut Draft) -> Option<Vec<RuleSet>> {
    let mut said = Vec::new();
    if let Some(sets) = section.take("tagSets") {
        said.extend(sets.items(draft));
    }
    if let Some(tags) = section.take("tags") {
        // One without a rule in it is passed over, unless it is among several.
        said.extend(Some(tags).filter(|tags| !tags.is_empty_section()));
    }
    let sets: Vec<RuleSet> = said.iter().filter_map(|item| rule_set(item, draft)).collect();
    (said.is_empty() || !sets.is_empty()).then_some(sets)
}

/// One set of rules. None where without those that cannot be brought over it would choose more.
fn rule_set(item: &Item<'_>, draft: &mut Draft) -> Option<RuleSet> {
    let mut section = item.section(draft)?;
    let allow = section.take("allow").map(|list| patterns(&list, draft));
    let deny = section.take("deny").map(|list| patterns(&list, draft));
    let ranges = section.take("semverRange").map(|list| constraints(&list, draft));
    section.leave_rest(draft, |_| None);
    let (allow, deny, ranges) = (
        allow.unwrap_or_default(),
        deny.unwrap_or_default(),
        ranges.unwrap_or_default(),
    );
    if allow.chooses_more() || ranges.chooses_more() || deny.lacks_some {
        return None;
    }
    Some(RuleSet {
        // regclient's versions are those with a suffix, too.
        suffix: (!ranges.read.is_empty()).then_some(".*"),
        constraint: (!ranges.read.is_empty()).then(|| ranges.read.join(" || ")),
        allow: allow.read,
        deny: deny.read,
        ..RuleSet::default()
    })
}

/// A list of rules, as far as they can be brought over.
#[derive(Default)]
struct Rules {
    read: Vec<String>,
    lacks_some: bool,
}

impl Rules {
    /// Whether none is left of those of which one has to fit.
    fn chooses_more(&self) -> bool {
        self.read.is_empty() && self.lacks_some
    }
}

fn patterns(list: &Item<'_>, draft: &mut Draft) -> Rules {
    let mut rules = Rules::default();
    for item in list.items(draft) {
        match item.text(draft).map(|text| whole(text, Anchors::Added)) {
            Some(Ok(pattern)) => rules.read.push(pattern),
            Some(Err(why)) => {
                draft.leave(&item, format!("it is no regular expression here: {why}"));
                rules.lacks_some = true;
            }
            None => rules.lacks_some = true,
        }
    }
    rules
}

fn constraints(list: &Item<'_>, draft: &mut Draft) -> Rules {
    let mut rules = Rules::default();
    for item in list.items(draft) {
        match item.text(draft).map(|text| range(text, Grammar::Regclient)) {
            Some(Ok(range)) => {
                draft.leave(&item, range.difference());
                rules.read.push(range.constraint);
            }
            Some(Err(why)) => {
                draft.leave(&item, format!("it is no range of versions here: {why}"));
                rules.lacks_some = true;
            }
            None => rules.lacks_some = true,
        }
    }
    rules
}

/// What is said here of all images at once.
fn common(section: &mut Section<'_>, draft: &mut Draft) -> BTreeMap<&'static str, Common> {
    let mut said = BTreeMap::new();
    for key in ["platform", "platforms"] {
        let Some(item) = section.take(key) else { continue };
        let words: Vec<&str> = item
            .one_or_more(draft)
            .iter()
            .filter_map(|one| one.text(draft))
            .collect();
        match words.join(",").parse::<Platforms>() {
            Ok(Platforms::AsTarget) => {}
            Ok(platforms) => {
                let words = platforms.to_string().split(',').map(str::to_owned).collect();
                said.insert(COMMON[0], draft.common(&item, words));
            }
            Err(_) => draft.leave(&item, "it is no platform such as linux/amd64"),
        }
    }
    for (key, setting) in [
        ("digestTags", COMMON[1]),
        ("referrers", COMMON[1]),
        ("includeExternal", COMMON[2]),
    ] {
        let Some(item) = section.take(key) else { continue };
        if let Some(flag) = item.flag(draft) {
            // Tags of signatures and other referrers come with `referrers`, too: either asks for it.
            let is_asked = |common: &Common| common.value == ["true"];
            if flag || !said.get(setting).is_some_and(is_asked) {
                said.insert(setting, draft.common(&item, vec![flag.to_string()]));
            }
        }
    }
    said
}
