//! Mappings whose keys are taken one by one, so that what nobody took is told.

use super::draft::Draft;
use crate::yaml::{Entry, Node, Value};

/// A mapping of the file that is read.
pub(super) struct Section<'a> {
    path: String,
    left: Vec<&'a Entry>,
}

/// A value, and where it is said.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    /// Its place, with `.` between the parts; entries of lists are counted from 1: `sync.2.tags`.
    pub(super) path: String,
    /// The line of its key, or its own in a list.
    pub(super) line: usize,
    node: &'a Node,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: &str, entries: &'a [Entry]) -> Self {
        Self {
            path: path.to_owned(),
            left: entries.iter().collect(),
        }
    }

    /// The value of a key, which nobody else can take; none where it has no value.
    pub(super) fn take(&mut self, key: &str) -> Option<Item<'a>> {
        let at = self.left.iter().position(|entry| entry.key == key)?;
        let entry = self.left.remove(at);
        Some(self.item(entry)).filter(|item| !item.is_nothing())
    }

    /// Everything that is left, with its key.
    pub(super) fn take_all(&mut self) -> Vec<(&'a str, Item<'a>)> {
        let left = std::mem::take(&mut self.left);
        let with_key = |entry: &'a Entry| (entry.key.as_str(), self.item(entry));
        left.into_iter().map(with_key).collect()
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Tells of what is left, each with the reason that `why` has for its key.
    pub(super) fn leave_rest(mut self, draft: &mut Draft, why: impl Fn(&str) -> Option<&'static str>) {
        for (key, item) in self.take_all() {
            draft.leave(&item, why(key).unwrap_or("no such key is known here"));
        }
    }

    fn item(&self, entry: &'a Entry) -> Item<'a> {
        Item {
            path: match self.path.as_str() {
                "" => entry.key.clone(),
                path => format!("{path}.{}", entry.key),
            },
            line: entry.line,
            node: &entry.node,
        }
    }
}

impl<'a> Item<'a> {
    /// The text of a scalar. Whatever else it is, is told.
    pub(super) fn text(&self, draft: &mut Draft) -> Option<&'a str> {
        match &self.node.value {
            Value::Plain(text) | Value::Text(text) => Some(text),
            _ => self.wrong("it is no text", draft),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, draft: &mut Draft) -> Option<bool> {
        match self.text(draft)? {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => self.wrong("it is neither true nor false", draft),
        }
    }

    /// A number within these bounds; what is behind its point goes.
    pub(super) fn number(&self, draft: &mut Draft, least: usize, most: usize) -> Option<usize> {
        let text = self.text(draft)?;
        let whole = text.split('.').next().unwrap_or_default();
        match whole.parse() {
            Ok(number) if (least..=most).contains(&number) => {
                let rest = &text[whole.len()..];
                if rest.contains(|c: char| c.is_ascii_digit() && c != '0') {
                    draft.leave(
                        self,
                        format!("it is a whole number here: {number} was taken for {text}"),
                    );
                }
                Some(number)
            }
            _ => {
                draft.leave(self, format!("it has to be a number from {least} to {most} here"));
                None
            }
        }
    }

    /// The entries of a list.
    pub(super) fn items(&self, draft: &mut Draft) -> Vec<Item<'a>> {
        match &self.node.value {
            Value::List(items) => {
                let numbered = items.iter().enumerate();
                let item = |(at, node): (usize, &'a Node)| Item {
                    path: format!("{}.{}", self.path, at + 1),
                    line: node.line,
                    node,
                };
                numbered.map(item).collect()
            }
            _ => self.wrong("it is no list", draft).unwrap_or_default(),
        }
    }

    /// The same, where one text stands for a list of it.
    pub(super) fn one_or_more(&self, draft: &mut Draft) -> Vec<Item<'a>> {
        match &self.node.value {
            Value::Plain(_) | Value::Text(_) => vec![self.clone()],
            _ => self.items(draft),
        }
    }

    /// A mapping's keys.
    pub(super) fn section(&self, draft: &mut Draft) -> Option<Section<'a>> {
        match &self.node.value {
            Value::Map(entries) => Some(Section::new(&self.path, entries)),
            _ => self.wrong("it is no mapping", draft),
        }
    }

    /// Whether it is a mapping.
    pub(super) fn is_section(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    /// Whether it has no value.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self.node.value, Value::Nothing)
    }

    fn wrong<T>(&self, why: &'static str, draft: &mut Draft) -> Option<T> {
        draft.leave(self, why);
        None
    }
}
