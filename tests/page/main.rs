//! The usage page, made of made-up reports and opened in headless Chromium (`check.mjs`); and the same reports in the other shapes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ecr_keeper::record::{UsageFormat, UsagePart, usage_rendered};
use ecr_keeper::usage::Report;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A report of `samples.py`, as its schema says it is.
fn sample(name: &str) -> (String, Report) {
    let script = Path::new(ROOT).join("tests/page/samples.py");
    let mut python = Command::new("python3");
    let made = python.arg(script).arg(name).env("PYTHONDONTWRITEBYTECODE", "1");
    let made = made.output().expect("python3 starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let json = String::from_utf8(made.stdout).expect("UTF-8");
    let schema = fs::read(Path::new(ROOT).join("docs/usage-report.schema.json")).expect("the schema");
    let schema = serde_json::from_slice(&schema).expect("JSON");
    let validator = jsonschema::options().should_validate_formats(true).build(&schema);
    let validator = validator.expect("a schema");
    let report = serde_json::from_str(&json).expect("JSON");
    let mistakes: Vec<String> = validator
        .iter_errors(&report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    (json, serde_json::from_value(report).expect("a report"))
}

fn rendered(report: &Report, format: UsageFormat) -> String {
    let bytes = usage_rendered(report, format, UsagePart::All).expect("it is made");
    String::from_utf8(bytes).expect("UTF-8")
}

/// One after the other: how long a page takes to open is looked at, too.
#[test]
fn pages_show_what_their_json_says_and_are_used_by_mouse_keys_and_screen_reader() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = std::env::var_os("USAGE_PAGES").map(PathBuf::from);
    let folder = kept.as_deref().unwrap_or(folder.path());
    let mut failed = Vec::new();
    for name in ["small", "large", "hostile", "empty", "failed"] {
        let (json, report) = sample(name);
        let [page, file] = ["html", "json"].map(|end| folder.join(format!("{name}.{end}")));
        fs::write(&page, rendered(&report, UsageFormat::Html)).expect("it is written");
        fs::write(&file, json).expect("it is written");
        let mut check = Command::new(Path::new(ROOT).join("scripts/page-test"));
        let checked = check.args([page, file]).output().expect("the script starts");
        let said = [&checked.stdout[..], &checked.stderr].concat();
        // For who asks the tests to tell more.
        println!("{}", String::from_utf8_lossy(&said));
        if !checked.status.success() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}: what failed stands above");
}

#[test]
fn names_are_text_in_the_other_shapes_too() {
    let (_, report) = sample("hostile");
    let repositories: Vec<_> = report.repositories().map(|(.., one)| one).collect();
    let text = rendered(&report, UsageFormat::Text);
    let lines = text.lines().filter(|line| line.starts_with("repository name : "));
    assert_eq!(lines.count(), repositories.len(), "{text}");
    let is_odd = |c: char| c.is_control() && c != '\n';
    assert!(!text.contains(is_odd), "{text:?}");
    let csv = rendered(&report, UsageFormat::Csv);
    let mut csv = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<csv::StringRecord> = csv.records().map(|row| row.expect("a row")).collect();
    let images: usize = repositories.iter().map(|one| one.images.len()).sum();
    assert_eq!(rows.len(), images);
    for repository in &repositories {
        let name = &repository.repository_name;
        // What a spreadsheet would take for a formula.
        let is_its = |row: &csv::StringRecord| row[2] == **name || row[2] == *format!("'{name}");
        let its: Vec<_> = rows.iter().filter(|row| is_its(row)).collect();
        assert!(its.iter().any(|row| row[3].contains(name.as_str())), "{name}: {its:?}");
    }
    let markdown = rendered(&report, UsageFormat::Markdown);
    assert!(
        !markdown.contains("<script") && !markdown.contains("<img"),
        "{markdown}"
    );
    let rows = markdown
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains(" MB | "));
    assert_eq!(rows.count(), repositories.len(), "{markdown}");
}
