//! The entries of `images`: lambda-ecr-image-sync's, brought into the settings' shape, and the settings' own, which are left as they are.

use serde_json::{Map, Value};

use super::{Reader, TYPOS, is_said};

/// lambda-ecr-image-sync's word for the upstream of an entry, by which one of its entries is told from one of ours.
const IMAGE_NAME: &str = "image_name";

impl Reader {
    pub(super) fn images(&mut self, images: &Value) -> Value {
        let Value::Array(entries) = images else {
            return images.clone();
        };
        for (at, entry) in entries.iter().enumerate() {
            if let Some(meant) = entry.as_object().and_then(meant_for_name) {
                let problem = format!("no such field; did you mean {IMAGE_NAME}?");
                self.wrong(&format!("images.{}.{meant}", at + 1), problem);
            }
        }
        let entries = entries.iter().map(|entry| match entry {
            Value::Object(entry) if entry.contains_key(IMAGE_NAME) => self.image(entry),
            own => own.clone(),
        });
        entries.collect()
    }

    /// One of lambda-ecr-image-sync's. An upstream's name goes behind the prefix as it is written there: `docker.io/nginx` as `nginx`.
    fn image(&self, entry: &Map<String, Value>) -> Value {
        let mut image = entry.clone();
        // A list without anything in it is no rule there.
        image.retain(|_, value| is_said(value) && value.as_array().is_none_or(|list| !list.is_empty()));
        let own = image.remove("repo_prefix");
        let own = own
            .as_ref()
            .and_then(Value::as_str)
            .map(|own| own.trim_end_matches('/'));
        let upstream = image.remove(IMAGE_NAME).unwrap_or_default();
        if let Some(name) = upstream.as_str().map(without_host) {
            let repository = match own.or(self.prefix.as_deref()) {
                Some(prefix) => format!("{prefix}/{name}"),
                None => name.to_owned(),
            };
            image.entry("repository").or_insert(repository.into());
        }
        image.insert("upstream".to_owned(), upstream);
        let of_entry = image.get("max_results").map_or(Some(0), Value::as_i64);
        if let Some(of_entry) = of_entry {
            image.insert("max_results".to_owned(), of_entry.max(self.most).into());
        }
        Value::Object(image)
    }
}

/// The field of an entry that was most likely meant to be that.
fn meant_for_name(entry: &Map<String, Value>) -> Option<&String> {
    let is_like = |name: &&String| strsim::damerau_levenshtein(name, IMAGE_NAME) <= TYPOS;
    let has_one = entry.contains_key(IMAGE_NAME) || entry.contains_key("upstream");
    entry.keys().find(is_like).filter(|_| !has_one)
}

/// A registry's host has a point or a port in it.
fn without_host(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, name)) if host.contains(['.', ':']) || host == "localhost" => name,
        _ => image,
    }
}
