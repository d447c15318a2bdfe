//! regsync's `backup`: Go's template of a tag, or of a whole image.

use crate::mapping::Backup;

/// What the templates are here whose words are known.
const WORDS: [(&str, &str); 3] = [
    (".Ref.Tag", "{tag}"),
    ("time.Now.Format \"2006-01-02\"", "{date}"),
    ("time.Now.UTC.Format \"2006-01-02\"", "{date}"),
];

/// The `policy.backup` that makes the same names.
///
/// # Errors
/// Why there is none.
pub(super) fn backup(template: &str) -> Result<String, String> {
    let mut name = String::new();
    let mut rest = template.trim();
    while let Some((before, behind)) = rest.split_once("{{") {
        let (inside, after) = behind.split_once("}}").ok_or("its {{ is never closed")?;
        let inside = inside
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .replace('`', "\"");
        let word = WORDS.iter().find(|(go, _)| *go == inside);
        let (_, own) =
            word.ok_or("of templates, .Ref.Tag and time.Now.Format \"2006-01-02\" alone have a counterpart")?;
        name.push_str(before);
        name.push_str(own);
        rest = after;
    }
    name.push_str(rest);
    if name.contains([':', '/']) {
        return Err("a backup stays in the repository of its tag".to_owned());
    }
    name.parse::<Backup>().map_err(|why| why.to_string())?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_of_tag_and_date_is_a_backup_s_name() {
        // docs of regsync (backup) and of its templates (time).
        for (template, expected) in [
            (
                r#"{{.Ref.Tag}}-old-{{time.Now.Format "2006-01-02"}}"#,
                "{tag}-old-{date}",
            ),
            (
                r#" bkup.{{ .Ref.Tag }}.{{ time.Now.UTC.Format `2006-01-02` }} "#,
                "bkup.{tag}.{date}",
            ),
        ] {
            assert_eq!(backup(template).unwrap(), expected);
        }
        for (template, says) in [
            ("bkup-{{.Ref.Tag}}", "it has to end with {date}"),
            (r#"old-{{time.Now.Format "2006-01-02"}}"#, "it lacks {tag}"),
            (
                r#"{{.Ref.Tag}}-old-{{time.Now.Format "20060102"}}"#,
                "alone have a counterpart",
            ),
            ("{{ if .Ref.Tag }}x{{ end }}", "alone have a counterpart"),
            ("{{.Ref.Tag", "never closed"),
            (
                r#"registry:5000/old:{{.Ref.Tag}}-x-{{time.Now.Format "2006-01-02"}}"#,
                "stays in the repository of its tag",
            ),
        ] {
            let why = backup(template).unwrap_err();
            assert!(why.contains(says), "{template}: {why}");
        }
    }
}
