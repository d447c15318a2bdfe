//! Rules of the pull through cache.

use jiff::Timestamp;

/// Where the repositories of a prefix come from.
#[derive(Debug, Clone)]
pub(crate) struct CacheRule {
    pub(crate) created_at: Timestamp,
    /// `registry-1.docker.io`, …
    pub(crate) upstream: String,
}

impl CacheRule {
    pub(crate) fn new(upstream: &str) -> CacheRule {
        CacheRule {
            created_at: Timestamp::now(),
            upstream: upstream.to_owned(),
        }
    }

    /// ECR's name for the registry, which only those that it knows have.
    pub(crate) fn registry(&self) -> Option<&'static str> {
        match self.upstream.as_str() {
            "registry-1.docker.io" => Some("docker-hub"),
            "public.ecr.aws" => Some("ecr-public"),
            "quay.io" => Some("quay"),
            "registry.k8s.io" => Some("k8s"),
            "ghcr.io" => Some("github-container-registry"),
            "registry.gitlab.com" => Some("gitlab-container-registry"),
            other if other.ends_with(".azurecr.io") => Some("azure-container-registry"),
            other if other.contains(".dkr.ecr.") => Some("ecr"),
            _ => None,
        }
    }
}
