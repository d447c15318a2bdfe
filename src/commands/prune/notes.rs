//! What is to be known beside a plan: what could not be read, and what nobody knows.

use std::collections::BTreeSet;

use super::ground::{Ground, Looked};
use crate::aws::ecr::RepositoryDetails;
use crate::prune::{Plan, Protected};
use crate::report::{AskedIn, Failure, Pruned, PrunedRepository};
use crate::usage::{Failed, Unresolved};

impl Ground<'_> {
    /// Services that go on with what nobody tells.
    pub(super) fn unresolved_of(&self, details: &RepositoryDetails) -> impl Iterator<Item = &Unresolved> {
        self.who.unresolved_of(&details.uri).into_iter()
    }

    /// Why it is not known with which digest a service goes on that has an image of this repository.
    pub(super) fn unread_revisions(&self, details: &RepositoryDetails) -> Option<Failure> {
        let failed = self.unresolved_of(details).find_map(|one| one.failed.as_ref())?;
        Some(Failure {
            message: format!(
                "with which images of {} services go on could not be read, so none goes",
                details.name
            ),
            causes: vec![failed.in_words()],
            hint: Some("allow ecs:DescribeServiceRevisions (docs/iam.md has the policy); --without-usage goes on with those who were seen".into()),
        })
        .filter(|_| !self.job.without_usage)
    }

    pub(super) fn unknown_of(&self, details: &RepositoryDetails) -> Vec<String> {
        // arn:PARTITION:ecr:REGION:ACCOUNT:repository/NAME
        let mut parts = details.arn.split(':').skip(3);
        let (region, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        self.who.unknown(account, region)
    }

    /// Why none goes, or why more may be in use than was seen.
    pub(super) fn unknown(&self, details: Option<&RepositoryDetails>) -> Option<Failure> {
        let mut causes = details.map(|one| self.unknown_of(one)).unwrap_or_default();
        if causes.is_empty() || self.job.without_usage {
            return None;
        }
        causes.extend(Failed::grouped(&self.who.failures).map(|failed| failed.in_words()));
        Some(Failure {
            message: "not everybody could be asked who runs these images, so none goes".to_owned(),
            causes,
            hint: Some(
                "allow who runs this to ask (docs/iam.md has the policy), or name the regions in usage.regions; --without-usage goes on with \
                 those who were seen"
                    .into(),
            ),
        })
    }

    /// The plan, as it is told.
    pub(super) fn told(&self, looked: &[Looked]) -> Pruned {
        let repositories = looked.iter().map(|one| self.told_of(&one.details, &one.plan));
        Pruned::new(
            self.rules().clone(),
            repositories.collect(),
            self.asked_in(),
            self.notes(looked),
            self.failures.clone(),
        )
    }

    /// Entries of `protect` that protect nothing of these repositories.
    fn idle_entries(&self, looked: &[Looked]) -> impl Iterator<Item = String> {
        let is_idle = |entry: &&Protected| {
            let mut all = looked
                .iter()
                .flat_map(|one| one.repository.images.iter().map(move |image| (one, image)));
            !all.any(|(one, image)| entry.has(&one.repository.name, image))
        };
        self.settings
            .prune
            .protected
            .iter()
            .filter(is_idle)
            .map(|entry| format!("{:?}", entry.to_string()))
    }

    fn asked_in(&self) -> AskedIn {
        let answered = self.who.answered.iter();
        let accounts: BTreeSet<&String> = answered.clone().filter_map(|one| one.account.as_ref()).collect();
        let regions: BTreeSet<&String> = answered.map(|one| &one.region).collect();
        AskedIn {
            accounts: accounts.into_iter().cloned().collect(),
            regions: regions.into_iter().cloned().collect(),
        }
    }

    pub(super) fn told_of(&self, details: &RepositoryDetails, plan: &Plan) -> PrunedRepository {
        let notes = self.notes_of(details, plan);
        PrunedRepository::new(details.name.clone(), details.uri.clone(), plan, notes)
    }

    fn notes(&self, looked: &[Looked]) -> Vec<String> {
        let mut notes = self.left_out.clone();
        let unknown = looked
            .first()
            .map(|one| self.unknown_of(&one.details))
            .unwrap_or_default();
        if self.job.without_usage && !unknown.is_empty() {
            notes.push(format!("--without-usage: {}", unknown.join("; ")));
        }
        if self.guard.is_ignorant() {
            notes.push(format!(
                "the ledger at {} is empty or not there: what may be the last copy of an image is not known",
                self.settings.ledger
            ));
        }
        let idle: Vec<String> = self.idle_entries(looked).collect();
        if !idle.is_empty() {
            notes.push(format!(
                "of protect, these match nothing that was looked at: {}",
                idle.join(", ")
            ));
        }
        let is_read = |one: &&Looked| !one.repository.contents.is_empty();
        if looked.iter().any(|one| is_read(&one)) {
            let what = match self.job.count_layers {
                true => "manifests of images were read to count layers, and what indexes consist of",
                false => "what indexes consist of was read",
            };
            notes.push(format!(
                "{what}: ECR takes that for a pull of each, unless the role is excluded from pull times"
            ));
        }
        notes
    }

    /// What follows an upstream here would bring tags again.
    fn notes_of(&self, details: &RepositoryDetails, plan: &Plan) -> Vec<String> {
        let unresolved = self.unresolved_of(details).map(|one| {
            format!(
                "{} goes on with what {} named when it was deployed, and ECS does not tell what that was: a new deployment of it does",
                one.by, one.address
            )
        });
        let unresolved = unresolved.collect();
        if plan.goes.iter().all(|going| going.image.tags.is_empty()) {
            return unresolved;
        }
        let entries = self.settings.images.iter().map(|entry| &entry.named);
        let own = entries.filter(|named| named.repository == details.name);
        let mut notes: Vec<String> = own
            .map(|named| {
                format!(
                    "{} brings tags here: those that it still chooses come again with the next sync",
                    named.from
                )
            })
            .collect();
        notes.dedup();
        notes.extend(unresolved);
        if self.settings.resource_tags {
            notes.push("tags that its resource tags ecr_sync_… still choose come again with the next sync".to_owned());
        }
        notes
    }
}
