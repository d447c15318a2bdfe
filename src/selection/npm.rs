//! Conditions as people write them elsewhere, in the words that there are here.

use super::version::Version;

/// What npm's and Cargo's users mean by `1.2.x`, `~1.2` and `^1.2`.
pub(super) fn in_our_words(condition: &str) -> Option<String> {
    if condition == "*" {
        return Some(">= 0".to_owned());
    }
    if let Some(rest) = condition.strip_prefix("==") {
        let version: Version = rest.trim().parse().ok()?;
        return Some(format!("= {version}"));
    }
    // `~> 1.x` is meant as `1.x` is.
    let condition = condition.strip_prefix("~>").map_or(condition, str::trim);
    let wild = [".x", ".X", ".*"].iter().find_map(|end| condition.strip_suffix(end));
    if let Some(known) = wild {
        known.parse::<Version>().ok()?;
        return Some(format!("~> {known}.0"));
    }
    if let Some(rest) = condition.strip_prefix('~') {
        // There `~1.2` stays below 1.3, and `~1` below 2.
        return Some(match rest.parse::<Version>().ok()?.segments().len() {
            1 | 2 => format!("~> {rest}.0"),
            _ => format!("~> {rest}"),
        });
    }
    let rest = condition.strip_prefix('^')?;
    rest.parse::<Version>().ok()?;
    let major: u64 = rest.trim_start_matches('v').split('.').next()?.parse().ok()?;
    (major > 0).then(|| format!(">= {rest}, < {}", major + 1))
}

/// What npm's users mean by `1.1 - 1.2`: up to all of the last that is written (node-semver, "Hyphen Ranges").
pub(super) fn hyphen_range(condition: &str) -> Option<String> {
    let (from, to) = condition.split_once(" - ")?;
    let (from, to): (Version, Version) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    let next = match *to.segments() {
        [major] => format!("< {}", major.checked_add(1)?),
        [major, minor] => format!("< {major}.{}", minor.checked_add(1)?),
        _ => format!("<= {to}"),
    };
    Some(format!(">= {from}, {next}"))
}

/// Without what AWS allows in no resource tag.
pub(super) fn in_letters(conditions: &str) -> String {
    let words = [
        ("~>", "-pe"),
        (">=", "-ge"),
        ("<=", "-le"),
        ("!=", "-ne"),
        ("<", "-lt"),
        (">", "-gt"),
        ("=", "-eq"),
        (",", ""),
    ];
    let replace = |text: String, (word, letters): (&str, &str)| text.replace(word, letters);
    words.into_iter().fold(conditions.to_owned(), replace)
}
