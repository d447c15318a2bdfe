//! Where settings come from: defaults, a file, the environment, flags, a saved plan; the later wins.

use std::collections::BTreeMap;
use std::fmt;

use config::{Config, ConfigError, Map, Source, Value, ValueKind};

use super::fetch::{self, Secrets};
use super::keys::keys;
use super::rule_keys::{OF_ENTRIES, OF_SETS};
use super::{Mistake, SettingsError, Written};
use super::{text, variables};

/// What is given beside the file.
#[derive(Clone, Default)]
pub struct Given {
    /// The process's environment.
    pub environment: BTreeMap<String, String>,
    /// Flags: their name, the setting that they set, its value.
    pub flags: Vec<(&'static str, &'static str, String)>,
    /// What is usual where the program runs: a setting and its value. It wins over the defaults alone.
    pub usual: Vec<(&'static str, String)>,
    /// What asked for the run, in the shape of a file. It wins over the flags.
    pub event: Option<Written>,
    /// What a saved plan says: a setting and its value. It wins over all others, since it was approved.
    pub plan: Vec<(&'static str, String)>,
    /// Secrets that were read, by the ARNs that settings name them by.
    pub secrets: Secrets,
}

/// Names only: the values of many are secrets.
impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags: Vec<&str> = self.flags.iter().map(|(flag, ..)| *flag).collect();
        f.debug_struct("Given")
            .field("environment", &self.environment.keys())
            .field("flags", &flags)
            .field("usual", &self.usual)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

/// A value and where it came from.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) value: Value,
    pub(super) origin: String,
}

/// Every value that was found, by its place.
pub(super) type Places = BTreeMap<Vec<String>, Found>;

/// One layer of values given by name, each with its own origin.
#[derive(Debug, Clone)]
pub(super) struct Layer(pub(super) Vec<(Vec<String>, String, String)>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let mut root = Map::new();
        for (place, value, origin) in &self.0 {
            insert(&mut root, place, Value::new(Some(origin), value.clone()));
        }
        Ok(root)
    }
}

fn insert(table: &mut Map<String, Value>, place: &[String], value: Value) {
    match place {
        [] => {}
        [last] => {
            table.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let section = table
                .entry(first.clone())
                .or_insert_with(|| Value::from(Map::<String, Value>::new()));
            if let ValueKind::Table(inner) = &mut section.kind {
                insert(inner, rest, value);
            }
        }
    }
}

/// The hosts that a file names: below `registries`, and as their mirrors.
fn hosts_of(table: &Map<String, Value>) -> Vec<String> {
    let Some(ValueKind::Table(registries)) = table.get("registries").map(|value| &value.kind) else {
        return Vec::new();
    };
    let mut hosts: Vec<String> = registries.keys().cloned().collect();
    for registry in registries.values() {
        if let ValueKind::Table(settings) = &registry.kind
            && let Some(mirrors) = settings.get("mirrors").and_then(super::reader::text_of)
        {
            let host = |mirror: &str| mirror.trim().split('/').next().map(str::to_owned);
            hosts.extend(mirrors.split(',').filter_map(host));
        }
    }
    hosts
}

/// Reads all layers. What is wrong with single values is for later; a file that is no YAML is an error here.
pub(super) fn read(file: Option<&Written>, given: &Given) -> Result<Places, SettingsError> {
    let mut misplaced = Places::new();
    let file = file.map(|file| table_of(file, &mut misplaced)).transpose()?;
    let event = given.event.as_ref();
    let event = event.map(|event| table_of(event, &mut misplaced)).transpose()?;
    let named = file.iter().flat_map(|OfFile(_, table)| hosts_of(table));
    let hosts: Vec<String> = named.collect();
    let mut builder = Config::builder().add_source(defaults()).add_source(usual(given));
    if let Some(file) = file {
        builder = builder.add_source(file);
    }
    builder = builder
        .add_source(variables::others(&given.environment))
        .add_source(variables::docker_hub(&given.environment))
        .add_source(variables::own(&given.environment, hosts))
        .add_source(flags(given));
    if let Some(event) = event {
        builder = builder.add_source(event);
    }
    let config = builder
        .add_source(of_plan(given))
        .build()
        .and_then(|config| config.collect());
    misplaced.append(&mut variables::of_lists(&given.environment));
    let mut places = Places::new();
    let root = config.map_err(|error| {
        SettingsError::Invalid(vec![Mistake {
            origin: "settings".to_owned(),
            key: String::new(),
            problem: error.to_string(),
        }])
    })?;
    for (key, value) in root {
        flatten(vec![key], value, "settings", &mut places);
    }
    places.append(&mut misplaced);
    fetch::put(&given.secrets, &mut places);
    Ok(places)
}

fn table_of(written: &Written, misplaced: &mut Places) -> Result<OfFile, SettingsError> {
    let name = written.path.display().to_string();
    let mut table = text::table(written)?;
    table.retain(|key, _| !key.starts_with(OWN));
    take_misplaced(&mut table, &mut Vec::new(), &name, misplaced);
    Ok(OfFile(name, table))
}

/// Keys of a file that begin so are whoever wrote it's own: what others refer to stands there (`<<: *usual`).
pub(super) const OWN: &str = "x-";

/// Takes values out that stand where a section belongs: merged, they would take the section's defaults with them, or be hidden
/// by another layer.
fn take_misplaced(table: &mut Map<String, Value>, place: &mut Vec<String>, file: &str, misplaced: &mut Places) {
    table.retain(|key, value| {
        place.push(key.clone());
        let keep = match &mut value.kind {
            ValueKind::Table(inner) => {
                take_misplaced(inner, place, file, misplaced);
                true
            }
            // A name that nobody knows is a mistake also without a value.
            ValueKind::Nil => {
                let is_known = is_known(place);
                if !is_known {
                    misplaced.insert(place.clone(), found(value, file));
                }
                is_known
            }
            _ => {
                let is_list = matches!(value.kind, ValueKind::Array(_)) && keys().any(|key| key.is_of_list_at(place));
                let is_section = keys().any(|key| key.is_below(place)) && !keys().any(|key| key.is_at(place));
                if is_section && !is_list {
                    misplaced.insert(place.clone(), found(value, file));
                }
                !is_section || is_list
            }
        };
        place.pop();
        keep
    });
}

fn found(value: &Value, origin: &str) -> Found {
    Found {
        value: value.clone(),
        origin: origin.to_owned(),
    }
}

/// Whether a setting, or a section of some, stands at a place.
fn is_known(place: &[String]) -> bool {
    keys().any(|key| key.is_at(place) || key.is_below(place))
}

/// A file's values, each with the file as its origin. A key without a value leaves what is beneath it.
#[derive(Debug, Clone)]
struct OfFile(String, Map<String, Value>);

impl Source for OfFile {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.of_table(&self.1))
    }
}

impl OfFile {
    fn of_table(&self, table: &Map<String, Value>) -> Map<String, Value> {
        let given = table.iter().filter(|(_, value)| !matches!(value.kind, ValueKind::Nil));
        let named = given.map(|(key, value)| match &value.kind {
            ValueKind::Table(inner) => (key.clone(), Value::new(Some(&self.0), self.of_table(inner))),
            kind => (key.clone(), Value::new(Some(&self.0), kind.clone())),
        });
        named.collect()
    }
}

/// The origin of what nobody said.
pub(super) const DEFAULT: &str = "default";

fn defaults() -> Layer {
    let default = |key: &super::keys::Key| {
        let place = key.parts().map(str::to_owned).collect();
        key.default.map(|value| (place, value.to_owned(), DEFAULT.to_owned()))
    };
    Layer(keys().filter_map(default).collect())
}

const OF_VARIABLE: &str = "environment variable ";
const OF_FLAG: &str = "flag ";

pub(super) fn of_variable(name: &str) -> String {
    format!("{OF_VARIABLE}{name}")
}

/// How strong the layer is that a value of this origin came from: defaults and the file, the environment, flags.
pub(super) fn rank(origin: &str) -> u8 {
    match origin {
        origin if origin.starts_with(OF_FLAG) => 2,
        origin if origin.starts_with(OF_VARIABLE) => 1,
        _ => 0,
    }
}

fn flags(given: &Given) -> Layer {
    let flag = |(flag, path, value): &(&str, &str, String)| {
        let place = path.split('.').map(str::to_owned).collect();
        (place, value.clone(), format!("{OF_FLAG}{flag}"))
    };
    Layer(given.flags.iter().map(flag).collect())
}

fn of_plan(given: &Given) -> Layer {
    said(&given.plan, "the plan")
}

fn usual(given: &Given) -> Layer {
    said(&given.usual, DEFAULT)
}

fn said(values: &[(&'static str, String)], origin: &str) -> Layer {
    let one = |(path, value): &(&str, String)| {
        let place = path.split('.').map(str::to_owned).collect();
        (place, value.clone(), origin.to_owned())
    };
    Layer(values.iter().map(one).collect())
}

/// Whether what is empty here is a mistake: an entry of a list, or what says in one which tags come. Without it everything would.
fn has_to_say_something(place: &[String]) -> bool {
    let is_list = |place: &[String]| keys().any(|key| key.is_of_list_at(place));
    let Some((last, section)) = place.split_last().filter(|(_, section)| !section.is_empty()) else {
        return false;
    };
    let is_rule = || OF_ENTRIES.iter().chain(&OF_SETS).any(|key| key.is_at(place));
    let is_digests = || last == "digests" && keys().any(|key| key.is_below(place));
    is_list(place) || is_list(section) || is_rule() || is_digests()
}

/// `from` is the origin of what it is in.
fn flatten(place: Vec<String>, value: Value, from: &str, places: &mut Places) {
    let origin = value.origin().unwrap_or(from).to_owned();
    let is_list = keys().any(|key| key.is_of_list_at(&place));
    let must_say = has_to_say_something(&place);
    match value.kind {
        ValueKind::Nil if !must_say && is_known(&place) => {}
        ValueKind::Array(entries) if is_list && !(entries.is_empty() && must_say) => {
            for (at, entry) in entries.into_iter().enumerate() {
                let mut inner = place.clone();
                inner.push((at + 1).to_string());
                flatten(inner, entry, &origin, places);
            }
        }
        ValueKind::Table(table) if !(table.is_empty() && must_say) => {
            for (key, value) in table {
                let mut inner = place.clone();
                inner.push(key);
                flatten(inner, value, &origin, places);
            }
        }
        kind => {
            let value = Value::new(Some(&origin), kind);
            places.insert(place, Found { value, origin });
        }
    }
}
