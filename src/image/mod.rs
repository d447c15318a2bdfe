//! The words of container registries, without I/O: [`Repository`], [`ImageRef`], [`Digest`], [`Platform`] and
//! what kind of manifest a digest names.

mod digest;
mod manifest;
mod platform;
mod reference;

pub use digest::{Digest, InvalidDigest};
pub use manifest::{Child, InvalidManifest, Kind, Observed, config_digest};
pub use platform::{InvalidPlatform, Platform, Platforms};
pub use reference::{ImageRef, InvalidReference, Reference, Repository, Tag};
