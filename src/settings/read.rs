//! From places and values to [`Settings`], collecting every mistake on the way.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use config::{Value, ValueKind};
use reqwest::Identity;

use super::keys::{KEYS, Key, Shape, TLS_VERIFY, nearest};
use super::layers::{DEFAULT, Found, Places};
use super::values::{
    authorities, bound, certificate, choice, daemon_address, duration, flag, from_str, host, ledger_place, mirrors, path, platforms,
    private_key, region, tags, text, url, within,
};
use super::{Mistake, Settings, SettingsError};
use crate::atomic::meant_by;
use crate::aws::ecr::account_and_region;
use crate::aws::{AwsOptions, Keys, Profile};
use crate::engine::direct::DirectOptions;
use crate::engine::docker::{DockerOptions, LookUp, Patience, Whereabouts};
use crate::image::{Attestations, Platforms, Repository};
use crate::ledger::Place;
use crate::mapping::Naming;
use crate::notify::{Webhook, WebhookKind};
use crate::plan::EngineKind;
use crate::record::{Format, Results};
use crate::registry::{self, Credential, HostOptions, Mirrors, OnLimit};
use crate::retry::{Retry, Timeouts};
use crate::survey::Compare;

/// Builds the settings, or says all that is wrong.
pub(super) fn settings(places: Places) -> Result<Settings, SettingsError> {
    let mut reader = Reader {
        mistakes: unknown(&places),
        places,
    };
    let settings = reader.settings();
    match (settings, reader.mistakes.is_empty()) {
        (Some(settings), true) => Ok(settings),
        _ => {
            reader
                .mistakes
                .sort_by(|one, other| (&one.origin, &one.key).cmp(&(&other.origin, &other.key)));
            Err(SettingsError::Invalid(reader.mistakes))
        }
    }
}

fn unknown(places: &Places) -> Vec<Mistake> {
    let mistake = |(place, found): (&Vec<String>, &Found)| {
        if KEYS.iter().any(|key| key.is_at(place)) {
            return None;
        }
        let inside: Vec<&str> = KEYS
            .iter()
            .filter(|key| key.is_below(place))
            .map(|key| key.path)
            .collect();
        let problem = match (inside.is_empty(), nearest(place)) {
            (false, _) => format!("is a section; allowed in it: {}", inside.join(", ")),
            (true, Some(near)) => format!("no such setting; did you mean {near}?"),
            (true, None) => "no such setting; `ecr-keeper config show` lists all".to_owned(),
        };
        Some(Mistake {
            origin: found.origin.clone(),
            key: place.join("."),
            problem,
        })
    };
    places.iter().filter_map(mistake).collect()
}

/// A value as people may see it: without what stands before an `@`, which in an address is a login.
pub(super) fn shown(value: &Value) -> Option<String> {
    let text = text_of(value)?;
    Some(match text.rfind('@') {
        Some(at) => format!("…{}", &text[at..]),
        None => text,
    })
}

/// A value as text; a list with commas between.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::Array(items) => items
            .iter()
            .map(text_of)
            .collect::<Option<Vec<_>>>()
            .map(|items| items.join(",")),
        _ => value.clone().into_string().ok(),
    }
}

/// What is wrong with a value, where it does not show in what is allowed.
type Why = Option<String>;

struct Reader {
    places: Places,
    mistakes: Vec<Mistake>,
}

/// A key's value, and what it takes to complain about it.
struct Setting {
    key: &'static Key,
    place: Vec<String>,
    found: Found,
}

impl Reader {
    fn settings(&mut self) -> Option<Settings> {
        let registry = self.parse("ecr", host);
        let keyword = self.parse("keyword", |text| (!text.is_empty()).then(|| text.to_owned()));
        let naming = self.naming();
        let allow_no_match = self.parse("discovery.allow_no_match", flag);
        let keep_missing = self.parse("missing_upstream", |text| {
            choice(text, &[("fail", false), ("keep", true)])
        });
        let engine = self.engine();
        let platforms = self.parse("platforms", platforms).or(match engine {
            Some(EngineKind::Direct) => Some(Platforms::All),
            _ => None,
        });
        let compares = [("digest", false), ("missing-only", true)];
        let missing_only = self.parse("compare", |text| choice(text, &compares));
        let immutable_tags = self.parse_told("immutable_tags", tags);
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
        let account = self.agree_on_region(registry.as_deref(), aws.as_mut());
        let concurrency = self.parse("concurrency", |text| within(text, 1..=64));
        let grace = self.parse("stop.grace", duration);
        let ledger = self.parse("ledger", ledger_place);
        let results = self.results();
        let webhook = self.webhook(retry, timeouts);
        Some(Settings {
            registry,
            account,
            keyword,
            allow_no_match: allow_no_match?,
            naming: naming?,
            keep_missing: keep_missing?,
            platforms: platforms.unwrap_or_default(),
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
            webhook,
        })
    }

    fn naming(&mut self) -> Option<Naming> {
        let overrides = self.each("discovery.upstream.*", from_str::<Repository>);
        let strip_components = self.parse("discovery.strip_components", |text| within(text, 0..=20))?;
        Some(Naming {
            strip_components,
            overrides,
        })
    }

    fn logins(&mut self) -> BTreeMap<String, Credential> {
        let mut usernames = self.each("registries.*.username", text);
        let passwords = self.each("registries.*.password", text);
        let mut logins = BTreeMap::new();
        for (host, password) in passwords {
            match usernames.remove(&host) {
                Some(username) => {
                    let password = password.into();
                    logins.insert(host, Credential::Password { username, password });
                }
                None => self.lacks(&["registries", &host, "password"], "a username beside it"),
            }
        }
        for host in usernames.into_keys() {
            self.lacks(&["registries", &host, "username"], "a password beside it");
        }
        logins
    }

    fn retry(&mut self) -> Option<Retry> {
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

    fn timeouts(&mut self) -> Option<Timeouts> {
        let connect = self.parse("timeouts.connect", bound);
        let answer = self.parse("timeouts.answer", bound);
        Some(Timeouts {
            connect: connect?,
            answer: answer?,
        })
    }

    fn engine(&mut self) -> Option<EngineKind> {
        let engines = [("docker", EngineKind::Docker), ("direct", EngineKind::Direct)];
        let engine = self.parse("engine", |text| choice(text, &engines));
        if engine == Some(EngineKind::Docker) {
            let asked = [
                ("attestations", "strip"),
                ("referrers", "true"),
                ("foreign_layers", "true"),
            ];
            for (key, value) in asked {
                let is_asked = |setting: &Setting| text_of(&setting.found.value).as_deref() == Some(value);
                if self.find(key).as_ref().is_some_and(is_asked) {
                    self.lacks(&[key], "engine: direct; a daemon does not do this");
                }
            }
        }
        engine
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

    fn registries(&mut self, retry: Option<Retry>, timeouts: Option<Timeouts>) -> Option<registry::Options> {
        let mut hosts: BTreeMap<String, HostOptions> = BTreeMap::new();
        for (host, plain_http) in self.each("registries.*.plain_http", flag) {
            hosts.entry(host).or_default().plain_http = Some(plain_http);
        }
        for (host, authorities) in self.each_told("registries.*.ca", authorities) {
            if hosts.get(&host).is_some_and(|own| own.plain_http == Some(true)) {
                self.lacks(&["registries", &host, "ca"], "TLS, and plain_http is true");
            }
            hosts.entry(host).or_default().authorities = authorities;
        }
        for (host, identity) in self.identities() {
            hosts.entry(host).or_default().identity = Some(identity);
        }
        for (host, most) in self.each("registries.*.requests_per_second", |text| within(text, 1..=10_000)) {
            hosts.entry(host).or_default().requests_per_second = Some(most);
        }
        for (host, most) in self.each("registries.*.concurrency", |text| within(text, 1..=512)) {
            hosts.entry(host).or_default().concurrency = Some(most);
        }
        for (host, mib) in self.each("registries.*.chunk_mib", |text| within(text, 1..=1024)) {
            hosts.entry(host).or_default().chunk = Some((mib as u64) << 20);
        }
        let choices = [("stop", OnLimit::Stop), ("wait", OnLimit::Wait)];
        for (host, on_limit) in self.each("registries.*.on_limit", |text| choice(text, &choices)) {
            hosts.entry(host).or_default().on_limit = on_limit;
        }
        Some(registry::Options {
            retry: retry?,
            timeouts: timeouts?,
            hosts,
        })
    }

    /// Certificates with their keys, by host.
    fn identities(&mut self) -> BTreeMap<String, Identity> {
        let mut keys = self.each_told("registries.*.key", private_key);
        let mut identities = BTreeMap::new();
        for (host, certificate) in self.each_told("registries.*.cert", certificate) {
            let Some(key) = keys.remove(&host) else {
                self.lacks(&["registries", &host, "cert"], "a key beside it");
                continue;
            };
            // Whether the two belong together shows where they are put to use.
            let usable = |identity: &Identity| reqwest::Client::builder().identity(identity.clone()).build().is_ok();
            match Identity::from_pem(&[certificate, key].concat()).ok().filter(usable) {
                Some(identity) => {
                    identities.insert(host, identity);
                }
                None => self.lacks(
                    &["registries", &host, "cert"],
                    "a PEM certificate and its own PEM key in `key`",
                ),
            }
        }
        for host in keys.into_keys() {
            self.lacks(&["registries", &host, "key"], "a cert beside it");
        }
        identities
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

    fn aws(&mut self, retry: Option<Retry>, timeouts: Option<Timeouts>) -> Option<AwsOptions> {
        let id = self.parse("aws.access_key_id", text);
        let secret = self.parse("aws.secret_access_key", text);
        let session_token = self.parse("aws.session_token", text);
        let keys = match (id, secret) {
            (Some(id), Some(secret)) => Some(Keys {
                id,
                secret: secret.into(),
                session_token: session_token.clone().map(Into::into),
            }),
            (Some(_), None) => {
                self.lacks(
                    &["aws", "access_key_id"],
                    "a secret_access_key (AWS_SECRET_ACCESS_KEY_ECR) beside it",
                );
                None
            }
            (None, Some(_)) => {
                self.lacks(
                    &["aws", "secret_access_key"],
                    "an access_key_id (AWS_ACCESS_KEY_ID_ECR) beside it",
                );
                None
            }
            (None, None) => {
                if session_token.is_some() {
                    self.lacks(&["aws", "session_token"], "the two keys beside it");
                }
                None
            }
        };
        let profile = self.parse("aws.profile", text).map(|name| Profile {
            name,
            outright: self
                .find("aws.profile")
                .is_some_and(|setting| !setting.found.origin.ends_with(" AWS_PROFILE")),
        });
        let region = self.parse("aws.region", region);
        let endpoint_url = self.parse("aws.endpoint_url", url);
        Some(AwsOptions {
            region,
            profile,
            endpoint_url,
            keys,
            retry: retry?,
            timeouts: timeouts?,
        })
    }

    /// A registry's own host name says its account and region; a setting that says another region is a mistake.
    fn agree_on_region(&mut self, registry: Option<&str>, aws: Option<&mut AwsOptions>) -> Option<String> {
        let (account, region) = account_and_region(registry?)?;
        let aws = aws?;
        match &aws.region {
            Some(other) if other != region => {
                let setting = self.find("aws.region")?;
                self.mistakes.push(setting.mistake(format!(
                    "{other} is not the region of the registry that `ecr` names, {region}; set it to that (--region {region})"
                )));
            }
            _ => aws.region = Some(region.to_owned()),
        }
        Some(account.to_owned())
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

    fn webhook(&mut self, retry: Option<Retry>, timeouts: Option<Timeouts>) -> Option<Webhook> {
        let url = self.parse("webhook.url", url);
        let kinds = [("discord", WebhookKind::Discord), ("generic", WebhookKind::Generic)];
        let kind = self.parse("webhook.kind", |text| choice(text, &kinds));
        let send_empty = self.parse("webhook.send_empty", flag);
        Some(Webhook {
            url: url?.into(),
            kind: kind?,
            send_empty: send_empty?,
            retry: retry?,
            timeouts: timeouts?,
        })
    }

    fn find(&self, path: &str) -> Option<Setting> {
        let key = KEYS.iter().find(|key| key.path == path)?;
        let place: Vec<String> = path.split('.').map(str::to_owned).collect();
        let found = self.places.get(&place)?.clone();
        Some(Setting { key, place, found })
    }

    /// A setting's value; a wrong one is noted as a mistake and is none.
    fn parse<T>(&mut self, path: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let setting = self.find(path)?;
        self.read(&setting, &|text| parse(text).ok_or(None))
    }

    /// The same where the value itself does not show what is wrong with it.
    fn parse_told<T>(&mut self, path: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let setting = self.find(path)?;
        self.read(&setting, &|text| parse(text).map_err(Some))
    }

    /// The values of a setting whose last or middle part the user names, by that name.
    fn each<T>(&mut self, path: &str, parse: impl Fn(&str) -> Option<T>) -> BTreeMap<String, T> {
        self.read_each(path, &|text| parse(text).ok_or(None))
    }

    /// The same where a value itself does not show what is wrong with it.
    fn each_told<T>(&mut self, path: &str, parse: impl Fn(&str) -> Result<T, String>) -> BTreeMap<String, T> {
        self.read_each(path, &|text| parse(text).map_err(Some))
    }

    fn read_each<T>(&mut self, path: &str, parse: &impl Fn(&str) -> Result<T, Why>) -> BTreeMap<String, T> {
        let Some(key) = KEYS.iter().find(|key| key.path == path) else {
            return BTreeMap::new();
        };
        let star = key.parts().position(|part| part == "*").unwrap_or_default();
        let settings: Vec<Setting> = self
            .places
            .iter()
            .filter(|(place, _)| key.is_at(place))
            .map(|(place, found)| Setting {
                key,
                place: place.clone(),
                found: found.clone(),
            })
            .collect();
        let mut values = BTreeMap::new();
        for setting in &settings {
            let value = self.read(setting, parse);
            let Some(name) = own_name(path, &setting.place[star]) else {
                let problem = format!("{} is no registry's host[:port]", setting.place[star]);
                self.mistakes.push(setting.mistake(problem));
                continue;
            };
            values.extend(value.map(|value| (name, value)));
        }
        values
    }

    fn read<T>(&mut self, setting: &Setting, parse: &impl Fn(&str) -> Result<T, Why>) -> Option<T> {
        let text = text_of(&setting.found.value);
        let kind = &setting.found.value.kind;
        let fits = match (setting.key.shape, kind) {
            (_, ValueKind::String(_)) | (Shape::List, ValueKind::Array(_)) => true,
            (Shape::Text | Shape::Choice(_) | Shape::List, _) | (_, ValueKind::Array(_)) => false,
            (Shape::Number(..) | Shape::Flag, _) => true,
        };
        if !fits {
            let mend = match kind {
                ValueKind::Array(_) => "is a list, and takes one value",
                _ => "is not text in YAML: put it in quotes",
            };
            let problem = format!("{mend}; allowed: {}", setting.key.allowed);
            self.mistakes.push(setting.mistake(problem));
            return None;
        }
        let why = match text.as_deref().map_or(Err(None), parse) {
            Ok(value) => return Some(value),
            Err(why) => why.map(|why| format!(": {why}")).unwrap_or_default(),
        };
        let said = match (shown(&setting.found.value), setting.key.secret) {
            (Some(text), false) => format!("{text:?} is not allowed"),
            _ => "the value is not allowed".to_owned(),
        };
        let problem = format!("{said}{why}; allowed: {}", setting.key.allowed);
        self.mistakes.push(setting.mistake(problem));
        None
    }

    /// Notes that the setting at `place` makes no sense without another.
    fn lacks(&mut self, place: &[&str], what: &str) {
        let place: Vec<String> = place.iter().map(|&part| part.to_owned()).collect();
        let origin = self.places.get(&place).map(|found| found.origin.clone());
        self.mistakes.push(Mistake {
            origin: origin.unwrap_or_default(),
            key: place.join("."),
            problem: format!("needs {what}"),
        });
    }
}

impl Setting {
    fn mistake(&self, problem: String) -> Mistake {
        Mistake {
            origin: self.found.origin.clone(),
            key: self.place.join("."),
            problem,
        }
    }
}

/// A name that the user chose, as it is used: registries are hosts, and Docker Hub has several.
fn own_name(path: &str, written: &str) -> Option<String> {
    match (path.starts_with("registries."), written) {
        (true, "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com") => Some("docker.io".to_owned()),
        (true, written) => host(written),
        (false, written) => Some(written.to_owned()),
    }
}

/// The ledger's file where none is set: in the user's state folder; without a home, in the working folder.
pub fn usual_ledger() -> PathBuf {
    match dirs::state_dir().or_else(dirs::data_local_dir) {
        Some(folder) => folder.join("ecr-keeper/ledger.json"),
        None => PathBuf::from(".ecr-keeper-ledger.json"),
    }
}
