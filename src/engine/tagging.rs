//! Other names for images that a target has.

use super::registries::failed;
use super::{EngineError, Registries, Side};
use crate::image::{Digest, ImageRef, Reference, Tag};
use crate::mapping::another;
use crate::registry::{RegistryError, Remote};

/// No image has more backups in a day.
const BACKUPS: usize = 100;

impl Registries {
    /// Keeps what `digest` names in the repository of `target` under the name `backup` too; where another image has that, under one with a
    /// number behind its date. Answers the name.
    ///
    /// # Errors
    /// Where the registry does not do it: then nothing may take the image's place.
    pub async fn back_up(&self, target: &ImageRef, digest: &Digest, backup: &Tag) -> Result<Tag, EngineError> {
        let kept = async {
            let remote = self.client.target(&target.repository)?;
            for number in 1..BACKUPS {
                let name = match number {
                    1 => Some(backup.clone()),
                    number => another(backup, number),
                };
                // Without a date it takes the place of the one before.
                let (name, is_last) = name.map_or_else(|| (backup.clone(), true), |name| (name, false));
                match (named(&remote, &name).await?, is_last) {
                    (Some(there), _) if there == *digest => return Ok(name),
                    (Some(_), false) => {}
                    (None, _) | (Some(_), true) => {
                        name_also(&remote, digest, &name).await?;
                        return Ok(name);
                    }
                }
            }
            Err(remote.odd(format!("{BACKUPS} backups have the name {backup}")))
        };
        let kept: Result<Tag, RegistryError> = kept.await;
        kept.map_err(|error| failed("back up", Side::Target, target, error))
    }

    /// Lets a target's tag name what `digest` names in its repository.
    ///
    /// # Errors
    /// Where the registry does not do it: then the tag is as it was.
    pub async fn put_back(&self, target: &ImageRef, digest: &Digest) -> Result<(), EngineError> {
        let put = async {
            let remote = self.client.target(&target.repository)?;
            let manifest = remote.manifest(&digest.clone().into()).await?;
            remote.put(&manifest, &target.reference).await
        };
        let put: Result<_, RegistryError> = put.await;
        put.map(drop)
            .map_err(|error| failed("roll back", Side::Target, target, error))
    }
}

/// What a tag names; nothing where there is none.
async fn named(remote: &Remote, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
    match remote.head(&Reference::from(tag.clone())).await {
        Ok(head) => Ok(Some(head.digest)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

async fn name_also(remote: &Remote, digest: &Digest, tag: &Tag) -> Result<(), RegistryError> {
    let manifest = remote.manifest(&digest.clone().into()).await?;
    remote.put(&manifest, &tag.clone().into()).await.map(drop)
}
