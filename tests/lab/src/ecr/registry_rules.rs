//! The rules of ECR's registry, in front of a plain one.

use std::sync::Arc;

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, LOCATION};
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::account::Account;
use super::blob_rules::Signer;
use super::repository::Status;
use super::tokens::Worth;
use crate::answer::{Body, empty, full, read_all, registry_error, with_header};
use crate::backend::Way;
use crate::front::{Asked, basic_login, query_value, referrers_page, subject_of, tag_page, without_query};

/// ECR takes manifests up to this size.
const LARGEST_MANIFEST: usize = 4 << 20;

/// What ECR does about referrers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EcrReferrers {
    /// It has the API of OCI 1.1.
    #[default]
    Supported,
    /// It answers 405 to the API, and to a push of a manifest with a subject.
    Refused405,
}

/// How ECR's registry behaves.
#[derive(Debug)]
pub(crate) struct RegistryRules {
    pub(crate) account: Arc<Account>,
    pub(crate) blob_mounting: bool,
    pub(crate) referrers: EcrReferrers,
    /// Set when blob reads are redirected.
    pub(crate) redirect: Option<Signer>,
}

impl RegistryRules {
    pub(crate) fn refusal(&self, request: &Request<Body>) -> Option<Response<Body>> {
        let worth = match basic_login(request) {
            Some((user, password)) if user == "AWS" => self.account.tokens.worth(&password),
            _ => Worth::Unknown,
        };
        match worth {
            Worth::Valid => None,
            Worth::Expired => Some(registry_error(
                StatusCode::FORBIDDEN,
                "DENIED",
                "Your authorization token has expired. Reauthenticate and try again.",
            )),
            Worth::Unknown => {
                let realm = &self.account.proxy_endpoint;
                let challenge = format!("Basic realm=\"{realm}/\",service=\"ecr.amazonaws.com\"");
                let mut refusal = empty(StatusCode::UNAUTHORIZED);
                *refusal.body_mut() = full("Not Authorized\n");
                Some(with_header(refusal, "WWW-Authenticate", &challenge))
            }
        }
    }

    pub(crate) async fn work(&self, request: Request<Body>, way: &Way) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let asked = Asked::parse(&path);
        if let Asked::Upload { repository } = asked
            && request.method() == Method::POST
        {
            self.account.create_on_push(repository);
        }
        if let Some(name) = asked.repository()
            && !self.account.repositories().contains_key(name)
        {
            let text = format!(
                "The repository with name '{name}' does not exist in the registry with id '{}'",
                self.account.id
            );
            return registry_error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", &text);
        }
        let method = request.method().clone();
        match asked {
            Asked::Base if reads(&method) => way.forward(request).await,
            Asked::Tags { repository } if method == Method::GET => self.tags(repository, &request),
            Asked::Manifest { repository, reference } if reads(&method) => {
                if self.note_pull(repository, reference, method == Method::GET) {
                    return way.forward(request).await;
                }
                let text = "Requested image not found";
                registry_error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", text)
            }
            Asked::Manifest { repository, reference } if method == Method::PUT => {
                self.write_manifest(request, way, repository, reference).await
            }
            Asked::Blob { repository, digest } if reads(&method) => match &self.redirect {
                Some(signer) if method == Method::GET => redirected(&signer.sign(repository, digest)),
                _ => way.forward(request).await,
            },
            Asked::Upload { .. } => self.upload(request, way).await,
            Asked::Referrers { repository, digest }
                if method == Method::GET && self.referrers == EcrReferrers::Supported =>
            {
                self.referrers(repository, digest, &request)
            }
            _ => unsupported(),
        }
    }

    fn referrers(&self, name: &str, subject: &str, request: &Request<Body>) -> Response<Body> {
        let manifests = self.account.with_repository(name, |repository| {
            let images = repository.images.iter();
            let active = images.filter(|(_, image)| image.status == Status::Active);
            let manifests = active.map(|(digest, image)| (digest.clone(), image.manifest.to_vec()));
            manifests.collect::<Vec<_>>()
        });
        let query = request.uri().query().unwrap_or_default();
        let page_size = self.account.limits.page_size;
        referrers_page(name, subject, manifests.unwrap_or_default(), query, page_size)
    }

    fn tags(&self, name: &str, request: &Request<Body>) -> Response<Body> {
        let tags = self.account.with_repository(name, |repository| {
            let active = repository
                .images
                .values()
                .filter(|image| image.status == Status::Active);
            active.flat_map(|image| image.tags.iter().cloned()).collect()
        });
        let query = request.uri().query().unwrap_or_default();
        tag_page(name, tags.unwrap_or_default(), query, self.account.limits.page_size)
    }

    /// Whether the account has such an image: its record decides, the backend only answers it.
    fn note_pull(&self, name: &str, reference: &str, pull: bool) -> bool {
        let found = self.account.with_repository(name, |repository| {
            let digest = match reference.contains(':') {
                true => Some(reference.to_owned()),
                false => repository.digest_of(reference),
            };
            let image = digest.and_then(|digest| repository.images.get_mut(&digest));
            match image {
                Some(image) if image.status == Status::Active => {
                    if pull {
                        image.pulled_at = Some(Timestamp::now());
                    }
                    true
                }
                _ => false,
            }
        });
        found.unwrap_or(false)
    }

    async fn write_manifest(&self, request: Request<Body>, way: &Way, name: &str, reference: &str) -> Response<Body> {
        let tag = (!reference.contains(':')).then_some(reference);
        if let Some(refusal) = self.fixed_tag(name, tag) {
            return refusal;
        }
        let media_type = request.headers().get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().to_owned();
        let (head, body) = request.into_parts();
        let Some(manifest) = read_all(body, LARGEST_MANIFEST).await else {
            let text = "The manifest is too large or broke off";
            return registry_error(StatusCode::BAD_REQUEST, "SIZE_INVALID", text);
        };
        let subject = subject_of(&manifest);
        if subject.is_some() && self.referrers == EcrReferrers::Refused405 {
            return unsupported();
        }
        let request = Request::from_parts(head, full(manifest.clone()));
        let mut response = way.forward(request).await;
        if response.status() == StatusCode::CREATED {
            self.record(name, tag, &media_type, manifest);
            if tag.is_none() {
                // As ECR answers.
                response.headers_mut().remove(LOCATION);
            }
            if let Some(subject) = subject {
                response = with_header(response, "OCI-Subject", &subject);
            }
        }
        response
    }

    fn fixed_tag(&self, name: &str, tag: Option<&str>) -> Option<Response<Body>> {
        let tag = tag?;
        let fixed = self
            .account
            .with_repository(name, |repository| repository.tag_is_fixed(tag));
        if !matches!(fixed, Ok(true)) {
            return None;
        }
        let text = format!(
            "The image tag '{tag}' already exists in the '{name}' repository and cannot be \
             overwritten because the repository is immutable."
        );
        Some(registry_error(StatusCode::BAD_REQUEST, "TAG_INVALID", &text))
    }

    fn record(&self, name: &str, tag: Option<&str>, content_type: &str, manifest: Bytes) {
        let digest = format!("sha256:{:x}", Sha256::digest(&manifest));
        let parsed: Value = serde_json::from_slice(&manifest).unwrap_or_default();
        let media_type = parsed["mediaType"].as_str().unwrap_or(content_type).to_owned();
        let _ = self.account.with_repository(name, |repository| {
            repository.record(&digest, tag, &media_type, manifest);
        });
    }

    /// Without blob mounting a mount begins an upload, as the specification allows.
    async fn upload(&self, request: Request<Body>, way: &Way) -> Response<Body> {
        let query = request.uri().query().unwrap_or_default();
        if self.blob_mounting || query_value(query, "mount").is_none() {
            return way.forward(request).await;
        }
        way.forward(without_query(request)).await
    }
}

fn unsupported() -> Response<Body> {
    let text = "The operation is unsupported.";
    registry_error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", text)
}

fn reads(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn redirected(address: &str) -> Response<Body> {
    let response = empty(StatusCode::TEMPORARY_REDIRECT);
    with_header(response, LOCATION.as_str(), address)
}
