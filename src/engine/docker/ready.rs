//! Which local image a push takes, and whether it is what was asked for.

use super::local::{Local, Manifest};
use crate::engine::{EngineError, Order};
use crate::image::{Digest, Platform};
use crate::plan::Brings;

/// A local image that the target's tag can be moved to.
#[derive(Debug)]
pub(super) struct Ready {
    /// Its local id.
    pub(super) id: String,
    /// What says that it is the same image as another: the config digest; in containerd's store the manifest's.
    pub(super) likeness: String,
    /// The one platform of it that is pushed; none for all that it is.
    pub(super) platform: Option<Platform>,
    /// What the push has to answer, where the daemon keeps manifests as they are.
    pub(super) expected: Option<Digest>,
}

impl Ready {
    /// One platform's image, known by its config.
    pub(super) fn by_config(order: &Order, local: Local, platform: Option<&Platform>) -> Result<Self, EngineError> {
        is_for(order, local.platform.as_ref(), platform)?;
        Ok(Self {
            likeness: local.id.clone(),
            id: local.id,
            platform: None,
            expected: None,
        })
    }

    /// An image of containerd's store: what its index has for the platform, or all of it.
    ///
    /// `daemons` is the daemon's own platform, for where none is asked for.
    pub(super) fn in_containerd(
        order: &Order,
        local: &Local,
        platforms: &[Option<Platform>],
        daemons: Option<&Platform>,
    ) -> Result<Self, EngineError> {
        let ready = |platform: Option<&Platform>, expected: &Digest| Self {
            id: local.id.clone(),
            likeness: expected.to_string(),
            platform: platform.cloned(),
            expected: Some(expected.clone()),
        };
        let is_single = matches!(&local.manifests[..], [only] if only.digest == order.digest);
        let wanted: Vec<&Manifest> = match (&order.brings, is_single) {
            (Brings::Whole(_) | Brings::Part { .. }, _) | (_, true) => local.manifests.iter().collect(),
            (Brings::Platform(_), false) => {
                let wanted = platforms[0].as_ref().or(daemons);
                let own =
                    |one: &&Manifest| one.available && agrees(one.platform.as_ref(), wanted) && one.platform.is_some();
                local.manifests.iter().find(own).into_iter().collect()
            }
        };
        // Without all its content the daemon would push something else than was asked for, or say that it has none.
        let lacking: Vec<String> = wanted
            .iter()
            .filter(|one| !one.available)
            .map(|one| match &one.platform {
                Some(platform) => platform.to_string(),
                None => one.digest.short().to_owned(),
            })
            .collect();
        if wanted.is_empty() || !lacking.is_empty() {
            return Err(EngineError::Incomplete {
                image: order.upstream.clone(),
                lacking,
            });
        }
        match (&order.brings, is_single) {
            (_, true) => {
                is_for(order, wanted[0].platform.as_ref(), platforms[0].as_ref())?;
                Ok(ready(None, &order.digest))
            }
            (Brings::Whole(_) | Brings::Part { .. }, false) => Ok(ready(None, &order.digest)),
            (Brings::Platform(_), false) => Ok(ready(wanted[0].platform.as_ref(), &wanted[0].digest)),
        }
    }
}

/// A daemon ignores which platform was asked for where the upstream has a single image.
fn is_for(order: &Order, own: Option<&Platform>, wanted: Option<&Platform>) -> Result<(), EngineError> {
    match agrees(own, wanted) {
        true => Ok(()),
        false => Err(EngineError::OtherPlatform {
            image: order.upstream.clone(),
            wanted: wanted.map(Platform::to_string).unwrap_or_default(),
            found: own.map(Platform::to_string).unwrap_or_default(),
        }),
    }
}

/// Whether an image's platform is the wanted one; where either is not known there is nothing to disagree about.
pub(super) fn agrees(own: Option<&Platform>, wanted: Option<&Platform>) -> bool {
    match (own, wanted) {
        (Some(own), Some(wanted)) => own.is_for(wanted),
        _ => true,
    }
}
