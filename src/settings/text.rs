//! What stands in the text of a settings file, before anybody asks whether there are such settings.

use config::{Map, Value, ValueKind};

use super::{SettingsError, Written};
use crate::yaml::{self, Node, Plain};

/// Its keys and values. A file with nothing in it has none.
pub(super) fn table(Written { path, text }: &Written) -> Result<Map<String, Value>, SettingsError> {
    let wrong = |why: String| SettingsError::Syntax {
        path: path.to_owned(),
        why,
    };
    let Some(root) = yaml::read(text).map_err(|syntax| wrong(syntax.to_string()))? else {
        return Ok(Map::new());
    };
    match of(root.value) {
        ValueKind::Table(table) => Ok(table),
        _ => Err(wrong(format!(
            "line {}: settings are names with their values, one a line, such as `keyword: base/image`",
            root.line
        ))),
    }
}

fn of(value: yaml::Value) -> ValueKind {
    match value {
        yaml::Value::Nothing => ValueKind::Nil,
        yaml::Value::Text(text) => ValueKind::String(text),
        yaml::Value::Plain(text) => match Plain::of(&text) {
            Plain::Flag(flag) => ValueKind::Boolean(flag),
            Plain::Whole(number) => ValueKind::I64(number),
            Plain::Decimal(number) => ValueKind::Float(number),
            Plain::Text(_) => ValueKind::String(text),
        },
        yaml::Value::List(items) => ValueKind::Array(items.into_iter().map(value_of).collect()),
        yaml::Value::Map(entries) => {
            let named = entries.into_iter().map(|entry| (entry.key, value_of(entry.node)));
            ValueKind::Table(named.collect())
        }
    }
}

fn value_of(node: Node) -> Value {
    Value::new(None, of(node.value))
}

#[cfg(test)]
mod tests {
    use crate::settings::{Given, Settings, Written, show};

    fn settings(yaml: &str) -> Result<Settings, String> {
        let read = Settings::of(Some(&Written::to_be(yaml)), &Given::default());
        read.map_err(|error| error.to_string())
    }

    fn told(yaml: &str) -> String {
        match settings(yaml) {
            Ok(_) => String::new(),
            Err(told) => told,
        }
    }

    #[test]
    fn entries_share_what_is_merged_in() {
        for yaml in [
            "x-usual: &usual {constraint: '~> 1.0', newest: 3}\nimages:\n  - {<<: *usual, upstream: app, repository: a/b}\n",
            "images:\n  - &first {upstream: tool, repository: a/c, constraint: '~> 1.0'}\n  - {<<: *first, repository: a/b}\n",
        ] {
            let images = settings(yaml).unwrap().images;
            let last = &images.last().unwrap().named;
            assert_eq!(last.repository, "a/b");
            let rules = &last.tags.as_ref().unwrap().any[0];
            assert_eq!(rules.constraint.as_ref().unwrap().to_string(), "~> 1.0", "{yaml}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_key() {
        assert_eq!(settings("\u{feff}keyword: x\n").unwrap().keyword.as_deref(), Some("x"));
    }

    #[test]
    fn a_key_that_is_said_twice_is_told_with_both_lines() {
        assert_eq!(
            told("images:\n  - upstream: app\n    repository: a/b\n    upstream: tool\n"),
            "read the settings file the settings: line 4: images.1.upstream: line 2 says it already, and a key has one value"
        );
    }

    #[test]
    fn a_key_without_a_value_leaves_what_is_beneath_it_and_has_to_be_known() {
        let given = settings("keyword:\nengine: null\nslack:\npolicy: ~\n").unwrap();
        assert_eq!((given.keyword, given.engine), (None, crate::plan::EngineKind::Docker));
        for (yaml, key) in [
            ("keywrd:\n", "keywrd: no such setting; did you mean keyword?"),
            ("slack: {chanel: }\n", "slack.chanel: no such setting"),
            // A comma ends a value between braces.
            (
                "images:\n  - {upstream: app, repository: a/b, constraint: '>= 1', < 2}\n",
                "images.1.< 2: no such setting",
            ),
        ] {
            assert!(told(yaml).contains(key), "{}", told(yaml));
        }
    }

    #[test]
    fn what_is_no_mapping_is_told_what_settings_are() {
        for (yaml, line) in [("- a\n- b\n", 1), ("\nhello\n", 2), ("3\n", 1)] {
            assert!(
                told(yaml).contains(&format!("line {line}: settings are names with their values")),
                "{yaml}"
            );
        }
        for nothing in ["", "# nothing\n", "---\n", "~\n", "x-own: 1\n"] {
            assert_eq!(told(nothing), "", "{nothing:?}");
        }
    }

    #[test]
    fn a_tag_of_digits_stays_as_it_was_written() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let yaml = format!(
            "images:\n  - {{upstream: app, repository: a/b, digests: {{007: '{digest}', 1.10: '{digest}'}}}}\n"
        );
        let images = settings(&yaml).unwrap().images;
        let tags: Vec<&str> = images[0].named.digests.keys().map(|tag| tag.as_str()).collect();
        assert_eq!(tags, ["007", "1.10"]);
        let shown = show(Some(&Written::to_be(&yaml)), &Given::default()).unwrap();
        assert!(shown.iter().any(|one| one.key == "images.1.digests.007"), "{shown:?}");
    }
}
