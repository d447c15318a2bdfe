//! Repositories that come about.

use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageScanningConfiguration, ImageTagMutability,
    ImageTagMutabilityExclusionFilter, ImageTagMutabilityExclusionFilterType, RctAppliedFor,
    RepositoryCreationTemplate, Tag,
};

use super::{Ecr, PAGE};
use crate::aws::{AwsError, Trouble};
use crate::mapping::{Encryption, Mutability, NewRepository};

/// A repository that was not created as it should be.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct NotCreated {
    /// What did not work.
    pub source: AwsError,
    /// It is there without that, for it could not be removed again.
    pub left: Option<AwsError>,
}

/// What goes with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Nothing: it has no images.
    None,
    /// All its images.
    All,
}

impl From<AwsError> for NotCreated {
    fn from(source: AwsError) -> Self {
        Self { source, left: None }
    }
}

/// The prefix of the template for whatever no other template is for (Amazon ECR User Guide, "Repository creation templates").
const ROOT: &str = "ROOT";

impl Ecr {
    /// Creates a repository, unless it has come about meanwhile; answers whether it did. One that does not become what it should be is
    /// removed again.
    ///
    /// # Errors
    /// What AWS does not do, of the repository or of its policies.
    pub async fn create(&self, name: &str, new: &NewRepository) -> Result<bool, NotCreated> {
        match self.create_repository(name, new).await {
            Err(error) if error.trouble == Trouble::Exists => return Ok(false),
            created => created?,
        }
        match self.set_policies(name, new).await {
            Ok(()) => Ok(true),
            Err(source) => Err(NotCreated {
                source,
                left: self.delete_repository(name, Contents::None).await.err(),
            }),
        }
    }

    async fn create_repository(&self, name: &str, new: &NewRepository) -> Result<(), AwsError> {
        const CALL: &str = "CreateRepository";
        tracing::debug!("ask AWS: {CALL} {name}");
        let odd = |error| AwsError::odd_answer(CALL, format!("of {name}"), error);
        let filters = new.mutability_exclusion_filters.iter().map(|filter| {
            ImageTagMutabilityExclusionFilter::builder()
                .filter_type(ImageTagMutabilityExclusionFilterType::Wildcard)
                .filter(filter)
                .build()
        });
        let filters: Vec<_> = filters.collect::<Result<_, _>>().map_err(odd)?;
        let tags = new
            .tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build());
        let tags: Vec<_> = tags.collect::<Result<_, _>>().map_err(odd)?;
        let encryption = EncryptionConfiguration::builder()
            .encryption_type(match new.encryption_type {
                Encryption::Aes256 => EncryptionType::Aes256,
                Encryption::Kms => EncryptionType::Kms,
                Encryption::KmsDsse => EncryptionType::KmsDsse,
            })
            .set_kms_key(new.kms_key.clone());
        let created = self
            .client
            .create_repository()
            .set_registry_id(self.account.clone())
            .repository_name(name)
            .image_tag_mutability(match (new.image_tag_mutability, filters.is_empty()) {
                (Mutability::Mutable, true) => ImageTagMutability::Mutable,
                (Mutability::Mutable, false) => ImageTagMutability::MutableWithExclusion,
                (Mutability::Immutable, true) => ImageTagMutability::Immutable,
                (Mutability::Immutable, false) => ImageTagMutability::ImmutableWithExclusion,
            })
            .set_image_tag_mutability_exclusion_filters((!filters.is_empty()).then_some(filters))
            .image_scanning_configuration(
                ImageScanningConfiguration::builder()
                    .scan_on_push(new.scan_on_push)
                    .build(),
            )
            .encryption_configuration(encryption.build().map_err(odd)?)
            .set_tags((!tags.is_empty()).then_some(tags))
            .send()
            .await;
        match created {
            Ok(_) => Ok(()),
            Err(error) => Err(AwsError::of_sdk(CALL, format!("of {name}"), error)),
        }
    }

    async fn set_policies(&self, name: &str, new: &NewRepository) -> Result<(), AwsError> {
        if let Some(policy) = &new.lifecycle_policy {
            const CALL: &str = "PutLifecyclePolicy";
            tracing::debug!("ask AWS: {CALL} of {name}");
            let call = self
                .client
                .put_lifecycle_policy()
                .set_registry_id(self.account.clone())
                .repository_name(name)
                .lifecycle_policy_text(policy);
            let put = call.send().await;
            put.map_err(|error| AwsError::of_sdk(CALL, format!("of {name}"), error))?;
        }
        if let Some(policy) = &new.policy {
            const CALL: &str = "SetRepositoryPolicy";
            tracing::debug!("ask AWS: {CALL} of {name}");
            let call = self
                .client
                .set_repository_policy()
                .set_registry_id(self.account.clone())
                .repository_name(name)
                .policy_text(policy);
            let set = call.send().await;
            set.map_err(|error| AwsError::of_sdk(CALL, format!("of {name}"), error))?;
        }
        Ok(())
    }

    /// Deletes a repository. One that is to be empty and is not stays: whoever pushed there meanwhile keeps it.
    ///
    /// # Errors
    /// What AWS does not do.
    pub async fn delete_repository(&self, name: &str, contents: Contents) -> Result<(), AwsError> {
        const CALL: &str = "DeleteRepository";
        tracing::debug!("ask AWS: {CALL} {name}");
        let call = self
            .client
            .delete_repository()
            .set_registry_id(self.account.clone())
            .repository_name(name)
            .force(contents == Contents::All);
        let deleted = call.send().await;
        deleted.map_err(|error| AwsError::of_sdk(CALL, format!("of {name}"), error))?;
        Ok(())
    }

    /// The registry's repository creation templates: their prefixes, and whether they are for what something is pushed to.
    ///
    /// # Errors
    /// Where AWS does not tell.
    pub async fn creation_templates(&self) -> Result<Vec<(String, bool)>, AwsError> {
        const CALL: &str = "DescribeRepositoryCreationTemplates";
        tracing::debug!("ask AWS: {CALL} in {}", self.region);
        let mut pages = self
            .client
            .describe_repository_creation_templates()
            .max_results(PAGE)
            .into_paginator()
            .send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AwsError::of_sdk(CALL, format!("in {}", self.region), error))?;
            let templates = page.repository_creation_templates().iter();
            let on_push = |one: &RepositoryCreationTemplate| one.applied_for().contains(&RctAppliedFor::CreateOnPush);
            all.extend(templates.filter_map(|one| Some((one.prefix()?.to_owned(), on_push(one)))));
        }
        Ok(all)
    }
}

/// Whether a repository of this name is created when something is pushed to it: the template with the longest prefix is for it, and that
/// for all others where there is none.
pub fn is_created_on_push(templates: &[(String, bool)], name: &str) -> bool {
    let length = |prefix: &str| match prefix {
        ROOT => Some(0),
        prefix => {
            let prefix = prefix.trim_end_matches('/');
            let rest = name.strip_prefix(prefix)?;
            rest.starts_with('/').then_some(prefix.len())
        }
    };
    let own = templates
        .iter()
        .filter_map(|(prefix, on_push)| Some((length(prefix)?, *on_push)));
    own.max().is_some_and(|(_, on_push)| on_push)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_for_what_its_prefix_is_before() {
        // Amazon ECR User Guide, "Repository creation templates": the prefix gets a / at its end, and ROOT is for all others.
        for (prefix, name, expected) in [
            ("prod", "prod/app", true),
            ("prod", "prod/team/app", true),
            ("prod/", "prod/app", true),
            ("prod", "prod", false),
            ("prod", "production/app", false),
            ("ROOT", "production/app", true),
        ] {
            let templates = [(prefix.to_owned(), true)];
            assert_eq!(is_created_on_push(&templates, name), expected, "{prefix} {name}");
        }
        let of_root = [("ROOT".to_owned(), true), ("cache".to_owned(), false)];
        assert!(is_created_on_push(&of_root, "team/app"));
        assert!(
            !is_created_on_push(&of_root, "cache/app"),
            "its own template is for something else"
        );
    }
}
