//! What should follow what: the upstream repository of each target repository, read from the target's name, or named.

mod backup;
mod creation;
mod environment;
mod resource_tags;
mod shard;

pub use backup::{Backup, InvalidBackup, another};
pub use creation::{Creation, Encryption, Mutability, NewRepository};
pub use environment::{EnvironmentMatch, RESOURCE_TAG};
pub use resource_tags::{TagMistake, named_by_tags};
pub use shard::{InvalidRunner, InvalidShard, Shard};

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::image::{Digest, ImageRef, InvalidReference, Repository, Tag};
use crate::selection::Selection;

/// An upstream that was named together with where its images go: an entry of `images`, or a repository's own resource tags.
#[derive(Debug, Clone)]
pub struct Named {
    /// Where the images come from.
    pub upstream: Repository,
    /// The repository that they go to, by its name in the target registry.
    pub repository: String,
    /// Where that registry is another one than the run's own.
    pub elsewhere: Option<Elsewhere>,
    /// Which of the upstream's tags; none where only digests are named.
    pub tags: Option<Selection>,
    /// Tags that name these digests of the upstream, whatever its own tags name.
    pub digests: BTreeMap<Tag, Digest>,
    /// Where it is said: the file and the entry, or the tags.
    pub from: String,
}

impl Named {
    /// The same where all its rules choose up to so many tags, or more where they say that themselves; 0 leaves them as they are.
    pub fn up_to(mut self, max_results: usize) -> Self {
        for rules in self.tags.iter_mut().flat_map(|tags| &mut tags.any) {
            rules.max_results = rules.max_results.max(max_results);
        }
        self
    }
}

/// Another registry of ECR than the run's own, as far as it was said which.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Elsewhere {
    /// Its `host[:port]`; none for that of the account there.
    pub registry: Option<String>,
    /// Its region code; none for the one in the host's name, or else the run's own.
    pub region: Option<String>,
    /// The ARN of the role that is assumed to be somebody there.
    pub role_arn: Option<String>,
    /// Where its API is asked, instead of AWS.
    pub endpoint_url: Option<String>,
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.registry, &self.region) {
            (Some(registry), _) => f.write_str(registry),
            (None, Some(region)) => write!(f, "the registry in {region}"),
            (None, None) => f.write_str("the registry"),
        }?;
        match &self.role_arn {
            Some(role) => write!(f, " as {role}"),
            None => Ok(()),
        }
    }
}

/// A repository, or one tag of it, that a run is narrowed down to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    /// The repository's name in its registry; with the registry's host before it, where that was written too.
    pub repository: String,
    /// One tag; none for all.
    pub tag: Option<Tag>,
}

impl Only {
    /// Whether it means the repository `name` of the registry `host`.
    pub fn is_repository(&self, host: &str, name: &str) -> bool {
        self.name_in(host) == name
    }

    /// The repository's name in the registry `host`.
    pub fn name_in(&self, host: &str) -> &str {
        let rest = self
            .repository
            .strip_prefix(host)
            .and_then(|rest| rest.strip_prefix('/'));
        rest.unwrap_or(&self.repository)
    }

    /// Of the repositories `names` of the registry `host`, the one that was most likely meant: written with a typo, or without
    /// what stands before it. None where it is one of them.
    pub fn nearest<'a>(&self, host: &str, names: &'a [String]) -> Option<&'a String> {
        const TYPOS: usize = 3;
        let written = self.name_in(host);
        let shortened = format!("/{written}");
        names
            .iter()
            .map(|name| (strsim::damerau_levenshtein(written, name), name))
            .filter(|(distance, name)| *distance <= TYPOS || name.ends_with(&shortened))
            .min_by_key(|(distance, _)| *distance)
            .filter(|(distance, _)| *distance > 0)
            .map(|(_, name)| name)
    }

    /// Whether it means this image.
    pub fn is(&self, image: &ImageRef) -> bool {
        let Repository { host, path } = &image.repository;
        let tag = self
            .tag
            .as_ref()
            .is_none_or(|tag| image.reference.as_str() == tag.as_str());
        tag && self.is_repository(host, path)
    }
}

impl FromStr for Only {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        if text.contains('@') {
            return Err(InvalidReference::Malformed {
                text: text.to_owned(),
                why: "a digest stands for itself; what is looked after are tags: write REPOSITORY or REPOSITORY:TAG"
                    .to_owned(),
            });
        }
        let last = text.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match text[last..].split_once(':') {
            Some((name, tag)) => (&text[..last + name.len()], Some(tag.parse()?)),
            None => (text, None),
        };
        repository.parse::<Repository>()?;
        Ok(Self {
            repository: repository.to_owned(),
            tag,
        })
    }
}

impl fmt::Display for Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        match &self.tag {
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

/// How the upstream's name is found in a repository's name.
#[derive(Debug, Clone, Default)]
pub struct Naming {
    /// How many leading parts of the name are the team's own: 2 in `base/image/grafana/grafana`.
    pub strip_components: usize,
    /// Repositories whose upstream is said, not found.
    pub overrides: BTreeMap<String, Repository>,
}

/// A repository whose name tells no upstream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoUpstream {
    /// Nothing is left once the team's own parts are gone.
    #[error("nothing is left of {name:?} without its first {stripped} parts")]
    NameTooShort {
        /// The repository's name.
        name: String,
        /// How many parts were to go.
        stripped: usize,
    },
    /// What is left is no repository's name.
    #[error("the name without its first parts is no repository's")]
    NotAName(#[from] InvalidReference),
}

impl Naming {
    /// The upstream of the repository that is called `name` in its registry.
    ///
    /// `base/image/nginx` is Docker Hub's `library/nginx`; a first remaining part that is a registry host is one
    /// (`base/image/quay.io/a/b`).
    pub fn upstream_of(&self, name: &str) -> Result<Repository, NoUpstream> {
        if let Some(said) = self.overrides.get(name) {
            return Ok(said.clone());
        }
        let rest: Vec<&str> = name.split('/').skip(self.strip_components).collect();
        if rest.is_empty() {
            return Err(NoUpstream::NameTooShort {
                name: name.to_owned(),
                stripped: self.strip_components,
            });
        }
        Ok(rest.join("/").parse()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(name: &str) -> String {
        let naming = Naming {
            strip_components: 2,
            overrides: BTreeMap::from([("base/image/db".to_owned(), "ghcr.io/acme/db".parse().unwrap())]),
        };
        match naming.upstream_of(name) {
            Ok(repository) => repository.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_upstream_is_the_name_without_its_first_two_parts() {
        assert_eq!(upstream("base/image/grafana/grafana"), "docker.io/grafana/grafana");
        assert_eq!(upstream("base/image/nginx"), "docker.io/library/nginx");
        assert_eq!(
            upstream("base/image/quay.io/prometheus/node-exporter"),
            "quay.io/prometheus/node-exporter"
        );
        assert_eq!(upstream("base/image/docker.io/nginx"), "docker.io/library/nginx");
    }

    #[test]
    fn a_run_is_narrowed_down_by_names_with_or_without_host_and_tag() {
        let image: ImageRef = "localhost:1/base/image/db:1.2".parse().unwrap();
        for means in [
            "base/image/db",
            "base/image/db:1.2",
            "localhost:1/base/image/db",
            "localhost:1/base/image/db:1.2",
        ] {
            let only: Only = means.parse().unwrap();
            assert!(only.is(&image), "{means}");
            assert_eq!(only.to_string(), means);
        }
        for means in ["base/image", "base/image/db:1", "localhost:2/base/image/db", "image/db"] {
            assert!(!means.parse::<Only>().unwrap().is(&image), "{means}");
        }
        for bad in ["", "base/image:", "base/image:a b", "base//image"] {
            assert!(bad.parse::<Only>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_that_is_not_there_finds_the_one_that_was_meant() {
        let names = ["base/image/busybox", "base/image/grafana/grafana"].map(str::to_owned);
        let nearest = |written: &str| {
            let only: Only = written.parse().unwrap();
            only.nearest("localhost:1", &names).map(String::as_str)
        };
        for typo in [
            "base/image/busibox:1",
            "localhost:1/base/image/busyboxx",
            "image/busybox",
            "busybox",
        ] {
            assert_eq!(nearest(typo), Some("base/image/busybox"), "{typo}");
        }
        for other in ["base/image/busybox:9", "base/image/nothing", "ox"] {
            assert_eq!(nearest(other), None, "{other}");
        }
    }

    #[test]
    fn an_override_wins() {
        assert_eq!(upstream("base/image/db"), "ghcr.io/acme/db");
    }

    #[test]
    fn a_name_that_leaves_nothing_is_said() {
        assert_eq!(
            upstream("base/image"),
            "nothing is left of \"base/image\" without its first 2 parts"
        );
    }
}
