//! A registry to push to.

use anyhow::{Context, Result, bail};
use hyper::body::Bytes;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, RequestBuilder, Response, StatusCode};

use super::Built;
use super::build::digest;
use crate::ecr::EcrRegion;
use crate::front::Front;

/// A registry, and who pushes there.
#[derive(Debug, Clone)]
pub struct Place {
    host: String,
    login: Option<(String, String)>,
    client: Client,
}

impl Place {
    /// `HOST:PORT` over plain HTTP, without a login.
    pub fn new(host: &str) -> Place {
        Place {
            host: host.to_owned(),
            login: None,
            client: Client::new(),
        }
    }

    /// A front's registry itself: nothing shows in the front's log and none of its faults act.
    pub fn of(front: &Front) -> Place {
        Place::new(front.backend())
    }

    /// ECR's registry, with a new token, through all its rules.
    pub fn ecr(region: &EcrRegion) -> Place {
        Place::new(region.host()).login("AWS", &region.issue_token())
    }

    /// With a login.
    #[must_use]
    pub fn login(mut self, user: &str, password: &str) -> Place {
        self.login = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// What a tag names, if it is there.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub async fn digest_of(&self, repository: &str, tag: &str) -> Result<Option<String>> {
        let url = self.url(&format!("{repository}/manifests/{tag}"));
        let accept = "application/vnd.oci.image.index.v1+json, \
            application/vnd.docker.distribution.manifest.list.v2+json, \
            application/vnd.oci.image.manifest.v1+json, \
            application/vnd.docker.distribution.manifest.v2+json";
        let request = self.client.head(url).header("Accept", accept);
        let response = self.send(request).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let response = expect(response, StatusCode::OK, "ask for the manifest").await?;
        let digest = response.headers().get("docker-content-digest");
        let digest = digest.context("no digest in the answer")?.to_str()?;
        Ok(Some(digest.to_owned()))
    }

    pub(super) async fn push_image(&self, repository: &str, built: &Built, reference: &str) -> Result<()> {
        for (digest, bytes) in &built.blobs {
            self.push_blob(repository, digest, bytes).await?;
        }
        self.put_manifest(repository, reference, &built.media_type, &built.manifest)
            .await?;
        Ok(())
    }

    /// Puts these bytes as a manifest under a tag or a digest, whatever they are, and tells their digest.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        manifest: impl AsRef<[u8]>,
    ) -> Result<String> {
        let manifest = manifest.as_ref();
        let url = self.url(&format!("{repository}/manifests/{reference}"));
        let request = self.client.put(url).header(CONTENT_TYPE, media_type);
        let response = self.send(request.body(manifest.to_vec())).await?;
        let what = format!("put the manifest of {repository}:{reference}");
        expect(response, StatusCode::CREATED, &what).await?;
        Ok(digest(manifest))
    }

    /// Puts these bytes as a blob and tells their digest.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn put_blob(&self, repository: &str, bytes: impl AsRef<[u8]>) -> Result<String> {
        let bytes = Bytes::copy_from_slice(bytes.as_ref());
        let digest = digest(&bytes);
        self.push_blob(repository, &digest, &bytes).await?;
        Ok(digest)
    }

    /// Removes a blob from a repository.
    pub async fn delete_blob(&self, repository: &str, digest: &str) -> Result<()> {
        let url = self.url(&format!("{repository}/blobs/{digest}"));
        let response = self.send(self.client.delete(url)).await?;
        expect(
            response,
            StatusCode::ACCEPTED,
            &format!("delete a blob of {repository}"),
        )
        .await?;
        Ok(())
    }

    async fn push_blob(&self, repository: &str, digest: &str, bytes: &Bytes) -> Result<()> {
        let url = self.url(&format!("{repository}/blobs/{digest}"));
        if self.send(self.client.head(url)).await?.status() == StatusCode::OK {
            return Ok(());
        }
        let url = self.url(&format!("{repository}/blobs/uploads/"));
        let response = self.send(self.client.post(&url)).await?;
        let what = format!("begin an upload to {repository}");
        let response = expect(response, StatusCode::ACCEPTED, &what).await?;
        let location = response.headers().get(LOCATION);
        let location = location.context("no Location for the upload")?.to_str()?;
        let mut target = response.url().join(location)?;
        target.query_pairs_mut().append_pair("digest", digest);
        let response = self.send(self.client.put(target).body(bytes.clone())).await?;
        expect(response, StatusCode::CREATED, &format!("upload a blob to {repository}")).await?;
        Ok(())
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let request = match &self.login {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        };
        request.send().await.with_context(|| format!("ask {}", self.host))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/v2/{path}", self.host)
    }
}

async fn expect(response: Response, status: StatusCode, what: &str) -> Result<Response> {
    if response.status() == status {
        return Ok(response);
    }
    let got = response.status();
    let text = response.text().await.unwrap_or_default();
    bail!("{what}: {got} {text}")
}
