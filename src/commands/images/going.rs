//! Images and tags on their way out of a repository.

use std::collections::BTreeMap;

use super::looking::name;
use crate::aws::AwsError;
use crate::aws::ecr::{Ecr, ImageDetails, ImageId, NotDeleted, RepositoryDetails};
use crate::commands::guard::{Guard, refusal};
use crate::commands::in_use::InUse;
use crate::image::{Digest, Tag};
use crate::prune::KeptBecause;
use crate::report::{DeletionOutcome, Failure, GoesWithIt, ImageLine, OneDeletion, Users};
use crate::stop::Stop;

/// What lets go what is in use or protected.
const FORCE: &str = "--force";

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
    users: Users,
    /// What protects it, whoever uses it.
    kept: Option<KeptBecause>,
    /// Why nobody knows whether something does.
    unknown: Option<Failure>,
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
            kept: None,
            unknown: None,
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

    /// Finds out what protects what goes.
    pub(super) fn protect(&mut self, guard: &Guard<'_>) {
        let (tags, _) = self.tags();
        let of_tags = ImageDetails {
            tags,
            ..self.image.clone()
        };
        self.kept = guard.keeps(&self.uri, &of_tags, self.goes());
        self.unknown = guard.knows_last_copies(&self.repository).err();
    }

    /// Why it may not go without force; none where it may.
    pub(super) fn refusal(&self) -> Option<Failure> {
        let protected = || Some(refusal(self.kept.as_ref()?, FORCE));
        self.users
            .refusal(FORCE)
            .or_else(protected)
            .or_else(|| self.unknown.clone())
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
            protected: self.kept.clone(),
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
        let is_there = |id: &ImageId| match id {
            ImageId::Digest(_) => true,
            ImageId::Tag(tag) => now.tags.contains(tag),
        };
        let is_same = match self.goes() {
            // A tag that was named may stand for another image now.
            GoesWithIt::Image => {
                self.ids.iter().all(is_there) && now.tags.iter().all(|tag| self.image.tags.contains(tag))
            }
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

    /// Whether nothing of it is there still.
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
        let now = ecr.image_details(repository).await;
        ended.extend(some.iter().map(|&(at, one)| (at, ending(one, &left, &now))));
    }
    ended
}

/// What ECR lists afterwards counts, and not what was answered: an answer may have got lost.
fn ending(
    one: &Going,
    left: &Result<Vec<NotDeleted>, AwsError>,
    now: &Result<Vec<ImageDetails>, AwsError>,
) -> OneDeletion {
    let all = left.as_ref().map(Vec::as_slice).unwrap_or_default();
    let ids = one.asked_for();
    let mut own = all.iter().filter(|left| ids.iter().any(|id| left.is(id)));
    let is_gone = now.as_ref().is_ok_and(|now| one.is_gone(now));
    match (is_gone, left, now) {
        (true, ..) => match own.any(NotDeleted::is_absent) {
            true => one.ended(DeletionOutcome::Absent, None),
            false => one.ended(one.outcome(), None),
        },
        (false, Err(error), _) => one.ended(DeletionOutcome::Failed, Some(Failure::from(error))),
        (false, Ok(_), now) => {
            let told = own.find(|left| !left.is_absent()).map(failure);
            let failure = told.unwrap_or_else(|| still_there(now, all));
            one.ended(DeletionOutcome::Failed, Some(failure))
        }
    }
}

/// Of an image that ECR says nothing of.
fn still_there(now: &Result<Vec<ImageDetails>, AwsError>, left: &[NotDeleted]) -> Failure {
    let others = left.iter().map(|left| failure(left).message);
    let (message, causes) = match now {
        Ok(_) => ("it is there still", others.collect()),
        Err(error) => {
            let failure = Failure::from(error);
            let why = [failure.message].into_iter().chain(failure.causes).chain(others);
            ("whether it has gone is not known", why.collect())
        }
    };
    Failure {
        message: message.to_owned(),
        causes,
        hint: Some("delete it again: it is looked at anew".into()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::ecr::Status;
    use crate::image::Kind;

    fn image(tags: &[&str]) -> ImageDetails {
        ImageDetails {
            digest: Digest::of(b"image"),
            tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
            kind: Kind::OciManifest,
            artifact_type: None,
            bytes: None,
            pushed: None,
            pulled: None,
            archived: None,
            subject: None,
            status: Status::Active,
        }
    }

    fn going(image: &ImageDetails) -> Going {
        Going {
            repository: "shop/web".to_owned(),
            uri: "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/web".to_owned(),
            ids: vec![ImageId::Digest(image.digest.clone())],
            image: image.clone(),
            users: Users::none(),
            kept: None,
            unknown: None,
            leaves: Some(Vec::new()),
        }
    }

    #[test]
    fn what_is_listed_afterwards_counts_and_not_what_was_answered() {
        let image = image(&["1"]);
        let one = going(&image);
        let left = |id: ImageId, digest: Option<&Digest>| NotDeleted {
            id,
            digest: digest.cloned(),
            code: "ImageReferencedByManifestList".to_owned(),
            reason: "Requested image referenced by manifest list".to_owned(),
        };
        let ended = |left: Vec<NotDeleted>, now: &[&ImageDetails]| {
            let now = now.iter().map(|&image| image.clone()).collect();
            let ended = ending(&one, &Ok(left), &Ok(now));
            (ended.outcome, ended.failure.map(|failure| failure.in_one_line()))
        };
        let tag = || ImageId::Tag("1".parse().unwrap());
        let says = |told: (DeletionOutcome, Option<String>), word: &str| {
            assert_eq!(told.0, DeletionOutcome::Failed);
            let why = told.1.unwrap();
            assert!(why.contains(word), "{why}");
        };
        // ECR may name the tag beside the digest that was asked for.
        let named = left(tag(), Some(&image.digest));
        says(ended(vec![named], &[&image]), "ImageReferencedByManifestList");
        // It may say nothing, or something of others.
        says(ended(Vec::new(), &[&image]), "it is there still");
        let other = left(tag(), None);
        says(ended(vec![other.clone()], &[&image]), "ImageReferencedByManifestList");
        assert_eq!(ended(vec![other], &[]), (DeletionOutcome::Deleted, None));
    }

    #[test]
    fn an_image_that_was_named_by_tags_goes_only_while_it_has_them() {
        let is_changed = |ids: &[ImageId], now: &[&str]| {
            let image_then = image(&["1", "latest"]);
            let one = Going {
                ids: ids.to_vec(),
                ..going(&image_then)
            };
            one.changed(&image(now)).is_some()
        };
        let tags = ["1", "latest"].map(|tag| ImageId::Tag(tag.parse().unwrap()));
        assert!(!is_changed(&tags, &["1", "latest"]));
        assert!(is_changed(&tags, &["1"]));
        let digest = [ImageId::Digest(Digest::of(b"image"))];
        assert!(!is_changed(&digest, &["1"]));
        assert!(is_changed(&digest, &["1", "latest", "stable"]));
    }
}
