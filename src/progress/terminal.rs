use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::TermLike;

/// Where bars are drawn. indicatif leaves the cursor behind the last column of the last line, where the `^C` that a terminal shows for
/// the keys goes to a line of its own: the next drawing would begin a line too low, and the uppermost bar stay there. Here the
/// cursor waits at the beginning of that line, and the next drawing covers what was typed.
pub(super) struct Terminal<Out> {
    out: Mutex<Out>,
    /// What was drawn and not yet written: a terminal gets a drawing in one piece.
    drawn: Mutex<String>,
    size: fn() -> (u16, u16),
}

impl<Out: Write> Terminal<Out> {
    /// On `out`, which has so many columns and rows at the time.
    pub(super) fn new(out: Out, size: fn() -> (u16, u16)) -> Self {
        Self {
            out: Mutex::new(out),
            drawn: Mutex::default(),
            size,
        }
    }

    fn draw(&self, text: &str) -> io::Result<()> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }

    /// By ECMA-48; none is one there, and nothing here.
    fn go(&self, count: usize, direction: char) -> io::Result<()> {
        match count {
            0 => Ok(()),
            count => self.draw(&format!("\u{1b}[{count}{direction}")),
        }
    }
}

impl<Out> fmt::Debug for Terminal<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Terminal")
    }
}

impl<Out: Write + Send> TermLike for Terminal<Out> {
    fn width(&self) -> u16 {
        (self.size)().0
    }

    fn height(&self) -> u16 {
        (self.size)().1
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.go(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.go(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.go(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.go(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.draw(text)?;
        self.draw("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let drawn = std::mem::take(&mut *self.drawn.lock().unwrap_or_else(PoisonError::into_inner));
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(drawn.as_bytes())?;
        out.write_all(b"\r")?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

    use super::*;

    const COLUMNS: usize = 20;

    /// What a terminal shows of the bytes that it gets: it wraps a line when the next letter comes, as VT100 does.
    #[derive(Clone, Default)]
    struct Shown(Arc<Mutex<Grid>>);

    #[derive(Default)]
    struct Grid {
        lines: Vec<Vec<char>>,
        row: usize,
        column: usize,
    }

    impl Shown {
        fn lines(&self) -> Vec<String> {
            let shown = self.0.lock().unwrap();
            let lines = shown.lines.iter().map(|line| line.iter().collect::<String>());
            let lines = lines.map(|line| line.trim_end().to_owned());
            lines.filter(|line| !line.is_empty()).collect()
        }
    }

    impl Write for Shown {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let mut shown = self.0.lock().unwrap();
            let Grid { lines, row, column } = &mut *shown;
            let mut letters = std::str::from_utf8(text).unwrap().chars();
            while let Some(letter) = letters.next() {
                lines.resize(lines.len().max(*row + 2), vec![' '; COLUMNS]);
                match letter {
                    '\r' => *column = 0,
                    '\n' => (*row, *column) = (*row + 1, 0),
                    '\u{1b}' => {
                        let rest = letters.as_str();
                        let end = rest.find(['A', 'B', 'K']).unwrap();
                        let count: usize = rest[1..end].parse().unwrap();
                        match &rest[end..=end] {
                            "A" => *row = row.saturating_sub(count),
                            "B" => *row += count,
                            _ => lines[*row].fill(' '),
                        }
                        letters = rest[end + 1..].chars();
                    }
                    letter => {
                        if *column == COLUMNS {
                            (*row, *column) = (*row + 1, 0);
                            lines.resize(lines.len().max(*row + 2), vec![' '; COLUMNS]);
                        }
                        lines[*row][*column] = letter;
                        *column += 1;
                    }
                }
            }
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_typed_between_two_drawings_leaves_no_bar_behind() {
        let mut shown = Shown::default();
        let terminal = Terminal::new(shown.clone(), || (COLUMNS as u16, 10));
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(terminal)));
        let bars = ["one", "two", "all"].map(|name| {
            let bar = screen.add(ProgressBar::no_length());
            bar.set_style(ProgressStyle::with_template("{prefix}").unwrap());
            bar.set_prefix(name);
            bar.tick();
            bar
        });
        assert_eq!(shown.lines(), ["one", "two", "all"]);
        for stopping in ["first", "second"] {
            shown.write_all(b"^C").unwrap();
            screen.println(stopping).unwrap();
        }
        assert_eq!(shown.lines(), ["first", "second", "one", "two", "all"]);
        for bar in &bars {
            bar.finish_and_clear();
        }
        assert_eq!(shown.lines(), ["first", "second"]);
    }
}
