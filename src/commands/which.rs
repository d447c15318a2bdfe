//! Which repositories a command is about: named ones, those of an environment, or all.

use futures::{StreamExt, TryStreamExt, stream};

use super::CommandError;
use super::elsewhere::with_host;
use crate::aws::AwsError;
use crate::aws::ecr::{Ecr, RepositoryDetails, account_and_region};
use crate::mapping::{Only, RESOURCE_TAG};
use crate::report::Failure;
use crate::settings::Settings;

/// What says it.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Repositories of the registry, by their names
    #[arg(value_name = "REPOSITORY", value_parser = repository)]
    pub repositories: Vec<Only>,
    /// Those of an environment, such as prod: with it as a whole part of their name, or else with the resource tag environment=prod
    /// [setting: environment.match]
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub environment: Option<String>,
    /// All of the registry
    #[arg(long)]
    pub all: bool,
}

/// Those that are meant, by name, and what is meant and not there.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) repositories: Vec<RepositoryDetails>,
    pub(super) failures: Vec<Failure>,
    /// What was left out, and is no failure.
    pub(super) notes: Vec<String>,
}

/// A repository's name, with or without its registry before it.
pub(super) fn repository(text: &str) -> Result<Only, String> {
    match text.parse::<Only>() {
        Ok(Only { tag: Some(_), .. }) => Err("it names a tag; write the repository alone".to_owned()),
        Ok(only) => Ok(only),
        Err(error) => Err(error.to_string()),
    }
}

impl Which {
    /// Finds them.
    pub(super) async fn find(&self, ecr: &Ecr, settings: &Settings) -> Result<Found, CommandError> {
        let all = ecr.repository_details().await.map_err(|error| Failure::from(&error))?;
        match (&self.environment, self.all) {
            (Some(environment), _) => Ok(of_environment(environment, all, ecr, settings).await?),
            (None, true) => Ok(Found::of(all)),
            (None, false) => {
                let names = names_here(&self.repositories, &all, ecr, settings).await?;
                Ok(named(&names, all))
            }
        }
    }
}

impl Found {
    fn of(mut repositories: Vec<RepositoryDetails>) -> Self {
        repositories.sort_by(|one, other| one.name.cmp(&other.name));
        Self {
            repositories,
            failures: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// Those of these names.
pub(super) fn named(names: &[Only], all: Vec<RepositoryDetails>) -> Found {
    let is = |only: &Only, one: &RepositoryDetails| only.repository == one.name;
    let every: Vec<String> = all.iter().map(|one| one.name.clone()).collect();
    let absent = names.iter().filter(|only| !all.iter().any(|one| is(only, one)));
    let failures = absent.map(|only| absent_one(only, &all, &every)).collect();
    let meant = all.into_iter().filter(|one| names.iter().any(|only| is(only, one)));
    Found {
        failures,
        ..Found::of(meant.collect())
    }
}

fn absent_one(only: &Only, all: &[RepositoryDetails], names: &[String]) -> Failure {
    let host = all.first().and_then(|one| one.uri.strip_suffix(&one.name));
    let host = host.map_or("", |host| host.trim_end_matches('/'));
    let meant = match only.nearest(host, names) {
        Some(near) => format!("; did you mean {near}?"),
        None => String::new(),
    };
    Failure {
        message: format!("there is no repository {}{meant}", only.repository),
        causes: Vec::new(),
        hint: Some(
            "`ecr-keeper repositories list` lists those that are there; check the region and the account".into(),
        ),
    }
}

/// Those of an environment, or one of them, by its name or by what is left of that without the environment.
pub(super) async fn find_within(
    environment: &str,
    one: Option<&Only>,
    ecr: &Ecr,
    settings: &Settings,
) -> Result<Found, CommandError> {
    let all = ecr.repository_details().await.map_err(|error| Failure::from(&error))?;
    let names = names_here(one.map_or(&[], std::slice::from_ref), &all, ecr, settings).await?;
    let found = of_environment(environment, all, ecr, settings).await?;
    let Some(one) = names.first() else {
        return Ok(found);
    };
    let named = |name: &str| name == one.repository;
    let shortened = format!("/{}", one.repository);
    let ends = |name: &str| {
        let rest = name.replacen(environment, "", 1);
        name.ends_with(&shortened) || rest.trim_matches(['/', '-', '_', '.']) == one.repository
    };
    let of_environment = found.repositories;
    let mut meant: Vec<RepositoryDetails> = of_environment.iter().filter(|one| named(&one.name)).cloned().collect();
    if meant.is_empty() {
        meant = of_environment.iter().filter(|one| ends(&one.name)).cloned().collect();
    }
    match meant.len() {
        1 => Ok(Found::of(meant)),
        0 => Err(CommandError::Failed(none_within(environment, one, &of_environment))),
        _ => Err(CommandError::Unusable(several_within(environment, one, &meant))),
    }
}

fn none_within(environment: &str, one: &Only, all: &[RepositoryDetails]) -> Failure {
    let names: Vec<String> = all.iter().map(|one| one.name.clone()).collect();
    let meant = match one.nearest("", &names) {
        Some(near) => format!("; did you mean {near}?"),
        None => String::new(),
    };
    Failure {
        message: format!(
            "the environment {environment:?} has no repository {}{meant}",
            one.repository
        ),
        causes: Vec::new(),
        hint: Some(format!("`ecr-keeper images latest --environment {environment}` lists those that it has").into()),
    }
}

fn several_within(environment: &str, one: &Only, meant: &[RepositoryDetails]) -> Failure {
    let names: Vec<&str> = meant.iter().map(|one| one.name.as_str()).collect();
    Failure {
        message: format!(
            "{} may be {} of the environment {environment:?}",
            one.repository,
            names.join(" or ")
        ),
        causes: Vec::new(),
        hint: Some("write its whole name".into()),
    }
}

/// Their names in the registry that is asked, of which these are all repositories that are known. A registry before one has to be that one.
pub(super) async fn names_here(
    written: &[Only],
    all: &[RepositoryDetails],
    ecr: &Ecr,
    settings: &Settings,
) -> Result<Vec<Only>, CommandError> {
    let of_uri = all.first().and_then(|one| one.uri.split_once('/'));
    let mut own: Vec<String> = settings.registry.iter().cloned().collect();
    own.extend(of_uri.map(|(host, _)| host.to_owned()));
    let mut is_asked = false;
    let mut names = Vec::new();
    for only in written {
        // A name of ECR's may have points in its first part, too.
        let is_there = all.iter().any(|one| one.name == only.repository);
        let Some(whole) = with_host(only).filter(|_| !is_there) else {
            names.push(only.clone());
            continue;
        };
        let is_own = |own: &[String]| own.iter().any(|one| is_same_registry(one, &whole.host));
        if !is_own(&own) && !is_asked {
            let token = ecr.token().await.map_err(|error| Failure::from(&error))?;
            own.push(token.registry);
            is_asked = true;
        }
        if !is_own(&own) {
            return Err(CommandError::Unusable(of_other_registry(only, &whole.host, &own)));
        }
        names.push(Only {
            repository: whole.path.to_string(),
            tag: only.tag.clone(),
        });
    }
    Ok(names)
}

/// ECR has several names for one.
fn is_same_registry(one: &str, other: &str) -> bool {
    let named = account_and_region(one);
    one == other || named.is_some() && named == account_and_region(other)
}

fn of_other_registry(only: &Only, host: &str, own: &[String]) -> Failure {
    let own = own.last().map_or("another", String::as_str);
    Failure {
        message: format!("{only} is of the registry {host}, and {own} is the one that is asked"),
        causes: Vec::new(),
        hint: Some(
            "check `ecr`, the region, the profile and the role; where it is no registry but a part of the name, write the registry before it".into(),
        ),
    }
}

/// By their names; where none says it, by the resource tag.
async fn of_environment(
    environment: &str,
    all: Vec<RepositoryDetails>,
    ecr: &Ecr,
    settings: &Settings,
) -> Result<Found, Failure> {
    let how = settings.environment_match;
    let by_name = |one: &&RepositoryDetails| how.is_of(environment, &one.name);
    let found: Vec<RepositoryDetails> = all.iter().filter(by_name).cloned().collect();
    if !found.is_empty() {
        return Ok(Found::of(found));
    }
    let tagged = stream::iter(all)
        .map(async |one| {
            let tags = ecr.resource_tags(&one.name, &one.arn).await?;
            let is_of = tags.get(RESOURCE_TAG).is_some_and(|value| value == environment);
            Ok::<_, AwsError>(Some(one).filter(|_| is_of))
        })
        .buffer_unordered(settings.concurrency)
        .try_collect::<Vec<Option<RepositoryDetails>>>();
    let tagged = tagged.await.map_err(|error| Failure::from(&error))?;
    let found: Vec<RepositoryDetails> = tagged.into_iter().flatten().collect();
    match found.is_empty() {
        false => Ok(Found::of(found)),
        true => Err(Failure {
            message: format!(
                "no repository in {} is of the environment {environment:?}, by its name or by the resource tag {RESOURCE_TAG}",
                ecr.region()
            ),
            causes: Vec::new(),
            hint: Some("check the word (letter case counts), environment.match, the region and the account".into()),
        }),
    }
}
