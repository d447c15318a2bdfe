//! Who uses what of a registry: asked where that is to be shown, and before something goes. In which accounts and regions is said in `usage` of the settings.

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::ecr::{Ecr, ImageDetails, RepositoryDetails, Status};
use crate::aws::{AwsError, account_and_region_of};
use crate::census::{CensusOptions, who_runs};
use crate::image::{Digest, Tag};
use crate::report::{Failure, Users, WhoWasAsked};
use crate::settings::Settings;
use crate::stop::Stop;
use crate::usage::{Address, Failed, Run, Runner, Use, WhoRuns};

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// Those of `usage.include`.
    AsSaid,
    /// All who can be: what goes has to be nobody's.
    Everybody,
}

/// Who uses what of a registry, as far as everybody could be asked.
pub(super) struct InUse {
    who: WhoRuns,
    runners: Vec<Runner>,
    /// Whether all are known who may run something of the registry.
    is_known: bool,
}

impl InUse {
    /// Asks who runs images of the registry that this repository is in.
    pub(super) async fn ask(
        settings: &Settings,
        ecr: &Ecr,
        repository: &RepositoryDetails,
        whom: Whom,
        stop: &Stop,
    ) -> Self {
        let asked = asked(settings.census.clone(), ecr.region(), whom);
        let who = who_runs(&settings.aws, &asked, stop).await;
        let (account, region) = account_and_region_of(&repository.arn).unwrap_or_default();
        Self {
            is_known: who.unknown(account, region).is_empty(),
            runners: asked.include,
            who,
        }
    }

    /// Who was asked, and what could not be read of that.
    pub(super) fn who_was_asked(&self) -> WhoWasAsked {
        let answered = self.who.answered.iter();
        let accounts: BTreeSet<&String> = answered.clone().filter_map(|one| one.account.as_ref()).collect();
        let regions: BTreeSet<&String> = answered.map(|one| &one.region).collect();
        WhoWasAsked {
            runners: self.runners.clone(),
            accounts: accounts.into_iter().cloned().collect(),
            regions: regions.into_iter().cloned().collect(),
            failures: Failed::grouped(&self.who.failures)
                .map(|failed| in_words(&failed))
                .collect(),
        }
    }

    fn users(&self, by: impl IntoIterator<Item = impl Into<String>>) -> Users {
        let by: Vec<String> = by.into_iter().map(Into::into).collect();
        Users {
            r#use: match (by.is_empty(), self.is_known) {
                (false, _) => Use::Used,
                (true, true) => Use::Unused,
                (true, false) => Use::Unknown,
            },
            by,
        }
    }

    /// Who runs one of the images of the repository at this address (`HOST/NAME`).
    pub(super) fn of_repository(&self, uri: &str) -> Users {
        self.users(self.who.of_repository(uri).everybody())
    }

    /// Who runs which of a repository's images, which these are all. The parts of an index that runs run, too, and it does where one of them does;
    /// and why that could not be read.
    pub(super) async fn of_images(
        &self,
        repository: &RepositoryDetails,
        images: &[ImageDetails],
        ecr: &Ecr,
    ) -> (BTreeMap<Digest, Users>, Option<Failure>) {
        let (parts, failure) = match self.of_repository(&repository.uri).by.is_empty() {
            true => (BTreeMap::new(), None),
            false => match parts(&repository.name, images, ecr).await {
                Ok(parts) => (parts, None),
                Err(error) => (BTreeMap::new(), Some(Failure::from(&error))),
            },
        };
        (self.with_parts(&repository.uri, images, &parts), failure)
    }

    /// The same, where it is known what indexes consist of.
    fn with_parts(
        &self,
        uri: &str,
        images: &[ImageDetails],
        parts: &BTreeMap<Digest, Vec<Digest>>,
    ) -> BTreeMap<Digest, Users> {
        let here = self.who.of_repository(uri);
        let here = here.among(images.iter().map(|image| image.digest.as_str()));
        let direct = |image: &ImageDetails| here.of_image(image.digest.as_str(), image.tags.iter().map(Tag::as_str));
        let direct: BTreeMap<&Digest, Vec<&str>> = images.iter().map(|image| (&image.digest, direct(image))).collect();
        let mut all: BTreeMap<&Digest, BTreeSet<&str>> = direct
            .iter()
            .map(|(digest, by)| (*digest, by.iter().copied().collect()))
            .collect();
        for index in parts.keys() {
            for part in all_parts_of(index, parts) {
                for (one, other) in [(index, part), (part, index)] {
                    let by = direct.get(other).into_iter().flatten();
                    all.entry(one).or_default().extend(by);
                }
            }
        }
        let is_unread = |image: &&ImageDetails| image.kind.is_index() && !parts.contains_key(&image.digest);
        let unread: BTreeSet<&Digest> = images.iter().filter(is_unread).map(|image| &image.digest).collect();
        let may_be_part = unread
            .iter()
            .any(|index| all.get(index).is_some_and(|by| !by.is_empty()));
        // What runs may be a part of any index that was not read, and so of what that is a part of.
        let is_any_used = self.of_repository(uri).r#use == Use::Used;
        let may_have_part = |index: &Digest| {
            let mut within = all_parts_of(index, parts).into_iter().chain([index]);
            is_any_used && within.any(|one| unread.contains(one))
        };
        // A service goes on with what its tag named when it was deployed, and nobody tells which image that was.
        let may_be_any = !self.who.unresolved_of(uri).is_empty();
        let told = images.iter().map(|image| {
            let mut users = self.users(all.remove(&image.digest).unwrap_or_default());
            if users.r#use == Use::Unused && (may_be_any || may_be_part || may_have_part(&image.digest)) {
                users.r#use = Use::Unknown;
            }
            (image.digest.clone(), users)
        });
        told.collect()
    }

    /// Who, of all that run an image, names it by this very tag: whoever has it by its digest or by another tag keeps it where only this one goes.
    pub(super) fn of_tag(&self, uri: &str, tag: &Tag, of_image: &Users) -> Users {
        if of_image.r#use != Use::Used {
            return of_image.clone();
        }
        // They were found by whichever of the registry's names they wrote.
        let name = uri.split_once('/').map_or(uri, |(_, name)| name);
        let names = |run: &&Run| {
            let address = Address::of(&run.address);
            address.is_some_and(|one| one.digest.is_none() && one.path == name && one.tag_or_latest() == tag.as_str())
        };
        let by_tag: Vec<&str> = self.who.runs.iter().filter(names).map(|run| run.by.as_str()).collect();
        let by: Vec<&String> = of_image
            .by
            .iter()
            .filter(|user| by_tag.contains(&user.as_str()))
            .collect();
        self.users(by)
    }
}

/// A function has its image from its own region (AWS Lambda Developer Guide, "Create a Lambda function using a container image"); a task may
/// have it from any.
fn asked(mut asked: CensusOptions, region: &str, whom: Whom) -> CensusOptions {
    if whom == Whom::Everybody {
        asked.include = vec![Runner::Lambda, Runner::Ecs];
    }
    let is_everywhere = asked.include.contains(&Runner::Ecs);
    asked.regions = match asked.regions.filter(|_| is_everywhere) {
        None if is_everywhere => None,
        None => Some(vec![region.to_owned()]),
        Some(mut regions) => {
            if !regions.iter().any(|one| one == region) {
                regions.push(region.to_owned());
            }
            Some(regions)
        }
    };
    asked
}

/// What an index consists of, the parts of its parts too.
fn all_parts_of<'a>(index: &'a Digest, parts: &'a BTreeMap<Digest, Vec<Digest>>) -> BTreeSet<&'a Digest> {
    let mut all = BTreeSet::new();
    let mut next = vec![index];
    while let Some(one) = next.pop() {
        let named = parts.get(one).into_iter().flatten();
        next.extend(named.filter(|part| *part != index && all.insert(*part)));
    }
    all
}

/// What indexes consist of. Archived ones cannot be read.
async fn parts(
    repository: &str,
    images: &[ImageDetails],
    ecr: &Ecr,
) -> Result<BTreeMap<Digest, Vec<Digest>>, AwsError> {
    let indexes = images
        .iter()
        .filter(|image| image.kind.is_index() && image.status == Status::Active);
    let indexes: Vec<String> = indexes.map(|index| index.digest.to_string()).collect();
    if indexes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let manifests = ecr.manifests(repository, &indexes).await?;
    let parts = manifests.into_iter().filter_map(|(digest, manifest)| {
        let parts = manifest.children().iter().map(|part| part.digest.clone());
        Some((digest.parse().ok()?, parts.collect()))
    });
    Ok(parts.collect())
}

fn in_words(failed: &Failed) -> Failure {
    Failure {
        message: failed.message.clone(),
        causes: failed.causes.clone(),
        hint: failed.hint.clone().map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Kind;
    use crate::usage::Unresolved;

    const URI: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/web";

    fn in_use(runs: &[(&str, &str, Option<&Digest>)], is_known: bool) -> InUse {
        let run = |(by, tag, digest): &(&str, &str, Option<&Digest>)| Run {
            by: (*by).to_owned(),
            address: format!("{URI}:{tag}"),
            digest: digest.map(ToString::to_string),
        };
        InUse {
            who: WhoRuns {
                runs: runs.iter().map(run).collect(),
                ..WhoRuns::default()
            },
            runners: Vec::new(),
            is_known,
        }
    }

    fn image(name: &str, tags: &[&str], kind: Kind) -> ImageDetails {
        ImageDetails {
            digest: Digest::of(name.as_bytes()),
            tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
            kind,
            artifact_type: None,
            bytes: None,
            pushed: None,
            pulled: None,
            archived: None,
            subject: None,
            status: Status::Active,
        }
    }

    #[test]
    fn an_index_and_its_parts_run_together() {
        let all = [
            image("index", &["2"], Kind::OciIndex),
            image("part", &[], Kind::OciManifest),
            image("other", &["1"], Kind::OciManifest),
        ];
        let parts: BTreeMap<Digest, Vec<Digest>> = [(all[0].digest.clone(), vec![all[1].digest.clone()])].into();
        let uses = |in_use: &InUse, parts: &BTreeMap<Digest, Vec<Digest>>| {
            let users = in_use.with_parts(URI, &all, parts);
            all.each_ref().map(|image| users[&image.digest].r#use)
        };
        let of_index = in_use(&[("service", "2", None)], true);
        assert_eq!(uses(&of_index, &parts), [Use::Used, Use::Used, Use::Unused]);
        let of_part = in_use(&[("task", "2", Some(&all[1].digest))], true);
        assert_eq!(uses(&of_part, &parts), [Use::Used, Use::Used, Use::Unused]);
        // What it consists of could not be read.
        assert_eq!(
            uses(&of_index, &BTreeMap::new()),
            [Use::Used, Use::Unknown, Use::Unknown]
        );
        // It may be a part of the one that could not be read.
        assert_eq!(uses(&of_part, &BTreeMap::new()), [Use::Unknown, Use::Used, Use::Unused]);
        // Not everybody could be asked.
        let unknown = in_use(&[], false);
        assert_eq!(uses(&unknown, &parts), [Use::Unknown; 3]);
    }

    #[test]
    fn an_index_of_indexes_runs_with_all_that_is_in_it() {
        let all = [
            image("outer", &["2"], Kind::OciIndex),
            image("inner", &[], Kind::OciIndex),
            image("part", &[], Kind::OciManifest),
            image("other", &["1"], Kind::OciManifest),
        ];
        let [outer, inner, part, _] = all.each_ref().map(|image| image.digest.clone());
        let uses = |in_use: &InUse, parts: &BTreeMap<Digest, Vec<Digest>>| {
            let users = in_use.with_parts(URI, &all, parts);
            all.each_ref().map(|image| users[&image.digest].r#use)
        };
        let whole: BTreeMap<Digest, Vec<Digest>> = [
            (outer.clone(), vec![inner.clone()]),
            (inner.clone(), vec![part.clone()]),
        ]
        .into();
        let together = [Use::Used, Use::Used, Use::Used, Use::Unused];
        let of_part = in_use(&[("task", "2", Some(&part))], true);
        assert_eq!(uses(&of_part, &whole), together);
        assert_eq!(uses(&in_use(&[("service", "2", None)], true), &whole), together);
        // The inner one could not be read.
        let half: BTreeMap<Digest, Vec<Digest>> = [(outer, vec![inner])].into();
        assert_eq!(
            uses(&of_part, &half),
            [Use::Unknown, Use::Unknown, Use::Used, Use::Unused]
        );
    }

    #[test]
    fn an_image_may_be_what_a_service_goes_on_with_where_nobody_tells_that() {
        let [old, new] = [
            image("old", &["1"], Kind::OciManifest),
            image("new", &["2"], Kind::OciManifest),
        ];
        let mut in_use = in_use(&[("service", "2", None)], true);
        let uses = |in_use: &InUse| {
            let users = in_use.with_parts(URI, &[old.clone(), new.clone()], &BTreeMap::new());
            [&old, &new].map(|image| users[&image.digest].r#use)
        };
        assert_eq!(uses(&in_use), [Use::Unused, Use::Used]);
        in_use.who.unresolved.push(Unresolved {
            by: "service".to_owned(),
            address: format!("{URI}:2"),
            failed: None,
        });
        assert_eq!(uses(&in_use), [Use::Unknown, Use::Used]);
    }

    #[test]
    fn a_tag_is_used_by_those_who_name_it() {
        let web = image("web", &["1", "latest"], Kind::OciManifest);
        let in_use = in_use(&[("function", "1", Some(&web.digest))], true);
        let users = in_use.with_parts(URI, std::slice::from_ref(&web), &BTreeMap::new());
        let of_tag = |tag: &str| in_use.of_tag(URI, &tag.parse().unwrap(), &users[&web.digest]).r#use;
        assert_eq!((of_tag("1"), of_tag("latest")), (Use::Used, Use::Unused));
    }
}
