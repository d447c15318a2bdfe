//! Where the images of an entry of `images` go: a repository, in the run's own registry or in others of ECR.

use std::collections::BTreeSet;

use super::images::filled;
use super::keys::{Key, key};
use super::reader::{Reader, Setting, text_of};
use super::values::{from_str, host, region, role, url};
use crate::aws::Partition;
use crate::aws::ecr::{account_and_region, host_and_name};
use crate::image::Repository;
use crate::mapping::Elsewhere;

/// In the order of `settings.yaml`.
pub(super) const OF_TARGETS: [Key; 5] = [
    key("images.#.targets.#.registry", None, "a registry of ECR, as host[:port]")
        .about("A registry that the entry's images go to, in the place of the run's own. Its own host name says its region too."),
    key("images.#.targets.#.region", None, "a region code, such as eu-west-1")
        .about("The region of that registry. Without a registry, the account's own there."),
    key(
        "images.#.targets.#.role_arn",
        None,
        "a role's ARN, such as arn:aws:iam::123456789012:role/mirror",
    )
    .about("The role that is assumed to write there, in the place of aws.role_arn."),
    key("images.#.targets.#.endpoint_url", None, "a http:// or https:// URL")
        .about("Where that registry's ECR API is asked instead of AWS."),
    key(
        "images.#.targets.#.repository",
        None,
        "a repository's name in that registry, or its ARN, which says the registry too",
    )
    .about("The repository that they go to there, in the place of the one that the entry says."),
];

/// A repository's name in ECR (API reference, CreateRepository).
const SHORTEST: usize = 2;
const LONGEST: usize = 256;

/// A repository in the run's own registry, or in another.
pub(super) type Target = (Option<Elsewhere>, String);

impl Reader {
    /// All repositories that the images of `upstream` go to; none where one of them is a mistake, which is noted.
    pub(super) fn targets(&mut self, entry: &[String], upstream: Option<&Repository>) -> Vec<Target> {
        let list = [entry, &["targets".to_owned()]].concat();
        let numbers: BTreeSet<usize> = self.entries(&list);
        let says_none = self.inside(&list).next().is_none();
        let own = self.own_repository(entry, upstream, says_none);
        let mistakes = self.mistakes.len();
        let mut targets = Vec::new();
        for number in numbers {
            let at = [&list[..], &[number.to_string()]].concat();
            let target = self.target(&at, own.as_ref());
            match target {
                Some(target) if targets.contains(&target) => {
                    self.wrong_with(&at, "is the same as one before it".to_owned());
                }
                target => targets.extend(target),
            }
        }
        let targets: Vec<Target> = match targets.is_empty() && self.mistakes.len() == mistakes {
            true => own.into_iter().collect(),
            false => targets,
        };
        if let Some(upstream) = upstream.filter(|upstream| targets.iter().any(|target| self.is_at(target, upstream))) {
            self.wrong_with(
                entry,
                format!("{upstream} would be brought to itself; name another repository"),
            );
        }
        targets
    }

    /// Whether a target is the repository that the images come from, as far as that shows before anybody is asked.
    pub(super) fn is_at(&self, (elsewhere, name): &Target, upstream: &Repository) -> bool {
        let said = |path: &str| self.find(path).and_then(|setting| text_of(&setting.found.value));
        let own = || said("ecr");
        let there = match elsewhere {
            None => own(),
            Some(elsewhere) => elsewhere.registry.clone().or_else(|| {
                // The account's own in that region.
                let known = own();
                let of_host = known
                    .as_deref()
                    .and_then(account_and_region)
                    .map(|(account, _)| account.to_owned());
                let account = of_host
                    .or_else(|| said("aws.account_id"))
                    .filter(|_| elsewhere.role_arn.is_none())?;
                let (of_upstream, region) = account_and_region(&upstream.host)?;
                let is_there = of_upstream == account && elsewhere.region.as_deref() == Some(region);
                is_there.then(|| upstream.host.to_string())
            }),
        };
        *upstream.path == **name && there.as_deref() == Some(&*upstream.host)
    }

    /// What the entry itself says; beside `targets` it need not.
    fn own_repository(&mut self, entry: &[String], upstream: Option<&Repository>, is_needed: bool) -> Option<Target> {
        let repository = self.told(entry, "repository", repository);
        let prefix = self.value(entry, "repo_prefix", |text| is_name(text).then(|| text.to_owned()));
        let template = self.value(entry, "name", |text| is_template(text).then(|| text.to_owned()));
        let ways = ["repository", "repo_prefix", "name"].map(|way| (way, self.at(entry, way)));
        let mut said = ways.into_iter().filter_map(|(way, setting)| Some((way, setting?)));
        match said.next() {
            None if is_needed => self.lacking(entry, "repository, repo_prefix, name or targets: where the images go"),
            None => {}
            Some((first, _)) => {
                let mistake = |(_, setting): (_, Setting)| {
                    setting.mistake(format!("{first} says where the images go: only one of them can"))
                };
                self.mistakes.extend(said.map(mistake));
            }
        }
        let upstream = upstream?;
        let (elsewhere, name) = match (repository, prefix, template) {
            (Some(repository), None, None) => repository,
            (None, Some(prefix), None) => (None, format!("{prefix}/{}", upstream.path)),
            (None, None, Some(template)) => (None, filled(&template, upstream)),
            _ => return None,
        };
        let wrong = match () {
            () if !is_name(&name) => format!("{name:?} is no repository's name: {}", no_name(&name)),
            () => return Some((elsewhere, name)),
        };
        self.wrong_with(entry, wrong);
        None
    }

    fn target(&mut self, at: &[String], own: Option<&Target>) -> Option<Target> {
        let mistakes = self.mistakes.len();
        let registry = self.value(at, "registry", host);
        let said_region = self.value(at, "region", region);
        let role_arn = self.value(at, "role_arn", role);
        let endpoint_url = self.value(at, "endpoint_url", url);
        let named = self.told(at, "repository", repository);
        if self.mistakes.len() > mistakes {
            return None;
        }
        let of_arn = named.as_ref().or(own).and_then(|(elsewhere, _)| elsewhere.as_ref());
        let of_arn = of_arn.and_then(|elsewhere| elsewhere.registry.clone());
        if let (Some(of_arn), Some(said)) = (&of_arn, registry.as_ref().filter(|said| of_arn.as_ref() != Some(*said))) {
            self.wrong_with(
                at,
                format!("the repository's ARN is of {of_arn}, and registry is {said}"),
            );
        }
        let registry = registry.or(of_arn);
        let of_host = registry.as_deref().and_then(account_and_region);
        if let (Some((_, of_host)), Some(said)) = (of_host, &said_region)
            && of_host != said
        {
            self.wrong_with(at, format!("the registry is in {of_host}, and region is {said}"));
        }
        if let Some(other) = registry
            .as_deref()
            .filter(|_| of_host.is_none() && endpoint_url.is_none())
            && !self.is_said("aws.endpoint_url")
        {
            self.wrong_with(
                at,
                format!(
                    "{other} is no registry of ECR, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com; `ecr-keeper copy` brings an image \
                     to any, and endpoint_url names another API of ECR's kind"
                ),
            );
        }
        if registry.is_none() && said_region.is_none() {
            self.lacking(at, "registry or region, or a repository's ARN: which registry it is");
        }
        let Some((_, name)) = named.as_ref().or(own) else {
            // What is wrong with the entry's own is noted already.
            let is_said = ["repository", "repo_prefix", "name"].map(|way| self.at(&at[..at.len() - 2], way).is_some());
            if !is_said.contains(&true) {
                self.lacking(at, "repository, there or in the entry itself: where the images go");
            }
            return None;
        };
        let elsewhere = Elsewhere {
            region: said_region.or_else(|| of_host.map(|(_, region)| region.to_owned())),
            registry,
            role_arn,
            endpoint_url,
        };
        Some((Some(elsewhere), name.clone())).filter(|_| self.mistakes.len() == mistakes)
    }
}

/// A repository's name, or its ARN.
fn repository(text: &str) -> Result<Target, String> {
    match text.starts_with("arn:") {
        true => {
            let (registry, name) = host_and_name(text)?;
            let region = account_and_region(&registry).map(|(_, region)| region.to_owned());
            let partition = text.split(':').nth(1).unwrap_or_default();
            if let Some(region) = region
                .as_deref()
                .filter(|region| Partition::of_region(region).name != partition)
            {
                let own = Partition::of_region(region).name;
                return Err(format!(
                    "{region} is in the partition {own}, and the ARN says {partition}"
                ));
            }
            if !is_name(name) {
                return Err(no_name(name));
            }
            let elsewhere = Elsewhere {
                region,
                registry: Some(registry),
                ..Elsewhere::default()
            };
            Ok((Some(elsewhere), name.to_owned()))
        }
        false if is_name(text) => Ok((None, text.to_owned())),
        false => Err(no_name(text)),
    }
}

/// What a name that is none has to be.
fn no_name(name: &str) -> String {
    let rule = format!("{SHORTEST} to {LONGEST} lowercase letters and digits, with . _ - or / between");
    match name.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) && is_name(rest) && self::host(host).is_some() => {
            format!("{host} is a registry, which targets name; the name alone is {rest}")
        }
        _ => format!("a name in ECR is {rule}"),
    }
}

/// What stands for parts of the upstream in `name` is filled in to find out whether nothing but names is left, of which there has to be one: two
/// upstreams would share a repository.
fn is_template(text: &str) -> bool {
    from_str::<Repository>("registry.example.com/team/app").is_some_and(|any| {
        let filled = filled(text, &any);
        filled != text && is_name(&filled)
    })
}

/// Of a repository of ECR (API reference, CreateRepository), without the registry before it.
fn is_name(text: &str) -> bool {
    let is_of_ecr = text
        .split('/')
        .next()
        .is_some_and(|first| account_and_region(first).is_some());
    !is_of_ecr
        && (SHORTEST..=LONGEST).contains(&text.len())
        && format!("registry.example.com/{text}").parse::<Repository>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Given, Settings, Written};

    #[test]
    fn a_name_that_is_none_is_told_by_ecr_s_rule() {
        // API reference, CreateRepository: repositoryName.
        const RULE: &str = "a name in ECR is 2 to 256 lowercase letters and digits, with . _ - or / between";
        let arn = |name: &str| format!("arn:aws:ecr:eu-west-1:123456789012:repository/{name}");
        let long = "a".repeat(257);
        for name in ["a", "A/b", "a//b", "-a", &long, &arn("A/b")] {
            assert_eq!(repository(name).unwrap_err(), RULE, "{name}");
        }
        for host in ["localhost:5000", "123456789012.dkr.ecr.eu-west-1.amazonaws.com"] {
            assert_eq!(
                repository(&format!("{host}/x/y")).unwrap_err(),
                format!("{host} is a registry, which targets name; the name alone is x/y")
            );
        }
        assert_eq!(
            repository("arn:aws-cn:ecr:eu-west-1:123456789012:repository/a/b").unwrap_err(),
            "eu-west-1 is in the partition aws, and the ARN says aws-cn"
        );
        assert!(repository(&arn("a/b")).is_ok() && repository("ab").is_ok());
    }

    fn mistakes(yaml: &str) -> Vec<String> {
        match Settings::of(Some(&Written::to_be(yaml)), &Given::default()) {
            Ok(_) => Vec::new(),
            Err(error) => error.to_string().lines().skip(1).map(str::to_owned).collect(),
        }
    }

    #[test]
    fn a_target_is_a_registry_of_ecr() {
        let entry =
            |target: &str| format!("images:\n  - {{upstream: app, repository: a/b, targets: [{{{target}}}]}}\n");
        for other in ["quay.io", "localhost:5000", "public.ecr.aws"] {
            let told = mistakes(&entry(&format!("registry: '{other}'")));
            let says = format!("images.1.targets.1: {other} is no registry of ECR");
            assert!(told.len() == 1 && told[0].contains(&says), "{told:?}");
            // Somebody else's API of this kind.
            let endpoint = "http://localhost:4566";
            assert_eq!(
                mistakes(&entry(&format!("registry: '{other}', endpoint_url: '{endpoint}'"))),
                [""; 0]
            );
            let for_all = format!(
                "aws: {{endpoint_url: '{endpoint}'}}\n{}",
                entry(&format!("registry: '{other}'"))
            );
            assert_eq!(mistakes(&for_all), [""; 0]);
        }
    }

    #[test]
    fn an_upstream_is_not_its_own_target() {
        const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        let from = format!("images:\n  - {{upstream: {HOST}/a/b, repository: a/b");
        for yaml in [
            format!("ecr: {HOST}\n{from}}}\n"),
            format!("{from}, targets: [{{registry: {HOST}}}]}}\n"),
            format!("aws: {{account_id: '123456789012'}}\n{from}, targets: [{{region: eu-west-1}}]}}\n"),
            format!(
                "images:\n  - {{upstream: {HOST}/a/b, repository: 'arn:aws:ecr:eu-west-1:123456789012:repository/a/b'}}\n"
            ),
        ] {
            let told = mistakes(&yaml);
            let says = format!("images.1: {HOST}/a/b would be brought to itself");
            assert!(told.len() == 1 && told[0].contains(&says), "{yaml}{told:?}");
        }
        let of_name = mistakes(&format!(
            "ecr: {HOST}\ndiscovery: {{upstream: {{a/b: '{HOST}/a/b'}}}}\n"
        ));
        assert!(
            of_name.len() == 1 && of_name[0].contains("discovery.upstream.a/b: "),
            "{of_name:?}"
        );
        for yaml in [
            format!("ecr: {HOST}\n{from}, targets: [{{region: eu-west-2}}]}}\n"),
            format!("{from}, targets: [{{region: eu-west-1, role_arn: 'arn:aws:iam::222222222222:role/x'}}]}}\n"),
            format!("ecr: {HOST}\nimages:\n  - {{upstream: {HOST}/a/b, repository: a/c}}\n"),
        ] {
            assert_eq!(mistakes(&yaml), [""; 0], "{yaml}");
        }
    }

    #[test]
    fn an_arn_says_the_registry_and_the_entry_what_a_target_leaves_open() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.yaml");
        let arn = "arn:aws:ecr:eu-west-1:123456789012:repository/team/app";
        let role = "arn:aws:iam::222222222222:role/ci/mirror";
        let yaml = format!(
            "images:\n  - {{upstream: app, repository: '{arn}'}}\n  - upstream: tool\n    repo_prefix: base\n    targets:\n      \
             - {{region: us-east-1, role_arn: '{role}'}}\n      - {{repository: '{arn}', endpoint_url: 'http://localhost:4566'}}\n"
        );
        std::fs::write(&file, yaml).unwrap();
        let settings = Settings::load(Some(&file), &Given::default()).unwrap();
        let images = settings.images.into_iter().map(|entry| entry.named);
        let found: Vec<_> = images
            .map(|named| (named.elsewhere.unwrap(), named.repository))
            .collect();
        let of_arn = Elsewhere {
            registry: Some("123456789012.dkr.ecr.eu-west-1.amazonaws.com".to_owned()),
            region: Some("eu-west-1".to_owned()),
            ..Elsewhere::default()
        };
        let by_role = Elsewhere {
            region: Some("us-east-1".to_owned()),
            role_arn: Some(role.to_owned()),
            ..Elsewhere::default()
        };
        let by_endpoint = Elsewhere {
            endpoint_url: Some("http://localhost:4566".to_owned()),
            ..of_arn.clone()
        };
        let named = |place: Elsewhere, name: &str| (place, name.to_owned());
        assert_eq!(
            found,
            [
                named(of_arn, "team/app"),
                named(by_role, "base/library/tool"),
                named(by_endpoint, "team/app"),
            ]
        );
    }
}
