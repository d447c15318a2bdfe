//! What a run is told: defaults, a YAML file, the environment and flags, checked whole.
//!
//! Every mistake is found at once, and each names its file or variable, its key, and what is allowed. `settings.yaml` at the
//! top of the repository tells what each key is for.

mod access;
mod engines;
mod error;
mod fetch;
mod files;
mod images;
mod keys;
mod layers;
mod notify_keys;
mod policy;
mod prune_keys;
mod read;
mod reader;
mod repositories;
mod rule_keys;
mod schema;
mod serve_keys;
mod shapes;
mod show;
mod targets;
mod text;
mod usage_keys;
mod values;
mod variables;
mod work_keys;

pub use engines::repositories;
pub use error::{Mistake, SettingsError};
pub use fetch::Secrets;
pub use files::{named_file, own_file, usual_file};
pub use images::Entry;
pub use keys::{Key, Shape, keys};
pub use layers::Given;
pub use read::usual_ledger;
pub use schema::schema;
pub use serve_keys::interval;
pub use show::{Shown, show};
pub use variables::{environment, variable_of_registry};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::aws::AwsOptions;
use crate::census::CensusOptions;
use crate::engine::direct::DirectOptions;
use crate::engine::docker::DockerOptions;
use crate::image::Platforms;
use crate::ledger::Place;
use crate::mapping::{Creation, EnvironmentMatch, Naming, NewRepository};
use crate::notify::Notify;
use crate::plan::{EngineKind, Safety};
use crate::prune::PruneOptions;
use crate::record::Results;
use crate::registry::{self, Credential, Mirrors};
use crate::schedule::Schedule;
use crate::selection::Pattern;
use crate::survey::{Compare, Part};
use crate::usage::Rules;
use crate::work::WorkOptions;

/// All that a run needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The registry's `host[:port]`; none for the account's own.
    pub registry: Option<String>,
    /// The account that the registry's host names, or that is said.
    pub account: Option<String>,
    /// Repositories with this in their name are looked after.
    pub keyword: Option<String>,
    /// Whether a keyword that matches nothing is well.
    pub allow_no_match: bool,
    /// How a repository's name tells its upstream.
    pub naming: Naming,
    /// Upstreams that are named, with where their images go.
    pub images: Vec<Entry>,
    /// Whether repositories name theirs in resource tags.
    pub resource_tags: bool,
    /// The most tags that these choose of an upstream, unless they say more themselves; 0 is any number.
    pub max_results: usize,
    /// What is done about a repository that is named and not there.
    pub creation: Creation,
    /// What one is like that is created.
    pub new_repository: NewRepository,
    /// Where in a repository's name its environment stands.
    pub environment_match: EnvironmentMatch,
    /// What must hold before an image takes another's place.
    pub safety: Safety,
    /// Which platforms are wanted, where that is said.
    pub platforms: Option<Platforms>,
    /// Who copies.
    pub engine: EngineKind,
    /// Of which repositories of the run's own registry, as far as entries of `images` say that it is this one.
    pub part: Part,
    /// Entries of `images` for which another engine copies.
    pub of_other_engine: Vec<Entry>,
    /// Where the daemon is and how it is dealt with.
    pub docker: DockerOptions,
    /// How the direct engine copies.
    pub direct: DirectOptions,
    /// How registries are dealt with.
    pub registries: registry::Options,
    /// Where upstreams are really asked.
    pub mirrors: Mirrors,
    /// How contents are compared.
    pub compare: Compare,
    /// Whether a tag that is there is let alone.
    pub missing_only: bool,
    /// Tags that never move.
    pub immutable_tags: Option<Pattern>,
    /// Logins by registry host.
    pub logins: BTreeMap<String, Credential>,
    /// Who we are at AWS.
    pub aws: AwsOptions,
    /// How many images at once.
    pub concurrency: usize,
    /// How long running images may go on once the run was asked to stop.
    pub grace: Duration,
    /// Where the ledger is kept.
    pub ledger: Place,
    /// Which result files are written, and where.
    pub results: Results,
    /// The object for the list of what is not current.
    pub list_in: Option<Place>,
    /// Which accounts and regions are asked what they hold and run.
    pub census: CensusOptions,
    /// What of that could go, and how it is shown.
    pub usage: Rules,
    /// What `images prune` leaves in any case.
    pub prune: PruneOptions,
    /// How a run is shared by a queue.
    pub work: WorkOptions,
    /// Who is told what happened.
    pub notify: Notify,
    /// When a process that stays begins runs.
    pub schedule: Option<Schedule>,
    /// Where it tells of itself.
    pub listen: Option<SocketAddr>,
    /// How long a run of its may be due, or at work, without an end.
    pub overdue: Duration,
    /// What is set and comes to nothing, since something else is not.
    pub without_effect: Vec<Mistake>,
}

/// A settings file, as it was when it was read. It may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Written {
    path: PathBuf,
    text: String,
}

impl Written {
    /// What is to be in a file.
    pub fn to_be(text: &str) -> Self {
        Self {
            path: PathBuf::from("the settings"),
            text: text.to_owned(),
        }
    }

    /// What somebody said, who is called `name`.
    pub fn said(name: &str, text: String) -> Self {
        Self {
            path: PathBuf::from(name),
            text,
        }
    }

    /// What is there now.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self {
                path: path.to_owned(),
                text,
            }),
            Err(source) => Err(SettingsError::Unreadable {
                path: path.to_owned(),
                source,
            }),
        }
    }
}

impl Settings {
    /// Reads and checks all layers, which all are on this machine.
    pub fn load(file: Option<&Path>, given: &Given) -> Result<Self, SettingsError> {
        Self::of(file.map(Written::read).transpose()?.as_ref(), given)
    }

    /// Checks all layers, where the file has been read.
    pub fn of(file: Option<&Written>, given: &Given) -> Result<Self, SettingsError> {
        let places = layers::read(file, given)?;
        read::settings(places)
    }
}

/// By the file or variable, then by the key, in which numbers count as such.
fn in_order(mistake: &Mistake) -> (String, Vec<(usize, String)>) {
    let part = |part: &str| match part.parse() {
        Ok(number) => (number, String::new()),
        Err(_) => (0, part.to_owned()),
    };
    (mistake.origin.clone(), mistake.key.split('.').map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(environment: &[(&str, &str)]) -> String {
        let environment = environment
            .iter()
            .map(|&(name, value)| (format!("ECR_KEEPER_{name}"), value.to_owned()));
        let given = Given {
            environment: environment.collect(),
            ..Given::default()
        };
        match Settings::load(None, &given) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_first_wait_is_no_longer_than_the_longest() {
        assert_eq!(mistakes(&[("RETRY__WAIT", "2m")]), "");
        let wait = mistakes(&[("RETRY__WAIT", "3m")]);
        assert!(
            wait.ends_with("ECR_KEEPER_RETRY__WAIT: retry.wait: 3m is longer than retry.longest, which is 2m"),
            "{wait}"
        );
        let longest = mistakes(&[("RETRY__LONGEST", "1s")]);
        assert!(
            longest.ends_with("ECR_KEEPER_RETRY__LONGEST: retry.longest: 1s is shorter than retry.wait, which is 4s"),
            "{longest}"
        );
    }

    #[test]
    fn a_pattern_is_told_by_what_is_wrong_in_it() {
        // The words are regex-syntax's.
        let unclosed = mistakes(&[("IMMUTABLE_TAGS", "v(\\d+")]);
        assert!(
            unclosed
                .contains("immutable_tags: \"v(\\\\d+\" is not allowed: unclosed group; allowed: a regular expression"),
            "{unclosed}"
        );
        assert_eq!(unclosed.lines().count(), 2, "{unclosed}");
        let halves = mistakes(&[("IMMUTABLE_TAGS", "a)|(b")]);
        assert!(halves.contains("is not allowed: unopened group"), "{halves}");
        let huge = mistakes(&[("IMMUTABLE_TAGS", "\\w{1000}{1000}")]);
        assert!(
            huge.contains("is not allowed: Compiled regex exceeds size limit"),
            "{huge}"
        );
    }

    #[test]
    fn a_file_of_certificates_is_told_by_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (text, key) = (file("text", "hello"), file("key", "-----BEGIN PRIVATE KEY-----\n"));
        let damaged = file("damaged", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
        let (absent, itself) = (file("x", "") + "y", folder.path().to_str().unwrap());
        for (setting, value, says) in [
            ("CA", absent.as_str(), "no such file"),
            ("CA", itself, "it is a folder"),
            ("CA", &text, "it holds no certificate in PEM"),
            ("CA", &damaged, "it holds a certificate that cannot be read"),
            ("CERT", &absent, "no such file"),
            ("CERT", &key, "it holds no certificate in PEM"),
            ("KEY", &absent, "no such file"),
            ("KEY", &damaged, "it holds no private key in PEM"),
        ] {
            let told = mistakes(&[(&format!("REGISTRIES__QUAY_IO__{setting}"), value)]);
            let key = format!("registries.quay.io.{}", setting.to_lowercase());
            let line = format!("{key}: {value:?} is not allowed: {says}; allowed: a file");
            assert!(told.contains(&line), "{line}\nis not in\n{told}");
        }
    }

    #[test]
    fn each_result_has_a_file_of_its_own() {
        let junit = ("RESULTS__JUNIT", "out/results");
        assert_eq!(
            mistakes(&[junit, ("RESULTS__CSV", "results"), ("RESULTS__DIR", "out")]),
            ""
        );
        let csv = mistakes(&[junit, ("RESULTS__CSV", "./out/results")]);
        assert!(
            csv.ends_with("results.csv: ./out/results is a file of results.junit, too; name another"),
            "{csv}"
        );
        for name in [
            "result.json",
            "result_update.txt",
            "result_notupdate.txt",
            "result_failed.txt",
        ] {
            let file = format!("out/{name}");
            let metrics = mistakes(&[("RESULTS__DIR", "out"), ("RESULTS__METRICS", &file)]);
            assert!(
                metrics.ends_with(&format!("{file} is a file of results.dir, too; name another")),
                "{metrics}"
            );
        }
    }
}
