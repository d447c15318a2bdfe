//! What refers to an image: signatures, attestations and bills of materials, by subject or by tag.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Session;
use super::image::Tree;
use super::seal::takes_no_referrers;
use crate::engine::registries::{failed, first};
use crate::engine::{EngineError, Side};
use crate::image::{Descriptor, Digest, ImageRef, Kind, Manifest, Reference, SIGNATURE_SUFFIXES, Tag};
use crate::registry::{RegistryError, Remote};

impl Session {
    /// All that refers to the manifests of `main`, and to what refers to them, each after its subject; and how
    /// much of what is listed is not there.
    pub(super) async fn followers(
        &self,
        upstream: &ImageRef,
        sources: &[Remote],
        main: &Tree,
        known: &mut BTreeSet<Digest>,
    ) -> Result<(Vec<Tree>, usize), EngineError> {
        let mut found: Vec<Tree> = Vec::new();
        let mut gone = 0;
        let mut tags = BTreeSet::new();
        let mut subjects: Vec<Digest> = main.manifests().map(|manifest| manifest.digest.clone()).collect();
        while let Some(subject) = subjects.pop() {
            let by_digest = self.listed(upstream, sources, &subject).await?;
            let by_tag = signature_tags(&subject)
                .filter(|tag| tags.insert(tag.clone()))
                .map(Reference::from);
            for name in by_digest.into_iter().map(Reference::from).chain(by_tag) {
                if matches!(&name, Reference::Digest(digest) if known.contains(digest)) {
                    continue;
                }
                let Some(top) = self.follower(upstream, sources, &name).await? else {
                    gone += usize::from(matches!(name, Reference::Digest(_)));
                    continue;
                };
                let tree = self.tree(upstream, sources, name, top, known).await?;
                subjects.extend(tree.manifests().map(|manifest| manifest.digest.clone()));
                found.push(tree);
            }
        }
        Ok((found, gone))
    }

    async fn listed(
        &self,
        upstream: &ImageRef,
        sources: &[Remote],
        subject: &Digest,
    ) -> Result<Vec<Digest>, EngineError> {
        let asked = async |remote: Remote| remote.referrers(subject).await;
        let image = upstream.repository.image(subject.clone());
        let referrers = first(sources, asked)
            .await
            .map_err(|error| failed("list the referrers of", Side::Upstream, &image, error))?;
        Ok(referrers.into_iter().map(|referrer| referrer.digest).collect())
    }

    /// Whether something refers to `digest` upstream that the target has not got and would take. Only what refers to it by
    /// itself counts, not to what it consists of.
    pub async fn lacks_referrers(
        &self,
        upstream: &ImageRef,
        digest: &Digest,
        target: &ImageRef,
    ) -> Result<bool, EngineError> {
        if !self.options.referrers {
            return Ok(false);
        }
        let sources = self.registries.sources(upstream, Side::Upstream)?;
        let listed = self.listed(upstream, &sources, digest).await?;
        let refused = |error| failed("list the referrers of", Side::Target, target, error);
        let remote = self.registries.client.source(&target.repository).map_err(refused)?;
        let digests = |found: Vec<Descriptor>| found.into_iter().map(|one| one.digest).collect();
        let known: Vec<Digest> = match listed.is_empty() {
            true => Vec::new(),
            false => match remote.referrers_by_api(digest).await {
                Ok(found) => digests(found),
                // It takes none either.
                Err(error) if takes_no_referrers(&error) => listed.clone(),
                Err(_) => digests(remote.referrers(digest).await.map_err(refused)?),
            },
        };
        for referrer in listed.into_iter().filter(|one| !known.contains(one)) {
            // A list may name what has gone.
            if self
                .named_upstream(&sources, upstream, &referrer.into())
                .await?
                .is_some()
            {
                return Ok(true);
            }
        }
        for name in signature_tags(digest).map(Reference::from) {
            let Some(there) = self.named_upstream(&sources, upstream, &name).await? else {
                continue;
            };
            let refused = |error| failed("look up", Side::Target, &target.repository.image(name.clone()), error);
            let lacks = match self.named(&remote, &name).await.map_err(refused)? {
                None => true,
                Some(own) if own == there => false,
                Some(own) => {
                    let own = remote.manifest(&own.into()).await.map_err(refused)?;
                    let there = self.registries.manifest(upstream, &there, Side::Upstream).await?;
                    only_adds_to(&there, &own)
                }
            };
            if lacks {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn named_upstream(
        &self,
        sources: &[Remote],
        upstream: &ImageRef,
        name: &Reference,
    ) -> Result<Option<Digest>, EngineError> {
        let named = first(sources, async |remote: Remote| self.named(&remote, name).await).await;
        named.map_err(|error| {
            failed(
                "look up",
                Side::Upstream,
                &upstream.repository.image(name.clone()),
                error,
            )
        })
    }

    /// What a name names in a repository; none where there is no such name.
    pub(super) async fn named(&self, remote: &Remote, name: &Reference) -> Result<Option<Digest>, RegistryError> {
        match remote.head(name).await {
            Ok(head) => Ok(Some(head.digest)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// None where it is not there.
    async fn follower(
        &self,
        upstream: &ImageRef,
        sources: &[Remote],
        name: &Reference,
    ) -> Result<Option<Manifest>, EngineError> {
        let read = async |remote: Remote| remote.manifest(name).await;
        match first(sources, read).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => {
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
        let index = with_referrer(before.as_ref(), referrer).map_err(|why| {
            remote.odd(format!(
                "{tag} should be the index of what refers to {subject}, and {why}: it is left as it is"
            ))
        })?;
        if let Some(index) = index {
            remote.put(&index, &Reference::from(tag)).await?;
        }
        drop(turn);
        Ok(())
    }
}

/// Where cosign puts what belongs to a digest.
fn signature_tags(digest: &Digest) -> impl Iterator<Item = Tag> {
    let tag = digest.as_tag();
    SIGNATURE_SUFFIXES
        .iter()
        .filter_map(move |suffix| format!("{tag}{suffix}").parse().ok())
}

/// Whether `new` has all that is in `old`, as a signature that was signed once more has: what it takes the place of is not lost.
pub(super) fn only_adds_to(new: &Manifest, old: &Manifest) -> bool {
    // An image's config only counts what is in it.
    let content = |manifest: &Manifest| -> BTreeSet<Digest> {
        let config = usize::from(matches!(manifest.kind, Kind::DockerManifest | Kind::OciManifest));
        let blobs = manifest.blobs().iter().skip(config);
        blobs.chain(manifest.children()).map(|one| one.digest.clone()).collect()
    };
    content(old).is_subset(&content(new))
}

/// The index with one more referrer; none where it has it.
///
/// # Errors
/// Where what is there is no index that one could be added to.
fn with_referrer(before: Option<&Manifest>, referrer: &Manifest) -> Result<Option<Manifest>, String> {
    if let Some(other) = before.filter(|before| !before.kind.is_index()) {
        return Err(format!("is {}", other.kind));
    }
    if before.is_some_and(|index| index.children().iter().any(|child| child.digest == referrer.digest)) {
        return Ok(None);
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
    let mut index: Value = match before {
        Some(index) => serde_json::from_slice(&index.bytes).map_err(|error| format!("cannot be read: {error}"))?,
        None => json!({ "schemaVersion": 2, "mediaType": Kind::OciIndex.media_type(), "manifests": [] }),
    };
    match index["manifests"].as_array_mut() {
        Some(all) => all.push(entry),
        None => return Err("lists nothing".to_owned()),
    }
    let bytes = serde_json::to_vec(&index).map_err(|error| error.to_string())?;
    let index = Manifest::read(Kind::OciIndex.media_type(), bytes).map_err(|why| why.to_string())?;
    Ok(Some(index))
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
        let index = with_referrer(None, &artifact).unwrap().unwrap();
        let json: Value = serde_json::from_slice(&index.bytes).unwrap();
        assert_eq!(json["manifests"][0]["artifactType"], "application/vnd.example+type");
        assert_eq!(json["manifests"][0]["annotations"]["a"], "b");
        assert_eq!(json["manifests"][0]["digest"], artifact.digest.as_str());
        assert_eq!(with_referrer(Some(&index), &artifact), Ok(None));
        // Somebody's image under that tag is nothing to add to, or to replace.
        assert!(with_referrer(Some(&artifact), &artifact).is_err());
    }
}
