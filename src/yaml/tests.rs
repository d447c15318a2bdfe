use crate::yaml::*;

/// Each key and item with its line, in the order of the file.
fn lines(node: &Node, path: &str, told: &mut Vec<String>) {
    match &node.value {
        Value::Nothing => told.push(format!("{}:{path}=", node.line)),
        Value::Plain(text) | Value::Text(text) => told.push(format!("{}:{path}={text}", node.line)),
        Value::List(items) => items.iter().for_each(|item| lines(item, &format!("{path}-"), told)),
        Value::Map(entries) => {
            for entry in entries {
                told.push(format!("{}:{path}{}", entry.line, entry.key));
                lines(&entry.node, &format!("{path}."), told);
            }
        }
    }
}

fn told(text: &str) -> Vec<String> {
    let mut told = Vec::new();
    lines(&read(text).unwrap().unwrap(), "", &mut told);
    told
}

#[test]
fn everything_has_its_line_and_stays_the_text_that_was_written() {
    let yaml = "# a comment\na: 1.10\n\nb:\n  - 'x'\n  - |\n    two\n    lines\n  - ~\nc: {d: yes, e: [3]}\n";
    assert_eq!(
        told(yaml),
        [
            "2:a",
            "2:.=1.10",
            "4:b",
            "5:.-=x",
            "7:.-=two\nlines\n",
            "9:.-=",
            "10:c",
            "10:.d",
            "10:..=yes",
            "10:.e",
            "10:..-=3"
        ]
    );
}

#[test]
fn json_is_yaml_with_its_tabs_and_escapes() {
    let json = "{\n\t\"a\\/b\": \"c\\u0041\",\n\t\"d\": [1, null]\n}\n";
    assert_eq!(told(json), ["2:a/b", "2:.=cA", "3:d", "3:.-=1", "3:.-="]);
}

#[test]
fn aliases_and_merges_are_written_out() {
    let yaml = "x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\nz: [*x]\n";
    let told = told(yaml);
    assert!(
        told.contains(&"4:.b".to_owned()) && told.contains(&"4:..=3".to_owned()),
        "{told:?}"
    );
    assert!(!told.contains(&"3:.b".to_owned()), "{told:?}");
    assert_eq!(told.iter().filter(|line| line.ends_with("=1")).count(), 3, "{told:?}");
}

#[test]
fn what_cannot_be_read_is_told_with_its_line() {
    let nested = "[".repeat(DEEPEST + 1);
    let bomb = (1..30).fold("a0: &a0 [1]\n".to_owned(), |text, at| {
        format!("{text}a{at}: &a{at} [*a{0}, *a{0}, *a{0}]\n", at - 1)
    });
    for (text, line, why) in [
        ("a: 1\nb: [\n", 3, ""),
        ("a: 1\na: 2\n", 2, "a: line 1 says it already"),
        ("a:\n  - b: 1\n  - c: 1\n    c: 2\n", 4, "a.2.c: line 3 says it already"),
        ("a: 1\n---\nb: 2\n", 2, "a second document begins"),
        ("? [a]\n: 1\n", 1, "a key is no text"),
        ("a: &a [*a]\n", 1, "an alias stands within"),
        (nested.as_str(), 1, "nested more than 64 deep"),
        (bomb.as_str(), 1, "more than 1000000 values"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.line >= line && error.why.contains(why), "{text:.40}: {error}");
    }
    for empty in ["", "\n", "# nothing\n", "---\n", "~\n", "\u{feff}"] {
        assert!(read(empty).unwrap().is_none(), "{empty:?}");
    }
}
