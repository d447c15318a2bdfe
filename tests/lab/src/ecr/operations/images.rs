//! Actions on images.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::account::Account;
use super::super::api_error::ApiError;
use super::super::repository::{Image, Repository, Status};
use super::{Outcome, paging, repository_name, seconds};
use crate::front::subject_of;

pub(super) fn describe(account: &Account, body: &Value) -> Outcome {
    let name = repository_name(account, body)?;
    let found = account.with_repository(name, |repository| {
        if let Some(ids) = body["imageIds"].as_array() {
            return described_by_id(account, name, repository, body, ids);
        }
        let images = filtered(repository, body)?;
        let found: BTreeMap<String, &Image> = images.map(|(digest, image)| (digest.clone(), image)).collect();
        paging::page(
            account,
            "DescribeImages",
            body,
            "imageDetails",
            &found,
            |digest, image| detail(account, name, digest, image),
        )
    });
    found?
}

fn described_by_id(account: &Account, name: &str, repository: &Repository, body: &Value, ids: &[Value]) -> Outcome {
    at_most_100(ids)?;
    if !body["nextToken"].is_null() || !body["maxResults"].is_null() {
        let text = "Pagination parameters cannot be used with 'imageIds'";
        return Err(ApiError::invalid(text));
    }
    let mut found = BTreeMap::new();
    for id in ids {
        let Ok((digest, image)) = look_up(repository, id) else {
            let (digest, tag) = (id["imageDigest"].as_str(), id["imageTag"].as_str());
            let text = format!(
                "The image with imageId {{imageDigest:'{}', imageTag:'{}'}} does not exist within \
                 the repository with name '{name}' in the registry with id '{}'",
                digest.unwrap_or("null"),
                tag.unwrap_or("null"),
                account.id
            );
            return Err(ApiError::new("ImageNotFoundException", text));
        };
        found.insert(digest, detail(account, name, digest, image));
    }
    let found: Vec<Value> = found.into_values().collect();
    Ok(json!({"imageDetails": found}))
}

pub(super) fn list(account: &Account, body: &Value) -> Outcome {
    let name = repository_name(account, body)?;
    let found = account.with_repository(name, |repository| {
        let mut ids = BTreeMap::new();
        for (digest, image) in filtered(repository, body)? {
            if image.tags.is_empty() {
                ids.insert(digest.clone(), json!({"imageDigest": digest}));
            }
            for tag in &image.tags {
                let id = json!({"imageDigest": digest, "imageTag": tag});
                ids.insert(format!("{digest} {tag}"), id);
            }
        }
        paging::page(account, "ListImages", body, "imageIds", &ids, |_, id| id.clone())
    });
    found?
}

/// The images that the request's filter asks for; those that are archived only when asked for.
fn filtered<'a>(
    repository: &'a Repository,
    body: &Value,
) -> Result<impl Iterator<Item = (&'a String, &'a Image)>, ApiError> {
    let filter = &body["filter"];
    let tagged = match filter["tagStatus"].as_str().unwrap_or("ANY") {
        "ANY" => None,
        "TAGGED" => Some(true),
        "UNTAGGED" => Some(false),
        _ => return Err(ApiError::invalid("Invalid parameter at 'filter.tagStatus'")),
    };
    let status = match filter["imageStatus"].as_str().unwrap_or("ACTIVE") {
        "ANY" => None,
        "ACTIVE" => Some(Status::Active),
        "ARCHIVED" => Some(Status::Archived),
        _ => return Err(ApiError::invalid("Invalid parameter at 'filter.imageStatus'")),
    };
    Ok(repository.images.iter().filter(move |(_, image)| {
        tagged.is_none_or(|tagged| tagged != image.tags.is_empty())
            && status.is_none_or(|status| status == image.status)
    }))
}

pub(super) fn batch_get(account: &Account, body: &Value) -> Outcome {
    let name = repository_name(account, body)?;
    let ids = body["imageIds"].as_array();
    let ids = ids.ok_or_else(|| ApiError::invalid("Invalid parameter at 'imageIds'"))?;
    at_most_100(ids)?;
    account.with_repository(name, |repository| {
        let (mut images, mut failures) = (Vec::new(), Vec::new());
        for id in ids {
            let found = look_up(repository, id).map(|(digest, _)| digest.clone());
            match found {
                Ok(digest) => images.extend(got(account, name, repository, &digest, id)),
                Err((code, reason)) => failures.push(json!({
                    "imageId": id, "failureCode": code, "failureReason": reason,
                })),
            }
        }
        json!({"images": images, "failures": failures})
    })
}

/// One image of BatchGetImage, which counts as a pull.
fn got(account: &Account, name: &str, repository: &mut Repository, digest: &str, id: &Value) -> Option<Value> {
    let image = repository.images.get_mut(digest)?;
    image.pulled_at = Some(Timestamp::now());
    let mut image_id = json!({"imageDigest": digest});
    if !id["imageTag"].is_null() {
        image_id["imageTag"] = id["imageTag"].clone();
    }
    Some(json!({
        "registryId": account.id,
        "repositoryName": name,
        "imageId": image_id,
        "imageManifest": String::from_utf8_lossy(&image.manifest),
        "imageManifestMediaType": image.media_type,
    }))
}

pub(super) fn at_most_100(ids: &[Value]) -> Result<(), ApiError> {
    if (1..=100).contains(&ids.len()) {
        return Ok(());
    }
    Err(ApiError::invalid(
        "Invalid parameter at 'imageIds' failed to satisfy constraint: \
         'Member must have length between 1 and 100'",
    ))
}

/// The image an id names, or a failure code and reason.
fn look_up<'a>(
    repository: &'a Repository,
    id: &Value,
) -> Result<(&'a String, &'a Image), (&'static str, &'static str)> {
    let (digest, tag) = (id["imageDigest"].as_str(), id["imageTag"].as_str());
    if digest.is_none() && tag.is_none() {
        let text = "Invalid request parameters: both imageDigest and imageTag cannot be missing";
        return Err(("MissingDigestAndTag", text));
    }
    let mut images = repository.images.iter();
    let found = images.find(|(own, image)| {
        image.status == Status::Active
            && match (digest, tag) {
                (Some(digest), _) => *own == digest,
                (None, Some(tag)) => image.tags.contains(tag),
                (None, None) => false,
            }
    });
    match (found, tag) {
        (None, _) => Err(("ImageNotFound", "Requested image not found")),
        (Some((_, image)), Some(tag)) if !image.tags.contains(tag) => {
            let text = "The image tag does not belong to the image digest";
            Err(("ImageTagDoesNotMatchDigest", text))
        }
        (Some(found), _) => Ok(found),
    }
}

fn detail(account: &Account, name: &str, digest: &str, image: &Image) -> Value {
    let mut detail = json!({
        "registryId": account.id,
        "repositoryName": name,
        "imageDigest": digest,
        "imageSizeInBytes": image.size,
        "imagePushedAt": seconds(image.pushed_at),
        "imageManifestMediaType": image.media_type,
        "imageStatus": match image.status {
            Status::Active => "ACTIVE",
            Status::Archived => "ARCHIVED",
        },
    });
    if !image.tags.is_empty() {
        detail["imageTags"] = json!(image.tags);
    }
    if let Some(kind) = &image.artifact_type {
        detail["artifactMediaType"] = json!(kind);
    }
    if let Some(subject) = subject_of(&image.manifest) {
        detail["subjectManifestDigest"] = json!(subject);
    }
    if let Some(time) = image.pulled_at {
        detail["lastRecordedPullTime"] = seconds(time);
    }
    detail
}
