//! Images of several platforms under one tag.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::build::{descriptor, digest};
use super::{Built, Image, Place, Platform, Pushed};

/// Which family of media types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// OCI's image index.
    Oci,
    /// Docker's manifest list.
    DockerList,
}

/// What an index is made of.
#[derive(Debug, Clone)]
pub struct Index {
    kind: IndexKind,
    images: Vec<Image>,
    attested: bool,
    annotations: BTreeMap<String, String>,
}

impl Index {
    /// An index without children.
    pub fn new(kind: IndexKind) -> Index {
        Index {
            kind,
            images: Vec::new(),
            attested: false,
            annotations: BTreeMap::new(),
        }
    }

    /// With one more child.
    #[must_use]
    pub fn image(mut self, image: Image) -> Index {
        self.images.push(image);
        self
    }

    /// With an attestation for each child, as buildkit writes them.
    #[must_use]
    pub fn attested(mut self) -> Index {
        self.attested = true;
        self
    }

    /// With an annotation, which only an OCI index has.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Index {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Pushes its children by digest and then itself under a tag.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn push(&self, place: &Place, repository: &str, tag: &str) -> Result<Pushed> {
        let mut children = Vec::new();
        let mut entries = Vec::new();
        let mut attestations = Vec::new();
        for image in &self.images {
            let built = image.build()?;
            place.push_image(repository, &built, &built.digest).await?;
            entries.push(entry(&built, built.platform.json()));
            if self.attested {
                let attestation = attestation(&built)?;
                let reference = &attestation.digest;
                place.push_image(repository, &attestation, reference).await?;
                let mut entry = entry(&attestation, attestation.platform.json());
                entry["annotations"] = json!({
                    "vnd.docker.reference.digest": built.digest,
                    "vnd.docker.reference.type": "attestation-manifest",
                });
                attestations.push(entry);
            }
            children.push(built.child());
        }
        entries.extend(attestations);
        let index = serde_json::to_vec(&self.json(&entries))?;
        place.put_manifest(repository, tag, self.media_type(), &index).await?;
        let top = digest(&index);
        Ok(Pushed { top, children })
    }

    fn json(&self, entries: &[Value]) -> Value {
        let mut index = json!({
            "schemaVersion": 2,
            "mediaType": self.media_type(),
            "manifests": entries,
        });
        if !self.annotations.is_empty() {
            index["annotations"] = json!(self.annotations);
        }
        index
    }

    fn media_type(&self) -> &'static str {
        match self.kind {
            IndexKind::Oci => "application/vnd.oci.image.index.v1+json",
            IndexKind::DockerList => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }
}

fn entry(built: &Built, platform: Value) -> Value {
    let mut entry = descriptor(&built.media_type, &built.manifest);
    entry["platform"] = platform;
    entry
}

/// The manifest that buildkit adds for an image: a statement in place of a layer, for no platform.
fn attestation(of: &Built) -> Result<Built> {
    let platform = Platform::new("unknown", "unknown");
    let hex = of.digest.trim_start_matches("sha256:");
    let statement = serde_json::to_vec(&json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": "_", "digest": {"sha256": hex}}],
        "predicate": {"builder": {"id": ""}, "buildType": "https://mobyproject.org/buildkit@v1"},
    }))?;
    let mut config = platform.json();
    config["config"] = json!({});
    config["rootfs"] = json!({"type": "layers", "diff_ids": [digest(&statement)]});
    let config = serde_json::to_vec(&config)?;
    let mut layer = descriptor("application/vnd.in-toto+json", &statement);
    layer["annotations"] = json!({"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"});
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [layer],
    }))?;
    Ok(Built {
        media_type: media_type.to_owned(),
        digest: digest(&manifest),
        config: digest(&config),
        platform,
        blobs: vec![(digest(&statement), statement.into()), (digest(&config), config.into())],
        manifest,
    })
}
