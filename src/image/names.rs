//! How Docker's names are read.

use core::net::Ipv6Addr;
use std::str::FromStr;

use super::{InvalidReference, Repository, Tag};

/// The parts of a name, by the grammar of Docker's (distribution's "reference" package) and in its way: see [`Repository`].
pub(super) struct Parts<'a> {
    pub(super) repository: Repository,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
}

/// The longest name of a repository, its host aside (distribution's "reference" package).
const LONGEST: usize = 255;

impl<'a> Parts<'a> {
    // By hand: the expression that crates have for it takes some ten megabytes and a third of a short run's time to compile.
    pub(super) fn of(text: &'a str) -> Result<Self, InvalidReference> {
        let malformed = |why: &str| InvalidReference::Malformed {
            text: text.to_owned(),
            why: why.to_owned(),
        };
        if text.contains("://") {
            return Err(malformed("a name has no scheme: leave out what is before ://"));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match name[last..].split_once(':') {
            Some((of_last, tag)) => (&name[..last + of_last.len()], Some(tag)),
            None => (name, None),
        };
        let has_upper = |text: &str| text.bytes().any(|b| b.is_ascii_uppercase());
        let is_host = |first: &str| first.contains(['.', ':']) || first == "localhost" || has_upper(first);
        let (host, path) = match name.split_once('/') {
            Some((first, rest)) if is_host(first) => (first, rest),
            _ => ("docker.io", name),
        };
        if let Some(why) = wrong_with_host(host).or_else(|| wrong_with_path(path)) {
            return Err(malformed(why));
        }
        if name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(malformed("64 hexadecimal digits are an image's id, not a name"));
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
        if path.len() > LONGEST {
            return Err(malformed("a repository's name has at most 255 characters"));
        }
        Ok(Self {
            repository: Repository {
                host: host.into(),
                path: path.into(),
            },
            tag,
            digest,
        })
    }
}

fn wrong_with_host(host: &str) -> Option<&'static str> {
    let (is_name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (
            address.parse::<Ipv6Addr>().is_ok(),
            Some(rest).filter(|rest| !rest.is_empty()),
        ),
        None => {
            let name = host.split(':').next().unwrap_or_default();
            let rest = &host[name.len()..];
            (
                name.split('.').all(is_label),
                Some(rest).filter(|rest| !rest.is_empty()),
            )
        }
    };
    let is_port = |port: &str| {
        let digits = port.strip_prefix(':').unwrap_or_default();
        digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok()
    };
    match () {
        () if !is_name => Some("the registry's host has letters, digits and '-', with '.' between"),
        () if !port.is_none_or(is_port) => Some("a port is a number up to 65535"),
        () => None,
    }
}

fn is_label(label: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !label.is_empty() && label.bytes().all(word) && !label.starts_with('-') && !label.ends_with('-')
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
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::image::ImageRef;

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
            // distribution's reference package, TestParseDockerRef and TestReferenceParse.
            ("Uppercase/lowercase", "Uppercase/lowercase:latest"),
            ("[::1]:5000/a:1", "[::1]:5000/a:1"),
            ("[2001:db8::1]/a", "[2001:db8::1]/a:latest"),
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
            // Its own text has to be read again, with what Docker Hub's names have before them.
            &"a".repeat(248),
            &format!("x.example/{}", "a".repeat(256)),
            &"0a".repeat(32),
            "[::1]",
            "[::g]/a",
            "[::1]x/a",
            "https://x.example/a",
        ] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad:?} was taken for an image");
        }
        for long in ["a".repeat(247), format!("x.example/{}", "a".repeat(255))] {
            let image: ImageRef = long.parse().unwrap();
            assert_eq!(image.to_string().parse(), Ok(image));
        }
    }
}
