//! What an upstream's manifests and configs say of an image.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde_json::Value;

use super::registries::LARGEST_CONFIG;
use super::{EngineError, Registries, Side};
use crate::image::{Digest, ImageRef, Manifest, Observed, Platform, config_digest, platform_of_config};
use crate::plan::Facts;
use crate::registry::Remote;

/// Images of an index that are read at once.
const AT_ONCE: usize = 4;

/// What a config says that is asked for (OCI image specification, "Image Configuration"). What is written otherwise says nothing.
fn said(config: &[u8]) -> (Option<Timestamp>, BTreeMap<String, String>) {
    let config: Value = serde_json::from_slice(config).unwrap_or_default();
    let created = config["created"].as_str().and_then(|text| text.parse().ok());
    let labels = config["config"]["Labels"].as_object().into_iter().flatten();
    let labels = labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    (created, labels.collect())
}

impl Registries {
    /// Of the image `top`, or of those of an index that are for one of `platforms`; of all where none of these is named. An index in an index
    /// says nothing.
    ///
    /// # Errors
    /// Where the upstream does not tell.
    pub async fn facts(&self, image: &ImageRef, top: &Digest, platforms: &[Platform]) -> Result<Facts, EngineError> {
        let manifest = self.manifest(image, top, Side::Upstream).await?;
        let singles = match manifest.kind.is_index() {
            false => vec![manifest],
            true => {
                let observed = Observed::from(&manifest);
                let children = observed.children.into_iter().flatten();
                let is_wanted = |own: &Platform| platforms.is_empty() || platforms.iter().any(|one| own.is_for(one));
                let wanted = children.filter(|child| child.platform.as_ref().is_some_and(is_wanted));
                let read = stream::iter(wanted)
                    .map(async |child| self.manifest(image, &child.digest, Side::Upstream).await)
                    .buffered(AT_ONCE);
                read.try_collect().await?
            }
        };
        let mut facts = Facts::default();
        for single in singles.iter().filter(|single| !single.kind.is_index()) {
            let config = self.config(image, single).await?;
            let (created, labels) = said(&config);
            let sizes = single.blobs().iter().map(|blob| blob.size);
            facts.size = facts.size.max(sizes.fold(0, u64::saturating_add));
            facts.created = facts.created.max(created);
            facts.labels.push(labels);
            facts.platforms.extend(platform_of_config(&config).ok().flatten());
        }
        Ok(facts)
    }

    /// An image's config; nothing of an artifact, or where it is larger than any.
    async fn config(&self, image: &ImageRef, single: &Manifest) -> Result<Vec<u8>, EngineError> {
        let Ok(digest) = config_digest(&String::from_utf8_lossy(&single.bytes)) else {
            return Ok(Vec::new());
        };
        let read = async |remote: Remote| remote.small_blob(&digest, LARGEST_CONFIG).await;
        let config = self.first("read the config of", Side::Upstream, image, read).await?;
        Ok(config.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_odd_field_of_a_config_hides_no_other() {
        let (created, labels) = said(br#"{"created":"","config":{"Labels":{"a":"1","b":null}}}"#);
        assert_eq!((created, labels.len(), labels["a"].as_str()), (None, 1, "1"));
        let (created, labels) = said(br#"{"created":"2026-01-02T03:04:05Z","config":null}"#);
        assert_eq!((created.is_some(), labels.is_empty()), (true, true));
        assert_eq!(said(b"no JSON"), (None, BTreeMap::new()));
    }
}
