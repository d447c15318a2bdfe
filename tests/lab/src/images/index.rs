//! Images of several platforms under one tag.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::build::{descriptor, digest};
use super::{Built, Child, Image, Place, Platform, Pushed};

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
    members: Vec<Member>,
    attested: bool,
    annotations: BTreeMap<String, String>,
}

/// What an index names.
#[derive(Debug, Clone)]
enum Member {
    Image(Image),
    Index(Index),
}

/// An index's bytes, and what has to be pushed before it.
struct BuiltIndex {
    manifest: Vec<u8>,
    children: Vec<Child>,
    parts: Vec<Part>,
}

/// What is pushed by its digest.
enum Part {
    Image(Built),
    Index {
        media_type: &'static str,
        manifest: Vec<u8>,
    },
}

impl Index {
    /// An index without children.
    pub fn new(kind: IndexKind) -> Index {
        Index {
            kind,
            members: Vec::new(),
            attested: false,
            annotations: BTreeMap::new(),
        }
    }

    /// With one more child.
    #[must_use]
    pub fn image(mut self, image: Image) -> Index {
        self.members.push(Member::Image(image));
        self
    }

    /// With one more child that is an index itself.
    #[must_use]
    pub fn index(mut self, index: Index) -> Index {
        self.members.push(Member::Index(index));
        self
    }

    /// With an attestation for each image, as buildkit writes them.
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
        let built = self.build()?;
        for part in &built.parts {
            match part {
                Part::Image(image) => place.push_image(repository, image, &image.digest).await?,
                Part::Index { media_type, manifest } => {
                    let reference = digest(manifest);
                    place.put_manifest(repository, &reference, media_type, manifest).await?;
                }
            }
        }
        let top = place.put_manifest(repository, tag, self.media_type(), &built.manifest);
        Ok(Pushed {
            top: top.await?,
            size: built.manifest.len() as u64,
            media_type: self.media_type().to_owned(),
            children: built.children,
        })
    }

    fn build(&self) -> Result<BuiltIndex> {
        let (mut entries, mut attestations) = (Vec::new(), Vec::new());
        let (mut children, mut parts) = (Vec::new(), Vec::new());
        for member in &self.members {
            match member {
                Member::Image(image) => {
                    let built = image.build()?;
                    entries.push(entry(&built));
                    children.push(built.child());
                    let attestation = self.attested.then(|| attestation(&built)).transpose()?;
                    let of = built.digest.clone();
                    parts.push(Part::Image(built));
                    if let Some(attestation) = attestation {
                        attestations.push(attestation_entry(&attestation, &of));
                        parts.push(Part::Image(attestation));
                    }
                }
                Member::Index(index) => {
                    let built = index.build()?;
                    entries.push(descriptor(index.media_type(), &built.manifest));
                    children.extend(built.children);
                    parts.extend(built.parts);
                    parts.push(Part::Index {
                        media_type: index.media_type(),
                        manifest: built.manifest,
                    });
                }
            }
        }
        entries.extend(attestations);
        Ok(BuiltIndex {
            manifest: serde_json::to_vec(&self.json(&entries))?,
            children,
            parts,
        })
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

fn entry(built: &Built) -> Value {
    let mut entry = descriptor(&built.media_type, &built.manifest);
    entry["platform"] = built.platform.json();
    entry
}

fn attestation_entry(attestation: &Built, of: &str) -> Value {
    let mut entry = entry(attestation);
    entry["annotations"] = json!({
        "vnd.docker.reference.digest": of,
        "vnd.docker.reference.type": "attestation-manifest",
    });
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
