use std::error::Error;

use serde::Serialize;

use crate::aws::{AwsError, Trouble as AwsTrouble};
use crate::credentials::CredentialError;
use crate::engine::{DaemonTrouble, EngineError, Trouble};
use crate::ledger::LedgerError;
use crate::plan::{Refused, RefusedBecause};
use crate::survey::{Survey, SurveyError};

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
        line.split_whitespace().collect::<Vec<_>>().join(" ")
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
    pub(super) fn of_survey(survey: &Survey) -> impl Iterator<Item = Self> {
        let closed = survey.closed.iter().map(Self::of_closed);
        closed.chain(survey.unlisted.iter().map(Self::of_unlisted))
    }

    fn of_unlisted(repository: &String) -> Self {
        Self {
            message: format!("repository {repository} was not looked at: the run was stopped before"),
            causes: Vec::new(),
            hint: None,
        }
    }

    pub(super) fn not_attempted() -> Self {
        Self {
            message: "not attempted: the run was stopped before".to_owned(),
            causes: Vec::new(),
            hint: None,
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
        let inner = match error {
            SurveyError::Aws(error) => Self::from(error),
            SurveyError::NoUpstream(error) => Self::new(
                error,
                Some("name its upstream in discovery.upstream, or change discovery.strip_components"),
            ),
        };
        let mut causes = vec![inner.message];
        causes.extend(inner.causes);
        Self {
            message: format!("repository {repository} is passed over"),
            causes,
            hint: inner.hint,
        }
    }

    pub(super) fn of_leftover(error: &EngineError) -> Self {
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
                let platforms: Vec<String> = platforms.iter().map(ToString::to_string).collect();
                let holds = match platforms.is_empty() {
                    true => String::new(),
                    false => format!(" of {}", platforms.join(", ")),
                };
                (
                    format!("the target is a multi-platform {kind}{holds}; this daemon would push one platform alone"),
                    "set `platforms` to the one platform that is wanted, if the others may go",
                )
            }
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

impl From<&LedgerError> for Failure {
    fn from(error: &LedgerError) -> Self {
        Self::new(
            error,
            Some(
                "name a file that can be written with --ledger; without it the next run pulls again what it cannot know",
            ),
        )
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
                    "use a daemon with Docker's classic image store (\"containerd-snapshotter\": false in daemon.json)",
                ),
            ),
            EngineError::Refused { trouble, .. } => Self::new(error, trouble_hint(*trouble)),
            EngineError::Login { .. } => Self::new(
                error,
                Some("check `ecr`, the region and the account, and whether the daemon can reach the registry"),
            ),
            EngineError::OtherPlatform { .. } => Self::new(error, trouble_hint(Trouble::NoPlatform)),
            EngineError::NotChecked { .. } => Self::new(error, Some("run again: it compares anew")),
            EngineError::Moved { .. } => Self::new(error, Some("run again")),
            EngineError::PushNotConfirmed { .. } => Self::new(
                error,
                Some("somebody else may push this tag at the same time; the next run compares again"),
            ),
            EngineError::PushWithoutDigest { .. } | EngineError::Daemon { .. } => {
                Self::new(error, Some("the daemon's own log tells more"))
            }
            EngineError::Stopped => Self::new(error, None),
        }
    }
}

fn daemon_hint(trouble: DaemonTrouble) -> &'static str {
    match trouble {
        DaemonTrouble::Absent => {
            "start Docker, mount its socket into the job, or say where it is with DOCKER_HOST or docker.host"
        }
        DaemonTrouble::NoPermission => {
            "run as a user of the socket's group (usermod -aG docker USER, or --group-add in a container)"
        }
        DaemonTrouble::Address => "docker.host and DOCKER_HOST take unix:///PATH or tcp://HOST:PORT",
        DaemonTrouble::Tls => {
            "use a unix socket, or an address that only this machine reaches, without DOCKER_TLS_VERIFY"
        }
        DaemonTrouble::Other => "`docker version` with the same DOCKER_HOST shows whether it answers",
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
        Trouble::Unreachable => {
            Some("the daemon reaches the registry, not this program: check its DNS, proxy and network")
        }
        Trouble::ServerError => Some("the registry is ill: run again later"),
        Trouble::Other => None,
    }
}
