//! What could not be read, in words.

use crate::aws::{AwsError, Trouble};
use crate::report::Failure;
use crate::stop::Stop;
use crate::usage::{Failed, FailureKind, Service};

/// What failed, in the order in which it was noticed. That a stop came first is said once for each service.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) failures: Vec<Failed>,
}

impl Notes {
    pub(super) fn push(&mut self, failed: Failed) {
        let is_same = |one: &Failed| {
            one.kind == FailureKind::Stopped && (one.service, &one.region) == (failed.service, &failed.region)
        };
        if failed.kind != FailureKind::Stopped || !self.failures.iter().any(is_same) {
            self.failures.push(failed);
        }
    }

    pub(super) fn extend(&mut self, failures: impl IntoIterator<Item = Failed>) {
        // Of other regions and accounts, each has been looked at already.
        self.failures.extend(failures);
    }
}

/// Asks, unless nothing new is to begin, or that is said meanwhile.
pub(super) async fn unless_stopped<T>(
    stop: &Stop,
    service: Service,
    asked: impl Future<Output = Result<T, AwsError>>,
) -> Result<T, Failed> {
    match stop.soft.run_until_cancelled(asked).await {
        Some(answer) => answer.map_err(|error| failed(service, &error)),
        None => Err(stopped(service)),
    }
}

pub(super) fn stopped(service: Service) -> Failed {
    Failed {
        account: None,
        region: None,
        service,
        operation: "-".to_owned(),
        subject: None,
        kind: FailureKind::Stopped,
        message: format!(
            "{} was not asked to the end: the run was stopped before",
            service.word()
        ),
        causes: Vec::new(),
        hint: None,
    }
}

/// Of a call. Where and of what is for the caller to say.
pub(super) fn failed(service: Service, error: &AwsError) -> Failed {
    let failure = Failure::from(error);
    Failed {
        account: None,
        region: None,
        service,
        operation: error.call.to_owned(),
        subject: None,
        kind: kind(error.trouble),
        message: failure.message,
        causes: failure.causes,
        hint: hint(service, error).or(failure.hint.map(Into::into)),
    }
}

fn kind(trouble: Trouble) -> FailureKind {
    match trouble {
        Trouble::NoCredentials
        | Trouble::UnknownProfile
        | Trouble::BadCredentials
        | Trouble::NotAssumed
        | Trouble::Denied => FailureKind::NotAllowed,
        Trouble::Throttled => FailureKind::Throttled,
        Trouble::Unreachable => FailureKind::Unreachable,
        Trouble::NotFound => FailureKind::NotFound,
        Trouble::NoRegion
        | Trouble::NoEndpoint
        | Trouble::Exists
        | Trouble::Quota
        | Trouble::Invalid
        | Trouble::WrongClock
        | Trouble::Odd
        | Trouble::Refused => FailureKind::Other,
    }
}

/// What other commands say of these does not hold here.
fn hint(service: Service, error: &AwsError) -> Option<String> {
    let permission = format!("{}:{}", service.word(), error.call);
    match (error.trouble, service) {
        (Trouble::NotAssumed, _) => Some(
            "allow sts:AssumeRole of it to who asks, and let the role's trust policy name who asks; usage.role_arns names the roles".to_owned(),
        ),
        (Trouble::Denied, _) => Some(format!(
            "allow {permission} to who asks (docs/iam.md has the whole policy)"
        )),
        (Trouble::BadCredentials, Service::Ecr | Service::Lambda | Service::Logs | Service::Ecs) => {
            Some("the region may not be enabled for the account: leave it out of usage.regions (--regions)".to_owned())
        }
        (Trouble::Throttled, _) => Some("somebody else asks at the same time, too: run again later".to_owned()),
        (Trouble::NotFound, _) => Some("it has gone since it was listed: run again".to_owned()),
        _ => None,
    }
}
