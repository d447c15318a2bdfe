use std::fmt::Write;

/// A page of metrics in Prometheus's text format, version 0.0.4.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    registry: Option<String>,
}

/// How a sample differs from its metric's others: a label and its value.
pub type Label<'a> = Option<(&'a str, &'a str)>;

impl Page {
    /// Every sample has the registry as a label, where there is one.
    pub fn new(registry: Option<String>) -> Self {
        Self {
            text: String::new(),
            registry,
        }
    }

    /// Adds a metric that goes up and down, with all its samples.
    pub fn gauge<'a>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Label<'a>, f64)>) {
        self.metric(name, "gauge", help, samples);
    }

    /// Adds a metric that only grows while the process is there, with all its samples.
    pub fn counter<'a>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Label<'a>, f64)>) {
        self.metric(name, "counter", help, samples);
    }

    /// The page, ended by a line feed.
    pub fn into_text(self) -> String {
        self.text
    }

    fn metric<'a>(&mut self, name: &str, kind: &str, help: &str, samples: impl IntoIterator<Item = (Label<'a>, f64)>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (label, value) in samples {
            let registry = self.registry.as_deref().map(|registry| ("registry", registry));
            let labels: Vec<String> = registry
                .into_iter()
                .chain(label)
                .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
                .collect();
            let _ = match labels.is_empty() {
                true => writeln!(self.text, "{name} {value}"),
                false => writeln!(self.text, "{name}{{{}}} {value}", labels.join(",")),
            };
        }
    }
}

/// As the format wants it in label values.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(escaped("a\\b\"c\nd"), r#"a\\b\"c\nd"#);
    }
}
