//! YAML with the numbers of its lines. JSON is YAML, too.

use std::collections::{BTreeSet, HashMap};

use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::scanner::TScalarStyle;

/// More values than any configuration has, aliases written out: a small file can stand for a huge one.
const MOST: usize = 200_000;
const DEEPEST: usize = 64;

/// A value, and the line that it begins in, counted from 1: of a block of text (`|`), the line below that sign.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What stands in a file. A scalar is the text that was written, whatever YAML would make of it: `1.10` stays `1.10`.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Nothing,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Of the key.
    pub(super) line: usize,
    pub(super) node: Node,
}

/// A text that is no YAML, or none that can be read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Syntax {
    /// Where, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub why: String,
}

impl Syntax {
    fn at(line: usize, why: impl Into<String>) -> Self {
        Self { line, why: why.into() }
    }
}

/// The one document of a text; none where there is nothing in it.
///
/// # Errors
/// Where it is no YAML, has several documents, or says a key twice.
pub(super) fn read(text: &str) -> Result<Option<Node>, Syntax> {
    let mut parser = Parser::new_from_str(text.trim_start_matches('\u{feff}'));
    let mut tree = Tree::default();
    loop {
        // One event after the other: the parser's own way to load calls itself, and a file can be nested without end.
        let (event, at) = parser
            .next_token()
            .map_err(|error| Syntax::at(error.marker().line(), error.info()))?;
        match event {
            Event::StreamEnd => return Ok(tree.root.filter(|root| !matches!(root.value, Value::Nothing))),
            event => tree.add(event, at.line())?,
        }
    }
}

#[derive(Default)]
struct Tree {
    root: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    size: usize,
}

/// A list or mapping that has not ended.
struct Open {
    line: usize,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        known: BTreeSet<String>,
        key: Option<(String, usize)>,
    },
}

impl Tree {
    fn add(&mut self, event: Event, line: usize) -> Result<(), Syntax> {
        match event {
            Event::DocumentStart if self.root.is_some() => Err(Syntax::at(
                line,
                "a second document begins; a configuration is one: split the file",
            )),
            Event::Scalar(text, style, anchor, _) => self.put(scalar(text, style, line), anchor),
            Event::SequenceStart(anchor, _) => self.begin(Inside::List(Vec::new()), line, anchor),
            Event::MappingStart(anchor, _) => {
                let inside = Inside::Map {
                    entries: Vec::new(),
                    known: BTreeSet::new(),
                    key: None,
                };
                self.begin(inside, line, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.size += size(&node);
                    self.put(node, 0)
                }
                None => Err(Syntax::at(line, "an alias stands within what it names")),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn begin(&mut self, inside: Inside, line: usize, anchor: usize) -> Result<(), Syntax> {
        self.open.push(Open { line, anchor, inside });
        match self.open.len() <= DEEPEST {
            true => Ok(()),
            false => Err(Syntax::at(line, format!("it is nested more than {DEEPEST} deep"))),
        }
    }

    fn end(&mut self) -> Result<(), Syntax> {
        let Some(Open { line, anchor, inside }) = self.open.pop() else {
            return Ok(());
        };
        let value = match inside {
            Inside::List(items) => Value::List(items),
            Inside::Map { entries, known, .. } => Value::Map(with_merged(entries, known)),
        };
        self.put(Node { line, value }, anchor)
    }

    /// Into what is open, or as the root.
    fn put(&mut self, node: Node, anchor: usize) -> Result<(), Syntax> {
        self.size += 1;
        if self.size > MOST {
            return Err(Syntax::at(node.line, format!("it has more than {MOST} values")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(node),
            Some(Inside::List(items)) => items.push(node),
            Some(Inside::Map { entries, known, key }) => match key.take() {
                None => *key = Some(key_of(node)?),
                Some((key, line)) => {
                    if key != MERGE && !known.insert(key.clone()) {
                        return Err(Syntax::at(line, format!("{key} is said a second time")));
                    }
                    entries.push(Entry { key, line, node });
                }
            },
        }
        Ok(())
    }
}

fn scalar(text: String, style: TScalarStyle, line: usize) -> Node {
    let is_null = style == TScalarStyle::Plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
    let value = match is_null {
        true => Value::Nothing,
        false => Value::Text(text),
    };
    Node { line, value }
}

fn key_of(node: Node) -> Result<(String, usize), Syntax> {
    match node.value {
        Value::Text(text) => Ok((text, node.line)),
        _ => Err(Syntax::at(node.line, "a key is no text")),
    }
}

/// The key of mappings whose entries count as if they stood here (<https://yaml.org/type/merge.html>).
const MERGE: &str = "<<";

/// What is said here wins over what is merged in; of several that are, the earlier.
fn with_merged(entries: Vec<Entry>, mut known: BTreeSet<String>) -> Vec<Entry> {
    let (merged, mut own): (Vec<Entry>, Vec<Entry>) = entries
        .into_iter()
        .partition(|entry| entry.key == MERGE && are_maps(&entry.node));
    let maps = merged.into_iter().flat_map(|entry| match entry.node.value {
        Value::List(items) => items,
        _ => vec![entry.node],
    });
    for map in maps {
        if let Value::Map(entries) = map.value {
            own.extend(entries.into_iter().filter(|entry| known.insert(entry.key.clone())));
        }
    }
    own
}

fn are_maps(node: &Node) -> bool {
    match &node.value {
        Value::Map(_) => true,
        Value::List(items) => items.iter().all(|item| matches!(item.value, Value::Map(_))),
        _ => false,
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|entry| size(&entry.node)).sum::<usize>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each key and item with its line, in the order of the file.
    fn lines(node: &Node, path: &str, told: &mut Vec<String>) {
        match &node.value {
            Value::Nothing => told.push(format!("{}:{path}=", node.line)),
            Value::Text(text) => told.push(format!("{}:{path}={text}", node.line)),
            Value::List(items) => items.iter().for_each(|item| lines(item, &format!("{path}-"), told)),
            Value::Map(entries) => {
                for entry in entries {
                    told.push(format!("{}:{path}{}", entry.line, entry.key));
                    lines(&entry.node, &format!("{path}."), told);
                }
            }
        }
    }

    fn told(text: &str) -> Vec<String> {
        let mut told = Vec::new();
        lines(&read(text).unwrap().unwrap(), "", &mut told);
        told
    }

    #[test]
    fn everything_has_its_line_and_stays_the_text_that_was_written() {
        let yaml = "# a comment\na: 1.10\n\nb:\n  - 'x'\n  - |\n    two\n    lines\n  - ~\nc: {d: yes, e: [3]}\n";
        assert_eq!(
            told(yaml),
            [
                "2:a",
                "2:.=1.10",
                "4:b",
                "5:.-=x",
                "7:.-=two\nlines\n",
                "9:.-=",
                "10:c",
                "10:.d",
                "10:..=yes",
                "10:.e",
                "10:..-=3"
            ]
        );
    }

    #[test]
    fn json_is_yaml_with_its_tabs_and_escapes() {
        let json = "{\n\t\"a\\/b\": \"c\\u0041\",\n\t\"d\": [1, null]\n}\n";
        assert_eq!(told(json), ["2:a/b", "2:.=cA", "3:d", "3:.-=1", "3:.-="]);
    }

    #[test]
    fn aliases_and_merges_are_written_out() {
        let yaml = "x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\nz: [*x]\n";
        let told = told(yaml);
        assert!(
            told.contains(&"4:.b".to_owned()) && told.contains(&"4:..=3".to_owned()),
            "{told:?}"
        );
        assert!(!told.contains(&"3:.b".to_owned()), "{told:?}");
        assert_eq!(told.iter().filter(|line| line.ends_with("=1")).count(), 3, "{told:?}");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        let nested = "[".repeat(DEEPEST + 1);
        let bomb = (1..30).fold("a0: &a0 [1]\n".to_owned(), |text, at| {
            format!("{text}a{at}: &a{at} [*a{0}, *a{0}, *a{0}]\n", at - 1)
        });
        for (text, line, why) in [
            ("a: 1\nb: [\n", 3, ""),
            ("a: 1\na: 2\n", 2, "a is said a second time"),
            ("a: 1\n---\nb: 2\n", 2, "a second document begins"),
            ("? [a]\n: 1\n", 1, "a key is no text"),
            ("a: &a [*a]\n", 1, "an alias stands within"),
            (nested.as_str(), 1, "nested more than 64 deep"),
            (bomb.as_str(), 1, "more than 200000 values"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.line >= line && error.why.contains(why), "{text:.40}: {error}");
        }
        for empty in ["", "\n", "# nothing\n", "---\n", "~\n", "\u{feff}"] {
            assert!(read(empty).unwrap().is_none(), "{empty:?}");
        }
    }
}
