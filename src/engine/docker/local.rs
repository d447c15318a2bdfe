//! What the daemon says of an image that it has.

use bollard::errors::Error;
use bollard::models::{ImageManifestSummary, ImageSummary};
use bollard::query_parameters::ListImagesOptions;
use futures::TryStreamExt;
use serde::Deserialize;

use super::daemon::{Daemon, Store};
use super::requests::at;
use crate::engine::EngineError;
use crate::image::{Digest, ImageRef, Platform, Reference};

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

impl Daemon {
    /// What a local name or id names; none where the daemon has no such image.
    pub(super) async fn local(&self, name: &str) -> Result<Option<Local>, EngineError> {
        // bollard's inspect does not ask for the manifests, and cannot read an image that has no content for this machine's
        // own platform. Its export hands an answer on as it is.
        let docker = self.docker.clone().with_request_modifier(|mut request| {
            let path = request.uri().path().to_owned();
            let image = path.strip_suffix("/get").unwrap_or(&path);
            at(&mut request, format!("{image}/json?manifests=true"));
            request
        });
        let attempt = || format!("inspect local {name}");
        let asked = async || docker.export_image(name).try_collect::<Vec<_>>().await;
        let answer = match self.ask(asked).await {
            Ok(pieces) => pieces.concat(),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(None),
            Err(error) => return Err(self.failed(attempt(), error)),
        };
        let image: Inspected =
            serde_json::from_slice(&answer).map_err(|error| self.failed(attempt(), Error::from(error)))?;
        Ok(Some(image.into()))
    }

    /// What a name names that an image really has. Some daemons also answer to a name by digest that nobody gave, for an image
    /// of that repository: to remove it would remove the image's tags.
    pub(super) async fn named(&self, image: &ImageRef, store: Store) -> Result<Option<Local>, EngineError> {
        let name = image.to_string();
        let Some(local) = self.local(&name).await? else {
            return Ok(None);
        };
        let is_given = match (&image.reference, store) {
            (Reference::Tag(_), _) | (_, Store::Classic) => true,
            (Reference::Digest(_), Store::Containerd) => local.tags.contains(&name),
            (Reference::Digest(_), Store::Podman) => {
                let images = self.images().await?;
                images.iter().any(|image| image.repo_tags.contains(&name))
            }
        };
        Ok(is_given.then_some(local))
    }

    pub(super) async fn images(&self) -> Result<Vec<ImageSummary>, EngineError> {
        let answer = self
            .ask(async || self.docker.list_images(None::<ListImagesOptions>).await)
            .await;
        answer.map_err(|error| self.failed("list the local images".to_owned(), error))
    }
}

/// What `GET /images/NAME/json` answers, as far as it is needed (Docker Engine API, "Inspect an image").
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
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
