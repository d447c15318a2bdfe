//! A narrow way to a registry: all connections together bring so many bytes a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Bytes that are let through at once.
const PART: usize = 64 << 10;

/// A running one. Dropping it cuts all connections through it.
pub struct Narrow {
    host: String,
    _tasks: JoinSet<()>,
}

impl Narrow {
    /// To `host`, with `rate` bytes a second on the way back.
    pub async fn to(host: &str, rate: u64) -> Result<Narrow> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let own = listener.local_addr()?.to_string();
        let free = Arc::new(Mutex::new(Instant::now()));
        let host = host.to_owned();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (host, free) = (host.clone(), free.clone());
                connections.spawn(async move {
                    let Ok(server) = TcpStream::connect(&host).await else {
                        return;
                    };
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_server, mut to_server) = server.into_split();
                    let up = async {
                        let _ = copy(&mut from_client, &mut to_server).await;
                        let _ = to_server.shutdown().await;
                    };
                    let down = async {
                        let mut part = vec![0; PART];
                        while let Ok(length @ 1..) = from_server.read(&mut part).await {
                            tokio::time::sleep_until(turn(&free, length, rate).into()).await;
                            if to_client.write_all(&part[..length]).await.is_err() {
                                return;
                            }
                        }
                    };
                    tokio::join!(up, down);
                });
            }
        });
        Ok(Narrow {
            host: own,
            _tasks: tasks,
        })
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// When so many bytes are through, after all that came before.
fn turn(free: &Mutex<Instant>, bytes: usize, rate: u64) -> Instant {
    let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
    *free = (*free).max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / rate as f64);
    *free
}
