//! Real image content, built from values and pushed over the distribution API.
//!
//! The same values give the same bytes, and so the same digests, everywhere.

mod artifact;
mod build;
mod index;
mod layer;
mod place;
mod platform;

pub use artifact::{Artifact, Subject};
pub use build::digest;
pub use build::{Built, Format, Image};
pub use index::{Index, IndexKind};
pub use layer::{Compression, Layer};
pub use place::Place;
pub use platform::Platform;

use serde::{Deserialize, Serialize};

/// What a push made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// Digest of what the tag names now.
    pub top: String,
    /// Size of its manifest.
    pub size: u64,
    /// Media type of its manifest.
    pub media_type: String,
    /// The children of an index in its order, without attestations, those of a nested index in its place; of a
    /// single image itself; of an artifact none.
    pub children: Vec<Child>,
}

impl Pushed {
    /// Digest of what the tag names now.
    pub fn digest(&self) -> &str {
        &self.top
    }
}

/// One platform's image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// What it runs on.
    pub platform: Platform,
    /// Digest of its manifest.
    pub digest: String,
    /// Digest of its config: what survives a pull and push by any daemon.
    pub config: String,
    /// Size of its manifest.
    pub size: u64,
    /// Media type of its manifest.
    pub media_type: String,
}

/// A small linux/amd64 image in Docker's format. Its content depends on the text.
pub fn tiny(text: &str) -> Image {
    let file = format!("{text}\n");
    Image::new(Platform::amd64()).layer(Layer::new().file("etc/lab", file.as_bytes()))
}

/// A small OCI index for linux/amd64 and linux/arm64. Its content depends on the text.
pub fn multi(text: &str) -> Index {
    let child = |platform: Platform| {
        let file = format!("{text} on {platform}\n");
        let layer = Layer::new().file("etc/lab", file.as_bytes());
        Image::new(platform).format(Format::Oci).layer(layer)
    };
    Index::new(IndexKind::Oci)
        .image(child(Platform::amd64()))
        .image(child(Platform::arm64()))
}
