use std::io::{self, Write};

use anstream::adapter::strip_str;

use crate::report::wrapped;

/// A text that begins further on has the columns of a table before it: it goes on at the line's beginning.
const INDENT: usize = 12;

/// Text for people: on a terminal, a line that is too long goes on below its own beginning.
/// Elsewhere a line stays a line, since programs read it.
pub(super) struct Page<Out> {
    out: Out,
    width: Option<usize>,
    /// What has come of a line that has not ended.
    line: Vec<u8>,
}

impl<Out: Write> Page<Out> {
    pub(super) fn new(out: Out, width: Option<usize>) -> Self {
        Self {
            out,
            width,
            line: Vec::new(),
        }
    }

    fn end_line(&mut self, width: usize) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        // Whatever is not text goes through as it is.
        let Ok(text) = std::str::from_utf8(&line) else {
            return self.out.write_all(&line);
        };
        let (text, end) = text.strip_suffix('\n').map_or((text, ""), |text| (text, "\n"));
        write!(self.out, "{}{end}", wrapped(text, width, indent(text)))
    }
}

impl<Out: Write> Write for Page<Out> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let Some(width) = self.width else {
            return self.out.write(text);
        };
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend(line);
            if line.ends_with(b"\n") {
                self.end_line(width)?;
            }
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(width) = self.width {
            self.end_line(width)?;
        }
        self.out.flush()
    }
}

/// The column where a line's text begins: behind its margin, or behind a first word that two spaces or more part from it.
fn indent(line: &str) -> usize {
    let plain = strip_str(line).to_string();
    let word = match plain.starts_with(' ') {
        true => Some(0),
        false => plain.find("  "),
    };
    let begins = word.map(|at| at + plain[at..].len() - plain[at..].trim_start().len());
    begins.filter(|at| *at <= INDENT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(width: Option<usize>, text: &str) -> String {
        let mut out = Vec::new();
        let mut page = Page::new(&mut out, width);
        // In pieces, as formatting writes.
        for piece in text.as_bytes().chunks(3) {
            page.write_all(piece).unwrap();
        }
        page.flush().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_long_line_goes_on_below_its_text() {
        let text = "refused   base/image/app:1\n          hint: set platforms to one\n";
        assert_eq!(
            page(Some(29), text),
            "refused   base/image/app:1\n          hint: set platforms\n          to one\n"
        );
        assert_eq!(page(None, text), text, "a pipe gets lines as they are");
    }

    #[test]
    fn colours_take_no_columns_and_long_words_stay_whole() {
        let coloured = "\u{1b}[31mfailed    \u{1b}[0mone two https://example.com/a-very-long-path\n";
        assert_eq!(
            page(Some(20), coloured),
            "\u{1b}[31mfailed    \u{1b}[0mone two\n          https://example.com/a-very-long-path\n"
        );
    }

    #[test]
    fn a_first_word_that_is_too_long_stays_beside_its_margin() {
        for text in [
            "ledger    sha256:0123456789abcdef\n",
            "          sha256:0123456789abcdef\n",
        ] {
            assert_eq!(page(Some(20), text), text);
        }
        assert_eq!(
            page(Some(20), "ledger    sha256:0123456789abcdef was made\n"),
            "ledger    sha256:0123456789abcdef\n          was made\n"
        );
    }

    #[test]
    fn a_line_without_a_margin_goes_on_at_its_beginning() {
        assert_eq!(page(Some(10), "1 updated, 2 unchanged"), "1 updated,\n2\nunchanged");
    }
}
