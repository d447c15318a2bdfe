//! Repositories and images with all that ECR tells of them: what they are like, their sizes and times.

use aws_sdk_ecr::types::{DescribeImagesFilter, ImageDetail, ImageStatus, ImageStatusFilter, Repository};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Ecr, PAGE};
use crate::aws::{AwsError, Listing};
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
    /// When it was archived.
    pub archived: Option<Timestamp>,
    /// What it is a signature or attestation of.
    pub subject: Option<Digest>,
    /// Whether it can be pulled.
    pub status: Status,
}

/// Whether an image can be pulled (Amazon ECR User Guide, "Archiving an image").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It can.
    Active,
    /// Not until it is restored.
    Archived,
    /// It is being restored.
    Activating,
}

impl Status {
    /// As it stands in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Archived => "archived",
            Self::Activating => "activating",
        }
    }
}

/// What an image is, as far as its listing tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// An image of one platform.
    Image,
    /// An index of several.
    Index,
    /// A chart, a signature, or something else that does not run.
    Artifact,
    /// It has a media type that is not known, or none.
    Unknown,
}

/// Media types of the configs of what runs (OCI image specification, "Media types"; Docker's "Image manifest version 2, schema 2").
const OF_IMAGES: [&str; 2] = [
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.config.v1+json",
];

impl Sort {
    /// By the media type of the manifest, what it refers to, and of an image the media type of its config.
    pub fn of(image: &ImageDetails) -> Self {
        let is_artifact = match image.artifact_type.as_deref() {
            Some(own) => !OF_IMAGES.contains(&own),
            None => false,
        };
        match image.kind {
            // Whatever it is for, it has parts that are nobody's else.
            Kind::DockerManifestList | Kind::OciIndex => Self::Index,
            Kind::OciArtifact => Self::Artifact,
            Kind::Other(_) => Self::Unknown,
            Kind::DockerManifest | Kind::OciManifest if is_artifact || image.subject.is_some() => Self::Artifact,
            Kind::DockerManifest | Kind::OciManifest => Self::Image,
        }
    }

    /// As it stands in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Index => "index",
            Self::Artifact => "artifact",
            Self::Unknown => "unknown",
        }
    }
}

impl Ecr {
    /// All repositories with what they are like, in no particular order.
    ///
    /// # Errors
    /// Where AWS does not tell.
    pub async fn repository_details(&self) -> Result<Vec<RepositoryDetails>, AwsError> {
        self.repositories_in_detail().await.whole()
    }

    /// All images of a repository, untagged and archived ones too.
    ///
    /// # Errors
    /// Where AWS does not tell, or in no shape that is known.
    pub async fn image_details(&self, repository: &str) -> Result<Vec<ImageDetails>, AwsError> {
        self.images_in_detail(repository).await.whole()
    }

    /// All repositories, as far as AWS tells.
    pub async fn repositories_in_detail(&self) -> Listing<RepositoryDetails> {
        const CALL: &str = "DescribeRepositories";
        let on = || format!("in {}", self.region);
        tracing::debug!("ask AWS: {CALL} {}", on());
        let request = self.client.describe_repositories();
        let request = request.set_registry_id(self.account.clone()).max_results(PAGE);
        let mut pages = request.into_paginator().send();
        let mut listing = Listing::default();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => return listing.ended(AwsError::of_sdk(CALL, on(), error)),
            };
            let all = page.repositories().iter().map(details_of_repository);
            listing.read(all.map(|one| one.map_err(|why| AwsError::odd_answer(CALL, on(), why))));
        }
        listing
    }

    /// All images of a repository, untagged and archived ones too, as far as AWS tells.
    pub async fn images_in_detail(&self, repository: &str) -> Listing<ImageDetails> {
        const CALL: &str = "DescribeImages";
        let on = || format!("of {repository} in {}", self.region);
        tracing::debug!("ask AWS: {CALL} {}", on());
        // Without it archived ones are left out (ECR API reference, DescribeImages).
        let all = DescribeImagesFilter::builder().image_status(ImageStatusFilter::Any);
        let request = self.client.describe_images().set_registry_id(self.account.clone());
        let request = request.repository_name(repository).filter(all.build());
        let mut pages = request.max_results(PAGE).into_paginator().send();
        let mut listing = Listing::default();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => return listing.ended(AwsError::of_sdk(CALL, on(), error)),
            };
            let all = page.image_details().iter().map(details_of_image);
            listing.read(all.map(|one| one.map_err(|why| AwsError::odd_answer(CALL, on(), why))));
        }
        listing
    }
}

fn details_of_repository(repository: &Repository) -> Result<RepositoryDetails, &'static str> {
    let filters = repository.image_tag_mutability_exclusion_filters().iter();
    let encryption = repository.encryption_configuration();
    let mutability = repository.image_tag_mutability();
    Ok(RepositoryDetails {
        name: repository
            .repository_name
            .clone()
            .ok_or("a repository without a name")?,
        uri: repository
            .repository_uri
            .clone()
            .ok_or("a repository without an address")?,
        arn: repository.repository_arn.clone().ok_or("a repository without an ARN")?,
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
    let digest = |text: &str| text.parse::<Digest>().map_err(|why| why.to_string());
    let tags = detail.image_tags().iter();
    let tags: Result<Vec<Tag>, String> = tags.map(|tag| tag.parse().map_err(|why| format!("{why}"))).collect();
    Ok(ImageDetails {
        digest: digest(detail.image_digest().unwrap_or_default())?,
        tags: tags?,
        kind: Kind::of_media_type(detail.image_manifest_media_type().unwrap_or_default()),
        artifact_type: detail.artifact_media_type().map(str::to_owned),
        bytes: detail.image_size_in_bytes().and_then(|bytes| bytes.try_into().ok()),
        pushed: detail.image_pushed_at().and_then(timestamp),
        pulled: detail.last_recorded_pull_time().and_then(timestamp),
        archived: detail.last_archived_at().and_then(timestamp),
        subject: detail.subject_manifest_digest().map(digest).transpose()?,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(media_type: &str, artifact_type: Option<&str>, subject: Option<Digest>) -> Sort {
        Sort::of(&ImageDetails {
            digest: Digest::of(b""),
            tags: Vec::new(),
            kind: Kind::of_media_type(media_type),
            artifact_type: artifact_type.map(str::to_owned),
            bytes: None,
            pushed: None,
            pulled: None,
            archived: None,
            subject,
            status: Status::Active,
        })
    }

    #[test]
    fn what_an_image_is_its_media_types_tell() {
        // OCI image specification 1.1, "Media types" and "Guidelines for artifact usage"; Helm's and Docker's own.
        const INDEX: &str = "application/vnd.oci.image.index.v1+json";
        const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
        const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
        let chart = Some("application/vnd.cncf.helm.config.v1+json");
        for (media_type, artifact_type, is) in [
            (IMAGE, None, Sort::Image),
            (IMAGE, Some("application/vnd.oci.image.config.v1+json"), Sort::Image),
            (
                DOCKER,
                Some("application/vnd.docker.container.image.v1+json"),
                Sort::Image,
            ),
            (IMAGE, chart, Sort::Artifact),
            ("application/vnd.oci.artifact.manifest.v1+json", None, Sort::Artifact),
            (INDEX, None, Sort::Index),
            (INDEX, chart, Sort::Index),
            (
                "application/vnd.docker.distribution.manifest.list.v2+json",
                None,
                Sort::Index,
            ),
            (
                "application/vnd.docker.distribution.manifest.v1+prettyjws",
                None,
                Sort::Unknown,
            ),
            ("", chart, Sort::Unknown),
        ] {
            assert_eq!(
                sort(media_type, artifact_type, None),
                is,
                "{media_type} {artifact_type:?}"
            );
        }
        assert_eq!(sort(IMAGE, None, Some(Digest::of(b"what it signs"))), Sort::Artifact);
    }

    #[test]
    fn an_image_that_cannot_be_read_is_told_and_not_passed_over() {
        let digest = Digest::of(b"");
        let odd = ImageDetail::builder().image_tags("v1").build();
        assert!(details_of_image(&odd).unwrap_err().contains("is no digest"));
        let odd = ImageDetail::builder().image_digest(digest.as_str()).image_tags("a b");
        assert!(details_of_image(&odd.build()).is_err());
        let nameless = Repository::builder().build();
        assert_eq!(details_of_repository(&nameless), Err("a repository without a name"));
    }
}
