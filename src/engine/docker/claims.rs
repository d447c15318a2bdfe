//! The names that a run gives images in the daemon, and how each is undone.
//!
//! A daemon belongs to other people too: what was there before stays, and a name that the run moved is moved back. Several
//! copies at once may need one name, so that the last one to let go undoes it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::Mutex;

use bollard::models::ImageSummary;

use super::daemon::{Daemon, Store};
use super::local::Local;
use crate::engine::EngineError;
use crate::image::{ImageRef, Reference, Repository};

/// All names that are in use by the running copies.
#[derive(Debug)]
pub(super) struct Claims {
    by_name: Mutex<HashMap<ImageRef, Arc<Mutex<State>>>>,
    /// Held while a name is given or taken away: two removals at once would each see the other's name and leave the image
    /// without any, and Podman writes all names of an image as it read them a moment before.
    naming: Mutex<()>,
    /// The names by digest that were there when the session opened.
    digests: HashSet<String>,
    /// Images that had no name at all when the session opened: to take away the name we gave one would delete it.
    nameless: HashSet<String>,
    store: Store,
}

#[derive(Debug, Default)]
struct State {
    holders: usize,
    before: Option<Local>,
    /// The images that the run made a tag name. Whatever else it names by now is somebody's.
    given: HashSet<String>,
}

/// A name that a copy uses. To be given back with [`Claims::release`].
#[derive(Debug, Clone)]
pub(super) struct Claim {
    image: ImageRef,
    state: Arc<Mutex<State>>,
}

impl Claim {
    /// What the name was before the run, if anything.
    pub(super) async fn before(&self) -> Option<Local> {
        self.state.lock().await.before.clone()
    }
}

impl Claim {
    /// Notes that the name is about to be made to name the image `id`.
    pub(super) async fn gives(&self, id: &str) {
        self.state.lock().await.given.insert(id.to_owned());
    }
}

impl Claims {
    pub(super) async fn open(daemon: &Daemon, store: Store) -> Result<Self, EngineError> {
        let images = daemon.images().await?;
        let named = |image: &ImageSummary| {
            let mut names = image.repo_tags.iter().chain(&image.repo_digests);
            names.any(|name| !name.contains("<none>"))
        };
        Ok(Self {
            by_name: Mutex::default(),
            naming: Mutex::default(),
            nameless: images
                .iter()
                .filter(|image| !named(image))
                .map(|image| image.id.clone())
                .collect(),
            digests: images.iter().flat_map(|image| image.repo_digests.clone()).collect(),
            store,
        })
    }

    /// Remembers what `image` names now, unless another copy did already.
    pub(super) async fn claim(&self, daemon: &Daemon, image: &ImageRef) -> Result<Claim, EngineError> {
        let state = Arc::clone(self.by_name.lock().await.entry(image.clone()).or_default());
        let mut name = state.lock().await;
        if name.holders == 0 {
            name.before = daemon.named(image, self.store).await?;
        }
        name.holders += 1;
        drop(name);
        Ok(Claim {
            image: image.clone(),
            state,
        })
    }

    /// Removes the names by digest that the daemon gave a copied image by itself, as one does after a push.
    pub(super) async fn sweep(&self, daemon: &Daemon, id: &str, pushed_to: &Repository) -> Result<(), EngineError> {
        let _alone = self.naming.lock().await;
        match self.store {
            Store::Classic => self.sweep_names(daemon, id, pushed_to).await,
            // Their names by digest come and go with those by tag.
            Store::Containerd | Store::Podman => Ok(()),
        }
    }

    async fn sweep_names(&self, daemon: &Daemon, id: &str, pushed_to: &Repository) -> Result<(), EngineError> {
        let of_repository = format!("{pushed_to}@");
        let names = daemon.local(id).await?.map(|image| image.digests).unwrap_or_default();
        for name in names
            .iter()
            .filter(|name| name.starts_with(&of_repository) && !self.digests.contains(*name))
        {
            match name.parse::<ImageRef>() {
                Ok(image) if self.nameless.contains(id) => daemon.take_name_away(&image, id).await?,
                _ => daemon.remove(name).await?,
            }
        }
        Ok(())
    }

    /// Gives the image `id` a tag that is claimed.
    pub(super) async fn give(&self, daemon: &Daemon, claim: &Claim, id: &str) -> Result<(), EngineError> {
        claim.gives(id).await;
        let _alone = self.naming.lock().await;
        let ImageRef { repository, reference } = &claim.image;
        daemon.tag(id, repository, reference.as_str()).await
    }

    /// Makes a name that is claimed name again what it named before, while others still wait to move it.
    pub(super) async fn undo(&self, daemon: &Daemon, claim: &Claim) -> Result<(), EngineError> {
        let state = claim.state.lock().await;
        self.restore(daemon, &claim.image, &state).await
    }

    /// Gives a name back; the last holder makes it name again what it named before.
    pub(super) async fn release(&self, daemon: &Daemon, claim: Claim) -> Result<(), EngineError> {
        let mut state = claim.state.lock().await;
        state.holders -= 1;
        match state.holders {
            0 => self.restore(daemon, &claim.image, &state).await,
            _ => Ok(()),
        }
    }

    async fn restore(&self, daemon: &Daemon, image: &ImageRef, state: &State) -> Result<(), EngineError> {
        let _alone = self.naming.lock().await;
        let Some(now) = daemon.named(image, self.store).await? else {
            return Ok(());
        };
        // Somebody has made the tag name another image meanwhile. A digest names what it names.
        let is_foreign = matches!(image.reference, Reference::Tag(_)) && !state.given.contains(&now.id);
        match &state.before {
            _ if is_foreign => Ok(()),
            Some(before) if before.id == now.id => Ok(()),
            // What it named may have gone since, with another run's clean-up.
            Some(before) if daemon.local(&before.id).await?.is_some() => {
                daemon
                    .tag(&before.id, &image.repository, image.reference.as_str())
                    .await?;
                self.remove_if_nameless(daemon, &now.id).await
            }
            _ if self.nameless.contains(&now.id) || self.would_unpin(image, &now) => {
                daemon.take_name_away(image, &now.id).await
            }
            _ => daemon.remove(&image.to_string()).await,
        }
    }

    /// Whether a daemon, asked to remove this tag, would also remove a name by digest that was there before: it does with an
    /// image's last tag of a repository.
    fn would_unpin(&self, image: &ImageRef, now: &Local) -> bool {
        let of_repository = |name: &&String, sign: char| {
            let repository = image.repository.to_string();
            name.strip_prefix(repository.as_str())
                .is_some_and(|rest| rest.starts_with(sign))
        };
        let tags = now.tags.iter().filter(|name| of_repository(name, ':')).count();
        let pinned = now.digests.iter().filter(|name| of_repository(name, '@'));
        matches!(image.reference, Reference::Tag(_))
            && tags == 1
            && pinned.into_iter().any(|name| self.digests.contains(name))
    }

    /// An image that lost its only name when that was moved back is in nobody's list of names, and on the disk all the same.
    async fn remove_if_nameless(&self, daemon: &Daemon, id: &str) -> Result<(), EngineError> {
        match daemon.local(id).await? {
            Some(image) if image.tags.is_empty() && image.digests.is_empty() && !self.nameless.contains(id) => {
                daemon.remove(id).await
            }
            _ => Ok(()),
        }
    }
}
