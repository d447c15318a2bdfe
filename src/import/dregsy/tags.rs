//! dregsy's `tags`: names, ranges of versions, expressions, and what has to hold of all of them.

use crate::image::Tag;
use crate::import::draft::{Draft, RuleSet};
use crate::import::patterns::{Anchors, whole};
use crate::import::ranges::{Grammar, Range, range};
use crate::import::section::Item;
use crate::selection::Pattern;

/// What `tags` say: of the first three any may choose a tag, and all of `keep` have to.
#[derive(Default)]
struct Filters<'a> {
    tags: Vec<String>,
    range: Option<Range>,
    patterns: Vec<String>,
    /// Patterns that must not match.
    inverted: Vec<String>,
    keep: Vec<(Item<'a>, String, bool)>,
    /// Whether something chooses, even where it cannot be brought over.
    has_some: bool,
}

/// The sets of rules; none where nothing can be brought over, or only more than was meant.
pub(super) fn sets(list: Option<&Item<'_>>, draft: &mut Draft) -> Option<Vec<RuleSet>> {
    let mut filters = Filters::default();
    let items = list.map(|list| list.items(draft)).unwrap_or_default();
    // A text in the place of a list is no list of none.
    if list.is_some_and(|list| !list.is_list()) {
        return None;
    }
    for item in items {
        filters.add(item, draft)?;
    }
    let mut sets = filters.sets();
    for (item, pattern, is_inverted) in &filters.keep {
        sets = sets
            .into_iter()
            .filter_map(|set| kept(set, item, pattern, *is_inverted, draft))
            .collect();
    }
    (!sets.is_empty()).then_some(sets)
}

impl<'a> Filters<'a> {
    /// None where a `keep` cannot be brought over: without it more would come.
    fn add(&mut self, item: Item<'a>, draft: &mut Draft) -> Option<()> {
        let text = item.text(draft)?;
        if let Some(keep) = text.strip_prefix("keep:") {
            let (pattern, is_inverted) = pattern(keep, &item, draft)?;
            self.keep.push((item, pattern, is_inverted));
            return Some(());
        }
        self.has_some = true;
        if let Some(text) = text.strip_prefix("semver:") {
            match range(text, Grammar::Blang) {
                Ok(range) => {
                    draft.leave(&item, range.difference());
                    self.range = Some(match self.range.take() {
                        Some(before) => before.or(range),
                        None => range,
                    });
                }
                Err(why) => draft.leave(&item, format!("it is no range of versions here: {why}")),
            }
        } else if let Some(text) = text.strip_prefix("regex:") {
            match pattern(text, &item, draft) {
                Some((pattern, false)) => self.patterns.push(pattern),
                Some((pattern, true)) => self.inverted.push(pattern),
                None => {}
            }
        } else if text.parse::<Tag>().is_ok() {
            self.tags.push(text.to_owned());
        } else {
            draft.leave(&item, "it is no tag");
        }
        Some(())
    }

    fn sets(&mut self) -> Vec<RuleSet> {
        if !self.has_some {
            return vec![RuleSet::default()];
        }
        let mut sets = Vec::new();
        if !self.tags.is_empty() {
            sets.push(RuleSet::of_tags(std::mem::take(&mut self.tags)));
        }
        if let Some(range) = self.range.take() {
            sets.extend(range.sets(Grammar::Blang, &RuleSet::default()));
        }
        if !self.patterns.is_empty() {
            sets.push(RuleSet {
                allow: std::mem::take(&mut self.patterns),
                ..RuleSet::default()
            });
        }
        let inverted = self.inverted.drain(..).map(|pattern| RuleSet {
            deny: vec![pattern],
            ..RuleSet::default()
        });
        sets.extend(inverted);
        sets
    }
}

/// An expression, and whether it must not match: `!` stands before it.
fn pattern(text: &str, item: &Item<'_>, draft: &mut Draft) -> Option<(String, bool)> {
    let text = text.trim();
    let (text, is_inverted) = match text.strip_prefix('!') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    // There it is a part of the expression, behind `^`.
    if text.starts_with(' ') {
        let why = "no tag has the blank behind `!`, which is part of the expression: it leaves nothing out, here as there; was it meant?";
        draft.leave(item, why);
    }
    match whole(text, Anchors::Added) {
        Ok(pattern) => Some((pattern, is_inverted)),
        Err(why) => {
            draft.leave(item, format!("it is no regular expression here: {why}"));
            None
        }
    }
}

/// A set that leaves out what a `keep` does.
fn kept(mut set: RuleSet, keep: &Item<'_>, text: &str, is_inverted: bool, draft: &mut Draft) -> Option<RuleSet> {
    if is_inverted {
        set.deny.push(text.to_owned());
        return Some(set);
    }
    if !set.include_tags.is_empty() {
        let pattern: Pattern = text.parse().ok()?;
        let (kept, others): (Vec<String>, Vec<String>) =
            set.include_tags.into_iter().partition(|tag| pattern.is_match(tag));
        if !others.is_empty() {
            let why = format!("it leaves out what is named beside it, as there: {}", others.join(", "));
            draft.leave(keep, why);
        }
        set.include_tags = kept;
        return (!set.include_tags.is_empty()).then_some(set);
    }
    if !set.allow.is_empty() {
        let why = format!(
            "a tag cannot have to match two expressions: {} is left out",
            set.allow.join(", ")
        );
        draft.leave(keep, why);
        return None;
    }
    set.allow.push(text.to_owned());
    Some(set)
}
