//! Passwords for the registry: they expire, and can be made to.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::chance;

/// What a password is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worth {
    Valid,
    Expired,
    Unknown,
}

/// All passwords that an account has handed out.
#[derive(Debug)]
pub(crate) struct Tokens {
    lifetime: Duration,
    expiry: Mutex<HashMap<String, Timestamp>>,
}

impl Tokens {
    pub(crate) fn new(lifetime: Duration) -> Tokens {
        Tokens {
            lifetime,
            expiry: Mutex::default(),
        }
    }

    /// A new password and when it expires. As long as ECR's, which matters to header limits.
    pub(crate) fn issue(&self) -> (String, Timestamp) {
        let password = format!("eyJwYXlsb2FkIjoi{}", chance::hex(1_800));
        let expiry = Timestamp::now() + self.lifetime;
        self.all().insert(password.clone(), expiry);
        (password, expiry)
    }

    /// All that were issued so far are expired from now on.
    pub(crate) fn expire_all(&self) {
        let now = Timestamp::now();
        self.all().values_mut().for_each(|expiry| *expiry = now);
    }

    pub(crate) fn worth(&self, password: &str) -> Worth {
        match self.all().get(password) {
            None => Worth::Unknown,
            Some(expiry) if *expiry <= Timestamp::now() => Worth::Expired,
            Some(_) => Worth::Valid,
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.expiry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
