//! Who uses what of a registry: asked where that is to be shown, and before something goes. Whom to ask is said in `usage` of the settings.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::aws::AwsError;
use crate::aws::ecr::{Ecr, ImageDetails, Sort};
use crate::census::{CensusOptions, Layers, census};
use crate::image::Tag;
use crate::report::{Failure, Users, WhoWasAsked};
use crate::settings::Settings;
use crate::stop::Stop;
use crate::usage::{Address, Contents, Failed, FailureKind, Joined, Report, Repository, Runner, Service, Use};

/// Who uses what, as far as everybody could be asked.
pub(super) struct InUse {
    report: Report,
    region: String,
    /// What else could not be read.
    failures: Vec<Failure>,
}

impl InUse {
    /// Asks everybody who may run an image of these repositories (`HOST/NAME`) of a registry.
    pub(super) async fn ask(settings: &Settings, ecr: &Ecr, uris: &[&str], stop: &Stop) -> Self {
        let now = Timestamp::now();
        let asked = whom(settings.census.clone(), ecr.region());
        let terms = settings.usage.at(now, &asked.include, asked.regions.as_deref());
        let mut joined = census(&settings.aws, &asked, terms, stop).await;
        let (contents, failures) = running_indexes(&joined, ecr, uris).await;
        joined.learn(&contents, Vec::new());
        Self {
            report: joined.report(now),
            region: ecr.region().to_owned(),
            failures,
        }
    }

    /// Who was asked, and what could not be read that says who runs something in these repositories.
    pub(super) fn who_was_asked(&self, uris: &[&str]) -> WhoWasAsked {
        let accounts = self.report.accounts.iter();
        let mut regions: Vec<String> = Vec::new();
        for asked in accounts.clone().flat_map(|account| &account.regions) {
            if !regions.contains(&asked.region) {
                regions.push(asked.region.clone());
            }
        }
        let failures = self.report.failures.iter();
        let failures = failures.filter(|failed| self.matters(failed, uris)).map(in_words);
        WhoWasAsked {
            runners: self.report.settings.include.clone(),
            accounts: accounts.filter_map(|account| account.id.clone()).collect(),
            regions,
            failures: failures.chain(self.failures.iter().cloned()).collect(),
        }
    }

    fn matters(&self, failed: &Failed, uris: &[&str]) -> bool {
        match failed.service {
            // What has gone since it was listed runs nothing.
            Service::Lambda | Service::Ecs => failed.kind != FailureKind::NotFound,
            Service::Sts | Service::Account => true,
            Service::Ecr => {
                let is_here = failed.region.as_ref() == Some(&self.region);
                let names = |subject: &String| uris.iter().any(|uri| name_of(uri) == subject);
                is_here && failed.subject.as_ref().is_none_or(names)
            }
            Service::Logs | Service::Upstream | Service::Ledger => false,
        }
    }

    fn repository(&self, uri: &str) -> Option<&Repository> {
        let mut all = self.report.repositories().map(|(_, _, one)| one);
        all.find(|one| one.repository_uri == uri)
    }

    /// Who runs one of a repository's images.
    pub(super) fn of_repository(&self, uri: &str) -> Users {
        match self.repository(uri) {
            Some(one) => Users {
                r#use: one.r#use,
                by: one.used_by.clone(),
            },
            None => self.of_an_account_that_was_not_asked(uri, |_| true),
        }
    }

    /// Who runs an image.
    pub(super) fn of_image(&self, uri: &str, image: &ImageDetails) -> Users {
        let Some(repository) = self.repository(uri) else {
            let is_it = |address: &Address<'_>| match address.digest {
                Some(digest) => digest == image.digest.as_str(),
                None => image.tags.iter().any(|tag| tag.as_str() == address.tag_or_latest()),
            };
            return self.of_an_account_that_was_not_asked(uri, is_it);
        };
        let mut images = repository.images.iter();
        match images.find(|one| one.digest == image.digest.as_str()) {
            Some(one) if repository.complete || !one.used_by.is_empty() => Users {
                r#use: one.r#use,
                by: one.used_by.clone(),
            },
            // Somebody who uses the repository may run just this one.
            _ => Users {
                r#use: match repository.used_by.is_empty() {
                    true => repository.r#use,
                    false => Use::Unknown,
                },
                by: Vec::new(),
            },
        }
    }

    /// Who runs an image by this very tag: whoever has it by its digest or by another tag keeps it where only this one goes.
    pub(super) fn of_tag(&self, uri: &str, image: &ImageDetails, tag: &Tag) -> Users {
        let all = self.of_image(uri, image);
        if all.r#use != Use::Used {
            return all;
        }
        // Its users were found by whichever of the registry's names they wrote.
        let names = |address: &Address<'_>| {
            address.digest.is_none() && address.path == name_of(uri) && address.tag_or_latest() == tag.as_str()
        };
        let by_tag = self.addresses().filter(|(_, address)| names(address));
        let by_tag: Vec<&str> = by_tag.map(|(user, _)| user).collect();
        let by: Vec<String> = all
            .by
            .into_iter()
            .filter(|user| by_tag.contains(&user.as_str()))
            .collect();
        Users {
            r#use: match by.is_empty() {
                true => Use::Unused,
                false => Use::Used,
            },
            by,
        }
    }

    /// Everybody who runs something, with its address as it was written.
    fn addresses(&self) -> impl Iterator<Item = (&str, Address<'_>)> {
        let accounts = self.report.accounts.iter();
        let functions = accounts
            .clone()
            .flat_map(|account| account.lambda.0.iter().flat_map(|(_, all)| all));
        let functions = functions.filter_map(|one| Some((one.arn.as_str(), one.image_uri.as_deref()?)));
        let services = accounts.flat_map(|account| account.ecs.0.iter().flat_map(|(_, all)| all));
        let services = services.flat_map(|one| {
            one.containers
                .iter()
                .map(|container| (one.arn.as_str(), container.image_uri.as_str()))
        });
        let all = functions.chain(services);
        all.filter_map(|(user, address)| Some((user, Address::of(address)?)))
    }

    /// Whoever was asked may run images of other accounts; whether that is all of them nobody knows.
    fn of_an_account_that_was_not_asked(&self, uri: &str, is_it: impl Fn(&Address<'_>) -> bool) -> Users {
        let mut by: Vec<String> = Vec::new();
        for (user, address) in self.addresses() {
            if address.repository_uri() == uri && is_it(&address) && !by.iter().any(|one| one == user) {
                by.push(user.to_owned());
            }
        }
        Users {
            r#use: match by.is_empty() {
                true => Use::Unknown,
                false => Use::Used,
            },
            by,
        }
    }
}

/// A function has its image from its own region (AWS Lambda Developer Guide, "Create a Lambda function using a container image"); a task may
/// have it from any.
fn whom(mut asked: CensusOptions, region: &str) -> CensusOptions {
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
    asked.layers = Layers::Unread;
    asked
}

/// Which images of these repositories an index that runs consists of: its parts run, too.
async fn running_indexes(joined: &Joined, ecr: &Ecr, uris: &[&str]) -> (BTreeMap<String, Contents>, Vec<Failure>) {
    let regions = joined.accounts().iter().flat_map(|account| &account.regions);
    let repositories = regions.flat_map(|region| &region.repositories);
    let meant = repositories.filter(|one| uris.contains(&one.repository_uri.as_str()));
    let (mut contents, mut failures) = (BTreeMap::new(), Vec::new());
    for one in meant {
        let indexes = || one.images.iter().filter(|image| image.kind == Sort::Index);
        if indexes().all(|index| index.used_by.is_empty()) {
            continue;
        }
        let digests: Vec<String> = indexes().map(|index| index.digest.clone()).collect();
        match parts(ecr, &one.repository_name, &digests).await {
            Ok(parts) => drop(contents.insert(one.repository_uri.clone(), parts)),
            Err(error) => failures.push(Failure::from(&error)),
        }
    }
    (contents, failures)
}

async fn parts(ecr: &Ecr, repository: &str, digests: &[String]) -> Result<Contents, AwsError> {
    let manifests = ecr.manifests(repository, digests).await?;
    let parts = manifests.into_iter();
    let parts = parts.map(|(digest, manifest)| (digest, (&manifest).into()));
    Ok(parts.collect())
}

/// `HOST/NAME`
fn name_of(uri: &str) -> &str {
    uri.split_once('/').map_or(uri, |(_, name)| name)
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
    use crate::image::{Digest, Kind};
    use crate::usage::{Answer, Asked, Container, EcsService, Found, FoundAccount, FoundRegion, RanImage, Terms};

    const URI: &str = "210987654321.dkr.ecr.eu-central-1.amazonaws.com/shop/web";

    /// Account 123456789012, whose service runs this; the registry is another account's.
    fn of_another_account(image_uri: &str) -> InUse {
        let container = Container {
            container: "web".to_owned(),
            image_uri: image_uri.to_owned(),
            image: RanImage::Unknown,
        };
        let service = EcsService {
            service: "web".to_owned(),
            cluster: "main".to_owned(),
            arn: "web".to_owned(),
            task_definition: "web:1".to_owned(),
            running: 1,
            desired: 1,
            containers: vec![container],
        };
        let region = FoundRegion {
            asked: Asked {
                region: "eu-central-1".to_owned(),
                registry: None,
                ecr: Answer::Read,
                lambda: Answer::Read,
                ecs: Answer::Read,
            },
            repositories: Vec::new(),
            functions: Vec::new(),
            services: vec![service],
            knows_runs: true,
        };
        let account = FoundAccount {
            id: Some("123456789012".to_owned()),
            name: None,
            email: None,
            asked_as: None,
            is_closed: false,
            knows_regions: true,
            regions: vec![region],
        };
        let found = Found {
            accounts: vec![account],
            failures: Vec::new(),
        };
        InUse {
            report: Joined::of(found, terms()).report(Timestamp::UNIX_EPOCH),
            region: "eu-central-1".to_owned(),
            failures: Vec::new(),
        }
    }

    fn terms() -> Terms {
        Terms {
            time_zone: "UTC".to_owned(),
            regions: None,
            include: vec![Runner::Ecs],
            no_push_for: String::new(),
            pushed_before: Timestamp::UNIX_EPOCH,
            no_run_for: String::new(),
            ran_before: Timestamp::UNIX_EPOCH,
            price_per_gb_month: 0.1,
            currency: "USD".to_owned(),
        }
    }

    #[test]
    fn images_of_an_account_that_is_not_asked_are_used_or_it_is_not_known() {
        let image = ImageDetails {
            digest: Digest::of(b"web"),
            tags: vec!["2".parse().unwrap()],
            kind: Kind::OciManifest,
            artifact_type: None,
            bytes: None,
            pushed: None,
            pulled: None,
            status: crate::aws::ecr::Status::Active,
            archived: None,
            subject: None,
        };
        for (address, of_image, of_repository) in [
            (format!("{URI}:2"), Use::Used, Use::Used),
            (format!("{URI}@{}", Digest::of(b"web")), Use::Used, Use::Used),
            (format!("{URI}:3"), Use::Unknown, Use::Used),
            ("docker.io/library/web:2".to_owned(), Use::Unknown, Use::Unknown),
        ] {
            let in_use = of_another_account(&address);
            assert_eq!(in_use.of_image(URI, &image).r#use, of_image, "{address}");
            assert_eq!(in_use.of_repository(URI).r#use, of_repository, "{address}");
        }
    }
}
