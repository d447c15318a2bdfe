//! The settings file as a JSON Schema, for editors and for the reference.

use serde_json::{Map, Value, json};

use super::keys::{Key, Shape, keys};
use super::layers::OWN;

/// A JSON Schema (draft 2020-12) of the settings file. Each property also says which environment variables set it, under
/// `x-environment`, the strongest first.
pub fn schema() -> Value {
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ecr-keeper's settings",
        "type": "object",
        "additionalProperties": false,
        "patternProperties": { format!("^{OWN}"): {} },
        "properties": {},
    });
    for key in keys() {
        let parts: Vec<&str> = key.parts().collect();
        insert(&mut root, &parts, property(key));
    }
    root
}

fn insert(section: &mut Value, parts: &[&str], property: Value) {
    let [first, rest @ ..] = parts else { return };
    let slot = match *first {
        // Names that the user chooses.
        "*" => &mut section["additionalProperties"],
        // Entries of a list.
        "#" => &mut section["items"],
        name => &mut section["properties"][name],
    };
    if rest.is_empty() {
        *slot = property;
        return;
    }
    if !slot.is_object() {
        // A section whose settings are all left out is nothing in YAML.
        *slot = match rest.first() {
            Some(&"#") => json!({ "type": ["array", "null"] }),
            _ => json!({ "type": ["object", "null"], "additionalProperties": false }),
        };
    }
    insert(slot, rest, property);
}

fn property(key: &Key) -> Value {
    let mut property = match key.shape {
        Shape::Text => json!({ "type": ["string", "null"] }),
        Shape::Number(least, most) => json!({ "type": ["integer", "null"], "minimum": least, "maximum": most }),
        Shape::Decimal => json!({ "type": ["number", "null"], "minimum": 0 }),
        Shape::Flag => json!({ "type": ["boolean", "null"] }),
        Shape::List => json!({ "type": ["string", "array", "null"], "items": { "type": "string" } }),
        Shape::Choice(words) => {
            let words: Vec<Value> = words.iter().map(|&word| word.into()).chain([Value::Null]).collect();
            json!({ "enum": words })
        }
    };
    let mut more = Map::new();
    more.insert(
        "description".to_owned(),
        format!("{} Allowed: {}.", key.about, key.allowed).into(),
    );
    if let Some(default) = key.default {
        more.insert("default".to_owned(), typed(key.shape, default));
    }
    if key.secret {
        more.insert("writeOnly".to_owned(), true.into());
    }
    more.insert("x-environment".to_owned(), variables(key).into());
    if let Value::Object(own) = &mut property {
        own.extend(more);
    }
    property
}

/// A default as YAML reads it.
fn typed(shape: Shape, text: &str) -> Value {
    match shape {
        Shape::Number(..) | Shape::Decimal | Shape::Flag => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        Shape::Text | Shape::List | Shape::Choice(_) => text.into(),
    }
}

fn variables(key: &Key) -> Vec<String> {
    // A name with slashes and dots is none that a variable could have, nor an entry of a list; a registry's host can stand in one, and
    // so can a header's name.
    let chosen = match key.path.starts_with("registries.") {
        true => "HOST",
        false => "NAME",
    };
    let own = match key.path.starts_with("discovery.upstream.") || key.path.contains('#') {
        true => None,
        false => Some(format!(
            "ECR_KEEPER_{}",
            key.path.to_uppercase().replace('.', "__").replace('*', chosen)
        )),
    };
    let others = key.variables.iter().rev().map(|&name| name.to_owned());
    own.into_iter().chain(others).collect()
}
