//! The nearest that ECR can do by itself (Amazon ECR User Guide, "Lifecycle policy properties in Amazon ECR").

use std::time::Duration;

use serde::Serialize;

use super::Rules;
use super::because::days;

/// A lifecycle policy of ECR, and what it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LifecyclePolicy {
    /// The document, as PutLifecyclePolicy takes it.
    pub policy: Document,
    /// Of the rules and protections, what ECR knows nothing of, in words.
    pub cannot_say: Vec<String>,
}

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Document {
    rules: Vec<PolicyRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyRule {
    rule_priority: usize,
    description: String,
    selection: Selection,
    action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Selection {
    tag_status: TagStatus,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tag_pattern_list: Vec<String>,
    #[serde(flatten)]
    count: Count,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum TagStatus {
    Tagged,
    Untagged,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "countType", rename_all = "camelCase")]
enum Count {
    #[serde(rename_all = "camelCase")]
    ImageCountMoreThan { count_number: usize },
    #[serde(rename_all = "camelCase")]
    SinceImagePushed { count_unit: Unit, count_number: u64 },
    #[serde(rename_all = "camelCase")]
    SinceImagePulled { count_unit: Unit, count_number: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Unit {
    Days,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Action {
    Expire,
}

/// The policy that comes nearest to rules.
pub fn nearest(rules: &Rules) -> LifecyclePolicy {
    let mut cannot_say = Vec::new();
    let mut selections = Vec::new();
    if rules.orphans {
        cannot_say.push("--orphans: ECR knows no rule for these; an image takes what refers to it along".to_owned());
    } else {
        let age = age(rules, &mut cannot_say);
        if rules.tags.is_none() {
            // The parts of an index come before it, and without a tag.
            selections.push(selection(TagStatus::Untagged, Vec::new(), age.unwrap_or(since_push(1))));
        }
        if !rules.untagged {
            let pattern = tag_pattern(rules, &mut cannot_say);
            let count = age.unwrap_or_else(|| newest_but(rules.keep, &mut cannot_say));
            selections.extend(pattern.map(|pattern| selection(TagStatus::Tagged, vec![pattern], count)));
            cannot_say.extend(of_keep(rules, age.is_some()));
        }
    }
    cannot_say.extend(of_protection().map(str::to_owned));
    let rules = selections.into_iter().enumerate().map(|(at, selection)| PolicyRule {
        rule_priority: at + 1,
        description: described(&selection),
        selection,
        action: Action::Expire,
    });
    LifecyclePolicy {
        policy: Document { rules: rules.collect() },
        cannot_say,
    }
}

fn selection(tag_status: TagStatus, tag_pattern_list: Vec<String>, count: Count) -> Selection {
    Selection {
        tag_status,
        tag_pattern_list,
        count,
    }
}

fn since_push(count_number: u64) -> Count {
    Count::SinceImagePushed {
        count_unit: Unit::Days,
        count_number,
    }
}

/// A count is positive (ECR API Reference, LifecyclePolicy).
fn newest_but(keep: usize, cannot_say: &mut Vec<String>) -> Count {
    if keep > 0 {
        return Count::ImageCountMoreThan { count_number: keep };
    }
    cannot_say.push("--keep 0: ECR keeps one at least, or what is younger than a day, as here".to_owned());
    since_push(1)
}

/// Whoever has not pulled an image for so long has not pushed it within that time either.
fn age(rules: &Rules, cannot_say: &mut Vec<String>) -> Option<Count> {
    match (rules.older_than, rules.not_pulled_for) {
        (None, None) => None,
        (Some(age), None) => Some(since_push(whole_days(age, cannot_say))),
        (age, Some(time)) => {
            let longer = age.unwrap_or_default().max(time);
            if longer > time {
                cannot_say.push(format!(
                    "both --older-than and --not-pulled-for: this takes what was not pulled for {}, which is less",
                    days(longer)
                ));
            }
            Some(Count::SinceImagePulled {
                count_unit: Unit::Days,
                count_number: whole_days(longer, cannot_say),
            })
        }
    }
}

fn whole_days(time: Duration, cannot_say: &mut Vec<String>) -> u64 {
    const DAY: u64 = 24 * 60 * 60;
    let whole = time.as_secs().div_ceil(DAY).max(1);
    if time.as_secs() != whole * DAY {
        cannot_say.push(format!("{}: ECR counts whole days", days(time)));
    }
    whole
}

/// The tags that are meant, with `*` for any characters; none where they cannot be said, and nothing may go in their place.
fn tag_pattern(rules: &Rules, cannot_say: &mut Vec<String>) -> Option<String> {
    const MOST_STARS: usize = 4;
    let Some(regex) = rules.tags.as_ref().map(ToString::to_string) else {
        return Some("*".to_owned());
    };
    cannot_say.push("--tags for every tag of an image: ECR takes an image of which one tag matches".to_owned());
    let pattern = wildcards(&regex);
    if let Some(pattern) = pattern.filter(|pattern| pattern.matches('*').count() <= MOST_STARS) {
        return Some(pattern);
    }
    cannot_say.push(format!(
        "--tags {regex}: ECR knows letters and up to four *; there is no rule here for tagged images"
    ));
    None
}

/// A regular expression of letters and `.*` alone.
fn wildcards(regex: &str) -> Option<String> {
    let mut pattern = String::new();
    let mut rest = regex;
    while let Some(first) = rest.chars().next() {
        let (text, read) = match first {
            _ if rest.starts_with(".*") => ("*", 2),
            '\\' => (rest.get(1..2).filter(|escaped| [".", "-"].contains(escaped))?, 2),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => (&rest[..1], 1),
            _ => return None,
        };
        pattern.push_str(text);
        rest = &rest[read..];
        // What may be there once, many times, or not at all.
        if rest.starts_with(['?', '+', '*', '{']) {
            return None;
        }
    }
    Some(pattern)
}

fn of_keep(rules: &Rules, by_age: bool) -> Vec<String> {
    let mut unsaid = Vec::new();
    if by_age && rules.keep > 0 {
        unsaid.push(format!(
            "--keep {} beside an age: this takes the newest, too, once they are old enough, which is more than prune does",
            rules.keep
        ));
    }
    if rules.per_suffix {
        unsaid.push(
            "--per-suffix: ECR counts all versions together; write a rule with a pattern for each suffix".to_owned(),
        );
    }
    if !by_age && rules.tags.is_some() {
        unsaid
            .push("--keep of all tagged images: ECR counts those alone whose tags match, which takes less".to_owned());
    }
    if rules.archived {
        unsaid.push(
            "--archived: write a rule with storageClass archive and sinceImageTransitioned, of 90 days at least"
                .to_owned(),
        );
    }
    unsaid
}

/// Of these ECR knows nothing, or does it otherwise.
fn of_protection() -> impl Iterator<Item = &'static str> {
    [
        "what functions, services and tasks run: ECR takes that, too",
        "protect, backups within prune.backup_term, and what may be the last copy",
    ]
    .into_iter()
}

fn described(selection: &Selection) -> String {
    let which = match selection.tag_status {
        TagStatus::Tagged => format!("images with a tag {}", selection.tag_pattern_list.join(", ")),
        TagStatus::Untagged => "untagged images".to_owned(),
    };
    let days = |count: u64| {
        if count == 1 {
            "1 day".to_owned()
        } else {
            format!("{count} days")
        }
    };
    match selection.count {
        Count::ImageCountMoreThan { count_number } => format!("{which} beyond the newest {count_number}"),
        Count::SinceImagePushed { count_number, .. } => format!("{which} pushed over {} ago", days(count_number)),
        Count::SinceImagePulled { count_number, .. } => format!("{which} not pulled for {}", days(count_number)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn told(rules: &Rules) -> (Value, String) {
        let told = nearest(rules);
        let policy = serde_json::to_value(&told.policy).unwrap();
        let selections = policy["rules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| rule["selection"].clone());
        (selections.collect(), told.cannot_say.join("\n"))
    }

    #[test]
    fn the_newest_are_a_count_and_ages_are_days() {
        // Amazon ECR User Guide, "Lifecycle policy properties in Amazon ECR".
        let (policy, _) = told(&Rules::keeping(5));
        let untagged =
            json!({"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 1});
        let newest = json!({"tagStatus": "tagged", "tagPatternList": ["*"], "countType": "imageCountMoreThan", "countNumber": 5});
        assert_eq!(policy, json!([untagged, newest]));
        let old = Rules {
            older_than: Some(90 * DAY),
            untagged: true,
            ..Rules::keeping(2)
        };
        let (policy, cannot) = told(&old);
        let untagged =
            json!({"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 90});
        assert_eq!(policy, json!([untagged]));
        assert!(!cannot.contains("--keep"), "{cannot}");
    }

    #[test]
    fn no_count_is_zero() {
        let none = Rules {
            tags: "dev-.*".parse().ok(),
            ..Rules::keeping(0)
        };
        let (policy, cannot) = told(&none);
        let tagged = json!({
            "tagStatus": "tagged", "tagPatternList": ["dev-*"], "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 1,
        });
        assert_eq!(policy, json!([tagged]));
        assert!(cannot.contains("--keep 0"), "{cannot}");
    }

    #[test]
    fn what_ecr_cannot_say_is_named() {
        let rules = Rules {
            older_than: Some(90 * DAY + DAY / 2),
            not_pulled_for: Some(30 * DAY),
            tags: "dev-.*".parse().ok(),
            per_suffix: true,
            ..Rules::keeping(2)
        };
        let (policy, cannot) = told(&rules);
        let tagged = json!({
            "tagStatus": "tagged", "tagPatternList": ["dev-*"], "countType": "sinceImagePulled", "countUnit": "days", "countNumber": 91,
        });
        assert_eq!(policy, json!([tagged]));
        for says in [
            "both --older-than",
            "whole days",
            "--keep 2 beside an age",
            "--per-suffix",
            "one tag matches",
            "functions",
            "protect",
        ] {
            assert!(cannot.contains(says), "{says}\nis not in\n{cannot}");
        }
    }

    #[test]
    fn a_pattern_is_said_with_stars_or_not_at_all() {
        for (regex, pattern) in [
            ("dev-.*", Some("dev-*")),
            ("v1\\.2", Some("v1.2")),
            (".*-rc.*", Some("*-rc*")),
            ("v\\d+", None),
            ("a|b", None),
            ("ab?", None),
            ("a.c", None),
            ("v1.*?", None),
        ] {
            assert_eq!(wildcards(regex).as_deref(), pattern, "{regex}");
        }
        let rules = Rules {
            tags: "v\\d+".parse().ok(),
            ..Rules::keeping(2)
        };
        let (policy, cannot) = told(&rules);
        assert_eq!(policy, json!([]), "nothing may go in its place");
        assert!(cannot.contains("no rule here"), "{cannot}");
    }
}
