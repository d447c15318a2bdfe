//! YAML as people write it. What has to be text is in quotes where YAML would make something else of it.

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Out {
    /// Text.
    Text(String),
    /// A number, or `true` or `false`.
    Plain(String),
    /// Texts on one line.
    Words(Vec<String>),
    /// Keys below each other.
    Section(Vec<Key>),
    /// Entries below each other.
    Entries(Vec<Entry>),
}

/// A key, and what it is.
pub(super) type Key = (String, Out);

/// An entry of a list: a remark or none, and its keys.
pub(super) type Entry = (Option<String>, Vec<Key>);

impl Out {
    /// A section's key.
    pub(super) fn key(key: &str, out: Self) -> Key {
        (key.to_owned(), out)
    }
}

/// The file that has these keys.
pub(super) fn yaml(keys: &[Key]) -> String {
    let mut text = String::new();
    section(keys, 0, &mut text);
    text
}

/// A remark of its own, which ends the line.
pub(super) fn remark(text: &str) -> String {
    let line = text.replace(|c: char| c.is_control(), " ");
    format!("# {}\n", line.trim_end())
}

fn section(keys: &[Key], indent: usize, text: &mut String) {
    for (at, (key, out)) in keys.iter().enumerate() {
        // The first key of an entry stands behind its `- `.
        if at > 0 || !text.ends_with("- ") {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str(&scalar(key));
        text.push(':');
        value(out, indent, text);
    }
}

fn value(out: &Out, indent: usize, text: &mut String) {
    match out {
        Out::Text(word) => text.push_str(&format!(" {}\n", scalar(word))),
        Out::Plain(word) => text.push_str(&format!(" {word}\n")),
        Out::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| scalar(word)).collect();
            text.push_str(&format!(" [{}]\n", words.join(", ")));
        }
        Out::Section(keys) if keys.is_empty() => text.push_str(" {}\n"),
        Out::Section(keys) => {
            text.push('\n');
            section(keys, indent + 2, text);
        }
        Out::Entries(entries) if entries.is_empty() => text.push_str(" []\n"),
        Out::Entries(entries) => {
            text.push('\n');
            for (said, keys) in entries {
                let before = " ".repeat(indent + 2);
                if let Some(said) = said {
                    text.push_str(&before);
                    text.push_str(&remark(said));
                }
                text.push_str(&before);
                text.push_str("- ");
                section(keys, indent + 4, text);
            }
        }
    }
}

/// Words that YAML reads as something else than text, 1.1 or 1.2, in any letter case.
const NO_TEXT: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan"];

fn scalar(word: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
    let is_plain = word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(is_word)
        && !NO_TEXT.contains(&word.to_ascii_lowercase().as_str());
    let is_printable = |c: char| !c.is_control() && !matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    match (is_plain, word.chars().all(is_printable)) {
        (true, _) => word.to_owned(),
        (false, true) => format!("'{}'", word.replace('\'', "''")),
        (false, false) => {
            let escaped: String = word.chars().map(escaped).collect();
            format!("\"{escaped}\"")
        }
    }
}

fn escaped(c: char) -> String {
    match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_ascii_graphic() || c == ' ' => c.to_string(),
        c => format!("\\U{:08x}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use yaml_rust2::{Yaml, YamlLoader};

    use super::*;

    fn read_back(keys: &[Key]) -> Yaml {
        YamlLoader::load_from_str(&yaml(keys)).unwrap().remove(0)
    }

    #[test]
    fn it_is_written_as_people_do() {
        let text = |word: &str| Out::Text(word.to_owned());
        let written = yaml(&[
            Out::key("ecr", text("123456789012.dkr.ecr.eu-central-1.amazonaws.com")),
            Out::key("concurrency", Out::Plain("2".to_owned())),
            Out::key(
                "registries",
                Out::Section(vec![
                    Out::key("docker.io", Out::Section(Vec::new())),
                    Out::key("localhost:5000", Out::Section(vec![Out::key("username", text("me"))])),
                ]),
            ),
            Out::key(
                "images",
                Out::Entries(vec![
                    (
                        Some("task 1".to_owned()),
                        vec![
                            Out::key("upstream", text("docker.io/library/alpine")),
                            Out::key(
                                "include_tags",
                                Out::Words(vec!["latest".to_owned(), "3.10".to_owned(), "no".to_owned()]),
                            ),
                        ],
                    ),
                    (
                        None,
                        vec![Out::key(
                            "any",
                            Out::Entries(vec![(None, vec![Out::key("suffix", text("it's"))])]),
                        )],
                    ),
                ]),
            ),
        ]);
        let expected = "ecr: '123456789012.dkr.ecr.eu-central-1.amazonaws.com'\nconcurrency: 2\nregistries:\n  \
                        docker.io: {}\n  'localhost:5000':\n    username: me\nimages:\n  # task 1\n  \
                        - upstream: docker.io/library/alpine\n    include_tags: [latest, '3.10', 'no']\n  \
                        - any:\n      - suffix: 'it''s'\n";
        assert_eq!(written, expected);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_back_as_the_text_that_it_was(words in vec(proptest::prelude::any::<String>(), 1..5)) {
            let first = Out::Text(words[0].clone());
            let keys = vec![
                Out::key("word", first.clone()),
                Out::key("words", Out::Words(words.clone())),
                Out::key("entries", Out::Entries(vec![(Some(words[0].clone()), vec![Out::key(&format!("k{}", words[0]), first)])])),
            ];
            let yaml = read_back(&keys);
            let text = |word: &str| Yaml::String(word.to_owned());
            assert_eq!(yaml["word"], text(&words[0]));
            assert_eq!(yaml["words"], Yaml::Array(words.iter().map(|word| text(word)).collect()));
            assert_eq!(yaml["entries"][0][format!("k{}", words[0]).as_str()], text(&words[0]));
        }
    }

    #[test]
    fn what_looks_like_something_else_stays_text() {
        for word in [
            "1.10",
            "007",
            "true",
            "Yes",
            "null",
            "~",
            "1e3",
            "0x1",
            ".inf",
            "-",
            "",
            " a",
            "a: b",
            "a #b",
            "2026-01-01",
        ] {
            let yaml = read_back(&[Out::key("word", Out::Text(word.to_owned()))]);
            assert_eq!(yaml["word"], Yaml::String(word.to_owned()));
        }
    }
}
