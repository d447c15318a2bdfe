//! One platform's image.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use hyper::body::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Child, Compression, Layer, Place, Platform, Pushed};

/// Which family of media types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Docker's image manifest, version 2, schema 2.
    Docker,
    /// OCI's.
    Oci,
}

/// What an image is made of.
#[derive(Debug, Clone)]
pub struct Image {
    platform: Platform,
    format: Format,
    layers: Vec<Layer>,
    env: Vec<String>,
    command: Vec<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// An image's bytes.
#[derive(Debug, Clone)]
pub struct Built {
    /// The manifest.
    pub manifest: Vec<u8>,
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: String,
    /// The config's digest.
    pub config: String,
    /// The platform in the config.
    pub platform: Platform,
    /// Config and layers, without foreign ones: digest and bytes.
    pub blobs: Vec<(String, Bytes)>,
}

impl Image {
    /// An image without layers, in Docker's format.
    pub fn new(platform: Platform) -> Image {
        Image {
            platform,
            format: Format::Docker,
            layers: Vec::new(),
            env: Vec::new(),
            command: Vec::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// In this format.
    #[must_use]
    pub fn format(mut self, format: Format) -> Image {
        self.format = format;
        self
    }

    /// With one more layer.
    #[must_use]
    pub fn layer(mut self, layer: Layer) -> Image {
        self.layers.push(layer);
        self
    }

    /// With all layers packed this way.
    #[must_use]
    pub fn packed(mut self, compression: Compression) -> Image {
        let layers = self.layers.into_iter();
        self.layers = layers.map(|layer| layer.compression(compression)).collect();
        self
    }

    /// With an environment variable in the config.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Image {
        self.env.push(format!("{name}={value}"));
        self
    }

    /// With this command in the config.
    #[must_use]
    pub fn command(mut self, words: &[&str]) -> Image {
        self.command = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// With a label in the config.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Image {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With an annotation in the manifest, which only an OCI image has.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Image {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The bytes.
    ///
    /// # Errors
    /// When the format cannot have what is asked for.
    pub fn build(&self) -> Result<Built> {
        if self.format == Format::Docker && !self.annotations.is_empty() {
            bail!("an image in Docker's format has no annotations");
        }
        let mut blobs = Vec::new();
        let (mut diff_ids, mut layers) = (Vec::new(), Vec::new());
        for layer in &self.layers {
            let packed = layer.packed()?;
            diff_ids.push(packed.diff_id.clone());
            let (digest, size) = (&packed.digest, packed.bytes.len());
            let media_type = self.layer_type(layer)?;
            let mut descriptor = json!({"mediaType": media_type, "digest": digest, "size": size});
            match layer.urls() {
                [] => blobs.push((packed.digest.clone(), packed.bytes.clone())),
                urls => descriptor["urls"] = json!(urls),
            }
            layers.push(descriptor);
        }
        let config = serde_json::to_vec(&self.config(&diff_ids))?;
        let config_digest = digest(&config);
        let (manifest_type, config_type) = self.types();
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": descriptor(config_type, &config),
            "layers": layers,
        });
        if !self.annotations.is_empty() {
            manifest["annotations"] = json!(self.annotations);
        }
        blobs.push((config_digest.clone(), config.into()));
        let manifest = serde_json::to_vec(&manifest)?;
        Ok(Built {
            media_type: manifest_type.to_owned(),
            digest: digest(&manifest),
            config: config_digest,
            platform: self.platform.clone(),
            manifest,
            blobs,
        })
    }

    /// Pushes it under a tag.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn push(&self, place: &Place, repository: &str, tag: &str) -> Result<Pushed> {
        let built = self.build()?;
        place.push_image(repository, &built, tag).await?;
        Ok(Pushed {
            top: built.digest.clone(),
            size: built.manifest.len() as u64,
            media_type: built.media_type.clone(),
            children: vec![built.child()],
        })
    }

    fn config(&self, diff_ids: &[String]) -> Value {
        let history = |_: &String| json!({"created": EPOCH, "created_by": "ecr-lab"});
        let mut config = self.platform.json();
        config["created"] = json!(EPOCH);
        config["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
        config["history"] = diff_ids.iter().map(history).collect();
        config["config"] = json!({});
        if !self.env.is_empty() {
            config["config"]["Env"] = json!(self.env);
        }
        if !self.command.is_empty() {
            config["config"]["Cmd"] = json!(self.command);
        }
        if !self.labels.is_empty() {
            config["config"]["Labels"] = json!(self.labels);
        }
        config
    }

    fn types(&self) -> (&'static str, &'static str) {
        match self.format {
            Format::Docker => (
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json",
            ),
            Format::Oci => (
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.oci.image.config.v1+json",
            ),
        }
    }

    fn layer_type(&self, layer: &Layer) -> Result<String> {
        let (docker, oci) = match layer.urls() {
            [] => ("rootfs.diff", "layer.v1"),
            _ => ("rootfs.foreign.diff", "layer.nondistributable.v1"),
        };
        Ok(match (self.format, layer.how_packed()) {
            (Format::Docker, Compression::None) => format!("application/vnd.docker.image.{docker}.tar"),
            (Format::Docker, Compression::Gzip(_)) => format!("application/vnd.docker.image.{docker}.tar.gzip"),
            (Format::Docker, Compression::Zstd) => bail!("Docker's format has no zstd layers"),
            (Format::Oci, Compression::None) => format!("application/vnd.oci.image.{oci}.tar"),
            (Format::Oci, Compression::Gzip(_)) => format!("application/vnd.oci.image.{oci}.tar+gzip"),
            (Format::Oci, Compression::Zstd) => format!("application/vnd.oci.image.{oci}.tar+zstd"),
        })
    }
}

impl Built {
    /// What it is as a child of an index.
    pub fn child(&self) -> Child {
        Child {
            platform: self.platform.clone(),
            digest: self.digest.clone(),
            config: self.config.clone(),
            size: self.manifest.len() as u64,
            media_type: self.media_type.clone(),
        }
    }
}

/// Builds have no time of their own, or their digests would differ.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// `sha256:` and the hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

pub(super) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
}
