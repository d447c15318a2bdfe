//! The paths of the distribution API.

/// What a path under `/v2/` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked<'a> {
    /// `/v2/`
    Base,
    /// `/v2/REPOSITORY/manifests/TAG-OR-DIGEST`
    Manifest { repository: &'a str, reference: &'a str },
    /// `/v2/REPOSITORY/blobs/DIGEST`
    Blob { repository: &'a str, digest: &'a str },
    /// `/v2/REPOSITORY/blobs/uploads/…`
    Upload { repository: &'a str },
    /// `/v2/REPOSITORY/tags/list`
    Tags { repository: &'a str },
    /// `/v2/REPOSITORY/referrers/DIGEST`
    Referrers { repository: &'a str, digest: &'a str },
    /// Anything else.
    Other,
}

impl<'a> Asked<'a> {
    pub(crate) fn parse(path: &'a str) -> Asked<'a> {
        let Some(rest) = path.strip_prefix("/v2/") else {
            return if path == "/v2" { Asked::Base } else { Asked::Other };
        };
        if rest.is_empty() {
            return Asked::Base;
        }
        if let Some(repository) = rest.strip_suffix("/tags/list") {
            return Asked::Tags { repository };
        }
        if let Some((repository, _)) = rest.rsplit_once("/blobs/uploads/") {
            return Asked::Upload { repository };
        }
        if let Some(repository) = rest.strip_suffix("/blobs/uploads") {
            return Asked::Upload { repository };
        }
        if let Some((repository, digest)) = rest.rsplit_once("/blobs/") {
            return Asked::Blob { repository, digest };
        }
        if let Some((repository, digest)) = rest.rsplit_once("/referrers/") {
            return Asked::Referrers { repository, digest };
        }
        match rest.rsplit_once("/manifests/") {
            Some((repository, reference)) => Asked::Manifest { repository, reference },
            None => Asked::Other,
        }
    }

    pub(crate) fn repository(&self) -> Option<&'a str> {
        match self {
            Asked::Base | Asked::Other => None,
            Asked::Manifest { repository, .. }
            | Asked::Blob { repository, .. }
            | Asked::Upload { repository }
            | Asked::Tags { repository }
            | Asked::Referrers { repository, .. } => Some(repository),
        }
    }
}

/// The first value of a key in a query or a form, decoded.
pub(crate) fn query_value(query: &str, key: &str) -> Option<String> {
    query_values(query, key).into_iter().next()
}

/// All values of a key in a query or a form, decoded.
pub(crate) fn query_values(query: &str, key: &str) -> Vec<String> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let named = pairs.filter(|(name, _)| name == key);
    named.map(|(_, value)| value.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_may_have_several_parts() {
        let manifest = Asked::Manifest {
            repository: "base/image/nginx",
            reference: "1.27",
        };
        assert_eq!(Asked::parse("/v2/base/image/nginx/manifests/1.27"), manifest);
        let upload = Asked::Upload { repository: "a/b" };
        assert_eq!(Asked::parse("/v2/a/b/blobs/uploads/"), upload);
        assert_eq!(Asked::parse("/v2/a/b/blobs/uploads/1-2?_state=x"), upload);
        assert_eq!(Asked::parse("/v2/"), Asked::Base);
        let referrers = Asked::Referrers {
            repository: "a/b",
            digest: "sha256:1",
        };
        assert_eq!(Asked::parse("/v2/a/b/referrers/sha256:1"), referrers);
        assert_eq!(Asked::parse("/v2/_catalog"), Asked::Other);
    }

    #[test]
    fn a_key_may_come_more_than_once() {
        let query = "scope=repository%3Aa%2Fb%3Apull&service=lab&scope=x+y";
        assert_eq!(query_values(query, "scope"), ["repository:a/b:pull", "x y"]);
        assert_eq!(query_value(query, "service").as_deref(), Some("lab"));
        assert_eq!(query_value(query, "none"), None);
    }
}
