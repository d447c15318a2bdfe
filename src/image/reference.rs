use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

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
        match parse(text)? {
            Parsed {
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

/// The parts of a reference, by the grammar of Docker's names (distribution's "reference" package) and in its way: see [`Repository`].
struct Parsed<'a> {
    repository: Repository,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

/// The longest name of a repository, its host aside (distribution's "reference" package).
const LONGEST_NAME: usize = 255;

// By hand: the expression that crates have for it takes some ten megabytes and a third of a short run's time to compile.
fn parse(text: &str) -> Result<Parsed<'_>, InvalidReference> {
    let malformed = |why: &str| InvalidReference::Malformed {
        text: text.to_owned(),
        why: why.to_owned(),
    };
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match name[last..].split_once(':') {
        Some((of_last, tag)) => (&name[..last + of_last.len()], Some(tag)),
        None => (name, None),
    };
    let is_host = |first: &str| first.contains(['.', ':']) || first == "localhost";
    let (host, path) = match name.split_once('/') {
        Some((first, rest)) if is_host(first) => (first, rest),
        _ => ("docker.io", name),
    };
    if let Some(why) = wrong_with_host(host).or_else(|| wrong_with_path(path)) {
        return Err(malformed(why));
    }
    if let Some(Err(error)) = tag.map(Tag::from_str) {
        return Err(malformed(&error.to_string()));
    }
    let host = match host {
        "index.docker.io" => "docker.io",
        host => host,
    };
    let path = match (host, path.contains('/')) {
        ("docker.io", false) => format!("library/{path}"),
        _ => path.to_owned(),
    };
    Ok(Parsed {
        repository: Repository {
            host: host.into(),
            path: path.into(),
        },
        tag,
        digest,
    })
}

fn wrong_with_host(host: &str) -> Option<&'static str> {
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let is_label = |label: &str| {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.bytes().all(word) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    match () {
        () if !name.split('.').all(is_label) => {
            Some("the registry's host has letters, digits and '-', with '.' between")
        }
        () if !port.is_none_or(is_port) => Some("a port is a number up to 65535"),
        () => None,
    }
}

/// OCI distribution specification, "Pulling Manifests".
fn wrong_with_path(path: &str) -> Option<&'static str> {
    let is_part = |part: &str| {
        let words: Vec<&str> = part
            .split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit())
            .collect();
        // Between two words there is one separator: `.`, `_`, `__` or any number of `-`.
        let separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let is_separator =
            |separator: &str| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-');
        let is_word = |word: Option<&&str>| word.is_some_and(|word| !word.is_empty());
        is_word(words.first()) && is_word(words.last()) && separators.into_iter().all(is_separator)
    };
    match () {
        () if path.bytes().any(|b| b.is_ascii_uppercase()) => Some("a repository's name is in small letters"),
        () if !path.split('/').all(is_part) => Some(
            "a repository's name has small letters and digits, with one '.', '_', '__' or any number of '-' between them, and '/' between its parts",
        ),
        () if path.len() > LONGEST_NAME => Some("a repository's name has at most 255 characters"),
        () => None,
    }
}

impl ImageRef {
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
        let parsed = parse(text)?;
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
    fn names_read_as_docker_reads_them() {
        // Expected values: what `docker pull` prints for each name.
        for (given, meant) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("grafana/grafana:10.1.0", "docker.io/grafana/grafana:10.1.0"),
            (
                "quay.io/prometheus/node-exporter:v1",
                "quay.io/prometheus/node-exporter:v1",
            ),
            ("127.0.0.1:5000/a/b:1", "127.0.0.1:5000/a/b:1"),
            ("localhost/a", "localhost/a:latest"),
            ("index.docker.io/library/nginx:1", "docker.io/library/nginx:1"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            (
                "localhost:5000/a-b--c/d.e_f__g",
                "localhost:5000/a-b--c/d.e_f__g:latest",
            ),
            ("a:5000", "docker.io/library/a:5000"),
        ] {
            assert_eq!(given.parse::<ImageRef>().unwrap().to_string(), meant);
        }
        for bad in [
            "",
            "a/UPPER",
            "a b",
            "a:",
            "http://a/b",
            "a/b@sha256:12",
            "x.example:99999/a",
            "x.example:/a",
            "-x.example/a",
            "x..example/a",
            "x.example/",
            "x.example//a",
            "a/",
            "/a",
            "a--",
            "a___b",
            "a.-b",
            "a..b",
            "_a",
            "a:é",
            "é",
            "a:b:c",
            "a@b@c",
            &"a".repeat(256),
        ] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad:?} was taken for an image");
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
