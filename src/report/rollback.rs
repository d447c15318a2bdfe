//! What a rollback did.

use std::io::{self, Write};

use serde::Serialize;

use crate::image::{Digest, ImageRef, Tag};

/// A tag that names again what it named before.
#[derive(Debug, Clone, Serialize)]
pub struct Rollback {
    /// [`SCHEMA_VERSION`](super::SCHEMA_VERSION).
    pub schema_version: u32,
    /// The tag.
    pub target: ImageRef,
    /// What it named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_before: Option<Digest>,
    /// What it names now.
    pub digest_after: Digest,
    /// The tag that names that too.
    pub to: Tag,
    /// The tag under which what it named stays, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Tag>,
    /// Whether a sync knows that it was rolled back.
    pub remembered: bool,
    /// Whether nothing was done yet.
    pub dry_run: bool,
}

impl Rollback {
    /// One line, and what comes next.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        if self.digest_before.as_ref() == Some(&self.digest_after) {
            return writeln!(
                out,
                "{} names that already: {} ({})",
                self.target,
                self.digest_after.short(),
                self.to
            );
        }
        let before = self.digest_before.as_ref().map_or("nothing", Digest::short);
        let verb = match self.dry_run {
            true => "would roll back",
            false => "rolled back",
        };
        writeln!(
            out,
            "{verb} {} from {before} to {} ({})",
            self.target,
            self.digest_after.short(),
            self.to
        )?;
        if let Some(backup) = &self.backup {
            writeln!(out, "what it was stays as {backup}")?;
        }
        match (self.dry_run, self.remembered) {
            (true, _) => Ok(()),
            (false, true) => writeln!(
                out,
                "a sync with this ledger leaves it there until the upstream has another image than today"
            ),
            (false, false) => writeln!(
                out,
                "nobody knows what it follows: a sync that does takes it for any other tag"
            ),
        }
    }
}
