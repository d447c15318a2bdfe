//! What is of `command: usage` alone.

use clap::ValueEnum;
use serde_json::Value;

use super::{Reader, Verb};
use crate::commands::usage::Include;
use crate::record::UsagePart;

impl Reader {
    /// A setting of `usage`, in one word.
    pub(super) fn of_usage(&mut self, name: &str, value: &Value) {
        match self.run.verb {
            Verb::Usage => self.say(&format!("usage.{name}"), value.clone()),
            _ => self.wrong(name, "is of command: usage"),
        }
    }

    /// As the flag: beside those that the settings name.
    pub(super) fn include(&mut self, name: &str, value: &Value) {
        if self.run.verb != Verb::Usage {
            return self.wrong(name, "is of command: usage");
        }
        let texts = self.texts(name, value);
        for text in texts.iter().flat_map(|text| text.split(',')).map(str::trim) {
            match Include::from_str(text, false) {
                Ok(include) => self.run.include.push(include),
                Err(_) => self.wrong(name, format!("{text:?} is not allowed; allowed: lambda, ecs")),
            }
        }
    }

    pub(super) fn part(&mut self, name: &str, value: &Value) {
        let part = match name {
            "candidates" => UsagePart::Candidates,
            _ => UsagePart::Coverage,
        };
        match (value, self.run.verb, self.run.part) {
            (Value::Bool(false), ..) => {}
            (Value::Bool(true), Verb::Usage, None) => self.run.part = Some(part),
            (Value::Bool(true), Verb::Usage, Some(_)) => {
                self.wrong(name, "candidates is said too: only one of both can be")
            }
            (Value::Bool(true), ..) => self.wrong(name, "is of command: usage"),
            _ => self.wrong(name, format!("{value} is not allowed; allowed: true or false")),
        }
    }
}
