//! Random text for secrets and identities, free ports, and a seeded generator for contents.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;

use anyhow::{Context, Result};

/// Random hexadecimal text of this many characters.
pub(crate) fn hex(length: usize) -> String {
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        text.push_str(&format!("{:016x}", number()));
    }
    text.truncate(length);
    text
}

/// A random number, seeded by the system.
pub(crate) fn number() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A port that was free a moment ago, below the range that outgoing connections use.
pub(crate) fn free_port() -> Result<u16> {
    (0..200)
        .map(|_| 20_000 + u16::try_from(number() % 12_000).unwrap_or(0))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("find a free port")
}

/// splitmix64: the same bytes for the same seed, everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// This many bytes.
    pub(crate) fn bytes(mut self, size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(size);
        bytes
    }
}
