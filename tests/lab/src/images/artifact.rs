//! Artifacts: signatures, attestations, bills of materials.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::build::{descriptor, digest};
use super::{Child, Place, Pushed};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// An artifact of OCI 1.1: an image manifest with an empty config and one blob.
#[derive(Debug, Clone)]
pub struct Artifact {
    artifact_type: String,
    blob_type: String,
    blob: Vec<u8>,
    subject: Option<Subject>,
    annotations: BTreeMap<String, String>,
}

/// What an artifact refers to, pushed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Digest of its manifest.
    pub digest: String,
    /// Size of its manifest.
    pub size: u64,
    /// Media type of its manifest.
    pub media_type: String,
}

impl From<&Pushed> for Subject {
    fn from(pushed: &Pushed) -> Subject {
        Subject {
            digest: pushed.top.clone(),
            size: pushed.size,
            media_type: pushed.media_type.clone(),
        }
    }
}

impl From<&Child> for Subject {
    fn from(child: &Child) -> Subject {
        Subject {
            digest: child.digest.clone(),
            size: child.size,
            media_type: child.media_type.clone(),
        }
    }
}

impl Artifact {
    /// An artifact of a type, such as `application/vnd.dev.cosign.artifact.sig.v1+json`, with these bytes.
    pub fn new(artifact_type: &str, blob: &[u8]) -> Artifact {
        Artifact {
            artifact_type: artifact_type.to_owned(),
            blob_type: "application/octet-stream".to_owned(),
            blob: blob.to_owned(),
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// With a blob of this media type.
    #[must_use]
    pub fn blob_type(mut self, media_type: &str) -> Artifact {
        self.blob_type = media_type.to_owned();
        self
    }

    /// That refers to something.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<Subject>) -> Artifact {
        self.subject = Some(subject.into());
        self
    }

    /// With an annotation in the manifest.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Artifact {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    fn manifest(&self) -> Vec<u8> {
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": self.artifact_type,
            "config": descriptor(EMPTY, b"{}"),
            "layers": [descriptor(&self.blob_type, &self.blob)],
        });
        if let Some(subject) = &self.subject {
            manifest["subject"] = subject.json();
        }
        if !self.annotations.is_empty() {
            manifest["annotations"] = json!(self.annotations);
        }
        manifest.to_string().into_bytes()
    }

    /// Pushes it under a tag, or by its digest only.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn push(&self, place: &Place, repository: &str, tag: Option<&str>) -> Result<Pushed> {
        let manifest = self.manifest();
        place.put_blob(repository, "{}").await?;
        place.put_blob(repository, &self.blob).await?;
        let digest = digest(&manifest);
        let reference = tag.unwrap_or(&digest);
        let top = place.put_manifest(repository, reference, MANIFEST, &manifest).await?;
        Ok(Pushed {
            top,
            size: manifest.len() as u64,
            media_type: MANIFEST.to_owned(),
            children: Vec::new(),
        })
    }
}

impl Subject {
    /// The tag by which cosign finds what belongs to it: `sha256-HEX.sig`, `.att` or `.sbom`.
    pub fn cosign_tag(&self, kind: &str) -> String {
        format!("{}.{kind}", self.digest.replace(':', "-"))
    }

    fn json(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.size})
    }
}
