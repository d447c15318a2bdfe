//! YAML with the numbers of its lines, as it was written. JSON is YAML, too.

mod signs;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use yaml_rust2::Yaml;
use yaml_rust2::parser::{Event, Parser, Tag};
use yaml_rust2::scanner::TScalarStyle;

use self::signs::in_plain_words;

/// More values than any configuration has, aliases written out: a small file can stand for a huge one.
const MOST: usize = 1_000_000;
const DEEPEST: usize = 64;

/// A value, and the line that it begins in, counted from 1: of a block of text (`|`), the line below that sign.
#[derive(Debug, Clone)]
pub struct Node {
    /// Which line.
    pub line: usize,
    /// What it is.
    pub value: Value,
}

/// What stands in a file. A scalar is the text that was written, whatever YAML would make of it: `1.10` stays `1.10`.
#[derive(Debug, Clone)]
pub enum Value {
    /// A key without a value, `~` or `null`.
    Nothing,
    /// A scalar without quotes, which may be a number or a flag.
    Plain(String),
    /// A scalar that is text and nothing else: in quotes, a block, or by its tag.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub struct Entry {
    /// As it was written.
    pub key: String,
    /// Of the key.
    pub line: usize,
    /// Its value.
    pub node: Node,
}

/// What YAML makes of a scalar without quotes (YAML 1.2.2, section 10.3.2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Plain<'a> {
    /// `true` and `false`.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// A number with a point or an exponent.
    Decimal(f64),
    /// Anything else.
    Text(&'a str),
}

impl<'a> Plain<'a> {
    /// Of the text that was written.
    pub fn of(text: &'a str) -> Self {
        let read = Yaml::from_str(text);
        match read {
            Yaml::Boolean(flag) => Self::Flag(flag),
            Yaml::Integer(number) => Self::Whole(number),
            Yaml::Real(_) => read.as_f64().map_or(Self::Text(text), Self::Decimal),
            _ => Self::Text(text),
        }
    }
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
pub fn read(text: &str) -> Result<Option<Node>, Syntax> {
    let text = text.trim_start_matches('\u{feff}');
    let mut parser = Parser::new_from_str(text);
    let mut tree = Tree::default();
    loop {
        // One event after the other: the parser's own way to load calls itself, and a file can be nested without end.
        let (event, at) = parser.next_token().map_err(|error| {
            let at = error.marker();
            tree.wrong(at.line(), in_plain_words(text, at.line(), at.col(), error.info()))
        })?;
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
        /// Each key, and the line that says it.
        known: BTreeMap<String, usize>,
        key: Option<(String, usize)>,
    },
}

impl Open {
    /// What is being read in it: a key, or the number of an entry, counted from 1.
    fn at(&self) -> Option<String> {
        match &self.inside {
            Inside::List(items) => Some((items.len() + 1).to_string()),
            Inside::Map { key, .. } => key.as_ref().map(|(key, _)| key.clone()),
        }
    }
}

impl Tree {
    /// What is wrong, with the place that is being read.
    fn wrong(&self, line: usize, why: impl Into<String>) -> Syntax {
        let place: Vec<String> = self.open.iter().filter_map(Open::at).collect();
        let why = why.into();
        match place.is_empty() {
            true => Syntax::at(line, why),
            false => Syntax::at(line, format!("{}: {why}", place.join("."))),
        }
    }

    fn add(&mut self, event: Event, line: usize) -> Result<(), Syntax> {
        match event {
            Event::DocumentStart if self.root.is_some() => Err(Syntax::at(
                line,
                "a second document begins; a configuration is one: split the file",
            )),
            // Without it `!= 1.2` would be 1.2, and `!=` a word about it that nobody hears.
            Event::Scalar(_, _, _, Some(tag))
            | Event::SequenceStart(_, Some(tag))
            | Event::MappingStart(_, Some(tag))
                if tag.handle != OF_YAML =>
            {
                Err(self.wrong(line, in_plain_words("!", 1, 0, "")))
            }
            Event::Scalar(text, style, anchor, tag) => self.put(scalar(text, style, tag.as_ref(), line), anchor),
            Event::SequenceStart(anchor, _) => self.begin(Inside::List(Vec::new()), line, anchor),
            Event::MappingStart(anchor, _) => {
                let inside = Inside::Map {
                    entries: Vec::new(),
                    known: BTreeMap::new(),
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
                None => Err(self.wrong(line, "an alias stands within what it names")),
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
        if let Some((known, line)) = self.said_twice() {
            return Err(self.wrong(line, format!("line {known} says it already, and a key has one value")));
        }
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(node),
            Some(Inside::List(items)) => items.push(node),
            Some(Inside::Map { entries, known, key }) => match key.take() {
                None => *key = Some(key_of(node)?),
                Some((key, line)) => {
                    known.insert(key.clone(), line);
                    entries.push(Entry { key, line, node });
                }
            },
        }
        Ok(())
    }

    /// The lines that say the key whose value is read: the first, and this one. Several merges are all for one.
    fn said_twice(&self) -> Option<(usize, usize)> {
        match &self.open.last()?.inside {
            Inside::Map {
                known,
                key: Some((key, line)),
                ..
            } if key != MERGE => Some((*known.get(key)?, *line)),
            _ => None,
        }
    }
}

/// The tags that YAML itself has, such as `!!str`.
const OF_YAML: &str = "tag:yaml.org,2002:";

fn scalar(text: String, style: TScalarStyle, tag: Option<&Tag>, line: usize) -> Node {
    let is_plain = style == TScalarStyle::Plain && tag.is_none_or(|tag| tag.suffix != "str");
    let value = match (is_plain, text.as_str()) {
        (true, "" | "~" | "null" | "Null" | "NULL") => Value::Nothing,
        (true, _) => Value::Plain(text),
        (false, _) => Value::Text(text),
    };
    Node { line, value }
}

fn key_of(node: Node) -> Result<(String, usize), Syntax> {
    match node.value {
        Value::Plain(text) | Value::Text(text) => Ok((text, node.line)),
        _ => Err(Syntax::at(node.line, "a key is no text")),
    }
}

/// The key of mappings whose entries count as if they stood here (<https://yaml.org/type/merge.html>).
const MERGE: &str = "<<";

/// What is said here wins over what is merged in; of several that are, the earlier.
fn with_merged(entries: Vec<Entry>, mut known: BTreeMap<String, usize>) -> Vec<Entry> {
    let (merged, mut own): (Vec<Entry>, Vec<Entry>) = entries
        .into_iter()
        .partition(|entry| entry.key == MERGE && are_maps(&entry.node));
    let maps = merged.into_iter().flat_map(|entry| match entry.node.value {
        Value::List(items) => items,
        _ => vec![entry.node],
    });
    for map in maps {
        if let Value::Map(entries) = map.value {
            let is_new = |entry: &Entry| known.insert(entry.key.clone(), entry.line).is_none();
            own.extend(entries.into_iter().filter(is_new));
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
