use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::preview::kept as kept_in_words;
use super::text::{INDENT, brought, listed, more, write_limits};
use super::{Failure, SCHEMA_VERSION, copied_because};
use crate::image::{Digest, ImageRef, Kind, Platform};
use crate::ledger::Made;
use crate::plan::{Plan, Upstream, Viewed};
use crate::registry::Limit;

/// All that is known of one tag.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The target's tag, and what it names.
    pub target: Side,
    /// The upstream's tag, and what it names.
    pub upstream: Side,
    /// Whether the settings name the upstream (`discovery.upstream`); else it is read from the target's name.
    pub upstream_is_said: bool,
    /// The entry of `images` that names the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named_in: Option<String>,
    /// What the ledger remembers of the target.
    pub ledger: Option<Made>,
    /// The keyword that the repository's name lacks, so that `sync` passes it over.
    pub passed_over_for: Option<String>,
    /// What registries said of their limits, by host.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Limit>,
    /// What `sync` does with it.
    #[serde(flatten)]
    pub plan: Plan,
}

/// One side of a copy.
#[derive(Debug, Clone, Serialize)]
pub struct Side {
    /// Its tag.
    pub image: ImageRef,
    /// What that names; none where it is gone.
    pub digest: Option<Digest>,
    /// What that is.
    pub kind: Option<Kind>,
    /// Its platforms, where they were told.
    pub platforms: Vec<Platform>,
    /// Its config digest, where it was read.
    pub config: Option<Digest>,
    /// Whether its registry was asked.
    pub is_asked: bool,
}

impl Explanation {
    /// Of what was seen of a tag and the plan that was made of it. Nobody has said anything of limits yet.
    pub fn new(viewed: Viewed, plan: Plan, upstream_is_said: bool, passed_over_for: Option<String>) -> Self {
        let is_asked = !matches!(viewed.upstream, Upstream::NotAsked(_));
        let upstream = match viewed.upstream {
            Upstream::Has(observed) => Some(observed),
            Upstream::Gone | Upstream::NotAsked(_) => None,
        };
        Self {
            schema_version: SCHEMA_VERSION,
            target: Side {
                image: viewed.target,
                digest: viewed.digest,
                kind: viewed.kind,
                platforms: viewed.platforms,
                config: viewed.config,
                is_asked: true,
            },
            upstream: Side {
                image: viewed.follows,
                digest: upstream.as_ref().map(|observed| observed.top.clone()),
                kind: upstream.as_ref().map(|observed| observed.kind.clone()),
                platforms: upstream.map(|observed| observed.platforms).unwrap_or_default(),
                config: None,
                is_asked,
            },
            upstream_is_said,
            named_in: None,
            ledger: viewed.made.map(|made| *made),
            passed_over_for,
            limits: BTreeMap::new(),
            plan,
        }
    }

    /// For people.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        self.target.write_text(out, "target")?;
        self.upstream.write_text(out, "upstream")?;
        more(
            out,
            &match (&self.named_in, self.upstream_is_said) {
                (Some(entry), _) => format!("named in {entry}"),
                (None, true) => "named in discovery.upstream".to_owned(),
                (None, false) => "read from the target's name (discovery.strip_components)".to_owned(),
            },
        )?;
        match &self.ledger {
            None => writeln!(out, "{:INDENT$}remembers nothing of the target", "ledger")?,
            Some(made) if made.rolled_back => {
                writeln!(out, "{:INDENT$}{} was put back", "ledger", made.digest)?;
                more(
                    out,
                    &format!(
                        "and stays while {} is {}, since {:.0}",
                        made.upstream, made.from, made.at
                    ),
                )?;
            }
            Some(made) => {
                writeln!(
                    out,
                    "{:INDENT$}{} was made from {}",
                    "ledger", made.digest, made.upstream
                )?;
                more(out, &format!("{}, seen {:.0}", made.from, made.at))?;
            }
        }
        self.write_decision(out)?;
        if let Some(keyword) = &self.passed_over_for {
            more(
                out,
                &format!("sync passes it over: its name lacks the keyword {keyword:?}"),
            )?;
        }
        write_limits(out, &self.limits)
    }

    fn write_decision(&self, out: &mut impl Write) -> io::Result<()> {
        for create in self.plan.creates() {
            writeln!(out, "{:INDENT$}{}, which is not there", "create", create.repository)?;
        }
        for copy in self.plan.copies() {
            let why = copied_because(copy);
            writeln!(out, "{:INDENT$}{}: {why}", "copy", brought(&copy.brings))?;
            if !copy.replaces.is_empty() {
                more(out, &format!("the target loses {}", listed(&copy.replaces)))?;
            }
            if let Some(backup) = &copy.backup {
                more(out, &format!("what it is stays as {backup}"))?;
            }
        }
        for kept in &self.plan.kept {
            writeln!(out, "{:INDENT$}{}", "keep", kept_in_words(kept))?;
        }
        for refused in &self.plan.refused {
            let failure = Failure::of_refusal(refused);
            writeln!(out, "{:INDENT$}{}", "refuse", failure.message)?;
            if let Some(hint) = failure.hint {
                more(out, &format!("hint: {hint}"))?;
            }
        }
        Ok(())
    }
}

impl Side {
    fn write_text(&self, out: &mut impl Write, word: &str) -> io::Result<()> {
        writeln!(out, "{word:<INDENT$}{}", self.image)?;
        let (Some(digest), Some(kind)) = (&self.digest, &self.kind) else {
            return more(
                out,
                if self.is_asked {
                    "does not exist"
                } else {
                    "was not asked"
                },
            );
        };
        more(out, digest.as_str())?;
        match self.platforms.is_empty() {
            true => more(out, &kind.to_string())?,
            false => more(out, &format!("{kind} of {}", listed(&self.platforms)))?,
        }
        match &self.config {
            Some(config) => more(out, &format!("config {config}")),
            None => Ok(()),
        }
    }
}
