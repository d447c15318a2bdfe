//! What one region's ECR holds.

use std::collections::BTreeMap;

use aws_smithy_types::DateTime;
use futures::StreamExt;
use futures::stream::iter;
use jiff::Timestamp;

use super::trouble::{Notes, failed, stopped, unless_stopped};
use crate::aws::ecr::{Ecr, ImageDetail, ImageStatus, RepositoryDetail};
use crate::aws::{Listing, Login};
use crate::stop::Stop;
use crate::usage::{Answer, Contents, Failed, ImageFacts, Manifest, Repository, Service};

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
    /// Of a listing that may have broken off; `found` is whether anything came.
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

/// A listing, unless the run is stopped.
pub(super) async fn listed<T>(
    stop: &Stop,
    service: Service,
    notes: &mut Notes,
    listing: impl Future<Output = Listing<T>>,
) -> Vec<T> {
    match stop.soft.run_until_cancelled(listing).await {
        Some(listing) => {
            if let Some(error) = &listing.failed {
                notes.push(failed(service, error));
            }
            listing.items
        }
        None => {
            notes.push(stopped(service));
            Vec::new()
        }
    }
}

/// All repositories with all their images.
pub(super) async fn repositories(login: &Login, region: &str, stop: &Stop) -> Read<Repository> {
    let ecr = Ecr::of(login, region);
    let mut notes = Notes::default();
    let listed_repositories = listed(stop, Service::Ecr, &mut notes, ecr.holdings()).await;
    let read = listed_repositories
        .into_iter()
        .filter_map(repository)
        .map(|repository| async {
            let mut notes = Notes::default();
            let images = listed(stop, Service::Ecr, &mut notes, ecr.held(&repository.repository_name)).await;
            for failed in &mut notes.failures {
                failed.subject = Some(repository.repository_name.clone());
            }
            let complete = notes.failures.is_empty();
            let images = images.into_iter().filter_map(image).collect();
            (repository.with_images(images, complete), notes.failures)
        });
    let mut repositories = Vec::new();
    for (repository, failures) in some_at_once(read).await {
        repositories.push(repository);
        failures.into_iter().for_each(|failed| notes.push(failed));
    }
    let is_answered = !repositories.is_empty();
    Read::new(repositories, notes, is_answered)
}

fn repository(detail: RepositoryDetail) -> Option<Repository> {
    let created_at = detail.created_at.as_ref().and_then(time);
    Some(Repository::listed(
        detail.repository_name?,
        detail.repository_uri?,
        detail.repository_arn?,
        created_at,
    ))
}

fn image(detail: ImageDetail) -> Option<ImageFacts> {
    Some(ImageFacts {
        digest: detail.image_digest?,
        tags: detail.image_tags.unwrap_or_default(),
        bytes: detail
            .image_size_in_bytes
            .and_then(|size| size.try_into().ok())
            .unwrap_or_default(),
        pushed_at: detail.image_pushed_at.as_ref().and_then(time),
        media_type: detail.image_manifest_media_type,
        artifact_type: detail.artifact_media_type,
        status: match detail.image_status {
            Some(ImageStatus::Archived) => crate::usage::ImageStatus::Archived,
            Some(ImageStatus::Activating) => crate::usage::ImageStatus::Activating,
            _ => crate::usage::ImageStatus::Active,
        },
        last_pulled: detail.last_recorded_pull_time.as_ref().and_then(time),
        archived_at: detail.last_archived_at.as_ref().and_then(time),
        refers_to: detail.subject_manifest_digest,
    })
}

fn time(at: &DateTime) -> Option<Timestamp> {
    let nanoseconds = i32::try_from(at.subsec_nanos()).ok()?;
    Timestamp::new(at.secs(), nanoseconds).ok()
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
    let contents: BTreeMap<String, Manifest> = manifests
        .into_iter()
        .map(|(digest, manifest)| {
            let parts = manifest.children().iter().map(|part| part.digest.to_string());
            // What may not be distributed is not in ECR.
            let blobs = manifest.blobs().iter().filter(|blob| !blob.is_foreign());
            let blobs = blobs.map(|blob| (blob.digest.to_string(), blob.size));
            let manifest = Manifest {
                parts: parts.collect(),
                blobs: blobs.collect(),
            };
            (digest, manifest)
        })
        .collect();
    Ok(contents)
}
