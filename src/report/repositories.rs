//! Repositories: what they are like, and what became of those that were to come or to go.

use std::io::{self, Write};

use indicatif::DecimalBytes;
use jiff::Timestamp;
use serde::Serialize;

use super::{Failure, SCHEMA_VERSION, Users, WhoWasAsked};
use crate::aws::ecr::{ImageDetails, RepositoryDetails};
use crate::image::{Digest, Tag};
use crate::mapping::NewRepository;
use crate::prune::KeptBecause;
use crate::usage::Use;

/// The repositories of a registry.
#[derive(Debug, Clone, Serialize)]
pub struct RepositoryList {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// By name.
    pub repositories: Vec<RepositoryLine>,
    /// What could not be read.
    pub failures: Vec<Failure>,
}

/// One of them.
#[derive(Debug, Clone, Serialize)]
pub struct RepositoryLine {
    /// Its name in the registry.
    pub repository: String,
    /// `HOST/NAME`
    pub uri: String,
    /// Its Amazon Resource Name.
    pub arn: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// In ECR's words.
    pub image_tag_mutability: String,
    /// Tags for which it is the other way round.
    pub mutability_exclusion_filters: Vec<String>,
    /// Whether each image that is pushed is scanned.
    pub scan_on_push: bool,
    /// In ECR's word.
    pub encryption_type: String,
    /// The key for that.
    pub kms_key: Option<String>,
    /// How many images it has, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// Their sizes together; what they share counts for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl RepositoryLine {
    /// With its images, where they were asked for.
    pub fn new(details: RepositoryDetails, images: Option<&[ImageDetails]>) -> Self {
        Self {
            repository: details.name,
            uri: details.uri,
            arn: details.arn,
            created: details.created,
            image_tag_mutability: details.image_tag_mutability,
            mutability_exclusion_filters: details.mutability_exclusion_filters,
            scan_on_push: details.scan_on_push,
            encryption_type: details.encryption_type,
            kms_key: details.kms_key,
            images: images.map(<[_]>::len),
            bytes: images.map(bytes_of),
        }
    }
}

/// The sizes of images together; what they share counts for each.
pub fn bytes_of(images: &[ImageDetails]) -> u64 {
    images.iter().filter_map(|image| image.bytes).sum()
}

/// So many images, in words.
pub fn so_many_images(count: usize) -> String {
    match count {
        1 => "1 image".to_owned(),
        many => format!("{many} images"),
    }
}

/// A time as people read it, in UTC.
pub(super) fn minute(time: Option<Timestamp>) -> String {
    time.map_or("-".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}

impl RepositoryList {
    /// Of what was found.
    pub fn new(repositories: Vec<RepositoryLine>, failures: Vec<Failure>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            repositories,
            failures,
        }
    }

    /// A line for each, in columns.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let rows = self.repositories.iter().map(|one| {
            let mut row = vec![
                one.repository.clone(),
                minute(one.created),
                one.image_tag_mutability.clone(),
                one.encryption_type.clone(),
                match one.scan_on_push {
                    true => "scanned on push".to_owned(),
                    false => "-".to_owned(),
                },
            ];
            row.extend(one.images.map(so_many_images));
            row.extend(one.bytes.map(|bytes| DecimalBytes(bytes).to_string()));
            row
        });
        write_rows(out, &rows.collect::<Vec<_>>())?;
        write_failures(out, &self.failures)
    }
}

/// Rows with columns of one width each.
pub(super) fn write_rows(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// What failed, with what to do about it.
pub(super) fn write_failures<'a>(
    out: &mut impl Write,
    failures: impl IntoIterator<Item = &'a Failure>,
) -> io::Result<()> {
    for failure in failures {
        writeln!(out, "failed    {}", failure.in_one_line())?;
        if let Some(hint) = &failure.hint {
            writeln!(out, "          hint: {hint}")?;
        }
    }
    Ok(())
}

/// What became of repositories that were to be created or deleted.
#[derive(Debug, Clone, Serialize)]
pub struct Repositories {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// In the order in which they were named.
    pub repositories: Vec<OneRepository>,
    /// Who was asked what runs; none where there was nothing that anybody could run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who_runs_what: Option<WhoWasAsked>,
}

/// What became of one.
#[derive(Debug, Clone, Serialize)]
pub struct OneRepository {
    /// Its name in the registry.
    pub repository: String,
    /// What was done, or would be.
    pub outcome: RepositoryOutcome,
    /// What it is like that was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub like: Option<NewRepository>,
    /// What goes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goes: Option<Goes>,
    /// Why it came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What became of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepositoryOutcome {
    /// It is there now.
    Created,
    /// It was there before.
    Exists,
    /// It has gone.
    Deleted,
    /// It was not there.
    Absent,
    /// It is there still, for a reason that is no error.
    Refused,
    /// It came to nothing.
    Failed,
}

/// What goes with a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Goes {
    /// How many images, untagged and archived ones too.
    pub images: usize,
    /// Their sizes together; what they share counts for each.
    pub bytes: u64,
    /// The last push of one.
    pub last_pushed: Option<Timestamp>,
    /// The last pull of one, as far as ECR keeps a record of that.
    pub last_pulled: Option<Timestamp>,
    /// Whether somebody runs one of them; none where that was not asked.
    pub r#use: Option<Use>,
    /// ARNs of the functions and services that run one; none where that was not asked.
    pub in_use_by: Option<Vec<String>>,
    /// Images that are protected, whoever uses them.
    pub protected: Vec<ProtectedImage>,
}

/// An image that something but its users protects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProtectedImage {
    /// The digest of its manifest or index.
    pub digest: Digest,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Why it should stay.
    pub because: KeptBecause,
}

impl ProtectedImage {
    /// This one, for this reason.
    pub fn new(image: &ImageDetails, because: KeptBecause) -> Self {
        Self {
            digest: image.digest.clone(),
            tags: image.tags.clone(),
            because,
        }
    }

    fn in_words(&self) -> String {
        let name = self.tags.first().map_or(self.digest.short(), Tag::as_str);
        match &self.because {
            KeptBecause::Protected { .. } => format!("{name} is {}", self.because.in_words()),
            KeptBecause::LastCopy { .. } => format!("{name} {}", self.because.in_words()),
            _ => self.because.in_words(),
        }
    }
}

impl Goes {
    /// Of a repository's images, of those who run them, where that was asked, and of what is protected.
    pub fn new(images: &[ImageDetails], users: Option<Users>, protected: Vec<ProtectedImage>) -> Self {
        Self {
            images: images.len(),
            bytes: bytes_of(images),
            last_pushed: images.iter().filter_map(|image| image.pushed).max(),
            last_pulled: images.iter().filter_map(|image| image.pulled).max(),
            r#use: users.as_ref().map(|users| users.r#use),
            in_use_by: users.map(|users| users.by),
            protected,
        }
    }

    /// The first that is protected, and how many more are.
    pub fn protected_in_words(&self) -> Option<String> {
        let (first, others) = self.protected.split_first()?;
        let more = match others.len() {
            0 => String::new(),
            1 => ", and 1 more image is protected".to_owned(),
            many => format!(", and {many} more images are protected"),
        };
        Some(format!("{}{more}", first.in_words()))
    }

    fn users(&self) -> Option<Users> {
        Some(Users {
            r#use: self.r#use?,
            by: self.in_use_by.clone()?,
        })
    }

    /// For people, on one line.
    pub fn in_words(&self) -> String {
        let used = self.users().map(|users| format!("; {}", users.in_words()));
        let protected = self.protected_in_words().map(|words| format!("; {words}"));
        let used = used.into_iter().chain(protected).collect::<String>();
        match self.images {
            0 => "no images".to_owned(),
            count => format!(
                "{}, {}, last pushed {} UTC, last pulled {}{used}",
                so_many_images(count),
                DecimalBytes(self.bytes),
                minute(self.last_pushed),
                self.last_pulled.map_or("never, as far as is known".to_owned(), |time| {
                    format!("{} UTC", minute(Some(time)))
                })
            ),
        }
    }
}

impl Repositories {
    /// Whether none is refused or failed.
    pub fn is_well(&self) -> bool {
        let bad = [RepositoryOutcome::Refused, RepositoryOutcome::Failed];
        !self.repositories.iter().any(|one| bad.contains(&one.outcome))
    }

    /// A line for each, and what is to be said of it.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for one in &self.repositories {
            let word = match (one.outcome, self.dry_run) {
                (RepositoryOutcome::Created, false) => "created",
                (RepositoryOutcome::Created, true) => "to create",
                (RepositoryOutcome::Exists, _) => "exists",
                (RepositoryOutcome::Deleted, false) => "deleted",
                (RepositoryOutcome::Deleted, true) => "to delete",
                (RepositoryOutcome::Absent, _) => "absent",
                (RepositoryOutcome::Refused, _) => "refused",
                (RepositoryOutcome::Failed, _) => "failed",
            };
            writeln!(out, "{word:<9} {}", one.repository)?;
            let like = one.like.as_ref().map(ToString::to_string);
            let goes = one.goes.as_ref().map(Goes::in_words);
            let failure = one.failure.as_ref();
            let hint = failure.and_then(|failure| failure.hint.as_ref());
            let lines = [
                like,
                goes,
                failure.map(Failure::in_one_line),
                hint.map(|hint| format!("hint: {hint}")),
            ];
            for line in lines.into_iter().flatten() {
                writeln!(out, "          {line}")?;
            }
        }
        match &self.who_runs_what {
            Some(asked) => asked.write_text(out),
            None => Ok(()),
        }
    }
}
