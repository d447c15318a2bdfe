//! How a repository comes about that is named and not there.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What is done about a target's repository that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Creation {
    /// Nothing: what would go there is passed over, and the command is told that creates it.
    #[default]
    Never,
    /// It is created like this.
    With(NewRepository),
    /// ECR itself creates it when something is pushed, by one of the registry's repository creation templates.
    ByTemplate,
}

/// A repository to be created, in the words of ECR's API (API reference, CreateRepository).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NewRepository {
    /// Whether its tags may move.
    pub image_tag_mutability: Mutability,
    /// Tags for which it is the other way round; `*` stands for any characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mutability_exclusion_filters: Vec<String>,
    /// Whether ECR scans each image that is pushed.
    #[serde(default)]
    pub scan_on_push: bool,
    /// How ECR encrypts what is in it.
    #[serde(default)]
    pub encryption_type: Encryption,
    /// The key of KMS for that; none for the one that AWS keeps for ECR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
    /// When images expire: the JSON of a lifecycle policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle_policy: Option<String>,
    /// Who may do what: the JSON of a repository policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Its resource tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// Whether tags may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mutability {
    /// They may.
    #[default]
    Mutable,
    /// They stay with the image that they were pushed with.
    Immutable,
}

/// How what is in a repository is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Encryption {
    /// By keys that S3 keeps.
    #[default]
    #[serde(rename = "AES256")]
    Aes256,
    /// By a key of KMS.
    #[serde(rename = "KMS")]
    Kms,
    /// Twice, by a key of KMS.
    #[serde(rename = "KMS_DSSE")]
    KmsDsse,
}

impl fmt::Display for NewRepository {
    /// What it will be like, in few words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.image_tag_mutability {
            Mutability::Mutable => "tags may move",
            Mutability::Immutable => "tags are immutable",
        })?;
        if !self.mutability_exclusion_filters.is_empty() {
            write!(f, " but for {}", self.mutability_exclusion_filters.join(", "))?;
        }
        let said = [
            (self.scan_on_push, "scanned on push"),
            (self.encryption_type == Encryption::Kms, "encrypted by KMS"),
            (self.encryption_type == Encryption::KmsDsse, "encrypted twice by KMS"),
            (self.lifecycle_policy.is_some(), "with a lifecycle policy"),
            (self.policy.is_some(), "with a repository policy"),
        ];
        for (_, words) in said.iter().filter(|(is_said, _)| *is_said) {
            write!(f, ", {words}")?;
        }
        match self.tags.len() {
            0 => Ok(()),
            1 => f.write_str(", with 1 resource tag"),
            tags => write!(f, ", with {tags} resource tags"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_repository_is_told_by_what_is_not_usual() {
        assert_eq!(NewRepository::default().to_string(), "tags may move");
        let new = NewRepository {
            image_tag_mutability: Mutability::Immutable,
            mutability_exclusion_filters: vec!["latest".to_owned(), "dev-*".to_owned()],
            scan_on_push: true,
            encryption_type: Encryption::Kms,
            tags: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
            ..NewRepository::default()
        };
        assert_eq!(
            new.to_string(),
            "tags are immutable but for latest, dev-*, scanned on push, encrypted by KMS, with 1 resource tag"
        );
    }

    #[test]
    fn it_is_saved_in_the_words_of_ecr_s_api() {
        let new = NewRepository {
            image_tag_mutability: Mutability::Immutable,
            encryption_type: Encryption::KmsDsse,
            ..NewRepository::default()
        };
        let json = serde_json::to_value(&new).unwrap();
        assert_eq!(json["image_tag_mutability"], "IMMUTABLE");
        assert_eq!(json["encryption_type"], "KMS_DSSE");
        assert_eq!(serde_json::from_value::<NewRepository>(json).unwrap(), new);
    }
}
