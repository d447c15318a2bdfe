//! From places and values to [`Settings`], collecting every mistake on the way.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::images::MOST_TAGS;
use super::keys::TLS_VERIFY;
use super::layers::{DEFAULT, Places};
use super::reader::{Reader, Setting, shown, text_of};
use super::values::{
    bound, choice, daemon_address, duration, flag, from_str, host, ledger_place, mirrors, path, pattern, platforms,
    text, within,
};
use super::{Mistake, Settings, SettingsError, in_order};
use crate::atomic::meant_by;
use crate::engine::direct::DirectOptions;
use crate::engine::docker::{DockerOptions, LookUp, Patience, Whereabouts};
use crate::image::{Attestations, Repository};
use crate::ledger::Place;
use crate::mapping::Naming;
use crate::plan::EngineKind;
use crate::record::{Format, Results};
use crate::registry::Mirrors;
use crate::retry::{Retry, Timeouts};
use crate::survey::{Compare, Part};

const ENGINES: [(&str, EngineKind); 2] = [("docker", EngineKind::Docker), ("direct", EngineKind::Direct)];

/// Builds the settings, or says all that is wrong.
pub(super) fn settings(places: Places) -> Result<Settings, SettingsError> {
    let mut reader = Reader::new(places);
    let settings = reader.settings();
    match (settings, reader.mistakes.is_empty()) {
        (Some(settings), true) => Ok(settings),
        _ => {
            reader.mistakes.sort_by_cached_key(in_order);
            Err(SettingsError::Invalid(reader.mistakes))
        }
    }
}

impl Reader {
    fn settings(&mut self) -> Option<Settings> {
        let registry = self.parse("ecr", host);
        let keyword = self.parse("keyword", |text| (!text.is_empty()).then(|| text.to_owned()));
        let naming = self.naming();
        let resource_tags = self.parse("discovery.resource_tags", flag);
        let new_repository = self.new_repository();
        let creation = self.creation(new_repository.clone());
        let environment_match = self.environment_match();
        let max_results = self.parse("discovery.max_results", |text| within(text, 0..=MOST_TAGS));
        let allow_no_match = self.parse("discovery.allow_no_match", flag);
        let safety = self.safety();
        let images = self.images(safety.as_ref());
        let engine = self.engine();
        let platforms = self.parse("platforms", platforms);
        let compares = [("digest", false), ("missing-only", true)];
        let missing_only = self.parse("compare", |text| choice(text, &compares));
        let immutable_tags = self.parse_told("immutable_tags", pattern);
        let retry = self.retry();
        let timeouts = self.timeouts();
        let transfer = self.parse("timeouts.transfer", bound);
        let docker = self.docker(retry, timeouts, transfer);
        let direct = self.direct(retry, timeouts, transfer);
        let registries = self.registries(retry, timeouts);
        let mirrors = Mirrors(self.each("registries.*.mirrors", mirrors));
        let compares = [("registry", Compare::Registry), ("pull", Compare::Pull)];
        let compare = self.parse("docker.compare", |text| choice(text, &compares));
        let logins = self.logins();
        let mut aws = self.aws(retry, timeouts);
        let said = self.account();
        let account = self.agree_on_region(registry.as_deref(), aws.as_mut()).or(said);
        let concurrency = self.parse("concurrency", |text| within(text, 1..=64));
        let grace = self.parse("stop.grace", duration);
        let ledger = self.parse("ledger", ledger_place);
        let results = self.results();
        let bucket = self.parse("s3.bucket", text);
        let key = self.parse("s3.key", |key| text(key).filter(|key| !key.ends_with('/')));
        let work = self.work();
        let census = self.census();
        let usage = self.usage_rules();
        let prune = self.prune();
        let notify = self.notify(retry, timeouts);
        let schedule = self.schedule();
        let listen = self.listen();
        let overdue = self.overdue();
        Some(Settings {
            registry,
            account,
            keyword,
            allow_no_match: allow_no_match?,
            naming: naming?,
            images,
            resource_tags: resource_tags?,
            max_results: max_results?,
            creation: creation?,
            new_repository: new_repository?,
            environment_match: environment_match?,
            safety: safety?,
            platforms,
            part: Part::All,
            of_other_engine: Vec::new(),
            engine: engine?,
            docker: docker?,
            direct: direct?,
            registries: registries?,
            mirrors,
            compare: compare?,
            missing_only: missing_only?,
            immutable_tags,
            logins,
            aws: aws?,
            concurrency: concurrency?,
            grace: grace?,
            ledger: ledger.unwrap_or_else(|| Place::File(usual_ledger())),
            results: results?,
            list_in: bucket.zip(key).map(|(bucket, key)| Place::Object { bucket, key }),
            work: work?,
            census: census?,
            usage: usage?,
            prune: prune?,
            notify: notify?,
            schedule,
            listen: listen?,
            overdue: overdue?,
            without_effect: self.notes(),
        })
    }

    fn notes(&mut self) -> Vec<Mistake> {
        let mut notes = std::mem::take(&mut self.without_effect);
        notes.sort_by_cached_key(in_order);
        notes
    }

    fn naming(&mut self) -> Option<Naming> {
        let overrides = self.each("discovery.upstream.*", from_str::<Repository>);
        for (name, upstream) in &overrides {
            if self.is_at(&(None, name.clone()), upstream) {
                let entry = ["discovery", "upstream", name].map(str::to_owned);
                self.wrong_with(
                    &entry,
                    format!("{upstream} would be brought to itself; name another repository"),
                );
            }
        }
        let strip_components = self.parse("discovery.strip_components", |text| within(text, 0..=20))?;
        Some(Naming {
            strip_components,
            overrides,
        })
    }

    pub(super) fn retry(&mut self) -> Option<Retry> {
        let tries = self.parse("retry.tries", |text| within(text, 1..=20));
        let wait = self.parse("retry.wait", duration);
        let longest = self.parse("retry.longest", duration);
        if let (Some(wait), Some(longest)) = (wait, longest)
            && wait > longest
        {
            self.agree_on_waits();
        }
        Some(Retry {
            tries: tries?,
            wait: wait?,
            longest: longest?,
        })
    }

    /// Said of the one that somebody wrote: the other may be a default.
    fn agree_on_waits(&mut self) {
        let (Some(wait), Some(longest)) = (self.find("retry.wait"), self.find("retry.longest")) else {
            return;
        };
        let text = |setting: &Setting| shown(&setting.found.value).unwrap_or_default();
        self.mistakes.push(match wait.found.origin == DEFAULT {
            false => wait.mistake(format!(
                "{} is longer than retry.longest, which is {}",
                text(&wait),
                text(&longest)
            )),
            true => longest.mistake(format!(
                "{} is shorter than retry.wait, which is {}",
                text(&longest),
                text(&wait)
            )),
        });
    }

    pub(super) fn timeouts(&mut self) -> Option<Timeouts> {
        let connect = self.parse("timeouts.connect", bound);
        let answer = self.parse("timeouts.answer", bound);
        Some(Timeouts {
            connect: connect?,
            answer: answer?,
        })
    }

    fn engine(&mut self) -> Option<EngineKind> {
        let engine = self.parse("engine", |text| choice(text, &ENGINES));
        if engine == Some(EngineKind::Docker) {
            let asked: Vec<&str> = self.asked_of_direct().collect();
            for key in asked {
                self.lacks(&[key], "engine: direct; a daemon does not do this");
            }
        }
        engine
    }

    /// Who copies for an entry of `images`.
    pub(super) fn own_engine(&mut self, entry: &[String]) -> Option<EngineKind> {
        let engine = self.value(entry, "engine", |text| choice(text, &ENGINES));
        if engine == Some(EngineKind::Docker) {
            let asked: Vec<&str> = self.asked_of_direct().collect();
            for key in asked {
                let entry = entry.join(".");
                self.lacks(
                    &[key],
                    &format!("engine: direct; a daemon does not do this, and copies for {entry}"),
                );
            }
        }
        engine
    }

    /// What is asked for that a daemon does not do.
    fn asked_of_direct(&self) -> impl Iterator<Item = &'static str> {
        let asked = [
            ("attestations", "strip"),
            ("referrers", "true"),
            ("foreign_layers", "true"),
        ];
        asked.into_iter().filter_map(|(key, value)| {
            let setting = self.find(key)?;
            (text_of(&setting.found.value).as_deref() == Some(value)).then_some(key)
        })
    }

    fn direct(
        &mut self,
        retry: Option<Retry>,
        timeouts: Option<Timeouts>,
        transfer: Option<Duration>,
    ) -> Option<DirectOptions> {
        let connections = self.parse("direct.connections", |text| within(text, 2..=512));
        let choices = [("keep", Attestations::Keep), ("strip", Attestations::Strip)];
        let attestations = self.parse("attestations", |text| choice(text, &choices));
        let referrers = self.parse("referrers", flag);
        let foreign_layers = self.parse("foreign_layers", flag);
        Some(DirectOptions {
            retry: retry?,
            connections: connections?,
            transfer: transfer?,
            lag: timeouts?.answer,
            attestations: attestations?,
            referrers: referrers?,
            foreign_layers: foreign_layers?,
        })
    }

    fn docker(
        &mut self,
        retry: Option<Retry>,
        timeouts: Option<Timeouts>,
        transfer: Option<Duration>,
    ) -> Option<DockerOptions> {
        let host = self.parse("docker.host", daemon_address);
        let context = self.parse("docker.context", text);
        let by_variable = |setting: &Setting| setting.found.origin.ends_with(TLS_VERIFY);
        let tls_verify = match self.find("docker.tls_verify").as_ref().is_some_and(by_variable) {
            true => Some(true),
            false => self.parse("docker.tls_verify", flag),
        };
        let cert_path = self.parse("docker.cert_path", path);
        let look_ups = [("daemon", LookUp::Daemon), ("direct", LookUp::Direct)];
        let look_up = self.parse("docker.upstream_digests", |text| choice(text, &look_ups));
        let daemon = self.parse("timeouts.daemon", duration);
        Some(DockerOptions {
            whereabouts: Whereabouts {
                host,
                context,
                tls_verify: tls_verify?,
                cert_path,
            },
            patience: Patience {
                answer: timeouts?.answer,
                transfer: transfer?,
                daemon: daemon?,
            },
            retry: retry?,
            look_up: look_up?,
        })
    }

    fn results(&mut self) -> Option<Results> {
        let folder = self.parse("results.dir", path);
        let keys = [
            ("results.junit", Format::Junit),
            ("results.csv", Format::Csv),
            ("results.markdown", Format::Markdown),
            ("results.metrics", Format::Metrics),
        ];
        let files: Vec<(&str, Format, PathBuf)> = keys
            .into_iter()
            .filter_map(|(key, format)| Some((key, format, self.parse(key, path)?)))
            .collect();
        let mut results = Results {
            folder: folder?,
            files: Vec::new(),
        };
        let in_folder = results.in_folder().map(|file| (meant_by(&file), "results.dir"));
        let mut taken: BTreeMap<PathBuf, &str> = in_folder.collect();
        for (key, format, file) in files {
            // One would replace the other.
            if let (Some(other), Some(setting)) = (taken.insert(meant_by(&file), key), self.find(key)) {
                let problem = format!("{} is a file of {other}, too; name another", file.display());
                self.mistakes.push(setting.mistake(problem));
            }
            results.files.push((format, file));
        }
        Some(results)
    }
}

/// The ledger's file where none is set: in the user's state folder; without a home, in the working folder.
pub fn usual_ledger() -> PathBuf {
    match dirs::state_dir().or_else(dirs::data_local_dir) {
        Some(folder) => folder.join("ecr-keeper/ledger.json"),
        None => PathBuf::from(".ecr-keeper-ledger.json"),
    }
}
