//! The accounts that are asked, and who we are there.

use std::collections::BTreeSet;

use futures::future::join_all;

use super::CensusOptions;
use super::trouble::{Notes, failed, unless_stopped};
use crate::aws::account::{Caller, caller};
use crate::aws::{AwsError, AwsOptions, Login, Trouble, account_and_region_of};
use crate::stop::Stop;
use crate::usage::{Failed, FailureKind, Service};

/// An account that is asked.
pub(super) struct Account {
    pub(super) login: Result<Login, AwsError>,
    pub(super) role: Option<String>,
    pub(super) caller: Option<Caller>,
    /// Whether it is clear that nobody there will answer.
    pub(super) is_closed: bool,
}

impl Account {
    pub(super) fn id(&self) -> Option<&str> {
        let of_role = || self.role.as_deref().and_then(account_of_role);
        self.caller
            .as_ref()
            .map(|caller| caller.account.as_str())
            .or_else(of_role)
    }
}

/// Our own account and those of the roles. One that a role is named for is asked as that role alone.
pub(super) async fn open_all(
    aws: &AwsOptions,
    options: &CensusOptions,
    stop: &Stop,
    notes: &mut Notes,
) -> Vec<Account> {
    let roles = options.role_arns.iter().map(|role| Some(role.clone()));
    let asked = [None]
        .into_iter()
        .chain(roles)
        .map(|role| open(aws, options, role, stop));
    let mut accounts: Vec<Account> = Vec::new();
    let mut named: BTreeSet<String> = options
        .role_arns
        .iter()
        .filter_map(|role| account_of_role(role))
        .map(str::to_owned)
        .collect();
    for (account, failure) in join_all(asked).await {
        let is_named = account.role.is_none() && account.id().is_some_and(|id| named.contains(id));
        let is_twice = account.role.is_some() && account.id().is_some_and(|id| !named.remove(id));
        if is_named || is_twice {
            continue;
        }
        notes.extend(failure.into_iter().map(|mut failed| {
            failed.account = account.id().map(str::to_owned);
            failed
        }));
        accounts.push(account);
    }
    accounts
}

async fn open(
    aws: &AwsOptions,
    options: &CensusOptions,
    role: Option<String>,
    stop: &Stop,
) -> (Account, Option<Failed>) {
    let aws = AwsOptions {
        role_arn: role.clone().or_else(|| aws.role_arn.clone()),
        ..aws.clone()
    };
    let login = match Login::open(&aws).await {
        // Whoever names regions, or wants all, need not say where we are.
        Err(error) if error.trouble == Trouble::NoRegion => {
            let first = options.regions.iter().flatten().next().cloned();
            let region = first.unwrap_or_else(|| "us-east-1".to_owned());
            Login::open(&AwsOptions {
                region: Some(region),
                ..aws
            })
            .await
        }
        login => login,
    };
    let mut account = Account {
        login,
        role,
        caller: None,
        is_closed: false,
    };
    let asked = match &account.login {
        Ok(login) => unless_stopped(stop, Service::Sts, caller(login)).await,
        Err(error) => Err(failed(Service::Sts, error)),
    };
    match asked {
        Ok(caller) => {
            account.caller = Some(caller);
            (account, None)
        }
        Err(failed) => {
            // Where STS alone is out of reach, the others may not be.
            account.is_closed = account.role.is_some() || failed.kind == FailureKind::NotAllowed;
            let operation = match account.role {
                Some(_) => "AssumeRole".to_owned(),
                None => failed.operation.clone(),
            };
            let subject = account.role.clone();
            (
                account,
                Some(Failed {
                    operation,
                    subject,
                    ..failed
                }),
            )
        }
    }
}

fn account_of_role(arn: &str) -> Option<&str> {
    account_and_region_of(arn).map(|(account, _)| account)
}
