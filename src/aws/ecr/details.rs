//! Repositories and images as people look at them: what they are like, their sizes and times.

use aws_sdk_ecr::types::{DescribeImagesFilter, ImageDetail, ImageStatus, ImageStatusFilter, Repository};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use serde::Serialize;

use super::{Ecr, PAGE};
use crate::aws::AwsError;
use crate::image::{Digest, Kind, Tag};

/// What ECR tells of a repository (API reference, Repository).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryDetails {
    /// Its name in the registry.
    pub name: String,
    /// `HOST/NAME`
    pub uri: String,
    /// Its Amazon Resource Name.
    pub arn: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Whether its tags may move, in ECR's word.
    pub image_tag_mutability: String,
    /// Tags for which it is the other way round.
    pub mutability_exclusion_filters: Vec<String>,
    /// Whether each image that is pushed is scanned.
    pub scan_on_push: bool,
    /// How it is encrypted, in ECR's word.
    pub encryption_type: String,
    /// The key for that.
    pub kms_key: Option<String>,
}

/// What ECR tells of an image (API reference, ImageDetail).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDetails {
    /// The manifest's or index's digest.
    pub digest: Digest,
    /// Every tag that points at it; none for an untagged image.
    pub tags: Vec<Tag>,
    /// What the digest names.
    pub kind: Kind,
    /// What an artifact is for, or the media type of an image's config.
    pub artifact_type: Option<String>,
    /// Its size, compressed; of an index that of its largest image.
    pub bytes: Option<u64>,
    /// When it was pushed.
    pub pushed: Option<Timestamp>,
    /// When it was pulled last, as far as ECR keeps a record of that.
    pub pulled: Option<Timestamp>,
    /// Whether it can be pulled.
    pub status: Status,
}

/// Whether an image can be pulled (Amazon ECR User Guide, "Archiving an image").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It can.
    Active,
    /// Not until it is restored.
    Archived,
    /// It is being restored.
    Activating,
}

impl Ecr {
    /// All repositories with what they are like, in no particular order.
    ///
    /// # Errors
    /// Where AWS does not tell.
    pub async fn repository_details(&self) -> Result<Vec<RepositoryDetails>, AwsError> {
        const CALL: &str = "DescribeRepositories";
        tracing::debug!("ask AWS: {CALL} in {}", self.region);
        let mut pages = self
            .client
            .describe_repositories()
            .set_registry_id(self.account.clone())
            .max_results(PAGE)
            .into_paginator()
            .send();
        let mut repositories = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AwsError::of_sdk(CALL, format!("in {}", self.region), error))?;
            repositories.extend(page.repositories().iter().filter_map(details_of_repository));
        }
        Ok(repositories)
    }

    /// All images of a repository, untagged and archived ones too.
    ///
    /// # Errors
    /// Where AWS does not tell, or in no shape that is known.
    pub async fn image_details(&self, repository: &str) -> Result<Vec<ImageDetails>, AwsError> {
        const CALL: &str = "DescribeImages";
        tracing::debug!("ask AWS: {CALL} of {repository}");
        // Without it archived ones are left out.
        let all = DescribeImagesFilter::builder().image_status(ImageStatusFilter::Any);
        let mut pages = self
            .client
            .describe_images()
            .set_registry_id(self.account.clone())
            .repository_name(repository)
            .filter(all.build())
            .max_results(PAGE)
            .into_paginator()
            .send();
        let mut images = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AwsError::of_sdk(CALL, format!("of {repository}"), error))?;
            for detail in page.image_details() {
                let image = details_of_image(detail);
                images.push(image.map_err(|why| AwsError::odd_answer(CALL, format!("of {repository}"), why))?);
            }
        }
        Ok(images)
    }
}

fn details_of_repository(repository: &Repository) -> Option<RepositoryDetails> {
    let filters = repository.image_tag_mutability_exclusion_filters().iter();
    let encryption = repository.encryption_configuration();
    let mutability = repository.image_tag_mutability();
    Some(RepositoryDetails {
        name: repository.repository_name.clone()?,
        uri: repository.repository_uri.clone()?,
        arn: repository.repository_arn.clone()?,
        created: repository.created_at().and_then(timestamp),
        image_tag_mutability: mutability.map_or_else(|| "MUTABLE".to_owned(), |word| word.as_str().to_owned()),
        mutability_exclusion_filters: filters.map(|filter| filter.filter().to_owned()).collect(),
        scan_on_push: repository
            .image_scanning_configuration()
            .is_some_and(|scanning| scanning.scan_on_push()),
        encryption_type: encryption
            .map_or("AES256", |own| own.encryption_type().as_str())
            .to_owned(),
        kms_key: encryption.and_then(|own| own.kms_key().map(str::to_owned)),
    })
}

fn details_of_image(detail: &ImageDetail) -> Result<ImageDetails, String> {
    let digest = detail.image_digest().unwrap_or_default();
    let tags = detail.image_tags().iter();
    let tags: Result<Vec<Tag>, String> = tags.map(|tag| tag.parse().map_err(|why| format!("{why}"))).collect();
    Ok(ImageDetails {
        digest: digest.parse().map_err(|why| format!("{why}"))?,
        tags: tags?,
        kind: Kind::of_media_type(detail.image_manifest_media_type().unwrap_or_default()),
        artifact_type: detail.artifact_media_type().map(str::to_owned),
        bytes: detail.image_size_in_bytes().and_then(|bytes| bytes.try_into().ok()),
        pushed: detail.image_pushed_at().and_then(timestamp),
        pulled: detail.last_recorded_pull_time().and_then(timestamp),
        status: match detail.image_status() {
            Some(ImageStatus::Archived) => Status::Archived,
            Some(ImageStatus::Activating) => Status::Activating,
            _ => Status::Active,
        },
    })
}

fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), time.subsec_nanos().try_into().ok()?).ok()
}
