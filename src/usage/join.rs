//! Who runs which image: by the digest that runs where it is known, else by the tag.

use std::collections::BTreeMap;

use super::{Address, Answer, Found, FoundBy, FoundRegion, LastRun, RanImage, Repository, Use};
use crate::aws::ecr::{Sort, account_and_region};

/// An account and a region of it, by their places in what was found.
type Place = (usize, usize);

/// A repository that an address names, by its places in what was found.
#[derive(Clone, Copy)]
struct Hit {
    place: Place,
    repository: usize,
    /// Where it is there.
    image: Option<usize>,
}

/// One that runs an image.
struct Run {
    user: String,
    last_run: Option<LastRun>,
    hit: Option<Hit>,
}

/// The registries that were asked, by the hosts and the accounts and regions that addresses name.
struct Registries<'a> {
    found: &'a Found,
    by_host: BTreeMap<&'a str, Place>,
    by_name: BTreeMap<(&'a str, &'a str), Place>,
    repositories: BTreeMap<(Place, &'a str), usize>,
}

/// Says of every repository, image, function and service who belongs to whom.
pub(super) fn join(found: &mut Found) {
    let (states, runs) = looked_up(found);
    let mut states = states.into_iter();
    for region in found.accounts.iter_mut().flat_map(|account| &mut account.regions) {
        let functions = region.functions.iter_mut().map(|one| &mut one.function.image);
        let containers = region.services.iter_mut().flat_map(|one| &mut one.containers);
        for (image, state) in functions.chain(containers.map(|one| &mut one.image)).zip(&mut states) {
            *image = state;
        }
    }
    let mut last_runs: BTreeMap<(Place, usize), Vec<LastRun>> = BTreeMap::new();
    for run in runs {
        let Some(hit) = run.hit else {
            continue;
        };
        let (account, region) = hit.place;
        let repository = &mut found.accounts[account].regions[region].repositories[hit.repository];
        push_once(&mut repository.used_by, &run.user);
        if let Some(image) = hit.image {
            push_once(&mut repository.images[image].used_by, &run.user);
        }
        let runs = last_runs.entry((hit.place, hit.repository)).or_default();
        runs.extend(run.last_run);
    }
    for (((account, region), at), runs) in last_runs {
        found.accounts[account].regions[region].repositories[at].last_run = LastRun::latest(runs.into_iter());
    }
}

/// Of each function and container, in their order, what its address comes to; and who hits what by that.
fn looked_up(found: &Found) -> (Vec<RanImage>, Vec<Run>) {
    let registries = Registries::of(found);
    let (mut states, mut runs) = (Vec::new(), Vec::new());
    for region in found.accounts.iter().flat_map(|account| &account.regions) {
        for one in &region.functions {
            let function = &one.function;
            let (state, hit) = registries.look_up(function.image_uri.as_deref(), one.resolved.as_deref());
            states.push(state);
            runs.push(Run {
                user: function.arn.clone(),
                last_run: Some(function.last_run),
                hit,
            });
        }
        for service in &region.services {
            for container in &service.containers {
                let (state, hit) = registries.look_up(Some(&container.image_uri), None);
                states.push(state);
                runs.push(Run {
                    user: service.arn.clone(),
                    last_run: None,
                    hit,
                });
            }
        }
    }
    (states, runs)
}

fn push_once(users: &mut Vec<String>, user: &str) {
    if !users.iter().any(|one| one == user) {
        users.push(user.to_owned());
    }
}

impl<'a> Registries<'a> {
    fn of(found: &'a Found) -> Self {
        let mut registries = Self {
            found,
            by_host: BTreeMap::new(),
            by_name: BTreeMap::new(),
            repositories: BTreeMap::new(),
        };
        for (at, account) in found.accounts.iter().enumerate() {
            for (place, region) in account
                .regions
                .iter()
                .enumerate()
                .map(|(of, region)| ((at, of), region))
            {
                registries
                    .by_host
                    .extend(region.asked.registry.as_deref().map(|host| (host, place)));
                if let Some(id) = &account.id {
                    registries.by_name.insert((id, &region.asked.region), place);
                }
                for (number, repository) in region.repositories.iter().enumerate() {
                    registries
                        .repositories
                        .insert((place, &repository.repository_name), number);
                }
            }
        }
        registries
    }

    fn look_up(&self, address: Option<&str>, resolved: Option<&str>) -> (RanImage, Option<Hit>) {
        let Some(written) = address.and_then(Address::of) else {
            return (RanImage::Unknown, None);
        };
        let Some(place) = self.place(written.host) else {
            let registry = written.host.to_owned();
            return match self.may_be_ours(&registry) {
                true => (RanImage::Unknown, None),
                false => (RanImage::Outside { registry }, None),
            };
        };
        let region = self.region(place);
        let Some(&at) = self.repositories.get(&(place, written.path)) else {
            return match region.asked.ecr {
                Answer::Read => {
                    let repository_uri = written.repository_uri();
                    (RanImage::Gone { repository_uri }, None)
                }
                _ => (RanImage::Unknown, None),
            };
        };
        let repository = &region.repositories[at];
        let of_resolved = resolved.and_then(Address::of).and_then(|own| own.digest);
        let (image, by) = match of_resolved.or(written.digest) {
            Some(digest) => (with_digest(repository, digest), FoundBy::Digest),
            None => (with_tag(repository, written.tag_or_latest()), FoundBy::Tag),
        };
        let repository_uri = repository.repository_uri.clone();
        let state = match image {
            Some(image) => RanImage::Found {
                repository_uri,
                digest: repository.images[image].digest.clone(),
                by,
            },
            None if repository.complete => RanImage::Gone { repository_uri },
            // Somebody uses the repository, whichever of its images that is.
            None => RanImage::Unknown,
        };
        let hit = Hit {
            place,
            repository: at,
            image,
        };
        (state, Some(hit))
    }

    /// Whether a registry that was not asked may be one that should have been: of an account that could not be asked, or that did not tell
    /// who it is or which regions it has.
    fn may_be_ours(&self, host: &str) -> bool {
        let mut accounts = self.found.accounts.iter();
        account_and_region(host).is_some_and(|(own, _)| {
            accounts.any(|account| match account.id.as_deref() {
                Some(id) => id == own && (account.is_closed || !account.knows_regions),
                None => true,
            })
        })
    }

    /// The registry of a host, by whichever of ECR's names for it.
    fn place(&self, host: &str) -> Option<Place> {
        let by_name = || self.by_name.get(&account_and_region(host)?).copied();
        self.by_host.get(host).copied().or_else(by_name)
    }

    fn region(&self, (account, region): Place) -> &'a FoundRegion {
        &self.found.accounts[account].regions[region]
    }
}

fn with_digest(repository: &Repository, digest: &str) -> Option<usize> {
    repository.images.iter().position(|image| image.digest == digest)
}

fn with_tag(repository: &Repository, tag: &str) -> Option<usize> {
    let has = |tags: &[String]| tags.iter().any(|own| own == tag);
    repository.images.iter().position(|image| has(&image.tags))
}

/// Says of a repository and its images whether they are used. `is_known`: whether everybody was asked who could use them.
pub(super) fn settle(repository: &mut Repository, is_known: bool) {
    let of_nobody = if is_known { Use::Unused } else { Use::Unknown };
    repository.r#use = match repository.used_by.is_empty() {
        false => Use::Used,
        // An image that was not listed may be the one that runs: its name would have led here all the same.
        true => of_nobody,
    };
    let running: Vec<(String, Vec<String>)> = repository
        .images
        .iter()
        .filter(|image| image.kind == Sort::Index && !image.used_by.is_empty())
        .map(|index| (index.digest.clone(), index.used_by.clone()))
        .collect();
    for image in &mut repository.images {
        if let Some(indexes) = &image.part_of {
            let of_indexes = running.iter().filter(|(digest, _)| indexes.contains(digest));
            for user in of_indexes.flat_map(|(_, users)| users) {
                push_once(&mut image.used_by, user);
            }
        }
        let may_be_part = image.part_of.is_none() && image.kind != Sort::Index && !running.is_empty();
        image.r#use = match image.used_by.is_empty() {
            false => Use::Used,
            true if may_be_part => Use::Unknown,
            true => of_nobody,
        };
    }
}
