use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ecr::error::{ConnectorError, ErrorMetadata, ProvideErrorMetadata, SdkError};

use super::profile::UnknownProfile;
use super::role::NotAssumed;

/// A call to AWS that failed: what was asked, of what, and what came back.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{call} {on}: {message}")]
pub struct AwsError {
    /// The API action, as AWS writes it.
    pub call: &'static str,
    /// What it was asked of.
    pub on: String,
    /// What sort of trouble it is.
    pub trouble: Trouble,
    /// AWS's own words, or the transport's.
    pub message: String,
}

/// What an AWS error means for us, by its code (AWS "Common errors", the API references of ECR, S3, Secrets Manager and Systems Manager), never by its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No credentials were found anywhere.
    NoCredentials,
    /// The profile that was named is in no configuration file.
    UnknownProfile,
    /// No region was named anywhere.
    NoRegion,
    /// A variable of the environment says no endpoint where it should.
    NoEndpoint,
    /// AWS does not know the credentials, or they have expired.
    BadCredentials,
    /// The credentials are good and may not do this.
    Denied,
    /// The credentials are good and may not be the role's.
    NotAssumed,
    /// The registry, repository or image is not there.
    NotFound,
    /// Too many requests, also after the SDK's own retries.
    Throttled,
    /// Nothing answered.
    Unreachable,
    /// It is there already.
    Exists,
    /// An account may have no more of these.
    Quota,
    /// What was asked for is not what AWS allows: a name, a policy, a key.
    Invalid,
    /// The clock of this machine and AWS's are too far apart.
    WrongClock,
    /// What came back is not what was asked for.
    Odd,
    /// Anything else that AWS refused.
    Refused,
}

impl AwsError {
    pub(super) fn no_region() -> Self {
        Self {
            call: "configure",
            on: "the AWS client".to_owned(),
            trouble: Trouble::NoRegion,
            message: "no region is set".to_owned(),
        }
    }

    pub(super) fn unknown_profile(name: &str) -> Self {
        Self {
            trouble: Trouble::UnknownProfile,
            message: UnknownProfile(name.to_owned()).to_string(),
            ..Self::no_region()
        }
    }

    pub(super) fn wrong_endpoint(variable: &str) -> Self {
        Self {
            trouble: Trouble::NoEndpoint,
            message: format!("the environment variable {variable} says no http:// or https:// URL"),
            ..Self::no_region()
        }
    }

    /// An answer that has a shape which AWS does not document.
    pub(super) fn odd_answer(call: &'static str, on: impl Into<String>, message: impl ToString) -> Self {
        Self {
            call,
            on: on.into(),
            trouble: Trouble::Odd,
            message: message.to_string(),
        }
    }

    pub(super) fn of_sdk<E, R>(call: &'static str, on: impl Into<String>, error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug,
    {
        let (trouble, message) = match error.code() {
            Some(code) => (
                of_code(code),
                match error.message() {
                    Some(text) => format!("{code}: {text}"),
                    None => code.to_owned(),
                },
            ),
            None => of_transport(error),
        };
        Self {
            call,
            on: on.into(),
            trouble,
            message,
        }
    }
}

fn of_code(code: &str) -> Trouble {
    match code {
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "OptInRequired" => Trouble::Denied,
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "ExpiredTokenException"
        | "ExpiredToken" => Trouble::BadCredentials,
        "RequestExpired" | "RequestTimeTooSkewed" => Trouble::WrongClock,
        "RepositoryNotFoundException"
        | "ImageNotFoundException"
        | "NoSuchBucket"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "ResourceNotFoundException"
        | "ClusterNotFoundException"
        | "ParameterNotFound"
        | "ParameterVersionNotFound" => Trouble::NotFound,
        "RepositoryAlreadyExistsException" => Trouble::Exists,
        "LimitExceededException" => Trouble::Quota,
        "InvalidParameterException"
        | "InvalidTagParameterException"
        | "TooManyTagsException"
        | "ValidationException" => Trouble::Invalid,
        "ThrottlingException" | "Throttling" | "TooManyRequestsException" | "RequestLimitExceeded" | "SlowDown" => {
            Trouble::Throttled
        }
        _ => Trouble::Refused,
    }
}

/// An error without a code never reached AWS, or came back as no AWS answer.
fn of_transport<E: Error + 'static, R: std::fmt::Debug>(error: SdkError<E, R>) -> (Trouble, String) {
    let answered = matches!(error, SdkError::ServiceError(_) | SdkError::ResponseError(_));
    let causes: Vec<&(dyn Error + 'static)> = error
        .source()
        .map(|first| anyhow::Chain::new(first).collect())
        .unwrap_or_default();
    if let Some(unknown) = causes.iter().find_map(|cause| cause.downcast_ref::<UnknownProfile>()) {
        return (Trouble::UnknownProfile, unknown.to_string());
    }
    let no_credentials = causes.iter().any(|cause| {
        matches!(
            cause.downcast_ref::<CredentialsError>(),
            Some(CredentialsError::CredentialsNotLoaded(_))
        )
    });
    let credentials_failed = causes.iter().any(|cause| cause.is::<CredentialsError>());
    // What STS says of a role.
    let said = causes.iter().find_map(|cause| cause.downcast_ref::<ErrorMetadata>());
    let role = causes.iter().find_map(|cause| cause.downcast_ref::<NotAssumed>());
    let is_silent = causes.last().is_some_and(|last| last.is::<NotAssumed>());
    let unanswered = is_silent || causes.iter().any(|cause| cause.is::<ConnectorError>());
    let failed = match role {
        Some(NotAssumed { role, .. }) => format!("the role {role} could not be assumed"),
        None => "the AWS credentials could not be loaded".to_owned(),
    };
    let words = match causes.last() {
        Some(root) => root.to_string(),
        None => error.to_string(),
    };
    match () {
        () if no_credentials => (Trouble::NoCredentials, "no AWS credentials were found".to_owned()),
        () if credentials_failed
            && let Some((code, said)) = said.and_then(|said| Some((said.code()?, said.message()?))) =>
        {
            let trouble = match of_code(code) {
                Trouble::Denied if role.is_some() => Trouble::NotAssumed,
                other => other,
            };
            (trouble, format!("{failed}: {code}: {said}"))
        }
        () if credentials_failed && unanswered => (Trouble::Unreachable, format!("{failed}: {words}")),
        () if credentials_failed => (Trouble::BadCredentials, format!("{failed}: {words}")),
        () if answered => (Trouble::Refused, format!("the answer is not one of AWS: {words}")),
        () => (Trouble::Unreachable, words),
    }
}
