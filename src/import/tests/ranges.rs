//! Ranges of versions, in each grammar.

use super::*;
use crate::image::Tag;
use crate::import::draft::RuleSet;
use crate::import::ranges::Grammar::{self, Blang, Masterminds, Regclient};
use crate::import::ranges::range;

/// The constraint for releases, and that for versions with a suffix.
fn constraints(text: &str, grammar: Grammar) -> (String, String) {
    let sets = range(text, grammar).unwrap().sets(grammar, &RuleSet::default());
    let of = |is_suffixed| {
        let set = sets.iter().find(|set| set.suffix.is_some() == is_suffixed);
        set.and_then(|set| set.constraint.clone()).unwrap_or_default()
    };
    (of(false), of(true))
}

#[test]
fn each_grammar_is_read_by_its_own_documentation() {
    for (grammar, text, releases, suffixed) in [
        // regclient, internal/semver: NewConstraint.
        (Regclient, ">=1.0.0 <2.0.0", ">= 1.0.0, < 2.0.0", "> 1.0.0, <= 2.0.0"),
        (Regclient, "^1.2.3", ">= 1.2.3, < 2", "> 1.2.3, <= 2"),
        (Regclient, "^0.2.3", ">= 0.2.3, < 0.3", "> 0.2.3, <= 0.3"),
        (Regclient, "^0.0.3", ">= 0.0.3, < 0.0.4", "> 0.0.3, <= 0.0.4"),
        (Regclient, "^0.0", ">= 0.0, < 0.0.1", "> 0.0, <= 0.0.1"),
        (Regclient, "^0", ">= 0, < 0.0.1", "> 0, <= 0.0.1"),
        (Regclient, "~1.2.3", ">= 1.2.3, < 1.3", "> 1.2.3, <= 1.3"),
        (Regclient, "~1", ">= 1, < 1.1", "> 1, <= 1.1"),
        (Regclient, "1.2", "= 1.2", ""),
        (Regclient, ">v1.2", "> 1.2", "> 1.2"),
        (Regclient, "<=1.2-rc1", "< 1.2", "< 1.2"),
        // README of blang/semver, "Ranges".
        (Blang, ">=1.31.0 <1.31.9", ">= 1.31.0, < 1.31.9", "> 1.31.0, <= 1.31.9"),
        (
            Blang,
            ">1.0.0 <2.0.0 || >3.0.0 !4.2.1",
            "> 1.0.0, < 2.0.0 || > 3.0.0, != 4.2.1",
            "> 1.0.0, <= 2.0.0 || > 3.0.0, >= 0",
        ),
        (Blang, "1.2.x", ">= 1.2, < 1.3", "> 1.2, <= 1.3"),
        (Blang, ">1.x", ">= 2", "> 2"),
        (Blang, "<=2.x", "< 3", "<= 3"),
        // README of Masterminds/semver, "Checking Version Constraints".
        (Masterminds, ">= 3.12.0", ">= 3.12.0", ""),
        (
            Masterminds,
            ">= 1.2, < 3.0.0 || >= 4.2.3",
            ">= 1.2, < 3.0.0 || >= 4.2.3",
            "",
        ),
        (Masterminds, "1.2 - 1.4.5", ">= 1.2, <= 1.4.5", ""),
        (Masterminds, "2.3.4 - 4.5", ">= 2.3.4, < 4.6", ""),
        (Masterminds, "1.2.x", ">= 1.2, < 1.3", ""),
        (Masterminds, "<= 2.x", "< 3", ""),
        (Masterminds, "> 11", ">= 12", ""),
        (Masterminds, "*", ">= 0", ""),
        (Masterminds, "~1.2.3", ">= 1.2.3, < 1.3", ""),
        (Masterminds, "~1", ">= 1, < 2", ""),
        (Masterminds, "~2.3", ">= 2.3, < 2.4", ""),
        (Masterminds, "^1.2.x", ">= 1.2, < 2", ""),
        (Masterminds, "^0.2", ">= 0.2, < 0.3", ""),
        (Masterminds, "^0.0", ">= 0.0, < 0.1", ""),
        (Masterminds, "^0", ">= 0, < 1", ""),
        (Masterminds, "!= 1.2.3", "!= 1.2.3", ""),
        // "Working With Prerelease Versions": -0 lets all of them in.
        (Masterminds, ">=1.2.3-0 || >=5", ">= 1.2.3 || >= 5", ">= 1.2.3"),
    ] {
        assert_eq!(
            constraints(text, grammar),
            (releases.to_owned(), suffixed.to_owned()),
            "{grammar:?} {text}"
        );
    }
}

#[test]
fn what_has_no_counterpart_is_no_range() {
    for (grammar, text) in [
        (Regclient, ""),
        (Regclient, "1.x"),
        (Regclient, ">= latest"),
        (Regclient, "=1.2-alpine"),
        (Regclient, ">= 1.2"),
        (Regclient, "==1.2"),
        (Regclient, "!=1.2"),
        (Regclient, ">1, <2"),
        (Regclient, "1.2 || 1.3"),
        (Blang, "^1.2.3"),
        (Blang, "=>1.2.3"),
        (Blang, "x"),
        (Blang, ">="),
        (Blang, "!=1.2.x"),
        (Blang, "1.x.3"),
        (Masterminds, "1.2 -"),
        (Masterminds, "!= 1.2"),
        (Masterminds, "==1.2"),
        (Masterminds, "> 1 ||"),
    ] {
        assert!(range(text, grammar).is_err(), "{grammar:?} {text}");
    }
}

/// What a program's own code chooses.
struct Fact {
    grammar: Grammar,
    range: &'static str,
    chosen: Vec<Tag>,
}

/// What is in ranges.txt: the tags, and what is chosen of them.
fn facts() -> (Vec<Tag>, Vec<Fact>) {
    let tags = |text: &str| -> Vec<Tag> { text.split_whitespace().map(|tag| tag.parse().unwrap()).collect() };
    let mut lines = include_str!("ranges.txt").lines().filter(|line| !line.starts_with('#'));
    let all = tags(lines.next().unwrap());
    let fact = |line: &'static str| {
        let (grammar, rest) = line.split_once(" | ").unwrap();
        let (range, chosen) = rest.rsplit_once(" |").unwrap();
        let grammars = [Regclient, Blang, Masterminds];
        let grammar = grammars.into_iter().find(|known| format!("{known:?}") == grammar);
        Fact {
            grammar: grammar.unwrap(),
            range,
            chosen: tags(chosen),
        }
    };
    (all, lines.map(fact).collect())
}

/// What is chosen of these tags by what becomes of a range.
fn chosen(tags: &[Tag], text: &str, grammar: Grammar) -> Vec<Tag> {
    let beside = Beside {
        target: Some(ECR),
        ..Beside::default()
    };
    let imported = match grammar {
        Regclient => imported(
            Format::Regsync,
            &format!("sync: [{{source: a, target: ECR/aa, type: repository, tags: {{semverRange: ['{text}']}}}}]\n"),
        ),
        Blang => imported(
            Format::Dregsy,
            &format!(
                "tasks: [{{name: a, source: {{registry: quay.io}}, target: {{registry: ECR}}, mappings: [{{from: a/b, tags: ['semver: \
                 {text}']}}]}}]\n"
            ),
        ),
        Masterminds => imported_beside(
            Format::Skopeo,
            &format!("quay.io: {{images-by-semver: {{a/bb: '{text}'}}}}\n"),
            &beside,
        ),
    };
    let named = settings(&imported).images[0].named.clone();
    named.tags.unwrap().choose(tags).unwrap().chosen
}

#[test]
fn no_more_is_chosen_than_by_the_programs_themselves() {
    let (tags, facts) = facts();
    for Fact {
        grammar,
        range: text,
        chosen: theirs,
    } in facts
    {
        let own = chosen(&tags, text, grammar);
        let more: Vec<&Tag> = own.iter().filter(|tag| !theirs.contains(tag)).collect();
        assert!(more.is_empty(), "{grammar:?} {text}: {more:?}");
        for tag in theirs.iter().filter(|tag| !own.contains(tag)) {
            // What is told as a difference: one number, no suffix behind the -, and the numbers of a bound with a suffix.
            let numbers = tag.as_str().split('-').next().unwrap();
            let is_told = numbers == "3" || tag.as_str().ends_with('-') || text.contains(&format!("{numbers}-"));
            assert!(is_told, "{grammar:?} {text} lacks {tag}");
        }
    }
}
