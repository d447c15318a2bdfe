//! dregsy's configuration (xelalexv/dregsy, README).

mod tags;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::draft::{Common, Draft, Image, PLATFORMS, SCHEDULE};
use super::login::{Said, Word, log_in};
use super::names;
use super::section::{Item, Section};
use super::{ImportError, keys_of, other};
use crate::image::{Platforms, Repository};
use crate::settings::interval as interval_of;
use crate::yaml::Node;

const EXPECTED: &str = "a configuration of dregsy is a mapping with a list `tasks`";

const RELAYS: &str = "a configuration of dregsy has `relay: skopeo` or `relay: docker`";

/// Reads all of it.
pub(super) fn read(root: &Node, draft: &mut Draft) -> Result<(), ImportError> {
    let mut all = keys_of(root, draft, EXPECTED)?;
    let Some(tasks) = all.take("tasks").filter(Item::is_list) else {
        return Err(other(root, root.line, draft, EXPECTED));
    };
    let relay = all.take("relay");
    draft.engine = match relay.as_ref().and_then(|item| item.text(draft)) {
        Some("skopeo") => "direct",
        // dregsy's own default.
        Some("docker") | None => "docker",
        Some(_) => return Err(other(root, relay.map_or(root.line, |item| item.line), draft, RELAYS)),
    };
    relays(&mut all, draft);
    for entry in tasks.items(draft) {
        task(&entry, draft);
    }
    if draft.engine == "direct" {
        draft.take_one_platform("");
    }
    all.leave_rest(draft, |key| match key {
        "watch" => Some("the settings are read by each run"),
        "lister" => Some("repositories are named one by one, and not listed"),
        _ => None,
    });
    Ok(())
}

fn relays(all: &mut Section<'_>, draft: &mut Draft) {
    if let Some(mut docker) = all.take("docker").and_then(|item| item.section(draft)) {
        daemon(docker.take("dockerhost"), draft);
        docker.leave_rest(draft, without_relay);
    }
    daemon(all.take("dockerhost"), draft);
    if let Some(skopeo) = all.take("skopeo").and_then(|item| item.section(draft)) {
        skopeo.leave_rest(draft, without_relay);
    }
    if let Some(version) = all.take("api-version") {
        draft.leave(&version, AGREED);
    }
}

const AGREED: &str = "the version of the API is agreed on with the daemon";

fn without_relay(key: &str) -> Option<&'static str> {
    match key {
        "api-version" => Some(AGREED),
        "binary" => Some("nothing else is started"),
        "certs-dir" => Some("name the files in it as `registries.HOST.ca`, `cert` and `key`"),
        _ => None,
    }
}

fn daemon(item: Option<Item<'_>>, draft: &mut Draft) {
    let Some(item) = item else { return };
    let Some(host) = item.text(draft) else { return };
    let is_address = ["unix://", "tcp://", "http://"]
        .iter()
        .any(|scheme| host.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    match is_address && !host.contains('@') {
        true => draft.docker_host = Some(host.to_owned()),
        false => draft.leave(&item, "a daemon is at unix:///PATH or tcp://HOST:PORT here"),
    }
}

fn task(entry: &Item<'_>, draft: &mut Draft) {
    let Some(mut section) = entry.section(draft) else {
        return;
    };
    let label = section.take("name").and_then(|item| item.text(draft));
    let source = section.take("source").and_then(|item| location(&item, draft));
    let target = section.take("target").and_then(|item| location(&item, draft));
    let (Some(source), Some(target)) = (source, target) else {
        return draft.leave(
            entry,
            "it needs a source and a target, each with a registry that can be asked",
        );
    };
    let schedule = section.take("interval").and_then(|item| interval(&item, draft));
    let mappings = section.take("mappings").map(|list| list.items(draft));
    let mappings = mappings.unwrap_or_default();
    if mappings.is_empty() {
        draft.leave(entry, "it has no mappings");
    }
    for item in mappings {
        if let Some(mut image) = mapping(&item, label, &source, &target, draft) {
            image.common.extend(schedule.clone().map(|common| (SCHEDULE, common)));
            draft.images.push(image);
        }
    }
    section.leave_rest(draft, |key| match key {
        "verbose" => Some("how much is logged is said by --log-level"),
        _ => None,
    });
}

/// A number of seconds; 0 is once.
fn interval(item: &Item<'_>, draft: &mut Draft) -> Option<Common> {
    let seconds = item.text(draft).filter(|text| *text != "0")?;
    match interval_of(&format!("{seconds}s")) {
        Some(_) => Some(draft.common(item, vec!["every".to_owned(), format!("{seconds}s")])),
        None => {
            draft.leave(item, "it is no number of seconds from 1 to 30 days");
            None
        }
    }
}

/// A registry's host; who we are there goes to the draft.
fn location(item: &Item<'_>, draft: &mut Draft) -> Option<String> {
    let mut section = item.section(draft)?;
    let registry = section.take("registry")?;
    let host = match names::host(registry.text(draft)?) {
        Ok(host) => host,
        Err(why) => {
            draft.leave(&registry, why);
            return None;
        }
    };
    if let Some(auth) = section.take("auth") {
        log_in_by(&auth, &host, draft);
    }
    section.leave_rest(draft, |key| match key {
        "auth-refresh" => Some("ECR's tokens are asked for with AWS's own credentials, and renewed in a run"),
        "skip-tls-verify" => Some(
            "certificates are always checked: name the registry's authority in `registries.HOST.ca`, or say \
             `registries.HOST.plain_http: true` where it has no TLS",
        ),
        "lister" => Some("repositories are named one by one, and not listed"),
        _ => None,
    });
    Some(host)
}

/// By base64 of `{"username": …, "password": …}`; `none` is nobody.
fn log_in_by(auth: &Item<'_>, host: &str, draft: &mut Draft) {
    let Some(text) = auth.text(draft) else { return };
    if text == "none" {
        return draft.leave(
            auth,
            "without a login in the settings, Docker's configuration is asked for one",
        );
    }
    let read = STANDARD.decode(text.trim()).ok();
    let read = read.and_then(|json| serde_json::from_slice::<serde_json::Value>(&json).ok());
    let username = read.as_ref().and_then(|login| login.get("username")?.as_str());
    match username.filter(|name| !name.is_empty()) {
        Some(name) => {
            let said = |word| Said {
                item: auth.clone(),
                word,
            };
            log_in(
                draft,
                host,
                Some(said(Word::Name(name.to_owned()))),
                Some(said(Word::Secret)),
            );
        }
        None => draft.leave(auth, "it is no base64 of a JSON object with a username and a password"),
    }
}

fn mapping(item: &Item<'_>, label: Option<&str>, source: &str, target: &str, draft: &mut Draft) -> Option<Image> {
    let mut section = item.section(draft)?;
    let from = section.take("from").and_then(|item| item.text(draft));
    let to = match section.take("to") {
        Some(item) => item.text(draft),
        None => from,
    };
    let read = match (from, to) {
        (Some(from), Some(to)) => repositories(source, from, target, to),
        _ => Err("it needs a `from`, and a `to` that is a text".to_owned()),
    };
    let (upstream, target) = match read {
        Ok(read) => read,
        Err(why) => {
            draft.leave(item, why);
            return None;
        }
    };
    let tags = section.take("tags");
    let digests = section.take("digests");
    if let (Some(digests), None) = (&digests, &tags) {
        draft.leave(digests, names::DIGEST);
        return None;
    }
    let Some(sets) = tags::sets(tags.as_ref(), draft) else {
        draft.leave(item, "none of its rules for tags can be brought over");
        return None;
    };
    let mut common = BTreeMap::new();
    if let Some(said) = section.take("platform") {
        match said.text(draft).map(str::parse::<Platforms>) {
            Some(Ok(Platforms::AsTarget)) => {}
            Some(Ok(platforms)) => {
                common.insert(PLATFORMS, draft.common(&said, vec![platforms.to_string()]));
            }
            Some(Err(_)) | None => {
                draft.leave(
                    item,
                    "its platform is none such as linux/amd64, and without it more would come",
                );
                return None;
            }
        }
    }
    if let Some(digests) = digests {
        draft.leave(&digests, names::DIGEST);
    }
    section.leave_rest(draft, |key| match key {
        "preserve-digests" => {
            Some("digests stay with `engine: direct`, unless `platforms` or `attestations` ask for less")
        }
        _ => None,
    });
    Some(Image {
        said: draft.said(item),
        label: label.map(str::to_owned),
        upstream,
        target,
        sets,
        digests: BTreeMap::new(),
        common,
    })
}

fn repositories(source: &str, from: &str, target: &str, to: &str) -> Result<(Repository, Repository), String> {
    if from.starts_with("regex:") || to.starts_with("regex:") {
        return Err("names of repositories are no expressions here: name each in an entry of `images`".to_owned());
    }
    let at = |host: &str, path: &str| names::repository(&format!("{host}/{}", path.trim_start_matches('/')));
    Ok((
        at(source, from).map_err(|why| format!("its from: {why}"))?,
        at(target, to).map_err(|why| format!("its to: {why}"))?,
    ))
}
