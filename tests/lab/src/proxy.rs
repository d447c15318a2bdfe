//! An HTTP proxy that knows which address of the lab stands in for a name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};

use crate::answer::{Body, answer, empty};
use crate::server::{Port, Serving};

/// A proxy on a loopback port, for `HTTPS_PROXY` and `HTTP_PROXY`. Dropping it closes all its connections.
#[derive(Debug)]
pub struct Proxy {
    inner: Arc<Inner>,
    host: String,
    serving: Serving,
}

#[derive(Debug)]
struct Inner {
    routes: Mutex<BTreeMap<String, String>>,
    requests: Mutex<Vec<String>>,
    // They end with it.
    tunnels: Mutex<JoinSet<()>>,
    client: Client<HttpConnector, Body>,
}

impl Proxy {
    pub(crate) async fn start() -> Result<Proxy> {
        let port = Port::bind().await?;
        let host = port.host();
        let inner = Arc::new(Inner {
            routes: Mutex::default(),
            requests: Mutex::default(),
            tunnels: Mutex::default(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        let handler = inner.clone();
        let serving = port.serve(move |request| {
            let handler = handler.clone();
            async move { Ok(handler.answer(request).await) }
        });
        Ok(Proxy { inner, host, serving })
    }

    /// Ends it from elsewhere.
    pub(crate) fn ender(&self) -> AbortHandle {
        self.serving.ender()
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> &str {
        &self.host
    }

    /// From now on this address (`127.0.0.1:PORT`) stands in for `NAME:PORT`. All other names are answered with 502.
    pub fn route(&self, name: &str, address: &str) {
        self.inner.routes().insert(name.to_owned(), address.to_owned());
    }

    /// What was asked for, in the order it came: `NAME:PORT` of each tunnel, the whole address of a request over
    /// plain HTTP.
    pub fn requests(&self) -> Vec<String> {
        self.inner.requests().clone()
    }
}

impl Inner {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        self.requests().push(request.uri().to_string());
        let tunnel = request.method() == Method::CONNECT;
        let Some(address) = self.address(request.uri(), tunnel) else {
            let text = "the lab's proxy has no such route\n";
            return answer(StatusCode::BAD_GATEWAY, "text/plain", text);
        };
        match tunnel {
            true => self.connect(&address, request).await,
            false => self.forward(&address, request).await,
        }
    }

    fn address(&self, asked: &Uri, tunnel: bool) -> Option<String> {
        let authority = asked.authority()?;
        let port = authority.port_u16().or((!tunnel).then_some(80))?;
        let name = format!("{}:{port}", authority.host());
        self.routes().get(&name).cloned()
    }

    async fn connect(&self, address: &str, request: Request<Incoming>) -> Response<Body> {
        let Ok(mut target) = TcpStream::connect(address).await else {
            return empty(StatusCode::BAD_GATEWAY);
        };
        let _ = target.set_nodelay(true);
        let mut tunnels = self.tunnels.lock().unwrap_or_else(PoisonError::into_inner);
        while tunnels.try_join_next().is_some() {}
        tunnels.spawn(async move {
            // The client's side is there when the answer is written.
            if let Ok(client) = hyper::upgrade::on(request).await {
                let _ = copy_bidirectional(&mut TokioIo::new(client), &mut target).await;
            }
        });
        empty(StatusCode::OK)
    }

    /// Over plain HTTP the whole address is in the request.
    async fn forward(&self, address: &str, request: Request<Incoming>) -> Response<Body> {
        let mut request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let Ok(uri) = format!("http://{address}{path}").parse::<Uri>() else {
            return empty(StatusCode::BAD_REQUEST);
        };
        *request.uri_mut() = uri;
        for name in [
            "connection",
            "proxy-connection",
            "proxy-authorization",
            "transfer-encoding",
        ] {
            request.headers_mut().remove(name);
        }
        match self.client.request(request).await {
            Ok(response) => response.map(|body| body.map_err(Into::into).boxed_unsync()),
            Err(_) => empty(StatusCode::BAD_GATEWAY),
        }
    }

    fn routes(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn requests(&self) -> MutexGuard<'_, Vec<String>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
