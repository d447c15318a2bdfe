//! An HTTP/1.1 server on a free loopback port, on hyper itself: a handler can
//! close the connection without an answer, which the frameworks do not offer.

use std::future::Future;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use futures::future::join_all;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::answer::{Body, Closed};

/// A bound port that does not serve yet, for handlers which must know their own address.
pub(crate) struct Port {
    listeners: Vec<TcpListener>,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
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
        Ok(Port {
            listeners: vec![listener],
            address,
            tls: None,
        })
    }

    /// Binds a free port of 127.0.0.1, and the same of 127.0.0.2.
    pub(crate) async fn bind_twice() -> Result<Port> {
        for _ in 0..20 {
            let mut port = Port::bind().await?;
            // Someone may have it there.
            if let Ok(other) = TcpListener::bind(("127.0.0.2", port.address.port())).await {
                port.listeners.push(other);
                return Ok(port);
            }
        }
        bail!("find a port that is free on 127.0.0.1 and on 127.0.0.2")
    }

    /// Speaks TLS, and nothing else.
    #[must_use]
    pub(crate) fn tls(mut self, acceptor: Option<TlsAcceptor>) -> Port {
        self.tls = acceptor;
        self
    }

    /// `http`, or `https` with TLS.
    pub(crate) fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "https",
            None => "http",
        }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// `127.0.0.2:PORT`, whether or not it is bound there.
    pub(crate) fn other_host(&self) -> String {
        format!("127.0.0.2:{}", self.address.port())
    }

    /// Serves until the returned value is dropped.
    pub(crate) fn serve<H, Fut>(self, handler: H) -> Serving
    where
        H: Fn(Request<Incoming>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<Response<Body>, Closed>> + Send + 'static,
    {
        let tls = self.tls;
        let listeners = self.listeners.into_iter();
        let all = join_all(listeners.map(move |listener| accept(listener, tls.clone(), handler.clone())));
        Serving(tokio::spawn(async move {
            all.await;
        }))
    }
}

/// A running server; dropping it closes all its connections.
#[derive(Debug)]
pub(crate) struct Serving(JoinHandle<()>);

impl Serving {
    /// Ends it from elsewhere.
    pub(crate) fn ender(&self) -> AbortHandle {
        self.0.abort_handle()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept<H, Fut>(listener: TcpListener, tls: Option<TlsAcceptor>, handler: H)
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
        let (tls, handler) = (tls.clone(), handler.clone());
        connections.spawn(async move {
            match tls {
                None => converse(stream, handler).await,
                Some(tls) => {
                    // A handshake that fails is the client's to notice.
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, handler).await;
                    }
                }
            }
        });
    }
}

async fn converse<S, H, Fut>(stream: S, handler: H)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> Fut,
    Fut: Future<Output = Result<Response<Body>, Closed>> + Send + 'static,
{
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(handler));
    // So is a broken connection. Upgrades are for CONNECT.
    let _ = connection.with_upgrades().await;
}
