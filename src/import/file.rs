//! The settings file that a draft becomes.

use std::collections::BTreeMap;

use super::draft::{BACKUP, Draft, Host, Image, OWN, PLATFORMS, RuleSet, SCHEDULE};
use super::write::{Key, Out};

/// All keys: what holds for everything, then `registries` and `images`.
pub(super) fn keys(
    draft: &Draft,
    registry: Option<&str>,
    common: BTreeMap<&'static str, Vec<String>>,
    images: Vec<Image>,
) -> Vec<Key> {
    let mut keys = Vec::new();
    keys.extend(registry.map(|registry| Out::key("ecr", Out::Text(registry.to_owned()))));
    keys.push(Out::key("engine", Out::Text(draft.engine.to_owned())));
    if let Some(host) = &draft.docker_host {
        keys.push(Out::key(
            "docker",
            Out::Section(vec![Out::key("host", Out::Text(host.clone()))]),
        ));
    }
    keys.extend(draft.concurrency.map(|number| number_of("concurrency", number)));
    keys.extend(common.into_iter().map(|(setting, value)| of_setting(setting, value)));
    let hosts: Vec<Key> = draft
        .hosts
        .iter()
        .filter_map(|(host, said)| of_host(host, said))
        .collect();
    if !hosts.is_empty() {
        keys.push(Out::key("registries", Out::Section(hosts)));
    }
    let entries = images
        .into_iter()
        .map(|image| (image.label.clone(), of_image(image, registry)));
    keys.push(Out::key("images", Out::Entries(entries.collect())));
    keys
}

/// None where nothing is said of it. One whose login is in the environment is named: a variable alone does not tell its host.
fn of_host(host: &str, said: &Host) -> Option<Key> {
    let mut keys = Vec::new();
    if !said.mirrors.is_empty() {
        keys.push(Out::key("mirrors", Out::Words(said.mirrors.clone())));
    }
    keys.extend(said.username.clone().map(|name| Out::key("username", Out::Text(name))));
    keys.extend(
        said.plain_http
            .map(|flag| Out::key("plain_http", Out::Plain(flag.to_string()))),
    );
    keys.extend(
        said.requests_per_second
            .map(|number| number_of("requests_per_second", number)),
    );
    keys.extend(said.concurrency.map(|number| number_of("concurrency", number)));
    let is_said = !keys.is_empty() || !said.in_environment.is_empty();
    is_said.then(|| Out::key(host, Out::Section(keys)))
}

fn number_of(key: &str, number: usize) -> Key {
    Out::key(key, Out::Plain(number.to_string()))
}

/// One entry; where its images go elsewhere than to the settings' own registry, that is a target.
fn of_image(image: Image, registry: Option<&str>) -> Vec<Key> {
    let mut keys = vec![Out::key("upstream", Out::Text(image.upstream.to_string()))];
    let repository = Out::key("repository", Out::Text(image.target.path.to_string()));
    match registry == Some(&*image.target.host) {
        true => keys.push(repository),
        false => {
            let registry = Out::key("registry", Out::Text(image.target.host.to_string()));
            keys.push(Out::key(
                "targets",
                Out::Entries(vec![(None, vec![registry, repository])]),
            ));
        }
    }
    match <[RuleSet; 1]>::try_from(image.sets) {
        Ok([set]) => keys.extend(of_set(set)),
        Err(sets) if sets.is_empty() => {}
        Err(sets) => {
            let sets = sets.into_iter().map(|set| (None, of_set(set)));
            keys.push(Out::key("any", Out::Entries(sets.collect())));
        }
    }
    if !image.digests.is_empty() {
        let digests = image.digests.into_iter();
        let digests = digests.map(|(tag, digest)| Out::key(&tag.to_string(), Out::Text(digest.to_string())));
        keys.push(Out::key("digests", Out::Section(digests.collect())));
    }
    let own = image.common.into_iter().filter(|(setting, _)| OWN.contains(setting));
    keys.extend(own.map(|(setting, common)| of_setting(setting, common.value)));
    keys
}

/// What entries say alike, or one of them by itself.
fn of_setting(setting: &str, value: Vec<String>) -> Key {
    match (setting, &value[..]) {
        (PLATFORMS, [all]) if all == "all" => Out::key(setting, Out::Text(all.clone())),
        (PLATFORMS, _) => Out::key(setting, Out::Words(value)),
        (SCHEDULE, [way, when]) => {
            let when = Out::key(way, Out::Text(when.clone()));
            Out::key(setting, Out::Section(vec![when]))
        }
        (BACKUP, [name]) => {
            let name = Out::key("backup", Out::Text(name.clone()));
            Out::key("policy", Out::Section(vec![name]))
        }
        _ => Out::key(setting, Out::Plain(value.concat())),
    }
}

fn of_set(set: RuleSet) -> Vec<Key> {
    let mut keys = Vec::new();
    keys.extend(set.constraint.map(|text| Out::key("constraint", Out::Text(text))));
    keys.extend(set.suffix.map(|text| Out::key("suffix", Out::Text(text.to_owned()))));
    for (key, words) in [
        ("include_tags", set.include_tags),
        ("allow", set.allow),
        ("deny", set.deny),
    ] {
        if !words.is_empty() {
            keys.push(Out::key(key, Out::Words(words)));
        }
    }
    keys
}
