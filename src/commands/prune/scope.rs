use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::aws::ecr::{Ecr, RepositoryDetails};
use crate::commands::CommandError;
use crate::commands::which::{Found, Which, repository};
use crate::mapping::Only;
use crate::report::Failure;
use crate::settings::Settings;
use crate::usage::{Candidate, Report, SCHEMA_VERSION};

/// Older ones say nothing of today.
const OLDEST: Duration = Duration::from_hours(7 * 24);

/// How long it may take to make one.
const REPORTING: Duration = Duration::from_hours(1);

/// Ten times what a report of a hundred thousand images takes.
const LARGEST: u64 = 512 << 20;

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

/// What a report says could go.
pub(super) struct Candidates {
    all: Vec<Candidate>,
    reported: Timestamp,
}

impl Candidates {
    /// The report itself may have read manifests, which ECR takes for pulls.
    pub(super) fn unused_at(&self) -> Timestamp {
        self.reported.checked_add(REPORTING).unwrap_or(self.reported)
    }
}

impl Scope {
    /// Whether its repositories are named one by one.
    pub(super) fn is_named(&self) -> bool {
        !self.repositories.is_empty()
    }

    /// Those of a report, where one is named.
    pub(super) fn candidates(&self) -> Result<Option<Candidates>, Failure> {
        self.from
            .as_deref()
            .map(|path| read(path, Timestamp::now()))
            .transpose()
    }

    /// Finds them.
    pub(super) async fn find(
        &self,
        candidates: Option<&Candidates>,
        ecr: &Ecr,
        settings: &Settings,
    ) -> Result<Found, CommandError> {
        match (candidates, &self.from) {
            (Some(candidates), Some(path)) => {
                let all = ecr.repository_details().await.map_err(|error| Failure::from(&error))?;
                Ok(of_candidates(&candidates.all, all, ecr.region(), path))
            }
            _ => {
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

/// Those that are there. Of other registries a note tells, for each takes a run of its own; what has gone since is a failure.
fn of_candidates(candidates: &[Candidate], mut all: Vec<RepositoryDetails>, region: &str, path: &Path) -> Found {
    let own = all.first().and_then(|one| one.uri.strip_suffix(one.name.as_str()));
    let is_own = |one: &&Candidate| match own {
        Some(own) => one.repository_uri.strip_suffix(one.repository_name.as_str()) == Some(own),
        // A registry without repositories does not tell its account.
        None => one.region == region,
    };
    let (here, elsewhere): (Vec<&Candidate>, Vec<&Candidate>) = candidates.iter().partition(is_own);
    let is_there = |uri: &str| all.iter().any(|one| one.uri == uri);
    let absent: Vec<&str> = here
        .iter()
        .map(|candidate| candidate.repository_uri.as_str())
        .filter(|uri| !is_there(uri))
        .collect();
    let failure = (!absent.is_empty()).then(|| Failure {
        message: format!(
            "{} names what is not in this registry: {}",
            path.display(),
            absent.join(", ")
        ),
        causes: Vec::new(),
        hint: Some(
            "what has gone since is none any more: make a new report, or check the region and the account".into(),
        ),
    });
    all.retain(|one| here.iter().any(|candidate| candidate.repository_uri == one.uri));
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Found {
        repositories: all,
        failures: failure.into_iter().collect(),
        notes: left_out(&elsewhere, path).into_iter().collect(),
    }
}

/// What other registries have, by the file.
fn left_out(elsewhere: &[&Candidate], path: &Path) -> Option<String> {
    let places: BTreeSet<String> = elsewhere
        .iter()
        .map(|one| format!("{} of {}", one.region, one.account))
        .collect();
    let places: Vec<String> = places.into_iter().collect();
    let how_many = match elsewhere.len() {
        0 => return None,
        1 => "1 repository".to_owned(),
        many => format!("{many} repositories"),
    };
    Some(format!(
        "{} also names {how_many} of other registries, which take a run of their own (--region, --profile, aws.role_arn): {}",
        path.display(),
        places.join(", ")
    ))
}

fn read(path: &Path, now: Timestamp) -> Result<Candidates, Failure> {
    const HINT: &str = "name a file that `ecr-keeper usage --candidates --output json --out FILE` wrote";
    let unreadable = |cause: String, hint: &'static str| Failure {
        message: format!("read the candidates in {}", path.display()),
        causes: vec![cause],
        hint: Some(hint.into()),
    };
    let text = read_at_most(path).map_err(|error| unreadable(error.to_string(), HINT))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string(), HINT))?;
    if report.schema_version != SCHEMA_VERSION {
        let other = report.schema_version;
        let why = format!("it is of version {other}, and this program knows {SCHEMA_VERSION}");
        return Err(unreadable(why, HINT));
    }
    match now.checked_sub(OLDEST).is_ok_and(|oldest| report.generated_at < oldest) {
        true => Err(unreadable(
            format!("it is of {}, over a week ago", report.generated_at.strftime("%Y-%m-%d")),
            "who uses what has changed since: make a new one with `ecr-keeper usage --candidates --output json --out FILE`",
        )),
        false => Ok(Candidates {
            all: report.candidates,
            reported: report.generated_at,
        }),
    }
}

fn read_at_most(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    match text.len() as u64 > LARGEST {
        true => Err(io::Error::other(format!("it has more than {} MiB", LARGEST >> 20))),
        false => Ok(text),
    }
}
