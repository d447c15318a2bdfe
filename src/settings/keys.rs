//! Every setting there is, in one table: what reads, checks, shows and explains settings goes by it.

use super::access::OF_AWS;
use super::notify_keys::OF_NOTIFY;
use super::policy::{self, OF_POLICY};
use super::prune_keys::OF_PRUNE;
use super::repositories::OF_REPOSITORIES;
use super::rule_keys::{OF_ENTRIES, OF_SETS};
use super::serve_keys::OF_SERVE;
use super::targets::OF_TARGETS;
use super::usage_keys::OF_USAGE;
use super::work_keys::OF_WORK;

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Its place, with `.` between the parts; `*` stands for a name that the user chooses, `#` for an entry of a list, counted from 1.
    pub path: &'static str,
    /// What it is when nobody says.
    pub default: Option<&'static str>,
    /// What it may be, as a person is told.
    pub allowed: &'static str,
    /// What it is for.
    pub about: &'static str,
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
    /// A whole number within these bounds, or text that is one.
    Number(usize, usize),
    /// A number that is not below 0, or text that is one.
    Decimal,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A list, or text with commas.
    List,
}

pub(super) const fn key(path: &'static str, default: Option<&'static str>, allowed: &'static str) -> Key {
    Key {
        path,
        default,
        allowed,
        about: "",
        variables: &[],
        secret: false,
        shape: Shape::Text,
    }
}

impl Key {
    pub(super) const fn also(mut self, variables: &'static [&'static str]) -> Self {
        self.variables = variables;
        self
    }

    pub(super) const fn number(mut self, least: usize, most: usize) -> Self {
        self.shape = Shape::Number(least, most);
        self
    }

    pub(super) const fn decimal(mut self) -> Self {
        self.shape = Shape::Decimal;
        self
    }

    pub(super) const fn choice(mut self, words: &'static [&'static str]) -> Self {
        self.shape = Shape::Choice(words);
        self
    }

    pub(super) const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    pub(super) const fn list(mut self) -> Self {
        self.shape = Shape::List;
        self
    }

    pub(super) const fn flag(mut self) -> Self {
        self.shape = Shape::Flag;
        self
    }

    pub(super) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// The parts of its place.
    pub fn parts(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('.')
    }

    /// Whether this is the key of a setting found at `place`.
    pub fn is_at(&self, place: &[String]) -> bool {
        self.parts().count() == place.len() && self.has_beginning(place)
    }

    fn has_beginning(&self, place: &[String]) -> bool {
        let is_entry = |found: &String| found.parse::<usize>().is_ok();
        self.parts().zip(place).all(|(part, found)| match part {
            "*" => true,
            "#" => is_entry(found),
            part => part == found,
        })
    }

    /// Whether what is found at `place` is a list that this key is in an entry of.
    pub fn is_of_list_at(&self, place: &[String]) -> bool {
        self.parts().nth(place.len()) == Some("#") && self.has_beginning(place)
    }

    /// Whether a setting found at `place` is a section that this key is in.
    pub fn is_below(&self, place: &[String]) -> bool {
        self.parts().count() > place.len() && self.has_beginning(place)
    }
}

/// Docker asks for TLS by any value of this variable.
pub(super) const TLS_VERIFY: &str = "DOCKER_TLS_VERIFY";

/// All settings.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    const ALL: [&[Key]; 13] = [
        KEYS,
        &OF_AWS,
        &OF_NOTIFY,
        &OF_TARGETS,
        &policy::OF_ENTRY,
        &OF_REPOSITORIES,
        &OF_POLICY,
        &OF_SERVE,
        &OF_WORK,
        &OF_USAGE,
        &OF_PRUNE,
        &OF_ENTRIES,
        &OF_SETS,
    ];
    ALL.into_iter().flatten()
}

/// What no other file of this room has, in the order of `settings.yaml`.
const KEYS: &[Key] = &[
    key("ecr", None, "the registry's host[:port], without a scheme or a path")
        .also(&["ECR"])
        .about("The registry. Without it, the registry of the AWS account. An ECR host also says the account and the region."),
    key("keyword", None, "a part of a repository's name, not empty")
        .also(&["keyword", "KEYWORD"])
        .about("Repositories whose name contains this are looked after; letter case counts."),
    key("discovery.strip_components", Some("2"), "a whole number from 0 to 20")
        .number(0, 20)
        .about("How many leading parts of a repository's name are the team's own. What is left is the upstream's name."),
    key("discovery.allow_no_match", Some("false"), "true or false")
        .flag()
        .about("Whether a keyword, resource tags alone, or rules that match nothing are well (exit code 0)."),
    key(
        "discovery.upstream.*",
        None,
        "a repository, such as quay.io/prometheus/prometheus",
    )
    .about("The upstream of a repository that cannot be read from its name, by that name."),
    key("discovery.resource_tags", Some("false"), "true or false")
        .flag()
        .about("Whether the tags ecr_sync_… of ECR's repositories, whatever their names, are read: they name an upstream and rules."),
    key("discovery.max_results", Some("0"), "a whole number from 0 to 100000")
        .number(0, 100_000)
        .about("The most tags that the rules in a repository's tags choose, unless its ecr_sync_max_results is greater; 0 is any number."),
    key("images.#.upstream", None, "a repository, such as docker.io/grafana/grafana")
        .about("Where the images come from. Each entry is an upstream whose tags rules choose (docs/rules.md), and where they go."),
    key("images.#.repository", None, "a repository's name in the registry, such as base/image/grafana/grafana, or its ARN")
        .about("The repository that they go to. Or repo_prefix, or name."),
    key("images.#.repo_prefix", None, "the beginning of a repository's name, such as base/image")
        .about("What is put before the upstream's name, and a /, to make the repository's."),
    key("images.#.name", None, "a repository's name with {registry}, {path} or {name}, such as mirror/{registry}/{path}")
        .about("The repository that they go to, made of the upstream's: docker.io, library/nginx and nginx."),
    key("images.#.digests.*", None, "a digest of the upstream, such as sha256:… with 64 hexadecimal digits")
        .about("By the tag that is to name it: an image that stays, whatever the upstream's tags name. Without rules beside it nothing else comes."),
    key("images.#.engine", None, "docker or direct")
        .choice(&["docker", "direct"])
        .about("Who copies there, in the place of engine."),
    key("images.#.platforms", None, "a platform such as linux/amd64, a list of them, or all")
        .list()
        .about("Which platforms to bring there, in the place of platforms."),
    key("images.#.max_selected", None, "a whole number from 1 to 100000")
        .number(1, 100_000)
        .about("How many tags the rules may choose; 1000 unless said. More are taken for a mistake, and none is followed."),
    key("missing_upstream", Some("fail"), "fail or keep")
        .choice(&["fail", "keep"])
        .about("What a tag is whose upstream has gone: refused (fail), or left as it is (keep)."),
    key(
        "platforms",
        None,
        "a platform such as linux/amd64, a list of them, or all",
    )
    .list()
    .about("Which platforms to bring. Without it the docker engine lets each target keep those that it has, and direct brings all."),
    key("engine", Some("docker"), "docker or direct")
        .choice(&["docker", "direct"])
        .about("Who copies: a Docker daemon, by pull, tag and push; or this program, from registry to registry, without a daemon."),
    key("compare", Some("digest"), "digest or missing-only")
        .choice(&["digest", "missing-only"])
        .about("Whether a tag that is there is compared with its upstream's (digest), or let alone (missing-only)."),
    key("immutable_tags", None, "a regular expression for whole tags, such as v\\d+\\.\\d+\\.\\d+")
        .about("Tags that never move: one that matches and is there is asked nothing about."),
    key("attestations", Some("keep"), "keep or strip")
        .choice(&["keep", "strip"])
        .about("Whether the attestations that BuildKit keeps in an index come along. To strip them needs engine: direct, and makes a new index."),
    key("referrers", Some("false"), "true or false")
        .flag()
        .about("Whether signatures, attestations and bills of materials that refer to an image come with it. Needs engine: direct."),
    key("foreign_layers", Some("false"), "true or false")
        .flag()
        .about("Whether layers that the upstream only has an address of are brought too. Needs engine: direct."),
    key("direct.connections", Some("64"), "a whole number from 2 to 512")
        .number(2, 512)
        .about("How many connections may carry layers at once, for all images together. A layer needs two."),
    key("docker.host", None, "unix:///PATH or tcp://HOST:PORT, without a login")
        .also(&["DOCKER_HOST"])
        .about("Where the daemon listens. Without it, the docker context, then Docker's usual socket, then those of rootless daemons."),
    key("docker.context", None, "a docker context's name")
        .also(&["DOCKER_CONTEXT"])
        .about("The docker context that names the daemon. Without it, the one that `docker context use` chose."),
    key("docker.tls_verify", Some("false"), "true or false")
        .flag()
        .also(&[TLS_VERIFY])
        .about("Whether tcp:// is spoken over TLS, each side showing the other its certificate."),
    key("docker.cert_path", None, "a folder's path")
        .also(&["DOCKER_CERT_PATH"])
        .about("Where ca.pem, cert.pem and key.pem for that are. Without it, Docker's configuration folder (~/.docker)."),
    key("docker.upstream_digests", Some("daemon"), "daemon or direct")
        .choice(&["daemon", "direct"])
        .about("Who asks upstream registries for digests: the daemon, or this program itself (always, with Podman)."),
    key("docker.compare", Some("registry"), "registry or pull")
        .choice(&["registry", "pull"])
        .about("Where the content that ECR holds is read to be compared: its manifest in ECR, or by a pull every time."),
    key("registries.*.mirrors", None, "a list of host[:port][/prefix], without a scheme")
        .list()
        .about("What is asked in the place of this registry, in this order; it itself only where it is named among them. A daemon is sent to the first."),
    key("registries.*.username", None, "a user name, beside a password")
        .about("The user name to log in there with. Docker Hub's may also be in DOCKER_USERNAME, beside DOCKER_PASSWORD."),
    key("registries.*.password", None, "a password, beside a username")
        .secret()
        .about("The password for it. Better in the environment: _ stands for each of . : - in the host's name."),
    key("registries.*.ca", None, "a file of PEM certificates that can be read")
        .about("Authorities that are trusted there beside the system's. A daemon has its own (certs.d)."),
    key("registries.*.cert", None, "a file with a PEM certificate, beside a key")
        .about("The certificate to show there, with the chain that it needs."),
    key("registries.*.key", None, "a file with a PEM key, beside a cert").about("The certificate's key."),
    key("registries.*.plain_http", None, "true or false")
        .flag()
        .about("Whether it is asked without TLS. This machine's own addresses are, unless they have a ca."),
    key("registries.*.requests_per_second", None, "a whole number from 1 to 10000")
        .number(1, 10_000)
        .about("The most requests to it that begin in a second."),
    key("registries.*.concurrency", None, "a whole number from 1 to 512")
        .number(1, 512)
        .about("The most requests to it that are open at once, but for layers on their way in, which direct.connections bounds."),
    key("registries.*.chunk_mib", None, "a whole number from 1 to 1024")
        .number(1, 1024)
        .about("Uploads to it are cut into requests of so many MiB. Without it a layer is one request; ECR takes both, and parts of 5 to 10."),
    key("registries.*.on_limit", None, "stop or wait")
        .choice(&["stop", "wait"])
        .about("What is done when it says that its limit is used up: it is asked no more in this run (stop, unless said), or it is waited for."),
    key("concurrency", Some("4"), "a whole number from 1 to 64")
        .number(1, 64)
        .about("How many images, and questions to registries, at once; engine: direct asks four times as many questions."),
    key("retry.tries", Some("3"), "a whole number from 1 to 20")
        .number(1, 20)
        .about("How often something is tried that passes by itself: 429, 5xx, a broken connection. A no is taken for one."),
    key("retry.wait", Some("4s"), "a duration, such as 4s")
        .about(
            "The wait before the second try, no longer than retry.longest. Each later one is twice as long, and up to as much again \
             is added by chance.",
        ),
    key("retry.longest", Some("2m"), "a duration, such as 2m")
        .about("The longest wait, with what chance adds. Who asks for a longer one (Retry-After) is not tried again."),
    key("timeouts.connect", Some("10s"), "a duration, such as 10s")
        .about("How long a connection to AWS, a registry or a webhook may take to come about."),
    key("timeouts.answer", Some("1m"), "a duration, such as 1m")
        .about("How long one of these, or the daemon, may take to answer a question."),
    key("timeouts.transfer", Some("10m"), "a duration, such as 10m")
        .about("How long a pull or push in the daemon may give no sign of life."),
    key("timeouts.daemon", Some("1m"), "a duration, such as 1m")
        .about("How long a daemon that has gone is waited for; then what is left is not attempted."),
    key("stop.grace", Some("30s"), "a duration, such as 30s or 2m")
        .about("How long running images may go on after Ctrl-C or SIGTERM. A second signal cuts them off at once."),
    key("ledger", None, "a file's path, or s3://BUCKET/KEY").about(
        "The file, or the object in Amazon S3, that remembers which ECR digest was made from which upstream digest. Several runs \
         may share an object. Without it, ecr-keeper/ledger.json in the user's state folder (~/.local/state).",
    ),
    key("s3.bucket", None, "a bucket's name")
        .also(&["BUCKET_NAME"])
        .about("The bucket that sync --action s3 puts the list of what is not current into, as images.csv in a zip archive."),
    key("s3.key", Some("images.zip"), "an object's key, which does not end with /").about("The key of that archive."),
    key("results.dir", Some("."), "a folder's path").about("Where the result files are written."),
    key("results.junit", None, "a file's path").about("Where to write the results as JUnit XML, for a pipeline's test report."),
    key("results.csv", None, "a file's path").about("Where to write the results as CSV, a row for each image."),
    key("results.markdown", None, "a file's path").about("Where to write the results as Markdown."),
    key("results.metrics", None, "a file's path")
        .about("Where to write metrics in Prometheus' text format, for node_exporter's textfile collector."),
];

/// The known key that a mistyped one most likely means.
pub fn nearest(place: &[String]) -> Option<String> {
    const TYPOS: usize = 3;
    let written = place.join(".");
    let last = place.last().map(String::as_str);
    let named = |key: &&Key| key.path == written || last.is_some() && key.parts().last() == last;
    if let Some(elsewhere) = keys().find(named) {
        return Some(elsewhere.path.replace('#', "N"));
    }
    keys()
        .map(|key| (strsim::damerau_levenshtein(&written, &as_written(key, place)), key))
        .filter(|(distance, _)| *distance <= TYPOS)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| as_written(key, place))
}

/// A key's place with the user's own names where it has `*`.
fn as_written(key: &Key, place: &[String]) -> String {
    let parts = key.parts().enumerate().map(|(at, part)| match (part, place.get(at)) {
        ("*" | "#", Some(own)) => own.as_str(),
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
    fn every_key_says_what_it_is_for_and_stands_in_the_sample_file() {
        let sample = include_str!("../../settings.yaml");
        for key in keys() {
            assert!(key.about.ends_with('.'), "{}", key.path);
            let last = key.parts().filter(|part| !["*", "#"].contains(part)).last().unwrap();
            assert!(
                sample.contains(&format!("{last}:")),
                "{} is not in settings.yaml",
                key.path
            );
            if let Shape::Choice(words) = key.shape {
                assert_eq!(key.allowed, words.join(" or "));
                assert!(key.default.is_none_or(|word| words.contains(&word)), "{}", key.path);
            }
        }
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
            near("registries.ghcr.mirror").as_deref(),
            Some("registries.ghcr.mirrors")
        );
        assert_eq!(near("entirely.unlike"), None);
    }
}
