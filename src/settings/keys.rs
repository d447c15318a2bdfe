//! Every setting there is, in one table: what reads, checks, shows and explains settings goes by it.

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Its place, with `.` between the parts; `*` stands for a name that the user chooses.
    pub path: &'static str,
    /// What it is when nobody says.
    pub default: Option<&'static str>,
    /// What it may be, as a person is told.
    pub allowed: &'static str,
    /// Other environment variables that set it, the weakest first. All lose to `ECR_KEEPER_…`.
    pub variables: &'static [&'static str],
    /// Never shown.
    pub secret: bool,
    /// What YAML has to read it as.
    pub shape: Shape,
}

/// What a value is in YAML. Text has to be text there: YAML would make 1.1 of `1.10`, and 7 of `007`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Text, in quotes where it looks like something else.
    Text,
    /// A number, or text that is one.
    Number,
    /// `true` or `false`.
    Flag,
    /// A list, or text with commas.
    List,
}

const fn key(path: &'static str, default: Option<&'static str>, allowed: &'static str) -> Key {
    Key {
        path,
        default,
        allowed,
        variables: &[],
        secret: false,
        shape: Shape::Text,
    }
}

impl Key {
    const fn also(mut self, variables: &'static [&'static str]) -> Self {
        self.variables = variables;
        self
    }

    const fn number(mut self) -> Self {
        self.shape = Shape::Number;
        self
    }

    const fn list(mut self) -> Self {
        self.shape = Shape::List;
        self
    }

    const fn flag(mut self) -> Self {
        self.shape = Shape::Flag;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// The parts of its place.
    pub fn parts(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('.')
    }

    /// Whether this is the key of a setting found at `place`.
    pub fn is_at(&self, place: &[String]) -> bool {
        self.parts().count() == place.len()
            && self
                .parts()
                .zip(place)
                .all(|(part, found)| part == "*" || part == found)
    }

    /// Whether a setting found at `place` is a section that this key is in.
    pub fn is_below(&self, place: &[String]) -> bool {
        self.parts().count() > place.len()
            && self
                .parts()
                .zip(place)
                .all(|(part, found)| part == "*" || part == found)
    }
}

/// All settings, in the order of `settings.yaml`.
pub const KEYS: &[Key] = &[
    key("ecr", None, "the registry's host[:port], without a scheme or a path").also(&["ECR"]),
    key("keyword", None, "a part of a repository's name, not empty").also(&["keyword", "KEYWORD"]),
    key("discovery.strip_components", Some("2"), "a whole number from 0 to 20").number(),
    key("discovery.allow_no_match", Some("false"), "true or false").flag(),
    key(
        "discovery.upstream.*",
        None,
        "a repository, such as quay.io/prometheus/prometheus",
    ),
    key("missing_upstream", Some("fail"), "fail or keep"),
    key("platforms", None, "one platform, such as linux/amd64").list(),
    key("docker.host", None, "unix:///PATH or tcp://HOST:PORT").also(&["DOCKER_HOST"]),
    key("docker.compare", Some("registry"), "registry or pull"),
    key("registries.*.mirror", None, "host[:port][/prefix], without a scheme"),
    key("registries.*.username", None, "a user name, beside a password"),
    key("registries.*.password", None, "a password, beside a username").secret(),
    key("aws.region", None, "a region code, such as eu-central-1").also(&["AWS_DEFAULT_REGION", "AWS_REGION"]),
    key("aws.profile", None, "a profile's name").also(&["AWS_PROFILE"]),
    key("aws.endpoint_url", None, "a http:// or https:// URL").also(&["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR"]),
    key(
        "aws.access_key_id",
        None,
        "an access key id, beside a secret_access_key",
    )
    .also(&["AWS_ACCESS_KEY_ID_ECR"]),
    key(
        "aws.secret_access_key",
        None,
        "a secret access key, beside an access_key_id",
    )
    .also(&["AWS_SECRET_ACCESS_KEY_ECR"])
    .secret(),
    key("aws.session_token", None, "a session token, beside the two keys")
        .also(&["AWS_SESSION_TOKEN_ECR"])
        .secret(),
    key("concurrency", Some("4"), "a whole number from 1 to 64").number(),
    key("stop.grace", Some("30s"), "a duration, such as 30s or 2m"),
    key("ledger", None, "a file's path"),
    key("results.dir", Some("."), "a folder's path"),
    key("webhook.url", None, "a http:// or https:// URL")
        .also(&["DISCORD_WEBHOOK"])
        .secret(),
    key("webhook.kind", Some("discord"), "discord or generic"),
    key("webhook.send_empty", Some("false"), "true or false").flag(),
];

/// The known key that a mistyped one most likely means.
pub fn nearest(place: &[String]) -> Option<String> {
    const TYPOS: usize = 3;
    let written = place.join(".");
    let last = place.last().map(String::as_str);
    let named = |key: &&Key| key.path == written || last.is_some() && key.parts().last() == last;
    if let Some(elsewhere) = KEYS.iter().find(named) {
        return Some(elsewhere.path.to_owned());
    }
    KEYS.iter()
        .map(|key| (strsim::damerau_levenshtein(&written, &as_written(key, place)), key))
        .filter(|(distance, _)| *distance <= TYPOS)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| as_written(key, place))
}

/// A key's place with the user's own names where it has `*`.
fn as_written(key: &Key, place: &[String]) -> String {
    let parts = key.parts().enumerate().map(|(at, part)| match (part, place.get(at)) {
        ("*", Some(own)) => own.as_str(),
        (part, _) => part,
    });
    parts.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(written: &str) -> Option<String> {
        nearest(&written.split('.').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_mistyped_key_finds_the_one_that_was_meant() {
        assert_eq!(near("concurency").as_deref(), Some("concurrency"));
        assert_eq!(
            near("discovery.strip_component").as_deref(),
            Some("discovery.strip_components")
        );
        assert_eq!(near("strip_components").as_deref(), Some("discovery.strip_components"));
        assert_eq!(
            near("registries.ghcr.mirrors").as_deref(),
            Some("registries.ghcr.mirror")
        );
        assert_eq!(near("entirely.unlike"), None);
    }
}
