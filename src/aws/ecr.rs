//! Amazon ECR: repositories, images, manifests and login tokens of one registry in one region.

mod creation;
mod deletion;
mod details;
mod hosts;
mod manifests;

pub use creation::{Contents, NotCreated, is_created_on_push};
pub use deletion::{ImageId, NotDeleted};
pub use details::{ImageDetails, RepositoryDetails, Sort, Status};
pub use hosts::{account_and_region, host_and_name};

use std::collections::BTreeMap;

use aws_sdk_ecr::Client;
use aws_sdk_ecr::config::Region;
use aws_sdk_ecr::error::ProvideErrorMetadata;
use aws_sdk_ecr::types::{ImageDetail, ImageIdentifier, ImageStatus, ImageTagMutability, Repository};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::SecretString;

use super::{AwsError, AwsOptions, Login};
use crate::image::{Digest, Kind, Tag};

/// BatchGetImage and BatchDeleteImage take at most this many ids (ECR API reference).
pub const IDS_PER_CALL: usize = 100;

/// The most that a page of a listing may hold (ECR API reference).
const PAGE: i32 = 1000;

/// One private registry: an account's in one region.
#[derive(Debug, Clone)]
pub struct Ecr {
    client: Client,
    /// Where it is not the caller's own.
    account: Option<String>,
    region: String,
}

/// A repository that ECR lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRepository {
    /// Its name in the registry.
    pub name: String,
    /// Its Amazon Resource Name.
    pub arn: String,
    /// Which of its tags stay where they are.
    pub fixed: FixedTags,
}

/// Tags that cannot be moved (Amazon ECR User Guide, "Preventing image tags from being overwritten").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FixedTags {
    /// None but those that match one of these filters, in which `*` stands for any characters.
    NoneBut(Vec<String>),
    /// All but those.
    AllBut(Vec<String>),
}

impl FixedTags {
    /// Whether `tag`, once it is there, stays where it is.
    pub fn has(&self, tag: &str) -> bool {
        let matches = |filters: &[String]| filters.iter().any(|filter| matches_filter(filter, tag));
        match self {
            Self::NoneBut(filters) => matches(filters),
            Self::AllBut(filters) => !matches(filters),
        }
    }
}

fn matches_filter(filter: &str, text: &str) -> bool {
    match filter.split_once('*') {
        None => filter == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            let mut rests = starts.map(|at| &rest[at..]);
            rests.any(|rest| matches_filter(after, rest))
        }),
    }
}

/// An image that ECR lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedImage {
    /// The manifest's or index's digest.
    pub digest: Digest,
    /// Every tag that points at it; none for an untagged image.
    pub tags: Vec<Tag>,
    /// What the digest names.
    pub kind: Kind,
}

/// A registry login as GetAuthorizationToken hands it out: good for twelve hours and the whole registry.
#[derive(Debug, Clone)]
pub struct Token {
    /// `AWS`
    pub username: String,
    /// The password, good until `expires`.
    pub password: SecretString,
    /// The registry's `host[:port]`, from the answer's proxyEndpoint.
    pub registry: String,
    /// When ECR stops to accept it.
    pub expires: Timestamp,
}

impl Ecr {
    /// The registry that `options` lead to; `account` names one that is not the caller's own.
    pub async fn connect(options: &AwsOptions, account: Option<String>) -> Result<Self, AwsError> {
        let config = options.load().await?;
        let region = config.region().map(Region::to_string).unwrap_or_default();
        Ok(Self {
            client: Client::new(&config),
            account,
            region,
        })
    }

    /// An account's own registry in a region.
    pub fn of(login: &Login, region: &str) -> Self {
        Self {
            client: Client::new(&login.ecr_at(region)),
            account: None,
            region: region.to_owned(),
        }
    }

    /// The region that is asked.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// All repositories, in no particular order.
    pub async fn repositories(&self) -> Result<Vec<ListedRepository>, AwsError> {
        tracing::debug!("ask AWS: DescribeRepositories in {}", self.region);
        let mut pages = self
            .client
            .describe_repositories()
            .set_registry_id(self.account.clone())
            .max_results(PAGE)
            .into_paginator()
            .send();
        let mut repositories = Vec::new();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| AwsError::of_sdk("DescribeRepositories", format!("in {}", self.region), error))?;
            repositories.extend(page.repositories().iter().filter_map(listed_repository));
        }
        Ok(repositories)
    }

    /// The resource tags of the repository `name`, whose Amazon Resource Name this is.
    pub async fn resource_tags(&self, name: &str, arn: &str) -> Result<BTreeMap<String, String>, AwsError> {
        const CALL: &str = "ListTagsForResource";
        tracing::debug!("ask AWS: {CALL} of {name}");
        let answer = self.client.list_tags_for_resource().resource_arn(arn).send().await;
        let answer = answer.map_err(|error| AwsError::of_sdk(CALL, format!("of {name}"), error))?;
        let tags = answer.tags().iter();
        Ok(tags.map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect())
    }

    /// The prefixes of repositories that ECR itself keeps as a cache of an upstream registry.
    pub async fn cache_prefixes(&self) -> Result<Vec<String>, AwsError> {
        const CALL: &str = "DescribePullThroughCacheRules";
        tracing::debug!("ask AWS: {CALL} in {}", self.region);
        let mut pages = self
            .client
            .describe_pull_through_cache_rules()
            .set_registry_id(self.account.clone())
            .max_results(PAGE)
            .into_paginator()
            .send();
        let mut prefixes = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AwsError::of_sdk(CALL, format!("in {}", self.region), error))?;
            let rules = page.pull_through_cache_rules().iter();
            prefixes.extend(rules.filter_map(|rule| rule.ecr_repository_prefix.clone()));
        }
        Ok(prefixes)
    }

    /// All images of a repository that can be pulled, untagged ones too.
    pub async fn images(&self, repository: &str) -> Result<Vec<ListedImage>, AwsError> {
        const CALL: &str = "DescribeImages";
        tracing::debug!("ask AWS: {CALL} of {repository}");
        let mut pages = self
            .client
            .describe_images()
            .set_registry_id(self.account.clone())
            .repository_name(repository)
            .max_results(PAGE)
            .into_paginator()
            .send();
        let mut images = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AwsError::of_sdk(CALL, format!("of {repository}"), error))?;
            for detail in page.image_details() {
                images.push(listed(detail).map_err(|why| AwsError::odd_answer(CALL, format!("of {repository}"), why))?);
            }
        }
        Ok(images)
    }

    /// The image that a tag names, where it can be pulled.
    pub async fn image(&self, repository: &str, tag: &str) -> Result<Option<ListedImage>, AwsError> {
        const CALL: &str = "DescribeImages";
        let on = || format!("of {repository}:{tag}");
        tracing::debug!("ask AWS: {CALL} {}", on());
        let request = self
            .client
            .describe_images()
            .set_registry_id(self.account.clone())
            .repository_name(repository)
            .image_ids(ImageIdentifier::builder().image_tag(tag).build());
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("ImageNotFoundException") => return Ok(None),
            Err(error) => return Err(AwsError::of_sdk(CALL, on(), error)),
        };
        // Listings leave out what is archived, and so does this.
        let is_there = |detail: &&ImageDetail| {
            detail
                .image_status()
                .is_none_or(|status| *status == ImageStatus::Active)
        };
        let detail = answer.image_details().iter().find(is_there);
        let image = detail.map(listed).transpose();
        image.map_err(|why| AwsError::odd_answer(CALL, on(), why))
    }

    /// A fresh login for the registry.
    pub async fn token(&self) -> Result<Token, AwsError> {
        const CALL: &str = "GetAuthorizationToken";
        tracing::debug!("ask AWS: {CALL} in {}", self.region);
        let on = || format!("in {}", self.region);
        let mut request = self.client.get_authorization_token();
        if let Some(account) = &self.account {
            // Deprecated as a list, and still how a token is had for another account's registry.
            #[allow(deprecated)]
            {
                request = request.registry_ids(account);
            }
        }
        let answer = request
            .send()
            .await
            .map_err(|error| AwsError::of_sdk(CALL, on(), error))?;
        let data = answer
            .authorization_data()
            .first()
            .ok_or_else(|| AwsError::odd_answer(CALL, on(), "no token in the answer"))?;
        token_of(
            data.authorization_token().unwrap_or_default(),
            data.proxy_endpoint().unwrap_or_default(),
            data.expires_at().map(|at| at.secs()),
        )
        .ok_or_else(|| AwsError::odd_answer(CALL, on(), "a token that cannot be read"))
    }
}

fn listed_repository(repository: &Repository) -> Option<ListedRepository> {
    let filters = repository.image_tag_mutability_exclusion_filters().iter();
    let filters = filters.map(|filter| filter.filter().to_owned()).collect();
    Some(ListedRepository {
        name: repository.repository_name.clone()?,
        arn: repository.repository_arn.clone()?,
        fixed: match repository.image_tag_mutability() {
            Some(ImageTagMutability::Immutable | ImageTagMutability::ImmutableWithExclusion) => {
                FixedTags::AllBut(filters)
            }
            _ => FixedTags::NoneBut(filters),
        },
    })
}

fn listed(detail: &ImageDetail) -> Result<ListedImage, String> {
    let digest = detail.image_digest().unwrap_or_default();
    Ok(ListedImage {
        digest: digest.parse().map_err(|why| format!("{why}"))?,
        tags: detail
            .image_tags()
            .iter()
            .map(|tag| tag.parse().map_err(|why| format!("{why}")))
            .collect::<Result<_, _>>()?,
        kind: Kind::of_media_type(detail.image_manifest_media_type().unwrap_or_default()),
    })
}

/// The token is base64 of `AWS:password` (ECR API reference, AuthorizationData).
pub(super) fn token_of(encoded: &str, endpoint: &str, expires: Option<i64>) -> Option<Token> {
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (username, password) = decoded.split_once(':')?;
    let registry = endpoint.split_once("://").map_or(endpoint, |(_, host)| host);
    Some(Token {
        username: username.to_owned(),
        password: password.into(),
        registry: registry.trim_end_matches('/').to_owned(),
        expires: Timestamp::from_second(expires?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_fixed_by_the_repository_s_setting_and_its_filters() {
        let filters = |all: &[&str]| all.iter().map(|&filter| filter.to_owned()).collect::<Vec<_>>();
        let immutable = FixedTags::AllBut(filters(&["dev-*", "latest", "*-rc*"]));
        let mutable = FixedTags::NoneBut(filters(&["v*"]));
        let fixed = |all: &FixedTags| -> Vec<&str> {
            let tags = ["latest", "latest2", "dev-", "dev-1", "1.0-rc1", "v1", "1.0"];
            tags.into_iter().filter(|tag| all.has(tag)).collect()
        };
        assert_eq!(fixed(&immutable), ["latest2", "v1", "1.0"]);
        assert_eq!(fixed(&mutable), ["v1"]);
    }

    #[test]
    fn a_token_is_split_into_user_and_password() {
        // "AWS:p:w" in base64, from coreutils.
        let token = token_of("QVdTOnA6dw==", "https://1.dkr.ecr.x.amazonaws.com", Some(0)).unwrap();
        assert_eq!(
            (token.username.as_str(), token.registry.as_str()),
            ("AWS", "1.dkr.ecr.x.amazonaws.com")
        );
        use secrecy::ExposeSecret;
        assert_eq!(token.password.expose_secret(), "p:w");
    }
}
