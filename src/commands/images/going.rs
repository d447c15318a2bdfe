//! Images and tags on their way out of a repository.

use std::collections::BTreeMap;

use super::delete::name;
use crate::aws::AwsError;
use crate::aws::ecr::{Ecr, ImageDetails, ImageId, NotDeleted, RepositoryDetails};
use crate::commands::in_use::InUse;
use crate::image::{Digest, Tag};
use crate::prune::Protected;
use crate::report::{DeletionOutcome, Failure, GoesWithIt, ImageLine, OneDeletion, Users};
use crate::stop::Stop;

/// An image that is to go, or some of its tags.
#[derive(Debug, Clone)]
pub(super) struct Going {
    pub(super) repository: String,
    /// `HOST/NAME`
    pub(super) uri: String,
    /// As it was looked at.
    pub(super) image: ImageDetails,
    /// By which names.
    ids: Vec<ImageId>,
    pub(super) users: Users,
    /// What an index consists of; none where that could not be read.
    pub(super) leaves: Option<Vec<Digest>>,
}

impl Going {
    pub(super) fn new(repository: &RepositoryDetails, image: &ImageDetails, id: &ImageId) -> Self {
        Self {
            repository: repository.name.clone(),
            uri: repository.uri.clone(),
            image: image.clone(),
            ids: vec![id.clone()],
            users: Users::unknown(),
            leaves: Some(Vec::new()),
        }
    }

    /// By another name, too.
    pub(super) fn also(&mut self, id: &ImageId) {
        if !self.ids.contains(id) {
            self.ids.push(id.clone());
        }
    }

    fn is_named(&self, tag: &Tag) -> bool {
        self.ids.contains(&ImageId::Tag(tag.clone()))
    }

    /// With its last tag the image goes, too (ECR API reference, BatchDeleteImage).
    pub(super) fn goes(&self) -> GoesWithIt {
        let is_whole = self.ids.iter().any(|id| matches!(id, ImageId::Digest(_)));
        match is_whole || self.image.tags.iter().all(|tag| self.is_named(tag)) {
            true => GoesWithIt::Image,
            false => GoesWithIt::Tags,
        }
    }

    /// The tags that go, and those that stay.
    fn tags(&self) -> (Vec<Tag>, Vec<Tag>) {
        let tags = self.image.tags.iter().cloned();
        match self.goes() {
            GoesWithIt::Image => (tags.collect(), Vec::new()),
            GoesWithIt::Tags => tags.partition(|tag| self.is_named(tag)),
        }
    }

    /// Finds out who uses what goes, where these are who run which images of its repository.
    pub(super) fn judge(&mut self, in_use: &InUse, users: &BTreeMap<Digest, Users>) {
        let Some(own) = users.get(&self.image.digest) else {
            return;
        };
        self.users = match self.goes() {
            GoesWithIt::Image => own.clone(),
            GoesWithIt::Tags => {
                let (tags, _) = self.tags();
                let users = tags.iter().map(|tag| in_use.of_tag(&self.uri, tag, own));
                Users::of_all(&users.collect::<Vec<_>>())
            }
        };
    }

    /// Why it may not go without force, where an entry of `protect` names what goes. By its digest an image stays where only a tag goes.
    pub(super) fn protected(&self, all: &[Protected]) -> Option<Failure> {
        let (tags, _) = self.tags();
        let of_tags = ImageDetails {
            tags,
            ..self.image.clone()
        };
        let is_about = |entry: &&Protected| match (entry, self.goes()) {
            (Protected::Digest(_), GoesWithIt::Tags) => false,
            _ => entry.has(&self.repository, &of_tags),
        };
        let entry = all.iter().find(is_about)?;
        Some(Failure {
            message: format!("it is protected by {:?}", entry.to_string()),
            causes: Vec::new(),
            hint: Some("`protect` in the settings names it; --force deletes it all the same".into()),
        })
    }

    /// What becomes of it where all goes well.
    pub(super) fn outcome(&self) -> DeletionOutcome {
        match self.goes() {
            GoesWithIt::Image => DeletionOutcome::Deleted,
            GoesWithIt::Tags => DeletionOutcome::Untagged,
        }
    }

    pub(super) fn ended(&self, outcome: DeletionOutcome, failure: Option<Failure>) -> OneDeletion {
        let (tags, tags_left) = self.tags();
        OneDeletion {
            repository: self.repository.clone(),
            named: self.ids.iter().map(name).collect(),
            outcome,
            goes: Some(self.goes()),
            tags,
            tags_left,
            image: Some(ImageLine::new(self.image.clone(), None, Some(self.users.clone()))),
            leaves: self.leaves.clone(),
            failure,
        }
    }

    /// In a question.
    pub(super) fn in_words(&self) -> String {
        match self.goes() {
            GoesWithIt::Image => format!("the image {}@{}", self.repository, self.image.digest.short()),
            GoesWithIt::Tags => {
                let (tags, _) = self.tags();
                let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
                format!("the tag {}:{}", self.repository, tags.join(", "))
            }
        }
    }

    /// What ECR is asked to delete.
    fn asked_for(&self) -> Vec<ImageId> {
        match self.goes() {
            GoesWithIt::Image => vec![ImageId::Digest(self.image.digest.clone())],
            GoesWithIt::Tags => self.tags().0.into_iter().map(ImageId::Tag).collect(),
        }
    }

    /// What has changed since it was looked at, so that something else would go than was shown; none where nothing has.
    fn changed(&self, now: &ImageDetails) -> Option<Failure> {
        let (goes, _) = self.tags();
        let is_same = match self.goes() {
            GoesWithIt::Image => now.tags.iter().all(|tag| self.image.tags.contains(tag)),
            // With the last tag the image would go.
            GoesWithIt::Tags => {
                goes.iter().all(|tag| now.tags.contains(tag)) && now.tags.iter().any(|tag| !goes.contains(tag))
            }
        };
        (!is_same).then(|| Failure {
            message: "its tags have changed since it was looked at".to_owned(),
            causes: Vec::new(),
            hint: Some("look at it again: somebody pushes there".into()),
        })
    }

    /// What is there after a call that did not say.
    fn is_gone(&self, now: &[ImageDetails]) -> bool {
        let image = now.iter().find(|image| image.digest == self.image.digest);
        match (image, self.goes()) {
            (None, _) => true,
            (Some(_), GoesWithIt::Image) => false,
            (Some(image), GoesWithIt::Tags) => !image.tags.iter().any(|tag| self.is_named(tag)),
        }
    }
}

/// Deletes what is to go, repository by repository.
pub(super) async fn deleted(found: Vec<Result<Going, Box<OneDeletion>>>, ecr: &Ecr, stop: &Stop) -> Vec<OneDeletion> {
    let mut repositories: Vec<&str> = Vec::new();
    for one in found.iter().flatten() {
        if !repositories.contains(&one.repository.as_str()) {
            repositories.push(&one.repository);
        }
    }
    let mut ended: Vec<Option<OneDeletion>> = vec![None; found.len()];
    for repository in repositories {
        let all = found.iter().enumerate();
        let going: Vec<(usize, &Going)> = all
            .filter_map(|(at, one)| Some((at, one.as_ref().ok()?)))
            .filter(|(_, one)| one.repository == repository)
            .collect();
        for (at, one) in of_one_repository(repository, &going, ecr, stop).await {
            ended[at] = Some(one);
        }
    }
    let all = found.into_iter().zip(ended);
    all.map(|(found, ended)| match (ended, found) {
        (Some(ended), _) => ended,
        (None, Err(ended)) => *ended,
        (None, Ok(going)) => going.ended(DeletionOutcome::Failed, Some(Failure::stopped("deleting images"))),
    })
    .collect()
}

async fn of_one_repository(
    repository: &str,
    going: &[(usize, &Going)],
    ecr: &Ecr,
    stop: &Stop,
) -> Vec<(usize, OneDeletion)> {
    let each = |failure: &Failure| {
        let failed = |(at, one): &(usize, &Going)| (*at, one.ended(DeletionOutcome::Failed, Some(failure.clone())));
        going.iter().map(failed).collect()
    };
    let now = match stop.soft.run_until_cancelled(ecr.image_details(repository)).await {
        None => return each(&Failure::stopped("deleting images")),
        Some(Err(error)) => return each(&Failure::from(&error)),
        Some(Ok(now)) => now,
    };
    let mut ended: Vec<(usize, OneDeletion)> = Vec::new();
    let mut rest: Vec<(usize, &Going)> = Vec::new();
    for &(at, one) in going {
        match now.iter().find(|image| image.digest == one.image.digest) {
            // Somebody else was quicker.
            None => ended.push((at, one.ended(DeletionOutcome::Absent, None))),
            Some(now) => match one.changed(now) {
                Some(failure) => ended.push((at, one.ended(DeletionOutcome::Refused, Some(failure)))),
                None => rest.push((at, one)),
            },
        }
    }
    // An index goes before what it consists of, which ECR would not let go.
    let is_index = |(_, one): &(usize, &Going)| one.image.kind.is_index() && one.goes() == GoesWithIt::Image;
    let (indexes, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_index);
    for some in [indexes, others].iter().filter(|some| !some.is_empty()) {
        let ids: Vec<ImageId> = some.iter().flat_map(|(_, one)| one.asked_for()).collect();
        // What has begun is not cut off: nobody would know what has gone.
        let left = ecr.delete_images(repository, &ids).await;
        let is_gone = read_back(repository, &left, ecr).await;
        ended.extend(some.iter().map(|&(at, one)| (at, ending(one, &left, &is_gone))));
    }
    ended
}

/// What is there, where a call did not say what it did.
async fn read_back(repository: &str, left: &Result<Vec<NotDeleted>, AwsError>, ecr: &Ecr) -> Option<Vec<ImageDetails>> {
    match left {
        Ok(_) => None,
        Err(_) => ecr.image_details(repository).await.ok(),
    }
}

fn ending(one: &Going, left: &Result<Vec<NotDeleted>, AwsError>, now: &Option<Vec<ImageDetails>>) -> OneDeletion {
    let left = match left {
        Ok(left) => left,
        Err(_) if now.as_ref().is_some_and(|now| one.is_gone(now)) => return one.ended(one.outcome(), None),
        Err(error) => return one.ended(DeletionOutcome::Failed, Some(Failure::from(error))),
    };
    let ids = one.asked_for();
    let own: Vec<&NotDeleted> = left.iter().filter(|left| ids.contains(&left.id)).collect();
    match own.iter().find(|left| !left.is_absent()) {
        Some(left) => one.ended(DeletionOutcome::Failed, Some(failure(left))),
        None if own.is_empty() => one.ended(one.outcome(), None),
        None => one.ended(DeletionOutcome::Absent, None),
    }
}

/// ECR's code and words (ECR API reference, ImageFailure).
fn failure(left: &NotDeleted) -> Failure {
    Failure {
        message: format!("ECR does not delete {}: {}: {}", name(&left.id), left.code, left.reason),
        causes: Vec::new(),
        hint: match left.code.as_str() {
            "ImageReferencedByManifestList" => Some("delete the index first that it is a part of, or name both".into()),
            _ => None,
        },
    }
}
