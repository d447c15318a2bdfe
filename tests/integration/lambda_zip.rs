//! `scripts/lambda-zip`: the archive, and the check of which glibc a program asks for.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use zip::ZipArchive;

use crate::bad_input::contains;

fn script(arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lambda-zip");
    Command::new(script)
        .args(arguments)
        .output()
        .expect("the script starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

fn cc(folder: &Path, arguments: &[&str]) {
    let built = Command::new("cc").current_dir(folder).args(arguments).status();
    assert!(built.expect("a C compiler").success(), "{arguments:?}");
}

/// Something that asks a library for a symbol of this version, as programs ask glibc for theirs, and for nothing else.
fn asks_for(folder: &TempDir, version: &str) -> PathBuf {
    let folder = folder.path();
    fs::write(folder.join("library.c"), "int newer(void) { return 1; }").unwrap();
    fs::write(
        folder.join("program.c"),
        "int newer(void); int old(void) { return newer(); }",
    )
    .unwrap();
    fs::write(folder.join("versions"), format!("{version} {{ global: newer; }};")).unwrap();
    let shared = ["-shared", "-fPIC", "-nostdlib", "-o"];
    cc(
        folder,
        &[
            &shared[..],
            &["libnewer.so", "library.c", "-Wl,--version-script=versions"],
        ]
        .concat(),
    );
    cc(
        folder,
        &[&shared[..], &["program", "program.c", "-L.", "-lnewer"]].concat(),
    );
    folder.join("program")
}

#[test]
fn a_program_that_asks_for_a_newer_glibc_is_told_from_one_that_does_not() {
    let folder = tempfile::tempdir().unwrap();
    for (version, is_there) in [
        ("GLIBC_2.2.5", true),
        ("GLIBC_2.34", true),
        ("GLIBC_2.35", false),
        ("GLIBC_2.100", false),
        ("GLIBC_3.0", false),
        // Of glibc 2.36 (its NEWS), and of no version that others may use.
        ("GLIBC_ABI_DT_RELR", false),
        ("GLIBC_PRIVATE", false),
    ] {
        let program = asks_for(&folder, version);
        let checked = script(&["--check", program.to_str().unwrap()]);
        assert_eq!(checked.status.success(), is_there, "{version}: {}", said(&checked));
        let number = version.strip_prefix("GLIBC_").unwrap();
        contains(&said(&checked), &[number, "2.34"]);
    }
}

#[test]
fn what_is_no_program_is_not_taken_for_a_good_one() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for none in [manifest, "/nonexistent"] {
        let checked = script(&["--check", none]);
        assert!(!checked.status.success(), "{none}: {}", said(&checked));
    }
}

#[test]
fn the_archive_is_the_same_each_time_and_has_the_program_as_bootstrap() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let program = asks_for(&folder, "GLIBC_2.34").to_str().unwrap().to_owned();
    fs::write(at("mirror.yaml"), "engine: direct\n").unwrap();
    let make = |to: &str| {
        let made = script(&[
            "--binary",
            &program,
            "--settings",
            &at("mirror.yaml"),
            "--output",
            &at(to),
        ]);
        assert!(made.status.success(), "{}", said(&made));
        fs::read(at(to)).unwrap()
    };
    let first = make("first.zip");
    // Other times and rights do not show.
    Command::new("touch")
        .args(["-d", "2001-01-01", &program])
        .status()
        .unwrap();
    Command::new("chmod").args(["700", &program]).status().unwrap();
    assert!(first == make("second.zip"), "the archives differ");
    let mut archive = ZipArchive::new(fs::File::open(at("first.zip")).unwrap()).unwrap();
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        found.push((entry.name().to_owned(), entry.unix_mode().unwrap() & 0o777, bytes));
    }
    let expected = [
        ("bootstrap".to_owned(), 0o755, fs::read(&program).unwrap()),
        ("settings.yaml".to_owned(), 0o644, b"engine: direct\n".to_vec()),
    ];
    assert!(found == expected, "other files, or another mode");
    // One that would not run is put into no archive.
    asks_for(&folder, "GLIBC_2.35");
    let refused = script(&["--binary", &program, "--output", &at("refused.zip")]);
    assert!(!refused.status.success() && !Path::new(&at("refused.zip")).exists());
}
