//! A real registry (distribution), and the way to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::BodyExt;
use hyper::header::{AUTHORIZATION, CONNECTION, HeaderValue, TRANSFER_ENCODING};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::answer::{Body, full, registry_error};
use crate::chance;
use crate::process::{Command, Supervised, until_ready};
use crate::tools;

/// In every answer of a backend, so that another server on the same port is noticed.
const IDENTITY: &str = "x-ecr-lab-backend";

/// Which registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Software {
    /// Debian's docker-registry, distribution 2.8.
    #[default]
    Distribution2,
    /// distribution 3, which `scripts/tools` builds.
    Distribution3,
}

/// A running registry.
#[derive(Debug)]
pub(crate) struct Backend {
    server: Supervised,
    way: Way,
}

/// How to reach a backend; cheap to copy.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    host: String,
    storage: PathBuf,
    client: Client<HttpConnector, Body>,
}

impl Backend {
    /// Starts one with its storage in `folder/name`.
    pub(crate) async fn start(folder: &Path, name: &str, software: Software) -> Result<Backend> {
        let home = folder.join(name);
        fs::create_dir_all(&home).context("create the registry's folder")?;
        let mut failures = Vec::new();
        for _ in 0..5 {
            match Backend::start_once(&home, software).await {
                Ok(backend) => return Ok(backend),
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
        bail!("the registry does not start: {}", failures.join("; "))
    }

    async fn start_once(home: &Path, software: Software) -> Result<Backend> {
        let host = format!("127.0.0.1:{}", chance::free_port()?);
        let identity = chance::hex(16);
        let config = home.join("config.yml");
        fs::write(&config, configuration(home, &host, &identity))?;
        let line = vec![software.program()?, "serve".to_owned(), config.display().to_string()];
        let command = Command {
            // Or distribution 3 looks for a collector of traces.
            environment: vec![("OTEL_TRACES_EXPORTER", PathBuf::from("none"))],
            ..Command::new(home, "docker-registry", line)
        };
        let server = Supervised::start(command)?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let way = Way {
            host,
            storage: home.join("storage"),
            client,
        };
        let ready = || async { way.identity().await.as_deref() == Some(identity.as_str()) };
        until_ready(&server, Duration::from_secs(20), ready).await?;
        Ok(Backend { server, way })
    }

    pub(crate) fn way(&self) -> &Way {
        &self.way
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// Asks the server to end, without waiting for it.
    pub(crate) fn hang_up(&self) {
        self.server.hang_up();
    }

    /// Ends the server and waits for that.
    pub(crate) fn end(&mut self) {
        self.server.end();
    }
}

impl Software {
    fn program(self) -> Result<String> {
        match self {
            Software::Distribution2 => Ok("docker-registry".to_owned()),
            Software::Distribution3 => tools::program("registry"),
        }
    }
}

impl Way {
    /// `127.0.0.1:PORT` of the docker-registry itself.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Sends a request on, body streamed, and streams the answer back. The Host header stays, so
    /// that the backend's Location headers name the front.
    pub(crate) async fn forward(&self, mut request: Request<Body>) -> Response<Body> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let Ok(uri) = format!("http://{}{path}", self.host).parse::<Uri>() else {
            return registry_error(StatusCode::BAD_REQUEST, "UNSUPPORTED", "no valid address");
        };
        *request.uri_mut() = uri;
        for name in [AUTHORIZATION, CONNECTION, TRANSFER_ENCODING] {
            request.headers_mut().remove(name);
        }
        match self.client.request(request).await {
            Ok(mut response) => {
                response.headers_mut().remove(IDENTITY);
                response.headers_mut().remove(CONNECTION);
                response.map(|body| body.map_err(Into::into).boxed_unsync())
            }
            Err(error) => {
                let why = format!("the lab's docker-registry: {error}");
                registry_error(StatusCode::BAD_GATEWAY, "UNAVAILABLE", &why)
            }
        }
    }

    /// Removes a tag and nothing else, which docker-registry's own API cannot do: it deletes a
    /// manifest with all its tags.
    pub(crate) fn remove_tag(&self, repository: &str, tag: &str) -> Result<()> {
        let repository_folder = self.storage.join("docker/registry/v2/repositories");
        let tags = repository_folder.join(repository).join("_manifests/tags");
        fs::remove_dir_all(tags.join(tag)).with_context(|| format!("no tag {repository}:{tag}"))
    }

    /// All manifests and indexes of a repository, with their digests; none when there is no such repository.
    pub(crate) fn manifests(&self, repository: &str) -> Vec<(String, Vec<u8>)> {
        let root = self.storage.join("docker/registry/v2");
        let revisions = root
            .join("repositories")
            .join(repository)
            .join("_manifests/revisions/sha256");
        let revisions = fs::read_dir(revisions).into_iter().flatten().flatten();
        let read = |hex: String| {
            let blob = root.join("blobs/sha256").join(hex.get(..2)?).join(&hex).join("data");
            fs::read(blob).ok().map(|manifest| (format!("sha256:{hex}"), manifest))
        };
        // A deleted one keeps its folder, without the link.
        let linked = revisions.filter(|revision| revision.path().join("link").exists());
        linked
            .filter_map(|revision| read(revision.file_name().into_string().ok()?))
            .collect()
    }

    async fn identity(&self) -> Option<String> {
        let uri: Uri = format!("http://{}/v2/", self.host).parse().ok()?;
        let mut request = Request::new(full(""));
        *request.uri_mut() = uri;
        request
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
        let response = self.client.request(request).await.ok()?;
        let identity = response.headers().get(IDENTITY)?.to_str().ok()?;
        (response.status() == StatusCode::OK).then(|| identity.to_owned())
    }
}

/// No blob descriptor cache: content that is set up or removed behind the front must show at once.
fn configuration(home: &Path, host: &str, identity: &str) -> String {
    let storage = home.join("storage");
    format!(
        "version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: '{}'
  delete:
    enabled: true
  maintenance:
    uploadpurging:
      enabled: false
validation:
  manifests:
    urls:
      allow: ['^https?://']
http:
  addr: {host}
  headers:
    {IDENTITY}: [{identity}]
",
        storage.display()
    )
}
