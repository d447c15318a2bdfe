//! Images that go (ECR API Reference, BatchDeleteImage).

use serde_json::{Value, json};

use super::super::account::Account;
use super::super::api_error::ApiError;
use super::super::repository::Repository;
use super::images::at_most_100;
use super::{Outcome, repository_name};

type Refusal = (&'static str, String);

pub(super) fn batch_delete(account: &Account, body: &Value) -> Outcome {
    let name = repository_name(account, body)?;
    let ids = body["imageIds"].as_array();
    let ids = ids.ok_or_else(|| ApiError::invalid("Invalid parameter at 'imageIds'"))?;
    at_most_100(ids)?;
    account.with_repository(name, |repository| {
        let (mut gone, mut failures) = (Vec::new(), Vec::new());
        for id in ids {
            match delete(repository, id) {
                Ok(ids) => gone.extend(ids),
                Err((code, reason)) => failures.push(json!({
                    "imageId": id, "failureCode": code, "failureReason": reason,
                })),
            }
        }
        json!({"imageIds": gone, "failures": failures})
    })
}

/// By a tag, the tag alone goes, unless it is the last; by its digest the image with all its tags. Archived ones go, too.
fn delete(repository: &mut Repository, id: &Value) -> Result<Vec<Value>, Refusal> {
    let (digest, tag) = (id["imageDigest"].as_str(), id["imageTag"].as_str());
    let not_found = || ("ImageNotFound", "Requested image not found".to_owned());
    let digest = match (digest, tag) {
        (Some(digest), _) => digest.to_owned(),
        (None, Some(tag)) => repository.digest_of(tag).ok_or_else(not_found)?,
        (None, None) => {
            let text = "Invalid request parameters: both imageDigest and imageTag cannot be missing";
            return Err(("MissingDigestAndTag", text.to_owned()));
        }
    };
    let image = repository.images.get_mut(&digest).ok_or_else(not_found)?;
    if let Some(tag) = tag {
        if !image.tags.contains(tag) {
            let text = "The image tag does not belong to the image digest".to_owned();
            return Err(("ImageTagDoesNotMatchDigest", text));
        }
        if image.tags.len() > 1 {
            image.tags.remove(tag);
            return Ok(vec![json!({"imageDigest": digest, "imageTag": tag})]);
        }
    }
    if let Some(index) = index_of(repository, &digest) {
        let text = format!("Requested image referenced by manifest list: [{index}]");
        return Err(("ImageReferencedByManifestList", text));
    }
    let tags = repository.images.remove(&digest).map(|image| image.tags);
    let tags = tags.unwrap_or_default();
    Ok(match tags.is_empty() {
        true => vec![json!({"imageDigest": digest})],
        false => tags
            .iter()
            .map(|tag| json!({"imageDigest": digest, "imageTag": tag}))
            .collect(),
    })
}

/// An index that is there and names the image.
fn index_of(repository: &Repository, digest: &str) -> Option<String> {
    let mut images = repository.images.iter();
    let found = images.find(|(_, image)| {
        let manifest: Value = serde_json::from_slice(&image.manifest).unwrap_or_default();
        let children = manifest["manifests"].as_array();
        let mut children = children.into_iter().flatten();
        children.any(|child| child["digest"] == digest)
    });
    found.map(|(index, _)| index.clone())
}
