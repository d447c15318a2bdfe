//! How each act is done.

use hyper::body::Body as _;
use hyper::header::{CONTENT_LENGTH, HeaderValue, IF_RANGE, LOCATION, RANGE};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};

use super::fault::Act;
use super::spoiled;
use crate::answer::{Body, Closed, empty, full, registry_error, with_header};

/// What an act does before the request is worked on: an answer in its place, or nothing.
pub(super) async fn before(act: &Act, request: &mut Request<Body>) -> Result<Option<Response<Body>>, Closed> {
    match act {
        Act::Delay(time) => tokio::time::sleep(*time).await,
        Act::CutRequest(bytes) => {
            spoiled::read_some(request.body_mut(), *bytes).await;
            return Err(Closed);
        }
        // Of a request without a body it would make one that has one.
        Act::SlowBody(wait) if !request.body().is_end_stream() => {
            let body = std::mem::replace(request.body_mut(), full(""));
            *request.body_mut() = spoiled::slowed(body, *wait);
        }
        Act::IgnoreRange => {
            request.headers_mut().remove(RANGE);
            request.headers_mut().remove(IF_RANGE);
        }
        Act::Status {
            status,
            code,
            message,
            headers,
        } => {
            // Servers linger so: a client that still writes when the connection is closed may not come to read the answer.
            let mut rest = std::mem::replace(request.body_mut(), full(""));
            tokio::spawn(async move { spoiled::read_some(&mut rest, usize::MAX).await });
            let error = registry_error(status_code(*status), code, message);
            return Ok(Some(with_headers(error, headers)));
        }
        Act::Answer { status, headers, body } => {
            let mut answer = empty(status_code(*status));
            answer.headers_mut().insert(CONTENT_LENGTH, body.len().into());
            if request.method() != Method::HEAD {
                *answer.body_mut() = full(body.clone());
            }
            return Ok(Some(with_headers(answer, headers)));
        }
        // Nothing, or something elsewhere.
        Act::Hold
        | Act::SlowBody(_)
        | Act::Header(..)
        | Act::RemoveHeader(_)
        | Act::CutBody(_)
        | Act::Truncate(_)
        | Act::Corrupt
        | Act::WrongDigest
        | Act::RelativeLocation
        | Act::LocationOnOtherHost => {}
    }
    Ok(None)
}

/// What the acts make of the answer.
pub(super) fn after(acts: &[Act], response: Response<Body>) -> Response<Body> {
    acts.iter().fold(response, |response, act| changed(act, response))
}

fn changed(act: &Act, response: Response<Body>) -> Response<Body> {
    match act {
        Act::Header(name, value) => with_header(response, name, value),
        Act::RemoveHeader(name) => without_header(response, name),
        Act::WrongDigest => {
            let wrong = format!("sha256:{}", "0bad".repeat(16));
            with_header(response, "Docker-Content-Digest", &wrong)
        }
        Act::CutBody(bytes) => response.map(|body| spoiled::cut_after(body, *bytes)),
        Act::Truncate(bytes) => truncated(response, *bytes),
        Act::Corrupt => response.map(spoiled::with_another_end),
        Act::RelativeLocation => with_location(response, relative),
        Act::LocationOnOtherHost => with_location(response, on_other_host),
        // These were done before.
        Act::Status { .. }
        | Act::Answer { .. }
        | Act::Delay(_)
        | Act::Hold
        | Act::CutRequest(_)
        | Act::SlowBody(_)
        | Act::IgnoreRange => response,
    }
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn with_headers(response: Response<Body>, headers: &[(String, String)]) -> Response<Body> {
    let add = |to, (name, value): &(String, String)| with_header(to, name, value);
    headers.iter().fold(response, add)
}

fn without_header(mut response: Response<Body>, name: &str) -> Response<Body> {
    response.headers_mut().remove(name);
    match CONTENT_LENGTH.as_str().eq_ignore_ascii_case(name) {
        // The server would write the length that it knows.
        true => response.map(spoiled::of_unknown_length),
        false => response,
    }
}

fn truncated(mut response: Response<Body>, bytes: usize) -> Response<Body> {
    if let Some(whole) = length(response.headers()) {
        let length = HeaderValue::from(whole.min(bytes));
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    response.map(|body| spoiled::end_after(body, bytes))
}

fn length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn with_location(response: Response<Body>, change: impl Fn(&Uri) -> Option<String>) -> Response<Body> {
    let location = response.headers().get(LOCATION);
    let location = location.and_then(|location| location.to_str().ok()?.parse::<Uri>().ok());
    match location.and_then(|location| change(&location)) {
        Some(changed) => with_header(response, LOCATION.as_str(), &changed),
        None => response,
    }
}

fn relative(location: &Uri) -> Option<String> {
    location.scheme()?;
    location.path_and_query().map(ToString::to_string)
}

fn on_other_host(location: &Uri) -> Option<String> {
    let scheme = location.scheme()?;
    let port = location.authority()?.as_str().strip_prefix("127.0.0.1")?;
    let rest = location.path_and_query()?;
    Some(format!("{scheme}://127.0.0.2{port}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_changed_only_where_it_can_be() {
        let uri = |text: &str| text.parse::<Uri>().unwrap();
        let absolute = uri("http://127.0.0.1:5000/v2/a/blobs/uploads/1?_state=x");
        let path = "/v2/a/blobs/uploads/1?_state=x";
        assert_eq!(relative(&absolute).as_deref(), Some(path));
        assert_eq!(on_other_host(&absolute), Some(format!("http://127.0.0.2:5000{path}")));
        assert_eq!(relative(&uri(path)), None);
        assert_eq!(on_other_host(&uri("http://127.0.0.2:5000/")), None);
    }
}
