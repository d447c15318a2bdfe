//! What a token allows and what a request needs, as distribution writes it:
//! <https://distribution.github.io/distribution/spec/auth/scope/>.

use std::collections::BTreeSet;
use std::fmt;

use hyper::{Method, Request};

use super::{Asked, query_value};

/// `repository:NAME:pull,push`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    kind: String,
    name: String,
    actions: BTreeSet<String>,
}

impl Scope {
    fn repository(name: &str, actions: &[&str]) -> Scope {
        Scope {
            kind: "repository".to_owned(),
            name: name.to_owned(),
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        }
    }

    /// The scopes of a `scope` parameter, which may hold several.
    pub(super) fn parse_all(text: &str) -> Vec<Scope> {
        text.split_whitespace().filter_map(Scope::parse).collect()
    }

    fn parse(text: &str) -> Option<Scope> {
        // A name may have a colon itself, before a port.
        let (kind, rest) = text.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        Some(Scope {
            kind: kind.to_owned(),
            name: name.to_owned(),
            actions: actions.split(',').map(str::to_owned).collect(),
        })
    }

    /// As distribution asks for it: by the method, whatever the path. `None` for the base.
    pub(super) fn needed<B>(request: &Request<B>) -> Option<Scope> {
        let path = request.uri().path();
        if path == "/v2/_catalog" {
            return Scope::parse("registry:catalog:*");
        }
        let actions: &[&str] = match request.method().as_str() {
            "GET" | "HEAD" => &["pull"],
            "DELETE" => &["delete"],
            _ => &["pull", "push"],
        };
        let name = Asked::parse(path).repository()?;
        Some(Scope::repository(name, actions))
    }

    /// What a mount needs of the repository that has the blob.
    pub(super) fn of_mount<B>(request: &Request<B>) -> Option<Scope> {
        let begins = matches!(Asked::parse(request.uri().path()), Asked::Upload { .. });
        if !begins || request.method() != Method::POST {
            return None;
        }
        let query = request.uri().query().unwrap_or_default();
        query_value(query, "mount")?;
        let from = query_value(query, "from")?;
        Some(Scope::repository(&from, &["pull"]))
    }

    /// Whether who has this may do what the other needs.
    pub(super) fn covers(&self, needed: &Scope) -> bool {
        let every = self.actions.contains("*");
        self.kind == needed.kind && self.name == needed.name && (every || self.actions.is_superset(&needed.actions))
    }

    /// What is left of it for someone without a login.
    pub(super) fn only_pull(&self) -> Option<Scope> {
        let pulls = self.actions.contains("pull") || self.actions.contains("*");
        (self.kind == "repository" && pulls).then(|| Scope::repository(&self.name, &["pull"]))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions: Vec<&str> = self.actions.iter().map(String::as_str).collect();
        write!(to, "{}:{}:{}", self.kind, self.name, actions.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_needs_what_its_method_does() {
        let needed = |method: &str, path: &str| {
            let request = Request::builder().method(method).uri(path).body(()).unwrap();
            Scope::needed(&request).map(|scope| scope.to_string())
        };
        let scope = |text: &str| Some(text.to_owned());
        assert_eq!(needed("GET", "/v2/"), None);
        assert_eq!(needed("HEAD", "/v2/a/b/manifests/1"), scope("repository:a/b:pull"));
        assert_eq!(needed("POST", "/v2/a/blobs/uploads/"), scope("repository:a:pull,push"));
        assert_eq!(needed("DELETE", "/v2/a/manifests/1"), scope("repository:a:delete"));
    }

    #[test]
    fn a_scope_covers_no_other_repository_and_no_other_action() {
        let scope = |text: &str| Scope::parse(text).unwrap();
        let push = scope("repository:host:5000/a:push,pull");
        assert!(push.covers(&scope("repository:host:5000/a:pull")));
        assert!(!push.covers(&scope("repository:host:5000/a:delete")));
        assert!(!push.covers(&scope("repository:b:pull")));
        assert_eq!(push.only_pull(), Some(scope("repository:host:5000/a:pull")));
    }
}
