//! From a draft to the settings: what one file of them can hold.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{COMMON, Common, Draft, Host, Image, OWN, RuleSet, SCHEDULE};
use super::file::keys;
use super::write::{remark, yaml};
use super::{Format, Imported};
use crate::aws::ecr::account_and_region;
use crate::settings::variable_of_registry;

/// The longest name of a repository in ECR (API reference, CreateRepository).
const LONGEST: usize = 256;

/// What the draft of a configuration becomes.
pub(super) fn settle(mut draft: Draft, format: Format) -> Imported {
    let registry = one_registry(&mut draft);
    leave_unfit(&mut draft);
    leave_idle_hosts(&mut draft);
    let common = common(&mut draft);
    let images = merged(&mut draft);
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
    settings.push_str(&yaml(&keys(&draft, registry.as_deref(), common, images)));
    draft.left_out.sort();
    draft.left_out.dedup();
    Imported {
        settings,
        images: number,
        variables,
        left_out: draft.left_out,
    }
}

/// The settings' own registry. Other registries of ECR are targets of entries; what goes anywhere else is left out.
fn one_registry(draft: &mut Draft) -> Option<String> {
    let of_ecr = |host: &str| account_and_region(host).is_some();
    let mut hosts = draft.images.iter().map(|image| &image.target.host);
    let registry = hosts.clone().find(|host| of_ecr(host)).or_else(|| hosts.next())?;
    let registry = registry.to_string();
    for image in std::mem::take(&mut draft.images) {
        let host = &image.target.host;
        if **host == *registry || of_ecr(&registry) && of_ecr(host) {
            draft.images.push(image);
            continue;
        }
        let why = match of_ecr(&registry) {
            true => format!("its images go to {host}, which is no registry of Amazon ECR: give it settings of its own"),
            false => {
                format!(
                    "its images go to {host}, and the one registry of the settings is {registry}: give it settings of its own"
                )
            }
        };
        draft.leave_said(&image.said, why);
    }
    if let (false, Some(first)) = (of_ecr(&registry), draft.images.first().map(|image| image.said.clone())) {
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
        let first = upstreams
            .entry(image.target.clone())
            .or_insert_with(|| image.upstream.clone());
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

/// Leaves out registries that no image has to do with: the settings would ask for a password that nobody needs.
fn leave_idle_hosts(draft: &mut Draft) {
    let both = draft.images.iter().flat_map(|image| [&image.upstream, &image.target]);
    let mut used: BTreeSet<String> = both.map(|repository| repository.host.to_string()).collect();
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

/// What all entries say alike, by its setting. What they do not stays with each where an entry may say it.
fn common(draft: &mut Draft) -> BTreeMap<&'static str, Vec<String>> {
    let mut agreed = BTreeMap::new();
    for setting in COMMON.into_iter().chain(OWN) {
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
        } else if COMMON.contains(&setting) {
            for one in &said {
                let why = format!(
                    "`{setting}` is one setting for all images, and other entries say otherwise: give these settings of their own"
                );
                draft.leave_said(&one.said, why);
            }
        }
        if is_agreed {
            for image in &mut draft.images {
                image.common.remove(setting);
            }
        }
    }
    agreed
}

/// One entry for each upstream and repository, with the sets of rules of all that were. What holds for the repository is said once.
fn merged(draft: &mut Draft) -> Vec<Image> {
    let mut merged: Vec<Image> = Vec::new();
    for image in std::mem::take(&mut draft.images) {
        // Whoever follows the same repository follows the same upstream by now.
        let Some(first) = merged.iter_mut().find(|other| other.target == image.target) else {
            merged.push(image);
            continue;
        };
        let said = |image: &Image, setting: &str| image.common.get(setting).map(|common: &Common| common.value.clone());
        let other = OWN
            .into_iter()
            .find(|setting| said(first, setting) != said(&image, setting));
        let is_moved = |(tag, digest)| first.digests.get(tag).is_some_and(|known| known != digest);
        let why = match (other, image.digests.iter().find(|one| is_moved(*one))) {
            (Some(setting), _) => format!(
                "`{setting}` holds for all of {}, and line {} says otherwise of it: name another repository",
                image.target.path, first.said.line
            ),
            (None, Some((tag, _))) => format!("{tag} is another digest by line {}", first.said.line),
            (None, None) => {
                first.digests.extend(image.digests);
                first.sets.extend(image.sets);
                continue;
            }
        };
        draft.leave_said(&image.said, why);
    }
    for image in &mut merged {
        let sets = joined(std::mem::take(&mut image.sets));
        image.sets = match sets.contains(&RuleSet::default()) {
            false => sets,
            true if image.digests.is_empty() => Vec::new(),
            // Beside digests no rules at all would choose nothing.
            true => vec![RuleSet::all()],
        };
    }
    merged
}

/// The same tags by fewer sets; one that chooses all of them needs no other.
fn joined(sets: Vec<RuleSet>) -> Vec<RuleSet> {
    if sets.contains(&RuleSet::default()) {
        return vec![RuleSet::default()];
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
