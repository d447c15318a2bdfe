//! What a function is asked for: an event, in the settings' words. Nothing but JSON is looked at here.
//!
//! Understood are lambda-ecr-image-sync's events, its old ones (`images`) and its new ones (`repositories`); the settings' own shape; and what
//! EventBridge wraps around any of these.

mod batch;
mod eventbridge;
mod images;
mod reach;
mod usage;

pub(super) use batch::Batch;

use serde_json::{Map, Value};

use crate::aws::ecr::host_and_name;
use crate::commands::usage::Include;
use crate::image::InvalidReference;
use crate::mapping::{Only, Shard};
use crate::record::UsagePart;
use crate::settings::{Mistake, keys};

const NOT_OF_USAGE: &str = "is not of command: usage, which tells of all repositories";

/// How far a name may be from the one that was meant.
const TYPOS: usize = 3;

/// Where a mistake is that an event has.
pub(super) const ORIGIN: &str = "the event";

/// What an event asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asked {
    /// One run.
    Run(Box<Run>),
    /// Messages of a queue, each of which is one image.
    Work(Batch),
}

/// A run, and what is its own about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Run {
    pub(super) verb: Verb,
    /// Only these repositories or tags; empty for all.
    pub(super) only: Vec<Only>,
    /// Only these repositories, by what their own tags name.
    pub(super) repositories: Vec<Named>,
    pub(super) shard: Option<Shard>,
    /// Of the usage report, only this.
    pub(super) part: Option<UsagePart>,
    /// For the usage report, these are asked as well.
    pub(super) include: Vec<Include>,
    /// What it says in the place of the function's settings.
    pub(super) settings: Map<String, Value>,
    /// What of it comes to nothing.
    pub(super) notes: Vec<Mistake>,
}

/// What becomes of what is not current.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Verb {
    /// It is copied.
    #[default]
    Sync,
    /// It is told.
    Plan,
    /// A list of it goes to S3.
    List,
    /// Nothing is looked after: what is there, and who runs it, is told.
    Usage,
}

/// A repository that is named by its ARN, or by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// The registry's host, by the ARN.
    pub(super) host: Option<String>,
    pub(super) name: String,
}

impl Asked {
    /// Reads an event.
    ///
    /// # Errors
    /// Every mistake but those that the settings find in what they are told.
    pub(super) fn read(event: &Value) -> Result<Self, Vec<Mistake>> {
        let inner = match event {
            Value::Object(event) if event.contains_key("Records") => return batch::read(event).map(Self::Work),
            Value::Object(event) if eventbridge::is_one(event) => eventbridge::detail(event)?,
            other => other.clone(),
        };
        let fields = match inner {
            Value::Object(fields) => fields,
            Value::Null => Map::new(),
            _ => return Err(vec![mistake("", "is no JSON object")]),
        };
        let mut reader = Reader::default();
        reader.read(&fields);
        reader.mistakes.extend(reach::mistakes(&reader.run.settings));
        match reader.mistakes.is_empty() {
            true => Ok(Self::Run(Box::new(reader.run))),
            false => Err(reader.mistakes),
        }
    }
}

fn mistake(key: &str, problem: impl Into<String>) -> Mistake {
    Mistake {
        origin: ORIGIN.to_owned(),
        key: key.to_owned(),
        problem: problem.into(),
    }
}

/// lambda-ecr-image-sync's fields that are settings of ours in other words.
const OTHER_WORDS: [(&str, &str); 6] = [
    ("slack_channel_id", "slack.channel"),
    ("slack_errors_only", "slack.errors_only"),
    ("slack_msg_header", "slack.header"),
    ("slack_msg_subject", "slack.subject"),
    ("slack_msg_err_subject", "slack.error_subject"),
    // So its README calls it in one place.
    ("slack_err_msg_subject", "slack.error_subject"),
];

type Field = fn(&mut Reader, &str, &Value);

/// All other fields that are no settings.
const FIELDS: [(&str, Field); 15] = [
    ("settings", Reader::settings),
    ("only", Reader::only),
    ("shard", Reader::shard),
    ("action", Reader::action),
    ("command", Reader::command),
    ("regions", Reader::of_usage),
    ("include", Reader::include),
    ("candidates", Reader::part),
    ("coverage", Reader::part),
    ("check_digest", Reader::check_digest),
    ("concurrent", Reader::concurrent),
    ("max_results", Reader::max_results),
    ("ecr_repo_prefix", Reader::prefix),
    ("repository_arn", Reader::repositories),
    ("repositories", Reader::repositories),
];

/// Fields that say what a run is about. A list without anything in it may be meant for none of it, and is none to lambda-ecr-image-sync.
const NAMING: [&str; 4] = ["images", "only", "repositories", "repository_arn"];

#[derive(Default)]
struct Reader {
    run: Run,
    /// What stands before the names of repositories that images go to, where they say nothing themselves.
    prefix: Option<String>,
    /// How many tags are chosen where less is said.
    most: i64,
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn read(&mut self, fields: &Map<String, Value>) {
        let mut fields = fields.clone();
        fields.retain(|_, value| is_said(value));
        for name in NAMING {
            if fields.get(name).and_then(Value::as_array).is_some_and(Vec::is_empty) {
                fields.remove(name);
                let nothing = "is an empty list, which says nothing: the run is about all that is meant without it";
                self.run.notes.push(mistake(name, nothing));
            }
        }
        // By this table, and not by how the event happens to be written.
        for (name, read) in FIELDS {
            if let Some(value) = fields.remove(name) {
                read(self, name, &value);
            }
        }
        for (name, key) in OTHER_WORDS {
            if let Some(value) = fields.remove(name) {
                self.say(key, value);
            }
        }
        let images = fields.remove("images");
        for (name, value) in &fields {
            match is_section(name) {
                true => self.merge(name, value),
                false => self.unknown(name),
            }
        }
        if let Some(images) = images {
            let images = self.images(&images);
            self.merge("images", &images);
        }
    }

    fn wrong(&mut self, key: &str, problem: impl Into<String>) {
        self.mistakes.push(mistake(key, problem));
    }

    fn unknown(&mut self, name: &str) {
        let fields = FIELDS.iter().map(|(field, _)| *field);
        let words = OTHER_WORDS.iter().map(|(field, _)| *field);
        let sections = keys().filter_map(|key| key.parts().next());
        let near = fields
            .chain(words)
            .chain(sections)
            .map(|known| (strsim::damerau_levenshtein(name, known), known))
            .filter(|(distance, _)| *distance <= TYPOS)
            .min();
        self.wrong(
            name,
            match near {
                Some((_, near)) => format!("no such field; did you mean {near}?"),
                None => "no such field: an event has lambda-ecr-image-sync's or settings".to_owned(),
            },
        );
    }

    /// Sets a setting.
    fn say(&mut self, path: &str, value: Value) {
        let (name, inner) = match path.split_once('.') {
            Some((section, key)) => (section, Value::Object(Map::from_iter([(key.to_owned(), value)]))),
            None => (path, value),
        };
        self.merge(name, &inner);
    }

    /// Sets what is said in a section, beside what is there.
    fn merge(&mut self, name: &str, value: &Value) {
        match (self.run.settings.get_mut(name), value) {
            (Some(Value::Object(section)), Value::Object(more)) => section.extend(more.clone()),
            _ => drop(self.run.settings.insert(name.to_owned(), value.clone())),
        }
    }

    fn settings(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(settings) => {
                for (name, value) in settings {
                    // `webhook.url` in one word would be read as a setting, and pass by what an event may say.
                    match is_section(name) {
                        true => self.merge(name, value),
                        false => self.unknown(name),
                    }
                }
            }
            _ => self.wrong(name, "is no JSON object"),
        }
    }

    fn command(&mut self, name: &str, value: &Value) {
        match value.as_str() {
            Some("sync") => {}
            Some("plan") if self.run.verb == Verb::Sync => self.run.verb = Verb::Plan,
            Some("usage") if self.run.verb == Verb::Sync => {
                self.run.verb = Verb::Usage;
                let narrowed = [("only", !self.run.only.is_empty()), ("shard", self.run.shard.is_some())];
                for (field, _) in narrowed.into_iter().filter(|(_, is_said)| *is_said) {
                    self.wrong(field, NOT_OF_USAGE);
                }
            }
            Some("plan" | "usage") => self.wrong(name, "action: s3 says another thing: only one of both can be said"),
            _ => self.wrong(name, format!("{value} is not allowed; allowed: sync, plan or usage")),
        }
    }

    fn action(&mut self, name: &str, value: &Value) {
        match value.as_str() {
            Some("sync") => {}
            Some("s3") => self.run.verb = Verb::List,
            _ => self.wrong(name, format!("{value} is not allowed; allowed: sync or s3")),
        }
    }

    fn check_digest(&mut self, name: &str, value: &Value) {
        match value {
            Value::Bool(true) => self.say("compare", "digest".into()),
            Value::Bool(false) => self.say("compare", "missing-only".into()),
            _ => self.wrong(name, format!("{value} is not allowed; allowed: true or false")),
        }
    }

    /// Any number is one there, and stands for the nearest that is one here.
    fn concurrent(&mut self, name: &str, value: &Value) {
        if let Some(number) = self.number(name, value) {
            self.say("concurrency", number.clamp(1, 64).into());
        }
    }

    fn max_results(&mut self, name: &str, value: &Value) {
        if let Some(number) = self.number(name, value) {
            self.most = number.max(0);
            self.say("discovery.max_results", self.most.into());
        }
    }

    fn number(&mut self, name: &str, value: &Value) -> Option<i64> {
        let number = value.as_i64();
        if number.is_none() {
            self.wrong(name, format!("{value} is not allowed; allowed: a whole number"));
        }
        number
    }

    fn prefix(&mut self, name: &str, value: &Value) {
        match value.as_str() {
            Some(prefix) => self.prefix = Some(prefix.trim_end_matches('/').to_owned()),
            None => self.wrong(
                name,
                format!("{value} is not allowed; allowed: the beginning of a repository's name"),
            ),
        }
    }

    fn only(&mut self, name: &str, value: &Value) {
        for text in self.texts(name, value) {
            match text.parse() {
                Ok(only) => self.run.only.push(only),
                Err(why) => self.wrong(name, format!("{text:?} is no repository, nor a tag of one: {why}")),
            }
        }
    }

    fn shard(&mut self, name: &str, value: &Value) {
        match value.as_str().unwrap_or_default().parse() {
            Ok(shard) => self.run.shard = Some(shard),
            Err(_) => self.wrong(name, format!("{value} is not allowed; allowed: I/N, such as 2/5")),
        }
    }

    /// A list of ARNs, or names, which are taken there too; or the settings' section of that name.
    fn repositories(&mut self, name: &str, value: &Value) {
        if value.is_object() {
            return self.merge(name, value);
        }
        for text in self.texts(name, value) {
            match named(&text) {
                Ok(named) => self.run.repositories.push(named),
                Err(why) => self.wrong(name, format!("{text:?} is no repository's ARN or name: {why}")),
            }
        }
    }

    fn texts(&mut self, name: &str, value: &Value) -> Vec<String> {
        let texts: Option<Vec<String>> = match value {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        if texts.is_none() {
            self.wrong(name, format!("{value} is not allowed; allowed: text, or a list of it"));
        }
        texts.unwrap_or_default()
    }
}

fn named(text: &str) -> Result<Named, String> {
    if text.starts_with("arn:") {
        let (host, name) = host_and_name(text)?;
        return Ok(Named {
            host: Some(host),
            name: name.to_owned(),
        });
    }
    let only: Only = text.parse().map_err(|why: InvalidReference| why.to_string())?;
    match only.tag {
        None => Ok(Named {
            host: None,
            name: only.repository,
        }),
        Some(_) => Err("it is one tag, which is for only".to_owned()),
    }
}

/// Who makes events by a template leaves fields without a value.
fn is_said(value: &Value) -> bool {
    !value.is_null() && value.as_str() != Some("")
}

fn is_section(name: &str) -> bool {
    keys().any(|key| key.parts().next() == Some(name))
}

#[cfg(test)]
mod tests;
