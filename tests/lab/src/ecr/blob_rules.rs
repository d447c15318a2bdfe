//! Where ECR's registry redirects blob reads to: signed addresses of another host, as of S3.

use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::answer::{Body, answer};
use crate::backend::Way;
use crate::chance;
use crate::front::query_value;

/// Makes addresses that the blob host accepts.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    host: String,
    secret: String,
}

impl Signer {
    pub(crate) fn new(host: &str) -> Signer {
        Signer {
            host: host.to_owned(),
            secret: chance::hex(32),
        }
    }

    pub(crate) fn sign(&self, repository: &str, digest: &str) -> String {
        let path = format!("/starport-layer-bucket/{repository}/{digest}");
        let seal = self.seal(&path);
        format!("http://{}{path}?X-Amz-Expires=3600&X-Amz-Signature={seal}", self.host)
    }

    fn seal(&self, path: &str) -> String {
        format!("{:x}", Sha256::digest(format!("{}\n{path}", self.secret)))
    }
}

/// What the blob host insists on.
#[derive(Debug)]
pub(crate) struct BlobRules {
    pub(crate) signer: Signer,
}

impl BlobRules {
    pub(crate) fn refusal(&self, request: &Request<Body>) -> Option<Response<Body>> {
        if request.headers().contains_key(AUTHORIZATION) {
            let text = "Only one auth mechanism allowed; only the X-Amz-Algorithm query \
                        parameter, Signature query string parameter or the Authorization header \
                        should be specified";
            return Some(refused(StatusCode::BAD_REQUEST, "InvalidArgument", text));
        }
        let seal = query_value(request.uri().query().unwrap_or_default(), "X-Amz-Signature");
        if seal != Some(self.signer.seal(request.uri().path())) {
            let text = "The request signature we calculated does not match the signature you provided.";
            return Some(refused(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", text));
        }
        None
    }

    pub(crate) async fn work(&self, mut request: Request<Body>, way: &Way) -> Response<Body> {
        let path = request.uri().path();
        let blob = path.strip_prefix("/starport-layer-bucket/");
        let blob = blob.and_then(|blob| blob.rsplit_once('/'));
        let uri = blob.and_then(|(repository, digest)| format!("/v2/{repository}/blobs/{digest}").parse().ok());
        match uri {
            Some(uri) if request.method() == Method::GET || request.method() == Method::HEAD => {
                *request.uri_mut() = uri;
                way.forward(request).await
            }
            _ => refused(StatusCode::FORBIDDEN, "AccessDenied", "Access Denied"),
        }
    }
}

fn refused(status: StatusCode, code: &str, text: &str) -> Response<Body> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Error><Code>{code}</Code><Message>{text}</Message></Error>"
    );
    answer(status, "application/xml", xml)
}
