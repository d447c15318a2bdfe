use crate::image::Digest;
use crate::report::{Failure, ImageReport, Outcome, Report, limit_left, one_line};

/// GitHub shows no summary of a step that has more bytes; nothing else that takes Markdown takes less.
pub(super) const LIMIT: usize = 1024 * 1024;

/// Kept free for headings and for the lines that say what is left out.
const RESERVE: usize = 4096;

/// A summary for people within `room` bytes: what failed first, since it is what has to be read and must not be cut off.
pub(super) fn render(report: &Report, room: usize) -> String {
    let mut page = Page {
        text: head(report),
        room: room.saturating_sub(RESERVE),
    };
    page.list(&report.failures);
    let unwell: &[Outcome] = &[Outcome::Failed, Outcome::Refused, Outcome::NotAttempted];
    page.table(
        "### Not as it should be\n\n",
        ["Image", "Outcome", "Why"],
        report.ended(unwell).map(|image| unwell_row(image, report)).collect(),
    );
    page.table(
        "### Updated\n\n",
        ["Image", "Digest", "Upstream"],
        report
            .ended(&[Outcome::Updated])
            .map(|image| updated_row(image, report))
            .collect(),
    );
    let unchanged: Vec<_> = report
        .ended(&[Outcome::Unchanged])
        .map(|image| unchanged_row(image, report))
        .collect();
    if !unchanged.is_empty() {
        let summary = format!("<details>\n<summary>{} unchanged</summary>\n\n", unchanged.len());
        page.table(&summary, ["Image", "Digest", "Why"], unchanged);
        page.text.push_str("</details>\n");
    }
    page.text
}

fn head(report: &Report) -> String {
    let seconds = report.ended.duration_since(report.started).as_secs_f64();
    let mut text = format!("## ecr-keeper\n\n**{}** in {seconds:.1} s", report.counted());
    if let Some(shard) = report.shard {
        text.push_str(&format!(" (shard {shard})"));
    }
    if let Some(signal) = report.stopped_by {
        text.push_str(&format!("; stopped by {signal}"));
    }
    if let Some(registry) = &report.registry {
        text.push_str(&format!("  \nin `{registry}`"));
    }
    if let Some(engine) = &report.engine {
        text.push_str(&format!("  \nthrough {}", escaped(engine)));
    }
    for (host, limit) in &report.limits {
        text.push_str(&format!("  \n`{host}`: {}", limit_left(limit)));
    }
    text + "\n\n"
}

type Row = [String; 3];

fn unwell_row(image: &ImageReport, report: &Report) -> Row {
    let hint = image.failure.as_ref().and_then(|failure| failure.hint.as_deref());
    [
        name(image, report),
        image.outcome.word().to_owned(),
        why(&image.why(), hint, "<br>"),
    ]
}

fn updated_row(image: &ImageReport, report: &Report) -> Row {
    let after = image.digest_after.as_ref().map(|digest| digest.short());
    let notes = image.notes.iter().map(|note| format!("<br>*Note:* {}", escaped(note)));
    let notes: String = notes.collect();
    [
        name(image, report),
        format!(
            "`{}` → `{}`",
            image.digest_before.as_ref().map_or("nothing", Digest::short),
            after.unwrap_or_default()
        ),
        format!("`{}`{notes}", image.upstream),
    ]
}

fn unchanged_row(image: &ImageReport, report: &Report) -> Row {
    [
        name(image, report),
        format!("`{}`", image.digest_before.as_ref().map_or("nothing", Digest::short)),
        escaped(&image.reason),
    ]
}

/// Names and digests have nothing in them, by their grammar, that would end a code span or a cell.
fn name(image: &ImageReport, report: &Report) -> String {
    format!("`{}`", report.name_of(&image.target))
}

fn why(message: &str, hint: Option<&str>, between: &str) -> String {
    match hint {
        Some(hint) => format!("{}{between}*Hint:* {}", escaped(message), escaped(hint)),
        None => escaped(message),
    }
}

/// Text that may be anybody's, as text on one line: nothing in it is a cell's end, a mark or HTML. A backslash takes its
/// meaning from any ASCII punctuation (CommonMark, "Backslash escapes"); HTML's are written as entities all the same, for
/// readers that pass HTML through.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in one_line(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' => safe.extend(['\\', c]),
            c => safe.push(c),
        }
    }
    safe
}

struct Page {
    text: String,
    room: usize,
}

impl Page {
    fn list(&mut self, failures: &[Failure]) {
        let items = failures
            .iter()
            .map(|failure| format!("- {}\n", why(&failure.in_one_line(), failure.hint.as_deref(), "  \n  ")));
        self.fill("### Failures of the run\n\n", items.collect());
    }

    fn table(&mut self, head: &str, columns: [&str; 3], rows: Vec<Row>) {
        let head = format!("{head}| {} |\n|---|---|---|\n", columns.join(" | "));
        let rows = rows.into_iter().map(|row| format!("| {} |\n", row.join(" | ")));
        self.fill(&head, rows.collect());
    }

    /// As many whole lines as there is room for; the rest is counted.
    fn fill(&mut self, head: &str, lines: Vec<String>) {
        if lines.is_empty() {
            return;
        }
        self.text.push_str(head);
        let mut left_out = 0;
        for line in lines {
            // Once one is left out all are: what is shown has no holes.
            match left_out == 0 && self.text.len() + line.len() <= self.room {
                true => self.text.push_str(&line),
                false => left_out += 1,
            }
        }
        self.text.push('\n');
        if left_out > 0 {
            let line =
                format!("*{left_out} more are left out: a summary may not be longer. `result.json` has all.*\n\n");
            self.text.push_str(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sample;

    #[test]
    fn it_tells_totals_failures_updates_and_hides_the_rest() {
        let text = render(&sample::report(), LIMIT);
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} is not in\n{text}"));
        let order = [
            "**1 updated, 1 unchanged, 1 refused, 1 failed, 1 not done, 1 other failure** in 12.5 s",
            "  \n`docker.io`: 76 of 100 pulls left in 6h\n",
            "- no daemon\n",
            "| `base/image/app:bad` | failed | push &lt;app&gt; \\| \"x\": denied: by = policy<br>*Hint:* log in |\n",
            "| `base/image/app:new` | `sha256:111111111111` → `sha256:222222222222` | `docker.io/library/app:new`\
             <br>*Note:* rebuilt<br>*Note:* 2 \\| left |\n",
            "<summary>1 unchanged</summary>\n\n",
            "</details>\n",
        ]
        .map(at);
        assert!(order.is_sorted(), "{order:?} in\n{text}");
    }

    #[test]
    fn nobody_s_words_are_marks() {
        // GitHub Flavored Markdown: a pipe ends a cell unless escaped, and so on.
        assert_eq!(
            escaped("a|b `c` <img src=x> [d](e) *f*\ng"),
            "a\\|b \\`c\\` &lt;img src=x&gt; \\[d\\](e) \\*f\\* g"
        );
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut report = sample::report();
        let one = report.images[0].clone();
        report.images.extend(std::iter::repeat_n(one, 100));
        let all = render(&report, LIMIT);
        let room = 8 * 1024;
        let cut = render(&report, room);
        assert!(all.len() > room && cut.len() <= room, "{} and {}", all.len(), cut.len());
        let shown = cut.matches("→").count();
        assert!(cut.contains(&format!("*{} more are left out", 101 - shown)), "{cut}");
        assert!(render(&report, 0).len() <= RESERVE);
    }
}
