use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::pages;
use super::status::Status;

/// How long one connection may last. It carries one request: who is slow holds a place for so long, and no longer.
const LONGEST: Duration = Duration::from_secs(10);
/// How many connections are there at once; for another one the oldest has to go.
const AT_ONCE: usize = 64;
/// Bytes of a request's head.
const LARGEST_HEAD: usize = 16 * 1024;
/// After which a connection is let in again, where the system had none to give.
const PAUSE: Duration = Duration::from_millis(100);

/// The HTTP server that tells of a process: `/healthz` and `/metrics`. Dropped, it is gone.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    closing: CancellationToken,
    serving: JoinHandle<JoinSet<()>>,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address} (serve.listen)")]
pub struct DoorError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

impl Door {
    /// Listens on an address; port 0 is one that is free.
    pub async fn open(listen: SocketAddr, status: watch::Receiver<Status>) -> Result<Self, DoorError> {
        let of = |source| DoorError {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(of)?;
        let address = listener.local_addr().map_err(of)?;
        let closing = CancellationToken::new();
        Ok(Self {
            address,
            serving: tokio::spawn(let_in(listener, status, closing.clone())),
            closing,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets nobody in any more; who is in has so long to end. The address is free at once.
    pub async fn close(mut self, patience: Duration) {
        self.closing.cancel();
        let mut inside = (&mut self.serving).await.unwrap_or_default();
        let all = async { while inside.join_next().await.is_some() {} };
        // Who is still in then is put out.
        let _ = timeout(patience, all).await;
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Answers those who are in at the end.
async fn let_in(listener: TcpListener, status: watch::Receiver<Status>, closing: CancellationToken) -> JoinSet<()> {
    let mut inside = JoinSet::new();
    let mut by_age = VecDeque::<AbortHandle>::new();
    loop {
        tokio::select! {
            () = closing.cancelled() => return inside,
            Some(_) = inside.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    by_age.retain(|one| !one.is_finished());
                    // It had the longest time to ask: who says nothing keeps no probe waiting.
                    if by_age.len() >= AT_ONCE
                        && let Some(oldest) = by_age.pop_front()
                    {
                        oldest.abort();
                    }
                    by_age.push_back(inside.spawn(converse(stream, status.clone(), LONGEST)));
                }
                // Out of descriptors, say. That passes, and is not hurried.
                Err(_) => sleep(PAUSE).await,
            },
        }
    }
}

async fn converse(stream: TcpStream, status: watch::Receiver<Status>, longest: Duration) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = pages::answer(request.method(), request.uri().path(), &status.borrow(), Instant::now());
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // A client that breaks off has nothing to be told.
    let _ = timeout(longest, connection).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn opened() -> (Door, watch::Sender<Status>) {
        let (sender, receiver) = watch::channel(Status::new(Duration::from_secs(60)));
        let door = Door::open(([127, 0, 0, 1], 0).into(), receiver).await.unwrap();
        (door, sender)
    }

    /// All that is answered to these bytes until the connection is closed.
    async fn said(door: &Door, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(door.address()).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // A server that has heard enough may break off while the rest is on its way.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn one_request_is_one_connection_and_a_long_head_is_refused() {
        let (door, _status) = opened().await;
        let answer = said(&door, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\"state\":\"idle\""), "{answer}");
        let long = format!(
            "GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
            "x".repeat(LARGEST_HEAD)
        );
        let answer = said(&door, long.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
        door.close(Duration::from_secs(1)).await;
    }

    #[tokio::test]
    async fn who_says_nothing_is_put_out() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        silent.write_all(b"GET /healthz HTT").await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (_status, receiver) = watch::channel(Status::new(Duration::from_secs(60)));
        let conversation = converse(stream, receiver, Duration::from_millis(50));
        timeout(Duration::from_secs(30), conversation).await.unwrap();
        assert_eq!(silent.read_to_end(&mut Vec::new()).await.unwrap_or_default(), 0);
    }

    #[tokio::test]
    async fn silent_ones_keep_nobody_out() {
        let (door, _status) = opened().await;
        let mut silent = Vec::new();
        for _ in 0..2 * AT_ONCE {
            silent.push(TcpStream::connect(door.address()).await.unwrap());
        }
        let asked = said(&door, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = timeout(LONGEST / 2, asked).await.expect("before their time is over");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_and_free_once_the_door_is_closed() {
        let (door, status) = opened().await;
        let address = door.address();
        let error = Door::open(address, status.subscribe()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("listen on {address} (serve.listen)"));
        let _silent = TcpStream::connect(address).await.unwrap();
        door.close(Duration::ZERO).await;
        Door::open(address, status.subscribe()).await.unwrap();
    }
}
