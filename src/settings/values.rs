//! What the text of a setting may be: each answers none where it is not that.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use regex::Regex;
use reqwest::Certificate;

use crate::image::{Platforms, Repository};
use crate::ledger::Place;

pub(super) fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

pub(super) fn from_str<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

pub(super) fn flag(text: &str) -> Option<bool> {
    from_str(text)
}

pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Option<T> {
    choices
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, choice)| *choice)
}

pub(super) fn within(text: &str, range: std::ops::RangeInclusive<usize>) -> Option<usize> {
    from_str(text).filter(|number| range.contains(number))
}

pub(super) fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// `~/` is the home folder, which in a settings file no shell puts in.
pub(super) fn path(text: &str) -> Option<PathBuf> {
    match text.strip_prefix("~/") {
        Some(rest) => dirs::home_dir().map(|home| home.join(rest)),
        None => (!text.is_empty()).then(|| PathBuf::from(text)),
    }
}

pub(super) fn url(text: &str) -> Option<String> {
    let parsed = reqwest::Url::parse(text).ok()?;
    (matches!(parsed.scheme(), "http" | "https") && parsed.has_host()).then(|| text.to_owned())
}

pub(super) fn host(text: &str) -> Option<String> {
    // An image's name is the strictest test of what may stand before its first slash. Docker Hub's puts `library/` there.
    let repository: Repository = format!("{text}/x").parse().ok()?;
    (repository.host == text).then(|| text.to_owned())
}

pub(super) fn mirror(text: &str) -> Option<String> {
    let (own_host, prefix) = text
        .split_once('/')
        .map_or((text, None), |(host, prefix)| (host, Some(prefix)));
    host(own_host)?;
    match prefix {
        Some(prefix) => from_str::<Repository>(&format!("{own_host}/{prefix}")).map(|_| text.to_owned()),
        None => Some(text.to_owned()),
    }
}

pub(super) fn mirrors(text: &str) -> Option<Vec<String>> {
    text.split(',').map(|one| mirror(one.trim())).collect()
}

/// A file that can be read now: a mistake in it is told before anything is done.
fn content(text: &str) -> Option<Vec<u8>> {
    std::fs::read(path(text)?).ok()
}

pub(super) fn authorities(text: &str) -> Option<Vec<Certificate>> {
    let all = Certificate::from_pem_bundle(&content(text)?).ok()?;
    (!all.is_empty()).then_some(all)
}

pub(super) fn pem(text: &str) -> Option<Vec<u8>> {
    content(text).filter(|pem| pem.starts_with(b"-----BEGIN") || pem.windows(11).any(|part| part == b"-----BEGIN "))
}

/// A file, or `s3://BUCKET/KEY`.
pub(super) fn ledger_place(text: &str) -> Option<Place> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return path(text).map(Place::File);
    };
    let (bucket, key) = rest.split_once('/').filter(|_| scheme == "s3")?;
    let is_one = !bucket.is_empty() && !key.is_empty() && !key.ends_with('/');
    is_one.then(|| Place::Object {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    })
}

/// For whole tags.
pub(super) fn tags(text: &str) -> Option<Regex> {
    // By itself first: `a)|(b` would be none, and yet be one between the anchors.
    Regex::new(text).ok()?;
    Regex::new(&format!("^(?:{text})$")).ok()
}

/// Without a login: a daemon has none, and it would be shown.
pub(super) fn daemon_address(text: &str) -> Option<String> {
    let known = ["unix://", "tcp://", "http://"];
    let address = known.iter().find_map(|scheme| text.strip_prefix(scheme))?;
    (!address.is_empty() && !address.contains('@')).then(|| text.to_owned())
}

pub(super) fn platforms(text: &str) -> Option<Platforms> {
    (!text.is_empty()).then(|| from_str(text))?
}

/// A wait of no time at all would end before anything could come of it.
pub(super) fn bound(text: &str) -> Option<Duration> {
    duration(text).filter(|bound| !bound.is_zero())
}

pub(super) fn region(text: &str) -> Option<String> {
    let code = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (!text.is_empty() && text.bytes().all(code)).then(|| text.to_owned())
}
