//! Tag lists in pages, as the distribution specification wants them; docker-registry 2.8 has none.

use hyper::{Response, StatusCode};
use serde_json::json;

use super::path::query_value;
use crate::answer::{Body, json_answer, with_header};

/// One page of these tags, with a Link to the next when there is more.
pub(crate) fn page(repository: &str, mut tags: Vec<String>, query: &str, page_size: usize) -> Response<Body> {
    tags.sort();
    let last = query_value(query, "last");
    let wanted = query_value(query, "n").and_then(|n| n.parse().ok());
    let size = wanted.unwrap_or(page_size).min(page_size).max(1);
    let rest: Vec<String> = tags
        .into_iter()
        .filter(|tag| last.as_ref().is_none_or(|last| tag > last))
        .collect();
    let page = &rest[..rest.len().min(size)];
    let answer = json_answer(StatusCode::OK, &json!({"name": repository, "tags": page}));
    match page.last() {
        Some(last) if rest.len() > size => {
            let link = format!("</v2/{repository}/tags/list?last={last}&n={size}>; rel=\"next\"");
            with_header(answer, "Link", &link)
        }
        _ => answer,
    }
}
