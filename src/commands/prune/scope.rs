use std::path::{Path, PathBuf};

use crate::aws::ecr::{Ecr, RepositoryDetails};
use crate::commands::CommandError;
use crate::commands::which::{Found, Which, repository};
use crate::mapping::Only;
use crate::report::Failure;
use crate::settings::Settings;
use crate::usage::{Candidate, Report, SCHEMA_VERSION};

/// Which repositories it is about.
#[derive(Debug, clap::Args)]
#[group(id = "scope", required = true, multiple = true)]
pub(super) struct Scope {
    /// Repositories of the registry, by their names
    #[arg(value_name = "REPOSITORY", value_parser = repository, conflicts_with_all = ["environment", "all", "from"])]
    repositories: Vec<Only>,
    /// Those of an environment, such as prod: with it as a whole part of their name, or else with the resource tag environment=prod
    /// [setting: environment.match]
    #[arg(
        long,
        value_name = "NAME",
        value_parser = clap::builder::NonEmptyStringValueParser::new(),
        conflicts_with_all = ["all", "from"]
    )]
    environment: Option<String>,
    /// All of the registry
    #[arg(long, conflicts_with = "from")]
    all: bool,
    /// Those that could go by a report, as `usage --candidates --output json` prints it
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Ask nobody: print the lifecycle policy of ECR that comes nearest to the rules, and what it cannot say
    #[arg(long, conflicts_with_all = ["apply", "without_usage"])]
    pub(super) as_lifecycle_policy: bool,
}

impl Scope {
    /// Finds them.
    pub(super) async fn find(&self, ecr: &Ecr, settings: &Settings) -> Result<Found, CommandError> {
        match &self.from {
            Some(path) => {
                let candidates = read(path)?;
                let all = ecr.repository_details().await.map_err(|error| Failure::from(&error))?;
                Ok(of_candidates(&candidates, all, path))
            }
            None => {
                let which = Which {
                    repositories: self.repositories.clone(),
                    environment: self.environment.clone(),
                    all: self.all,
                };
                which.find(ecr, settings).await
            }
        }
    }
}

/// Those that are there. What is in other registries, or has gone since, is told.
fn of_candidates(candidates: &[Candidate], mut all: Vec<RepositoryDetails>, path: &Path) -> Found {
    let is_one = |one: &RepositoryDetails| candidates.iter().any(|candidate| candidate.repository_uri == one.uri);
    let absent = candidates
        .iter()
        .filter(|candidate| all.iter().all(|one| one.uri != candidate.repository_uri));
    let absent: Vec<&str> = absent.map(|candidate| candidate.repository_uri.as_str()).collect();
    let failure = Failure {
        message: format!(
            "{} names what is not in this registry: {}",
            path.display(),
            absent.join(", ")
        ),
        causes: Vec::new(),
        hint: Some(
            "--region, --profile and aws.role_arn lead to another one; what has gone since is none any more".into(),
        ),
    };
    let failures = match absent.is_empty() {
        true => Vec::new(),
        false => vec![failure],
    };
    all.retain(is_one);
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Found {
        repositories: all,
        failures,
    }
}

fn read(path: &Path) -> Result<Vec<Candidate>, Failure> {
    let unreadable = |cause: String| Failure {
        message: format!("read the candidates in {}", path.display()),
        causes: vec![cause],
        hint: Some("name a file that `ecr-keeper usage --candidates --output json --out FILE` wrote".into()),
    };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    match report.schema_version {
        SCHEMA_VERSION => Ok(report.candidates),
        other => Err(unreadable(format!(
            "it is of version {other}, and this program knows {SCHEMA_VERSION}"
        ))),
    }
}
