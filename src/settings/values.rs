//! What the text of a setting may be: each answers none where it is not that, or why not where that does not show in the text.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use reqwest::Certificate;

use crate::image::{Platforms, Repository};
use crate::ledger::Place;
use crate::selection::{InvalidPattern, Pattern, Suffix};

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
    (*repository.host == *text).then(|| text.to_owned())
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
pub(super) fn content(text: &str) -> Result<Vec<u8>, String> {
    let path = path(text).ok_or("no file")?;
    std::fs::read(path).map_err(|error| unreadable(&error))
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file".to_owned(),
        ErrorKind::PermissionDenied => "the file may not be read".to_owned(),
        ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

const NO_CERTIFICATE: &str = "it holds no certificate in PEM";

pub(super) fn authorities(text: &str) -> Result<Vec<Certificate>, String> {
    let all = Certificate::from_pem_bundle(&content(text)?)
        .map_err(|_| "it holds a certificate that cannot be read".to_owned())?;
    match all.is_empty() {
        true => Err(NO_CERTIFICATE.to_owned()),
        false => Ok(all),
    }
}

pub(super) fn certificate(text: &str) -> Result<Vec<u8>, String> {
    pem(text, "-----BEGIN CERTIFICATE-----", NO_CERTIFICATE)
}

pub(super) fn private_key(text: &str) -> Result<Vec<u8>, String> {
    pem(text, "PRIVATE KEY-----", "it holds no private key in PEM")
}

/// A file with a block of this label; whether that is sound shows when certificate and key are put together.
fn pem(text: &str, label: &str, without: &str) -> Result<Vec<u8>, String> {
    let content = content(text)?;
    let is_there = content.windows(label.len()).any(|part| part == label.as_bytes());
    match is_there {
        true => Ok(content),
        false => Err(without.to_owned()),
    }
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
pub(super) fn pattern(text: &str) -> Result<Pattern, String> {
    text.parse().map_err(|why: InvalidPattern| why.to_string())
}

pub(super) fn suffix(text: &str) -> Result<Suffix, String> {
    text.parse().map_err(|why: InvalidPattern| why.to_string())
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

/// Bytes, with a unit or without: `500MB`, `2 GiB`.
pub(super) fn size(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 8] = [
        ("", 1),
        ("B", 1),
        ("KB", 1000),
        ("MB", 1000 * 1000),
        ("GB", 1000 * 1000 * 1000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    from_str::<u64>(number)?.checked_mul(*bytes)
}

/// `arn:PARTITION:iam::ACCOUNT:role/NAME`, with a path before the name where there is one (IAM User Guide, "IAM identifiers").
pub(super) fn role(text: &str) -> Option<String> {
    let mut parts = text.splitn(6, ':');
    let (arn, _, iam, region, account, resource) = (
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next()?,
    );
    let is_role = resource.strip_prefix("role/").is_some_and(|name| !name.is_empty());
    let is_account = self::account(account).is_some();
    (arn == "arn" && iam == "iam" && region.is_empty() && is_account && is_role).then(|| text.to_owned())
}

pub(super) fn account(text: &str) -> Option<String> {
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_account.then(|| text.to_owned())
}

pub(super) fn region(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('-').collect();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_region = match &parts[..] {
        [words @ .., number] => {
            words.len() > 1 && words.iter().all(is_word) && number.parse::<u8>().is_ok_and(|_| !number.starts_with('+'))
        }
        [] => false,
    };
    is_region.then(|| text.to_owned())
}
