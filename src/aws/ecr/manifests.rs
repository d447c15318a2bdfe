//! What the manifests of images say.

use std::collections::BTreeMap;

use aws_sdk_ecr::types::{Image, ImageIdentifier};

use super::{Ecr, IDS_PER_CALL};
use crate::aws::AwsError;
use crate::image::{Digest, Kind, Manifest, config_digest};

impl Ecr {
    /// The config digests of single images, by manifest digest. What has none is left out: indexes, schema 1, and images that
    /// have gone since.
    ///
    /// Each image asked for counts as pulled in ECR's lastRecordedPullTime.
    ///
    /// # Errors
    /// Where AWS does not tell.
    pub async fn config_digests(
        &self,
        repository: &str,
        digests: &[Digest],
    ) -> Result<BTreeMap<Digest, Digest>, AwsError> {
        let images = self.batch(repository, digests.iter().map(Digest::as_str)).await?;
        let configs = images.iter().filter_map(|image| {
            let config = config_digest(image.image_manifest().unwrap_or_default()).ok()?;
            let is_index = Kind::of_media_type(media_type(image)).is_index();
            Some((digest(image).parse().ok()?, config)).filter(|_| !is_index)
        });
        Ok(configs.collect())
    }

    /// What the manifests of these digests say. What has none that can be read is left out: an image that has gone since, or is archived.
    ///
    /// Each image asked for counts as pulled in ECR's lastRecordedPullTime, unless the role that asks is excluded from that.
    ///
    /// # Errors
    /// Where AWS does not tell.
    pub async fn manifests(
        &self,
        repository: &str,
        digests: &[String],
    ) -> Result<BTreeMap<String, Manifest>, AwsError> {
        let images = self.batch(repository, digests.iter().map(String::as_str)).await?;
        let manifests = images.iter().filter_map(|image| {
            let bytes = image.image_manifest().unwrap_or_default().as_bytes().to_vec();
            let manifest = Manifest::read(media_type(image), bytes).ok()?;
            Some((digest(image).to_owned(), manifest))
        });
        Ok(manifests.collect())
    }

    async fn batch(&self, repository: &str, digests: impl Iterator<Item = &str>) -> Result<Vec<Image>, AwsError> {
        const CALL: &str = "BatchGetImage";
        let on = || format!("of {repository} in {}", self.region);
        let ids: Vec<ImageIdentifier> = digests
            .map(|digest| ImageIdentifier::builder().image_digest(digest).build())
            .collect();
        let mut images = Vec::new();
        for some in ids.chunks(IDS_PER_CALL) {
            tracing::debug!("ask AWS: {CALL} {}", on());
            let request = self.client.batch_get_image().set_registry_id(self.account.clone());
            let request = request.repository_name(repository).set_image_ids(Some(some.to_vec()));
            let answer = request.send().await;
            let answer = answer.map_err(|error| AwsError::of_sdk(CALL, on(), error))?;
            images.extend(answer.images.into_iter().flatten());
        }
        Ok(images)
    }
}

fn digest(image: &Image) -> &str {
    image.image_id().and_then(|id| id.image_digest()).unwrap_or_default()
}

fn media_type(image: &Image) -> &str {
    image.image_manifest_media_type().unwrap_or_default()
}
