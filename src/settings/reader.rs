//! What reads single settings by their keys, and collects every mistake on the way.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use config::{Value, ValueKind};

use super::Mistake;
use super::keys::{Key, Shape, keys};
use super::layers::{DEFAULT, Found, Places, rank};
use super::shapes::misshapen;
use super::values::host;

/// A value as people may see it: without what stands before an `@`, which in an address is a login. A word such as `@daily` and a
/// digest have none before it.
pub(super) fn shown(value: &Value) -> Option<String> {
    let text = text_of(value)?;
    let is_digest = |rest: &str| rest.starts_with("sha256:") || rest.starts_with("sha512:");
    Some(match text.rfind('@') {
        Some(0) | None => text,
        Some(at) if is_digest(&text[at + 1..]) && !text.contains("://") && text.matches('@').count() == 1 => text,
        Some(at) => format!("…{}", &text[at..]),
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
pub(super) type Why = Option<String>;

pub(super) struct Reader {
    pub(super) mistakes: Vec<Mistake>,
    pub(super) without_effect: Vec<Mistake>,
    pub(super) places: Places,
}

/// A key's value, and what it takes to complain about it.
pub(super) struct Setting {
    pub(super) found: Found,
    key: &'static Key,
    place: Vec<String>,
}

impl Reader {
    /// Of all that was found; what has no key is a mistake already.
    pub(super) fn new(places: Places) -> Self {
        Self {
            mistakes: misshapen(&places),
            without_effect: Vec::new(),
            places,
        }
    }

    pub(super) fn find(&self, path: &str) -> Option<Setting> {
        self.find_at(path.split('.').map(str::to_owned).collect())
    }

    /// What is found at a place.
    pub(super) fn find_at(&self, place: Vec<String>) -> Option<Setting> {
        let key = keys().find(|key| key.is_at(&place))?;
        let found = self.places.get(&place)?.clone();
        Some(Setting { key, place, found })
    }

    /// A setting's value; a wrong one is noted as a mistake and is none.
    pub(super) fn parse<T>(&mut self, path: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let setting = self.find(path)?;
        self.read(&setting, &|text| parse(text).ok_or(None))
    }

    /// The same where the value itself does not show what is wrong with it.
    pub(super) fn parse_told<T>(&mut self, path: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let setting = self.find(path)?;
        self.read(&setting, &|text| parse(text).map_err(Some))
    }

    /// The values of a setting whose last or middle part the user names, by that name.
    pub(super) fn each<T>(&mut self, path: &str, parse: impl Fn(&str) -> Option<T>) -> BTreeMap<String, T> {
        self.read_each(path, &|text| parse(text).ok_or(None))
    }

    /// The same where a value itself does not show what is wrong with it.
    pub(super) fn each_told<T>(
        &mut self,
        path: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> BTreeMap<String, T> {
        self.read_each(path, &|text| parse(text).map_err(Some))
    }

    fn read_each<T>(&mut self, path: &str, parse: &impl Fn(&str) -> Result<T, Why>) -> BTreeMap<String, T> {
        let Some(key) = keys().find(|key| key.path == path) else {
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

    /// The value of what was found; a wrong one is noted as a mistake and is none.
    pub(super) fn read<T>(&mut self, setting: &Setting, parse: &impl Fn(&str) -> Result<T, Why>) -> Option<T> {
        let text = text_of(&setting.found.value);
        let kind = &setting.found.value.kind;
        let fits = match (setting.key.shape, kind) {
            (_, ValueKind::String(_)) => true,
            // YAML would make 1.1 of 1.10 here, too.
            (Shape::List, ValueKind::Array(items)) => {
                items.iter().all(|item| matches!(item.kind, ValueKind::String(_)))
            }
            (Shape::Text | Shape::Choice(_) | Shape::List, _) | (_, ValueKind::Array(_) | ValueKind::Nil) => false,
            (Shape::Number(..) | Shape::Decimal | Shape::Flag, _) => true,
        };
        let is_right_in_quotes = || text.as_deref().is_some_and(|text| parse(text).is_ok());
        let is_list_or_nothing = matches!(kind, ValueKind::Array(_) | ValueKind::Nil);
        if !fits && (is_list_or_nothing || is_right_in_quotes()) {
            let mend = match kind {
                ValueKind::Nil => "has no value: say one, or leave it out",
                ValueKind::Array(_) if setting.key.shape == Shape::List => {
                    "has something that is not text in YAML: put each in quotes"
                }
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

    /// Which of two settings that exclude each other comes from the stronger layer; of one layer both are a mistake, because both do
    /// the same (`what`). None where they are not both there.
    pub(super) fn stronger(&mut self, one: &str, other: &str, what: &str) -> Option<Ordering> {
        let (first, second) = (self.find(one)?, self.find(other)?);
        let order = rank(&first.found.origin).cmp(&rank(&second.found.origin));
        if order == Ordering::Equal {
            let problem = format!("{other} {what}, too: only one of both can");
            self.mistakes.push(first.mistake(problem));
        }
        Some(order)
    }

    /// Notes that the setting at `place` makes no sense without its neighbour `other`, unless that is there and is a mistake itself.
    pub(super) fn lacks_beside(&mut self, place: &[&str], other: &str, what: &str) {
        let parents = &place[..place.len() - 1];
        let neighbour: Vec<String> = parents.iter().chain([&other]).map(|&part| part.to_owned()).collect();
        let neighbour = self.places.get(&neighbour);
        if neighbour.is_none_or(|found| found.value.kind == ValueKind::Nil) {
            self.lacks(place, what);
        }
    }

    /// Notes that the setting at `place` makes no sense without another.
    pub(super) fn lacks(&mut self, place: &[&str], what: &str) {
        let mistake = self.mistake_at(place, format!("needs {what}"));
        self.mistakes.push(mistake);
    }

    /// Notes that the setting at `place` comes to nothing as long as another is not set: a secret may be there in another place than this.
    pub(super) fn waits_for(&mut self, place: &[&str], what: &str) {
        let place: Vec<String> = place.iter().map(|&part| part.to_owned()).collect();
        self.note(&place, format!("has no effect without {what}"));
    }

    /// Notes that the setting at `place` comes to nothing.
    pub(super) fn note(&mut self, place: &[String], why: String) {
        let place: Vec<&str> = place.iter().map(String::as_str).collect();
        let note = self.mistake_at(&place, why);
        self.without_effect.push(note);
    }

    /// Whether somebody said it: a default is nobody's.
    pub(super) fn is_said(&self, path: &str) -> bool {
        self.find(path).is_some_and(|setting| setting.found.origin != DEFAULT)
    }

    fn mistake_at(&self, place: &[&str], problem: String) -> Mistake {
        let place: Vec<String> = place.iter().map(|&part| part.to_owned()).collect();
        let origin = self.places.get(&place).map(|found| found.origin.clone());
        Mistake {
            origin: origin.unwrap_or_default(),
            key: place.join("."),
            problem,
        }
    }
}

impl Setting {
    pub(super) fn is_empty_list(&self) -> bool {
        matches!(&self.found.value.kind, ValueKind::Array(items) if items.is_empty())
    }

    pub(super) fn mistake(&self, problem: String) -> Mistake {
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
