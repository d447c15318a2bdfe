//! AWS Lambda's runtime API, for one function: hands out events, and takes what the function answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::answer::{Body, Closed, empty, json_answer, with_header};
use crate::chance;
use crate::server::{Port, Serving};

/// The paths of the AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes".
const NEXT: &str = "/2018-06-01/runtime/invocation/next";
const INVOCATION: &str = "/2018-06-01/runtime/invocation/";
const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";

/// Lambda would have ended the process at the deadline; here somebody has to see how late it was.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of one invocation.
#[derive(Debug, Clone)]
pub struct Invoked {
    /// Its id, which the function was told.
    pub id: String,
    /// How long the function took, from when it asked for the event.
    pub took: Duration,
    /// What it answered; as an error, `errorType` and `errorMessage`.
    pub answer: Result<Value, Value>,
}

/// A running API. A process with `AWS_LAMBDA_RUNTIME_API` set to its address is the function.
#[derive(Debug)]
pub struct LambdaApi {
    address: String,
    events: mpsc::UnboundedSender<Event>,
    _serving: Serving,
}

#[derive(Debug)]
struct Event {
    id: String,
    payload: Value,
    timeout: Duration,
    answer: oneshot::Sender<Invoked>,
}

#[derive(Debug)]
struct Inner {
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
    open: Mutex<BTreeMap<String, (Instant, oneshot::Sender<Invoked>)>>,
}

impl LambdaApi {
    pub(crate) async fn start() -> Result<Self> {
        let port = Port::bind().await?;
        let address = port.host();
        let (events, waiting) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            events: tokio::sync::Mutex::new(waiting),
            open: Mutex::default(),
        });
        let serving = port.serve(move |request| {
            let handler = Arc::clone(&inner);
            async move { handler.answer(request).await }
        });
        Ok(Self {
            address,
            events,
            _serving: serving,
        })
    }

    /// `HOST:PORT`, as in `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Hands an event to the function, which has so long from when it asks for it.
    ///
    /// # Errors
    /// When there is no answer, long after that.
    pub async fn invoke(&self, payload: &Value, timeout: Duration) -> Result<Invoked> {
        let (answer, answered) = oneshot::channel();
        let id = format!("{}-{}", chance::hex(4), chance::hex(6));
        let event = Event {
            id: id.clone(),
            payload: payload.clone(),
            timeout,
            answer,
        };
        self.events.send(event).context("the API has ended")?;
        match tokio::time::timeout(timeout + PATIENCE, answered).await {
            Ok(answered) => answered.context("the function failed to begin"),
            Err(_) => bail!("invocation {id}: no answer"),
        }
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, oneshot::Sender<Invoked>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Closed> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        if (&head.method, path.as_str()) == (&Method::GET, NEXT) {
            return self.next().await;
        }
        let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
        let told: Value = serde_json::from_slice(&body).unwrap_or_default();
        if path == INIT_ERROR {
            self.open().clear();
            return Ok(empty(StatusCode::ACCEPTED));
        }
        let (id, kind) = match path.strip_prefix(INVOCATION).and_then(|rest| rest.split_once('/')) {
            Some((id, kind @ ("response" | "error"))) if head.method == Method::POST => (id, kind),
            _ => return Ok(empty(StatusCode::NOT_FOUND)),
        };
        let Some((began, answer)) = self.open().remove(id) else {
            return Ok(empty(StatusCode::BAD_REQUEST));
        };
        let invoked = Invoked {
            id: id.to_owned(),
            took: began.elapsed(),
            answer: if kind == "response" { Ok(told) } else { Err(told) },
        };
        // Whoever asked may have gone.
        let _ = answer.send(invoked);
        Ok(empty(StatusCode::ACCEPTED))
    }

    async fn next(&self) -> Result<Response<Body>, Closed> {
        let event = self.events.lock().await.recv().await.ok_or(Closed)?;
        let deadline =
            Timestamp::now().as_millisecond() + i64::try_from(event.timeout.as_millis()).map_err(|_| Closed)?;
        self.open().insert(event.id.clone(), (Instant::now(), event.answer));
        let answer = json_answer(StatusCode::OK, &event.payload);
        let answer = with_header(answer, "Lambda-Runtime-Aws-Request-Id", &event.id);
        let answer = with_header(answer, "Lambda-Runtime-Deadline-Ms", &deadline.to_string());
        let arn = "arn:aws:lambda:eu-central-1:123456789012:function:ecr-keeper";
        let answer = with_header(answer, "Lambda-Runtime-Invoked-Function-Arn", arn);
        let trace = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0";
        Ok(with_header(answer, "Lambda-Runtime-Trace-Id", trace))
    }
}
