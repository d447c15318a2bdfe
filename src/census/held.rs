//! What one region's ECR holds.

use futures::StreamExt;
use futures::stream::iter;

use super::trouble::{Notes, failed, stopped, unless_stopped};
use crate::aws::ecr::{Ecr, RepositoryDetails};
use crate::aws::{Listing, Login};
use crate::stop::Stop;
use crate::usage::{Answer, Contents, Failed, Repository, Service};

/// Repositories of one region that are asked about at once.
const AT_ONCE: usize = 10;

/// What one service of one region said.
pub(super) struct Read<T> {
    pub(super) items: Vec<T>,
    pub(super) answer: Answer,
    pub(super) notes: Notes,
    /// Whether what was wanted is all known.
    pub(super) knows_all: bool,
}

impl<T> Read<T> {
    /// Of a listing that may have broken off; `is_answered` is whether anything of it came.
    pub(super) fn new(items: Vec<T>, notes: Notes, is_answered: bool) -> Self {
        let answer = match (notes.failures.is_empty(), is_answered) {
            (true, _) => Answer::Read,
            (false, true) => Answer::Incomplete,
            (false, false) => Answer::Failed,
        };
        Self {
            items,
            answer,
            knows_all: notes.failures.is_empty(),
            notes,
        }
    }
}

/// Carries out some, each as soon as there is room.
pub(super) async fn some_at_once<T, F: Future<Output = T>>(work: impl Iterator<Item = F>) -> Vec<T> {
    iter(work).buffered(AT_ONCE).collect().await
}

/// What a listing gave, and whether it answered at all, unless the run is stopped.
pub(super) async fn listed<T>(
    stop: &Stop,
    service: Service,
    notes: &mut Notes,
    listing: impl Future<Output = Listing<T>>,
) -> (Vec<T>, bool) {
    match stop.soft.run_until_cancelled(listing).await {
        Some(listing) => {
            if let Some(error) = &listing.failed {
                notes.push(failed(service, error));
            }
            (listing.items, listing.is_answered)
        }
        None => {
            notes.push(stopped(service));
            (Vec::new(), false)
        }
    }
}

/// All repositories with all their images.
pub(super) async fn repositories(login: &Login, region: &str, stop: &Stop) -> Read<Repository> {
    let ecr = Ecr::of(login, region);
    let mut notes = Notes::default();
    let (all, is_answered) = listed(stop, Service::Ecr, &mut notes, ecr.repositories_in_detail()).await;
    let read = all.into_iter().map(|details| with_images(&ecr, details, stop));
    let mut repositories = Vec::new();
    for (repository, failures) in some_at_once(read).await {
        repositories.push(repository);
        failures.into_iter().for_each(|failed| notes.push(failed));
    }
    Read::new(repositories, notes, is_answered)
}

async fn with_images(ecr: &Ecr, details: RepositoryDetails, stop: &Stop) -> (Repository, Vec<Failed>) {
    let mut notes = Notes::default();
    let (images, _) = listed(stop, Service::Ecr, &mut notes, ecr.images_in_detail(&details.name)).await;
    for failed in &mut notes.failures {
        failed.subject = Some(details.name.clone());
    }
    let complete = notes.failures.is_empty();
    let repository = Repository::listed(details).with_images(images, complete);
    (repository, notes.failures)
}

/// What the manifests of a repository say.
pub(super) async fn contents(
    login: &Login,
    region: &str,
    repository: &str,
    digests: &[String],
    stop: &Stop,
) -> Result<Contents, Failed> {
    let ecr = Ecr::of(login, region);
    let read = unless_stopped(stop, Service::Ecr, ecr.manifests(repository, digests)).await;
    let manifests = read.map_err(|failed| Failed {
        subject: Some(repository.to_owned()),
        ..failed
    })?;
    let contents = manifests.into_iter();
    Ok(contents
        .map(|(digest, manifest)| (digest, (&manifest).into()))
        .collect())
}
