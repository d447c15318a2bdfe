//! What this program itself asks registries, whichever engine copies.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::{EngineError, Side, Trouble};
use crate::credentials::CredentialError;
use crate::image::{Digest, ImageRef, Manifest, Observed, Platform, Reference, Repository, Tag, platform_of_config};
use crate::registry::{Cause, Client, Mirrors, RegistryError, Remote};

/// No config of an image is larger; one that is tells no platform.
pub(super) const LARGEST_CONFIG: usize = 8 << 20;

/// The most manifests that are remembered, and the largest of them: some megabytes in all.
const REMEMBERED: usize = 256;
const WORTH_REMEMBERING: usize = 64 << 10;

/// Registries, as both engines ask them.
#[derive(Debug)]
pub struct Registries {
    /// Who asks.
    pub client: Client,
    /// Where upstreams are asked.
    pub mirrors: Mirrors,
    /// Indexes that were read, by digest: they never change.
    read: Mutex<HashMap<Digest, Manifest>>,
}

impl Registries {
    /// With nothing remembered yet.
    pub fn new(client: Client, mirrors: Mirrors) -> Self {
        Self {
            client,
            mirrors,
            read: Mutex::default(),
        }
    }

    /// What a registry has under a name, by a HEAD, which none counts as a pull.
    pub async fn observe(&self, image: &ImageRef, side: Side) -> Result<Observed, EngineError> {
        tracing::debug!("look up {side} {image}");
        let head = async |remote: Remote| remote.head(&image.reference).await;
        let head = self.first("look up", side, image, head).await?;
        Ok(Observed {
            top: head.digest,
            kind: head.kind,
            platforms: Vec::new(),
            children: None,
        })
    }

    /// The manifests and platforms of an index. By the digest that was looked up: the tag may have moved since.
    pub async fn read_index(&self, image: &ImageRef, observed: &mut Observed) -> Result<(), EngineError> {
        if observed.kind.is_index() && observed.children.is_none() {
            *observed = Observed::from(&self.manifest(image, &observed.top, Side::Upstream).await?);
        }
        Ok(())
    }

    /// The manifest of `digest` in the repository of `image`, which is the one that a person named.
    pub async fn manifest(&self, image: &ImageRef, digest: &Digest, side: Side) -> Result<Manifest, EngineError> {
        let known = self
            .read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(digest)
            .cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let reference = Reference::from(digest.clone());
        let read = async |remote: Remote| remote.manifest(&reference).await;
        let manifest = self.first("read", side, image, read).await?;
        if manifest.bytes.len() <= WORTH_REMEMBERING {
            let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(digest.clone(), manifest.clone());
        }
        Ok(manifest)
    }

    /// What a single image of `repository` runs on, read from its config; none where that does not say.
    pub async fn platform(
        &self,
        repository: &Repository,
        config: &Digest,
        side: Side,
    ) -> Result<Option<Platform>, EngineError> {
        let image = repository.image(config.clone());
        let read = async |remote: Remote| remote.small_blob(config, LARGEST_CONFIG).await;
        let config = self.first("read the config of", side, &image, read).await?;
        Ok(config.and_then(|config| platform_of_config(&config).ok()?))
    }

    /// All tags of an upstream, in its registry's order.
    pub async fn tags(&self, upstream: &Repository) -> Result<Vec<Tag>, EngineError> {
        let list = async {
            let places = self.mirrors.repositories_of(upstream);
            let remotes: Result<Vec<Remote>, RegistryError> =
                places.iter().map(|place| self.client.source(place)).collect();
            first(&remotes?, async |remote: Remote| remote.tags().await).await
        };
        list.await.map_err(|error| {
            let trouble = Trouble::from(&error);
            of_credential(error).unwrap_or_else(|message| EngineError::Tags {
                repository: upstream.clone(),
                trouble,
                message,
            })
        })
    }

    /// Where an image can be read from, the first place first.
    pub fn sources(&self, image: &ImageRef, side: Side) -> Result<Vec<Remote>, EngineError> {
        let places = match side {
            Side::Upstream => self.mirrors.places_of(image),
            Side::Target => vec![image.clone()],
        };
        let remotes = places.iter().map(|place| self.client.source(&place.repository));
        let remotes: Result<Vec<Remote>, RegistryError> = remotes.collect();
        remotes.map_err(|error| failed("look up", side, image, error))
    }

    /// Asks one place after the other, until one answers.
    pub(super) async fn first<T>(
        &self,
        attempt: &'static str,
        side: Side,
        image: &ImageRef,
        ask: impl AsyncFn(Remote) -> Result<T, RegistryError>,
    ) -> Result<T, EngineError> {
        let remotes = self.sources(image, side)?;
        first(&remotes, ask)
            .await
            .map_err(|error| failed(attempt, side, image, error))
    }
}

/// Asks one place after the other, until one answers. What the last one says counts, unless an earlier one was there and failed: that a
/// mirror has not got it says little beside that.
pub(super) async fn first<T>(
    remotes: &[Remote],
    ask: impl AsyncFn(Remote) -> Result<T, RegistryError>,
) -> Result<T, RegistryError> {
    let mut worst: Option<RegistryError> = None;
    for remote in remotes {
        match ask(remote.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(error) if worst.is_some() && error.is_not_found() => tracing::debug!("{error}"),
            Err(error) => {
                if let Some(before) = worst.replace(error) {
                    tracing::debug!("{before}");
                }
            }
        }
    }
    // There is always a place: the registry itself, where no mirror is named.
    Err(worst.unwrap_or_else(|| unreachable!("an image has a place")))
}

/// A registry's error in an engine's words.
pub(super) fn failed(attempt: &'static str, side: Side, image: &ImageRef, error: RegistryError) -> EngineError {
    let trouble = Trouble::from(&error);
    of_credential(error).unwrap_or_else(|message| EngineError::Registry {
        attempt,
        side,
        image: image.clone(),
        trouble,
        message,
    })
}

/// A registry that did not take the login, or could not be asked.
pub(super) fn login_failed(registry: &str, error: RegistryError) -> EngineError {
    let trouble = Trouble::from(&error);
    of_credential(error).unwrap_or_else(|message| EngineError::Login {
        registry: registry.to_owned(),
        trouble: Some(trouble),
        message,
    })
}

/// The trouble with a credential that is in an error; else its text.
fn of_credential(error: RegistryError) -> Result<EngineError, String> {
    let text = error.to_string();
    match error.cause {
        Cause::Credential(source) => match source.downcast_ref::<CredentialError>() {
            Some(credential) => Ok(EngineError::Credential(credential.clone())),
            None => Err(source.to_string()),
        },
        _ => Err(text),
    }
}
