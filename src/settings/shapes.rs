//! What stands in the settings where nothing of the kind belongs: a text in the place of a list, a key that there is not.

use config::ValueKind;

use super::Mistake;
use super::keys::{keys, nearest};
use super::layers::{Found, Places};

/// More names than these are in the reference.
const NAMES: usize = 12;

/// Every such mistake, once.
pub(super) fn misshapen(places: &Places) -> Vec<Mistake> {
    let mut mistakes: Vec<Mistake> = places
        .iter()
        .filter_map(|(place, found)| mistake(place, found))
        .collect();
    // A section in the place of a list has several values.
    mistakes.dedup();
    mistakes
}

fn mistake(place: &[String], found: &Found) -> Option<Mistake> {
    if keys().any(|key| key.is_at(place)) {
        return None;
    }
    let is_empty = match &found.value.kind {
        ValueKind::Nil => true,
        ValueKind::Array(items) => items.is_empty(),
        ValueKind::Table(inner) => inner.is_empty(),
        _ => false,
    };
    let of_list = list_without_entry(place);
    let is_entry = place.split_last().is_some_and(|(_, list)| is_list(list));
    let (at, problem) = match of_list {
        _ if is_of_list(&place[0]) => (
            place,
            "is in a list, which only a settings file can name the entries of".to_owned(),
        ),
        Some(list) => {
            let entry = [list, &["1".to_owned()]].concat();
            let is = if is_empty {
                "is empty: leave it out, or write a list"
            } else {
                "is a list"
            };
            (list, format!("{is}; each entry has {}", names_in(&entry)))
        }
        None if is_entry && is_empty => (place, format!("says nothing; an entry has {}", names_in(place))),
        None if is_entry => (place, format!("is no entry, which has {}", names_in(place))),
        None if keys().any(|key| key.is_below(place)) => {
            let is = if is_empty {
                "is empty: leave it out, or say something"
            } else {
                "is a section"
            };
            (place, format!("{is}; allowed in it: {}", names_in(place)))
        }
        None => match nearest(place) {
            Some(near) => (place, format!("no such setting; did you mean {near}?")),
            None => (place, format!("no such setting; {}", known_beside(place))),
        },
    };
    Some(Mistake {
        origin: found.origin.clone(),
        key: at.join("."),
        problem,
    })
}

/// The list that a value stands in the place of, or in without an entry around it.
fn list_without_entry(place: &[String]) -> Option<&[String]> {
    let mut lists = (1..=place.len()).map(|end| &place[..end]).filter(|list| is_list(list));
    lists.find(|list| place.get(list.len()).is_none_or(|part| part.parse::<usize>().is_err()))
}

fn is_list(place: &[String]) -> bool {
    keys().any(|key| key.is_of_list_at(place))
}

/// Which settings there are, for who wrote one that is like none of them.
fn known_beside(place: &[String]) -> String {
    match place.split_last() {
        Some((_, section)) if !section.is_empty() && keys().any(|key| key.is_below(section)) => {
            format!("allowed in {}: {}", section.join("."), names_in(section))
        }
        _ => "`ecr-keeper config show` lists all".to_owned(),
    }
}

/// What may stand in a section, by name.
fn names_in(section: &[String]) -> String {
    let inside = keys().filter(|key| key.is_below(section));
    let mut names: Vec<&str> = Vec::new();
    for name in inside.filter_map(|key| key.parts().nth(section.len())) {
        let name = if name == "*" { "names of your own" } else { name };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names.len() > NAMES {
        true => format!("{} and others (docs/settings.md)", names[..4].join(", ")),
        false => names.join(", "),
    }
}

/// Whether a name is what a variable for an entry of a list comes to.
fn is_of_list(name: &str) -> bool {
    let list = name.split_once('.').map(|(list, _)| [list.to_owned()]);
    list.is_some_and(|list| is_list(&list))
}

#[cfg(test)]
mod tests {
    use crate::settings::{Given, Settings, Written};

    /// Each mistake in a file, without the file's name.
    fn mistakes(yaml: &str) -> Vec<String> {
        match Settings::of(Some(&Written::to_be(yaml)), &Given::default()) {
            Ok(_) => Vec::new(),
            Err(error) => {
                let text = error.to_string();
                let lines = text
                    .lines()
                    .skip(1)
                    .map(|line| line.trim().replace("the settings: ", ""));
                lines.collect()
            }
        }
    }

    const OF_TARGET: &str = "each entry has registry, region, role_arn, endpoint_url, repository";

    #[test]
    fn what_is_no_list_is_one_mistake() {
        let entry = "images:\n  - {upstream: app, repository: a/b, ";
        for (yaml, says) in [
            (format!("{entry}targets: {{region: x, role_arn: y}}}}"), format!("images.1.targets: is a list; {OF_TARGET}")),
            (format!("{entry}targets: us-east-1}}"), format!("images.1.targets: is a list; {OF_TARGET}")),
            (
                format!("{entry}targets: [us-east-1]}}"),
                "images.1.targets.1: is no entry, which has registry, region, role_arn, endpoint_url, repository".to_owned(),
            ),
            (
                format!("{entry}targets: []}}"),
                format!("images.1.targets: is empty: leave it out, or write a list; {OF_TARGET}"),
            ),
            (
                "images: foo".to_owned(),
                "images: is a list; each entry has upstream, repository, repo_prefix, name and others (docs/settings.md)".to_owned(),
            ),
            (
                "images: {upstream: x, repository: y}".to_owned(),
                "images: is a list; each entry has upstream, repository, repo_prefix, name and others (docs/settings.md)".to_owned(),
            ),
            (
                "images: [grafana]".to_owned(),
                "images.1: is no entry, which has upstream, repository, repo_prefix, name and others (docs/settings.md)".to_owned(),
            ),
            (
                "images: [{}]".to_owned(),
                "images.1: says nothing; an entry has upstream, repository, repo_prefix, name and others (docs/settings.md)"
                    .to_owned(),
            ),
        ] {
            assert_eq!(mistakes(&yaml), [says], "{yaml}");
        }
    }

    #[test]
    fn a_rule_that_is_empty_is_refused() {
        for rule in [
            "allow: []",
            "deny: []",
            "any: []",
            "any: ",
            "any: [{}]",
            "include_tags: []",
            "exclude_tags: ''",
            "include_rls: []",
            "constraint: ",
            "newest: ",
            "digests: {}",
            "digests: ",
            "platforms: []",
            "suffix: ''",
        ] {
            let found = mistakes(&format!("images:\n  - {{upstream: app, repository: a/b, {rule}}}\n"));
            assert_eq!(found.len(), 1, "{rule}: {found:?}");
        }
        let found = mistakes("images:\n  - {upstream: app, repository: a/b, constraint: }\n");
        assert!(
            found[0].contains("images.1.constraint: has no value: say one, or leave it out"),
            "{found:?}"
        );
        // What is no rule may be left open.
        let open = "images:\n  - {upstream: app, repository: a/b, engine: , policy: {}, targets: [{region: eu-west-1, role_arn: }]}\n";
        assert_eq!(mistakes(open), [""; 0]);
        // No exceptions of a repository's own, where there are some for all.
        let own = "policy: {retag_except: ['1']}\nimages:\n  - {upstream: app, repository: a/b, policy: {retag_except: []}}\n";
        assert_eq!(mistakes(own), [""; 0]);
    }

    #[test]
    fn a_name_that_is_like_none_is_told_with_those_that_there_are() {
        assert_eq!(
            mistakes("stop: {mutability: x}"),
            ["stop.mutability: no such setting; allowed in stop: grace"]
        );
        assert_eq!(
            mistakes("zzzzzzzzzzzz: x"),
            ["zzzzzzzzzzzz: no such setting; `ecr-keeper config show` lists all"]
        );
    }

    #[test]
    fn what_can_be_no_tag_is_told() {
        // OCI distribution specification, "Pulling manifests".
        for tag in ["\u{e4}", "-x", ".y", "foo bar", "a,b", "app:1"] {
            for list in ["include_tags", "exclude_tags"] {
                let found = mistakes(&format!(
                    "images:\n  - {{upstream: app, repository: a/b, {list}: [latest, '{tag}']}}\n"
                ));
                assert_eq!(found.len(), 1, "{tag}");
                assert!(
                    found[0].contains(&format!("{tag:?} is no tag (at most 128")),
                    "{found:?}"
                );
            }
        }
        let text = "images:\n  - {upstream: app, repository: a/b, include_tags: 'a b, c', include_rls: 'x y'}\n";
        assert_eq!(mistakes(text), [""; 0]);
        let words = mistakes("images:\n  - {upstream: app, repository: a/b, include_rls: [x y]}\n");
        assert!(
            words[0].contains("\"x y\" is no word: write each word by itself"),
            "{words:?}"
        );
    }

    #[test]
    fn what_quotes_would_not_mend_is_told_by_what_is_allowed() {
        for (yaml, says) in [
            (
                "create_repositories: true",
                "create_repositories: \"true\" is not allowed; allowed: never or settings or template",
            ),
            (
                "policy: {min_age: 72}",
                "policy.min_age: \"72\" is not allowed; allowed: a duration, such as 72h",
            ),
            (
                "schedule: {every: 15}",
                "schedule.every: \"15\" is not allowed; allowed: a duration from 1s to 30d, such as 15m",
            ),
        ] {
            assert_eq!(mistakes(yaml), [says]);
        }
        assert!(
            mistakes("serve: {listen: 9464}")[0]
                .contains("serve.listen: \"9464\" is not allowed; allowed: an address and a port")
        );
        assert!(mistakes("keyword: 007")[0].contains("put it in quotes"));
    }

    #[test]
    fn what_stands_before_an_at_is_shown_where_it_can_be_no_login() {
        assert!(mistakes("schedule: {cron: '@reboot'}")[0].contains("\"@reboot\" is not allowed"));
        let digest = format!("app@sha256:{}", "a".repeat(64));
        let of_digest = mistakes(&format!("images:\n  - {{upstream: '{digest}', repository: a/b}}\n"));
        assert!(of_digest[0].contains(&digest), "{of_digest:?}");
        for address in [
            "tcp://me:hunter2@host",
            "me:hunter2@host",
            "tcp://me:hunter2@sha256:1",
            "me:hunter2@x@sha256:1",
        ] {
            let told = mistakes(&format!("docker: {{host: '{address}'}}"));
            assert!(!told[0].contains("hunter2"), "{told:?}");
        }
    }

    #[test]
    fn entries_are_in_the_order_of_their_numbers() {
        let entries = "  - {upstream: app}\n".repeat(11);
        let found = mistakes(&format!("images:\n{entries}"));
        let numbers: Vec<&str> = found.iter().filter_map(|line| line.split(['.', ':']).nth(1)).collect();
        assert_eq!(numbers, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]);
    }
}
