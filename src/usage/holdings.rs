use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{GB, LastRun};

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
    /// One that was listed, with what was read of its images. Nothing is known of its use yet.
    pub fn listed(name: String, uri: String, arn: String, created_at: Option<Timestamp>) -> Self {
        Self {
            repository_name: name,
            images: Vec::new(),
            total_size_gb: 0.0,
            repository_uri: uri,
            last_pushed_date: None,
            arn,
            created_at,
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
    pub fn with_images(mut self, images: Vec<ImageFacts>, complete: bool) -> Self {
        let uri = &self.repository_uri;
        self.images = images.into_iter().map(|facts| facts.of(uri)).collect();
        self.bytes = self.images.iter().map(|image| image.bytes).sum();
        self.total_size_gb = self.bytes as f64 / GB;
        self.last_pushed_date = self.images.iter().filter_map(|image| image.image_pushed_at).max();
        self.complete = complete;
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
    pub kind: ImageKind,
    /// As ECR tells it.
    #[serde(rename = "media_type")]
    pub media_type: Option<String>,
    /// As ECR tells it.
    #[serde(rename = "artifact_type")]
    pub artifact_type: Option<String>,
    /// Whether it can be pulled.
    pub status: ImageStatus,
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

/// What ECR tells of an image.
#[derive(Debug, Clone)]
pub struct ImageFacts {
    /// Of its manifest.
    pub digest: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Compressed.
    pub bytes: u64,
    /// When it was pushed.
    pub pushed_at: Option<Timestamp>,
    /// Of its manifest.
    pub media_type: Option<String>,
    /// Of what is no image.
    pub artifact_type: Option<String>,
    /// Whether it can be pulled.
    pub status: ImageStatus,
    /// ECR's lastRecordedPullTime.
    pub last_pulled: Option<Timestamp>,
    /// When it was archived.
    pub archived_at: Option<Timestamp>,
    /// The digest of what it refers to.
    pub refers_to: Option<String>,
}

impl ImageFacts {
    fn of(self, repository_uri: &str) -> Image {
        let image_uris = match self.tags.is_empty() {
            true => vec![format!("{repository_uri}@{}", self.digest)],
            false => self.tags.iter().map(|tag| format!("{repository_uri}:{tag}")).collect(),
        };
        Image {
            image_tags: match self.tags.is_empty() {
                true => vec!["-".to_owned()],
                false => self.tags.clone(),
            },
            image_size_gb: self.bytes as f64 / GB,
            image_pushed_at: self.pushed_at,
            image_uris,
            kind: ImageKind::of(&self),
            digest: self.digest,
            tags: self.tags,
            bytes: self.bytes,
            media_type: self.media_type,
            artifact_type: self.artifact_type,
            status: self.status,
            last_pulled: self.last_pulled,
            archived_at: self.archived_at,
            part_of: None,
            refers_to: self.refers_to,
            r#use: Use::Unknown,
            used_by: Vec::new(),
        }
    }
}

/// What an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// One that runs on one platform.
    Image,
    /// Of several platforms.
    Index,
    /// A chart, a signature, or something else that does not run.
    Artifact,
    /// ECR does not tell.
    Unknown,
}

/// Artifact types of what runs (OCI image specification, "Media types"; Docker's "Image manifest version 2, schema 2").
const OF_IMAGES: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

impl ImageKind {
    fn of(facts: &ImageFacts) -> Self {
        let artifact = facts.artifact_type.as_deref();
        let is_artifact = facts.refers_to.is_some() || artifact.is_some_and(|own| !OF_IMAGES.contains(&own));
        match facts.media_type.as_deref() {
            _ if is_artifact => Self::Artifact,
            None => Self::Unknown,
            Some(media_type) if crate::image::Kind::of_media_type(media_type).is_index() => Self::Index,
            Some(_) => Self::Image,
        }
    }

    /// As it stands in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Index => "index",
            Self::Artifact => "artifact",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether an image can be pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageStatus {
    /// It can.
    Active,
    /// Not until it is restored.
    Archived,
    /// It is being restored.
    Activating,
}

impl ImageStatus {
    /// As it stands in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Archived => "archived",
            Self::Activating => "activating",
        }
    }
}
