//! Layers: a real tar, compressed or not.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use hyper::body::Bytes;

use super::build::digest;
use crate::chance::Seeded;

/// How a layer's tar is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip at a level from 1 to 9: another level is another digest of the same content.
    Gzip(u32),
    /// zstd, which only OCI images can have.
    Zstd,
}

/// A layer of an image.
#[derive(Debug, Clone)]
pub struct Layer {
    files: Vec<File>,
    compression: Compression,
    nothing: bool,
    urls: Vec<String>,
    /// Shared by clones: packing and hashing are slow in a debug build.
    packed: Arc<OnceLock<Packed>>,
}

/// A layer's bytes.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    /// Digest of the tar.
    pub(super) diff_id: String,
    /// Digest of the bytes.
    pub(super) digest: String,
    pub(super) bytes: Bytes,
}

#[derive(Debug, Clone)]
struct File {
    path: String,
    mode: u32,
    content: Vec<u8>,
}

impl Default for Layer {
    fn default() -> Layer {
        Layer::new()
    }
}

impl Layer {
    /// An empty layer, to be packed by gzip.
    pub fn new() -> Layer {
        Layer {
            files: Vec::new(),
            compression: Compression::Gzip(6),
            nothing: false,
            urls: Vec::new(),
            packed: Arc::default(),
        }
    }

    /// A layer whose blob has no byte at all, not even a tar's end.
    pub fn nothing() -> Layer {
        Layer {
            nothing: true,
            ..Layer::new().compression(Compression::None)
        }
    }

    /// A layer with one file of so many bytes that no packing makes smaller; each seed has its own.
    pub fn random(seed: u64, size: usize) -> Layer {
        let content = Seeded(seed).bytes(size);
        Layer::new().file(&format!("data/{seed}"), &content)
    }

    /// With one more file (mode 644).
    #[must_use]
    pub fn file(self, path: &str, content: &[u8]) -> Layer {
        self.entry(path, 0o644, content)
    }

    /// With one more program (mode 755).
    #[must_use]
    pub fn program(self, path: &str, content: &[u8]) -> Layer {
        self.entry(path, 0o755, content)
    }

    /// Packed this way.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Layer {
        self.compression = compression;
        self.packed = Arc::default();
        self
    }

    /// Foreign: registries have only the address of its content, and pushes leave it out.
    #[must_use]
    pub fn foreign(mut self, url: &str) -> Layer {
        self.urls.push(url.to_owned());
        self
    }

    fn entry(mut self, path: &str, mode: u32, content: &[u8]) -> Layer {
        self.packed = Arc::default();
        self.files.push(File {
            path: path.to_owned(),
            mode,
            content: content.to_owned(),
        });
        self
    }

    pub(super) fn how_packed(&self) -> Compression {
        self.compression
    }

    /// Where a foreign layer's content is; of others none.
    pub(super) fn urls(&self) -> &[String] {
        &self.urls
    }

    pub(super) fn packed(&self) -> Result<&Packed> {
        if let Some(packed) = self.packed.get() {
            return Ok(packed);
        }
        let tar = self.tar()?;
        let diff_id = digest(&tar);
        let bytes = match self.nothing {
            true => Bytes::new(),
            false => self.compression.pack(tar)?.into(),
        };
        let digest = digest(&bytes);
        Ok(self.packed.get_or_init(|| Packed { diff_id, digest, bytes }))
    }

    /// The tar, with all times zero.
    fn tar(&self) -> Result<Vec<u8>> {
        if self.nothing {
            return Ok(Vec::new());
        }
        let mut tar = tar::Builder::new(Vec::new());
        for file in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(file.content.len() as u64);
            header.set_mode(file.mode);
            header.set_mtime(0);
            tar.append_data(&mut header, &file.path, file.content.as_slice())?;
        }
        Ok(tar.into_inner()?)
    }
}

impl Compression {
    fn pack(self, tar: Vec<u8>) -> Result<Vec<u8>> {
        match self {
            Compression::None => Ok(tar),
            Compression::Gzip(level) => {
                let level = flate2::Compression::new(level);
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
                gzip.write_all(&tar)?;
                Ok(gzip.finish()?)
            }
            Compression::Zstd => Ok(zstd::encode_all(tar.as_slice(), 3)?),
        }
    }
}
