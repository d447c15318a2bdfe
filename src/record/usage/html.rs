//! The report as one page that asks nobody for anything.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior};
use serde::Serialize;
use serde_json::Value;

use super::format::{count, difference, money, size};
use super::view;
use crate::usage::Report;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

#[derive(Serialize)]
struct Input {
    page: Value,
}

/// Makes the page.
pub(super) fn render(report: &Report) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("size", |value: Option<i64>| value.map_or_else(nothing, size));
    environment.add_filter("count", |value: Option<i64>| value.map_or_else(nothing, count));
    environment.add_filter("money", |value: Option<f64>| value.map_or_else(nothing, money));
    environment.add_filter("difference", |value: Option<i64>| {
        value.map_or_else(nothing, difference)
    });
    // By the name's end everything that is put in is escaped for HTML.
    environment.add_template("page.html", TEMPLATE)?;
    let mut page = view::page(report);
    for (name, text) in [("style", STYLE), ("script", SCRIPT)] {
        page[name] = text.into();
        page[format!("{name}_hash")] = hash(text).into();
    }
    environment.get_template("page.html")?.render(Serde(Input { page }))
}

fn nothing() -> String {
    "—".to_owned()
}

/// As a page's policy names what may run in it (Content Security Policy Level 3, "hash-source").
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}
