//! What the daemon refused, and a daemon that is not there.

use std::io;
use std::time::Duration;

use bollard::errors::Error;

use super::address::Address;
use super::answers;
use crate::engine::{DaemonTrouble, EngineError, Trouble};
use crate::retry::Passes;

/// What the daemon refused, with what it means.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) trouble: Trouble,
    pub(super) message: String,
    /// How long the registry asked to be left alone, where it was asked without the daemon: that does not hand it on.
    pub(super) retry_after: Option<Duration>,
}

impl Passes for Refusal {
    fn passes(&self) -> bool {
        self.trouble.passes()
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (trouble, message) = match error {
            Error::DockerResponseServerError { status_code, message } => {
                (answers::meaning(Some(status_code), &message), message)
            }
            Error::DockerStreamError { error } => (answers::meaning(None, &error), error),
            Error::RequestTimeoutError => (Trouble::NoAnswer, "no answer in time, and no sign of life".to_owned()),
            error if has_gone(&error) => (
                Trouble::DaemonGone,
                format!("the daemon's answer broke off: {}", innermost(&error)),
            ),
            other => (
                Trouble::Other,
                format!("the daemon's answer cannot be read: {}", innermost(&other)),
            ),
        };
        Self {
            trouble,
            message: answers::without_queries(&message),
            retry_after: None,
        }
    }
}

/// Whether the daemon is not there any more, as far as this answer tells.
pub(super) fn has_gone(error: &Error) -> bool {
    matches!(
        error,
        Error::HyperResponseError { .. }
            | Error::HyperLegacyError { .. }
            | Error::IOError { .. }
            | Error::SocketNotFoundError(_)
            | Error::RequestTimeoutError
    )
}

pub(super) fn innermost(error: &Error) -> String {
    anyhow::Chain::new(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

pub(super) fn no_daemon(address: &Address, error: &Error) -> EngineError {
    let kind = anyhow::Chain::new(error)
        .find_map(|cause| cause.downcast_ref::<io::Error>())
        .map(io::Error::kind);
    let of_tls = |cause: &(dyn std::error::Error + 'static)| {
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.is_some_and(|inner| inner.is::<rustls::Error>()) || cause.is::<rustls::Error>()
    };
    let over_tls = anyhow::Chain::new(error).any(of_tls);
    let trouble = match (error, kind) {
        (Error::SocketNotFoundError(_), _) => DaemonTrouble::Absent,
        (Error::UnsupportedURISchemeError { .. } | Error::InvalidURIError { .. }, _) => DaemonTrouble::Address,
        (_, Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)) => DaemonTrouble::Absent,
        (_, Some(io::ErrorKind::PermissionDenied)) => DaemonTrouble::NoPermission,
        (Error::RequestTimeoutError, _) => DaemonTrouble::Silent,
        _ if over_tls => DaemonTrouble::Tls,
        // The words of Go's HTTP server.
        (Error::DockerResponseServerError { message, .. }, _) if message.contains("HTTPS server") => DaemonTrouble::Tls,
        _ => DaemonTrouble::Other,
    };
    // In TLS 1.3 a server refuses the client's certificate when for the client the handshake is over (RFC 8446, 4.4.2.4): its alert
    // and its closing of the connection race with the first request.
    let closed =
        trouble == DaemonTrouble::Other && matches!(address, Address::Tcp { tls: Some(_), .. }) && has_gone(error);
    if closed {
        return EngineError::NoDaemon {
            address: address.to_string(),
            trouble: DaemonTrouble::Tls,
            why: format!(
                "{}: it closed the connection, as a daemon does that does not accept the certificate shown",
                innermost(error)
            ),
        };
    }
    EngineError::NoDaemon {
        address: address.to_string(),
        trouble,
        why: match trouble {
            DaemonTrouble::Absent => "nothing listens there".to_owned(),
            DaemonTrouble::NoPermission => "permission denied".to_owned(),
            DaemonTrouble::Address => "not an address of a daemon (unix:///PATH or tcp://HOST:PORT)".to_owned(),
            DaemonTrouble::Silent => "it is there and does not answer".to_owned(),
            DaemonTrouble::Tls | DaemonTrouble::Context | DaemonTrouble::Other => innermost(error),
        },
    }
}
