use std::fmt;

use oci_spec::image::ImageManifest;
use serde::{Deserialize, Serialize};

use super::content::EntryPlatform;
use super::{Descriptor, Digest, Manifest, Platform};

/// What sort of manifest a digest names, told by its media type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Docker image manifest, version 2 schema 2.
    DockerManifest,
    /// OCI image manifest.
    OciManifest,
    /// Docker manifest list.
    DockerManifestList,
    /// OCI image index.
    OciIndex,
    /// OCI artifact manifest, which came and went with the drafts of version 1.1.
    OciArtifact,
    /// Any other media type: schema 1, or none told.
    Other(String),
}

impl Kind {
    /// The kind that a media type stands for.
    pub fn of_media_type(media_type: &str) -> Self {
        match media_type {
            "application/vnd.docker.distribution.manifest.v2+json" => Self::DockerManifest,
            "application/vnd.oci.image.manifest.v1+json" => Self::OciManifest,
            "application/vnd.docker.distribution.manifest.list.v2+json" => Self::DockerManifestList,
            "application/vnd.oci.image.index.v1+json" => Self::OciIndex,
            "application/vnd.oci.artifact.manifest.v1+json" => Self::OciArtifact,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The media type that it is told by.
    pub fn media_type(&self) -> &str {
        match self {
            Self::DockerManifest => "application/vnd.docker.distribution.manifest.v2+json",
            Self::OciManifest => "application/vnd.oci.image.manifest.v1+json",
            Self::DockerManifestList => "application/vnd.docker.distribution.manifest.list.v2+json",
            Self::OciIndex => "application/vnd.oci.image.index.v1+json",
            Self::OciArtifact => "application/vnd.oci.artifact.manifest.v1+json",
            Self::Other(media_type) => media_type,
        }
    }

    /// Whether it is one that can be copied.
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Other(_))
    }

    /// Whether this names other manifests, one a platform.
    pub fn is_index(&self) -> bool {
        matches!(self, Self::DockerManifestList | Self::OciIndex)
    }

    /// The same, and where no media type is told.
    pub fn may_be_index(&self) -> bool {
        self.is_index() || self.media_type().is_empty()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DockerManifest => "Docker manifest",
            Self::OciManifest => "OCI manifest",
            Self::DockerManifestList => "Docker manifest list",
            Self::OciIndex => "OCI image index",
            Self::OciArtifact => "OCI artifact manifest",
            Self::Other(media_type) if media_type.is_empty() => "manifest",
            Self::Other(media_type) => media_type,
        })
    }
}

/// What a registry answered about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The digest of the manifest or index that the reference names.
    pub top: Digest,
    /// What that is.
    pub kind: Kind,
    /// The platforms that it runs on, where the answer told. Attestations are none.
    pub platforms: Vec<Platform>,
    /// The manifests that an index lists, where they were read.
    pub children: Option<Vec<Child>>,
}

/// A manifest that an index lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its digest.
    pub digest: Digest,
    /// What it runs on; none for an attestation, which runs on nothing.
    pub platform: Option<Platform>,
}

impl Observed {
    /// The manifest that a pull for `platform` brings, where that is known.
    pub fn manifest_for(&self, platform: Option<&Platform>) -> Option<&Digest> {
        match (&self.children, platform) {
            (None, _) if !self.kind.is_index() => Some(&self.top),
            (Some(children), Some(wanted)) => children
                .iter()
                .find(|child| child.platform.as_ref().is_some_and(|own| own.is_for(wanted)))
                .map(|child| &child.digest),
            _ => None,
        }
    }
}

impl From<&Manifest> for Observed {
    fn from(manifest: &Manifest) -> Self {
        let child = |descriptor: &Descriptor| Child {
            digest: descriptor.digest.clone(),
            platform: descriptor.platform.clone(),
        };
        let children: Option<Vec<Child>> = manifest
            .kind
            .is_index()
            .then(|| manifest.children().iter().map(child).collect());
        let platforms = children.iter().flatten().filter_map(|child| child.platform.clone());
        Self {
            top: manifest.digest.clone(),
            kind: manifest.kind.clone(),
            platforms: platforms.collect(),
            children,
        }
    }
}

/// What a single image runs on, by its config blob; none where that does not say.
pub fn platform_of_config(config: &[u8]) -> Result<Option<Platform>, serde_json::Error> {
    serde_json::from_slice::<EntryPlatform>(config).map(EntryPlatform::platform)
}

/// A manifest that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidManifest {
    /// It is not the JSON of an image manifest.
    #[error("not an image manifest")]
    Malformed(#[source] oci_spec::OciSpecError),
    /// Its config descriptor carries no valid digest.
    #[error(transparent)]
    Digest(#[from] super::InvalidDigest),
}

/// The digest of the config blob that a single image's manifest names: what survives every Docker daemon.
pub fn config_digest(manifest: &str) -> Result<Digest, InvalidManifest> {
    let manifest = ImageManifest::from_reader(manifest.as_bytes()).map_err(InvalidManifest::Malformed)?;
    Ok(manifest.config().digest().to_string().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_told_from_manifests_by_media_type() {
        // Media types: OCI image-spec "media-types.md" and Docker's "manifest-v2-2.md".
        assert!(Kind::of_media_type("application/vnd.oci.image.index.v1+json").is_index());
        assert!(Kind::of_media_type("application/vnd.docker.distribution.manifest.list.v2+json").is_index());
        assert!(!Kind::of_media_type("application/vnd.oci.image.manifest.v1+json").is_index());
        assert!(!Kind::of_media_type("application/vnd.docker.distribution.manifest.v1+prettyjws").is_index());
    }

    #[test]
    fn the_config_digest_is_read_from_a_docker_manifest() {
        // The example of Docker's "manifest-v2-2.md", shortened to one layer.
        let digest = "sha256:b5b2b2c507a0944348e0303114d8d93aaaa081732b86451d9bce1f432a537bc7";
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",
               "config":{{"mediaType":"application/vnd.docker.container.image.v1+json","size":7023,"digest":"{digest}"}},
               "layers":[{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":32654,
               "digest":"sha256:e692418e4cbaf90ca69d05a66403747baa33ee08806650b51fab815ad7fc331f"}}]}}"#
        );
        assert_eq!(config_digest(&manifest).unwrap().as_str(), digest);
        assert!(config_digest("<html>").is_err());
    }
}
