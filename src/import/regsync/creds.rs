//! `creds`: how registries are asked, and who we are there.

use crate::aws::ecr::account_and_region;
use crate::import::draft::Draft;
use crate::import::login::{Said, Templates, log_in};
use crate::import::names;
use crate::import::section::{Item, Section};

/// One entry.
pub(super) fn read(entry: &Item<'_>, draft: &mut Draft) {
    let Some(mut section) = entry.section(draft) else {
        return;
    };
    let name = section.take("registry").and_then(|item| item.text(draft));
    let host = match name.map(names::host) {
        Some(Ok(host)) => host,
        Some(Err(why)) => return draft.leave(entry, format!("its registry: {why}")),
        None => return draft.leave(entry, "it names no registry"),
    };
    let username = Said::username(section.take("user"), Templates::Go, draft);
    let password = Said::password(section.take("pass"), Templates::Go, draft);
    log_in(draft, &host, username, password);
    tls(&mut section, &host, entry, draft);
    limits(&mut section, &host, entry, draft);
    mirrors(&mut section, &host, entry, draft);
    let is_ecr = account_and_region(&host).is_some();
    section.leave_rest(draft, |key| why(key, is_ecr));
}

fn why(key: &str, is_ecr: bool) -> Option<&'static str> {
    Some(match key {
        "credHelper" | "credExpire" | "credHost" if is_ecr => {
            "a registry of ECR is logged in to with AWS's own credentials"
        }
        "credHelper" | "credExpire" | "credHost" => {
            "name the helper in Docker's configuration (credHelpers), which is asked"
        }
        "token" => "a secret is not written, and tokens are asked for with a login",
        "regcert" => "write it into a file, and name that in `registries.HOST.ca`",
        "clientCert" => "write it into a file, and name that in `registries.HOST.cert`",
        "clientKey" => "a secret is not written: keep it in a file, and name that in `registries.HOST.key`",
        "hostname" => "name it in `registries.HOST.mirrors`, and its login by its own name",
        "pathPrefix" => "write it behind the mirror's host in `registries.HOST.mirrors`: host/prefix",
        "priority" => "mirrors are asked in the order of `registries.HOST.mirrors`",
        "blobChunk" | "blobMax" => "`registries.HOST.chunk_mib` cuts all uploads to it into pieces",
        "repoAuth" => "a token is asked for as the registry says, in any case",
        "api" | "apiOpts" => "it has no counterpart, and is not needed",
        _ => return None,
    })
}

fn tls(section: &mut Section<'_>, host: &str, entry: &Item<'_>, draft: &mut Draft) {
    let plain_http = match section.take("tls") {
        Some(item) => match item.text(draft).map(str::to_ascii_lowercase).as_deref() {
            Some("enabled") => Some(false),
            Some("disabled") => Some(true),
            Some("insecure") => {
                draft.leave(
                    &item,
                    "certificates are always checked: name the registry's authority in `registries.HOST.ca`",
                );
                None
            }
            Some("") | None => None,
            Some(_) => {
                draft.leave(&item, "it is none of enabled, insecure and disabled");
                None
            }
        },
        // The word that came before `tls`.
        None => section.take("scheme").and_then(|item| match item.text(draft)? {
            "http" => Some(true),
            "https" => Some(false),
            _ => {
                draft.leave(&item, "it is none of http and https");
                None
            }
        }),
    };
    if plain_http.is_some() {
        draft.host(host, entry).plain_http = plain_http;
    }
}

fn limits(section: &mut Section<'_>, host: &str, entry: &Item<'_>, draft: &mut Draft) {
    // Of both, 0 is none.
    let mut limit = |key: &str, most: usize, draft: &mut Draft| {
        let item = section.take(key)?;
        match item.text(draft)? {
            "0" => None,
            _ => item.number(draft, 1, most),
        }
    };
    let per_second = limit("reqPerSec", 10_000, draft);
    let at_once = limit("reqConcurrent", 512, draft);
    if per_second.is_some() || at_once.is_some() {
        let said = draft.host(host, entry);
        said.requests_per_second = per_second.or(said.requests_per_second);
        said.concurrency = at_once.or(said.concurrency);
    }
}

/// They are asked before the registry itself.
fn mirrors(section: &mut Section<'_>, host: &str, entry: &Item<'_>, draft: &mut Draft) {
    let Some(list) = section.take("mirrors") else { return };
    let mut mirrors = Vec::new();
    for item in list.items(draft) {
        match item.text(draft).map(names::host) {
            Some(Ok(mirror)) => mirrors.push(mirror),
            Some(Err(why)) => draft.leave(&item, why),
            None => {}
        }
    }
    if !mirrors.is_empty() {
        mirrors.push(host.to_owned());
        draft.host(host, entry).mirrors = mirrors;
    }
}
