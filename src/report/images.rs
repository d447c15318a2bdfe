//! The images of repositories, for people and programs that look after them.

use std::io::{self, Write};

use indicatif::DecimalBytes;
use jiff::Timestamp;
use serde::Serialize;

use super::repositories::{minute, so_many_images, write_failures, write_rows};
use super::{Failure, SCHEMA_VERSION, Users, WhoWasAsked};
use crate::aws::ecr::{ImageDetails, Sort, Status};
use crate::image::{Digest, Platform, Tag};
use crate::usage::Use;

/// Images, by their repositories.
#[derive(Debug, Clone, Serialize)]
pub struct Images {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// By name.
    pub repositories: Vec<ImagesOfOne>,
    /// Who was asked what runs; none where nobody was.
    pub who_runs_what: Option<WhoWasAsked>,
    /// What could not be read of the images.
    pub failures: Vec<Failure>,
}

/// Those of one repository.
#[derive(Debug, Clone, Serialize)]
pub struct ImagesOfOne {
    /// Its name in the registry.
    pub repository: String,
    /// `HOST/NAME`
    pub uri: String,
    /// The newest first.
    pub images: Vec<ImageLine>,
    /// The sizes of these together; what they share counts for each.
    pub bytes: u64,
}

/// One image.
#[derive(Debug, Clone, Serialize)]
pub struct ImageLine {
    /// The digest of its manifest or index.
    pub digest: Digest,
    /// Its tags; none where it is untagged.
    pub tags: Vec<Tag>,
    /// What it is.
    pub kind: Sort,
    /// The media type of its manifest.
    pub media_type: String,
    /// What an artifact is for, as ECR tells it.
    pub artifact_type: Option<String>,
    /// Its size, compressed; of an index that of its largest image.
    pub bytes: Option<u64>,
    /// When it was pushed.
    pub pushed: Option<Timestamp>,
    /// When it was pulled last, as far as ECR keeps a record of that.
    pub last_pulled: Option<Timestamp>,
    /// Whether it can be pulled.
    pub status: Status,
    /// What it runs on; none where that was not asked.
    pub platforms: Option<Vec<Platform>>,
    /// Whether somebody runs it; none where nobody was asked.
    pub r#use: Option<Use>,
    /// ARNs of the functions and services that run it; none where nobody was asked.
    pub in_use_by: Option<Vec<String>>,
}

impl ImageLine {
    /// Of an image; with its platforms and with those who run it, where these were asked for.
    pub fn new(image: ImageDetails, platforms: Option<Vec<Platform>>, users: Option<Users>) -> Self {
        Self {
            r#use: users.as_ref().map(|users| users.r#use),
            in_use_by: users.map(|users| users.by),
            kind: Sort::of(&image),
            media_type: image.kind.media_type().to_owned(),
            digest: image.digest,
            tags: image.tags,
            artifact_type: image.artifact_type,
            bytes: image.bytes,
            pushed: image.pushed,
            last_pulled: image.pulled,
            status: image.status,
            platforms,
        }
    }

    pub(super) fn users(&self) -> Option<Users> {
        Some(Users {
            r#use: self.r#use?,
            by: self.in_use_by.clone()?,
        })
    }

    pub(super) fn kind_in_words(&self) -> String {
        match self.status {
            Status::Active => self.kind.word().to_owned(),
            Status::Archived => format!("{} (archived)", self.kind.word()),
            Status::Activating => format!("{} (being restored)", self.kind.word()),
        }
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![
            minute(self.pushed),
            minute(self.last_pulled),
            self.bytes
                .map_or("-".to_owned(), |bytes| DecimalBytes(bytes).to_string()),
            self.digest.short().to_owned(),
            self.kind_in_words(),
        ];
        let platforms = self.platforms.as_ref();
        cells.extend(platforms.map(|all| listed_or_none(all.iter().map(ToString::to_string))));
        cells.extend(self.users().map(|users| users.in_short()));
        cells.push(listed_or_none(self.tags.iter().map(ToString::to_string)));
        cells
    }
}

fn listed_or_none(all: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = all.collect();
    match all.is_empty() {
        true => "-".to_owned(),
        false => all.join(", "),
    }
}

impl ImagesOfOne {
    /// Of these images.
    pub fn new(repository: String, uri: String, images: Vec<ImageLine>) -> Self {
        Self {
            repository,
            uri,
            bytes: images.iter().filter_map(|image| image.bytes).sum(),
            images,
        }
    }
}

impl Images {
    /// Of what was found.
    pub fn new(repositories: Vec<ImagesOfOne>, who_runs_what: Option<WhoWasAsked>, failures: Vec<Failure>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            repositories,
            who_runs_what,
            failures,
        }
    }

    /// Whether all was read.
    pub fn is_whole(&self) -> bool {
        self.all_failures().next().is_none()
    }

    fn all_failures(&self) -> impl Iterator<Item = &Failure> {
        let of_users = self.who_runs_what.iter().flat_map(|asked| &asked.failures);
        self.failures.iter().chain(of_users)
    }

    /// A heading for each repository, and a line for each of its images.
    pub fn write_list(&self, out: &mut impl Write) -> io::Result<()> {
        for one in &self.repositories {
            let (images, bytes) = (so_many_images(one.images.len()), DecimalBytes(one.bytes));
            writeln!(out, "{}  {images}, {bytes}", one.uri)?;
            let mut rows = vec![self.headings()];
            rows.extend(one.images.iter().map(ImageLine::cells));
            for row in rows.iter_mut().filter(|_| !one.images.is_empty()) {
                row[0] = format!("  {}", row[0]);
            }
            if !one.images.is_empty() {
                write_rows(out, &rows)?;
            }
        }
        write_failures(out, self.all_failures())
    }

    fn headings(&self) -> Vec<String> {
        let mut all = self.repositories.iter().flat_map(|one| &one.images);
        let has_platforms = all.any(|image| image.platforms.is_some());
        let platforms = Some("platforms").filter(|_| has_platforms);
        let users = self.who_runs_what.as_ref().map(|_| "in use by");
        let before = ["pushed (UTC)", "last pulled", "size", "digest", "kind"];
        let words = before.into_iter().chain(platforms).chain(users).chain(["tags"]);
        words.map(str::to_owned).collect()
    }

    /// A line for each repository: its newest image.
    pub fn write_latest(&self, out: &mut impl Write) -> io::Result<()> {
        let rows = self.repositories.iter().map(|one| {
            let mut row = vec![one.uri.clone()];
            match one.images.first() {
                Some(image) => row.extend(image.cells()),
                None => row.push("no tagged image".to_owned()),
            }
            row
        });
        write_rows(out, &rows.collect::<Vec<_>>())?;
        write_failures(out, self.all_failures())
    }
}
