//! What rules make of an upstream's tags.

use std::io::{self, Write};

use serde::Serialize;

use super::SCHEMA_VERSION;
use crate::image::{Repository, Tag};
use crate::selection::{Choice, PassedOver};

/// Tags that rules choose.
#[derive(Debug, Clone, Serialize)]
pub struct Tags {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Whose they are; none where they were read from a file.
    pub upstream: Option<Repository>,
    /// Those that are chosen: plain tags by their letters, then versions from the newest on.
    pub tags: Vec<Tag>,
    /// Those that are named, and that the upstream has not got.
    pub missing: Vec<Tag>,
    /// The others, in the same order, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<Vec<PassedOverTag>>,
}

/// A tag that is not chosen.
#[derive(Debug, Clone, Serialize)]
pub struct PassedOverTag {
    /// Which.
    pub tag: Tag,
    /// Why, in words.
    pub reason: String,
    /// Why, for each set of rules.
    pub because: Vec<PassedOver>,
}

impl Tags {
    /// Of a choice, and what it misses; with the tags that were passed over, where `explain` asks for them.
    pub fn new(upstream: Option<Repository>, choice: Choice, missing: Vec<Tag>, explain: bool) -> Self {
        let passed_over = choice.passed_over.into_iter().map(|(tag, because)| PassedOverTag {
            tag,
            reason: reason(&because),
            because,
        });
        Self {
            schema_version: SCHEMA_VERSION,
            upstream,
            tags: choice.chosen,
            missing,
            passed_over: explain.then(|| passed_over.collect()),
        }
    }

    /// One tag a line; what was passed over after an empty line, with its reason.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for tag in &self.tags {
            writeln!(out, "{tag}")?;
        }
        let passed_over = self.passed_over.iter().flatten();
        let longest = passed_over.clone().map(|one| one.tag.as_str().len()).max();
        let Some(width) = longest else { return Ok(()) };
        writeln!(out, "\npassed over:")?;
        for PassedOverTag { tag, reason, .. } in passed_over {
            writeln!(out, "  {:width$}  {reason}", tag.as_str())?;
        }
        Ok(())
    }
}

/// What all sets of rules say, each reason once.
fn reason(because: &[PassedOver]) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for one in because.iter().map(ToString::to_string) {
        if !reasons.contains(&one) {
            reasons.push(one);
        }
    }
    reasons.join("; ")
}
