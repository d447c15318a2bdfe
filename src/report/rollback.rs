//! What a rollback did.

use std::io::{self, Write};

use serde::Serialize;

use crate::image::{Digest, ImageRef, Tag};

/// A tag that names again what it named before.
#[derive(Debug, Clone, Serialize)]
pub struct Rollback {
    /// The tag.
    pub target: ImageRef,
    /// What it named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_before: Option<Digest>,
    /// What it names now.
    pub digest_after: Digest,
    /// The tag that names that too.
    pub backup: Tag,
    /// Whether nothing was done yet.
    pub dry_run: bool,
}

impl Rollback {
    /// One line, and what comes next.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
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
            self.backup
        )?;
        match self.dry_run {
            true => Ok(()),
            false => writeln!(
                out,
                "sync leaves it there until the upstream has another image than the one that was rolled back"
            ),
        }
    }
}
