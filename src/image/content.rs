//! What manifests consist of.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Digest, Kind, Platform};

/// A manifest, index or blob that a manifest names (OCI image specification, "Content Descriptors").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What it runs on, where an index says so. Attestations run on nothing.
    pub platform: Option<Platform>,
    /// The manifest of the same index that it attests something of, as BuildKit notes it.
    pub attests: Option<Digest>,
    /// Other places that its content may be had from.
    pub urls: Vec<String>,
}

impl Descriptor {
    /// Whether its content is not in the registry: a layer that may not be distributed, such as those of Windows (OCI image
    /// specification, "Non-Distributable Layers"; Docker's "foreign" layers).
    pub fn is_foreign(&self) -> bool {
        !self.urls.is_empty()
            && (self.media_type.contains(".layer.nondistributable.") || self.media_type.contains(".rootfs.foreign."))
    }
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// Other manifests.
    Index(Vec<Descriptor>),
    /// Blobs: an image's config and layers, or an artifact's.
    Blobs(Vec<Descriptor>),
}

/// A manifest as a registry keeps it: bytes that must not change, and what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The digest of the bytes.
    pub digest: Digest,
    /// What it is.
    pub kind: Kind,
    /// What it consists of.
    pub contents: Contents,
    /// The manifest that it belongs to, as a signature does (OCI image specification, "subject").
    pub subject: Option<Digest>,
    /// The JSON itself.
    pub bytes: Vec<u8>,
}

/// Bytes that are no manifest that can be copied.
#[derive(Debug, thiserror::Error)]
pub enum NoManifest {
    /// No JSON, or not of this shape.
    #[error("it is no {kind}: {source}")]
    Malformed {
        /// What it should be.
        kind: Kind,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Docker's first schema.
    #[error("it is of Docker's schema 1, which has gone from Docker and from ECR; push the image anew")]
    Schema1,
    /// Neither Docker's nor an OCI manifest.
    #[error("its media type is {0:?}, which is none of an image, an index or an artifact")]
    Unknown(String),
    /// It can be read in two ways.
    #[error("it names layers and other manifests at once, and nobody can tell which of them counts")]
    Ambiguous,
    /// Its bytes and the registry's header say different things.
    #[error("the registry calls it {header:?}, and it calls itself {own:?}")]
    TwoTypes {
        /// What the answer's header says.
        header: String,
        /// What its own mediaType says.
        own: String,
    },
}

#[derive(Deserialize)]
#[serde(expecting = "a manifest's JSON object")]
struct Read {
    #[serde(rename = "schemaVersion")]
    schema_version: Option<u32>,
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
    manifests: Option<Vec<Entry>>,
    config: Option<Entry>,
    layers: Option<Vec<Entry>>,
    /// Of the OCI artifact manifest, which did not make it into version 1.1.
    blobs: Option<Vec<Entry>>,
    subject: Option<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    digest: Digest,
    size: u64,
    platform: Option<EntryPlatform>,
    annotations: Option<Map<String, Value>>,
    urls: Option<Vec<String>>,
}

/// A platform as an index or a config names it.
#[derive(Deserialize)]
pub(super) struct EntryPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

impl EntryPlatform {
    /// None where it names none, or the one under which BuildKit files attestations.
    pub(super) fn platform(self) -> Option<Platform> {
        let named = !self.os.is_empty() && !self.architecture.is_empty();
        let platform = Platform {
            os: self.os,
            architecture: self.architecture,
            variant: self.variant.filter(|variant| !variant.is_empty()),
        };
        (named && !platform.is_unknown()).then_some(platform)
    }
}

/// The annotation by which BuildKit says what an attestation is of.
pub(super) const ATTESTS: &str = "vnd.docker.reference.digest";

impl From<Entry> for Descriptor {
    fn from(entry: Entry) -> Self {
        let annotation = |name: &str| entry.annotations.as_ref()?.get(name)?.as_str()?.parse().ok();
        Self {
            attests: annotation(ATTESTS),
            media_type: entry.media_type,
            digest: entry.digest,
            size: entry.size,
            platform: entry.platform.and_then(EntryPlatform::platform),
            urls: entry.urls.unwrap_or_default(),
        }
    }
}

impl Manifest {
    /// Reads what a registry answered, with the media type that its header says.
    pub fn read(header: &str, bytes: Vec<u8>) -> Result<Self, NoManifest> {
        let said = Kind::of_media_type(header);
        let malformed = |source| NoManifest::Malformed {
            kind: said.clone(),
            source,
        };
        let read: Read = serde_json::from_slice(&bytes).map_err(malformed)?;
        let kind = read.kind(header)?;
        if read.manifests.is_some() && (read.layers.is_some() || read.config.is_some()) {
            return Err(NoManifest::Ambiguous);
        }
        let missing = |what: &'static str| NoManifest::Malformed {
            kind: kind.clone(),
            source: serde::de::Error::missing_field(what),
        };
        let all = |entries: Vec<Entry>| entries.into_iter().map(Descriptor::from);
        let contents = match kind.is_index() {
            true => Contents::Index(all(read.manifests.ok_or_else(|| missing("manifests"))?).collect()),
            false => {
                let blobs = read.layers.or(read.blobs).ok_or_else(|| missing("layers"))?;
                Contents::Blobs(
                    read.config
                        .into_iter()
                        .map(Descriptor::from)
                        .chain(all(blobs))
                        .collect(),
                )
            }
        };
        Ok(Self {
            digest: Digest::of(&bytes),
            contents,
            kind,
            subject: read.subject.map(|entry| entry.digest),
            bytes,
        })
    }

    /// The manifests that it lists; none of one that lists none.
    pub fn children(&self) -> &[Descriptor] {
        match &self.contents {
            Contents::Index(children) => children,
            Contents::Blobs(_) => &[],
        }
    }

    /// The blobs that it names itself, an image's config first.
    pub fn blobs(&self) -> &[Descriptor] {
        match &self.contents {
            Contents::Index(_) => &[],
            Contents::Blobs(blobs) => blobs,
        }
    }

    /// The media type to push it under.
    pub fn media_type(&self) -> &str {
        self.kind.media_type()
    }
}

impl Read {
    /// By the header; where that says nothing, by its own word or its shape.
    fn kind(&self, header: &str) -> Result<Kind, NoManifest> {
        let own = self.media_type.as_deref().filter(|own| !own.is_empty());
        let header = Some(header).filter(|header| Kind::of_media_type(header).is_known());
        let kind = match (header, own) {
            (Some(header), Some(own)) if header != own => {
                return Err(NoManifest::TwoTypes {
                    header: header.to_owned(),
                    own: own.to_owned(),
                });
            }
            (Some(media_type), _) | (None, Some(media_type)) => Kind::of_media_type(media_type),
            // OCI's first version allowed to leave it out.
            (None, None) if self.manifests.is_some() => Kind::OciIndex,
            (None, None) if self.config.is_some() => Kind::OciManifest,
            (None, None) => Kind::Other(String::new()),
        };
        match kind {
            Kind::Other(media_type) if media_type.contains(".manifest.v1+") && !media_type.contains(".oci.") => {
                Err(NoManifest::Schema1)
            }
            _ if self.schema_version == Some(1) => Err(NoManifest::Schema1),
            kind if kind.is_known() => Ok(kind),
            Kind::Other(media_type) => Err(NoManifest::Unknown(media_type)),
            kind => Ok(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digit(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn refused(header: &str, text: &str) -> String {
        Manifest::read(header, text.as_bytes().to_vec())
            .unwrap_err()
            .to_string()
    }

    const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

    #[test]
    fn an_index_lists_platforms_and_attestations() {
        // The shape of the OCI image specification's "image-index.md", with BuildKit's attestation as an entry.
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[
            {{"mediaType":"{OCI_MANIFEST}","size":1,"digest":"{a}",
              "platform":{{"architecture":"arm","os":"linux","variant":"v7"}}}},
            {{"mediaType":"{OCI_MANIFEST}","size":2,"digest":"{b}",
              "annotations":{{"vnd.docker.reference.digest":"{a}","vnd.docker.reference.type":"attestation-manifest"}},
              "platform":{{"architecture":"unknown","os":"unknown"}}}}]}}"#,
            a = digit('a'),
            b = digit('b')
        );
        let index = Manifest::read(OCI_INDEX, index.into_bytes()).unwrap();
        let [image, attestation] = index.children() else {
            panic!("{index:?}")
        };
        assert_eq!(image.platform, Some("linux/arm/v7".parse().unwrap()));
        assert_eq!((&attestation.platform, attestation.size), (&None, 2));
        assert_eq!(attestation.attests.as_ref(), Some(&image.digest));
        assert!(index.blobs().is_empty());
    }

    #[test]
    fn an_image_names_its_config_and_layers() {
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"c","size":1,"digest":"{}"}},
               "layers":[{{"mediaType":"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip","size":2,"digest":"{}",
                           "urls":["https://example.com/x"]}}],
               "subject":{{"mediaType":"m","size":3,"digest":"{}"}}}}"#,
            digit('a'),
            digit('b'),
            digit('c')
        );
        // OCI's first version allowed to leave out the media type.
        let image = Manifest::read("application/json", manifest.into_bytes()).unwrap();
        assert_eq!(image.kind, Kind::OciManifest);
        let [config, layer] = image.blobs() else {
            panic!("{image:?}")
        };
        assert!(!config.is_foreign() && layer.is_foreign());
        assert_eq!(image.subject.map(String::from), Some(digit('c')));
    }

    #[test]
    fn what_is_no_manifest_says_why() {
        assert!(refused(OCI_MANIFEST, "<html>").starts_with("it is no OCI manifest: expected value"));
        assert!(refused(OCI_INDEX, r#"{"schemaVersion":2}"#).contains("missing field `manifests`"));
        let schema1 = r#"{"schemaVersion":1,"name":"a","fsLayers":[]}"#;
        assert!(refused("application/vnd.docker.distribution.manifest.v1+prettyjws", schema1).contains("schema 1"));
        assert!(refused("application/json", schema1).contains("schema 1"));
        assert!(refused("text/html", "{}").contains("media type is \"\""));
        // CVE-2021-41190.
        let both = r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
        assert!(refused(OCI_INDEX, both).contains("at once"));
        let own = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","manifests":[]}}"#);
        assert!(refused(OCI_INDEX, &own).contains("calls itself"));
        assert!(refused(OCI_INDEX, r#"{"manifests":[{"digest":"sha256:abc","size":1}]}"#).contains("no digest"));
        assert!(refused(OCI_INDEX, r#"{"manifests":[{"digest":"x","size":-1}]}"#).contains("it is no OCI image index"));
    }
}
