//! What became of images that were to go.

use std::io::{self, Write};

use indicatif::DecimalBytes;
use serde::Serialize;

use super::repositories::minute;
use super::{Failure, ImageLine, WhoWasAsked};
use crate::image::{Digest, Tag};
use crate::prune::KeptBecause;

/// What became of images and tags that were to go.
#[derive(Debug, Clone, Serialize)]
pub struct Deletions {
    /// [`SCHEMA_VERSION`](super::SCHEMA_VERSION).
    pub schema_version: u32,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// In the order in which they were named.
    pub images: Vec<OneDeletion>,
    /// Who was asked what runs; none where no repository that was named is there.
    pub who_runs_what: Option<WhoWasAsked>,
}

/// What became of one image.
#[derive(Debug, Clone, Serialize)]
pub struct OneDeletion {
    /// The name of its repository.
    pub repository: String,
    /// How it was named: its tags or its digest.
    pub named: Vec<String>,
    /// What was done, or would be.
    pub outcome: DeletionOutcome,
    /// What was to go; none where there is nothing of that name.
    pub goes: Option<GoesWithIt>,
    /// The tags that go.
    pub tags: Vec<Tag>,
    /// The tags that stay.
    pub tags_left: Vec<Tag>,
    /// The image as it was.
    pub image: Option<ImageLine>,
    /// Of an index that goes the images that it consists of, which stay; none where that could not be read.
    pub leaves: Option<Vec<Digest>>,
    /// What protects it, whoever uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected: Option<KeptBecause>,
    /// Why it came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeletionOutcome {
    /// The image has gone with its tags.
    Deleted,
    /// Tags have gone; the image is there still.
    Untagged,
    /// It was not there.
    Absent,
    /// It is there still, for a reason that is no error.
    Refused,
    /// It came to nothing.
    Failed,
}

/// What goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GoesWithIt {
    /// The image with all its tags.
    Image,
    /// Tags alone.
    Tags,
}

impl Deletions {
    /// Whether none is refused or failed.
    pub fn is_well(&self) -> bool {
        let bad = [DeletionOutcome::Refused, DeletionOutcome::Failed];
        !self.images.iter().any(|one| bad.contains(&one.outcome))
    }

    /// Each with what is to be said of it.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for one in &self.images {
            one.write_text(out, self.dry_run)?;
        }
        match &self.who_runs_what {
            Some(asked) => asked.write_text(out),
            None => Ok(()),
        }
    }
}

impl OneDeletion {
    /// A line, and what is to be said of it; `is_to_come` where nothing is done yet.
    pub fn write_text(&self, out: &mut impl Write, is_to_come: bool) -> io::Result<()> {
        let word = match (self.outcome, is_to_come) {
            (DeletionOutcome::Deleted, false) => "deleted",
            (DeletionOutcome::Deleted, true) => "to delete",
            (DeletionOutcome::Untagged, false) => "untagged",
            (DeletionOutcome::Untagged, true) => "to untag",
            (DeletionOutcome::Absent, _) => "absent",
            (DeletionOutcome::Refused, _) => "refused",
            (DeletionOutcome::Failed, _) => "failed",
        };
        writeln!(out, "{word:<9} {}", self.title())?;
        let failure = self.failure.as_ref();
        let hint = failure.and_then(|failure| failure.hint.as_ref());
        let goes = matches!(self.outcome, DeletionOutcome::Deleted | DeletionOutcome::Untagged);
        let lines = [
            self.image.as_ref().map(described),
            self.what_goes().filter(|_| goes),
            self.what_stays().filter(|_| goes),
            self.protected.as_ref().map(KeptBecause::in_words).filter(|_| goes),
            failure.map(Failure::in_one_line),
            hint.map(|hint| format!("hint: {hint}")),
        ];
        for line in lines.into_iter().flatten() {
            writeln!(out, "          {line}")?;
        }
        Ok(())
    }

    /// `REPOSITORY:TAG`, `REPOSITORY@DIGEST`, or with all its names.
    fn title(&self) -> String {
        let separator = |name: &String| if name.contains(':') { '@' } else { ':' };
        let names = self.named.iter().map(|name| format!("{}{name}", separator(name)));
        format!("{}{}", self.repository, names.collect::<Vec<_>>().join(", "))
    }

    fn what_goes(&self) -> Option<String> {
        let tags: Vec<&str> = self.tags.iter().map(Tag::as_str).collect();
        let is_of_image = self.goes? == GoesWithIt::Image;
        (is_of_image && !tags.is_empty()).then(|| format!("the image with all its tags: {}", tags.join(", ")))
    }

    fn what_stays(&self) -> Option<String> {
        match self.goes? {
            GoesWithIt::Tags => {
                let left: Vec<&str> = self.tags_left.iter().map(Tag::as_str).collect();
                Some(format!("only the tag goes: the image stays, under {}", left.join(", ")))
            }
            GoesWithIt::Image => match self.leaves.as_deref() {
                None => {
                    Some("the images that it consists of stay, untagged; which these are could not be read".to_owned())
                }
                Some([]) => None,
                Some(parts) => {
                    let parts: Vec<&str> = parts.iter().map(Digest::as_str).collect();
                    Some(format!(
                        "the images that it consists of stay, untagged unless they have tags of their own: {}",
                        parts.join(", ")
                    ))
                }
            },
        }
    }
}

/// What kind, how large, how old, and who uses it.
fn described(image: &ImageLine) -> String {
    let bytes = image.bytes.map(|bytes| format!(", {}", DecimalBytes(bytes)));
    let pulled = match image.last_pulled {
        Some(time) => format!("{} UTC", minute(Some(time))),
        None => "never, as far as is known".to_owned(),
    };
    let users = image.users().map(|users| format!("; {}", users.in_words()));
    format!(
        "{} {}{}, pushed {} UTC, last pulled {pulled}{}",
        image.kind_in_words(),
        image.digest,
        bytes.unwrap_or_default(),
        minute(image.pushed),
        users.unwrap_or_default()
    )
}
