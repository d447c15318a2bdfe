use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::names::Parts;
use super::{Digest, InvalidDigest};

/// A repository of a registry: `docker.io/library/busybox`. Clones share its text: a registry has many thousands of tags.
///
/// Read from text as Docker reads names: without a registry host it is Docker Hub's, and `library/` goes before a
/// Docker Hub name of one part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository {
    /// The registry's `host[:port]`.
    pub host: Arc<str>,
    /// The repository's name in that registry.
    pub path: Arc<str>,
}

impl Repository {
    /// The name for people who are told of `registry` already: without the host where it is that one.
    pub fn beside(&self, registry: &str) -> String {
        match *self.host == *registry {
            true => self.path.to_string(),
            false => self.to_string(),
        }
    }

    /// The image of this repository that `reference` names.
    pub fn image(&self, reference: impl Into<Reference>) -> ImageRef {
        ImageRef {
            repository: self.clone(),
            reference: reference.into(),
        }
    }
}

impl FromStr for Repository {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        match Parts::of(text)? {
            Parts {
                repository,
                tag: None,
                digest: None,
            } => Ok(repository),
            _ => Err(InvalidReference::NotARepository(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Repository {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, InvalidReference> {
        text.parse()
    }
}

impl From<Repository> for String {
    fn from(repository: Repository) -> Self {
        repository.to_string()
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

/// A tag: at most 128 letters, digits, `_`, `.` and `-`, not beginning with `.` or `-` (OCI distribution
/// specification, "Pulling manifests").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(Arc<str>);

/// What cosign appends to the tag of a digest (cosign's "Signature specification", "Storage").
pub const SIGNATURE_SUFFIXES: [&str; 3] = [".sig", ".att", ".sbom"];

impl Tag {
    /// The tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is no version but the place of what refers to a digest: the index of its referrers (OCI distribution
    /// specification, "Referrers Tag Schema"), or what cosign signs it with.
    pub fn is_of_referrers(&self) -> bool {
        // Of a hundred thousand tags hardly one is.
        if !self.0.starts_with("sha") {
            return false;
        }
        let suffix = |suffix: &&str| self.0.strip_suffix(suffix);
        let digest = SIGNATURE_SUFFIXES.iter().find_map(suffix).unwrap_or(&self.0);
        let is_hex = |digits: &str| digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match digest.split_once('-') {
            Some(("sha256", digits)) => digits.len() == 64 && is_hex(digits),
            Some(("sha512", digits)) => matches!(digits.len(), 64 | 128) && is_hex(digits),
            _ => false,
        }
    }
}

impl FromStr for Tag {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let mut bytes = text.bytes();
        let valid =
            text.len() <= 128 && bytes.next().is_some_and(word) && bytes.all(|b| word(b) || b == b'.' || b == b'-');
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InvalidReference::NotATag(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Tag {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, InvalidReference> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.as_str().to_owned()
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How an image of a repository is named: by a tag, which may move, or by its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// `:TAG`
    Tag(Tag),
    /// `@DIGEST`
    Digest(Digest),
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

impl Reference {
    /// As [`Tag::is_of_referrers`].
    pub fn is_of_referrers(&self) -> bool {
        matches!(self, Self::Tag(tag) if tag.is_of_referrers())
    }

    /// The tag or the digest itself, without the `:` or `@` before it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tag(tag) => tag.as_str(),
            Self::Digest(digest) => digest.as_str(),
        }
    }
}

/// What a person names: an image of a repository, by tag or digest. Without either it is `:latest`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef {
    /// Where it is.
    pub repository: Repository,
    /// Which one.
    pub reference: Reference,
}

/// A text that names no repository, tag or image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// Not the grammar of a reference.
    #[error("{text:?} is no image reference: {why}")]
    Malformed {
        /// What was read.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// A tag or digest stands where only a repository may.
    #[error("{0:?} names an image, not a repository: leave out the tag or digest")]
    NotARepository(String),
    /// Not the grammar of a tag.
    #[error("{0:?} is no tag (at most 128 letters, digits, '_', '.' and '-', not beginning with '.' or '-')")]
    NotATag(String),
    /// The part after `@` is no digest.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

impl ImageRef {
    /// The name for people who are told of `registry` already: without the host where it is that one.
    pub fn beside(&self, registry: &str) -> String {
        match *self.repository.host == *registry {
            true => self.in_registry(),
            false => self.to_string(),
        }
    }

    /// The name within its registry: `REPOSITORY:TAG` or `REPOSITORY@DIGEST`.
    pub fn in_registry(&self) -> String {
        match &self.reference {
            Reference::Tag(tag) => format!("{}:{tag}", self.repository.path),
            Reference::Digest(digest) => format!("{}@{digest}", self.repository.path),
        }
    }
}

impl FromStr for ImageRef {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let parsed = Parts::of(text)?;
        let reference = match (parsed.digest, parsed.tag) {
            (Some(digest), _) => Reference::Digest(digest.parse()?),
            (None, tag) => Reference::Tag(tag.unwrap_or("latest").parse()?),
        };
        Ok(Self {
            repository: parsed.repository,
            reference,
        })
    }
}

impl TryFrom<String> for ImageRef {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, InvalidReference> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(image: ImageRef) -> Self {
        image.to_string()
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.repository.host, self.in_registry())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_referrers_are_told_from_versions() {
        let digits = "a1".repeat(32);
        for yes in ["", ".sig", ".att", ".sbom"] {
            let tag: Tag = format!("sha256-{digits}{yes}").parse().unwrap();
            assert!(tag.is_of_referrers(), "{tag}");
        }
        for no in [
            "1.27",
            "sha256-abc",
            "latest.sig",
            &format!("sha256-{digits}.zip"),
            &format!("sha256_{digits}"),
        ] {
            let tag: Tag = no.parse().unwrap();
            assert!(!tag.is_of_referrers(), "{tag}");
        }
    }

    #[test]
    fn a_repository_has_no_tag() {
        assert_eq!(
            "localhost:5000/a".parse::<Repository>().unwrap().to_string(),
            "localhost:5000/a"
        );
        assert!("a/b:1".parse::<Repository>().is_err());
    }

    #[test]
    fn tags_follow_the_distribution_grammar() {
        assert!("1.36-musl_x".parse::<Tag>().is_ok());
        assert!("a".repeat(128).parse::<Tag>().is_ok());
        for bad in ["", ".a", "-a", "a/b", "a:b", &"a".repeat(129)] {
            assert!(bad.parse::<Tag>().is_err(), "{bad:?} was taken for a tag");
        }
    }
}
