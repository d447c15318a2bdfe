//! Names of registries, repositories and images, as other programs write them.

use std::borrow::Cow;

use crate::image::{ImageRef, InvalidReference, Repository};

/// Hosts that are Docker Hub's, by one of which other programs call it.
const DOCKER_HUB: [&str; 3] = ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// A registry's `host[:port]`.
///
/// # Errors
/// Why it is none.
pub(super) fn host(text: &str) -> Result<String, String> {
    let text = text.strip_prefix("https://").unwrap_or(text);
    match text.split_once("://") {
        Some(("http", _)) => {
            return Err(
                "it begins with http://: write the host alone, and `registries.HOST.plain_http: true`".to_owned(),
            );
        }
        Some(_) => return Err("it begins with a scheme that no registry has: write the host alone".to_owned()),
        None => {}
    }
    let text = text.strip_suffix('/').unwrap_or(text);
    if DOCKER_HUB.contains(&text) {
        return Ok("docker.io".to_owned());
    }
    // Docker's names have a host only where it cannot be a part of the path.
    match repository(&format!("{text}/x")) {
        Ok(repository) if *repository.host == *text => Ok(text.to_owned()),
        Ok(_) => Err("it is no registry's host[:port]".to_owned()),
        Err(why) => Err(why),
    }
}

/// A repository, by the name that Docker Hub has here.
///
/// # Errors
/// Why it is none, without the text: it may hold a login.
pub(super) fn repository(text: &str) -> Result<Repository, String> {
    at_hub(text)?.parse().map_err(|error| why(&error))
}

/// An image; without a tag it is `:latest`.
///
/// # Errors
/// As [`repository`].
pub(super) fn image(text: &str) -> Result<ImageRef, String> {
    at_hub(text)?.parse().map_err(|error| why(&error))
}

/// Why an image is left out that is named by its digest, where no tag is to name it.
pub(super) const DIGEST: &str =
    "no tag is to name it: write `digests: {TAG: DIGEST}` in an entry of `images`, or bring it with `ecr-keeper copy`";

fn at_hub(text: &str) -> Result<Cow<'_, str>, String> {
    if text.contains("{{") {
        return Err("templates are not filled in here: write the name itself".to_owned());
    }
    if text.contains('$') {
        return Err("variables are not filled in here: write the name itself".to_owned());
    }
    Ok(match text.split_once('/') {
        Some((host, rest)) if DOCKER_HUB.contains(&host) => format!("docker.io/{rest}").into(),
        _ => text.into(),
    })
}

fn why(error: &InvalidReference) -> String {
    match error {
        InvalidReference::Malformed { why, .. } => why.clone(),
        InvalidReference::NotARepository(_) => "it names a tag or digest, and a repository belongs here".to_owned(),
        InvalidReference::NotATag(_) => "its tag is none".to_owned(),
        InvalidReference::Digest(_) => "what is behind its @ is no digest".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_hub_has_one_name() {
        for (text, expected) in [
            ("registry.hub.docker.com/library/busybox", "docker.io/library/busybox"),
            ("registry-1.docker.io/busybox", "docker.io/library/busybox"),
            ("alpine", "docker.io/library/alpine"),
            ("localhost:5000/a", "localhost:5000/a"),
        ] {
            assert_eq!(repository(text).unwrap().to_string(), expected);
        }
        assert_eq!(host("https://registry.hub.docker.com/").unwrap(), "docker.io");
        assert_eq!(host("registry:5000").unwrap(), "registry:5000");
    }

    #[test]
    fn no_login_in_a_name_is_told() {
        for text in [
            "https://me:hunter2@quay.io/a",
            "me:hunter2@quay.io/a",
            "me:hunter2@quay.io",
        ] {
            for why in [
                repository(text).unwrap_err(),
                image(text).unwrap_err(),
                host(text).unwrap_err(),
            ] {
                assert!(!why.contains("hunter2"), "{text}: {why}");
            }
        }
        for (text, says) in [
            ("{{ .Sync.Source }}", "templates"),
            ("${REGISTRY}/a", "variables"),
            ("quay.io/a:1", "a repository belongs here"),
            ("quay.io/A", ""),
        ] {
            assert!(repository(text).unwrap_err().contains(says), "{text}");
        }
        for (text, says) in [
            ("registry", "no registry's host"),
            ("http://registry:5000", "it begins with http://"),
            ("oci://registry:5000", "a scheme that no registry has"),
        ] {
            assert!(host(text).unwrap_err().contains(says), "{text}");
        }
    }
}
