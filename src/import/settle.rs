//! From a draft to the settings: what one file of them can hold, and how it is written.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{BACKUP, COMMON, Common, Draft, Host, Image, PLATFORMS, RuleSet, SCHEDULE};
use super::write::{Key, Out, remark, yaml};
use super::{Format, Imported};
use crate::aws::ecr::account_and_region;
use crate::settings::variable_of_registry;

/// The longest name of a repository in ECR (API reference, CreateRepository).
const LONGEST: usize = 256;

/// What the draft of a configuration becomes.
pub(super) fn settle(mut draft: Draft, format: Format) -> Imported {
    let registry = one_registry(&mut draft);
    leave_unfit(&mut draft);
    leave_other_platforms(&mut draft);
    leave_idle_hosts(&mut draft, registry.as_deref());
    let common = common(&mut draft);
    let images = merged(std::mem::take(&mut draft.images));
    let variables = variables(&draft.hosts);
    let mut settings = remark(&format!(
        "Made of a configuration of {format} by `ecr-keeper config import`. `ecr-keeper plan` says what it would do."
    ));
    if !variables.is_empty() {
        settings.push_str(&remark(&format!(
            "To be set in the environment: {}",
            variables.join(", ")
        )));
    }
    let number = images.len();
    settings.push_str(&yaml(&keys(&draft, registry, common, images)));
    draft.left_out.sort();
    draft.left_out.dedup();
    Imported {
        settings,
        images: number,
        variables,
        left_out: draft.left_out,
    }
}

/// The registry that images go to. The settings have one: what goes to others is left out. This is the one place that knows.
fn one_registry(draft: &mut Draft) -> Option<String> {
    let mut hosts = draft.images.iter().map(|image| &image.target.host);
    let of_ecr = hosts.clone().find(|host| account_and_region(host).is_some());
    let is_of_ecr = of_ecr.is_some();
    let registry = of_ecr.or_else(|| hosts.next())?.to_string();
    let all = std::mem::take(&mut draft.images).into_iter();
    let (own, others): (Vec<Image>, Vec<Image>) = all.partition(|image| *image.target.host == *registry);
    draft.images = own;
    for image in others {
        let why = format!(
            "its images go to {}, and the one registry of the settings is {registry}: give it settings of its own",
            image.target.host
        );
        draft.leave_said(&image.said, why);
    }
    if let (false, Some(first)) = (is_of_ecr, draft.images.first().map(|image| image.said.clone())) {
        let why =
            format!("brought over, but {registry} is no host of Amazon ECR: set `ecr` to the registry's own host");
        draft.leave_said(&first, why);
    }
    Some(registry)
}

/// Leaves out what the settings would not take.
fn leave_unfit(draft: &mut Draft) {
    let mut upstreams = BTreeMap::new();
    for image in std::mem::take(&mut draft.images) {
        let name = &image.target.path;
        if !(2..=LONGEST).contains(&name.len()) {
            let why = format!("{name} is no name in ECR: they have 2 to {LONGEST} characters");
            draft.leave_said(&image.said, why);
            continue;
        }
        let first = upstreams.entry(name.clone()).or_insert_with(|| image.upstream.clone());
        if *first == image.upstream {
            draft.images.push(image);
            continue;
        }
        let why = format!(
            "{name} follows {first} already, and {} would take its tags: name another",
            image.upstream
        );
        draft.leave_said(&image.said, why);
    }
}

/// Leaves out the entries that say otherwise than most of which platforms come: with the others' they would bring others.
fn leave_other_platforms(draft: &mut Draft) {
    let of = |image: &Image| image.common.get(PLATFORMS).map(|common| common.value.clone());
    let said: Vec<Option<Vec<String>>> = draft.images.iter().map(of).collect();
    let mut entries: BTreeMap<_, usize> = BTreeMap::new();
    for one in &said {
        *entries.entry(one).or_default() += 1;
    }
    // Of those that are said as often, the first.
    let Some(most) = said.iter().rev().max_by_key(|one| entries.get(one)) else {
        return;
    };
    let (own, others): (Vec<Image>, Vec<Image>) = std::mem::take(&mut draft.images)
        .into_iter()
        .partition(|image| of(image) == *most);
    draft.images = own;
    for image in others {
        let why =
            "`platforms` is one setting for all images, and most entries say otherwise: give it settings of its own";
        draft.leave_said(&image.said, why);
    }
}

/// Leaves out registries that no image has to do with: the settings would ask for a password that nobody needs.
fn leave_idle_hosts(draft: &mut Draft, registry: Option<&str>) {
    let upstreams = draft.images.iter().map(|image| image.upstream.host.to_string());
    let mut used: BTreeSet<String> = upstreams.chain(registry.map(str::to_owned)).collect();
    let mirrors = used.iter().filter_map(|host| draft.hosts.get(host));
    let mirrors: Vec<String> = mirrors.flat_map(|host| host.mirrors.clone()).collect();
    used.extend(mirrors);
    for (host, mut said) in std::mem::take(&mut draft.hosts) {
        if !used.contains(&host) {
            let why = format!(
                "no image that was brought over comes from {host}, or goes to it: its login and the rest are left out"
            );
            draft.leave_said(&said.said, why);
            continue;
        }
        for (place, why) in std::mem::take(&mut said.told) {
            draft.leave_said(&place, why);
        }
        draft.hosts.insert(host, said);
    }
}

/// What all entries say alike, by its setting.
fn common(draft: &mut Draft) -> BTreeMap<&'static str, Vec<String>> {
    let mut agreed = BTreeMap::new();
    for setting in COMMON {
        let said: Vec<Common> = draft
            .images
            .iter()
            .filter_map(|image| image.common.get(setting).cloned())
            .collect();
        let Some(first) = said.first() else { continue };
        let is_agreed = said.len() == draft.images.len() && said.iter().all(|one| one.value == first.value);
        if is_agreed {
            if setting == SCHEDULE && first.value.starts_with(&["cron".to_owned()]) {
                let why = "brought over in UTC: set schedule.time_zone where it was meant by another clock";
                draft.leave_said(&first.said, why);
            }
            agreed.insert(setting, first.value.clone());
            continue;
        }
        for one in &said {
            let why = format!(
                "`{setting}` is one setting for all images, and other entries say otherwise: give these settings of their own"
            );
            draft.leave_said(&one.said, why);
        }
    }
    agreed
}

/// One entry for each upstream and repository, with the sets of rules of all that were.
fn merged(images: Vec<Image>) -> Vec<Image> {
    let mut merged: Vec<Image> = Vec::new();
    for image in images {
        let same = |other: &&mut Image| other.upstream == image.upstream && other.target == image.target;
        match merged.iter_mut().find(same) {
            Some(first) => first.sets.extend(image.sets),
            None => merged.push(image),
        }
    }
    for image in &mut merged {
        image.sets = joined(std::mem::take(&mut image.sets));
    }
    merged
}

/// The same tags by fewer sets; none chooses all of them.
fn joined(sets: Vec<RuleSet>) -> Vec<RuleSet> {
    if sets.contains(&RuleSet::default()) {
        return Vec::new();
    }
    let mut joined: Vec<RuleSet> = Vec::new();
    let names_only = |set: &RuleSet| *set == RuleSet::of_tags(set.include_tags.clone());
    for set in sets {
        if joined.contains(&set) {
            continue;
        }
        let named = joined.iter_mut().find(|other| names_only(other));
        match named.filter(|_| names_only(&set)) {
            Some(other) => {
                let new = |tag: &String| !other.include_tags.contains(tag);
                let more: Vec<String> = set.include_tags.into_iter().filter(new).collect();
                other.include_tags.extend(more);
            }
            None => joined.push(set),
        }
    }
    joined
}

/// The variables that are to say what the file does not.
fn variables(hosts: &BTreeMap<String, Host>) -> Vec<String> {
    let of = |(host, said): (&String, &Host)| {
        let variable = |key: &&'static str| variable_of_registry(host, key);
        said.in_environment.iter().map(variable).collect::<Vec<_>>()
    };
    hosts.iter().flat_map(of).collect()
}

fn keys(
    draft: &Draft,
    registry: Option<String>,
    common: BTreeMap<&'static str, Vec<String>>,
    images: Vec<Image>,
) -> Vec<Key> {
    let mut keys = Vec::new();
    keys.extend(registry.map(|registry| Out::key("ecr", Out::Text(registry))));
    keys.push(Out::key("engine", Out::Text(draft.engine.to_owned())));
    if let Some(host) = &draft.docker_host {
        keys.push(Out::key(
            "docker",
            Out::Section(vec![Out::key("host", Out::Text(host.clone()))]),
        ));
    }
    keys.extend(draft.concurrency.map(|number| number_of("concurrency", number)));
    for (setting, value) in common {
        keys.push(match (setting, &value[..]) {
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
        });
    }
    let hosts: Vec<Key> = draft
        .hosts
        .iter()
        .filter_map(|(host, said)| of_host(host, said))
        .collect();
    if !hosts.is_empty() {
        keys.push(Out::key("registries", Out::Section(hosts)));
    }
    let entries = images.into_iter().map(|image| (image.label.clone(), of_image(image)));
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

fn of_image(image: Image) -> Vec<Key> {
    let mut keys = vec![
        Out::key("upstream", Out::Text(image.upstream.to_string())),
        Out::key("repository", Out::Text(image.target.path.to_string())),
    ];
    match <[RuleSet; 1]>::try_from(image.sets) {
        Ok([set]) => keys.extend(of_set(set)),
        Err(sets) if sets.is_empty() => {}
        Err(sets) => {
            let sets = sets.into_iter().map(|set| (None, of_set(set)));
            keys.push(Out::key("any", Out::Entries(sets.collect())));
        }
    }
    keys
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
