use proptest::array::uniform3;

use crate::selection::constraint::*;

fn holds(constraint: &str, version: &str) -> bool {
    let constraint: Constraint = constraint.parse().unwrap();
    constraint.holds_for(&version.parse().unwrap())
}

#[test]
fn each_word_means_what_go_version_s_documentation_says() {
    // README of hashicorp/go-version; Terraform's "Version Constraints" for ~> and prereleases.
    for (constraint, version, expected) in [
        (">= 1.0, < 1.4", "1.3.9", true),
        (">= 1.0, < 1.4", "1.4", false),
        (">= 1.0, < 1.4", "0.9", false),
        ("1.2", "1.2.0", true),
        ("= 1.2", "1.2.1", false),
        ("!= 1.2", "1.2.1", true),
        ("!= 1.2", "1.2.0", false),
        ("> 1.2", "1.2.0.1", true),
        ("> 1.2", "1.2", false),
        ("<= 1.2", "1.2", true),
        ("=> 1.2", "1.2", true),
        ("=< 1.2", "1.2.1", false),
        ("~> 1.2", "1.2", true),
        ("~> 1.2", "1.10", true),
        ("~> 1.2", "2.0", false),
        ("~> 1.2", "1.1", false),
        ("~> 1.2.3", "1.2.3", true),
        ("~> 1.2.3", "1.2.10", true),
        ("~> 1.2.3", "1.3.0", false),
        ("~> 1.0.4", "1.1", false),
        ("~> 1", "1.7", true),
        ("~> 1", "2", true),
        // What go-version 1.9.0 answers.
        ("~> 0.1.10.0", "0.1.10", false),
        ("~> 0.1.10.0", "0.1.10.0", true),
        ("~> 0.1.0", "0.1", true),
        (">= 1.2", "1.3-rc1", false),
        (">= 1.3-rc1", "1.3-rc2", true),
        (">= 1.3-rc1", "1.3", true),
        (">= 1.3-rc1", "1.4-rc1", false),
        ("= 1.3-rc1", "1.3-rc1", true),
        ("!= 1.3", "1.3-rc1", true),
        ("~> 1.3-rc1", "1.3-rc2", true),
        ("~> 1.3-rc1", "1.3", false),
        ("~> 1.2 || ~> 3.0", "3.5", true),
        ("~> 1.2 || ~> 3.0", "2.5", false),
    ] {
        assert_eq!(holds(constraint, version), expected, "{constraint} {version}");
    }
}

#[test]
fn a_resource_tag_says_the_same_in_letters() {
    for (tag, constraint) in [
        ("-ge 1.2 -lt 2", ">= 1.2, < 2"),
        ("-ge 1.2, -lt 2", ">= 1.2, < 2"),
        ("-gt 1.2", "> 1.2"),
        ("-le 1.2", "<= 1.2"),
        ("-eq 1.2", "= 1.2"),
        ("1.2", "= 1.2"),
        ("-ne 1.2,-pe 1.1", "!= 1.2, ~> 1.1"),
        ("=1.2", "= 1.2"),
    ] {
        let of_tag = Constraint::of_resource_tag(tag).unwrap();
        assert_eq!(of_tag, constraint.parse().unwrap(), "{tag}");
    }
    for bad in ["", "-ge", "-ge -lt 2", "1.x", "-xx 1"] {
        assert!(Constraint::of_resource_tag(bad).is_err(), "{bad:?}");
    }
    let why = |text: &str| Constraint::of_resource_tag(text).unwrap_err().to_string();
    assert_eq!(
        why("-xx 1.0"),
        "\"-xx\" is no word: write -gt, -ge, -lt, -le, -eq, -ne or -pe"
    );
    assert_eq!(why("==1.2"), "\"==1.2\" is no condition here: write -eq 1.2");
}

#[test]
fn a_mistake_is_told_by_what_is_wrong() {
    let why = |text: &str| text.parse::<Constraint>().unwrap_err().to_string();
    assert_eq!(
        why(">= 1.x"),
        "\">= 1.x\": \"1.x\" is no version, such as 1.2, v1.2.3 or 1.2.3-rc1"
    );
    for (text, instead) in [
        ("1.x", "~> 1.0"),
        ("1.2.*", "~> 1.2.0"),
        ("~1.2.3", "~> 1.2.3"),
        ("~1.2", "~> 1.2.0"),
        ("~1", "~> 1.0"),
        ("^1.2", ">= 1.2, < 2"),
        ("~> 1.x", "~> 1.0"),
        ("== 1.2", "= 1.2"),
        ("*", ">= 0"),
        ("1.1 - 1.2", ">= 1.1, < 1.3"),
        ("1.1 - 2", ">= 1.1, < 3"),
        ("1.1 - 1.2.3", ">= 1.1, <= 1.2.3"),
    ] {
        assert_eq!(why(text), format!("{text:?} is no condition here: write {instead}"));
        assert!(instead.parse::<Constraint>().is_ok(), "{instead}");
    }
    // As npm has them.
    assert!(holds("~> 1.2.0", "1.2.9") && !holds("~> 1.2.0", "1.3.0") && !holds("~> 1.0", "2.0"));
    assert!(why("^0.2").contains("is no version"), "{}", why("^0.2"));
    assert!(why(">= 1.2, ").starts_with("a condition is missing"));
    assert!(why("").starts_with("a condition is missing"));
    assert!(why(">= 1.2 < 2").starts_with("\">= 1.2 < 2\" is no condition"));
    assert!(why(">= 1.2 ||").starts_with("a condition is missing"));
}

#[test]
fn it_is_shown_as_it_is_written() {
    for text in [">= 1.2, < 2", "~> 1.2 || = 3.0-rc1", "!= 1"] {
        assert_eq!(text.parse::<Constraint>().unwrap().to_string(), text);
    }
}

proptest::proptest! {
    #[test]
    fn a_pessimistic_one_lets_the_last_written_number_grow(own in uniform3(0_u64..4), other in uniform3(0_u64..4)) {
        let [a, b, c] = own;
        let [x, y, z] = other;
        let version = format!("{x}.{y}.{z}");
        // Terraform's "Version Constraints": ~> allows only the rightmost number to increment.
        assert_eq!(holds(&format!("~> {a}.{b}.{c}"), &version), (x, y) == (a, b) && z >= c);
        assert_eq!(holds(&format!("~> {a}.{b}"), &version), x == a && y >= b);
        assert_eq!(holds(&format!("~> {a}"), &version), x >= a);
    }

    #[test]
    fn of_two_opposites_one_holds_for_a_release(own in uniform3(0_u64..3), other in uniform3(0_u64..3)) {
        let text = |[a, b, c]: [u64; 3]| format!("{a}.{b}.{c}");
        let (own, other) = (text(own), text(other));
        for (word, opposite) in [("=", "!="), (">", "<="), ("<", ">=")] {
            let (one, two) = (format!("{word} {own}"), format!("{opposite} {own}"));
            assert_ne!(holds(&one, &other), holds(&two, &other), "{one} and {two} for {other}");
        }
    }
}
