//! The referrers API, which distribution has not:
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers>.

use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::query_value;
use crate::answer::{Body, answer, registry_error, with_header};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Whether a registry answers who refers to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Referrers {
    /// 404, and no word about a pushed manifest's subject: as distribution.
    #[default]
    Unsupported,
    /// As the specification of OCI 1.1 has it.
    Supported,
}

/// The digest that a manifest names as its subject.
pub(crate) fn subject_of(manifest: &[u8]) -> Option<String> {
    let manifest: Value = serde_json::from_slice(manifest).ok()?;
    manifest["subject"]["digest"].as_str().map(str::to_owned)
}

/// One page of the manifests, given with their digests, that have this subject.
pub(crate) fn page(
    repository: &str,
    subject: &str,
    manifests: impl IntoIterator<Item = (String, Vec<u8>)>,
    query: &str,
    page_size: usize,
) -> Response<Body> {
    if !subject.contains(':') {
        let text = "provided digest did not match uploaded content";
        return registry_error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", text);
    }
    let wanted = query_value(query, "artifactType");
    let last = query_value(query, "last");
    let found = manifests.into_iter();
    let mut found: Vec<(String, Value)> = found
        .filter_map(|(digest, manifest)| Some((digest.clone(), descriptor(&digest, &manifest, subject)?)))
        .filter(|(_, found)| wanted.is_none() || found["artifactType"].as_str() == wanted.as_deref())
        .filter(|(digest, _)| last.as_ref().is_none_or(|last| digest > last))
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let page = &found[..found.len().min(page_size.max(1))];
    let descriptors: Vec<&Value> = page.iter().map(|(_, descriptor)| descriptor).collect();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors});
    let mut response = answer(StatusCode::OK, INDEX, index.to_string());
    if wanted.is_some() {
        response = with_header(response, "OCI-Filters-Applied", "artifactType");
    }
    match page.last() {
        Some((last, _)) if found.len() > page.len() => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(wanted.map(|wanted| ("artifactType", wanted)));
            let query = query.append_pair("last", last).finish();
            let link = format!("</v2/{repository}/referrers/{subject}?{query}>; rel=\"next\"");
            with_header(response, "Link", &link)
        }
        _ => response,
    }
}

/// What the index says of a manifest; `None` when it has another subject or none.
fn descriptor(digest: &str, manifest: &[u8], subject: &str) -> Option<Value> {
    let parsed: Value = serde_json::from_slice(manifest).ok()?;
    if parsed["subject"]["digest"].as_str() != Some(subject) {
        return None;
    }
    let kind = match parsed["manifests"].is_array() {
        true => INDEX,
        false => MANIFEST,
    };
    let mut descriptor = json!({
        "mediaType": parsed["mediaType"].as_str().unwrap_or(kind),
        "digest": digest,
        "size": manifest.len(),
    });
    let artifact_type = parsed["artifactType"].as_str();
    let artifact_type = artifact_type.or_else(|| parsed["config"]["mediaType"].as_str());
    if let Some(artifact_type) = artifact_type {
        descriptor["artifactType"] = json!(artifact_type);
    }
    if parsed["annotations"].is_object() {
        descriptor["annotations"] = parsed["annotations"].clone();
    }
    Some(descriptor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_takes_the_type_of_the_config_where_there_is_no_other() {
        let manifest = br#"{"config":{"mediaType":"a/config"},"subject":{"digest":"sha256:1"}}"#;
        let found = descriptor("sha256:2", manifest, "sha256:1").unwrap();
        assert_eq!(found["artifactType"], "a/config");
        assert_eq!(found["mediaType"], MANIFEST);
        assert_eq!(found["size"], manifest.len());
        assert_eq!(descriptor("sha256:2", manifest, "sha256:3"), None);
    }
}
