//! An HTTP/1.1 server on a free loopback port, on hyper itself: a handler can
//! close the connection without an answer, which the frameworks do not offer.

use std::future::Future;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::answer::{Body, Closed};

/// A bound port that does not serve yet, for handlers which must know their own address.
#[derive(Debug)]
pub(crate) struct Port {
    listener: TcpListener,
    address: SocketAddr,
}

impl Port {
    /// Binds a free port of 127.0.0.1.
    pub(crate) async fn bind() -> Result<Port> {
        Port::bind_at("127.0.0.1").await
    }

    /// Binds a free port of another loopback address: to clients, another host.
    pub(crate) async fn bind_at(address: &str) -> Result<Port> {
        let listener = TcpListener::bind((address, 0)).await.context("bind a loopback port")?;
        let address = listener.local_addr()?;
        Ok(Port { listener, address })
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Serves until the returned value is dropped.
    pub(crate) fn serve<H, Fut>(self, handler: H) -> Serving
    where
        H: Fn(Request<Incoming>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<Response<Body>, Closed>> + Send + 'static,
    {
        Serving(tokio::spawn(accept(self.listener, handler)))
    }
}

/// A running server; dropping it closes all its connections.
#[derive(Debug)]
pub(crate) struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept<H, Fut>(listener: TcpListener, handler: H)
where
    H: Fn(Request<Incoming>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<Response<Body>, Closed>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let handler = handler.clone();
        connections.spawn(async move {
            let service = service_fn(handler);
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A broken connection is the client's to notice.
            let _ = connection.await;
        });
    }
}
