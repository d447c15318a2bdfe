//! A way to S3 on which answers get lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::answer::{Body, Closed, empty};
use crate::s3::S3;
use crate::server::{Port, Serving};

/// Another endpoint of an S3. Dropping it closes all its connections.
#[derive(Debug)]
pub struct Lossy {
    inner: Arc<Inner>,
    endpoint: String,
    _serving: Serving,
}

#[derive(Debug)]
struct Inner {
    behind: String,
    part: String,
    left: AtomicUsize,
    client: Client<HttpConnector, Incoming>,
}

impl S3 {
    /// An endpoint where the first `times` objects with `part` in their key are written, and who does is told that it failed.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn losing(&self, part: &str, times: usize) -> Result<Lossy> {
        let port = Port::bind().await?;
        let endpoint = format!("http://{}", port.host());
        let inner = Arc::new(Inner {
            behind: self.endpoint().to_owned(),
            part: part.to_owned(),
            left: AtomicUsize::new(times),
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        let handler = inner.clone();
        let serving = port.serve(move |request| {
            let handler = handler.clone();
            async move { handler.answer(request).await }
        });
        Ok(Lossy {
            inner,
            endpoint,
            _serving: serving,
        })
    }
}

impl Lossy {
    /// `http://127.0.0.1:PORT`, as in `AWS_ENDPOINT_URL_S3`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// How many answers are still to get lost.
    pub fn left(&self) -> usize {
        self.inner.left.load(Ordering::SeqCst)
    }
}

impl Inner {
    async fn answer(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Closed> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let is_meant = request.method() == Method::PUT && path.contains(&self.part);
        let uri: Uri = format!("{}{path}", self.behind).parse().map_err(|_| Closed)?;
        *request.uri_mut() = uri;
        let answer = self.client.request(request).await.map_err(|_| Closed)?;
        let one_less = |left: usize| left.checked_sub(1);
        let is_lost = is_meant
            && self
                .left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
                .is_ok();
        Ok(match is_lost {
            true => empty(StatusCode::INTERNAL_SERVER_ERROR),
            false => answer.map(|body| body.map_err(Into::into).boxed_unsync()),
        })
    }
}
