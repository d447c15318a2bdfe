//! What a mistake in YAML is in plain words, where a sign means something else there than who wrote it thought.

const QUOTES: &str = "put the value in quotes";

/// In the place of the parser's own words, `info`, about what it found in a line, counted from 1, at a column, counted from 0.
pub(super) fn in_plain_words(text: &str, line: usize, column: usize, info: &str) -> String {
    let lines = || text.lines().skip(line.saturating_sub(1));
    let has_tab = |line: &str| line.trim_start_matches(' ').starts_with('\t');
    // The parser may notice it as the line before ends.
    if lines().take(2).any(has_tab) {
        return "a tab stands where a line begins: indent with blanks".to_owned();
    }
    let line = lines().next().unwrap_or_default();
    let sign = |at: usize| line.chars().nth(at);
    let before = column.checked_sub(1).and_then(sign);
    let rest: String = line.chars().skip(column).collect();
    match (before, sign(column)) {
        (_, Some(sign @ ('*' | '&' | '!' | '|' | '>' | '@' | '`' | '%'))) => {
            format!("{sign} at the beginning of a value means something else in YAML: {QUOTES}")
        }
        (Some('}' | ']'), _) | (_, Some('{' | '}' | '[' | ']')) => {
            format!("brackets in a value, [ ] {{ }}, mean something else in YAML: {QUOTES}")
        }
        (_, Some(':')) if line.chars().take(column).any(|sign| sign == ':') => {
            format!("a colon before a space means something else in YAML: {QUOTES}")
        }
        (_, Some(':')) => {
            "the line is not where YAML expects it: what belongs together begins in the same column".to_owned()
        }
        (_, Some(quote @ ('"' | '\''))) if !rest[1..].contains(quote) => {
            "the quote that begins here has no end".to_owned()
        }
        (_, Some('"')) if rest.contains('\\') => {
            format!("{info}; between single quotes a \\ is taken as it stands")
        }
        _ => info.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::yaml::read;

    #[test]
    fn a_sign_that_means_something_else_is_told_with_its_line_and_key() {
        for (yaml, says) in [
            (
                "schedule:\n  cron: * 3 * * *\n",
                "line 2: schedule.cron: * at the beginning of a value",
            ),
            (
                "schedule:\n  cron: @daily\n",
                "line 2: schedule.cron: @ at the beginning",
            ),
            ("schedule: *daily\n", "line 1: schedule: * at the beginning"),
            (
                "images:\n  - constraint: >= 1.2\n",
                "line 2: images.1.constraint: > at the beginning",
            ),
            // Without a word it would be the very opposite, 1.2.
            (
                "images:\n  - constraint: != 1.2\n",
                "line 2: images.1.constraint: ! at the beginning",
            ),
            (
                "images:\n  - a: 1\n  - allow: [*.x]\n",
                "line 3: images.2.allow.1: * at the beginning",
            ),
            (
                "policy:\n  backup: {tag}-before-{date}\n",
                "line 2: policy: brackets in a value",
            ),
            ("allow: [0-9]+\n", "line 1: brackets in a value"),
            ("allow: [1\\.[0-9]+]\n", "line 1: allow.2: brackets in a value"),
            ("keyword: a: b\n", "a colon before a space"),
            (
                "images:\n  - upstream: app\n   repository: a/b\n",
                "line 3: images.2: the line is not where YAML expects it",
            ),
            ("stop:\n\tgrace: 1s\n", "a tab stands where a line begins"),
            (
                "images:\n- upstream: app\n\trepository: a/b\n",
                "a tab stands where a line begins",
            ),
            (
                "keyword: \"x\n",
                "line 1: keyword: the quote that begins here has no end",
            ),
            ("allow: \"1\\.2\"\n", "between single quotes a \\ is taken as it stands"),
        ] {
            let told = read(yaml).unwrap_err().to_string();
            assert!(told.contains(says), "{yaml}{told}");
        }
        let tagged = read("a: !!str 1\nb: !!int 1\n");
        assert!(tagged.is_ok(), "{tagged:?}");
    }
}
