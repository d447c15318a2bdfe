//! The settings as people are shown them.

use super::keys::{Key, keys};
use super::layers::{self, Given, Places};
use super::read::usual_ledger;
use super::reader::shown as shown_as;
use super::{SettingsError, Written};

/// One line of `config show`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Shown {
    /// The setting.
    pub key: String,
    /// Its value; a secret's is masked; none where it is not set.
    pub value: Option<String>,
    /// Where that came from.
    pub origin: Option<String>,
}

/// Every setting with its value and where that came from, secrets masked. Wrong values are shown too: they are there.
pub fn show(file: Option<&Written>, given: &Given) -> Result<Vec<Shown>, SettingsError> {
    let mut places: Places = layers::read(file, given)?;
    let mut shown = Vec::new();
    for (at, key) in keys().enumerate() {
        let own: Vec<_> = places.extract_if(.., |place, _| key.is_at(place)).collect();
        if own.is_empty() && !key.path.contains(['*', '#']) {
            let usual = (key.path == "ledger").then(|| usual_ledger().display().to_string());
            let one = Shown {
                key: key.path.to_owned(),
                origin: usual.is_some().then(|| "default".to_owned()),
                value: usual,
            };
            shown.push(((at, 0), one));
        }
        shown.extend(own.into_iter().map(|(place, found)| {
            let one = Shown {
                key: place.join("."),
                value: Some(match key.secret {
                    true => "(secret)".to_owned(),
                    false => shown_as(&found.value).unwrap_or_default(),
                }),
                origin: Some(found.origin),
            };
            (order(at, &place), one)
        }));
    }
    shown.sort_by_key(|(order, _)| *order);
    Ok(shown.into_iter().map(|(_, one)| one).collect())
}

/// Where what is found of the key at `at` is shown: the entries of a list stay together.
fn order(at: usize, place: &[String]) -> (usize, usize) {
    let is_of_list = |key: &&Key| key.is_of_list_at(&place[..1]);
    match keys().position(|key| is_of_list(&key)) {
        Some(list) => (
            list,
            place.get(1).and_then(|entry| entry.parse().ok()).unwrap_or_default(),
        ),
        None => (at, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_entry_says_stays_together() {
        let entries = "  - {upstream: app, repository: a/b, newest: 1, targets: [{region: eu-west-1}]}\n".repeat(10);
        let yaml = Written::to_be(&format!("images:\n{entries}"));
        let shown = show(Some(&yaml), &Given::default()).unwrap();
        let entries = shown
            .iter()
            .filter_map(|one| one.key.strip_prefix("images.")?.split('.').next()?.parse().ok());
        let entries: Vec<usize> = entries.collect();
        assert!(entries.len() == 40 && entries.is_sorted(), "{entries:?}");
    }
}
