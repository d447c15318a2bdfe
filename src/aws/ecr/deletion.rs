//! Images that go.

use aws_sdk_ecr::types::ImageIdentifier;

use super::{Ecr, IDS_PER_CALL};
use crate::aws::AwsError;
use crate::image::{Digest, Tag};

/// What is deleted (ECR API reference, BatchDeleteImage).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageId {
    /// An image with all its tags.
    Digest(Digest),
    /// A tag; the image too where it has no other.
    Tag(Tag),
}

/// One that is there still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotDeleted {
    /// What was asked for.
    pub id: ImageId,
    /// The image's digest, where ECR names that too.
    pub digest: Option<Digest>,
    /// ECR's code, such as `ImageReferencedByManifestList`.
    pub code: String,
    /// ECR's words.
    pub reason: String,
}

impl NotDeleted {
    /// Whether it was not there any more.
    pub fn is_absent(&self) -> bool {
        self.code == "ImageNotFound"
    }

    /// Whether it is what was asked for by this.
    pub fn is(&self, id: &ImageId) -> bool {
        let by_digest = || {
            self.digest
                .as_ref()
                .is_some_and(|digest| *id == ImageId::Digest(digest.clone()))
        };
        self.id == *id || by_digest()
    }
}

impl Ecr {
    /// Deletes images of a repository, a hundred in a call, and answers which are there still.
    ///
    /// # Errors
    /// What AWS does not do. The call may have been carried out all the same.
    pub async fn delete_images(&self, repository: &str, ids: &[ImageId]) -> Result<Vec<NotDeleted>, AwsError> {
        const CALL: &str = "BatchDeleteImage";
        let mut left = Vec::new();
        for some in ids.chunks(IDS_PER_CALL) {
            tracing::debug!("ask AWS: {CALL} of {repository}, {} images", some.len());
            let request = self
                .client
                .batch_delete_image()
                .set_registry_id(self.account.clone())
                .repository_name(repository)
                .set_image_ids(Some(some.iter().map(identifier).collect()));
            let answer = request.send().await;
            let answer = answer.map_err(|error| AwsError::of_sdk(CALL, format!("of {repository}"), error))?;
            for failure in answer.failures() {
                let id = failure.image_id().and_then(image_id);
                let id = id.ok_or_else(|| {
                    AwsError::odd_answer(
                        CALL,
                        format!("of {repository}"),
                        "a failure of an image that is not named",
                    )
                })?;
                let digest = failure.image_id().and_then(|id| id.image_digest()?.parse().ok());
                left.push(NotDeleted {
                    id,
                    digest,
                    code: failure.failure_code().map_or("", |code| code.as_str()).to_owned(),
                    reason: failure.failure_reason().unwrap_or_default().to_owned(),
                });
            }
        }
        Ok(left)
    }
}

fn identifier(id: &ImageId) -> ImageIdentifier {
    let builder = ImageIdentifier::builder();
    match id {
        ImageId::Digest(digest) => builder.image_digest(digest.as_str()),
        ImageId::Tag(tag) => builder.image_tag(tag.as_str()),
    }
    .build()
}

fn image_id(id: &ImageIdentifier) -> Option<ImageId> {
    let tag = || id.image_tag()?.parse().ok().map(ImageId::Tag);
    let digest = || id.image_digest()?.parse().ok().map(ImageId::Digest);
    // Where ECR adds the digest that a tag names, the tag is what was asked for.
    tag().or_else(digest)
}
