//! Logins at registries. A password never comes along: the environment is to say it, and the reason names the variable.

use super::draft::Draft;
use super::section::Item;
use crate::aws::ecr::account_and_region;
use crate::settings::variable_of_registry;

/// A user name or password, and where the file says it.
pub(super) struct Said<'a> {
    pub(super) item: Item<'a>,
    pub(super) word: Word,
}

/// What is said there.
pub(super) enum Word {
    /// The word itself, where it is no secret.
    Name(String),
    /// A secret.
    Secret,
    /// It is kept elsewhere: where.
    Elsewhere(String),
}

/// How a file refers to what is not in it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Templates {
    /// It does not.
    None,
    /// Go's: `{{env "NAME"}}` and `{{file "/path"}}`.
    Go,
    /// `$NAME` and `${NAME}`, in any part of a text.
    Shell,
}

impl<'a> Said<'a> {
    /// A user name; none where it is empty.
    pub(super) fn username(item: Option<Item<'a>>, templates: Templates, draft: &mut Draft) -> Option<Self> {
        Self::of(item, templates, draft, |text| Word::Name(text.to_owned()))
    }

    /// A password; none where it is empty.
    pub(super) fn password(item: Option<Item<'a>>, templates: Templates, draft: &mut Draft) -> Option<Self> {
        Self::of(item, templates, draft, |_| Word::Secret)
    }

    fn of(
        item: Option<Item<'a>>,
        templates: Templates,
        draft: &mut Draft,
        word: impl Fn(&str) -> Word,
    ) -> Option<Self> {
        let item = item?;
        let text = item.text(draft).filter(|text| !text.is_empty())?;
        let word = elsewhere(text, templates).map_or_else(|| word(text), Word::Elsewhere);
        Some(Self { item, word })
    }
}

/// Notes who logs in at a registry.
pub(super) fn log_in(draft: &mut Draft, host: &str, username: Option<Said<'_>>, password: Option<Said<'_>>) {
    if account_and_region(host).is_some() {
        for said in username.into_iter().chain(password) {
            draft.leave(
                &said.item,
                "a registry of ECR is logged in to with AWS's own credentials",
            );
        }
        return;
    }
    let known = draft.hosts.get(host).filter(|said| !said.in_environment.is_empty());
    let is_other = |said: &Said<'_>| match (&said.word, known.map(|known| &known.username)) {
        (_, None) => false,
        (Word::Name(name), Some(known)) => known.as_ref() != Some(name),
        (_, Some(known)) => known.is_some(),
    };
    match (username, password) {
        (Some(username), Some(_)) if is_other(&username) => {
            draft.leave(
                &username.item,
                "a registry has one login here, and another is said before",
            );
        }
        (Some(username), Some(password)) => {
            note(draft, host, "username", username);
            note(draft, host, "password", password);
        }
        (Some(one), None) => draft.leave(&one.item, "a user name without a password says nothing"),
        (None, Some(one)) => draft.leave(&one.item, "a password without a user name says nothing"),
        (None, None) => {}
    }
}

fn note(draft: &mut Draft, host: &str, key: &'static str, said: Said<'_>) {
    let variable = variable_of_registry(host, key);
    let place = draft.said(&said.item);
    let known = draft.host(host, &said.item);
    let why = match said.word {
        Word::Name(name) => {
            known.username = Some(name);
            return;
        }
        Word::Secret => format!("a secret is not written: set {variable}"),
        Word::Elsewhere(place) => format!("set {variable} to {place}"),
    };
    known.in_environment.insert(key);
    known.told.push((place, why));
}

fn elsewhere(text: &str, templates: Templates) -> Option<String> {
    match templates {
        Templates::None => None,
        Templates::Go => {
            let inner = text.contains("{{").then_some(text)?.trim();
            let inner = inner.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
            let call = inner.map_or("", str::trim).split_once(' ');
            let call = call.and_then(|(function, rest)| Some((function, argument(rest)?)));
            Some(match call {
                Some(("env", name)) => format!("what {name} holds"),
                Some(("file", path)) => format!("the content of {path}"),
                _ => "what its template comes to".to_owned(),
            })
        }
        Templates::Shell => {
            let (before, name) = text.split_once('$')?;
            let name = name
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix('}'))
                .unwrap_or(name);
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            Some(match before.is_empty() && is_name {
                true => format!("what {name} holds"),
                false => "what it comes to with its variables filled in".to_owned(),
            })
        }
    }
}

/// The one argument of a call. Whatever else a template has in it may be a part of the secret.
fn argument(text: &str) -> Option<&str> {
    let text = text.trim();
    let inner = ['"', '`']
        .iter()
        .find_map(|&quote| text.strip_prefix(quote)?.strip_suffix(quote))?;
    (!inner.contains(['"', '`', '{', '}', '|', ' '])).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_tells_where_the_word_is_kept() {
        for (text, templates, expected) in [
            (r#"{{env "HUB_USER"}}"#, Templates::Go, Some("what HUB_USER holds")),
            (
                r#"{{ file "/run/secrets/hub" }}"#,
                Templates::Go,
                Some("the content of /run/secrets/hub"),
            ),
            (r#"a{{ "hunter2" }}"#, Templates::Go, Some("what its template comes to")),
            (r#"{{ "hunter2" }}"#, Templates::Go, Some("what its template comes to")),
            (
                r#"{{env "A"}}hunter2{{env "B"}}"#,
                Templates::Go,
                Some("what its template comes to"),
            ),
            (
                r#"{{ file "a" | printf "hunter2%s" }}"#,
                Templates::Go,
                Some("what its template comes to"),
            ),
            ("hunter2", Templates::Go, None),
            ("${TOKEN}", Templates::Shell, Some("what TOKEN holds")),
            ("$TOKEN", Templates::Shell, Some("what TOKEN holds")),
            (
                "$hunter-2",
                Templates::Shell,
                Some("what it comes to with its variables filled in"),
            ),
            (
                "robot$TOKEN",
                Templates::Shell,
                Some("what it comes to with its variables filled in"),
            ),
            ("hunter2", Templates::Shell, None),
            ("$TOKEN", Templates::None, None),
        ] {
            assert_eq!(elsewhere(text, templates).as_deref(), expected, "{text}");
        }
    }
}
