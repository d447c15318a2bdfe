//! Where `scripts/tools` has put what Debian has not.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// Lines `NAME=VERSION`, which the script reads too.
const VERSIONS: &str = include_str!("../tools.env");

/// Path of another tool for images, such as `crane` or `regctl`, which `scripts/tools` builds.
///
/// # Panics
/// When it has not.
pub fn peer(name: &str) -> PathBuf {
    match program(name) {
        Ok(path) => path.into(),
        Err(error) => panic!("{error:#}"),
    }
}

/// Path of a program that `scripts/tools` builds or gets, at its version.
///
/// # Errors
/// When it has not.
pub fn program(name: &str) -> Result<String> {
    let version = version(name).with_context(|| format!("tests/lab/tools.env has no version of {name}"))?;
    let folder = cache()?.join(format!("{name}-{version}"));
    let path = folder.join("bin").join(name);
    ensure!(path.is_file(), "{} is missing; scripts/tools builds it", path.display());
    Ok(path.display().to_string())
}

fn version(name: &str) -> Option<&'static str> {
    let name = name.replace('-', "_");
    let mut lines = VERSIONS.lines().filter_map(|line| line.split_once('='));
    lines
        .find(|(key, _)| key.eq_ignore_ascii_case(&name))
        .map(|(_, version)| version)
}

/// As in `scripts/tools`, where an empty variable counts as none.
fn cache() -> Result<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let below = |folder: PathBuf| folder.join("ecr-lab");
    let found = variable("ECR_LAB_TOOLS")
        .or_else(|| variable("XDG_CACHE_HOME").map(below))
        .or_else(|| variable("HOME").map(|home| below(home.join(".cache"))));
    found.context("none of ECR_LAB_TOOLS, XDG_CACHE_HOME and HOME says where scripts/tools puts its programs")
}
