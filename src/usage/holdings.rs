use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{GB, LastRun};
use crate::aws::ecr::{ImageDetails, RepositoryDetails, Sort, Status};

/// A repository of ECR.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repository {
    /// Its name.
    pub repository_name: String,
    /// Tagged, untagged and archived ones.
    pub images: Vec<Image>,
    /// All images, in GB.
    #[serde(rename = "totalSizeGB")]
    pub total_size_gb: f64,
    /// `HOST/NAME`.
    pub repository_uri: String,
    /// The youngest image's push.
    pub last_pushed_date: Option<Timestamp>,
    /// Its ARN.
    pub arn: String,
    /// When it was created.
    #[serde(rename = "created_at")]
    pub created_at: Option<Timestamp>,
    /// All images.
    pub bytes: u64,
    /// Each layer once; none where manifests were not read.
    #[serde(rename = "distinct_bytes")]
    pub distinct_bytes: Option<u64>,
    /// Whether all of its images were read.
    pub complete: bool,
    /// Whether somebody runs one of its images.
    pub r#use: Use,
    /// ARNs of functions and services.
    #[serde(rename = "used_by")]
    pub used_by: Vec<String>,
    /// Of its functions.
    #[serde(rename = "last_run")]
    pub last_run: Option<LastRun>,
}

impl Repository {
    /// One that was listed. Nothing is known of its images and its use yet.
    pub fn listed(details: RepositoryDetails) -> Self {
        Self {
            repository_name: details.name,
            images: Vec::new(),
            total_size_gb: 0.0,
            repository_uri: details.uri,
            last_pushed_date: None,
            arn: details.arn,
            created_at: details.created,
            bytes: 0,
            distinct_bytes: None,
            complete: false,
            r#use: Use::Unknown,
            used_by: Vec::new(),
            last_run: None,
        }
    }

    /// The same with its images, and whether these are all.
    #[must_use]
    pub fn with_images(mut self, images: Vec<ImageDetails>, complete: bool) -> Self {
        let uri = &self.repository_uri;
        self.images = images.into_iter().map(|details| Image::of(details, uri)).collect();
        self.bytes = self.images.iter().map(|image| image.bytes).sum();
        self.total_size_gb = self.bytes as f64 / GB;
        self.last_pushed_date = self.images.iter().filter_map(|image| image.image_pushed_at).max();
        self.complete = complete;
        // Nothing is left to read.
        self.distinct_bytes = (complete && self.images.is_empty()).then_some(0);
        self
    }

    pub(super) fn order(&self) -> impl Ord + use<> {
        (self.bytes, self.last_pushed_date)
    }
}

/// Whether somebody runs something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// Somebody was seen to.
    Used,
    /// Nobody does.
    Unused,
    /// Nobody was seen to, and not everybody could be asked.
    Unknown,
}

impl Use {
    /// As it stands in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Unused => "unused",
            Self::Unknown => "unknown",
        }
    }
}

/// An image of a repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Its tags; `-` where it has none.
    pub image_tags: Vec<String>,
    /// Its size in GB.
    #[serde(rename = "imageSizeGB")]
    pub image_size_gb: f64,
    /// When it was pushed.
    pub image_pushed_at: Option<Timestamp>,
    /// An address with each tag; where it has none, one with its digest.
    pub image_uris: Vec<String>,
    /// Of its manifest.
    pub digest: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// As ECR tells it, compressed.
    pub bytes: u64,
    /// What it is.
    pub kind: Sort,
    /// As ECR tells it.
    #[serde(rename = "media_type")]
    pub media_type: Option<String>,
    /// As ECR tells it.
    #[serde(rename = "artifact_type")]
    pub artifact_type: Option<String>,
    /// Whether it can be pulled.
    pub status: Status,
    /// ECR's lastRecordedPullTime.
    #[serde(rename = "last_pulled")]
    pub last_pulled: Option<Timestamp>,
    /// When it was archived.
    #[serde(rename = "archived_at")]
    pub archived_at: Option<Timestamp>,
    /// Digests of the indexes that it is a part of; none where these were not read.
    #[serde(rename = "part_of")]
    pub part_of: Option<Vec<String>>,
    /// The digest of what it is a signature or attestation of.
    #[serde(rename = "refers_to")]
    pub refers_to: Option<String>,
    /// Whether somebody runs it.
    pub r#use: Use,
    /// ARNs of functions and services.
    #[serde(rename = "used_by")]
    pub used_by: Vec<String>,
}

impl Image {
    fn of(details: ImageDetails, repository_uri: &str) -> Self {
        let tags: Vec<String> = details.tags.iter().map(ToString::to_string).collect();
        let bytes = details.bytes.unwrap_or_default();
        let (image_tags, image_uris) = match tags.is_empty() {
            true => (
                vec!["-".to_owned()],
                vec![format!("{repository_uri}@{}", details.digest)],
            ),
            false => (
                tags.clone(),
                tags.iter().map(|tag| format!("{repository_uri}:{tag}")).collect(),
            ),
        };
        Self {
            image_tags,
            image_size_gb: bytes as f64 / GB,
            image_pushed_at: details.pushed,
            image_uris,
            digest: details.digest.to_string(),
            tags,
            bytes,
            kind: Sort::of(&details),
            media_type: Some(details.kind.media_type().to_owned()).filter(|told| !told.is_empty()),
            artifact_type: details.artifact_type,
            status: details.status,
            last_pulled: details.pulled,
            archived_at: details.archived,
            part_of: None,
            refers_to: details.subject.map(|digest| digest.to_string()),
            r#use: Use::Unknown,
            used_by: Vec::new(),
        }
    }
}
