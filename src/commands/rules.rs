//! Rules for tags on the command line.

use crate::image::Tag;
use crate::report::Failure;
use crate::selection::{Constraint, Pattern, Per, Rules, Suffix, words};

/// Which tags of an upstream are wanted. Lists repeat, or have commas between.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Rules")]
pub struct RuleOptions {
    /// Versions for which this holds, such as '>= 1.2, < 2' or '~> 1.2 || ~> 2.0'
    #[arg(long, value_name = "CONSTRAINT")]
    pub constraint: Option<Constraint>,
    /// This tag, whatever else is said
    #[arg(long, value_name = "TAG")]
    pub include_tag: Vec<String>,
    /// All tags but this one
    #[arg(long, value_name = "TAG")]
    pub exclude_tag: Vec<String>,
    /// Versions with a part in their suffix that begins with this word
    #[arg(long, value_name = "WORD")]
    pub include_rls: Vec<String>,
    /// No version with a part in its suffix that begins with this word
    #[arg(long, value_name = "WORD")]
    pub exclude_rls: Vec<String>,
    /// Only versions with a suffix
    #[arg(long)]
    pub release_only: bool,
    /// No more than so many tags, in the order in which they are listed
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub max_results: Option<usize>,
    /// Tags that this regular expression matches as a whole
    #[arg(long, value_name = "REGEX")]
    pub allow: Vec<Pattern>,
    /// No tag that this regular expression matches as a whole
    #[arg(long, value_name = "REGEX")]
    pub deny: Vec<Pattern>,
    /// Versions with this suffix alone: none, a word such as alpine (whatever numbers come with it), or a regular expression
    #[arg(long, value_name = "none|WORD|REGEX", conflicts_with_all = ["include_rls", "exclude_rls", "release_only"])]
    pub suffix: Option<Suffix>,
    /// Only the newest so many versions
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub newest: Option<usize>,
    /// The newest versions of each of these, one unless --newest says more
    #[arg(long, value_name = "minor|major|suffix")]
    pub newest_per: Option<Per>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "write a whole number from 1 on".to_owned())
}

impl RuleOptions {
    /// The rules that they make.
    ///
    /// # Errors
    /// Where a list that was given has nothing in it.
    pub(super) fn rules(&self) -> Result<Rules, Failure> {
        Ok(Rules {
            include_tags: named("--include-tag", &self.include_tag)?,
            exclude_tags: named("--exclude-tag", &self.exclude_tag)?,
            include_rls: list("--include-rls", &self.include_rls)?,
            exclude_rls: list("--exclude-rls", &self.exclude_rls)?,
            constraint: self.constraint.clone(),
            release_only: self.release_only,
            max_results: self.max_results.unwrap_or_default(),
            allow: self.allow.clone(),
            deny: self.deny.clone(),
            suffix: self.suffix.clone(),
            newest: self.newest,
            newest_per: self.newest_per,
        })
    }
}

/// Tags, each of which can be one.
fn named(flag: &str, given: &[String]) -> Result<Vec<Tag>, Failure> {
    let words = list(flag, given)?;
    let all: Result<Vec<Tag>, _> = words.iter().map(|word| word.parse()).collect();
    all.map_err(|why| Failure {
        message: format!("{flag}: {why}"),
        causes: Vec::new(),
        hint: Some("write a tag as registries have it; --allow and --deny take regular expressions".into()),
    })
}

/// An empty list would mean that there is no such rule: not what somebody means whose variable is empty.
fn list(flag: &str, given: &[String]) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for text in given {
        let words = words(text);
        if words.is_empty() {
            return Err(Failure {
                message: format!("{flag} is given nothing"),
                causes: Vec::new(),
                hint: Some("leave the flag out, or name something".into()),
            });
        }
        all.extend(words);
    }
    Ok(all)
}
