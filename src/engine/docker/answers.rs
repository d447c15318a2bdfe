//! What a daemon's words mean. It hands a registry's error on as text only, so the text is read here, once, and nowhere else.

use crate::engine::Trouble;
use crate::image::Digest;

/// Words of dockerd and of registries, as observed; the first that is found decides.
const MEANINGS: &[(&str, Trouble)] = &[
    ("no space left on device", Trouble::DiskFull),
    ("authorization token has expired", Trouble::TokenExpired),
    ("no basic auth credentials", Trouble::Unauthorized),
    ("no matching manifest", Trouble::NoPlatform),
    ("no match for platform", Trouble::NoPlatform),
    // Podman's.
    ("no image found in", Trouble::NoPlatform),
    ("does not provide any platform", Trouble::Incomplete),
    ("does not match the specified platform", Trouble::NoPlatform),
    ("tag invalid", Trouble::ImmutableTag),
    (
        "cannot be overwritten because the repository is immutable",
        Trouble::ImmutableTag,
    ),
    ("toomanyrequests", Trouble::RateLimited),
    ("too many requests", Trouble::RateLimited),
    ("failed to register layer", Trouble::Unpack),
    // Before the words for a refusal or a certificate, which may stand in an image's name.
    ("manifest unknown", Trouble::Gone),
    ("name unknown", Trouble::Gone),
    // ECR's text, of which containerd hands on no code.
    ("does not exist in the registry with id", Trouble::Gone),
    // Quay's and Harbor's own words for a tag that is not there.
    ("was deleted or has expired", Trouble::Gone),
    ("unknown: artifact", Trouble::Gone),
    ("x509:", Trouble::Certificate),
    ("denied", Trouble::Denied),
    ("unauthorized", Trouble::Unauthorized),
    ("authentication required", Trouble::Unauthorized),
    ("connection refused", Trouble::Unreachable),
    ("no such host", Trouble::UnknownHost),
    ("i/o timeout", Trouble::Unreachable),
    ("client.timeout exceeded", Trouble::Unreachable),
    ("tls handshake timeout", Trouble::Unreachable),
    ("no route to host", Trouble::Unreachable),
    ("network is unreachable", Trouble::Unreachable),
    ("connection reset by peer", Trouble::Unreachable),
    ("broken pipe", Trouble::Unreachable),
    ("use of closed network connection", Trouble::Unreachable),
    ("unexpected eof", Trouble::Unreachable),
    ("unexpected http status: 5", Trouble::ServerError),
    // containerd and Podman hand the status on in words (RFC 9110, section 15), and a refusal's text is lost.
    ("403 forbidden", Trouble::Denied),
    ("500 internal server error", Trouble::ServerError),
    ("502 bad gateway", Trouble::ServerError),
    ("503 service unavailable", Trouble::ServerError),
    ("504 gateway time", Trouble::ServerError),
    // containerd, where a registry says in its own words what none of those above is.
    ("error from registry", Trouble::Unclear),
];

/// What the daemon's answer means; `status` is its HTTP status, where the error was not in a stream.
pub(super) fn meaning(status: Option<u16>, message: &str) -> Trouble {
    // Podman puts the words of a status into parentheses.
    let message = message.to_lowercase().replace(['(', ')'], "");
    let said = MEANINGS
        .iter()
        .find_map(|(words, trouble)| message.contains(words).then_some(*trouble));
    match (said, status) {
        (Some(trouble), _) => trouble,
        (None, Some(401)) => Trouble::Unauthorized,
        (None, Some(403)) => Trouble::Denied,
        (None, Some(404)) => Trouble::Gone,
        (None, Some(429)) => Trouble::RateLimited,
        (None, _) => Trouble::Other,
    }
}

/// Whether nothing was answered because some image, or a layer of it, was removed at that moment.
pub(super) fn went_meanwhile(message: &str) -> bool {
    ["image not known", "layer not known"]
        .iter()
        .any(|said| message.contains(said))
}

/// The message without the queries of URLs in it: a presigned one is a key to the blob that it names.
pub(super) fn without_queries(message: &str) -> String {
    let mut kept = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find("://") {
        let end_of_url = rest[at..]
            .find(|c: char| c.is_whitespace() || c == '"' || c == '\'')
            .map_or(rest.len(), |end| at + end);
        let url = &rest[..end_of_url];
        match url[at..].find('?') {
            Some(query) => {
                kept.push_str(&url[..at + query]);
                kept.push_str("?…");
            }
            None => kept.push_str(url),
        }
        rest = &rest[end_of_url..];
    }
    kept + rest
}

/// The digest in the status line that ends a good pull (`Digest: sha256:…`) or push (`1.36: digest: sha256:… size: 527`).
pub(super) fn digest(status: &str) -> Option<Digest> {
    let (_, rest) = status.split_once("igest: ")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_docker_20_10_are_understood() {
        // Each text as the daemon gave it for a registry that answered so.
        for (status, message, meant) in [
            (404, "manifest unknown: manifest unknown", Trouble::Gone),
            (
                404,
                "manifest for a/b:2 not found: manifest unknown: manifest unknown",
                Trouble::Gone,
            ),
            (404, "name unknown", Trouble::Gone),
            (401, "unauthorized", Trouble::Unauthorized),
            (
                404,
                "pull access denied for a/b, repository does not exist or may require 'docker login': denied: \
                 Your authorization token has expired. Reauthenticate and try again.",
                Trouble::TokenExpired,
            ),
            (
                403,
                "denied: requested access to the resource is denied",
                Trouble::Denied,
            ),
            (
                500,
                "toomanyrequests: You have reached your pull rate limit.",
                Trouble::RateLimited,
            ),
            (
                500,
                "received unexpected HTTP status: 503 Service Unavailable",
                Trouble::ServerError,
            ),
            (
                500,
                "Get \"http://127.0.0.1:5559/v2/\": dial tcp 127.0.0.1:5559: connect: connection refused",
                Trouble::Unreachable,
            ),
        ] {
            assert_eq!(meaning(Some(status), message), meant, "{message}");
        }
        assert_eq!(
            meaning(
                None,
                "no matching manifest for linux/s390x in the manifest list entries"
            ),
            Trouble::NoPlatform
        );
        assert_eq!(
            meaning(None, "write /var/lib/docker/tmp/GetImageBlob1: no space left on device"),
            Trouble::DiskFull
        );
    }

    #[test]
    fn a_name_that_holds_a_word_of_refusal_is_not_refused() {
        let message = "manifest for acme/access-denied-page:2 not found: manifest unknown: manifest unknown";
        assert_eq!(meaning(Some(404), message), Trouble::Gone);
    }

    #[test]
    fn presigned_urls_lose_their_query() {
        let message = r#"Get "https://prod.s3.amazonaws.com/blob?X-Amz-Signature=abc&X-Amz-Credential=def": TLS handshake timeout, see https://docs.docker.com/x"#;
        assert_eq!(
            without_queries(message),
            r#"Get "https://prod.s3.amazonaws.com/blob?…": TLS handshake timeout, see https://docs.docker.com/x"#
        );
    }

    #[test]
    fn digests_are_read_from_the_lines_that_end_a_pull_and_a_push() {
        let sha = "sha256:2584dd0b04358580dab92f5741e55b7ece517f1b2349431305ee28f9f48214a5";
        for line in [format!("Digest: {sha}"), format!("9: digest: {sha} size: 523")] {
            assert_eq!(digest(&line).unwrap().as_str(), sha);
        }
        assert_eq!(digest("Preparing"), None);
    }
}
