//! What an upstream's manifests and configs say of an image.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Deserialize;

use super::registries::LARGEST_CONFIG;
use super::{EngineError, Registries, Side};
use crate::image::{Digest, ImageRef, Manifest, Observed, Platform, config_digest};
use crate::plan::Facts;
use crate::registry::Remote;

/// Images of an index that are read at once.
const AT_ONCE: usize = 4;

/// What a config says that is asked for (OCI image specification, "Image Configuration").
#[derive(Debug, Default, Deserialize)]
struct Config {
    created: Option<Timestamp>,
    #[serde(default)]
    config: Option<Inner>,
}

#[derive(Debug, Default, Deserialize)]
struct Inner {
    #[serde(default, rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

impl Registries {
    /// Of the image `top`, or of those of an index that are for one of `platforms`; of all where none of these is named.
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
        for single in &singles {
            let config = self.config(image, single).await?;
            let size = single.blobs().iter().map(|blob| blob.size).sum();
            facts.size = facts.size.max(size);
            facts.created = facts.created.max(config.created);
            facts
                .labels
                .push(config.config.and_then(|inner| inner.labels).unwrap_or_default());
        }
        Ok(facts)
    }

    /// What an image's config says; nothing of an artifact, or where it is none that can be read.
    async fn config(&self, image: &ImageRef, single: &Manifest) -> Result<Config, EngineError> {
        let Ok(digest) = config_digest(&String::from_utf8_lossy(&single.bytes)) else {
            return Ok(Config::default());
        };
        let read = async |remote: Remote| remote.small_blob(&digest, LARGEST_CONFIG).await;
        let config = self.first("read the config of", Side::Upstream, image, read).await?;
        Ok(config
            .and_then(|config| serde_json::from_slice(&config).ok())
            .unwrap_or_default())
    }
}
