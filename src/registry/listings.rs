//! Lists in pages: the tags of a repository, and what refers to a manifest.

use std::collections::BTreeSet;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, LINK};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use super::{RegistryError, Remote};
use crate::image::{Descriptor, Digest, Kind, Manifest, Reference, Tag};

/// The page that is asked for; a registry may answer a smaller one.
const PAGE: usize = 1000;

/// No repository has so many tags that they need more, at some tens a page.
const MOST_PAGES: usize = 10_000;

/// No page of a list is larger.
const LARGEST_PAGE: usize = 16 << 20;

#[derive(Deserialize)]
struct Tags {
    /// Some registries say null of a repository without any.
    tags: Option<Vec<String>>,
}

impl Remote {
    /// All tags of the repository, in the registry's order. What is no tag by the specification's grammar is left out.
    pub async fn tags(&self) -> Result<Vec<Tag>, RegistryError> {
        let first = self.place(&format!("tags/list?n={PAGE}"))?;
        let mut tags = Vec::new();
        self.pages(first, HeaderMap::new(), |page| {
            let page: Tags = serde_json::from_slice(page).map_err(|error| format!("no list of tags: {error}"))?;
            tags.extend(page.tags.into_iter().flatten().filter_map(|tag| tag.parse().ok()));
            Ok(())
        })
        .await?;
        Ok(tags)
    }

    /// Whether the repository has any tag, by one short page.
    pub async fn has_tags(&self) -> Result<bool, RegistryError> {
        let first = self.place("tags/list?n=1")?;
        match self.read(first, HeaderMap::new(), LARGEST_PAGE).await {
            Ok((headers, page)) => {
                let tags = page.and_then(|page| serde_json::from_slice::<Tags>(&page).ok());
                // What cannot be read, or goes on behind an empty page, is no promise that there is none.
                let is_empty = tags.is_some_and(|tags| tags.tags.is_none_or(|tags| tags.is_empty()));
                Ok(!is_empty || headers.contains_key(LINK))
            }
            // Some do not know a repository before something is in it.
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The manifests whose subject is `digest`; of a registry that does not keep count of them, what stands in the index
    /// under the fallback tag (OCI distribution specification, "Listing Referrers", "Referrers Tag Schema").
    pub async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        match self.referrers_by_api(digest).await {
            // 405 is what ECR was seen to answer, 400 what older registries make of a path that they do not know.
            Err(error)
                if matches!(
                    error.status(),
                    Some(StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::BAD_REQUEST)
                ) =>
            {
                let index = self.fallback(digest).await?;
                Ok(index.map(|index| index.children().to_vec()).unwrap_or_default())
            }
            answer => answer,
        }
    }

    /// The same, of a registry that keeps count of them alone.
    pub async fn referrers_by_api(&self, digest: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let first = self.place(&format!("referrers/{digest}"))?;
        let mut headers = HeaderMap::new();
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/vnd.oci.image.index.v1+json"),
        );
        let mut found = Vec::new();
        self.pages(first, headers, |page| {
            let index = Manifest::read(Kind::OciIndex.media_type(), page.to_vec());
            let index = index.map_err(|error| format!("no list of referrers: {error}"))?;
            found.extend_from_slice(index.children());
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// What is under the fallback tag of `digest`: the index of its referrers, if it is what it should be.
    pub async fn fallback(&self, digest: &Digest) -> Result<Option<Manifest>, RegistryError> {
        let Ok(tag) = digest.as_tag().parse::<Tag>() else {
            return Ok(None);
        };
        match self.manifest(&Reference::from(tag)).await {
            Ok(index) => Ok(Some(index)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a list to its end: each page names the next in a Link header (RFC 8288), which means nothing else.
    async fn pages(
        &self,
        first: Url,
        headers: HeaderMap,
        mut read: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), RegistryError> {
        let attempt = self.attempt(Method::GET);
        let mut next = Some(first);
        let mut asked = BTreeSet::new();
        while let Some(url) = next {
            if asked.len() >= MOST_PAGES {
                return Err(attempt.odd(format!("its list has more than {MOST_PAGES} pages")));
            }
            if !asked.insert(url.to_string()) {
                return Err(attempt.odd("its list leads back to a page that was read already"));
            }
            let (answered, page) = self.read(url.clone(), headers.clone(), LARGEST_PAGE).await?;
            let links = answered.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
            let link = links.into_iter().find_map(next_page).map(str::to_owned);
            let page = page.ok_or_else(|| attempt.odd("a page of its list is larger than 16 MiB"))?;
            read(&page).map_err(|why| attempt.odd(why))?;
            next = match link {
                Some(link) => Some(
                    url.join(&link)
                        .map_err(|error| attempt.odd(format!("its Link: {error}")))?,
                ),
                None => None,
            };
        }
        Ok(())
    }
}

/// The target of the first `<…>; rel="next"` of a Link header, which may name several (RFC 8288, section 3).
fn next_page(links: &str) -> Option<&str> {
    let mut rest = links;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        // Its parameters end at a comma that is in no quotes.
        let mut quoted = false;
        let end = after.find(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let (parameters, others) = after.split_at(end.unwrap_or(after.len()));
        if parameters.split(';').any(is_next) {
            return Some(target);
        }
        rest = others;
    }
    None
}

/// Whether a parameter says so; a link may have several relations.
fn is_next(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or_default();
    let mut relations = value.trim().trim_matches('"').split_whitespace();
    name.trim().eq_ignore_ascii_case("rel") && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_what_the_link_says() {
        // The examples of the OCI distribution specification and of RFC 8288.
        assert_eq!(
            next_page("</v2/a/tags/list?n=2&last=b>; rel=\"next\""),
            Some("/v2/a/tags/list?n=2&last=b")
        );
        assert_eq!(next_page("<https://x/y>; title=\"z\"; rel=next"), Some("https://x/y"));
        assert_eq!(next_page("</v2/a>; rel=\"previous\""), None);
        assert_eq!(next_page("nonsense"), None);
        let several = "</v2/a?p=1>; rel=\"prev\"; title=\"a, <b>\", </v2/a?p=3>; rel=\"last next\"";
        assert_eq!(next_page(several), Some("/v2/a?p=3"));
    }
}
