//! The order of the rooms: who may import whom. `docs/architecture.md` tells why.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// From low to high. A room may import from the rows above its own, and its own; never from those below.
const ORDER: &[&[&str]] = &[
    &["atomic", "retry", "schedule", "stop", "yaml"],
    &["image"],
    &["selection"],
    &["mapping", "registry"],
    &["aws"],
    &["credentials"],
    &["ledger"],
    &["plan", "usage"],
    &["events", "prune"],
    &["engine"],
    &["survey"],
    &["execute"],
    &["report"],
    &["census", "progress", "record", "notify", "work"],
    &["service"],
    &["settings"],
    &["import"],
    &["commands"],
    &["worker"],
    &["cli"],
    &["main"],
];

/// Rooms that see no I/O: none of these crates may be named in them.
const PURE: &[&str] = &[
    "image",
    "mapping",
    "schedule",
    "selection",
    "plan",
    "usage",
    "prune",
    "import",
    "yaml",
];
const IO: &[&str] = &[
    "tokio",
    "reqwest",
    "bollard",
    "aws_sdk_ecr",
    "aws_config",
    "std::fs",
    "std::net",
    "std::process",
];

fn level(room: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&room))
}

/// The rooms that a source file names, by `crate::room` (or `ecr_keeper::room` in main).
fn named_rooms(source: &str) -> BTreeSet<String> {
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut rooms = BTreeSet::new();
    for prefix in ["crate::", "ecr_keeper::"] {
        for (at, _) in code.match_indices(prefix) {
            let rest = &code[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(group) => rooms.extend(first_words(group)),
                None => {
                    rooms.insert(word(rest));
                }
            }
        }
    }
    // Two steps up from a file leave most rooms, and say not to which.
    if code.contains("super::super::") {
        rooms.insert("super::super".to_owned());
    }
    rooms.remove("");
    rooms
}

/// The first word of each item of `a::{b, c}, d}…`, up to the brace that closes the group.
fn first_words(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut items = vec![String::new()];
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(String::new()),
            _ => {}
        }
        if let Some(item) = items.last_mut().filter(|_| c != ',') {
            item.push(c);
        }
    }
    items.iter().map(|item| word(item.trim())).collect()
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// What a file in `room` does against the order.
fn wrong_edges(room: &str, source: &str) -> Vec<String> {
    let Some(own) = level(room) else {
        return vec![format!("{room} stands in no row of ORDER")];
    };
    let mut wrong = Vec::new();
    for other in named_rooms(source) {
        match level(&other) {
            Some(at) if at < own || other == room => {}
            Some(_) => wrong.push(format!("{room} imports {other}, which is not below it")),
            None => wrong.push(format!("{room} names crate::{other}, which stands in no row of ORDER")),
        }
    }
    if PURE.contains(&room) {
        let outside = IO.iter().filter(|name| source.contains(&format!("{name}::")));
        wrong.extend(outside.map(|name| format!("{room} is pure and names {name}")));
    }
    wrong
}

fn sources(folder: &Path, room: Option<&str>, found: &mut Vec<(String, String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let own = room.unwrap_or(&stem).to_owned();
        if path.is_dir() {
            sources(&path, Some(&own), found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((own, path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn no_room_imports_a_higher_one() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), None, &mut files);
    // lib.rs only lists the rooms.
    files.retain(|(room, ..)| room != "lib");
    assert!(files.len() > 20, "only {} source files were found", files.len());
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|(room, path, source)| {
            wrong_edges(room, source)
                .into_iter()
                .map(move |why| format!("{path}: {why}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn main_stays_small() {
    let main = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs")).unwrap();
    assert!(main.lines().count() < 60);
}

#[test]
fn a_planted_wrong_edge_is_found() {
    for (room, source) in [
        ("plan", "use crate::engine::Order;"),
        ("engine", "use crate::{image::Tag, settings::Settings};"),
        ("engine", "use crate::{image::{Tag, Digest}, settings::Settings};"),
        ("engine", "use super::super::settings::Settings;"),
        ("image", "fn f() { tokio::spawn(async {}); }"),
        ("aws", "use crate::credentials::Keyring;"),
        ("plan", "use crate::nowhere::Thing;"),
        ("shed", ""),
    ] {
        assert!(!wrong_edges(room, source).is_empty(), "{room}: {source}");
    }
    for (room, source) in [
        (
            "engine",
            "use crate::image::Tag;\nuse crate::{credentials, events::Events};",
        ),
        ("plan", "// crate::engine is above\nuse crate::plan::Plan;"),
        ("main", "use ecr_keeper::cli::Cli;"),
    ] {
        assert_eq!(wrong_edges(room, source), Vec::<String>::new(), "{room}: {source}");
    }
}
