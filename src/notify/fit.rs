//! How text becomes as few pieces as a limit allows. Lengths are UTF-16 units, the strictest way to count characters.

/// The length of a text.
pub(super) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Puts lines into as few texts as the limit allows, each a whole number of lines. A line that is longer loses its end.
pub(super) fn joined(lines: impl IntoIterator<Item = String>, limit: usize) -> Vec<String> {
    let mut texts = Vec::new();
    let mut text = String::new();
    for line in lines {
        let line = cut(&line, limit);
        if !text.is_empty() && length(&text) + 1 + length(&line) > limit {
            texts.push(std::mem::take(&mut text));
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
    }
    texts.extend((!text.is_empty()).then_some(text));
    texts
}

/// A text that is too long loses its end.
pub(super) fn cut(text: &str, limit: usize) -> String {
    cut_by(text, limit, char::len_utf16)
}

/// The same where characters have other lengths.
pub(super) fn cut_by(text: &str, limit: usize, size: impl Fn(char) -> usize) -> String {
    if text.chars().map(&size).sum::<usize>() <= limit {
        return text.to_owned();
    }
    let mut left = limit.saturating_sub(1);
    let kept: String = text
        .chars()
        .take_while(|&char| {
            let fits = left >= size(char);
            left = left.saturating_sub(size(char));
            fits
        })
        .collect();
    kept + "…"
}

/// The head of one of several texts says which one it is; that of an only one stays as it is.
pub(super) fn numbered(head: &str, at: usize, of: usize, limit: usize) -> String {
    if of == 1 {
        return head.to_owned();
    }
    let number = format!(" ({at} of {of})");
    cut(head, limit.saturating_sub(length(&number))) + &number
}

/// Lines below a head, in as few texts as the limit allows.
pub(super) fn headed(head: &str, lines: impl IntoIterator<Item = String>, limit: usize) -> Vec<String> {
    let room = limit.saturating_sub(length(head) + length(" (9999 of 9999)\n"));
    let texts = joined(lines, room);
    if texts.is_empty() {
        return vec![head.to_owned()];
    }
    let of = texts.len();
    let below = |(at, text)| format!("{}\n{text}", numbered(head, at + 1, of, limit));
    texts.into_iter().enumerate().map(below).collect()
}

/// Puts parts into as few messages as two limits allow: so many parts, and so much of `size` in all. One that is too big by
/// itself has a message of its own.
pub(super) fn packed<T>(
    parts: impl IntoIterator<Item = T>,
    most: usize,
    limit: usize,
    size: impl Fn(&T) -> usize,
) -> Vec<Vec<T>> {
    let mut messages: Vec<Vec<T>> = Vec::new();
    let mut used = 0;
    for part in parts {
        let own = size(&part);
        match messages
            .last_mut()
            .filter(|message| message.len() < most && used + own <= limit)
        {
            Some(message) => message.push(part),
            None => {
                used = 0;
                messages.push(vec![part]);
            }
        }
        used += own;
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_split_on_line_ends_within_the_limit() {
        let lines: Vec<String> = (0..100)
            .map(|n| format!(":warning: registry/repository:{n:03}"))
            .collect();
        let texts = joined(lines.iter().cloned(), 2000);
        assert!(texts.len() > 1);
        assert!(texts.iter().all(|text| text.chars().count() <= 2000));
        let told: Vec<&str> = texts.iter().flat_map(|text| text.lines()).collect();
        assert_eq!(told, lines);
    }

    #[test]
    fn a_line_longer_than_a_text_is_cut() {
        let texts = joined(["Failed images!".to_owned(), "🚢".repeat(1500)], 2000);
        assert_eq!(texts.len(), 2);
        assert!(texts[1].encode_utf16().count() <= 2000);
        assert!(texts[1].ends_with('…'));
    }

    #[test]
    fn a_line_that_just_fits_stays_whole() {
        let (exact, longer) = ("a".repeat(10), "a".repeat(11));
        assert_eq!(joined([exact.clone(), exact.clone()], 10), [exact.clone(), exact]);
        assert_eq!(joined([longer], 10), ["aaaaaaaaa…"]);
        assert_eq!(joined(["aaaa".to_owned(), "bbbbb".to_owned()], 10), ["aaaa\nbbbbb"]);
    }

    #[test]
    fn a_head_says_which_of_several_texts_it_is_of() {
        let lines = |count: usize| (0..count).map(|_| "a".repeat(20));
        assert_eq!(headed("Head", lines(0), 70), ["Head"]);
        assert_eq!(headed("Head", lines(1), 70), [format!("Head\n{}", "a".repeat(20))]);
        let texts = headed("Head", lines(5), 70);
        let heads: Vec<&str> = texts.iter().filter_map(|text| text.lines().next()).collect();
        assert_eq!(heads, ["Head (1 of 3)", "Head (2 of 3)", "Head (3 of 3)"]);
        assert!(texts.iter().all(|text| length(text) <= 70), "{texts:?}");
        assert_eq!(
            numbered(&"a".repeat(20), 2, 5, 20),
            format!("{}… (2 of 5)", "a".repeat(10))
        );
    }

    #[test]
    fn parts_are_packed_by_number_and_by_size_and_none_is_lost() {
        let by_number = packed(1..=7, 3, 100, |_| 1);
        assert_eq!(by_number, [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
        let by_size = packed([4, 4, 4, 20, 4], 100, 10, |part| *part);
        assert_eq!(by_size, [vec![4, 4], vec![4], vec![20], vec![4]]);
    }
}
