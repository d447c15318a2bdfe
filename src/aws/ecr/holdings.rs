//! All that ECR tells of repositories and images.

pub use aws_sdk_ecr::types::{ImageDetail, ImageStatus, Repository as RepositoryDetail};

use std::collections::BTreeMap;

use aws_sdk_ecr::Client;
use aws_sdk_ecr::types::{DescribeImagesFilter, ImageIdentifier, ImageStatusFilter};

use super::{Ecr, IDS_PER_CALL, PAGE};
use crate::aws::{AwsError, Listing, Login};
use crate::image::Manifest;

impl Ecr {
    /// An account's own registry in a region.
    pub fn of(login: &Login, region: &str) -> Self {
        Self {
            client: Client::new(&login.ecr_at(region)),
            account: None,
            region: region.to_owned(),
        }
    }

    /// All repositories.
    pub async fn holdings(&self) -> Listing<RepositoryDetail> {
        const CALL: &str = "DescribeRepositories";
        tracing::debug!("ask AWS: {CALL} in {}", self.region);
        let request = self.client.describe_repositories().max_results(PAGE);
        let mut pages = request.into_paginator().send();
        let mut listing = Listing::default();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => listing.items.extend(page.repositories.into_iter().flatten()),
                Err(error) => return listing.ended(AwsError::of_sdk(CALL, format!("in {}", self.region), error)),
            }
        }
        listing
    }

    /// All images of a repository, archived and untagged ones too (ECR API reference, DescribeImages: without the filter those that are
    /// archived are left out).
    pub async fn held(&self, repository: &str) -> Listing<ImageDetail> {
        const CALL: &str = "DescribeImages";
        tracing::debug!("ask AWS: {CALL} of {repository} in {}", self.region);
        let any = DescribeImagesFilter::builder()
            .image_status(ImageStatusFilter::Any)
            .build();
        let request = self.client.describe_images().repository_name(repository).filter(any);
        let mut pages = request.max_results(PAGE).into_paginator().send();
        let mut listing = Listing::default();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => listing.items.extend(page.image_details.into_iter().flatten()),
                Err(error) => return listing.ended(self.failed(CALL, repository, error)),
            }
        }
        listing
    }

    /// What the manifests of these digests say. What has none that can be read is left out: an image that has gone since, or is archived.
    ///
    /// Each image asked for counts as pulled in ECR's lastRecordedPullTime, unless the role that asks is excluded from that.
    pub async fn manifests(
        &self,
        repository: &str,
        digests: &[String],
    ) -> Result<BTreeMap<String, Manifest>, AwsError> {
        const CALL: &str = "BatchGetImage";
        let mut manifests = BTreeMap::new();
        for some in digests.chunks(IDS_PER_CALL) {
            tracing::debug!("ask AWS: {CALL} of {repository} in {}", self.region);
            let ids = some
                .iter()
                .map(|digest| ImageIdentifier::builder().image_digest(digest).build());
            let request = self.client.batch_get_image().repository_name(repository);
            let answer = request.set_image_ids(Some(ids.collect())).send().await;
            let answer = answer.map_err(|error| self.failed(CALL, repository, error))?;
            for image in answer.images() {
                let digest = image.image_id().and_then(|id| id.image_digest()).unwrap_or_default();
                let media_type = image.image_manifest_media_type().unwrap_or_default();
                let bytes = image.image_manifest().unwrap_or_default().as_bytes().to_vec();
                if let Ok(manifest) = Manifest::read(media_type, bytes) {
                    manifests.insert(digest.to_owned(), manifest);
                }
            }
        }
        Ok(manifests)
    }

    fn failed<E, R>(&self, call: &'static str, repository: &str, error: aws_sdk_ecr::error::SdkError<E, R>) -> AwsError
    where
        E: aws_sdk_ecr::error::ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        AwsError::of_sdk(call, format!("of {repository} in {}", self.region), error)
    }
}
