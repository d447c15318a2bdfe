//! Tokens of ECR's registries, for programs that log in there themselves: who is asked for which.

use super::elsewhere::{is_its_own, who_we_are};
use crate::aws::ecr::{Ecr, Token, account_and_region};
use crate::aws::ecr_public::{EcrPublic, HOST as PUBLIC};
use crate::aws::{AwsOptions, account_and_region_of};
use crate::mapping::Elsewhere;
use crate::settings::Settings;
use crate::survey::SurveyError;

/// Who gives a registry's token, and who we are there.
#[derive(Debug)]
pub(crate) enum Giver {
    /// ECR, for the registry of an account in a region; without an account, of our own.
    Private {
        options: Box<AwsOptions>,
        account: Option<String>,
        /// The host that a target names, which only the token may tell to be a registry of ECR, and that target.
        named: Option<(String, Elsewhere)>,
    },
    /// ECR Public.
    Public(Box<AwsOptions>),
}

impl Giver {
    /// For the account's own registry, or the one that the settings name.
    pub(crate) fn own(settings: &Settings) -> Self {
        Self::Private {
            options: Box::new(settings.aws.clone()),
            account: settings.account.clone(),
            named: None,
        }
    }

    /// For the registry at `host`: the settings' own, one of these targets', or one that ECR's names tell by themselves. None where it
    /// is none of these.
    pub(crate) fn of(settings: &Settings, targets: &[Elsewhere], host: &str) -> Option<Self> {
        if settings.registry.as_deref() == Some(host) {
            return Some(Self::own(settings));
        }
        let mut named: Vec<&Elsewhere> = targets
            .iter()
            .filter(|target| leads_to(target, host, &settings.aws))
            .collect();
        // Who names a role is who we are there, also for a target that names none.
        named.sort_by_key(|target| target.role_arn.is_none());
        if let Some(target) = named.first() {
            let (options, account) = who_we_are(target, settings);
            return Some(Self::Private {
                options: Box::new(options),
                account,
                named: Some((host.to_owned(), (*target).clone())),
            });
        }
        // The endpoint that is said is that of our own registry; AWS's own variables hold everywhere.
        let elsewhere = |region: Option<&str>| {
            Box::new(AwsOptions {
                region: region.map(str::to_owned),
                endpoint_url: None,
                ..settings.aws.clone()
            })
        };
        match account_and_region(host) {
            Some((account, region)) => Some(Self::Private {
                options: elsewhere(Some(region)),
                account: Some(account.to_owned()),
                named: None,
            }),
            None => (host == PUBLIC).then(|| Self::Public(elsewhere(None))),
        }
    }

    /// A fresh token.
    ///
    /// # Errors
    /// Where AWS gives none, or one of another registry than the host that was named, which is not to see it.
    pub(crate) async fn token(&self) -> Result<Token, SurveyError> {
        match self {
            Self::Private {
                options,
                account,
                named,
            } => {
                let token = Ecr::connect(options, account.clone()).await?.token().await?;
                if let Some((host, target)) = named {
                    is_its_own(host, &token, target)?;
                }
                Ok(token)
            }
            Self::Public(options) => Ok(EcrPublic::connect(options).await?.token().await?),
        }
    }

    /// Whether there are tokens of it, so that nobody need keep one. Of a host that a target names only a token tells.
    pub(crate) async fn gives(&self) -> bool {
        match self {
            Self::Private { named: Some(_), .. } => self.token().await.is_ok(),
            Self::Private { named: None, .. } | Self::Public(_) => true,
        }
    }
}

/// The registries that the settings name as targets.
pub(crate) fn targets(settings: &Settings) -> Vec<Elsewhere> {
    let entries = settings.images.iter().chain(&settings.of_other_engine);
    entries.filter_map(|entry| entry.named.elsewhere.clone()).collect()
}

/// Whether a target is the registry at `host`, told by what stands there alone: its host, or a role, which is of the registry's account.
pub(super) fn leads_to(target: &Elsewhere, host: &str, usual: &AwsOptions) -> bool {
    match (&target.registry, account_and_region(host)) {
        (Some(registry), _) => registry == host,
        (None, Some((account, region))) => {
            let of_role = target.role_arn.as_deref().and_then(account_and_region_of);
            let of_role = of_role.map(|(account, _)| account);
            let there = target.region.as_deref().or(usual.region.as_deref());
            of_role == Some(account) && there == Some(region)
        }
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::{Retry, Timeouts};
    use std::time::Duration;

    #[test]
    fn a_target_is_told_by_its_host_or_by_its_role() {
        let second = Duration::from_secs(1);
        let aws = AwsOptions {
            region: Some("eu-central-1".to_owned()),
            home: None,
            profile: None,
            endpoint_url: None,
            keys: None,
            role_arn: None,
            retry: Retry {
                tries: 1,
                wait: second,
                longest: second,
            },
            timeouts: Timeouts {
                connect: second,
                answer: second,
            },
        };
        let target = |registry: Option<&str>, region: Option<&str>, role: Option<&str>| Elsewhere {
            registry: registry.map(str::to_owned),
            region: region.map(str::to_owned),
            role_arn: role.map(str::to_owned),
            ..Elsewhere::default()
        };
        let host = "222222222222.dkr.ecr.eu-west-1.amazonaws.com";
        let role = Some("arn:aws:iam::222222222222:role/mirror");
        let other = Some("arn:aws:iam::333333333333:role/mirror");
        for (target, is_it) in [
            (target(Some(host), Some("eu-west-1"), None), true),
            (target(Some("reg.example.com"), Some("eu-west-1"), role), false),
            (target(None, Some("eu-west-1"), role), true),
            (target(None, None, role), false),
            (target(None, Some("eu-west-1"), other), false),
            (target(None, Some("eu-west-1"), None), false),
        ] {
            assert_eq!(leads_to(&target, host, &aws), is_it, "{target}");
        }
    }
}
