//! Settings in environment variables: ours, and the originals' names.

use std::collections::BTreeMap;

use config::Value;

use super::keys::keys;
use super::layers::{Found, Layer, Places, of_variable};
use super::{Mistake, SettingsError};

/// Registries that an environment variable can name although the settings file does not.
const WELL_KNOWN: &[&str] = &[
    "docker.io",
    "ghcr.io",
    "quay.io",
    "gcr.io",
    "registry.k8s.io",
    "public.ecr.aws",
    "mcr.microsoft.com",
    "registry.gitlab.com",
];

/// The environment variables that settings are read from; one that is not text is a mistake.
pub fn environment() -> Result<BTreeMap<String, String>, SettingsError> {
    let mut environment = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (name, value) in std::env::vars_os() {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) if is_setting(&name) => {
                environment.insert(name, value);
            }
            (Ok(name), Err(_)) if is_setting(&name) => mistakes.push(Mistake {
                origin: "the environment".to_owned(),
                key: name,
                problem: "is not UTF-8 text".to_owned(),
            }),
            _ => {}
        }
    }
    match mistakes.is_empty() {
        true => Ok(environment),
        false => Err(SettingsError::Invalid(mistakes)),
    }
}

pub(super) fn others(environment: &BTreeMap<String, String>) -> Layer {
    let mut values = Vec::new();
    for key in keys() {
        for name in key.variables {
            // An empty variable is how a pipeline says that there is none.
            if let Some(value) = environment.get(*name).filter(|value| !value.is_empty()) {
                let place = key.parts().map(str::to_owned).collect();
                values.push((place, value.clone(), of_variable(name)));
            }
        }
    }
    Layer(values)
}

/// Docker Hub's login, as lambda-ecr-image-sync reads it.
const OF_DOCKER_HUB: [(&str, &str); 2] = [("DOCKER_USERNAME", "username"), ("DOCKER_PASSWORD", "password")];

/// Where one is without the other, it is a pipeline's own.
pub(super) fn docker_hub(environment: &BTreeMap<String, String>) -> Layer {
    let said = OF_DOCKER_HUB.map(|(name, key)| {
        let value = environment.get(name).filter(|value| !value.is_empty())?;
        let place = ["registries", "docker.io", key].map(str::to_owned).to_vec();
        Some((place, value.clone(), of_variable(name)))
    });
    Layer(match said {
        [Some(username), Some(password)] => vec![username, password],
        _ => Vec::new(),
    })
}

const PREFIX: &str = "ECR_KEEPER_";
/// Beginnings of variables with our prefix that are no settings. Kubernetes sets the others for a service called ecr-keeper.
const NO_SETTINGS: &[&str] = &["ECR_KEEPER_CONFIG", "ECR_KEEPER_SERVICE_", "ECR_KEEPER_PORT"];

/// A variable's name has no `.`, `:` or `-`, which a host's has: `_` stands for each of them.
fn host_of_variable(written: &str, hosts: &[String]) -> String {
    let as_variable = |host: &&String| host.to_lowercase().replace(['.', ':', '-'], "_") == written;
    hosts
        .iter()
        .find(as_variable)
        .map_or_else(|| written.to_owned(), Clone::clone)
}

/// The variable that sets a key of a registry: `ECR_KEEPER_REGISTRIES__QUAY_IO__PASSWORD`.
///
/// Whose host it means is told by the file, which has to name the host below `registries`.
pub fn variable_of_registry(host: &str, key: &str) -> String {
    let host = host.replace(['.', ':', '-'], "_");
    format!("{PREFIX}REGISTRIES__{host}__{key}").to_uppercase()
}

pub(super) fn own(environment: &BTreeMap<String, String>, named: Vec<String>) -> Layer {
    let hosts: Vec<String> = WELL_KNOWN.iter().map(|&host| host.to_owned()).chain(named).collect();
    let own = |(name, value): (&String, &String)| {
        let place = name.strip_prefix(PREFIX)?;
        // An empty variable is how a pipeline says that there is none.
        if value.is_empty() || NO_SETTINGS.iter().any(|other| name.starts_with(other)) {
            return None;
        }
        let mut place: Vec<String> = place.split("__").map(str::to_lowercase).collect();
        if is_in_list(&place) {
            return None;
        }
        match &mut place[..] {
            [section, host, _] if section == "registries" => *host = host_of_variable(host, &hosts),
            // As a registry's host: a header's name has a `-` where a variable's has a `_`.
            [webhook, headers, name] if webhook == "webhook" && headers == "headers" => *name = name.replace('_', "-"),
            _ => {}
        }
        Some((place, value.clone(), of_variable(name)))
    };
    Layer(environment.iter().filter_map(own).collect())
}

/// An entry of a list is told by its number alone, and the whole list would go.
fn is_in_list(place: &[String]) -> bool {
    keys().any(|key| key.is_of_list_at(&place[..1]))
}

/// Variables that would set an entry of a list, under a name that no setting has.
pub(super) fn of_lists(environment: &BTreeMap<String, String>) -> Places {
    let own = environment.iter().filter(|(_, value)| !value.is_empty());
    let own = own.filter_map(|(name, value)| {
        let place: Vec<String> = name.strip_prefix(PREFIX)?.split("__").map(str::to_lowercase).collect();
        let found = Found {
            value: Value::from(value.clone()),
            origin: of_variable(name),
        };
        is_in_list(&place).then(|| (vec![place.join(".")], found))
    });
    own.collect()
}

/// Whether an environment variable is one that settings are read from.
fn is_setting(name: &str) -> bool {
    let is_of_hub = || OF_DOCKER_HUB.iter().any(|(variable, _)| *variable == name);
    name.starts_with(PREFIX) || is_of_hub() || keys().any(|key| key.variables.contains(&name))
}
