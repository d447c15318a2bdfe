//! What to do next, by what went wrong.

use super::Failure;
use crate::aws::{AwsError, Trouble as AwsTrouble};
use crate::credentials::CredentialError;
use crate::credentials::docker::DockerConfigError;
use crate::credentials::helper::HelperError;
use crate::engine::{DaemonTrouble, EngineError, Side, Trouble};
use crate::ledger::{LedgerError, LockError};
use crate::survey::SurveyError;

impl From<&AwsError> for Failure {
    fn from(error: &AwsError) -> Self {
        Self::new(
            error,
            match error.trouble {
                AwsTrouble::NoCredentials => Some(
                    "set AWS_ACCESS_KEY_ID_ECR and AWS_SECRET_ACCESS_KEY_ECR or AWS_PROFILE, run `aws sso login`, or give the \
                     runner, or the function, a role",
                ),
                AwsTrouble::UnknownProfile => Some(
                    "check --profile, AWS_PROFILE or aws.profile; `aws configure list-profiles` lists those that are there, and \
                     AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name other files than those in ~/.aws",
                ),
                AwsTrouble::NoRegion => Some("set AWS_REGION or aws.region, or say --region"),
                AwsTrouble::NoEndpoint => Some("set it to a URL, or unset it"),
                AwsTrouble::BadCredentials => Some(
                    "the keys are wrong, expired, or of another partition; `aws sts get-caller-identity` shows whose they are",
                ),
                AwsTrouble::Denied => {
                    Some("allow this action in the IAM policy of the role; README lists all that are needed")
                }
                AwsTrouble::NotAssumed => Some(
                    "allow sts:AssumeRole of it to who asks, and let the role's trust policy name who asks; role_arn, in aws or in a target, \
                     names the role",
                ),
                AwsTrouble::NotFound => Some("check the region and the account"),
                AwsTrouble::Throttled => Some("lower `concurrency`, or run at another time"),
                AwsTrouble::Unreachable => Some("check the region, the endpoint URL, DNS and the proxy"),
                AwsTrouble::WrongClock => Some("set this machine's clock right"),
                AwsTrouble::Quota => Some(
                    "remove what nobody needs any more, or ask AWS for more (Service Quotas, Amazon Elastic Container Registry)",
                ),
                AwsTrouble::Odd | AwsTrouble::Refused | AwsTrouble::Exists | AwsTrouble::Invalid => None,
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
            SurveyError::TooMany(_) => Self::new(
                error,
                Some("narrow the rules (`ecr-keeper tags` shows what they choose), or raise max_selected"),
            ),
            SurveyError::NothingChosen { .. } => Self::new(
                error,
                Some(
                    "`ecr-keeper tags` with the same rules and --explain tells why; discovery.allow_no_match: true makes this no failure",
                ),
            ),
            SurveyError::NoRepository { .. } => Self::new(
                error,
                Some("check the name, the region and the account; or let create_repositories: settings create it"),
            ),
            SurveyError::NoTemplate { .. } => Self::new(
                error,
                Some("make a template for CREATE_ON_PUSH in ECR, or set create_repositories: settings"),
            ),
            SurveyError::TwoUpstreams(_) => Self::new(
                error,
                Some("name the same upstream in both (discovery.upstream), or bring the images to another repository"),
            ),
            SurveyError::NoRegistry(_) => Self::new(
                error,
                Some("apply the plan with the settings that it was made with, or make a new one"),
            ),
            SurveyError::OtherRegistry { .. } => Self::new(
                error,
                Some("name a registry of ECR; `ecr-keeper copy` brings an image to any other"),
            ),
            SurveyError::TwoRoles(_) => {
                Self::new(error, Some("set role_arn to the same in all targets of that registry"))
            }
            SurveyError::OwnRulesTwice(_) => Self::new(error, Some("say them there, and nowhere else")),
            SurveyError::Cached => Self::new(error, Some("name another repository for it")),
            SurveyError::Tag(_) => Self::new(
                error,
                Some(
                    "mend the tag (docs/rules.md), or set ecr_sync_opt to out: until then the repository is passed over; AWS allows no < > ~ ! * and \
                     no comma in it",
                ),
            ),
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

impl From<&DockerConfigError> for Failure {
    fn from(error: &DockerConfigError) -> Self {
        let hint = match error {
            DockerConfigError::Nowhere => "name a folder in DOCKER_CONFIG",
            DockerConfigError::Unreadable { .. } => {
                "it has to be a file that this user may read; DOCKER_CONFIG names another folder"
            }
            DockerConfigError::Malformed { .. } => {
                "mend the file, or move it away; nothing was written. DOCKER_CONFIG names another folder"
            }
            DockerConfigError::Unwritten { .. } => {
                "the folder has to be one that this user may write to; DOCKER_CONFIG names another one"
            }
        };
        Self::new(error, Some(hint))
    }
}

impl From<&HelperError> for Failure {
    fn from(error: &HelperError) -> Self {
        Self::new(
            error,
            Some(
                "it is named in credHelpers or credsStore of Docker's configuration; by hand, with `list`, it says itself what is wrong",
            ),
        )
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
            LedgerError::Object { source, .. } if source.trouble == AwsTrouble::Unreachable => {
                "check the region, AWS_ENDPOINT_URL_S3, DNS and the proxy; without the ledger the next run compares anew what it \
                 cannot know"
            }
            LedgerError::Object { .. } | LedgerError::Late { .. } => {
                "the role needs s3:GetObject and s3:PutObject on it, in a bucket of the run's own region; without the ledger the \
                 next run compares anew what it cannot know"
            }
            LedgerError::Contended { .. } => {
                "give runs that are at work at once a ledger each, or let them begin one after the other"
            }
            LedgerError::Corrupt { place, .. } if place.starts_with("s3://") => {
                "it is not written over: name another object, or delete this one"
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
        let hint = match error {
            EngineError::Credential(error) => return Self::from(error),
            EngineError::NoDaemon { trouble, .. } => Some(daemon_hint(*trouble)),
            EngineError::StoreNotHandled { .. } => Some(
                "update to Docker 28 or newer, or use the classic store (\"containerd-snapshotter\": false in daemon.json)",
            ),
            EngineError::Refused { trouble, side, .. } => hint_at(*side, *trouble),
            EngineError::Registry {
                attempt, trouble, side, ..
            } => registry_hint(attempt, *side, *trouble),
            EngineError::Tags {
                trouble: Trouble::Gone, ..
            } => Some("check the repository's name: its registry knows none of that name"),
            EngineError::Tags { trouble, .. } => direct_hint(Side::Upstream, *trouble),
            EngineError::Login {
                trouble: Some(trouble), ..
            } if !trouble.is_of_login() => direct_hint(Side::Target, *trouble),
            EngineError::Login { .. } => {
                Some("check `ecr`, the region, the account and the login, and whether the registry can be reached")
            }
            EngineError::OtherPlatform { .. } => trouble_hint(Trouble::NoPlatform),
            EngineError::NotChecked { .. } => Some("run again: it compares anew"),
            EngineError::Moved { .. } => Some("run again"),
            EngineError::PushNotConfirmed { .. } => {
                Some("somebody else may push this tag at the same time; the next run compares again")
            }
            EngineError::Daemon { trouble, .. } if matches!(trouble, Trouble::DaemonGone | Trouble::DaemonLost) => {
                trouble_hint(*trouble)
            }
            EngineError::PushWithoutDigest { .. } | EngineError::Daemon { .. } => {
                Some("the daemon's own log tells more")
            }
            EngineError::Incomplete { .. } => trouble_hint(Trouble::Incomplete),
            EngineError::PushedAnother { .. } => {
                Some("the tag holds what was pushed: run again; if it stays so, the daemon's own log tells more")
            }
            EngineError::Stopped => None,
        };
        Self::new(error, hint)
    }
}

/// What the direct engine could not do.
fn registry_hint(attempt: &str, side: Side, trouble: Trouble) -> Option<&'static str> {
    match (attempt, trouble) {
        ("tag", Trouble::Broken) => {
            Some("the tag may have moved to something else than was put: look at it, and run again")
        }
        ("check", Trouble::Gone) => {
            Some("the registry said that it took the image, and has not got it: it, or a proxy before it, is broken")
        }
        _ => direct_hint(side, trouble),
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
        (_, Trouble::Unreachable) => Some(
            "check the registry's name, this machine's network and proxy (HTTPS_PROXY, NO_PROXY), and whether it speaks TLS \
             (registries.HOST.plain_http)",
        ),
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

pub(super) fn trouble_hint(trouble: Trouble) -> Option<&'static str> {
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
        Trouble::Lacking => Some(
            "it was brought, and brought again: something removes it there meanwhile, such as a lifecycle policy or a \
             garbage collection",
        ),
        Trouble::ServerError => Some("the registry is ill: run again later"),
        Trouble::NotAnImage => Some("name another tag, or leave this one out"),
        Trouble::Unclear | Trouble::Broken | Trouble::Other => None,
    }
}
