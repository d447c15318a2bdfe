//! Deletes what was shown, as far as it still is as it was shown.

use std::collections::{BTreeMap, BTreeSet};

use super::ground::{Ground, Looked};
use crate::aws::ecr::{ImageDetails, ImageId, NotDeleted};
use crate::commands::watch::Watch;
use crate::image::Digest;
use crate::prune::{Freed, Going, KeptBecause, Plan};
use crate::report::{Failure, PruneOutcome, Pruned, PrunedRepository};

/// One repository after the other, each looked at again before its first image goes and after its last.
pub(super) async fn sweep(ground: &mut Ground<'_>, looked: Vec<Looked>, watch: &Watch) -> Pruned {
    let mut told = ground.told(&looked);
    told.applied = true;
    for (one, told) in looked.into_iter().zip(&mut told.repositories) {
        if one.plan.goes.is_empty() {
            continue;
        }
        if watch.stop.soft.is_cancelled() {
            not_attempted(told);
            continue;
        }
        ground.refresh(&one.details, &watch.stop).await;
        match ground.again(one).await {
            Ok((one, fresh)) => {
                *told = fresh;
                let tried = delete(ground, &one, watch).await;
                tell(ground, &one, tried, told).await;
            }
            Err(failure) => {
                ground.failures.push(failure);
                not_attempted(told);
            }
        }
    }
    told.freed = Freed::of_all(told.repositories.iter().map(|one| one.freed));
    told.failures.clone_from(&ground.failures);
    told
}

fn not_attempted(told: &mut PrunedRepository) {
    for going in &mut told.goes {
        going.outcome = Some(PruneOutcome::NotAttempted);
    }
    told.freed = Freed::default();
}

impl Ground<'_> {
    /// As it is now: what was shown and still goes, and what stays.
    async fn again(&self, looked: Looked) -> Result<(Looked, PrunedRepository), Failure> {
        let shown = looked.plan.shown();
        let read = looked.repository.contents.clone();
        let mut repository = self.read(&looked.details, looked.repository.contents).await?;
        // Pulls of that moment were our own. A later one is somebody else's.
        let is_ours = |image: &&mut ImageDetails| {
            let is_read = read.contains_key(image.digest.as_str());
            is_read && image.pulled.is_some_and(|at| looked.reading.has(at))
        };
        for image in repository.images.iter_mut().filter(is_ours) {
            let mut before = looked.repository.images.iter();
            let before = before.find(|before| before.digest == image.digest);
            image.pulled = before.map_or(image.pulled, |before| before.pulled);
        }
        let plan = self.plan(&repository, &looked.details, Some(&shown));
        let told = self.told_of(&looked.details, &plan).stays_after_all(&shown);
        let looked = Looked {
            repository,
            plan,
            ..looked
        };
        Ok((looked, told))
    }
}

/// What was tried, what stays for a reason that came meanwhile, and what is there still by ECR's word.
#[derive(Default)]
struct Tried {
    stays: BTreeMap<Digest, KeptBecause>,
    digests: BTreeSet<Digest>,
    left: BTreeMap<Digest, Failure>,
    absent: BTreeSet<Digest>,
}

/// Batch after batch, up to the first that comes to nothing as a whole.
async fn delete(ground: &mut Ground<'_>, looked: &Looked, watch: &Watch) -> Tried {
    let mut tried = Tried::default();
    for batch in looked.plan.batches() {
        if watch.stop.soft.is_cancelled() {
            break;
        }
        if ground.refresh(&looked.details, &watch.stop).await {
            tried.learn(&ground.plan(&looked.repository, &looked.details, None), &looked.plan);
        }
        let ids = tried.free(batch);
        if ids.is_empty() {
            continue;
        }
        match ground.ecr.delete_images(&looked.details.name, &ids).await {
            Ok(left) => left.into_iter().for_each(|one| tried.note(one)),
            Err(error) => {
                ground.failures.push(Failure::from(&error));
                break;
            }
        }
    }
    tried
}

impl Tried {
    /// What goes no more by a plan that knows more.
    fn learn(&mut self, plan: &Plan, shown: &Plan) {
        let was_to_go = |digest: &Digest| shown.goes.iter().any(|going| going.image.digest == *digest);
        for kept in plan.kept.iter().filter(|kept| was_to_go(&kept.image.digest)) {
            let digest = kept.image.digest.clone();
            if !self.digests.contains(&digest) {
                self.stays.insert(digest, kept.because.clone());
            }
        }
    }

    /// Those of a batch for which everything has gone that has to go before.
    fn free(&mut self, batch: &[Going]) -> Vec<ImageId> {
        let mut ids = Vec::new();
        for going in batch
            .iter()
            .filter(|going| !self.stays.contains_key(&going.image.digest))
        {
            let digest = &going.image.digest;
            match going.after.iter().find(|before| self.left.contains_key(before)) {
                Some(before) => {
                    let failure = failed(format!("{} is there still, which goes first", before.short()), None);
                    self.left.insert(digest.clone(), failure);
                }
                None => {
                    self.digests.insert(digest.clone());
                    ids.push(ImageId::Digest(digest.clone()));
                }
            }
        }
        ids
    }

    fn note(&mut self, one: NotDeleted) {
        let is_absent = one.is_absent();
        // ECR may name what it left by its tag.
        let by_id = |id| match id {
            ImageId::Digest(digest) => Some(digest),
            ImageId::Tag(_) => None,
        };
        let Some(digest) = one.digest.or_else(|| by_id(one.id)) else {
            return;
        };
        if is_absent {
            self.absent.insert(digest);
            return;
        }
        let hint = match one.code.as_str() {
            "ImageReferencedByManifestList" => Some("an index names it that came since, or cannot be read: run again"),
            _ => None,
        };
        self.left
            .insert(digest, failed(format!("{}: {}", one.code, one.reason), hint));
    }
}

fn failed(message: String, hint: Option<&'static str>) -> Failure {
    Failure {
        message,
        causes: Vec::new(),
        hint: hint.map(Into::into),
    }
}

/// What ECR lists afterwards counts, and not what was answered: an answer may have got lost.
async fn tell(ground: &mut Ground<'_>, looked: &Looked, tried: Tried, told: &mut PrunedRepository) {
    if looked.plan.goes.is_empty() {
        return;
    }
    let there = match ground.ecr.image_details(&looked.details.name).await {
        Ok(images) => Some(images.into_iter().map(|image| image.digest).collect::<BTreeSet<_>>()),
        Err(error) => {
            ground.failures.push(Failure::from(&error));
            None
        }
    };
    told.keep(&tried.stays);
    for going in &mut told.goes {
        let digest = &going.image.digest;
        let failure = tried.left.get(digest);
        let is_there = there.as_ref().map(|there| there.contains(digest));
        let outcome = match (tried.digests.contains(digest), is_there) {
            (false, Some(false)) => PruneOutcome::Absent,
            (false, _) if failure.is_some() => PruneOutcome::Failed,
            (false, _) => PruneOutcome::NotAttempted,
            (true, Some(false)) if tried.absent.contains(digest) => PruneOutcome::Absent,
            (true, Some(false)) => PruneOutcome::Deleted,
            (true, Some(true) | None) => PruneOutcome::Failed,
        };
        going.failure = match outcome {
            PruneOutcome::Failed => failure.cloned().or_else(|| {
                let unknown = "whether it has gone is not known";
                let why = if is_there.is_some() {
                    "it is there still"
                } else {
                    unknown
                };
                Some(failed(why.to_owned(), Some("run again: it is looked at anew")))
            }),
            _ => None,
        };
        going.outcome = Some(outcome);
    }
    freed_again(looked, told);
}

/// What did not go frees nothing.
fn freed_again(looked: &Looked, told: &mut PrunedRepository) {
    let gone = |digest: &Digest| {
        let mut goes = told.goes.iter();
        goes.any(|one| one.image.digest == *digest && one.outcome == Some(PruneOutcome::Deleted))
    };
    told.freed = looked.plan.freed_by(&looked.repository, gone);
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::aws::ecr::Status;
    use crate::image::Kind;
    use crate::prune::{Protection, Repository, Rules, plan};
    use crate::usage::{Run, WhoRuns};

    const URI: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/api";

    fn image(word: &str) -> ImageDetails {
        ImageDetails {
            digest: Digest::of(word.as_bytes()),
            tags: vec![word.parse().unwrap()],
            kind: Kind::OciManifest,
            artifact_type: None,
            bytes: None,
            pushed: Some(Timestamp::UNIX_EPOCH),
            pulled: None,
            archived: None,
            subject: None,
            status: Status::Active,
        }
    }

    /// All goes that nobody runs.
    fn planned(tags: &[&str]) -> Plan {
        let repository = Repository {
            name: "shop/api".to_owned(),
            uri: URI.to_owned(),
            images: ["a", "b", "c"].map(image).to_vec(),
            contents: BTreeMap::new(),
        };
        let run = |tag: &&str| Run {
            by: format!("service of {tag}"),
            address: format!("{URI}:{tag}"),
            digest: None,
        };
        let who = WhoRuns {
            runs: tags.iter().map(run).collect(),
            ..WhoRuns::default()
        };
        let protection = Protection {
            users: who.of_repository(URI),
            knows_users: true,
            may_run: Vec::new(),
            unused_at: None,
            protected: &[],
            last_copies: Vec::new(),
            backups: Vec::new(),
            backup_term: std::time::Duration::ZERO,
            shown: None,
        };
        plan(&repository, &Rules::all_images(), &protection, Timestamp::now())
    }

    #[test]
    fn what_begins_to_run_between_two_calls_stays() {
        let shown = planned(&[]);
        assert_eq!(shown.goes.len(), 3);
        let mut tried = Tried::default();
        tried.digests.insert(Digest::of(b"a"));
        // What has gone already cannot stay.
        tried.learn(&planned(&["a", "b"]), &shown);
        assert_eq!(tried.stays.keys().collect::<Vec<_>>(), [&Digest::of(b"b")]);
        let free = tried.free(&shown.goes);
        assert!(
            !free.contains(&ImageId::Digest(Digest::of(b"b"))) && free.contains(&ImageId::Digest(Digest::of(b"c")))
        );
    }
}
