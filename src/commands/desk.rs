use super::watch::Watch;
use crate::aws::ecr::Ecr;
use crate::credentials::Keyring;
use crate::engine::EngineError;
use crate::engine::docker::Session;
use crate::events::{Event, Events};
use crate::ledger::Ledger;
use crate::plan::Policy;
use crate::report::Failure;
use crate::settings::Settings;
use crate::stop::Stop;
use crate::survey::{Scope, Survey, survey};

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
    pub(super) async fn open(settings: &Settings, keyword: String, watch: &Watch) -> Result<Self, Failure> {
        let opened = Self::open_unstopped(settings, keyword, watch.events.clone());
        match watch.stop.soft.run_until_cancelled(opened).await {
            Some(opened) => opened,
            None => Err(Failure::stopped("logging in")),
        }
    }

    async fn open_unstopped(settings: &Settings, keyword: String, events: Events) -> Result<Self, Failure> {
        let ecr = Ecr::connect(&settings.aws, settings.account.clone())
            .await
            .map_err(|error| Failure::from(&error))?;
        let token = ecr.token().await.map_err(|error| Failure::from(&error))?;
        let registry = settings.registry.clone().unwrap_or_else(|| token.registry.clone());
        let source = format!("the token is from {} and for {}", ecr.region(), token.registry);
        let keyring = Keyring::new(settings.logins.clone()).with_ecr(ecr.clone(), registry.clone(), Some(token));
        let session = Session::open(&settings.docker, keyring, &registry)
            .await
            .map_err(|error| {
                let mut failure = Failure::from(&error);
                if matches!(error, EngineError::Login { .. }) {
                    failure.causes.push(source);
                }
                failure
            })?;
        events.send(Event::Opened(session.describe()));
        let (ledger, trouble) = Ledger::open(settings.ledger.clone());
        if let Some(trouble) = trouble {
            tracing::warn!(
                "{}; this run compares the images themselves",
                Failure::new(&trouble, None).in_one_line()
            );
        }
        Ok(Self {
            session,
            policy: Policy {
                platform: settings.platform.clone(),
                keep_missing: settings.keep_missing,
            },
            ledger,
            ecr,
            scope: Scope {
                registry: registry.clone(),
                keyword,
                naming: settings.naming.clone(),
                compare: settings.compare,
                at_once: settings.concurrency,
            },
            registry,
            allow_no_match: settings.allow_no_match,
            events,
        })
    }

    /// Asks both sides. A keyword that matches nothing is a failure unless the settings allow it.
    pub(super) async fn survey(&self, stop: &Stop) -> Result<Survey, Failure> {
        let found = survey(
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
        match found.repositories == 0 && !self.allow_no_match && !stop.is_asked() {
            true => Err(Failure::no_match(
                &self.scope.keyword,
                &self.registry,
                self.ecr.region(),
            )),
            false => Ok(found),
        }
    }
}
