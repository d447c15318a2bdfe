//! Other names for images that a target has.

use super::registries::failed;
use super::{EngineError, Registries, Side};
use crate::image::{Digest, ImageRef, Reference, Tag};
use crate::mapping::another;
use crate::registry::{RegistryError, Remote};

/// No image has more backups in a day.
const BACKUPS: usize = 100;

impl Registries {
    /// Keeps what the tag `target` names, which has to be `digest`, under the name `backup` too; where another image has that, under one
    /// with a number behind its date. Answers the name.
    ///
    /// # Errors
    /// Where the registry does not do it, or the tag names something else by now: then nothing may take the image's place.
    pub async fn back_up(&self, target: &ImageRef, digest: &Digest, backup: &Tag) -> Result<Tag, EngineError> {
        let kept = async {
            let remote = self.client.target(&target.repository)?;
            match named(&remote, &target.reference).await? {
                Some(now) if now != *digest => {
                    return Err(remote.odd(format!("the tag named {digest}, and names {now} by now")));
                }
                _ => {}
            }
            for number in 1..BACKUPS {
                let name = match number {
                    1 => backup.clone(),
                    number => another(backup, number).map_err(|error| remote.odd(error))?,
                };
                match named(&remote, &name.clone().into()).await? {
                    Some(there) if there == *digest => return Ok(name),
                    Some(_) => {}
                    None => {
                        name_also(&remote, digest, &name.clone().into()).await?;
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
            name_also(&remote, digest, &target.reference).await
        };
        put.await
            .map_err(|error| failed("roll back", Side::Target, target, error))
    }
}

/// What a reference names; nothing where there is none.
async fn named(remote: &Remote, reference: &Reference) -> Result<Option<Digest>, RegistryError> {
    match remote.head(reference).await {
        Ok(head) => Ok(Some(head.digest)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

async fn name_also(remote: &Remote, digest: &Digest, reference: &Reference) -> Result<(), RegistryError> {
    let manifest = remote.manifest(&digest.clone().into()).await?;
    remote.put(&manifest, reference).await.map(drop)
}
