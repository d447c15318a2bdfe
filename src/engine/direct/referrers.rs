//! What refers to an image: signatures, attestations and bills of materials, by subject or by tag.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Session;
use super::image::Tree;
use crate::engine::registries::{failed, first};
use crate::engine::{EngineError, Side};
use crate::image::{Digest, ImageRef, Kind, Manifest, NoManifest, Reference, Tag};
use crate::registry::{RegistryError, Remote};

/// What cosign appends to the digest's tag (cosign's "Signature specification", "Storage").
const SUFFIXES: [&str; 3] = [".sig", ".att", ".sbom"];

impl Session {
    /// All that refers to the manifests of `main`, and to what refers to them, each after its subject.
    pub(super) async fn followers(
        &self,
        upstream: &ImageRef,
        sources: &[Remote],
        main: &Tree,
        known: &mut BTreeSet<Digest>,
    ) -> Result<Vec<Tree>, EngineError> {
        let mut found: Vec<Tree> = Vec::new();
        let mut tags = BTreeSet::new();
        let mut subjects: Vec<Digest> = main.manifests().map(|manifest| manifest.digest.clone()).collect();
        while let Some(subject) = subjects.pop() {
            let asked = async |remote: Remote| remote.referrers(&subject).await;
            let image = upstream.repository.image(subject.clone());
            let referrers = first(sources, asked)
                .await
                .map_err(|error| failed("list the referrers of", Side::Upstream, &image, error))?;
            let by_digest = referrers.into_iter().map(|referrer| Reference::from(referrer.digest));
            let by_tag = SUFFIXES.iter().filter_map(|suffix| {
                let tag: Tag = format!("{}{suffix}", subject.as_tag()).parse().ok()?;
                tags.insert(tag.clone()).then(|| Reference::from(tag))
            });
            for name in by_digest.chain(by_tag) {
                let Some(top) = self.follower(upstream, sources, &name, known).await? else {
                    continue;
                };
                let tree = self.tree(upstream, sources, name, top, known).await?;
                subjects.extend(tree.manifests().map(|manifest| manifest.digest.clone()));
                found.push(tree);
            }
        }
        Ok(found)
    }

    /// None where it is known already, or a tag that is not there.
    async fn follower(
        &self,
        upstream: &ImageRef,
        sources: &[Remote],
        name: &Reference,
        known: &BTreeSet<Digest>,
    ) -> Result<Option<Manifest>, EngineError> {
        if let Reference::Digest(digest) = name
            && known.contains(digest)
        {
            return Ok(None);
        }
        let read = async |remote: Remote| remote.manifest(name).await;
        match (first(sources, read).await, name) {
            (Ok(manifest), _) => Ok(Some(manifest)),
            (Err(error), Reference::Tag(_)) if error.is_not_found() => Ok(None),
            (Err(error), _) => {
                let image = upstream.repository.image(name.clone());
                Err(failed("read", Side::Upstream, &image, error))
            }
        }
    }

    /// Notes a referrer in the index under its subject's fallback tag, for registries that do not keep count of referrers
    /// themselves (OCI distribution specification, "Pushing Manifests with Subject").
    pub(super) async fn note_referrer(
        &self,
        remote: &Remote,
        subject: &Digest,
        referrer: &Manifest,
    ) -> Result<(), RegistryError> {
        let Ok(tag) = subject.as_tag().parse::<Tag>() else {
            return Ok(());
        };
        // Two that read it at once would each lose the other's.
        let turn = self.turns.wait_for(format!("{}:{tag}", remote.repository())).await;
        let before = remote.fallback(subject).await?;
        if let Some(index) = with_referrer(before.as_ref(), referrer) {
            remote.put(&index, &Reference::from(tag)).await?;
        }
        drop(turn);
        Ok(())
    }
}

/// The index with one more referrer; none where it has it.
fn with_referrer(before: Option<&Manifest>, referrer: &Manifest) -> Option<Manifest> {
    if before.is_some_and(|index| index.children().iter().any(|child| child.digest == referrer.digest)) {
        return None;
    }
    let own: Value = serde_json::from_slice(&referrer.bytes).unwrap_or_default();
    let mut entry = json!({
        "mediaType": referrer.media_type(),
        "digest": referrer.digest.as_str(),
        "size": referrer.bytes.len(),
    });
    // Where a manifest names no type, its config's counts.
    let artifact_type = [&own["artifactType"], &own["config"]["mediaType"]];
    if let Some(artifact_type) = artifact_type
        .into_iter()
        .find(|value| value.as_str().is_some_and(|text| !text.is_empty()))
    {
        entry["artifactType"] = artifact_type.clone();
    }
    if own["annotations"].is_object() {
        entry["annotations"] = own["annotations"].clone();
    }
    let empty = json!({ "schemaVersion": 2, "mediaType": Kind::OciIndex.media_type(), "manifests": [] });
    let mut index: Value = before.map_or(Some(empty), |index| serde_json::from_slice(&index.bytes).ok())?;
    index["manifests"].as_array_mut()?.push(entry);
    let read = |bytes| -> Result<Manifest, NoManifest> { Manifest::read(Kind::OciIndex.media_type(), bytes) };
    read(serde_json::to_vec(&index).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_referrer_is_noted_once() {
        // The shape of the OCI image specification's "Guidelines for Artifact Usage".
        let digest = format!("sha256:{}", "a".repeat(64));
        let artifact = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.example+type",
               "config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{digest}","size":2}},
               "layers":[],"annotations":{{"a":"b"}}}}"#
        );
        let artifact = Manifest::read("", artifact.into_bytes()).unwrap();
        let index = with_referrer(None, &artifact).unwrap();
        let json: Value = serde_json::from_slice(&index.bytes).unwrap();
        assert_eq!(json["manifests"][0]["artifactType"], "application/vnd.example+type");
        assert_eq!(json["manifests"][0]["annotations"]["a"], "b");
        assert_eq!(json["manifests"][0]["digest"], artifact.digest.as_str());
        assert_eq!(with_referrer(Some(&index), &artifact), None);
    }
}
