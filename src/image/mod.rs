//! The words of container registries, without I/O: [`Repository`], [`ImageRef`], [`Digest`], [`Platform`] and
//! what kind of manifest a digest names.

mod content;
mod digest;
mod manifest;
mod names;
mod part;
mod platform;
mod reference;

pub use content::{Contents, Descriptor, Manifest, NoManifest};
pub use digest::{Digest, Hasher, InvalidDigest};
pub use manifest::{Child, InvalidManifest, Kind, Observed, config_digest, platform_of_config};
pub use part::{Attestations, PART_OF};
pub use platform::{InvalidPlatform, Platform, Platforms};
pub use reference::{ImageRef, InvalidReference, Reference, Repository, SIGNATURE_SUFFIXES, Tag};
