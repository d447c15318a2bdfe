//! The tables of the page.

use serde_json::{Value, json};

use super::format::{name_of, signed};
use super::table::{Row, Table, column};
use super::text::NOT_READ;
use super::view::View;
use crate::usage::{EcsService, Repository, Use};

const REPOSITORIES: [&str; 2] = ["repository", "repositories"];

fn runs() -> Value {
    json!({
        "no_log_group": "no log group", "no_streams": "no streams yet", "not_allowed": "not allowed", "failed": "not read",
    })
}

fn uses(of_nobody: &str) -> Value {
    json!({"used": ["used", "good"], "unused": ["nobody", of_nobody], "unknown": ["not known", "dim"]})
}

/// All tables, by their names.
pub(super) fn all(view: &View) -> Value {
    let tables = [
        used(view),
        unused(view),
        candidates(view),
        changes(view),
        coverage(view),
        images(view),
        functions(view),
    ];
    let tables = tables.into_iter().map(|table| (table.id.to_owned(), table.json()));
    Value::Object(tables.collect())
}

/// What is said where nothing was found, which is not known where something could not be read.
fn nothing(view: &View, words: &str) -> String {
    match view.report.complete {
        true => words.to_owned(),
        false => format!("{words} What could not be read may hold more."),
    }
}

/// What a last push may be beside a time.
fn pushes() -> Value {
    json!({"no_image": "empty", "not_read": NOT_READ})
}

fn pushed(view: &View, one: &Repository) -> Value {
    match one.last_pushed_date {
        Some(at) => json!(view.time(at)),
        None if one.complete => json!("no_image"),
        None => json!("not_read"),
    }
}

/// Whether anything of what it holds was read.
fn is_seen(one: &Repository) -> bool {
    one.complete || !one.images.is_empty()
}

fn names(users: &[String]) -> Value {
    users.iter().map(|user| name_of(user)).collect()
}

fn used(view: &View) -> Table {
    let rows = view.repositories().filter(|(_, one)| one.r#use == Use::Used);
    Table {
        id: "runs",
        caption: "Repositories in use",
        nouns: REPOSITORIES,
        empty: nothing(view, "No function or service was found that uses a repository."),
        columns: vec![
            column("Repository", "repository"),
            column("Run by", "list"),
            column("Last run", "run").words(runs()),
            column("Last push", "run").words(pushes()),
            column("Images", "count").none(NOT_READ).sum(),
            column("Size", "size").none(NOT_READ).sum(),
            column("Where", "where").facet(),
        ],
        rows: rows
            .map(|(place, one)| {
                vec![
                    json!(one.repository_name),
                    names(&one.used_by),
                    view.run(one.last_run),
                    pushed(view, one),
                    json!(is_seen(one).then_some(one.images.len())),
                    json!(is_seen(one).then_some(one.bytes)),
                    json!(place),
                ]
            })
            .collect(),
        by: Some(5),
    }
}

fn unused(view: &View) -> Table {
    let rows = view.repositories().filter(|(_, one)| one.r#use != Use::Used);
    let is_any = view.repositories().next().is_some();
    let empty = if is_any {
        "Every repository is run by something."
    } else {
        "No repository was found."
    };
    Table {
        id: "unused",
        caption: "Repositories that nobody was found to run",
        nouns: REPOSITORIES,
        empty: nothing(view, empty),
        columns: vec![
            column("Repository", "repository"),
            column("In use", "state").words(uses("warn")).facet(),
            column("Last push", "run").words(pushes()),
            column("Created", "time"),
            column("Images", "count").none(NOT_READ).sum(),
            column("Size", "size").none(NOT_READ).sum(),
            column("Where", "where").facet(),
        ],
        rows: rows
            .map(|(place, one)| {
                vec![
                    json!(one.repository_name),
                    json!(one.r#use),
                    pushed(view, one),
                    json!(one.created_at.map(|at| view.time(at))),
                    json!(is_seen(one).then_some(one.images.len())),
                    json!(is_seen(one).then_some(one.bytes)),
                    json!(place),
                ]
            })
            .collect(),
        by: Some(5),
    }
}

fn candidates(view: &View) -> Table {
    let because = json!({"unused": ["not used, old push", "warn"], "not_run": ["not run for long", "dim"]});
    let currency = &view.report.settings.currency;
    Table {
        id: "candidates",
        caption: "Repositories that could go",
        nouns: REPOSITORIES,
        empty: nothing(view, "No repository was found that could go."),
        columns: vec![
            column("Repository", "repository"),
            column("Why", "state").words(because).facet(),
            column("Last push", "time"),
            column("Last run", "run").words(runs()),
            column("Images", "count").sum(),
            column("Size", "size").sum(),
            column("Layers once", "size").none("not known"),
            column(&format!("{currency} a month"), "money").sum(),
            column("Where", "where").facet(),
        ],
        rows: view
            .report
            .candidates
            .iter()
            .map(|one| {
                vec![
                    json!(one.repository_name),
                    json!(one.because),
                    json!(one.last_pushed_date.map(|at| view.time(at))),
                    view.run(one.last_run),
                    json!(one.images),
                    json!(one.bytes),
                    json!(one.distinct_bytes),
                    json!(one.cost_per_month),
                    json!(view.place_of(Some(&one.account), Some(&one.region))),
                ]
            })
            .collect(),
        by: Some(5),
    }
}

fn changes(view: &View) -> Table {
    let changes = view.report.changes.iter().flat_map(|changes| &changes.repositories);
    Table {
        id: "changes",
        caption: "Repositories that changed",
        nouns: REPOSITORIES,
        empty: "No repository changed.".to_owned(),
        columns: vec![
            column("Repository", "repository"),
            column("Change", "list").facet(),
            column("Before", "size"),
            column("Now", "size"),
            column("Difference", "difference").sum(),
            column("Where", "where").facet(),
        ],
        rows: changes
            .map(|one| {
                let bytes = |side: Option<u64>| signed(side.unwrap_or_default());
                vec![
                    json!(one.repository_name),
                    one.changes.iter().map(|change| change.words()).collect(),
                    json!(one.bytes_before),
                    json!(one.bytes_now),
                    json!(bytes(one.bytes_now) - bytes(one.bytes_before)),
                    json!(view.place_of(Some(&one.account), Some(&one.region))),
                ]
            })
            .collect(),
        by: Some(4),
    }
}

fn coverage(view: &View) -> Table {
    let states = json!({
        "current": ["as upstream", "good"], "older": ["older than upstream", "warn"], "unchecked": ["not compared", "dim"],
        "not_asked": ["not compared: upstreams were not asked", "dim"], "no_upstream": ["not compared: no upstream", "dim"],
        "not_answered": ["not compared: no answer", "warn"], "not_in_ledger": ["not compared: not in the ledger", "dim"],
        "outside": ["outside", "warn"], "gone": ["gone from ECR", "bad"], "unknown": ["not known", "dim"],
    });
    let mut found: Vec<_> = view.report.coverage.images.iter().collect();
    // What asks for something first.
    found.sort_by_key(|image| {
        use crate::usage::CoverageState::{Current, Unchecked};
        (
            matches!(image.state, Current | Unchecked),
            image.state,
            &image.image_uri,
        )
    });
    Table {
        id: "coverage",
        caption: "Images that run",
        nouns: ["image", "images"],
        empty: nothing(view, "Nothing was found that runs an image."),
        columns: vec![
            column("Image", "address").none("not told"),
            column("State", "state").words(states).facet(),
            column("Upstream", "address"),
            column("Run by", "list"),
        ],
        rows: found
            .into_iter()
            .map(|one| {
                vec![
                    json!(one.image_uri),
                    one.because.map_or_else(|| json!(one.state), |because| json!(because)),
                    json!(one.upstream),
                    names(&one.used_by),
                ]
            })
            .collect(),
        by: None,
    }
}

fn images(view: &View) -> Table {
    let statuses =
        json!({"active": ["active", "good"], "archived": ["archived", "dim"], "activating": ["activating", "warn"]});
    let images = view.repositories().flat_map(|(place, repository)| {
        let images = repository.images.iter();
        images.map(move |image| (place.clone(), repository, image))
    });
    Table {
        id: "images",
        caption: "All images",
        nouns: ["image", "images"],
        empty: nothing(view, "No image was found."),
        columns: vec![
            column("Repository", "name"),
            column("Tags", "list").none("untagged"),
            column("Digest", "digest"),
            column("Size", "size").sum(),
            column("Pushed", "time"),
            column("Last pulled", "time").none("not recorded"),
            column("Kind", "text").facet(),
            column("Status", "state").words(statuses).facet(),
            // Most images are run by nobody, as older ones of a repository in use: nothing to point at.
            column("In use", "state").words(uses("dim")).facet(),
            column("Run by", "list"),
            column("Where", "where").facet(),
        ],
        rows: images
            .map(|(place, repository, image)| {
                vec![
                    json!(repository.repository_name),
                    json!(image.tags),
                    json!(image.digest),
                    json!(image.bytes),
                    json!(image.image_pushed_at.map(|at| view.time(at))),
                    json!(image.last_pulled.map(|at| view.time(at))),
                    json!(image.kind),
                    json!(image.status),
                    json!(image.r#use),
                    names(&image.used_by),
                    json!(place),
                ]
            })
            .collect(),
        by: Some(3),
    }
}

fn functions(view: &View) -> Table {
    let states = json!({
        "found": ["in ECR", "good"], "outside": ["outside", "warn"], "gone": ["gone from ECR", "bad"], "unknown": ["not known", "dim"],
    });
    Table {
        id: "functions",
        caption: "Functions and services",
        nouns: ["function or service", "functions and services"],
        empty: nothing(view, "No function or service was found."),
        columns: vec![
            column("Name", "name"),
            column("Kind", "text").facet(),
            column("Image", "address").none("not told"),
            column("Image is", "state").words(states).facet(),
            column("Last run", "run").words(runs()),
            column("Memory, MB", "count"),
            column("Modified", "time"),
            column("Description", "text").none(""),
            column("Where", "where").facet(),
        ],
        rows: function_rows(view).chain(service_rows(view)).collect(),
        by: Some(4),
    }
}

fn function_rows(view: &View) -> impl Iterator<Item = Row> {
    view.report.accounts.iter().flat_map(move |account| {
        account.lambda.0.iter().flat_map(move |(region, functions)| {
            functions.iter().map(move |one| {
                vec![
                    json!(name_of(&one.arn)),
                    json!("function"),
                    json!(one.image_uri),
                    json!(one.image.word()),
                    view.run(Some(one.last_run)),
                    json!(one.memory_size),
                    json!(one.last_modified.map(|at| view.time(at))),
                    json!(one.description),
                    json!(view.place(account, region)),
                ]
            })
        })
    })
}

fn service_rows(view: &View) -> impl Iterator<Item = Row> {
    let title = |one: &EcsService| format!("{}/{}", one.cluster, one.service);
    view.report.accounts.iter().flat_map(move |account| {
        account.ecs.0.iter().flat_map(move |(region, services)| {
            services.iter().flat_map(move |one| {
                one.containers.iter().map(move |container| {
                    let tasks = format!(
                        "container {}, {} of {} running",
                        container.container, one.running, one.desired
                    );
                    vec![
                        json!(title(one)),
                        json!("service"),
                        json!(container.image_uri),
                        json!(container.image.word()),
                        Value::Null,
                        Value::Null,
                        Value::Null,
                        json!(tasks),
                        json!(view.place(account, region)),
                    ]
                })
            })
        })
    })
}
