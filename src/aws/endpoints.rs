//! Endpoints that the environment says (AWS SDKs and Tools Reference Guide, "Service-specific endpoints").

use std::ffi::OsStr;

/// Every variable that says one begins so.
const VARIABLES: &str = "AWS_ENDPOINT_URL";

/// The name of a variable that says none: the SDK panics at an empty one, and tells of others as if nothing answered there.
pub(super) fn wrong<N: AsRef<OsStr>, V: AsRef<OsStr>>(variables: impl IntoIterator<Item = (N, V)>) -> Option<String> {
    let mut wrong = variables
        .into_iter()
        .filter_map(|(name, value)| {
            let name = name.as_ref().to_str().filter(|name| name.starts_with(VARIABLES))?;
            (!value.as_ref().to_str().is_some_and(is_url)).then(|| name.to_owned())
        })
        .collect::<Vec<_>>();
    wrong.sort();
    wrong.into_iter().next()
}

fn is_url(text: &str) -> bool {
    let uri = text.parse::<http::Uri>();
    uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_of_http() {
        for (value, is_wrong) in [
            ("http://127.0.0.1:4566", false),
            ("https://sqs.eu-central-1.amazonaws.com", false),
            ("", true),
            ("127.0.0.1:4566", true),
            ("http://", true),
            ("ftp://127.0.0.1", true),
        ] {
            let found = wrong([("AWS_REGION", ""), ("AWS_ENDPOINT_URL_S3", value)]);
            assert_eq!(found, is_wrong.then(|| "AWS_ENDPOINT_URL_S3".to_owned()), "{value}");
        }
    }
}
