use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};

use super::status::Status;

pub(super) type Answer = Response<Full<Bytes>>;

const TEXT: &str = "text/plain; charset=utf-8";
/// Prometheus, "Exposition formats".
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// What is answered to a request, by its path alone.
pub(super) fn answer(method: &Method, path: &str, status: &Status, now: Instant) -> Answer {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match (path, reads) {
        ("/healthz", true) => health(status, now),
        ("/metrics", true) => of(StatusCode::OK, METRICS, status.page()),
        ("/healthz" | "/metrics", false) => not_allowed(),
        _ => of(
            StatusCode::NOT_FOUND,
            TEXT,
            "/healthz and /metrics are here\n".to_owned(),
        ),
    }
}

fn not_allowed() -> Answer {
    let why = "only GET and HEAD are answered\n".to_owned();
    let mut refused = of(StatusCode::METHOD_NOT_ALLOWED, TEXT, why);
    let allowed = HeaderValue::from_static("GET, HEAD");
    refused.headers_mut().insert(ALLOW, allowed);
    refused
}

fn health(status: &Status, now: Instant) -> Answer {
    let health = status.health(now);
    let code = match health.trouble {
        None => StatusCode::OK,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    match serde_json::to_string(&health) {
        Ok(json) => of(code, JSON, json + "\n"),
        Err(error) => of(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

fn of(code: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = code;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn paths_and_methods_have_their_codes() {
        let well = Status::new(Duration::from_secs(60));
        let mut stopping = well.clone();
        stopping.stopping = true;
        for (status, method, path, code) in [
            (&well, Method::GET, "/healthz", 200),
            (&well, Method::HEAD, "/healthz", 200),
            (&stopping, Method::GET, "/healthz", 503),
            (&stopping, Method::GET, "/metrics", 200),
            (&well, Method::POST, "/metrics", 405),
            (&well, Method::DELETE, "/healthz", 405),
            (&well, Method::GET, "/", 404),
            (&well, Method::POST, "/healthz/", 404),
        ] {
            let answer = answer(&method, path, status, Instant::now());
            assert_eq!(answer.status(), code, "{method} {path}");
            assert_eq!(answer.headers().contains_key(ALLOW), code == 405, "{method} {path}");
        }
    }
}
