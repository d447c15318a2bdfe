use jiff::Timestamp;

/// What the log of a pipeline makes of special lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Lines are lines: Jenkins, a file, a terminal.
    Plain,
    /// GitLab's collapsible sections (GitLab, "CI/CD job logs", "Custom collapsible sections").
    GitLab,
    /// GitHub's groups and annotations (GitHub, "Workflow commands").
    GitHub,
}

/// A part of a run that a log can fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Survey,
    Copy,
}

impl Dialect {
    /// The dialect of the pipeline that set these environment variables.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).is_some_and(|value| !value.is_empty());
        match variable("GITHUB_ACTIONS").as_deref() == Some("true") {
            true => Self::GitHub,
            false if set("GITLAB_CI") => Self::GitLab,
            false => Self::Plain,
        }
    }

    /// The line that begins a section, with its title.
    pub(super) fn begin(self, section: Section, title: &str, at: Timestamp) -> String {
        // What is copied is what people look for; the survey is for those who open it.
        let (name, collapsed) = match section {
            Section::Survey => ("ecr_keeper_survey", "[collapsed=true]"),
            Section::Copy => ("ecr_keeper_copy", ""),
        };
        match self {
            Self::Plain => title.to_owned(),
            Self::GitLab => {
                let at = at.as_second();
                format!("\u{1b}[0Ksection_start:{at}:{name}{collapsed}\r\u{1b}[0K{title}")
            }
            Self::GitHub => format!("::group::{}", data(title)),
        }
    }

    /// The line that ends a section.
    pub(super) fn end(self, section: Section, at: Timestamp) -> Option<String> {
        let name = match section {
            Section::Survey => "ecr_keeper_survey",
            Section::Copy => "ecr_keeper_copy",
        };
        match self {
            Self::Plain => None,
            Self::GitLab => {
                let at = at.as_second();
                Some(format!("\u{1b}[0Ksection_end:{at}:{name}\r\u{1b}[0K"))
            }
            Self::GitHub => Some("::endgroup::".to_owned()),
        }
    }
}

/// As a workflow command's message is escaped (actions/toolkit, `escapeData`).
pub(super) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As a workflow command's property is escaped (actions/toolkit, `escapeProperty`).
pub(super) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &[(&str, &str)]) -> Dialect {
        Dialect::of(|name| {
            let found = given.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_pipeline_is_known_by_its_variables() {
        assert_eq!(of(&[("GITLAB_CI", "true")]), Dialect::GitLab);
        assert_eq!(of(&[("GITHUB_ACTIONS", "true")]), Dialect::GitHub);
        assert_eq!(of(&[("GITHUB_ACTIONS", "false"), ("GITLAB_CI", "")]), Dialect::Plain);
        assert_eq!(of(&[("JENKINS_URL", "https://jenkins.example")]), Dialect::Plain);
    }

    #[test]
    fn messages_and_properties_are_escaped() {
        assert_eq!(data("50%: a,\r\nb"), "50%25: a,%0D%0Ab");
        assert_eq!(property("50%: a,\nb"), "50%25%3A a%2C%0Ab");
    }
}
