//! Regular expressions: other programs hold theirs against a part of a tag, this one against the whole.

use crate::selection::{InvalidPattern, Pattern};

/// How a program holds an expression against a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchors {
    /// With `^` before it and `$` after it, and no group between: `a|b` is what begins with a or ends with b.
    Added,
    /// As it is: it may match any part.
    None,
}

/// The expression that matches, as a whole, the tags that `pattern` chooses there.
///
/// # Errors
/// Where it is none for this program.
pub(super) fn whole(pattern: &str, anchors: Anchors) -> Result<String, InvalidPattern> {
    // By itself first: `a)|(b` is none, and would be one in a group.
    pattern.parse::<Pattern>()?;
    let (short, long) = match anchors {
        Anchors::Added => (pattern.to_owned(), format!(".*(?:^{pattern}$).*")),
        Anchors::None => (without_anchors(pattern), format!(".*(?:{pattern}).*")),
    };
    let is_short = !has_alternatives(pattern) && short.parse::<Pattern>().is_ok();
    let text = if is_short { short } else { long };
    text.parse::<Pattern>()?;
    Ok(text)
}

/// `^1\.2$` is `1\.2`, and `1\.2` is `.*1\.2.*`.
fn without_anchors(pattern: &str) -> String {
    let (before, rest) = match pattern.strip_prefix('^') {
        Some(rest) => ("", rest),
        None => (".*", pattern),
    };
    let is_escaped = |text: &str| text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
    match rest.strip_suffix('$').filter(|rest| !is_escaped(rest)) {
        Some(rest) => format!("{before}{rest}"),
        None => format!("{before}{rest}.*"),
    }
}

/// Whether a `|` stands outside of all groups.
fn has_alternatives(pattern: &str) -> bool {
    let (mut depth, mut class) = (0_usize, None);
    let mut characters = pattern.char_indices();
    while let Some((at, character)) = characters.next() {
        match (character, class) {
            ('\\', _) => {
                characters.next();
            }
            // A `]` at the beginning is one of the class.
            (']', Some(begin)) if at > begin + 1 && &pattern[begin..at] != "[^" => class = None,
            (_, Some(_)) => {}
            ('[', None) => class = Some(at),
            ('(', None) => depth += 1,
            (')', None) => depth = depth.saturating_sub(1),
            ('|', None) if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::sample::select;
    use regex::Regex;

    use super::*;

    #[test]
    fn an_expression_is_written_as_people_would_where_that_means_the_same() {
        for (anchors, pattern, expected) in [
            (Anchors::Added, r"3\.\d+", r"3\.\d+"),
            (Anchors::Added, "(a|b)[|]", "(a|b)[|]"),
            (Anchors::Added, "a|b", ".*(?:^a|b$).*"),
            (Anchors::None, r"^1\.13\.[12]-alpine-perl$", r"1\.13\.[12]-alpine-perl"),
            (Anchors::None, "alpine", ".*alpine.*"),
            (Anchors::None, "^v1", "v1.*"),
            (Anchors::None, r"a\$", r".*a\$.*"),
            (Anchors::None, "^a|b$", ".*(?:^a|b$).*"),
        ] {
            assert_eq!(whole(pattern, anchors).unwrap(), expected, "{pattern}");
        }
        for bad in ["a(", "a)|(b", "(?=a)", "[", "*"] {
            assert!(whole(bad, Anchors::None).is_err(), "{bad}");
            assert!(whole(bad, Anchors::Added).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_same_tags_are_chosen(
            pattern in vec(select(vec!["a", "b", "|", "^", "$", "(", ")", ".", "[a|]", "[]b]", "[^]a]", "\\$", "+", "a?"]), 1..7),
            tag in vec(select(vec!["a", "b", "$", "|", "]"]), 0..5),
        ) {
            let (pattern, tag) = (pattern.concat(), tag.concat());
            // Go's and this crate's syntax are both RE2's for these.
            if let (Ok(part), Ok(anchored)) = (Regex::new(&pattern), Regex::new(&format!("^{pattern}$"))) {
                for (anchors, expected) in [(Anchors::None, part), (Anchors::Added, anchored)] {
                    let own: Pattern = whole(&pattern, anchors).unwrap().parse().unwrap();
                    assert_eq!(own.is_match(&tag), expected.is_match(&tag), "{anchors:?} {pattern} {tag}");
                }
            }
        }
    }
}
