//! One account in one region, as tests see it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use hyper::body::Bytes;
use serde_json::Value;

use super::account::{Account, ApiFault, ApiRequest, Limits};
use super::blob_rules::{BlobRules, Signer};
use super::cache_rule::CacheRule;
use super::operations;
use super::registry_rules::RegistryRules;
use super::repository::{ImageRecord, Mutability, Repository, Status};
use crate::backend::{Backend, Software};
use crate::front::{Front, Rules};
use crate::lab::LabOptions;
use crate::server::Port;

/// ECR of one account in one region: its registry, and what the lab knows of it.
#[derive(Debug)]
pub struct EcrRegion {
    account: Arc<Account>,
    front: Front,
    blobs: Front,
    backend: Backend,
}

impl EcrRegion {
    pub(crate) async fn start(
        folder: &Path,
        id: &str,
        region: &str,
        options: &LabOptions,
        limits: Limits,
    ) -> Result<EcrRegion> {
        let backend = Backend::start(folder, &format!("ecr-{id}-{region}"), Software::Distribution2).await?;
        // On the way to another host, and only there, clients leave the login behind.
        let (port, blob_port) = (Port::bind_twice().await?, Port::bind_at("127.0.0.2").await?);
        let account = Arc::new(Account::new(id, region, &port.host(), limits));
        let signer = Signer::new(&blob_port.host());
        let rules = RegistryRules {
            account: account.clone(),
            blob_mounting: options.blob_mounting,
            referrers: options.ecr_referrers,
            redirect: options.redirect_blobs.then(|| signer.clone()),
        };
        let blob_rules = BlobRules { signer };
        let way = backend.way();
        Ok(EcrRegion {
            account,
            front: Front::start(port, Rules::Ecr(rules), way.clone()),
            blobs: Front::start(blob_port, Rules::Blobs(blob_rules), way.clone()),
            backend,
        })
    }

    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The account's id.
    pub fn account_id(&self) -> &str {
        &self.account.id
    }

    /// The region's name.
    pub fn name(&self) -> &str {
        &self.account.region
    }

    /// `127.0.0.1:PORT` of the registry.
    pub fn host(&self) -> &str {
        self.front.host()
    }

    /// The registry.
    pub fn front(&self) -> &Front {
        &self.front
    }

    /// Where blob reads are redirected to; its log and its faults are its own.
    pub fn blobs(&self) -> &Front {
        &self.blobs
    }

    /// Creates a repository whose tags may move; one that exists is emptied.
    pub fn create_repository(&self, name: &str) {
        self.create(name, Mutability::Mutable);
    }

    /// Creates a repository whose tags may not move.
    pub fn create_immutable_repository(&self, name: &str) {
        self.create(name, Mutability::Immutable { except: Vec::new() });
    }

    /// Creates a repository whose tags may not move, except those that a filter matches (`*`: any text).
    pub fn create_immutable_repository_except(&self, name: &str, filters: &[&str]) {
        let except = filters.iter().map(|filter| (*filter).to_owned()).collect();
        self.create(name, Mutability::Immutable { except });
    }

    /// Gives a repository resource tags; without it nothing happens.
    pub fn tag_repository(&self, name: &str, tags: &[(&str, &str)]) {
        if let Some(found) = self.account.repositories().get_mut(name) {
            let tags = tags.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
            found.resource_tags.extend(tags);
        }
    }

    /// Forgets a repository and its images.
    pub fn remove_repository(&self, name: &str) {
        self.account.repositories().remove(name);
    }

    /// Notes an image under a tag as if it had been pushed: it is listed, and its content is nowhere. Without the repository nothing
    /// happens.
    pub fn list_image(&self, repository: &str, tag: &str, media_type: &str, manifest: &str) {
        let digest = crate::images::digest(manifest.as_bytes());
        let manifest = Bytes::copy_from_slice(manifest.as_bytes());
        if let Some(found) = self.account.repositories().get_mut(repository) {
            found.record(&digest, Some(tag), media_type, manifest);
        }
    }

    fn create(&self, name: &str, mutability: Mutability) {
        let repository = Repository::new(mutability);
        self.account.repositories().insert(name.to_owned(), repository);
    }

    /// Adds a rule of the pull through cache: repositories with this prefix come from that registry. The rule
    /// is only listed; nothing is pulled by it.
    pub fn pull_through_cache(&self, prefix: &str, upstream: &str) {
        let rule = CacheRule::new(upstream);
        self.account.cache_rules().insert(prefix.to_owned(), rule);
    }

    /// Adds a repository creation template for a prefix, or for `ROOT`: for `CREATE_ON_PUSH`, `PULL_THROUGH_CACHE` or `REPLICATION`.
    pub fn creation_template(&self, prefix: &str, applied_for: &[&str]) {
        let applied_for = applied_for.iter().map(|&one| one.to_owned()).collect();
        self.account.templates().insert(prefix.to_owned(), applied_for);
    }

    /// The names of all repositories, sorted.
    pub fn repositories(&self) -> Vec<String> {
        self.account.repositories().keys().cloned().collect()
    }

    /// All images of a repository, oldest first; none when there is no such repository.
    pub fn images(&self, repository: &str) -> Vec<ImageRecord> {
        let records = self.account.with_repository(repository, |found| found.records());
        records.unwrap_or_default()
    }

    /// The digest that a tag names.
    pub fn digest_of(&self, repository: &str, tag: &str) -> Option<String> {
        let digest = self.account.with_repository(repository, |found| found.digest_of(tag));
        digest.ok().flatten()
    }

    /// The manifest or index with this digest.
    pub fn manifest(&self, repository: &str, digest: &str) -> Option<String> {
        let manifest = self.account.with_repository(repository, |found| {
            let image = found.images.get(digest)?;
            Some(String::from_utf8_lossy(&image.manifest).into_owned())
        });
        manifest.ok().flatten()
    }

    /// Puts an image into the archive: no listing and no pull shows it unless asked.
    ///
    /// # Errors
    /// When there is no such image.
    pub fn archive(&self, repository: &str, digest: &str) -> Result<()> {
        let mut repositories = self.account.repositories();
        let found = repositories.get_mut(repository);
        let image = found.and_then(|found| found.images.get_mut(digest));
        image.with_context(|| format!("no image {repository}@{digest}"))?.status = Status::Archived;
        Ok(())
    }

    /// A password for user `AWS`, as GetAuthorizationToken hands out.
    pub fn issue_token(&self) -> String {
        self.account.tokens.issue().0
    }

    /// All passwords handed out so far are expired from now on.
    pub fn revoke_tokens(&self) {
        self.account.tokens.expire_all();
    }

    /// What the API answers to a call: to look at what a program did. It is not logged.
    ///
    /// # Errors
    /// When it answers an exception: its name and text.
    pub fn ask(&self, action: &str, body: &Value) -> Result<Value> {
        operations::run(&self.account, action, body).map_err(|error| anyhow!("{}: {}", error.code, error.message))
    }

    /// All calls of the API since the last clearing.
    pub fn api_requests(&self) -> Vec<ApiRequest> {
        self.account.requests().clone()
    }

    /// Forgets the calls so far.
    pub fn clear_api_requests(&self) {
        self.account.requests().clear();
    }

    /// Adds a fault of the API.
    pub fn api_fault(&self, fault: ApiFault) {
        self.account.faults().push(fault);
    }

    /// Removes all faults of the API.
    pub fn clear_api_faults(&self) {
        self.account.faults().clear();
    }
}
