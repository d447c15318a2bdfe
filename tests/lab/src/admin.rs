//! The lab's own pages on the endpoint's port, under `/_lab/`, in JSON.

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use std::time::Duration;

use crate::answer::{Body, json_answer};
use crate::front::{Act, Fault, Front, query_value};
use crate::lab::Served;

/// A fault as JSON: `{"front", "method", "path", "times", "act": {"status": {…}}}`.
#[derive(Debug, Deserialize)]
struct FaultText {
    #[serde(default = "upstream")]
    front: String,
    method: Option<String>,
    path: String,
    times: Option<usize>,
    every: Option<usize>,
    act: ActText,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActText {
    Status {
        status: u16,
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    Answer {
        status: u16,
        #[serde(default)]
        headers: Vec<(String, String)>,
        #[serde(default)]
        body: String,
    },
    Header(String, String),
    RemoveHeader(String),
    DelayMs(u64),
    CutBody(usize),
    CutRequest(usize),
    SlowBodyMs(u64),
    Truncate(usize),
    Corrupt,
    IgnoreRange,
    WrongDigest,
    RelativeLocation,
    LocationOnOtherHost,
    Hold,
}

fn upstream() -> String {
    "upstream".to_owned()
}

/// Answers one request.
pub(crate) async fn answer(served: &Served, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, 1 << 20).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let query = head.uri.query().unwrap_or_default();
    let page = head.uri.path().trim_start_matches("/_lab/");
    let (status, value) = match run(served, &head.method, page, query, &body) {
        Ok(value) => (StatusCode::OK, value),
        Err(refused) => refused,
    };
    json_answer(status, &value)
}

type Refused = (StatusCode, Value);

fn refused(status: StatusCode, why: &str) -> Refused {
    (status, json!({"message": why}))
}

fn run(served: &Served, method: &Method, page: &str, query: &str, body: &[u8]) -> Result<Value, Refused> {
    match (method.as_str(), page) {
        ("GET", "requests") if query_value(query, "front").as_deref() == Some("api") => {
            Ok(json!(served.regions.first().map(crate::EcrRegion::api_requests)))
        }
        ("GET", "requests") => Ok(json!(front(served, query)?.requests())),
        ("DELETE", "requests") => {
            clear(served);
            Ok(json!({}))
        }
        ("GET", "messages") => Ok(json!(served.webhook.messages())),
        ("GET", "images") => Ok(images(served, query)),
        ("POST", "faults") => add_fault(served, body),
        ("DELETE", "faults") => {
            let fronts = served.regions.iter().flat_map(|it| [it.front(), it.blobs()]);
            fronts.chain([&served.upstream]).for_each(Front::clear_faults);
            Ok(json!({}))
        }
        ("DELETE", "tag") => {
            let value = |key| query_value(query, key).unwrap_or_default();
            let removed = served.upstream.remove_tag(&value("repository"), &value("tag"));
            removed.map_err(|why| refused(StatusCode::NOT_FOUND, &format!("{why:#}")))?;
            Ok(json!({}))
        }
        ("POST", "release") => {
            front(served, query)?.release();
            Ok(json!({}))
        }
        ("POST", "login") => {
            let region = served.regions.first();
            let region = region.ok_or_else(|| refused(StatusCode::NOT_FOUND, "there is no region"))?;
            let repository = query_value(query, "repository").unwrap_or_default();
            if !region.repositories().contains(&repository) {
                region.create_repository(&repository);
            }
            Ok(json!({"password": region.issue_token()}))
        }
        ("POST", "revoke") => {
            served.regions.iter().for_each(crate::EcrRegion::revoke_tokens);
            Ok(json!({}))
        }
        _ => Err(refused(StatusCode::NOT_FOUND, "no such page")),
    }
}

/// The front a query names: `ecr`, `blobs` (of the first region), or `upstream`.
fn front<'a>(served: &'a Served, query: &str) -> Result<&'a Front, Refused> {
    named(served, query_value(query, "front").as_deref().unwrap_or("upstream"))
}

fn named<'a>(served: &'a Served, name: &str) -> Result<&'a Front, Refused> {
    let region = served.regions.first();
    let front = match name {
        "upstream" => Some(&served.upstream),
        "ecr" => region.map(crate::EcrRegion::front),
        "blobs" => region.map(crate::EcrRegion::blobs),
        _ => None,
    };
    let text = "fronts are: ecr, blobs, upstream";
    front.ok_or_else(|| refused(StatusCode::BAD_REQUEST, text))
}

fn clear(served: &Served) {
    for region in &served.regions {
        region.front().clear_requests();
        region.blobs().clear_requests();
        region.clear_api_requests();
    }
    served.upstream.clear_requests();
    served.webhook.clear();
}

/// The images of one repository, or of all, by name.
fn images(served: &Served, query: &str) -> Value {
    let wanted = query_value(query, "repository");
    let mut all = json!({});
    for region in &served.regions {
        for name in region.repositories() {
            if wanted.as_ref().is_none_or(|wanted| *wanted == name) {
                all[&name] = json!(region.images(&name));
            }
        }
    }
    all
}

fn add_fault(served: &Served, body: &[u8]) -> Result<Value, Refused> {
    let wrong = |why: String| refused(StatusCode::BAD_REQUEST, &why);
    let text: FaultText = serde_json::from_slice(body).map_err(|why| wrong(why.to_string()))?;
    let fault = Fault {
        method: text.method,
        path: text.path,
        times: text.times,
        every: text.every,
        act: text.act.act(),
    };
    let front = named(served, &text.front)?;
    front.try_fault(fault).map_err(|why| wrong(format!("{why:#}")))?;
    Ok(json!({}))
}

impl ActText {
    fn act(self) -> Act {
        match self {
            ActText::Status {
                status,
                code,
                message,
                headers,
            } => Act::Status {
                status,
                code,
                message,
                headers,
            },
            ActText::Answer { status, headers, body } => Act::Answer {
                status,
                headers,
                body: body.into_bytes(),
            },
            ActText::Header(name, value) => Act::Header(name, value),
            ActText::RemoveHeader(name) => Act::RemoveHeader(name),
            ActText::DelayMs(time) => Act::Delay(Duration::from_millis(time)),
            ActText::CutBody(bytes) => Act::CutBody(bytes),
            ActText::CutRequest(bytes) => Act::CutRequest(bytes),
            ActText::SlowBodyMs(time) => Act::SlowBody(Duration::from_millis(time)),
            ActText::Truncate(bytes) => Act::Truncate(bytes),
            ActText::Corrupt => Act::Corrupt,
            ActText::IgnoreRange => Act::IgnoreRange,
            ActText::RelativeLocation => Act::RelativeLocation,
            ActText::LocationOnOtherHost => Act::LocationOnOtherHost,
            ActText::WrongDigest => Act::WrongDigest,
            ActText::Hold => Act::Hold,
        }
    }
}
