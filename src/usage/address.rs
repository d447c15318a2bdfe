/// An image's address, as who runs it wrote it. Read loosely: AWS has checked it, and what it names may be anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address<'a> {
    /// The registry's `host[:port]`; `docker.io` where none is written.
    pub host: &'a str,
    /// The repository's name there, as it is written.
    pub path: &'a str,
    /// The tag, where one is written.
    pub tag: Option<&'a str>,
    /// The digest, where one is written. It wins over the tag.
    pub digest: Option<&'a str>,
}

impl<'a> Address<'a> {
    /// Reads one; none where there is no name in it.
    pub fn of(text: &'a str) -> Option<Self> {
        let (name, digest) = match text.rsplit_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match name[last..].rsplit_once(':') {
            Some((of_last, tag)) => (&name[..last + of_last.len()], Some(tag)),
            None => (name, None),
        };
        // As Docker tells a host from a name.
        let is_host = |first: &str| first.contains(['.', ':']) || first == "localhost";
        let (host, path) = match name.split_once('/') {
            Some((first, rest)) if is_host(first) => (first, rest),
            _ => ("docker.io", name),
        };
        (!path.is_empty()).then_some(Self {
            host,
            path,
            tag,
            digest,
        })
    }

    /// The tag that is meant where no digest is written.
    pub fn tag_or_latest(&self) -> &'a str {
        self.tag.unwrap_or("latest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_docker_reads_it() {
        // distribution's "reference" package, its table of tests.
        for (text, host, path, tag, digest) in [
            ("nginx", "docker.io", "nginx", None, None),
            ("grafana/agent:7", "docker.io", "grafana/agent", Some("7"), None),
            ("localhost:5000/a/b:1", "localhost:5000", "a/b", Some("1"), None),
            ("127.0.0.1:5000/a", "127.0.0.1:5000", "a", None, None),
            (
                "1.dkr.ecr.x.amazonaws.com/a:1@sha256:ab",
                "1.dkr.ecr.x.amazonaws.com",
                "a",
                Some("1"),
                Some("sha256:ab"),
            ),
        ] {
            let expected = Address {
                host,
                path,
                tag,
                digest,
            };
            assert_eq!(Address::of(text), Some(expected), "{text}");
        }
        assert_eq!(Address::of(""), None);
        assert_eq!(Address::of("localhost:5000/"), None);
    }
}
