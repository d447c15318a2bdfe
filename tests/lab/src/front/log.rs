//! What a front was asked.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HOST, HeaderName, USER_AGENT};
use hyper::{Request, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answer::{Body, counted};

/// One request to a front.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Logged {
    /// When it came.
    pub at: Timestamp,
    /// The Host header: `127.0.0.1:PORT`, `127.0.0.2:PORT`, or a name that stands for it.
    pub host: String,
    /// `GET`, `PUT`, …
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// The query, empty when there was none.
    pub query: String,
    /// 0: not answered yet, or closed without an answer.
    pub status: u16,
    /// The User-Agent header.
    pub user_agent: String,
    /// `Basic` or `Bearer`: how the request showed who asks; empty when it did not.
    pub authorization: String,
    /// Bytes of the request's body that the front has read.
    pub bytes_in: u64,
    /// Bytes of the answer's body that the front has sent.
    pub bytes_out: u64,
}

#[derive(Debug)]
pub(crate) struct Entry {
    asked: Logged,
    status: AtomicU16,
    bytes_in: Arc<AtomicU64>,
    bytes_out: Arc<AtomicU64>,
}

/// All requests since the last clearing, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<Arc<Entry>>>);

impl Log {
    /// Notes a request and counts its body from here on.
    pub(crate) fn arrive(&self, request: Request<Incoming>) -> (Arc<Entry>, Request<Body>) {
        let header = |name: HeaderName| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let authorization = header(AUTHORIZATION);
        let scheme = authorization.split(' ').next().unwrap_or_default();
        let entry = Arc::new(Entry {
            asked: Logged {
                at: Timestamp::now(),
                host: header(HOST),
                method: request.method().to_string(),
                path: request.uri().path().to_owned(),
                query: request.uri().query().unwrap_or_default().to_owned(),
                status: 0,
                user_agent: header(USER_AGENT),
                authorization: scheme.to_owned(),
                bytes_in: 0,
                bytes_out: 0,
            },
            status: AtomicU16::new(0),
            bytes_in: Arc::default(),
            bytes_out: Arc::default(),
        });
        self.entries().push(entry.clone());
        let count = entry.bytes_in.clone();
        (entry, request.map(|body| counted(body, count)))
    }

    pub(crate) fn all(&self) -> Vec<Logged> {
        self.entries().iter().map(|entry| entry.now()).collect()
    }

    pub(crate) fn clear(&self) {
        self.entries().clear();
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Notes the answer and counts its body from here on.
    pub(crate) fn answered(&self, response: Response<Body>) -> Response<Body> {
        self.status.store(response.status().as_u16(), Ordering::Relaxed);
        let count = self.bytes_out.clone();
        response.map(|body| counted(body, count))
    }

    fn now(&self) -> Logged {
        Logged {
            status: self.status.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            ..self.asked.clone()
        }
    }
}
