//! Configurations of other programs, read and said in this program's settings. Pure.
//!
//! Whatever of one has no counterpart is told by its line, and secrets never come along. `docs/import.md` tells what becomes of
//! what.

mod draft;
mod dregsy;
mod file;
mod image_syncer;
mod login;
mod names;
mod patterns;
mod ranges;
mod regsync;
mod section;
mod settle;
mod skopeo;
#[cfg(test)]
mod tests;
mod write;

pub use crate::yaml::Syntax;
pub use draft::LeftOut;

use std::fmt;

use self::draft::Draft;
use self::section::Section;
use crate::image::Repository;
use crate::yaml::{Node, Value};

/// Whose configuration it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// regclient's regsync
    Regsync,
    /// dregsy
    Dregsy,
    /// The YAML that `skopeo sync --src yaml` reads; needs --target
    Skopeo,
    /// image-syncer: its images file, or the older one with images and auth
    ImageSyncer,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Regsync => "regsync",
            Self::Dregsy => "dregsy",
            Self::Skopeo => "skopeo sync",
            Self::ImageSyncer => "image-syncer",
        })
    }
}

/// A file's text and the name that it is told by.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// As it was named.
    pub name: &'a str,
    /// What is in it.
    pub text: &'a str,
}

/// Only the name: the text may hold secrets.
impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a configuration does not say itself.
#[derive(Debug, Clone, Default)]
pub struct Beside<'a> {
    /// With skopeo: where `skopeo sync` was told to bring the images, `REGISTRY[/PREFIX]`.
    pub target: Option<&'a str>,
    /// With skopeo: whether it was told `--scoped`.
    pub scoped: bool,
    /// With skopeo: whether it was told `--all`, so that all platforms come.
    pub all: bool,
    /// With image-syncer: its file of logins.
    pub auth: Option<Source<'a>>,
}

/// Settings that were made of a configuration.
#[derive(Debug)]
pub struct Imported {
    /// A settings file, in YAML.
    pub settings: String,
    /// How many entries its `images` have.
    pub images: usize,
    /// The environment variables that are to hold what is not in it.
    pub variables: Vec<String>,
    /// What it does not say, in the order of the lines.
    pub left_out: Vec<LeftOut>,
}

/// A text that is no configuration of that kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is no YAML.
    #[error("{file}: {syntax}")]
    Syntax {
        /// The file.
        file: String,
        /// Where, and why.
        syntax: Syntax,
    },
    /// Nothing is in it.
    #[error("{0} has nothing in it")]
    Empty(String),
    /// It is something else.
    #[error("{file}: line {line}: {expected}{}", .found.map_or(String::new(), |format| format!("; this looks like {format}'s")))]
    Other {
        /// The file.
        file: String,
        /// The line at which that shows.
        line: usize,
        /// What a configuration of this kind has.
        expected: &'static str,
        /// Whose it seems to be.
        found: Option<Format>,
    },
    /// Where images go is not said in a configuration of this kind.
    #[error("a configuration of skopeo sync does not say where the images go")]
    NoTarget,
    /// Images cannot go there.
    #[error("{target} is no REGISTRY[/PREFIX]: {why}")]
    Target {
        /// What was given.
        target: String,
        /// Why.
        why: String,
    },
}

impl ImportError {
    /// Without the remark that it looks like what it was said to be.
    fn beside(self, format: Format) -> Self {
        match self {
            Self::Other {
                file,
                line,
                expected,
                found,
            } => Self::Other {
                file,
                line,
                expected,
                found: found.filter(|found| *found != format),
            },
            error => error,
        }
    }
}

/// The settings that say what a configuration does.
///
/// # Errors
/// Where it is no configuration of that kind at all. What of it has no counterpart is no error.
pub fn import(format: Format, source: Source<'_>, beside: &Beside<'_>) -> Result<Imported, ImportError> {
    let root = parse(source)?;
    let mut draft = Draft {
        file: source.name.to_owned(),
        engine: "direct",
        ..Draft::default()
    };
    match format {
        Format::Regsync => regsync::read(&root, &mut draft),
        Format::Dregsy => dregsy::read(&root, &mut draft),
        Format::Skopeo => skopeo::read(&root, beside, &mut draft),
        Format::ImageSyncer => image_syncer::read(&root, beside, &mut draft),
    }
    .map_err(|error| error.beside(format))?;
    Ok(settle::settle(draft, format))
}

fn parse(source: Source<'_>) -> Result<Node, ImportError> {
    let file = || source.name.to_owned();
    match crate::yaml::read(source.text) {
        Ok(Some(root)) => Ok(root),
        Ok(None) => Err(ImportError::Empty(file())),
        Err(syntax) => Err(ImportError::Syntax { file: file(), syntax }),
    }
}

/// The keys of a whole file.
fn keys_of<'a>(root: &'a Node, draft: &Draft, expected: &'static str) -> Result<Section<'a>, ImportError> {
    match &root.value {
        Value::Map(entries) => Ok(Section::new("", entries)),
        _ => Err(other(root, root.line, draft, expected)),
    }
}

/// The error of a file that is no configuration of the kind it was said to be.
fn other(root: &Node, line: usize, draft: &Draft, expected: &'static str) -> ImportError {
    let has = |key: &str| match &root.value {
        Value::Map(entries) => entries.iter().any(|entry| entry.key == key),
        _ => false,
    };
    let found = match () {
        () if has("sync") => Some(Format::Regsync),
        () if has("tasks") => Some(Format::Dregsy),
        () if has("images") => Some(Format::ImageSyncer),
        () => None,
    };
    ImportError::Other {
        file: draft.file.clone(),
        line,
        expected,
        found,
    }
}

/// Where a repository goes below a prefix, which may be empty.
fn below(host: &str, prefix: &str, name: &str) -> Result<Repository, String> {
    let path = [prefix, name].into_iter().filter(|part| !part.is_empty());
    names::repository(&format!("{host}/{}", path.collect::<Vec<_>>().join("/")))
}
