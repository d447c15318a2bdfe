//! `create_repositories` and `repositories`: what is done about a repository that is not there. `environment`: which ones belong together.

use super::keys::{Key, key};
use super::reader::Reader;
use super::values::{choice, content, flag, text};
use crate::mapping::{Creation, Encryption, EnvironmentMatch, Mutability, NewRepository};

/// In the order of `settings.yaml`.
pub(super) const OF_REPOSITORIES: [Key; 10] = [
    key("create_repositories", Some("never"), "never or settings or template")
        .choice(&["never", "settings", "template"])
        .about(
            "What is done about a repository that images name and that is not there: nothing, and the command is told that creates it (never); it is created \
             as repositories says (settings); ECR creates it by a repository creation template (template).",
        ),
    key("repositories.image_tag_mutability", Some("MUTABLE"), "MUTABLE or IMMUTABLE")
        .choice(&["MUTABLE", "IMMUTABLE"])
        .about("Whether the tags of a new repository may move."),
    key(
        "repositories.mutability_exclusion_filters",
        None,
        "a list of up to 5 filters, such as latest or dev-*",
    )
    .list()
    .about("Tags of a new repository for which it is the other way round; * stands for any characters."),
    key("repositories.scan_on_push", Some("false"), "true or false")
        .flag()
        .about("Whether ECR scans each image that is pushed to a new repository."),
    key("repositories.encryption_type", Some("AES256"), "AES256 or KMS or KMS_DSSE")
        .choice(&["AES256", "KMS", "KMS_DSSE"])
        .about("How ECR encrypts what is in a new repository."),
    key("repositories.kms_key", None, "a key's ARN, id or alias, beside encryption_type: KMS")
        .about("The KMS key for that. Without it, the one that AWS keeps for ECR."),
    key("repositories.lifecycle_policy", None, "a file with a lifecycle policy in JSON")
        .about("The lifecycle policy of a new repository."),
    key("repositories.policy", None, "a file with a repository policy in JSON")
        .about("The repository policy of a new repository: who else may pull from it."),
    key("repositories.tags.*", None, "text of up to 256 characters")
        .about("Resource tags of a new repository, by their keys."),
    key("environment.match", Some("part"), "part or prefix or suffix")
        .choice(&["part", "prefix", "suffix"])
        .about("Where in a repository's name --environment is looked for: a whole part of its path, its beginning, or its end."),
];

/// The most exclusion filters of a repository (API reference, CreateRepository).
const FILTERS: usize = 5;

/// The longest filter, and the most `*` in one (API reference, ImageTagMutabilityExclusionFilter).
const LONGEST: usize = 128;
const WILDCARDS: usize = 2;

/// What `create_repositories` may be.
#[derive(Debug, Clone, Copy)]
enum Word {
    Never,
    Settings,
    Template,
}

impl Reader {
    pub(super) fn creation(&mut self, new: Option<NewRepository>) -> Option<Creation> {
        let word = self.parse("create_repositories", |text| {
            choice(
                text,
                &[
                    ("never", Word::Never),
                    ("settings", Word::Settings),
                    ("template", Word::Template),
                ],
            )
        });
        Some(match word? {
            Word::Never => Creation::Never,
            Word::Settings => Creation::With(new?),
            Word::Template => Creation::ByTemplate,
        })
    }

    pub(super) fn environment_match(&mut self) -> Option<EnvironmentMatch> {
        let choices = [
            ("part", EnvironmentMatch::Part),
            ("prefix", EnvironmentMatch::Prefix),
            ("suffix", EnvironmentMatch::Suffix),
        ];
        self.parse("environment.match", |text| choice(text, &choices))
    }

    pub(super) fn new_repository(&mut self) -> Option<NewRepository> {
        let mutability = [("MUTABLE", Mutability::Mutable), ("IMMUTABLE", Mutability::Immutable)];
        let image_tag_mutability = self.parse("repositories.image_tag_mutability", |text| choice(text, &mutability));
        let filters = self.parse_told("repositories.mutability_exclusion_filters", filters);
        let scan_on_push = self.parse("repositories.scan_on_push", flag);
        let encryptions = [
            ("AES256", Encryption::Aes256),
            ("KMS", Encryption::Kms),
            ("KMS_DSSE", Encryption::KmsDsse),
        ];
        let encryption_type = self.parse("repositories.encryption_type", |text| choice(text, &encryptions));
        let kms_key = self.parse("repositories.kms_key", text);
        if kms_key.is_some() && encryption_type == Some(Encryption::Aes256) {
            self.lacks(
                &["repositories", "kms_key"],
                "repositories.encryption_type: KMS or KMS_DSSE",
            );
        }
        let lifecycle_policy = self.parse_told("repositories.lifecycle_policy", json);
        let policy = self.parse_told("repositories.policy", json);
        let tags = self.each("repositories.tags.*", |value| {
            (value.chars().count() <= 256).then(|| value.to_owned())
        });
        for key in self.names_in(&["repositories".to_owned(), "tags".to_owned()]) {
            if !is_tag_key(&key) {
                self.lacks(
                    &["repositories", "tags", &key],
                    "another key: one of 1 to 128 letters, digits, blanks and _ . : / = + - @, which does not begin with aws:",
                );
            }
        }
        Some(NewRepository {
            image_tag_mutability: image_tag_mutability?,
            mutability_exclusion_filters: filters.unwrap_or_default(),
            scan_on_push: scan_on_push?,
            encryption_type: encryption_type?,
            kms_key,
            lifecycle_policy,
            policy,
            tags,
        })
    }
}

/// Whether AWS takes it for a resource tag's key (AWS General Reference, "Tag naming limits and requirements").
fn is_tag_key(key: &str) -> bool {
    let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@');
    let is_aws = key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    (1..=128).contains(&key.chars().count()) && key.chars().all(is_allowed) && !is_aws
}

fn filters(text: &str) -> Result<Vec<String>, String> {
    let all: Vec<String> = text.split(',').map(|one| one.trim().to_owned()).collect();
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*');
    let is_wrong = |filter: &&String| {
        let is_fine = (1..=LONGEST).contains(&filter.len()) && filter.chars().all(is_allowed);
        !is_fine || filter.matches('*').count() > WILDCARDS
    };
    match (all.iter().find(is_wrong), all.len()) {
        (Some(wrong), _) => Err(format!(
            "{wrong:?} is none: letters, digits and . _ - with at most {WILDCARDS} * among them"
        )),
        (None, count) if count > FILTERS => Err(format!("a repository has at most {FILTERS}")),
        _ => Ok(all),
    }
}

/// The text of a file that holds JSON. What AWS makes of it shows when it is used.
fn json(text: &str) -> Result<String, String> {
    let text = String::from_utf8(content(text)?).map_err(|_| "it is not UTF-8 text".to_owned())?;
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(serde_json::Value::Object(_)) => Ok(text),
        Ok(_) => Err("it is no JSON object".to_owned()),
        Err(why) => Err(format!("it is no JSON: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_what_ecr_takes() {
        // API reference, CreateRepository and ImageTagMutabilityExclusionFilter.
        for fine in ["latest", "dev-*, *-rc*", "a,b,c,d,e"] {
            assert!(filters(fine).is_ok(), "{fine}");
        }
        for wrong in ["", "a,", "a b", "*a*b*", "a,b,c,d,e,f", "ä"] {
            assert!(filters(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_resource_tag_s_key_is_what_aws_takes() {
        // AWS General Reference, "Tag naming limits and requirements".
        for fine in ["team", "a b:c/d=e+f-g@h_i.j", "\u{e9}quipe"] {
            assert!(is_tag_key(fine), "{fine}");
        }
        for wrong in ["", "aws:x", "AWS:x", "a,b", "a*", &"k".repeat(129)] {
            assert!(!is_tag_key(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_policy_is_a_file_with_a_json_object() {
        let folder = tempfile::tempdir().unwrap();
        let told = |content: &str| {
            let path = folder.path().join("policy.json");
            std::fs::write(&path, content).unwrap();
            json(path.to_str().unwrap())
        };
        assert_eq!(told("{\"rules\": []}").unwrap(), "{\"rules\": []}");
        assert_eq!(told("[]").unwrap_err(), "it is no JSON object");
        assert!(told("{").unwrap_err().starts_with("it is no JSON: "));
        assert_eq!(json("nowhere.json").unwrap_err(), "no such file");
    }
}
