//! regsync's configuration (regclient, docs/regsync.md, as of v0.11).

mod backup;
mod creds;
mod schedule;

use std::collections::BTreeMap;

use self::backup::backup;
use super::draft::{BACKUP, Common, Draft, FOREIGN_LAYERS, Image, PLATFORMS, REFERRERS, RuleSet};
use super::patterns::{Anchors, whole};
use super::ranges::{Grammar, Range, range};
use super::section::{Item, Section};
use super::{ImportError, keys_of, names, other};
use crate::image::{Digest, Platforms, Reference, Repository, Tag};
use crate::yaml::Node;

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
        let said = common(&mut section, draft).into_iter();
        defaults = said.filter_map(|(key, common)| Some((key, common?))).collect();
        section.leave_rest(draft, why);
    }
    for entry in sync.items(draft) {
        image(&entry, &defaults, draft);
    }
    leave_idle(defaults, draft);
    all.leave_rest(draft, |key| {
        key.starts_with("x-")
            .then_some("regsync itself does not read it either")
    });
    Ok(())
}

/// Why a key of `defaults` or of an entry of `sync` is left out.
fn why(key: &str) -> Option<&'static str> {
    Some(match key {
        "platform" | "platforms" => "regsync reads it in the entries of sync alone",
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
            Ok(Read {
                upstream,
                target,
                sets,
                digests: BTreeMap::new(),
            })
        }),
        "registry" => {
            Err("it brings a whole registry: name each of its repositories in an entry of `images`".to_owned())
        }
        _ => Err("its type is none of image, repository and registry".to_owned()),
    };
    let read = match read {
        Ok(read) => read,
        Err(why) => return draft.leave(entry, why),
    };
    let platforms = match platforms(&mut section, draft) {
        Ok(platforms) => platforms,
        Err(why) => return draft.leave(entry, why),
    };
    let mut all = defaults.clone();
    for (key, own) in common(&mut section, draft) {
        match own {
            Some(own) => all.insert(key, own),
            None => all.remove(key),
        };
    }
    all.retain(|_, common| common.value != ["false"]);
    all.extend(platforms.map(|common| (PLATFORMS, common)));
    with_referrers(&mut all, draft);
    draft.images.push(Image {
        said: draft.said(entry),
        label: None,
        upstream: read.upstream,
        target: read.target,
        sets: read.sets,
        digests: read.digests,
        common: all,
    });
    section.leave_rest(draft, |key| match key {
        "tags" | "tagSets" => Some("regsync does not read it with `type: image`"),
        "repos" => Some("regsync reads it with `type: registry` alone"),
        key => why(key),
    });
}

/// What an entry is about.
struct Read {
    upstream: Repository,
    target: Repository,
    sets: Vec<RuleSet>,
    digests: BTreeMap<Tag, Digest>,
}

fn of_image(source: &str, target: &str) -> Result<Read, String> {
    let in_registry = |text: &str| no_folder(text).and_then(|()| names::image(text));
    let (source, target) = (
        in_registry(source).map_err(|why| format!("its source: {why}"))?,
        in_registry(target).map_err(|why| format!("its target: {why}"))?,
    );
    let mut read = Read {
        upstream: source.repository,
        target: target.repository,
        sets: Vec::new(),
        digests: BTreeMap::new(),
    };
    match (source.reference, target.reference) {
        (Reference::Tag(from), Reference::Tag(to)) if from == to => {
            read.sets.push(RuleSet::of_tags(vec![from.to_string()]));
        }
        (Reference::Tag(from), Reference::Tag(to)) => {
            return Err(format!(
                "a tag keeps its name here: {from} cannot become {to}; bring it with `ecr-keeper copy`"
            ));
        }
        (Reference::Digest(digest), Reference::Tag(tag)) => {
            read.digests.insert(tag, digest);
        }
        (_, Reference::Digest(_)) => return Err(names::DIGEST.to_owned()),
    }
    Ok(read)
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
    let (of_sets, of_tags) = (section.take("tagSets"), section.take("tags"));
    let mut read = Vec::new();
    let mut is_said = false;
    if let Some(list) = of_sets {
        let items = list.items(draft);
        is_said = !list.is_list() || !items.is_empty();
        read.extend(items.iter().filter_map(|item| rule_sets(item, draft)).flatten());
    }
    if let Some(tags) = of_tags {
        match rule_sets(&tags, draft) {
            // regsync passes over one without a rule in it.
            Some(sets) if sets == [RuleSet::default()] => {}
            sets => {
                is_said = true;
                read.extend(sets.into_iter().flatten());
            }
        }
    }
    if !is_said {
        read.push(RuleSet::default());
    }
    (!read.is_empty()).then_some(read)
}

/// One set of rules, which may be several here. None where without those that cannot be brought over it would choose more.
fn rule_sets(item: &Item<'_>, draft: &mut Draft) -> Option<Vec<RuleSet>> {
    let mut section = item.section(draft)?;
    let allow = section.take("allow").map(|list| patterns(&list, draft));
    let deny = section.take("deny").map(|list| patterns(&list, draft));
    let ranges = section.take("semverRange").map(|list| constraints(&list, draft));
    // What is not known may be a rule, too.
    let is_known = section.is_empty();
    section.leave_rest(draft, |_| None);
    let (allow, deny, ranges) = (
        allow.unwrap_or_default(),
        deny.unwrap_or_default(),
        ranges.unwrap_or_default(),
    );
    if !is_known || allow.chooses_more() || ranges.chooses_more() || deny.lacks_some {
        return None;
    }
    let set = RuleSet {
        allow: allow.read,
        deny: deny.read,
        ..RuleSet::default()
    };
    let range = ranges.read.into_iter().reduce(Range::or);
    Some(range.map_or_else(|| vec![set.clone()], |range| range.sets(Grammar::Regclient, &set)))
}

/// A list of rules, as far as they can be brought over.
#[derive(Default)]
struct Rules<T> {
    read: Vec<T>,
    lacks_some: bool,
}

impl<T> Rules<T> {
    /// Of what is there; a text in the place of a list is no list of none.
    fn of(list: &Item<'_>) -> Self {
        Self {
            read: Vec::new(),
            lacks_some: !list.is_list(),
        }
    }

    /// Whether none is left of those of which one has to fit.
    fn chooses_more(&self) -> bool {
        self.read.is_empty() && self.lacks_some
    }
}

fn patterns(list: &Item<'_>, draft: &mut Draft) -> Rules<String> {
    let mut rules = Rules::of(list);
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

fn constraints(list: &Item<'_>, draft: &mut Draft) -> Rules<Range> {
    let mut rules = Rules::of(list);
    for item in list.items(draft) {
        match item.text(draft).map(|text| range(text, Grammar::Regclient)) {
            Some(Ok(range)) => {
                draft.leave(&item, range.difference());
                rules.read.push(range);
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

/// The platforms of an entry.
fn platforms(section: &mut Section<'_>, draft: &mut Draft) -> Result<Option<Common>, &'static str> {
    let mut said = None;
    // The second takes one of those that the first chooses.
    for key in ["platforms", "platform"] {
        let Some(item) = section.take(key) else { continue };
        let all = item.one_or_more(draft);
        let words: Vec<&str> = all.iter().filter_map(|one| one.text(draft)).collect();
        let is_read = !item.is_section() && words.len() == all.len();
        match (words.join(",").parse(), is_read) {
            (Ok(Platforms::AsTarget), true) => {}
            (Ok(platforms @ (Platforms::One(_) | Platforms::Listed(_))), true) => {
                let words = platforms.to_string().split(',').map(str::to_owned).collect();
                said = Some(draft.common(&item, words));
            }
            _ => {
                draft.leave(&item, "it is no platform such as linux/amd64");
                return Err("its platforms cannot be brought over, and without them more would come");
            }
        }
    }
    Ok(said)
}

/// What is said here of all images at once; none where it has no counterpart.
fn common(section: &mut Section<'_>, draft: &mut Draft) -> BTreeMap<&'static str, Option<Common>> {
    let mut said = BTreeMap::new();
    for key in [DIGEST_TAGS, REFERRERS] {
        if let Some(item) = section.take(key) {
            let flag = item.flag(draft);
            said.insert(key, flag.map(|flag| draft.common(&item, vec![flag.to_string()])));
        }
    }
    if let Some(item) = section.take("includeExternal") {
        let flag = item.flag(draft);
        said.insert(
            FOREIGN_LAYERS,
            flag.map(|flag| draft.common(&item, vec![flag.to_string()])),
        );
    }
    schedule::read(section, &mut said, draft);
    if let Some(item) = section.take("backup") {
        let name = item.text(draft).map(backup);
        if let Some(Err(why)) = &name {
            draft.leave(
                &item,
                format!("{why}: say policy.backup, such as {{tag}}-before-{{date}}"),
            );
        }
        let name = name.and_then(Result::ok);
        said.insert(BACKUP, name.map(|name| draft.common(&item, vec![name])));
    }
    said
}

/// What regsync calls tags of signatures and the like, which are named for a digest.
const DIGEST_TAGS: &str = "digestTags";

/// One setting stands for two of regsync's: for one alone it would bring more.
fn with_referrers(all: &mut BTreeMap<&'static str, Common>, draft: &mut Draft) {
    if let (Some(one), None) | (None, Some(one)) = (all.get(REFERRERS), all.get(DIGEST_TAGS)) {
        let one = one.clone();
        let why = "`referrers: true` is both: what refers to an image by its subject, and the tags of its signatures; set it where the \
                   other may come, too";
        draft.leave_said(&one.said, why);
        all.remove(REFERRERS);
    }
}

/// Tells of defaults that no entry takes.
fn leave_idle(defaults: BTreeMap<&'static str, Common>, draft: &mut Draft) {
    for common in defaults.into_values().filter(|common| common.value != ["false"]) {
        let is_same = |other: &Common| other.said.key == common.said.key;
        let is_used = draft.images.iter().any(|image| image.common.values().any(is_same));
        if !is_used && !draft.left_out.iter().any(|left| left.key == common.said.key) {
            draft.leave_said(&common.said, "no entry that was brought over takes it from here");
        }
    }
}
