//! The names of images in the daemon: given, and taken away.

use std::hash::{BuildHasher, RandomState};

use bollard::body_full;
use bollard::errors::Error;
use bollard::query_parameters::{CreateImageOptionsBuilder, RemoveImageOptionsBuilder, TagImageOptionsBuilder};

use super::daemon::Daemon;
use super::transfer::follow;
use crate::engine::EngineError;
use crate::image::{ImageRef, Reference, Repository};

/// Podman's import knows no other tag.
const OWN_TAG: &str = "latest";

impl Daemon {
    /// Gives a local image a tag.
    pub(super) async fn tag(&self, id: &str, repository: &Repository, tag: &str) -> Result<(), EngineError> {
        let options = TagImageOptionsBuilder::default()
            .repo(&repository.to_string())
            .tag(tag)
            .build();
        self.ask(async || self.docker.tag_image(id, Some(options.clone())).await)
            .await
            .map_err(|error| self.failed(format!("tag {id} as {repository}:{tag}"), error))
    }

    /// Removes a name, and with the last one the image; none of its parents. One that has gone already is well.
    pub(super) async fn remove(&self, name: &str) -> Result<(), EngineError> {
        let options = RemoveImageOptionsBuilder::default().noprune(true).build();
        let removed = self
            .ask(async || self.docker.remove_image(name, Some(options.clone()), None).await)
            .await;
        match removed {
            Ok(_) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            Err(error) => Err(self.failed(format!("remove local {name}"), error)),
        }
    }

    /// Takes a name from the image `id`, and nothing else: the image stays without it, also when it was its last, and its
    /// names by digest stay. Removing a name cannot do that; naming something else by it can.
    pub(super) async fn take_name_away(&self, image: &ImageRef, id: &str) -> Result<(), EngineError> {
        let ImageRef { repository, reference } = image;
        let nothing = own_name("nothing");
        self.import_nothing(&nothing).await?;
        let empty = format!("{nothing}:{OWN_TAG}");
        let taken = match reference {
            Reference::Tag(tag) => self.name_instead(&empty, repository, tag.as_str()).await,
            // A digest cannot be given to something else: a tag keeps the image until the digest has gone.
            Reference::Digest(_) => {
                let keeps = own_name("keeps");
                self.tag(id, &keeps, OWN_TAG).await?;
                self.remove(&image.to_string()).await?;
                self.name_instead(&empty, &keeps, OWN_TAG).await
            }
        };
        taken.and(self.remove(&empty).await)
    }

    /// Makes a tag name `other`, and then nothing.
    async fn name_instead(&self, other: &str, repository: &Repository, tag: &str) -> Result<(), EngineError> {
        self.tag(other, repository, tag).await?;
        self.remove(&format!("{repository}:{tag}")).await
    }

    /// Makes a new, empty image of that name.
    async fn import_nothing(&self, name: &Repository) -> Result<(), EngineError> {
        let options = CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(&name.to_string())
            .tag(OWN_TAG)
            .build();
        // Two empty blocks end a tar archive.
        let nothing = body_full(vec![0; 1024].into());
        let lines = self.docker.create_image(Some(options), Some(nothing), None);
        let read = follow(lines, self.patience.answer, |_| ()).await;
        read.map(drop)
            .map_err(|error| self.failed("import an empty image".to_owned(), error))
    }
}

/// A name of our own, each time another, which no registry has (RFC 2606).
fn own_name(what: &str) -> Repository {
    Repository {
        host: "ecr-keeper.invalid".into(),
        // In a container every process may be the first.
        path: format!("{what}-{:016x}", RandomState::new().hash_one(what)).into(),
    }
}
