//! Each rule by itself, and rules together.

use super::*;

fn choose(rules: Rules, tags: &[&str]) -> Choice {
    let tags: Vec<Tag> = tags.iter().map(|tag| tag.parse().unwrap()).collect();
    let selection = Selection {
        any: vec![rules],
        ..Selection::default()
    };
    selection.choose(&tags).unwrap()
}

fn chosen(rules: Rules, tags: &[&str]) -> Vec<String> {
    let choice = choose(rules, tags);
    choice.chosen.iter().map(Tag::to_string).collect()
}

/// Why each tag is passed over, by tag.
fn passed_over(rules: Rules, tags: &[&str]) -> Vec<(String, PassedOver)> {
    let choice = choose(rules, tags);
    let first = |(tag, why): (Tag, Vec<PassedOver>)| (tag.to_string(), why.into_iter().next().unwrap());
    choice.passed_over.into_iter().map(first).collect()
}

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn named(tags: &[&str]) -> Vec<Tag> {
    tags.iter().map(|tag| tag.parse().unwrap()).collect()
}

fn constraint(text: &str) -> Option<Constraint> {
    Some(text.parse().unwrap())
}

const TAGS: &[&str] = &[
    "1.25",
    "1.25-alpine3.18",
    "1.26",
    "1.26-alpine3.19",
    "1.26-alpine3.19-slim",
    "1.27-rc1",
    "latest",
    "11-slim",
    "3",
    "20230101",
    "7.3.x-foo",
    "v2.0",
];

#[test]
fn nothing_set_chooses_everything_but_what_only_looks_like_a_version() {
    assert_eq!(
        chosen(Rules::default(), TAGS),
        [
            "11-slim",
            "20230101",
            "3",
            "latest",
            "v2.0",
            "1.27-rc1",
            "1.26",
            "1.26-alpine3.19-slim",
            "1.26-alpine3.19",
            "1.25",
            "1.25-alpine3.18",
        ]
    );
    assert_eq!(
        passed_over(Rules::default(), TAGS),
        [("7.3.x-foo".to_owned(), PassedOver::NoVersion)]
    );
}

#[test]
fn the_places_of_signatures_are_never_chosen() {
    let place = format!("sha256-{}.sig", "a".repeat(64));
    let rules = Rules {
        include_tags: tags(&place).unwrap(),
        ..Rules::default()
    };
    assert_eq!(chosen(rules, &[&place]), [""; 0]);
    assert_eq!(chosen(Rules::default(), &[&place, "1.0"]), ["1.0"]);
}

#[test]
fn include_tags_alone_chooses_just_these_also_one_that_only_looks_like_a_version() {
    let rules = Rules {
        include_tags: named(&["latest", "1.25", "7.3.x-foo", "absent"]),
        ..Rules::default()
    };
    assert_eq!(chosen(rules, TAGS), ["7.3.x-foo", "latest", "1.25"]);
}

#[test]
fn exclude_tags_alone_chooses_all_but_these() {
    let rules = Rules {
        exclude_tags: named(&["latest", "1.25", "3", "v2.0"]),
        ..Rules::default()
    };
    assert_eq!(
        chosen(rules, TAGS),
        [
            "11-slim",
            "20230101",
            "1.27-rc1",
            "1.26",
            "1.26-alpine3.19-slim",
            "1.26-alpine3.19",
            "1.25-alpine3.18",
        ]
    );
}

#[test]
fn a_constraint_alone_chooses_releases() {
    let rules = || Rules {
        constraint: constraint(">= 1.26"),
        ..Rules::default()
    };
    assert_eq!(chosen(rules(), TAGS), ["v2.0", "1.26"]);
    let why = passed_over(rules(), TAGS);
    let why = |tag: &str| why.iter().find(|(own, _)| own == tag).unwrap().1.clone();
    assert_eq!(why("latest"), PassedOver::NotNamed);
    assert_eq!(why("1.26-alpine3.19"), PassedOver::OtherSuffix);
    let outside = PassedOver::Outside {
        constraint: ">= 1.26".into(),
    };
    assert_eq!(why("1.25"), outside);
}

#[test]
fn include_rls_chooses_by_the_parts_of_the_suffix() {
    let rls = |word: &str, constraint| Rules {
        include_rls: list(&[word]),
        constraint,
        ..Rules::default()
    };
    assert_eq!(
        chosen(rls("alpine", None), TAGS),
        ["1.26-alpine3.19-slim", "1.26-alpine3.19", "1.25-alpine3.18"]
    );
    assert_eq!(chosen(rls("slim", None), TAGS), ["1.26-alpine3.19-slim"]);
    assert_eq!(chosen(rls("Alpine", None), TAGS), [""; 0], "letter case counts");
    assert_eq!(
        chosen(rls("alpine", constraint("~> 1.25.0")), TAGS),
        ["1.25", "1.25-alpine3.18"],
        "releases come by the constraint"
    );
}

#[test]
fn exclude_rls_wins_over_include_rls_and_alone_chooses_nothing() {
    let rules = Rules {
        include_rls: list(&["alpine"]),
        exclude_rls: list(&["slim"]),
        ..Rules::default()
    };
    assert_eq!(chosen(rules, TAGS), ["1.26-alpine3.19", "1.25-alpine3.18"]);
    let alone = || Rules {
        exclude_rls: list(&["rc"]),
        ..Rules::default()
    };
    assert_eq!(chosen(alone(), TAGS), [""; 0]);
    let excluded = PassedOver::ExcludedRelease { word: "rc".to_owned() };
    assert!(passed_over(alone(), TAGS).contains(&("1.27-rc1".to_owned(), excluded)));
}

#[test]
fn release_only_leaves_out_versions_without_a_suffix() {
    let rules = Rules {
        include_rls: list(&["alpine"]),
        constraint: constraint(">= 1.26"),
        release_only: true,
        ..Rules::default()
    };
    assert_eq!(chosen(rules, TAGS), ["1.26-alpine3.19-slim", "1.26-alpine3.19"]);
}

#[test]
fn max_results_counts_in_the_order_in_which_tags_are_told() {
    let rules = || Rules {
        max_results: 2,
        ..Rules::default()
    };
    assert_eq!(chosen(rules(), &["1.0", "2.0", "latest", "edge"]), ["edge", "latest"]);
    let over = PassedOver::OverLimit { max_results: 2 };
    assert_eq!(
        passed_over(rules(), &["1.0", "2.0", "latest", "edge"]),
        [("2.0".to_owned(), over.clone()), ("1.0".to_owned(), over)]
    );
}

#[test]
fn with_include_tags_and_no_constraint_as_many_are_chosen_as_are_named() {
    let rules = |constraint| Rules {
        include_tags: named(&["latest"]),
        include_rls: list(&["alpine"]),
        max_results: 3,
        constraint,
        ..Rules::default()
    };
    assert_eq!(chosen(rules(None), TAGS), ["latest"]);
    assert_eq!(
        chosen(rules(constraint("< 2")), TAGS),
        ["latest", "1.26", "1.26-alpine3.19-slim"]
    );
}

#[test]
fn allow_and_deny_match_whole_tags_and_deny_wins() {
    let patterns = |allow: &[&str], deny: &[&str]| Rules {
        allow: allow.iter().map(|text| text.parse().unwrap()).collect(),
        deny: deny.iter().map(|text| text.parse().unwrap()).collect(),
        ..Rules::default()
    };
    assert_eq!(chosen(patterns(&["1", "1\\.2[56]"], &[]), TAGS), ["1.26", "1.25"]);
    assert_eq!(chosen(patterns(&["1\\..*"], &[".*-.*"]), TAGS), ["1.26", "1.25"]);
    assert_eq!(chosen(patterns(&["a|3"], &[]), TAGS), ["3"], "both ends of each branch");
    let denied = passed_over(patterns(&[], &["3"]), TAGS);
    let because = PassedOver::Denied { deny: "3".to_owned() };
    assert!(denied.contains(&("3".to_owned(), because)));
}

#[test]
fn a_suffix_is_none_a_word_or_a_pattern() {
    let suffix = |text: &str| Rules {
        suffix: Some(text.parse().unwrap()),
        ..Rules::default()
    };
    let tags = &[
        "1.0",
        "1.1-alpine",
        "1.2-alpine3.18",
        "1.3-alpine-slim",
        "1.4-debian-12-r32",
        "1.5-debian-12",
        "latest",
    ];
    assert_eq!(chosen(suffix("none"), tags), ["1.0"]);
    assert_eq!(chosen(suffix("alpine"), tags), ["1.2-alpine3.18", "1.1-alpine"]);
    assert_eq!(chosen(suffix("debian"), tags), ["1.5-debian-12", "1.4-debian-12-r32"]);
    assert_eq!(
        chosen(suffix("alpine.*"), tags),
        ["1.3-alpine-slim", "1.2-alpine3.18", "1.1-alpine"]
    );
    let older = Rules {
        constraint: constraint("< 1.2"),
        ..suffix("alpine")
    };
    assert_eq!(chosen(older, tags), ["1.1-alpine"]);
    assert!(passed_over(suffix("none"), tags).contains(&("latest".to_owned(), PassedOver::Plain)));
}

#[test]
fn the_newest_are_counted_for_all_or_for_each_group() {
    let newest = |newest, newest_per| Rules {
        newest,
        newest_per,
        ..Rules::default()
    };
    let tags = &[
        "1.0",
        "1.1.1",
        "1.1.2",
        "2.0",
        "2.1-alpine3.9",
        "2.1-alpine3.18",
        "latest",
    ];
    assert_eq!(chosen(newest(Some(2), None), tags), ["2.1-alpine3.18", "2.1-alpine3.9"]);
    assert_eq!(
        chosen(newest(None, Some(Per::Major)), tags),
        ["2.1-alpine3.18", "1.1.2"]
    );
    assert_eq!(
        chosen(newest(None, Some(Per::Minor)), tags),
        ["2.1-alpine3.18", "2.0", "1.1.2", "1.0"]
    );
    assert_eq!(
        chosen(newest(Some(1), Some(Per::Suffix)), tags),
        ["2.1-alpine3.18", "2.0"]
    );
    let older = passed_over(newest(Some(1), None), tags);
    assert!(older.contains(&("1.0".to_owned(), PassedOver::Older { newest: 1 })));
    assert!(older.contains(&("latest".to_owned(), PassedOver::Plain)));
}

#[test]
fn what_is_named_stays_beside_the_newest() {
    let rules = Rules {
        include_tags: named(&["1.0", "latest"]),
        constraint: constraint("> 0"),
        newest: Some(1),
        ..Rules::default()
    };
    assert_eq!(
        chosen(rules, &["1.0", "1.1", "1.2", "latest"]),
        ["latest", "1.2", "1.0"]
    );
}

#[test]
fn what_is_named_comes_beside_what_our_own_rules_choose() {
    let named = |tag: &str| Rules {
        include_tags: tags(tag).unwrap(),
        ..Rules::default()
    };
    let suffix = Rules {
        suffix: Some("alpine".parse().unwrap()),
        ..named("1.25")
    };
    assert_eq!(chosen(suffix, &["1.25", "1.26-alpine"]), ["1.26-alpine", "1.25"]);
    let newest = Rules {
        newest: Some(1),
        ..named("latest")
    };
    assert_eq!(chosen(newest, &["1.0", "1.1", "edge", "latest"]), ["latest", "1.1"]);
    let allow = Rules {
        allow: vec!["1\\..*".parse().unwrap()],
        ..named("latest")
    };
    assert_eq!(
        chosen(allow, &["1.0", "1.1", "edge", "latest"]),
        ["latest", "1.1", "1.0"]
    );
    let why = passed_over(named("latest"), &["1.0", "1.0-alpine", "latest"]);
    assert!(why.iter().all(|(_, why)| *why == PassedOver::NotNamed), "{why:?}");
}

#[test]
fn a_tag_is_wanted_when_one_of_the_sets_wants_it() {
    let set = |constraint_text: &str| Rules {
        constraint: constraint(constraint_text),
        newest: Some(1),
        ..Rules::default()
    };
    let selection = Selection {
        any: vec![set("~> 1.0"), set("~> 2.0")],
        ..Selection::default()
    };
    let tags: Vec<Tag> = ["1.0", "1.9", "2.1", "2.0"].map(|tag| tag.parse().unwrap()).to_vec();
    let choice = selection.choose(&tags).unwrap();
    assert_eq!(
        choice.chosen.iter().map(Tag::as_str).collect::<Vec<_>>(),
        ["2.1", "1.9"]
    );
    let outside = |text: &str| PassedOver::Outside {
        constraint: text.into(),
    };
    let why: Vec<_> = choice.passed_over.into_iter().map(|(_, why)| why).collect();
    let older = PassedOver::Older { newest: 1 };
    assert_eq!(
        why,
        [vec![outside("~> 1.0"), older.clone()], vec![older, outside("~> 2.0")]]
    );
}

#[test]
fn more_than_may_be_chosen_are_none() {
    let selection = Selection {
        max_selected: 2,
        ..Selection::default()
    };
    let tags: Vec<Tag> = ["1", "2", "3"].map(|tag| tag.parse().unwrap()).to_vec();
    let too_many = selection.choose(&tags).unwrap_err();
    assert_eq!(
        too_many.to_string(),
        "the rules choose 3 of 3 tags, and max_selected is 2"
    );
    assert!(selection.choose(&tags[..2]).is_ok());
}

#[test]
fn lists_have_commas_or_spaces_between() {
    assert_eq!(words("a, b c,,d "), ["a", "b", "c", "d"]);
    assert_eq!(words(" "), [""; 0]);
}

proptest::proptest! {
    #[test]
    fn the_order_of_the_answer_is_not_that_of_the_question(
        tags in proptest::collection::vec("[a-b]|v?[0-2](\\.[0-2]){1,2}(-r[0-9]{1,2})?", 0..20),
        turn in 0..20_usize,
    ) {
        let tags: Vec<Tag> = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        let mut turned = tags.clone();
        turned.rotate_left(turn.min(tags.len()));
        turned.reverse();
        let selection = Selection::default();
        let choice = selection.choose(&tags).unwrap();
        assert_eq!(choice, selection.choose(&turned).unwrap());
        assert_eq!(choice, selection.choose(&choice.chosen).unwrap());
    }
}

#[test]
fn numbers_of_any_length_are_in_their_order() {
    let tags: Vec<Tag> = [
        "1.4398046511104",
        "1.4398046511105.1",
        "1.4398046511105",
        "1.4398046511103",
        "2",
    ]
    .map(|tag| tag.parse().unwrap())
    .to_vec();
    let choice = Selection::default().choose(&tags).unwrap();
    let chosen: Vec<&str> = choice.chosen.iter().map(Tag::as_str).collect();
    // `2` is plain: these come first.
    assert_eq!(
        chosen,
        [
            "2",
            "1.4398046511105.1",
            "1.4398046511105",
            "1.4398046511104",
            "1.4398046511103"
        ]
    );
}

#[test]
fn versions_are_of_one_kind_by_the_words_of_their_suffix() {
    for (tag, family) in [
        ("1.25", Some("")),
        ("v1.25.3-alpine3.18", Some("alpine")),
        ("1.25-alpine3.18-slim", Some("alpine-slim")),
        ("1.25.3-debian-12-r32", Some("debian")),
        ("11-slim", Some("slim")),
        ("latest", None),
        ("stable-alpine", None),
    ] {
        assert_eq!(family_of(tag).as_deref(), family, "{tag}");
    }
}
