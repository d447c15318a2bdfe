//! Docker's configuration file, in which `docker login` keeps logins, or the name of the program that keeps them.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::docker_configuration;
use crate::atomic;

/// Docker's configuration file, of which everything but one registry's login stays as it was.
pub struct DockerConfig {
    path: PathBuf,
    /// What was read; empty where there is no file.
    text: String,
    root: Members,
    /// Whether it is another one than the file has.
    is_changed: bool,
}

/// Without what is in it: logins.
impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerConfig")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Docker's configuration file cannot be used. What is in it is not repeated: it holds logins.
#[derive(Debug, thiserror::Error)]
pub enum DockerConfigError {
    /// There is no place for it.
    #[error("find Docker's configuration: neither DOCKER_CONFIG nor a home folder is known")]
    Nowhere,
    /// It cannot be read.
    #[error("read {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is not what Docker reads.
    #[error("read {}: {why}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Where, and what is wrong there.
        why: String,
    },
    /// It cannot be written.
    #[error("write {}", path.display())]
    Unwritten {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Where a registry's login is kept (Docker's reference of `docker login`, "Credential stores" and "Credential helpers").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// In the file itself, unencrypted.
    InFile(PathBuf),
    /// By the program `docker-credential-NAME`.
    ByHelper(String),
}

impl DockerConfig {
    /// What is there; nothing where there is no file.
    ///
    /// # Errors
    /// Where the file cannot be read, or is none of Docker's.
    pub fn read() -> Result<Self, DockerConfigError> {
        let folder = docker_configuration().ok_or(DockerConfigError::Nowhere)?;
        Self::at(folder.join("config.json"))
    }

    fn at(path: PathBuf) -> Result<Self, DockerConfigError> {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(source) => return Err(DockerConfigError::Unreadable { path, source }),
        };
        // Docker takes an empty file for an empty configuration.
        let root = match text.trim().is_empty() {
            true => Ok(Members::default()),
            false => Members::of(&text),
        };
        match root {
            Ok(root) => Ok(Self {
                path,
                text,
                root,
                is_changed: false,
            }),
            Err(why) => Err(DockerConfigError::Malformed { path, why }),
        }
    }

    /// Where Docker keeps the login of a registry: the helper that is named for it, else the store for all, else this file. An empty name
    /// stands for the file.
    ///
    /// # Errors
    /// Where these are not what Docker reads.
    pub fn keeps(&self, registry: &str) -> Result<Kept, DockerConfigError> {
        let helpers = self.section("credHelpers")?;
        let (name, key) = match helpers.get(registry) {
            Some(own) => (Some(own), format!("credHelpers.{registry}")),
            None => (self.root.get("credsStore"), "credsStore".to_owned()),
        };
        let name = name.map(|name| serde_json::from_str::<Option<String>>(name.get()));
        match name.transpose() {
            Ok(name) => Ok(match name.flatten().filter(|name| !name.is_empty()) {
                Some(name) => Kept::ByHelper(name),
                None => Kept::InFile(self.path.clone()),
            }),
            Err(_) => Err(self.malformed(format!("{key} is no text"))),
        }
    }

    /// Puts a login into the file: `user:password` in base64, as `docker login` does.
    ///
    /// # Errors
    /// Where `auths` is not what Docker reads.
    pub fn put(&mut self, registry: &str, username: &str, password: &SecretString) -> Result<(), DockerConfigError> {
        let pair = STANDARD.encode(format!("{username}:{}", password.expose_secret()));
        self.set(registry, format!("{{\n\t\t\t\"auth\": \"{pair}\"\n\t\t}}"))
    }

    /// Notes that a helper has the login: an entry without one, as `docker login` leaves it. A login that was there goes.
    ///
    /// # Errors
    /// As of [`put`](Self::put).
    pub fn note(&mut self, registry: &str) -> Result<(), DockerConfigError> {
        self.set(registry, "{}".to_owned())
    }

    /// Takes a registry's entry out, under each of the names that `docker logout` looks for; answers whether there was one.
    ///
    /// # Errors
    /// As of [`put`](Self::put).
    pub fn remove(&mut self, registry: &str) -> Result<bool, DockerConfigError> {
        let mut auths = self.section("auths")?;
        let names = [
            registry.to_owned(),
            format!("http://{registry}"),
            format!("https://{registry}"),
        ];
        let before = auths.0.len();
        auths.0.retain(|(name, _)| !names.contains(name));
        let is_there = auths.0.len() < before;
        if is_there {
            self.root.set("auths", auths.text(1));
            self.is_changed = true;
        }
        Ok(is_there)
    }

    /// Writes the file, whole or not at all, for its owner alone; not where nothing has changed.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self) -> Result<(), DockerConfigError> {
        if !self.is_changed {
            return Ok(());
        }
        // What ends the file is nobody's, and stays too.
        let end = &self.text[self.text.trim_end().len()..];
        let text = self.root.text(0) + end;
        atomic::write_private(&self.path, text.as_bytes()).map_err(|source| DockerConfigError::Unwritten {
            path: self.path.clone(),
            source,
        })
    }

    fn set(&mut self, registry: &str, entry: String) -> Result<(), DockerConfigError> {
        let mut auths = self.section("auths")?;
        if auths.get(registry).is_none_or(|own| own.get() != entry) {
            auths.set(registry, entry);
            self.root.set("auths", auths.text(1));
            self.is_changed = true;
        }
        Ok(())
    }

    /// An object within the file; one that is not there, or null, is empty.
    fn section(&self, name: &str) -> Result<Members, DockerConfigError> {
        match self.root.get(name).map(RawValue::get) {
            None | Some("null") => Ok(Members::default()),
            Some(text) => Members::of(text).map_err(|_| self.malformed(format!("{name} is no object"))),
        }
    }

    fn malformed(&self, why: String) -> DockerConfigError {
        DockerConfigError::Malformed {
            path: self.path.clone(),
            why,
        }
    }
}

/// The members of a JSON object in their order, each value in its own letters: numbers, spaces and what nobody here knows stay.
#[derive(Default)]
struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// An error in words that tell nothing of what is there.
    fn of(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| match error.is_data() {
            true => "it is no JSON object".to_owned(),
            false => format!("it is no JSON (line {}, column {})", error.line(), error.column()),
        })
    }

    /// Of several of one name the last counts, as it does for Docker.
    fn get(&self, name: &str) -> Option<&RawValue> {
        let mut named = self.0.iter().rev().filter(|(own, _)| own == name);
        named.next().map(|(_, value)| &**value)
    }

    fn set(&mut self, name: &str, text: String) {
        // It is JSON: of members that were read, or written here.
        let Ok(value) = RawValue::from_string(text) else { return };
        match self.0.iter_mut().rev().find(|(own, _)| own == name) {
            Some((_, own)) => *own = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// As Docker writes them: a line for each, tabs before it.
    fn text(&self, depth: usize) -> String {
        let indent = "\t".repeat(depth);
        let member = |(name, value): &(String, Box<RawValue>)| {
            let name = serde_json::Value::from(name.as_str());
            format!("\n{indent}\t{name}: {}", value.get())
        };
        match self.0.is_empty() {
            true => "{}".to_owned(),
            false => {
                let members: Vec<String> = self.0.iter().map(member).collect();
                format!("{{{}\n{indent}}}", members.join(","))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Members::default();
                while let Some(member) = map.next_entry()? {
                    members.0.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";

    /// What becomes of a file.
    fn after(text: &str, change: impl FnOnce(&mut DockerConfig)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, text).unwrap();
        let mut config = DockerConfig::at(path.clone()).unwrap();
        change(&mut config);
        config.write().unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    fn put(config: &mut DockerConfig) {
        config.put(HOST, "AWS", &"pass".to_owned().into()).unwrap();
    }

    #[test]
    fn a_login_is_written_as_docker_writes_it() {
        // As docker 28.2 writes it into an empty configuration; the base64 is from coreutils.
        let expected =
            format!("{{\n\t\"auths\": {{\n\t\t\"{HOST}\": {{\n\t\t\t\"auth\": \"QVdTOnBhc3M=\"\n\t\t}}\n\t}}\n}}");
        for empty in ["", "\n", "{}"] {
            assert_eq!(after(empty, put).trim_end(), expected);
        }
        assert_eq!(after("{\"auths\": null}\n", put), expected + "\n");
    }

    #[test]
    fn all_else_stays_in_its_order_and_in_its_letters() {
        let before = "{\n\t\"zz\": 1.10,\n\t\"auths\": {\n\t\t\"quay.io\": {\"auth\": \"eDp5\", \"new\":  [ 1e400, \"\\u00e4\" ]},\n\t\t\"\
                      a\": {}\n\t},\n\t\"HttpHeaders\": {\n\t\t\"User-Agent\": \"x\"\n\t},\n\t\"big\": 123456789012345678901234567890\n}\n";
        let with = after(before, put);
        let entry = format!(",\n\t\t\"{HOST}\": {{\n\t\t\t\"auth\": \"QVdTOnBhc3M=\"\n\t\t}}");
        assert_eq!(with.replace(&entry, ""), before);
        let without = |config: &mut DockerConfig| assert!(config.remove(HOST).unwrap());
        assert_eq!(after(&with, without), before);
        let none = |config: &mut DockerConfig| assert!(!config.remove(HOST).unwrap());
        assert_eq!(
            after("{ \"auths\" : {}  }", none),
            "{ \"auths\" : {}  }",
            "nothing is written"
        );
    }

    #[test]
    fn a_login_takes_the_place_of_the_one_before() {
        let with = after("{}", put);
        let again = after(&with, |config| {
            config.put(HOST, "AWS", &"other".to_owned().into()).unwrap()
        });
        // `printf AWS:other | base64`
        assert_eq!(again, with.replace("QVdTOnBhc3M=", "QVdTOm90aGVy"));
        let noted = after(&with, |config| config.note(HOST).unwrap());
        assert_eq!(noted, format!("{{\n\t\"auths\": {{\n\t\t\"{HOST}\": {{}}\n\t}}\n}}"));
    }

    #[test]
    fn a_logout_knows_the_names_that_docker_s_knows() {
        let before =
            format!("{{\"auths\": {{\"https://{HOST}\": {{}}, \"http://{HOST}\": {{}}, \"{HOST}.example\": {{}}}}}}");
        let left = after(&before, |config| assert!(config.remove(HOST).unwrap()));
        assert_eq!(
            left,
            format!("{{\n\t\"auths\": {{\n\t\t\"{HOST}.example\": {{}}\n\t}}\n}}")
        );
    }

    #[test]
    fn the_helper_of_a_registry_wins_over_the_store_for_all() {
        let kept = |text: &str| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("config.json");
            std::fs::write(&path, text).unwrap();
            let kept = DockerConfig::at(path.clone()).and_then(|config| config.keeps(HOST));
            match kept {
                Ok(Kept::InFile(file)) => {
                    assert_eq!(file, path);
                    "in the file".to_owned()
                }
                Ok(Kept::ByHelper(name)) => name,
                Err(error) => error.to_string().rsplit_once(": ").unwrap().1.to_owned(),
            }
        };
        let both = |own: &str| format!("{{\"credsStore\": \"pass\", \"credHelpers\": {{\"{HOST}\": {own}}}}}");
        assert_eq!(kept(&both("\"own\"")), "own");
        assert_eq!(kept(&both("\"\"")), "in the file");
        assert_eq!(
            kept("{\"credsStore\": \"pass\", \"credHelpers\": {\"quay.io\": \"x\"}}"),
            "pass"
        );
        assert_eq!(kept("{\"credsStore\": null}"), "in the file");
        assert_eq!(kept(&both("7")), format!("credHelpers.{HOST} is no text"));
        assert_eq!(kept("{\"credHelpers\": []}"), "credHelpers is no object");
    }

    #[test]
    fn the_logins_in_it_are_in_no_debug_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, "{\"auths\": {\"quay.io\": {\"auth\": \"c2VzYW1l\"}}}").unwrap();
        let config = DockerConfig::at(path).unwrap();
        let shown = format!("{config:?}");
        assert!(shown.contains("config.json") && !shown.contains("c2VzYW1l"), "{shown}");
    }

    #[test]
    fn what_is_no_configuration_is_told_without_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        for (text, why) in [
            ("{\"auths\": {\"x\": \"sesame\"", "it is no JSON (line 1, column 24)"),
            ("\"sesame\"", "it is no JSON object"),
            ("[\"sesame\"]", "it is no JSON object"),
            ("{} sesame", "it is no JSON (line 1, column 4)"),
        ] {
            let path = folder.path().join("config.json");
            std::fs::write(&path, text).unwrap();
            let told = DockerConfig::at(path.clone()).unwrap_err().to_string();
            assert_eq!(told, format!("read {}: {why}", path.display()));
        }
    }
}
