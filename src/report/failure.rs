use std::error::Error;

use serde::Serialize;

use crate::aws::{AwsError, Trouble as AwsTrouble};
use crate::credentials::CredentialError;
use crate::engine::{DaemonTrouble, EngineError, Side, Trouble};
use crate::execute::NotAttempted;
use crate::ledger::{LedgerError, LockError};
use crate::plan::{Refused, RefusedBecause};
use crate::survey::{Absent, Survey, SurveyError};

use super::text::{listed, one_line};

/// What went wrong, in words: what was tried, on what, on which side; what came back; what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What was tried and came to nothing.
    pub message: String,
    /// What brought it about, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
}

impl Failure {
    /// Of an error and everything beneath it.
    pub fn new(error: &(dyn Error + 'static), hint: Option<&'static str>) -> Self {
        Self {
            message: error.to_string(),
            causes: anyhow::Chain::new(error).skip(1).map(ToString::to_string).collect(),
            hint,
        }
    }

    /// Message and causes on one line.
    pub fn in_one_line(&self) -> String {
        let mut line = self.message.clone();
        for cause in &self.causes {
            line.push_str(": ");
            line.push_str(cause);
        }
        one_line(&line)
    }

    /// Nothing carries the keyword.
    pub fn no_match(keyword: &str, registry: &str, region: &str) -> Self {
        Self {
            message: format!("no repository of {registry} in {region} has {keyword:?} in its name"),
            causes: Vec::new(),
            hint: Some(
                "check `keyword` (letter case counts), the region and the account; discovery.allow_no_match: true makes \
                 this no failure",
            ),
        }
    }

    /// The run was stopped while it was at something.
    pub fn stopped(at: &str) -> Self {
        Self {
            message: format!("stopped while {at}"),
            causes: Vec::new(),
            hint: None,
        }
    }

    /// What the survey could not find out that is not one image's.
    pub fn of_survey(survey: &Survey) -> impl Iterator<Item = Self> {
        let closed = survey.closed.iter().map(Self::of_closed);
        let absent = survey.absent.iter().map(Self::of_absent);
        closed
            .chain(survey.unlisted.iter().map(Self::of_unlisted))
            .chain(absent)
    }

    fn of_absent(Absent { only, near, keyword }: &Absent) -> Self {
        let meant = match near {
            Some(near) => format!("; did you mean {near}?"),
            None => String::new(),
        };
        Self {
            message: format!("{only} is not among the repositories and tags that are looked after{meant}"),
            causes: Vec::new(),
            hint: Some(match keyword {
                true => "check the name, and that `keyword` is a part of it; `ecr-keeper plan` lists all",
                false => "check the name and the tag, the region and the account",
            }),
        }
    }

    fn of_unlisted(repository: &String) -> Self {
        Self {
            message: format!("repository {repository} was not looked at: the run was stopped before"),
            causes: Vec::new(),
            hint: None,
        }
    }

    pub(super) fn not_attempted(why: NotAttempted) -> Self {
        let (message, hint) = match why {
            NotAttempted::Stopped => ("not attempted: the run was stopped before", None),
            NotAttempted::DaemonLost => (
                "not attempted: the daemon was lost before",
                trouble_hint(Trouble::DaemonLost),
            ),
        };
        Self {
            message: message.to_owned(),
            causes: Vec::new(),
            hint,
        }
    }

    pub(super) fn cut_off() -> Self {
        Self {
            message: "cut off: the run was stopped while it was at work on this image".to_owned(),
            causes: Vec::new(),
            hint: Some("the registry may have taken it at the last moment; the next run compares again"),
        }
    }

    fn of_closed((repository, error): &(String, SurveyError)) -> Self {
        let inner = Self::from(error);
        let mut causes = vec![inner.message];
        causes.extend(inner.causes);
        Self {
            message: format!("repository {repository} is passed over"),
            causes,
            hint: inner.hint,
        }
    }

    /// Of what could not be removed from the daemon: one for each, but one for all where the daemon was lost.
    pub(super) fn of_leftovers(left: &[EngineError]) -> Vec<Self> {
        let is_lost = |error: &&EngineError| {
            matches!(
                error,
                EngineError::Daemon {
                    trouble: Trouble::DaemonLost,
                    ..
                }
            )
        };
        let mut failures: Vec<Self> = left
            .iter()
            .filter(|error| !is_lost(error))
            .map(Self::of_leftover)
            .collect();
        if left.iter().any(|error| is_lost(&error)) {
            failures.push(Self {
                message: "the daemon was lost, and what the run had brought into it is there still".to_owned(),
                causes: Vec::new(),
                hint: Some("`docker images` shows it when the daemon is back; remove it by hand"),
            });
        }
        failures
    }

    fn of_leftover(error: &EngineError) -> Self {
        let inner = Self::from(error);
        Self {
            message: "something that the run brought into the daemon could not be removed".to_owned(),
            causes: std::iter::once(inner.message).chain(inner.causes).collect(),
            hint: Some("`docker images` shows it; remove it by hand"),
        }
    }

    pub(super) fn of_refusal(refused: &Refused) -> Self {
        let (message, hint) = match &refused.because {
            RefusedBecause::UpstreamGone => (
                format!("upstream {} does not exist", refused.upstream),
                "remove the tag from ECR, or set missing_upstream: keep to leave such tags as they are",
            ),
            RefusedBecause::WouldLosePlatforms { kind, platforms } => {
                let holds = match platforms.is_empty() {
                    true => String::new(),
                    false => format!(" of {}", listed(platforms)),
                };
                (
                    format!("the target is a multi-platform {kind}{holds}; one platform alone would take its place"),
                    "set `platforms` to the one platform that is wanted, if the others may go; or use a daemon with the \
                     containerd image store, or --engine direct, which keep indexes",
                )
            }
            RefusedBecause::ImmutableTag => (
                "the upstream's image is another one, and the repository does not let its tags move".to_owned(),
                "allow this tag in the repository's mutability exclusion filters, or leave it out with immutable_tags",
            ),
            RefusedBecause::UpstreamMoved { planned } => (
                format!(
                    "upstream {} has moved since the plan was made, from {planned}",
                    refused.upstream
                ),
                "make a new plan",
            ),
            RefusedBecause::TargetMoved { planned, now } => (
                match (planned, now) {
                    (Some(planned), Some(now)) => {
                        format!("the target has moved since the plan was made, from {planned} to {now}")
                    }
                    (Some(planned), None) => {
                        format!("the target's tag has gone since the plan was made; it named {planned}")
                    }
                    (None, Some(now)) => format!("the target has the tag since the plan was made; it names {now}"),
                    (None, None) => "the target has moved since the plan was made".to_owned(),
                },
                "make a new plan",
            ),
            RefusedBecause::OnePlatformAtATime => (
                "several platforms are asked for, and this daemon pushes one at a time".to_owned(),
                "use a daemon with the containerd image store, --engine direct, or set `platforms` to one platform",
            ),
            RefusedBecause::OtherEngine => (
                "the plan was made for a daemon with another image store, and this one cannot bring what it says"
                    .to_owned(),
                "apply it through a daemon like the one that it was made with, or make a new plan",
            ),
            RefusedBecause::PlatformsMissing { missing } => (
                format!("upstream {} has no image for {}", refused.upstream, listed(missing)),
                "set `platforms` to what it has",
            ),
            RefusedBecause::IndexHasOthers { others } => (
                format!(
                    "upstream {} is also for {}, and an index is brought whole",
                    refused.upstream,
                    listed(others)
                ),
                "set `platforms` to all, or to one platform, or use --engine direct, which cuts an index",
            ),
        };
        Self {
            message,
            causes: Vec::new(),
            hint: Some(hint),
        }
    }
}

impl From<&AwsError> for Failure {
    fn from(error: &AwsError) -> Self {
        Self::new(
            error,
            match error.trouble {
                AwsTrouble::NoCredentials => Some(
                    "set AWS_ACCESS_KEY_ID_ECR and AWS_SECRET_ACCESS_KEY_ECR or AWS_PROFILE, run `aws sso login`, or give the \
                 runner a role",
                ),
                AwsTrouble::UnknownProfile => Some(
                    "check --profile, AWS_PROFILE or aws.profile; `aws configure list-profiles` lists those that are there, and \
                     AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name other files than those in ~/.aws",
                ),
                AwsTrouble::NoRegion => Some("set --region, AWS_REGION or aws.region"),
                AwsTrouble::BadCredentials => Some(
                    "the keys are wrong, expired, or of another partition; `aws sts get-caller-identity` shows whose they are",
                ),
                AwsTrouble::Denied => {
                    Some("allow this action in the IAM policy of the role; README lists all that are needed")
                }
                AwsTrouble::NotFound => Some("check the region and the account"),
                AwsTrouble::Throttled => Some("lower `concurrency`, or run at another time"),
                AwsTrouble::Unreachable => Some("check the region, the endpoint URL, DNS and the proxy"),
                AwsTrouble::WrongClock => Some("set this machine's clock right"),
                AwsTrouble::Refused => None,
            },
        )
    }
}

impl From<&SurveyError> for Failure {
    fn from(error: &SurveyError) -> Self {
        match error {
            SurveyError::Aws(error) => Self::from(error),
            SurveyError::NoUpstream(error) => Self::new(
                error,
                Some("name its upstream in discovery.upstream, or change discovery.strip_components"),
            ),
            SurveyError::Engine(error) => Self::from(&**error),
        }
    }
}

impl From<&CredentialError> for Failure {
    fn from(error: &CredentialError) -> Self {
        match error {
            CredentialError::Ecr { source, .. } => Self {
                hint: Self::from(source).hint,
                ..Self::new(error, None)
            },
            CredentialError::DockerConfig { .. } => Self::new(
                error,
                Some("run `docker login` for this registry again, or mend ~/.docker/config.json (DOCKER_CONFIG)"),
            ),
        }
    }
}

impl From<&LockError> for Failure {
    fn from(error: &LockError) -> Self {
        Self::new(
            error,
            Some("--wait waits for it; one that died holds nothing; --ledger names another ledger"),
        )
    }
}

impl From<&LedgerError> for Failure {
    fn from(error: &LedgerError) -> Self {
        let hint = match error {
            LedgerError::Object { .. } => {
                "the role needs s3:GetObject and s3:PutObject on it, in a bucket of the run's own region; without the ledger the \
                 next run compares anew what it cannot know"
            }
            LedgerError::Contended { .. } => {
                "give runs that are at work at once a ledger each, or let them begin one after the other"
            }
            LedgerError::Read { .. } | LedgerError::Corrupt { .. } | LedgerError::Write { .. } => {
                "name a file that can be written with --ledger; without it the next run pulls again what it cannot know"
            }
        };
        Self::new(error, Some(hint))
    }
}

impl From<&EngineError> for Failure {
    fn from(error: &EngineError) -> Self {
        match error {
            EngineError::Credential(error) => Self::from(error),
            EngineError::NoDaemon { trouble, .. } => Self::new(error, Some(daemon_hint(*trouble))),
            EngineError::StoreNotHandled { .. } => Self::new(
                error,
                Some(
                    "update to Docker 28 or newer, or use the classic store (\"containerd-snapshotter\": false in daemon.json)",
                ),
            ),
            EngineError::Refused { trouble, side, .. } => Self::new(error, hint_at(*side, *trouble)),
            EngineError::Registry { trouble, side, .. } => Self::new(error, direct_hint(*side, *trouble)),
            EngineError::Login {
                trouble: Some(trouble), ..
            } if !trouble.is_of_login() => Self::new(error, direct_hint(Side::Target, *trouble)),
            EngineError::Login { .. } => Self::new(
                error,
                Some("check `ecr`, the region, the account and the login, and whether the registry can be reached"),
            ),
            EngineError::OtherPlatform { .. } => Self::new(error, trouble_hint(Trouble::NoPlatform)),
            EngineError::NotChecked { .. } => Self::new(error, Some("run again: it compares anew")),
            EngineError::Moved { .. } => Self::new(error, Some("run again")),
            EngineError::PushNotConfirmed { .. } => Self::new(
                error,
                Some("somebody else may push this tag at the same time; the next run compares again"),
            ),
            EngineError::Daemon { trouble, .. } if matches!(trouble, Trouble::DaemonGone | Trouble::DaemonLost) => {
                Self::new(error, trouble_hint(*trouble))
            }
            EngineError::PushWithoutDigest { .. } | EngineError::Daemon { .. } => {
                Self::new(error, Some("the daemon's own log tells more"))
            }
            EngineError::Incomplete { .. } => Self::new(error, trouble_hint(Trouble::Incomplete)),
            EngineError::PushedAnother { .. } => Self::new(
                error,
                Some("the tag holds what was pushed: run again; if it stays so, the daemon's own log tells more"),
            ),
            EngineError::Stopped => Self::new(error, None),
        }
    }
}

fn daemon_hint(trouble: DaemonTrouble) -> &'static str {
    match trouble {
        DaemonTrouble::Absent => {
            "start Docker, mount its socket into the job, or say where it is with DOCKER_HOST or docker.host; or copy without a \
             daemon: --engine direct"
        }
        DaemonTrouble::NoPermission => {
            "run as a user of the socket's group (usermod -aG docker USER, or --group-add in a container)"
        }
        DaemonTrouble::Address => "docker.host and DOCKER_HOST take unix:///PATH or tcp://HOST:PORT",
        DaemonTrouble::Tls => {
            "DOCKER_TLS_VERIFY=1 speaks TLS with ca.pem, cert.pem and key.pem of DOCKER_CERT_PATH: check all three, and the \
             name in the daemon's certificate"
        }
        DaemonTrouble::Context => "`docker context ls` lists the contexts; docker.host or DOCKER_HOST wins over them",
        DaemonTrouble::Silent => "the daemon may be overloaded or hanging: its own log tells more",
        DaemonTrouble::Other => "`docker version` with the same DOCKER_HOST shows whether it answers",
    }
}

/// The target is ECR, where a login is a role.
fn hint_at(side: Side, trouble: Trouble) -> Option<&'static str> {
    match (side, trouble) {
        (Side::Target, Trouble::Denied | Trouble::Unauthorized) => Some(
            "of ECR, allow this in the IAM policy of the role (README lists all that is needed) and in the repository's own policy; \
             elsewhere, `docker login`, or name its credentials in registries",
        ),
        (Side::Target, Trouble::Gone) => {
            Some("the repository or image is not there; ECR wants a repository to be created before it is pushed to")
        }
        (_, trouble) => trouble_hint(trouble),
    }
}

/// Where this program asks by itself, no daemon's network, certificates or login matter.
fn direct_hint(side: Side, trouble: Trouble) -> Option<&'static str> {
    match (side, trouble) {
        (_, Trouble::Unreachable) => {
            Some("check the registry's name, and this machine's network and proxy (HTTPS_PROXY, NO_PROXY)")
        }
        (_, Trouble::UnknownHost) => Some("check the registry's name, and this machine's DNS and proxy"),
        (_, Trouble::Certificate) => Some(
            "name the authority that signed its certificate in registries.HOST.ca, our own certificate in cert and key where it asks for \
             one, or plain_http: true where it speaks no TLS",
        ),
        (Side::Upstream, Trouble::Broken) => {
            Some("the upstream, or what stands between, is broken: nothing of it was tagged")
        }
        (Side::Target, Trouble::Broken) => {
            Some("the target's registry, or what stands between, is broken: the tag was not moved")
        }
        (side, trouble) => hint_at(side, trouble),
    }
}

fn trouble_hint(trouble: Trouble) -> Option<&'static str> {
    match trouble {
        Trouble::Gone => Some("it is no longer there, or was never"),
        Trouble::Unauthorized => Some("run `docker login` for this registry, or name its credentials in registries"),
        Trouble::Denied => Some("it does not exist, or the login may not use it: check the name, then `docker login`"),
        Trouble::TokenExpired => Some("run again: a fresh token is fetched"),
        Trouble::RateLimited => Some("log in to the registry for a higher limit, name a mirror in registries, or wait"),
        Trouble::NoPlatform => Some("the image has no manifest for this platform: set `platforms` to one that it has"),
        Trouble::ImmutableTag => {
            Some("the repository's tags are immutable: allow this tag in its exclusion filters, or leave it out")
        }
        Trouble::Certificate => Some("put the registry's CA into the daemon's certs.d, or into its system's store"),
        Trouble::Unpack => Some("this daemon may not know the layer's compression: zstd needs Docker 23 or newer"),
        Trouble::DiskFull => {
            Some("free room in the daemon (`docker system df`, `docker system prune`) or lower `concurrency`")
        }
        Trouble::Unreachable => Some(
            "check the registry's name, and network, DNS and proxy of the daemon, which is who asks (docs/engines.md)",
        ),
        Trouble::UnknownHost => Some("check the registry's name, and the daemon's DNS"),
        Trouble::DaemonLost => Some(
            "the daemon was stopped or killed, and did not come back within timeouts.daemon: its own log tells more",
        ),
        Trouble::DaemonGone => Some("the daemon was stopped, restarted or killed: run again; its own log tells more"),
        Trouble::NoAnswer => Some(
            "the daemon, or the registry that it asks, hangs or needs longer: see timeouts.answer and timeouts.transfer",
        ),
        Trouble::Incomplete => Some(
            "the daemon had a layer's content already, packed in another way, and did not pull it: remove the image that \
             holds it (`docker image ls`) and run again",
        ),
        Trouble::ServerError => Some("the registry is ill: run again later"),
        Trouble::NotAnImage => Some("name another tag, or leave this one out"),
        Trouble::Unclear | Trouble::Broken | Trouble::Other => None,
    }
}
