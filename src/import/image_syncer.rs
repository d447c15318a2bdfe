//! image-syncer's configuration (AliyunContainerService/image-syncer, README): a file of images and one of logins, or the older
//! one of both.

use std::collections::BTreeMap;

use super::draft::{Draft, Image, RuleSet};
use super::login::{Said, Templates, log_in};
use super::names;
use super::patterns::{Anchors, whole};
use super::section::{Item, Section};
use super::{Beside, ImportError, keys_of, other, parse};
use crate::image::{Digest, Repository, Tag};
use crate::yaml::Node;

const EXPECTED: &str =
    "a file of images of image-syncer is a mapping of images to where they go; its file of logins is named by --auth";

const EXPECTED_LOGINS: &str = "a file of logins of image-syncer is a mapping of registries to username and password";

/// Reads all of it.
pub(super) fn read(root: &Node, beside: &Beside<'_>, draft: &mut Draft) -> Result<(), ImportError> {
    let mut all = keys_of(root, draft, EXPECTED)?;
    // The older form; a repository of this name has no mapping for where it goes.
    let rules = match all.take("images") {
        Some(images) if images.is_section() => {
            if let Some(auth) = all.take("auth").and_then(|item| item.section(draft)) {
                // Of this form it fills in no variables.
                logins(auth, Templates::None, draft);
            }
            all.leave_rest(draft, |_| None);
            images
                .section(draft)
                .map(|mut images| images.take_all())
                .unwrap_or_default()
        }
        image => image
            .map(|item| ("images", item))
            .into_iter()
            .chain(all.take_all())
            .collect(),
    };
    if let Some((_, odd)) = rules.iter().find(|(_, item)| item.is_section()) {
        return Err(other(root, odd.line, draft, EXPECTED));
    }
    for (source, item) in rules {
        rule(source, &item, draft);
    }
    if let Some(source) = beside.auth {
        let auth = parse(source)?;
        let file = std::mem::replace(&mut draft.file, source.name.to_owned());
        logins(keys_of(&auth, draft, EXPECTED_LOGINS)?, Templates::Shell, draft);
        draft.file = file;
    }
    Ok(())
}

/// Which tags an image's name stands for.
#[derive(Debug, PartialEq, Eq)]
enum Which<'a> {
    All,
    Tags(Vec<&'a str>),
    Pattern(&'a str),
    Digest(&'a str),
}

/// `REPOSITORY`, `REPOSITORY:TAG,TAG`, `REPOSITORY:/PATTERN/` or `REPOSITORY@DIGEST`.
fn split(text: &str) -> (&str, Which<'_>) {
    if let Some((repository, pattern)) = text.split_once(":/")
        && let Some(pattern) = pattern.strip_suffix('/')
    {
        return (repository, Which::Pattern(pattern));
    }
    if let Some((repository, digest)) = text.split_once('@') {
        return (repository, Which::Digest(digest));
    }
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    match text[last..].split_once(':') {
        Some((name, tags)) => (&text[..last + name.len()], Which::Tags(tags.split(',').collect())),
        None => (text, Which::All),
    }
}

fn rule(source: &str, item: &Item<'_>, draft: &mut Draft) {
    let chosen = match chosen(source) {
        Ok(chosen) => chosen,
        Err(why) => return draft.leave(item, why),
    };
    let targets = item.one_or_more(draft);
    if item.is_list() && targets.is_empty() {
        draft.leave(item, "it goes nowhere");
    }
    for target in targets {
        let Some(text) = target.text(draft) else { continue };
        match destination(text, &chosen.which) {
            Ok((repository, digests)) => draft.images.push(Image {
                said: draft.said(&target),
                label: None,
                upstream: chosen.upstream.clone(),
                target: repository,
                sets: chosen.set.iter().cloned().collect(),
                digests,
                common: BTreeMap::new(),
            }),
            Err(why) => draft.leave(&target, why),
        }
    }
}

/// What a rule's name stands for.
struct Chosen<'a> {
    upstream: Repository,
    /// None of a digest.
    set: Option<RuleSet>,
    which: Which<'a>,
}

fn chosen(source: &str) -> Result<Chosen<'_>, String> {
    let (repository, which) = split(source);
    let set = match &which {
        Which::All => Some(RuleSet::default()),
        Which::Tags(tags) => match tags.iter().find(|tag| tag.parse::<Tag>().is_err()) {
            Some(_) => return Err("what is behind its : is no list of tags".to_owned()),
            None => Some(RuleSet::of_tags(tags.iter().map(|&tag| tag.to_owned()).collect())),
        },
        Which::Pattern(pattern) => Some(RuleSet {
            allow: vec![
                whole(pattern, Anchors::None).map_err(|why| format!("it has no regular expression for here: {why}"))?,
            ],
            ..RuleSet::default()
        }),
        Which::Digest(digest) if digest.parse::<Digest>().is_err() => {
            return Err("what is behind its @ is no digest".to_owned());
        }
        Which::Digest(_) => None,
    };
    Ok(Chosen {
        upstream: names::repository(repository)?,
        set,
        which,
    })
}

/// Where images go; and where they are named by a digest, the tag that is to name it there.
fn destination(text: &str, source: &Which<'_>) -> Result<(Repository, BTreeMap<Tag, Digest>), String> {
    if text.is_empty() {
        return Err("it goes to the registry that image-syncer is told by its flags: write where".to_owned());
    }
    let (repository, which) = split(text);
    let digests = match (source, which) {
        (Which::Digest(digest), Which::Tags(tags)) => match (digest.parse(), tags.len() == 1, tags[0].parse()) {
            (Ok(digest), true, Ok(tag)) => BTreeMap::from([(tag, digest)]),
            _ => return Err("what is behind its : is no tag".to_owned()),
        },
        (Which::Digest(_), _) => return Err(names::DIGEST.to_owned()),
        (_, Which::All) => BTreeMap::new(),
        (source, which) if which == *source => BTreeMap::new(),
        _ => {
            return Err(
                "a tag keeps its name here: bring what is to have another one with `ecr-keeper copy`".to_owned(),
            );
        }
    };
    Ok((names::repository(repository)?, digests))
}

fn logins(mut all: Section<'_>, templates: Templates, draft: &mut Draft) {
    for (name, item) in all.take_all() {
        let host = match name.split_once('/') {
            Some((_, namespace)) if !namespace.is_empty() => {
                draft.leave(
                    &item,
                    "a login is for all of a registry: give it to `registries` by its host",
                );
                continue;
            }
            _ => names::host(name),
        };
        let (host, mut section) = match (host, item.section(draft)) {
            (Ok(host), Some(section)) => (host, section),
            (Err(why), _) => {
                draft.leave(&item, why);
                continue;
            }
            (_, None) => continue,
        };
        let username = Said::username(section.take("username"), templates, draft);
        let password = Said::password(section.take("password"), templates, draft);
        log_in(draft, &host, username, password);
        if let Some(insecure) = section.take("insecure").and_then(|item| item.flag(draft)) {
            draft.host(&host, &item).plain_http = Some(insecure);
        }
        section.leave_rest(draft, |key| {
            (key == "identityToken").then_some("a secret is not written, and tokens are asked for with a login")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_tags() {
        for (text, repository, which) in [
            ("quay.io/a/b", "quay.io/a/b", Which::All),
            ("localhost:5000/a/b", "localhost:5000/a/b", Which::All),
            ("quay.io/a/b:v1,v2", "quay.io/a/b", Which::Tags(vec!["v1", "v2"])),
            ("localhost:5000/a/b:v1", "localhost:5000/a/b", Which::Tags(vec!["v1"])),
            ("quay.io/a/b:/^v[0-9]/x$/", "quay.io/a/b", Which::Pattern("^v[0-9]/x$")),
            ("quay.io/a/b@sha256:0", "quay.io/a/b", Which::Digest("sha256:0")),
        ] {
            assert_eq!(split(text), (repository, which), "{text}");
        }
    }
}
