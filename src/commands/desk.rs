use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Context;
use super::watch::Watch;
use crate::aws::ecr::Ecr;
use crate::credentials::Keyring;
use crate::engine::{EngineError, Registries, Session, direct, docker};
use crate::events::{Event, Events};
use crate::execute::Ecrs;
use crate::ledger::Ledger;
use crate::mapping::Only;
use crate::plan::{self, EngineKind, Plan, Policy, Upstream, Vanished, Viewed};
use crate::registry::{Client, Limit};
use crate::report::Failure;
use crate::settings::{Mistake, Settings, SettingsError};
use crate::stop::Stop;
use crate::survey::{Scope, Seen, Survey, look_again, survey};

/// Which repositories and tags a run is about.
#[derive(Debug, Clone, Default)]
pub(super) struct Range {
    /// Repositories with this in their name; none for all.
    pub(super) keyword: Option<String>,
    /// Of those, only these; empty for all.
    pub(super) only: Vec<Only>,
}

impl Range {
    /// What the settings and the command line say together. One of them has to say something.
    pub(super) fn of(context: &Context, settings: &Settings, only: &[Only]) -> Result<Self, SettingsError> {
        let is_named = !settings.images.is_empty() || settings.resource_tags;
        match (&settings.keyword, only.is_empty() && !is_named) {
            (None, true) => Err(SettingsError::Invalid(vec![Mistake {
                origin: context.source(),
                key: "keyword".to_owned(),
                problem:
                    "is not set, nor are images or discovery.resource_tags; name a part of the repositories' names there, in KEYWORD, or whole names \
                     with --only"
                        .to_owned(),
            }])),
            _ => Ok(Self {
                keyword: settings.keyword.clone(),
                only: only.to_vec(),
            }),
        }
    }
}

/// All that surveying and copying need, made from the settings and ready to use.
pub(super) struct Desk {
    pub(super) session: Session,
    pub(super) registry: String,
    pub(super) policy: Policy,
    pub(super) ledger: Ledger,
    ecr: Ecr,
    scope: Scope,
    allow_no_match: bool,
    events: Events,
}

impl Desk {
    /// Logs in at ECR and at the daemon. Nothing has been changed yet, so that a stop may drop it at any point.
    pub(super) async fn open(settings: &Settings, range: Range, watch: &Watch) -> Result<Self, Failure> {
        let opened = Self::open_unstopped(settings, range, watch.events.clone());
        match watch.stop.soft.run_until_cancelled(opened).await {
            Some(opened) => opened,
            None => Err(Failure::stopped("logging in")),
        }
    }

    async fn open_unstopped(settings: &Settings, range: Range, events: Events) -> Result<Self, Failure> {
        let ecr = Ecr::connect(&settings.aws, settings.account.clone())
            .await
            .map_err(|error| Failure::from(&error))?;
        let token = ecr.token().await.map_err(|error| Failure::from(&error))?;
        let registry = settings.registry.clone().unwrap_or_else(|| token.registry.clone());
        let source = format!("the token is from {} and for {}", ecr.region(), token.registry);
        let keyring = Keyring::new(settings.logins.clone())
            .with_aws(settings.aws.clone())
            .with_ecr(ecr.clone(), registry.clone(), Some(token));
        let session = open_session(settings, keyring, &registry, Targets::OneRegistry)
            .await
            .map_err(|error| {
                let mut failure = Failure::from(&error);
                if matches!(error, EngineError::Login { .. }) {
                    failure.causes.push(source);
                }
                failure
            })?;
        let questions = match settings.engine {
            EngineKind::Docker => settings.concurrency,
            // A HEAD is little work on either side, and most of a run that finds nothing new.
            EngineKind::Direct => settings.concurrency * 4,
        };
        events.send(Event::Opened(session.describe()));
        let (ledger, trouble) = Ledger::open(&settings.ledger, &settings.aws).await;
        if let Some(trouble) = trouble {
            tracing::warn!(
                "{}; this run compares the images themselves",
                Failure::new(&trouble, None).in_one_line()
            );
        }
        Ok(Self {
            policy: Policy {
                platforms: settings.platforms.clone(),
                keeps: session.keeps(),
                attestations: settings.direct.attestations,
                safety: settings.safety.clone(),
                now: Timestamp::now(),
            },
            session,
            ledger,
            ecr,
            scope: Scope {
                registry: registry.clone(),
                keyword: range.keyword,
                only: range.only,
                naming: settings.naming.clone(),
                images: settings.images.clone(),
                resource_tags: settings.resource_tags,
                creation: settings.creation.clone(),
                backup: settings.safety.backup.clone(),
                compare: settings.compare,
                fixed_tags: settings.immutable_tags.clone(),
                allow_no_match: settings.allow_no_match,
                missing_only: settings.missing_only,
                at_once: questions,
            },
            registry,
            allow_no_match: settings.allow_no_match,
            events,
        })
    }

    /// What registries said about their limits, by host.
    pub(super) fn limits(&self) -> BTreeMap<String, Limit> {
        self.session.limits()
    }

    /// Where repositories may be created.
    pub(super) fn ecrs(&self) -> Ecrs {
        Ecrs::from([(self.registry.as_str().into(), self.ecr.clone())])
    }

    /// Asks both sides. A keyword that matches nothing is a failure unless the settings allow it.
    pub(super) async fn survey(&self, stop: &Stop) -> Result<Survey, Failure> {
        let mut found = survey(
            &self.scope,
            &self.policy,
            &self.ecr,
            &self.session,
            &self.ledger,
            stop,
            &self.events,
        )
        .await
        .map_err(|error| Failure::from(&error))?;
        if self.allow_no_match || stop.is_asked() {
            found.unmatched = None;
        }
        // What is named beside it is done all the same.
        let is_all = found.is_empty() && found.named.is_empty();
        match found.unmatched.take_if(|_| is_all) {
            Some(unmatched) => Err(Failure::from(&unmatched)),
            None => Ok(found),
        }
    }

    /// Remembers what was found, for later runs: since when an upstream has an image, and what may be the last copy of one.
    pub(super) fn remember(&mut self, viewed: &[Viewed]) {
        let now = self.policy.now;
        for one in viewed {
            match &one.upstream {
                Upstream::Has(has) if self.policy.safety.min_age.is_some() => {
                    self.ledger.see(&one.follows, &has.top, now);
                }
                Upstream::Gone if self.policy.safety.vanished == Vanished::Protect => {
                    self.ledger.protect(&one.target, now);
                }
                _ => {}
            }
        }
    }

    /// What is made of what was found, which the survey no longer has then.
    pub(super) fn plan(&self, survey: &mut Survey) -> Plan {
        plan::sync(std::mem::take(&mut survey.viewed), &self.policy).creating(&survey.missing)
    }

    /// What both sides of planned copies hold now.
    pub(super) async fn look_again(&self, plan: &Plan, at_once: usize, stop: &Stop) -> Vec<Seen> {
        look_again(plan, at_once, &self.ecr, &self.session, &self.ledger, stop).await
    }
}

/// Whether all that is copied goes to one registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Targets {
    /// Then nothing can be done without it.
    OneRegistry,
    /// Each may fail by itself.
    Several,
}

/// Logins for what is done by hand: the registry that the settings name has AWS's, as in a sync; every other one its own. Without AWS's
/// a registry says itself that it wants a login, but for the one that is `needed`.
pub(super) async fn keyring(settings: &Settings, needed: Option<&str>) -> Result<Keyring, Failure> {
    let mut keyring = Keyring::new(settings.logins.clone()).with_aws(settings.aws.clone());
    if let Some(registry) = &settings.registry {
        match Ecr::connect(&settings.aws, settings.account.clone()).await {
            Ok(ecr) => keyring = keyring.with_ecr(ecr, registry.clone(), None),
            Err(error) if needed == Some(registry) => return Err(Failure::from(&error)),
            Err(error) => tracing::debug!("{error}"),
        }
    }
    Ok(keyring)
}

/// Registries, as this program itself asks them.
pub(super) fn registries(settings: &Settings, keyring: &Keyring) -> Registries {
    let client = Client::new(settings.registries.clone(), Arc::new(keyring.clone()));
    Registries::new(client, settings.mirrors.clone())
}

/// Opens the engine that the settings name, for the registry `target`. A daemon logs in there in any case.
pub(super) async fn open_session(
    settings: &Settings,
    keyring: Keyring,
    target: &str,
    targets: Targets,
) -> Result<Session, EngineError> {
    let registries = registries(settings, &keyring);
    Ok(match settings.engine {
        EngineKind::Docker => {
            let session = docker::Session::open(&settings.docker, registries, keyring, target).await?;
            Session::Docker(Box::new(session))
        }
        EngineKind::Direct => {
            let target = Some(target).filter(|_| targets == Targets::OneRegistry);
            let session = direct::Session::open(settings.direct.clone(), registries, target).await?;
            Session::Direct(Box::new(session))
        }
    })
}
