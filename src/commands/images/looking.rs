//! What is to go, before it does: whether it is there, who uses it, and what protects it.

use std::collections::BTreeMap;

use super::delete::Options;
use super::going::Going;
use crate::aws::ecr::{Ecr, ImageDetails, ImageId, RepositoryDetails, Status};
use crate::commands::CommandError;
use crate::commands::guard::Guard;
use crate::commands::in_use::{InUse, Whom};
use crate::commands::which::{named, names_here};
use crate::image::Digest;
use crate::mapping::Only;
use crate::report::{DeletionOutcome, Failure, GoesWithIt, OneDeletion, WhoWasAsked};
use crate::settings::Settings;
use crate::stop::Stop;

/// What is to go, or how it has ended already.
pub(super) type Looked = Result<Going, Box<OneDeletion>>;

/// What was named, and the repositories of it that could be listed, with all their images.
pub(super) struct Found {
    pub(super) images: Vec<Looked>,
    repositories: Vec<(RepositoryDetails, Vec<ImageDetails>)>,
}

/// Each image that is named, once.
pub(super) async fn look(options: &Options, settings: &Settings, ecr: &Ecr) -> Result<Found, CommandError> {
    let all = ecr.repository_details().await.map_err(|error| Failure::from(&error))?;
    let written: Vec<Only> = options.images.iter().map(|one| one.repository.clone()).collect();
    let names = names_here(&written, &all, ecr, settings).await?;
    let mut by_repository: Vec<(Only, Vec<&ImageId>)> = Vec::new();
    for (name, meant) in names.into_iter().zip(&options.images) {
        match by_repository.iter_mut().find(|(known, _)| *known == name) {
            Some((_, ids)) => ids.push(&meant.id),
            None => by_repository.push((name, vec![&meant.id])),
        }
    }
    let mut found = Found {
        images: Vec::new(),
        repositories: Vec::new(),
    };
    for (name, ids) in by_repository {
        let looked = look_at(&name, &ids, &all, options, ecr).await;
        found.images.extend(looked.found);
        found.repositories.extend(looked.images);
    }
    Ok(found)
}

impl Found {
    /// Finds out who uses what goes, and what protects it. What somebody uses, or may use, and what is protected goes only by force.
    /// Nobody is asked where there is nothing that could be used.
    pub(super) async fn judge(
        self,
        options: &Options,
        guard: &Guard<'_>,
        settings: &Settings,
        ecr: &Ecr,
        stop: &Stop,
    ) -> (Self, Option<WhoWasAsked>) {
        let Some((first, _)) = self.repositories.first() else {
            return (self, None);
        };
        let in_use = InUse::ask(settings, ecr, first, Whom::Everybody, stop).await;
        let mut asked = in_use.who_was_asked();
        let mut users = BTreeMap::new();
        for (details, images) in &self.repositories {
            let (of_images, failure) = in_use.of_images(details, images, ecr).await;
            asked.failures.extend(failure);
            users.insert(details.name.clone(), of_images);
        }
        let judged = |one: Looked| {
            let mut going = one?;
            if let Some(users) = users.get(&going.repository) {
                going.judge(&in_use, users);
            }
            going.protect(guard);
            match going.refusal().filter(|_| !options.force) {
                None => Ok(going),
                Some(refusal) => Err(Box::new(going.ended(DeletionOutcome::Refused, Some(refusal)))),
            }
        };
        let images = self.images.into_iter().map(judged).collect();
        (Self { images, ..self }, Some(asked))
    }
}

/// A repository that was looked at, with all its images where these could be listed.
struct LookedAt {
    found: Vec<Looked>,
    images: Option<(RepositoryDetails, Vec<ImageDetails>)>,
}

async fn look_at(only: &Only, ids: &[&ImageId], all: &[RepositoryDetails], options: &Options, ecr: &Ecr) -> LookedAt {
    let each = |failure: Option<&Failure>| {
        let ended = |id: &&ImageId| Err(not_there(&only.repository, id, failure.cloned()));
        LookedAt {
            found: ids.iter().map(ended).collect(),
            images: None,
        }
    };
    let mut meant = named(std::slice::from_ref(only), all.to_vec());
    let Some(details) = meant.repositories.pop() else {
        return each(meant.failures.first().filter(|_| !options.if_exists));
    };
    let images = match ecr.image_details(&details.name).await {
        Ok(images) => images,
        Err(error) => return each(Some(&Failure::from(&error))),
    };
    let mut found: Vec<Looked> = Vec::new();
    for id in ids {
        let Some(image) = images.iter().find(|image| is_named(image, id)) else {
            let failure = absent(&details.name, id);
            found.push(Err(not_there(
                &details.name,
                id,
                (!options.if_exists).then_some(failure),
            )));
            continue;
        };
        let mut known = found.iter_mut().flatten();
        match known.find(|one| one.image.digest == image.digest) {
            Some(going) => going.also(id),
            None => found.push(Ok(Going::new(&details, image, id))),
        }
    }
    tell_what_stays(&mut found, &images, ecr).await;
    LookedAt {
        found,
        images: Some((details, images)),
    }
}

/// What an index consists of stays, unless it goes by itself.
async fn tell_what_stays(found: &mut [Looked], images: &[ImageDetails], ecr: &Ecr) {
    let whole = |one: &&Going| one.goes() == GoesWithIt::Image;
    let going = found.iter().flatten().filter(whole);
    let going: Vec<Digest> = going.map(|one| one.image.digest.clone()).collect();
    for one in found.iter_mut().flatten().filter(|one| one.goes() == GoesWithIt::Image) {
        let parts = parts(one, ecr).await;
        let is_there = |part: &Digest| images.iter().any(|image| image.digest == *part);
        let stays = |part: &Digest| is_there(part) && !going.contains(part);
        one.leaves = parts.map(|parts| parts.into_iter().filter(stays).collect());
    }
}

fn is_named(image: &ImageDetails, id: &ImageId) -> bool {
    match id {
        ImageId::Digest(digest) => image.digest == *digest,
        ImageId::Tag(tag) => image.tags.contains(tag),
    }
}

fn not_there(repository: &str, id: &ImageId, failure: Option<Failure>) -> Box<OneDeletion> {
    Box::new(OneDeletion {
        repository: repository.to_owned(),
        named: vec![name(id)],
        outcome: match failure {
            Some(_) => DeletionOutcome::Failed,
            None => DeletionOutcome::Absent,
        },
        goes: None,
        tags: Vec::new(),
        tags_left: Vec::new(),
        image: None,
        leaves: Some(Vec::new()),
        protected: None,
        failure,
    })
}

pub(super) fn name(id: &ImageId) -> String {
    match id {
        ImageId::Digest(digest) => digest.to_string(),
        ImageId::Tag(tag) => tag.to_string(),
    }
}

fn absent(repository: &str, id: &ImageId) -> Failure {
    let what = match id {
        ImageId::Digest(digest) => format!("image {repository}@{digest}"),
        ImageId::Tag(tag) => format!("tag {repository}:{tag}"),
    };
    Failure {
        message: format!("there is no {what}"),
        causes: Vec::new(),
        hint: Some(
            format!(
                "`ecr-keeper images list {repository}` lists those that are there; --if-exists takes that for well"
            )
            .into(),
        ),
    }
}

/// What an index consists of.
async fn parts(going: &Going, ecr: &Ecr) -> Option<Vec<Digest>> {
    if !going.image.kind.is_index() {
        return Some(Vec::new());
    }
    // Archived ones cannot be read.
    if going.image.status != Status::Active {
        return None;
    }
    let digest = going.image.digest.to_string();
    let manifests = ecr
        .manifests(&going.repository, std::slice::from_ref(&digest))
        .await
        .ok()?;
    let parts = manifests
        .get(&digest)?
        .children()
        .iter()
        .map(|part| part.digest.clone());
    Some(parts.collect())
}
