//! A table of the page: columns, rows, and the order that they come in.

use std::cmp::Ordering;

use serde_json::{Value, json};

pub(super) type Row = Vec<Value>;

/// A column; what it may be is told at the top of page.html.
pub(super) struct Column {
    title: String,
    kind: &'static str,
    none: &'static str,
    words: Value,
    facet: bool,
    sum: bool,
}

pub(super) fn column(title: &str, kind: &'static str) -> Column {
    Column {
        title: title.to_owned(),
        kind,
        none: "—",
        words: json!({}),
        facet: false,
        sum: false,
    }
}

impl Column {
    pub(super) fn none(self, none: &'static str) -> Self {
        Self { none, ..self }
    }

    pub(super) fn words(self, words: Value) -> Self {
        Self { words, ..self }
    }

    pub(super) fn facet(self) -> Self {
        Self { facet: true, ..self }
    }

    pub(super) fn sum(self) -> Self {
        Self { sum: true, ..self }
    }

    fn json(&self) -> Value {
        json!({
            "title": self.title,
            "kind": self.kind,
            "none": self.none,
            "words": self.words,
            "facet": self.facet,
            "sum": self.sum,
        })
    }
}

/// A table in the making.
pub(super) struct Table {
    pub(super) id: &'static str,
    pub(super) caption: &'static str,
    pub(super) nouns: [&'static str; 2],
    pub(super) empty: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    /// The column that rows are sorted by, the largest first.
    pub(super) by: Option<usize>,
}

impl Table {
    pub(super) fn json(mut self) -> Value {
        if let Some(by) = self.by {
            let words = self.columns[by].words.clone();
            self.rows.sort_by(|one, other| ordered(&other[by], &one[by], &words));
        }
        json!({
            "id": self.id,
            "caption": self.caption,
            "nouns": self.nouns,
            "empty": self.empty,
            "columns": self.columns.iter().map(Column::json).collect::<Vec<_>>(),
            "rows": self.rows,
            "by": self.by,
        })
    }
}

/// Nothing comes last, and before it what is said in words.
fn ordered(one: &Value, other: &Value, words: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 0,
        Value::String(word) if words.get(word).is_some() => 1,
        _ => 2,
    };
    let by_value = || match (one, other) {
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (one, other) => {
            let number = |value: &Value| value.as_f64().unwrap_or_default();
            number(one).total_cmp(&number(other))
        }
    };
    rank(one).cmp(&rank(other)).then_with(by_value)
}
