//! Whose manifests are read, so that each layer counts once and parts of indexes are known.

use std::collections::{BTreeMap, BTreeSet};

use super::Layers;
use super::accounts::Account;
use super::held::{contents as contents_of, some_at_once};
use super::trouble::Notes;
use crate::aws::ecr::{Sort, Status};
use crate::stop::Stop;
use crate::usage::{Contents, Failed, Image, Joined, Repository};

/// A repository whose manifests are to be read.
pub(super) struct Wanted {
    /// Its account's place.
    account: usize,
    region: String,
    name: String,
    uri: String,
    digests: Vec<String>,
}

pub(super) fn wanted(joined: &Joined, layers: Layers) -> Vec<Wanted> {
    let candidates: BTreeSet<String> = match layers {
        Layers::Unread => return Vec::new(),
        Layers::OfCandidates => joined.candidates().into_iter().map(|one| one.repository_uri).collect(),
        Layers::OfAll => BTreeSet::new(),
    };
    let is_wanted = |one: &Repository| layers == Layers::OfAll || candidates.contains(&one.repository_uri);
    let accounts = joined.accounts().iter().enumerate();
    let regions = accounts.flat_map(|(at, account)| account.regions.iter().map(move |region| (at, region)));
    let wanted = regions.flat_map(|(account, region)| {
        let repositories = region.repositories.iter().filter(|one| is_wanted(one));
        repositories.map(move |one| Wanted {
            account,
            region: region.asked.region.clone(),
            name: one.repository_name.clone(),
            uri: one.repository_uri.clone(),
            digests: worth_reading(one),
        })
    });
    wanted.filter(|one| !one.digests.is_empty()).collect()
}

/// All images where layers can be counted once; the indexes alone where these tell whose parts run. Anything else would be pulls for nothing.
fn worth_reading(repository: &Repository) -> Vec<String> {
    // What is archived cannot be read.
    let can_be_read = |images: &[&Image]| images.iter().all(|image| image.status == Status::Active);
    let all: Vec<&Image> = repository.images.iter().collect();
    let indexes: Vec<&Image> = repository
        .images
        .iter()
        .filter(|image| image.kind == Sort::Index)
        .collect();
    let one_runs = indexes.iter().any(|index| !index.used_by.is_empty());
    let images = match () {
        () if repository.complete && can_be_read(&all) => all,
        () if one_runs && can_be_read(&indexes) => indexes,
        () => Vec::new(),
    };
    images.into_iter().map(|image| image.digest.clone()).collect()
}

pub(super) async fn contents(
    accounts: &[Account],
    wanted: Vec<Wanted>,
    stop: &Stop,
) -> (BTreeMap<String, Contents>, Vec<Failed>) {
    let read = wanted.into_iter().filter_map(|one| {
        let account = accounts.get(one.account)?;
        let login = account.login.as_ref().ok()?;
        let id = account.id().map(str::to_owned);
        Some(async move {
            let read = contents_of(login, &one.region, &one.name, &one.digests, stop).await;
            let read = read.map_err(|failed| Failed {
                account: id,
                region: Some(one.region),
                ..failed
            });
            (one.uri, read)
        })
    });
    let (mut contents, mut notes) = (BTreeMap::new(), Notes::default());
    for (uri, read) in some_at_once(read).await {
        match read {
            Ok(read) => drop(contents.insert(uri, read)),
            Err(failed) => notes.push(failed),
        }
    }
    (contents, notes.failures)
}
