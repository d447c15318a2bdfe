//! Who runs which images of a registry, wherever they are themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::{Address, Failed};
use crate::aws::ecr::account_and_region;

/// Somebody who runs an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The ARN of a function, a service, or the task definition of a task.
    pub by: String,
    /// The image's address, as it was written.
    pub address: String,
    /// The digest that runs, where that is known.
    pub digest: Option<String>,
}

/// A service that goes on with the digest that a tag named when it was deployed, which is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The service's ARN.
    pub by: String,
    /// The image's address, as it was written.
    pub address: String,
    /// Why the service's revisions could not be read; none where ECS has none that tell it.
    pub failed: Option<Failed>,
}

/// Who answered in one region of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Twelve digits; none where it could not be asked who it is.
    pub account: Option<String>,
    /// Its code.
    pub region: String,
    /// Whether all functions are known, each with its image.
    pub functions: bool,
    /// Whether all services and tasks are.
    pub services: bool,
}

/// Who runs what, as far as everybody could be asked.
#[derive(Debug, Clone, Default)]
pub struct WhoRuns {
    /// All that was seen.
    pub runs: Vec<Run>,
    /// Who of these may run another image than the one that is known.
    pub unresolved: Vec<Unresolved>,
    /// Who was asked.
    pub answered: Vec<Answered>,
    /// What could not be read.
    pub failures: Vec<Failed>,
    /// Accounts that let nobody ask, and accounts of which not all regions are known: by number or role.
    pub closed: Vec<String>,
}

impl WhoRuns {
    /// Why somebody may run an image of this account and region and was not seen; nothing where all are known.
    ///
    /// A function has its image from its own region (AWS Lambda Developer Guide, "Create a Lambda function using a container image"); a task may
    /// have it from any.
    pub fn unknown(&self, account: &str, region: &str) -> Vec<String> {
        let is_own = |one: &&Answered| one.region == region && one.account.as_deref() == Some(account);
        let mut why = BTreeSet::new();
        if !self.answered.iter().any(|one| is_own(&one)) {
            why.insert(format!("account {account} was not asked what runs in {region}"));
        }
        let mut services: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for one in &self.answered {
            let of = one.account.as_deref().unwrap_or("an account whose number is not known");
            if one.region == region && !one.functions {
                why.insert(format!("not all functions of {of} in {region} are known"));
            }
            if !one.services {
                services.entry(of).or_default().push(&one.region);
            }
        }
        let services = services.into_iter().map(|(of, regions)| {
            let regions = regions.join(", ");
            format!("not all services and tasks of {of} in {regions} are known")
        });
        why.extend(services);
        let closed = self.closed.iter();
        why.extend(closed.map(|account| format!("not all of {account} could be asked")));
        why.into_iter().collect()
    }

    /// Those who run an image of the repository at this address (`HOST/NAME`).
    pub fn of_repository<'a>(&'a self, uri: &str) -> UsersOf<'a> {
        let here = self.runs.iter().filter_map(|run| {
            let address = Address::of(&run.address).filter(|address| is_of(address, uri))?;
            let says = address.digest.map_or(Runs::Tag(address.tag_or_latest()), Runs::Digest);
            Some(UserOf {
                by: &run.by,
                runs: run.digest.as_deref().map_or(says, Runs::Digest),
                says,
            })
        });
        UsersOf { all: here.collect() }
    }

    /// Those who may run any image of the repository at this address (`HOST/NAME`), each once.
    pub fn unresolved_of(&self, uri: &str) -> Vec<&Unresolved> {
        let mut all: Vec<&Unresolved> = Vec::new();
        let here = |one: &&Unresolved| Address::of(&one.address).is_some_and(|address| is_of(&address, uri));
        for one in self.unresolved.iter().filter(here) {
            if !all.contains(&one) {
                all.push(one);
            }
        }
        all
    }
}

/// Those who run an image of one repository.
#[derive(Debug, Clone)]
pub struct UsersOf<'a> {
    all: Vec<UserOf<'a>>,
}

#[derive(Debug, Clone)]
struct UserOf<'a> {
    by: &'a str,
    runs: Runs<'a>,
    /// What its address names.
    says: Runs<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Runs<'a> {
    Digest(&'a str),
    Tag(&'a str),
}

impl<'a> UsersOf<'a> {
    /// All of them, once each.
    pub fn everybody(&self) -> Vec<&'a str> {
        let mut all: Vec<&str> = Vec::new();
        for user in &self.all {
            if !all.contains(&user.by) {
                all.push(user.by);
            }
        }
        all
    }

    /// The same, where these are all images of the repository. Who runs what is not among them is taken to run what its address names: that is all
    /// that is left for it to be started from again.
    pub fn among<'d>(mut self, images: impl IntoIterator<Item = &'d str>) -> Self {
        let there: BTreeSet<&str> = images.into_iter().collect();
        for user in &mut self.all {
            if matches!(user.runs, Runs::Digest(digest) if !there.contains(digest)) {
                user.runs = user.says;
            }
        }
        self
    }

    /// Those who run this image, once each: by the digest that runs where it is known, else by the tag.
    pub fn of_image(&self, digest: &str, tags: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<&'a str> {
        let tags: Vec<_> = tags.into_iter().collect();
        let mut all: Vec<&str> = Vec::new();
        for user in &self.all {
            let is_it = match user.runs {
                Runs::Digest(own) => own == digest,
                Runs::Tag(own) => tags.iter().any(|tag| tag.as_ref() == own),
            };
            if is_it && !all.contains(&user.by) {
                all.push(user.by);
            }
        }
        all
    }
}

/// Whether an address is of a repository, by whichever of ECR's names for its registry.
fn is_of(address: &Address<'_>, uri: &str) -> bool {
    let Some((host, name)) = uri.split_once('/') else {
        return false;
    };
    let is_same_place = || account_and_region(host).is_some_and(|own| account_and_region(address.host) == Some(own));
    address.path == name && (address.host == host || is_same_place())
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/api";

    fn run(by: &str, address: &str, digest: Option<&str>) -> Run {
        Run {
            by: by.to_owned(),
            address: address.to_owned(),
            digest: digest.map(str::to_owned),
        }
    }

    fn answered(account: &str, region: &str, functions: bool, services: bool) -> Answered {
        Answered {
            account: Some(account.to_owned()),
            region: region.to_owned(),
            functions,
            services,
        }
    }

    #[test]
    fn an_image_is_run_by_its_digest_or_else_by_its_tag() {
        let who = WhoRuns {
            runs: vec![
                run("resolved", &format!("{URI}:v1"), Some("sha256:a")),
                run("tagged", &format!("{URI}:v1"), None),
                run("pinned", &format!("{URI}@sha256:a"), None),
                run("latest", URI, None),
                run("other", &format!("{URI}-2:v1"), None),
                // Amazon ECR endpoints: the same registry by IPv6 too.
                run(
                    "dual-stack",
                    "123456789012.dkr-ecr.eu-central-1.on.aws/shop/api:v2",
                    None,
                ),
            ],
            ..WhoRuns::default()
        };
        assert_eq!(
            who.of_repository(URI).of_image("sha256:a", ["old"]),
            ["resolved", "pinned"]
        );
        assert_eq!(
            who.of_repository(URI).of_image("sha256:b", ["v1", "latest"]),
            ["tagged", "latest"]
        );
        assert_eq!(who.of_repository(URI).of_image("sha256:c", ["v2"]), ["dual-stack"]);
        assert_eq!(who.of_repository(URI).of_image("sha256:d", [""; 0]), [""; 0]);
    }

    #[test]
    fn who_runs_what_is_not_there_is_taken_to_run_what_its_address_names() {
        let who = WhoRuns {
            runs: vec![
                run("by tag", &format!("{URI}:v1"), Some("sha256:gone")),
                run("by digest", &format!("{URI}@sha256:a"), Some("sha256:gone")),
                run("there", &format!("{URI}:v1"), Some("sha256:b")),
            ],
            ..WhoRuns::default()
        };
        let users = who.of_repository(URI).among(["sha256:a", "sha256:b", "sha256:c"]);
        assert_eq!(users.of_image("sha256:a", [""; 0]), ["by digest"]);
        assert_eq!(users.of_image("sha256:b", [""; 0]), ["there"]);
        assert_eq!(users.of_image("sha256:c", ["v1"]), ["by tag"]);
    }

    #[test]
    fn who_was_not_asked_may_run_something() {
        let of = |answered: Vec<Answered>| {
            let who = WhoRuns {
                answered,
                ..WhoRuns::default()
            };
            who.unknown("1", "eu").len()
        };
        assert_eq!(of(vec![answered("1", "eu", true, true)]), 0);
        assert_eq!(of(vec![]), 1, "its own account and region");
        assert_eq!(
            of(vec![answered("2", "eu", true, true)]),
            1,
            "another account says nothing"
        );
        // Another account's functions may run it, from the same region; its services from any.
        for (other, why) in [
            (answered("2", "eu", false, true), 1),
            (answered("2", "us", false, true), 0),
            (answered("2", "us", true, false), 1),
        ] {
            assert_eq!(
                of(vec![answered("1", "eu", true, true), other.clone()]),
                why,
                "{other:?}"
            );
        }
        let silent = WhoRuns {
            answered: vec![answered("1", "eu", true, false), answered("1", "us", true, false)],
            ..WhoRuns::default()
        };
        let told = ["not all services and tasks of 1 in eu, us are known"];
        assert_eq!(silent.unknown("1", "eu"), told);
        let closed = WhoRuns {
            answered: vec![answered("1", "eu", true, true)],
            closed: vec!["a role".to_owned()],
            ..WhoRuns::default()
        };
        assert_eq!(closed.unknown("1", "eu"), ["not all of a role could be asked"]);
    }
}
