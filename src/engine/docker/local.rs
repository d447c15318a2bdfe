//! What the daemon says of an image that it has.

use bollard::models::ImageManifestSummary;
use serde::Deserialize;

use crate::image::{Digest, Platform};

/// A local image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Local {
    /// The config digest; in containerd's store the manifest's or index's.
    pub(super) id: String,
    pub(super) platform: Option<Platform>,
    /// Its names by tag.
    pub(super) tags: Vec<String>,
    /// Its names by digest.
    pub(super) digests: Vec<String>,
    /// In containerd's store, the manifests that it is made of.
    pub(super) manifests: Vec<Manifest>,
}

/// A manifest of an image in containerd's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) digest: Digest,
    /// None for an attestation.
    pub(super) platform: Option<Platform>,
    /// Whether all its content is there.
    pub(super) available: bool,
}

/// What `GET /images/NAME/json` answers, as far as it is needed (Docker Engine API, "Inspect an image").
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Inspected {
    id: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    manifests: Option<Vec<ImageManifestSummary>>,
}

impl From<Inspected> for Local {
    fn from(image: Inspected) -> Self {
        let manifests: Vec<Manifest> = image.manifests.into_iter().flatten().filter_map(manifest).collect();
        let only = match &manifests[..] {
            [only] => only.platform.clone(),
            _ => None,
        };
        Self {
            id: image.id,
            platform: platform_of(image.os, image.architecture, image.variant).or(only),
            tags: image.repo_tags.unwrap_or_default(),
            digests: image.repo_digests.unwrap_or_default(),
            manifests,
        }
    }
}

/// An image made by hand may name no platform in its config.
pub(super) fn platform_of(os: String, architecture: String, variant: Option<String>) -> Option<Platform> {
    let named = !os.is_empty() && !architecture.is_empty();
    named.then(|| Platform {
        os,
        architecture,
        variant: variant.filter(|variant| !variant.is_empty()),
    })
}

fn manifest(summary: ImageManifestSummary) -> Option<Manifest> {
    let platform = summary.image_data.map(|data| data.platform);
    Some(Manifest {
        digest: summary.id.parse().ok()?,
        platform: platform
            .and_then(|platform| platform_of(platform.os?, platform.architecture?, platform.variant))
            .filter(|platform| !platform.is_unknown()),
        available: summary.available,
    })
}
