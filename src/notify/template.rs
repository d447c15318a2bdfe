//! What is posted, made by a template of the user's own, in Jinja's language.

use std::collections::BTreeSet;

use http::header::HeaderValue;
use minijinja::value::{Kwargs, Serde};
use minijinja::{AutoEscape, Environment, Error, State, UndefinedBehavior, Value, filters};
use serde::Serialize;

use crate::report::Report;

/// A template that has been tried.
#[derive(Debug, Clone)]
pub struct Template {
    source: String,
    content_type: HeaderValue,
}

/// A template that makes no message. A line is the template's own.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It cannot be read, or names what is not there.
    #[error("{}{}", at(.0), .0.detail().map_or_else(|| .0.kind().to_string(), |detail| format!("{}: {detail}", .0.kind())))]
    Wrong(minijinja::Error),
    /// It asks for what no report has.
    #[error("nothing is called {name}{}", meant(near.as_deref()))]
    Unknown {
        /// What it asks for.
        name: String,
        /// What was most likely meant.
        near: Option<String>,
    },
    /// It has to make JSON, and does not.
    #[error("what it makes is no JSON: {0} of that; write values as {{{{ value | tojson }}}}")]
    NoJson(serde_json::Error),
}

fn at(error: &minijinja::Error) -> String {
    error.line().map_or_else(String::new, |line| format!("line {line}: "))
}

fn meant(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

/// What a template knows: the report, as in `result.json`, and what is made of it.
#[derive(Serialize)]
struct Known<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// Whether everything that should be done was done.
    well: bool,
    /// How many images ended how, in words.
    summary: String,
}

impl Template {
    /// Reads a template, and tries it with reports that have some of everything, and one that has nothing: what is wrong shows before
    /// anything is done.
    pub fn new(source: String, content_type: HeaderValue) -> Result<Self, TemplateError> {
        let template = Self { source, content_type };
        for report in Report::trials() {
            template.render(&report)?;
        }
        template.knows_its_names()?;
        Ok(template)
    }

    /// Whether what it asks for is in some report: `if sumary` is no mistake of the language, and would never come true.
    fn knows_its_names(&self) -> Result<(), TemplateError> {
        const TYPOS: usize = 3;
        let environment = environment();
        let template = environment
            .template_from_str(&self.source)
            .map_err(TemplateError::Wrong)?;
        let mut known: BTreeSet<String> = environment.globals().map(|(name, _)| name.to_owned()).collect();
        for report in Report::trials() {
            if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(Known::of(&report)) {
                known.extend(fields.into_iter().map(|(name, _)| name));
            }
        }
        let asked: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
        match asked.difference(&known).next() {
            None => Ok(()),
            Some(name) => {
                let near = known
                    .iter()
                    .map(|known| (strsim::damerau_levenshtein(name, known), known));
                Err(TemplateError::Unknown {
                    near: near
                        .min()
                        .filter(|(typos, _)| *typos <= TYPOS)
                        .map(|(_, near)| near.clone()),
                    name: name.clone(),
                })
            }
        }
    }

    /// What it says that it makes.
    pub(super) fn content_type(&self) -> &HeaderValue {
        &self.content_type
    }

    /// What it makes of a report.
    pub(super) fn render(&self, report: &Report) -> Result<String, TemplateError> {
        let made = environment()
            .template_from_str(&self.source)
            .and_then(|template| template.render(Serde(&Known::of(report))))
            .map_err(TemplateError::Wrong)?;
        if self.is_json() {
            serde_json::from_str::<serde::de::IgnoredAny>(&made).map_err(TemplateError::NoJson)?;
        }
        Ok(made)
    }

    /// JSON, or one of the types that are JSON inside (RFC 6839, section 3.1).
    fn is_json(&self) -> bool {
        let text = self.content_type.to_str().unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        essence == "application/json" || essence.ends_with("+json")
    }
}

impl<'a> Known<'a> {
    fn of(report: &'a Report) -> Self {
        Self {
            report,
            well: report.is_well(),
            summary: report.counted(),
        }
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // What is not there is a mistake where it is written, and may be asked for: a failure is there only of what failed.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.add_filter("tojson", tojson);
    environment
}

/// minijinja's, which would write null for what is not there.
fn tojson(state: &State, value: &Value, indent: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    if value.is_undefined() {
        // As strict as other filters are.
        filters::string(state, value)?;
    }
    filters::tojson(value, indent, named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(source: &str, content_type: &'static str) -> Result<String, String> {
        Template::new(source.to_owned(), HeaderValue::from_static(content_type))
            .and_then(|template| template.render(&Report::sample()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_template_knows_the_report_and_writes_json() {
        let source = r#"{"text": {{ summary | tojson }}, "well": {{ well | tojson }}, "failed": [
            {%- for failure in failures %}{{ failure.message | tojson }}{{ "," if not loop.last }}{% endfor %}],
            "why": [
            {%- for image in images if image.failure %}{{ image.failure.message | tojson }}{{ "," if not loop.last }}{% endfor %}]}"#;
        let json: serde_json::Value = serde_json::from_str(&made(source, "application/json").unwrap()).unwrap();
        assert_eq!(json["text"], "1 updated, 1 unchanged, 1 failed, 1 other failure");
        assert_eq!(json["well"], false);
        assert_eq!(json["failed"].as_array().unwrap().len(), 1);
        assert_eq!(json["why"][0], "upstream docker.io/library/busybox:1.0 does not exist");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (source, says) in [
            ("one\ntwo {% if %}\n", "line 2: syntax error: "),
            ("one\ntwo\n{{ totls.updated }}", "line 3: undefined value"),
            ("{{ totals.updatd }}", "line 1: undefined value"),
            ("{{ registry | shout }}", "line 1: unknown filter"),
            ("{{ sumary | tojson }}", "line 1: undefined value"),
            (
                "{% for image in images %}\n{{ image.targt | tojson }}{% endfor %}",
                "line 2: undefined value",
            ),
            (
                "{% if sumary %}x{% endif %}",
                "nothing is called sumary; did you mean summary?",
            ),
            ("{% if weather %}x{% endif %}", "nothing is called weather"),
        ] {
            let why = made(source, "text/plain").unwrap_err();
            assert!(why.starts_with(says), "{source}: {why}");
        }
    }

    #[test]
    fn what_may_be_absent_may_be_asked_for_and_a_template_may_have_names_of_its_own() {
        for source in [
            "{% if shard %}{{ shard | tojson }}{% endif %}{% for image in images %}{{ loop.index }}{% endfor %}",
            "{% set own = totals.updated %}{{ own | tojson }}{{ range(2) | tojson }}",
            "{% for image in images %}{{ (image.digest_after if image.digest_after) | tojson }}{% endfor %}",
        ] {
            assert!(
                made(source, "text/plain").is_ok(),
                "{source}: {:?}",
                made(source, "text/plain")
            );
        }
    }

    #[test]
    fn a_template_is_tried_with_every_way_to_end() {
        for source in [
            "{% for image in images if image.outcome == 'not-attempted' %}{{ image.digest }}{% endfor %}",
            "{% for image in images if image.outcome == 'refused' %}{{ image.digest }}{% endfor %}",
            "{% for image in images if image.held %}{{ image.digest }}{% endfor %}",
            "{% if totals.held %}{{ totals.heldback }}{% endif %}",
            "{% if stopped_by %}{{ stopped_by_whom }}{% endif %}",
            // There on some alone.
            "{% for image in images %}{{ image.failure.message }}{% endfor %}",
            "{% for image in images %}{{ image.digest_after }}{% endfor %}",
            "{{ shard }}",
        ] {
            assert!(made(source, "text/plain").is_err(), "{source}");
        }
        let unquoted = r#"[{% for image in images if image.failure %}"{{ image.failure.message }}",{% endfor %} ""]"#;
        assert!(made(unquoted, "application/json").is_err());
    }

    #[test]
    fn json_is_made_sure_of_where_it_is_promised() {
        // What others say has quotation marks in it.
        let unquoted = r#"{"text": "{% for failure in failures %}{{ failure.message }}{% endfor %}"}"#;
        for kind in ["application/json", "application/cloudevents+json; charset=utf-8"] {
            let why = made(unquoted, kind).unwrap_err();
            assert!(why.starts_with("what it makes is no JSON: "), "{why}");
            assert!(why.contains("{{ value | tojson }}"), "{why}");
        }
        assert!(made(unquoted, "text/plain").is_ok());
    }
}
