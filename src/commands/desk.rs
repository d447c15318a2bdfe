use super::Context;
use super::watch::Watch;
use crate::aws::ecr::Ecr;
use crate::credentials::Keyring;
use crate::engine::EngineError;
use crate::engine::docker::Session;
use crate::events::{Event, Events};
use crate::ledger::Ledger;
use crate::mapping::Only;
use crate::plan::{Copy, Policy};
use crate::registry::Client;
use crate::report::Failure;
use crate::settings::{Mistake, Settings, SettingsError};
use crate::stop::Stop;
use crate::survey::{Scope, Seen, Survey, look_again, survey};

/// Which repositories and tags a run is about.
#[derive(Debug, Default)]
pub(super) struct Range {
    /// Repositories with this in their name; none for all.
    pub(super) keyword: Option<String>,
    /// Of those, only these; empty for all.
    pub(super) only: Vec<Only>,
}

impl Range {
    /// What the settings and the command line say together. One of them has to say something.
    pub(super) fn of(context: &Context, settings: &Settings, only: &[Only]) -> Result<Self, SettingsError> {
        match (&settings.keyword, only.is_empty()) {
            (None, true) => Err(SettingsError::Invalid(vec![Mistake {
                origin: match &context.file {
                    Some(file) => file.display().to_string(),
                    None => "no settings file".to_owned(),
                },
                key: "keyword".to_owned(),
                problem:
                    "is not set; name a part of the repositories' names there, in KEYWORD, or whole names with --only"
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
        let keyring = Keyring::new(settings.logins.clone()).with_ecr(ecr.clone(), registry.clone(), Some(token));
        let registries = Client::new(settings.timeouts).map_err(|error| Failure::new(&error, None))?;
        let session = Session::open(&settings.docker, registries, keyring, &registry)
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
            policy: Policy {
                platforms: settings.platforms.clone(),
                keeps: session.keeps(),
                keep_missing: settings.keep_missing,
            },
            session,
            ledger,
            ecr,
            scope: Scope {
                registry: registry.clone(),
                keyword: range.keyword,
                only: range.only,
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
        match &self.scope.keyword {
            Some(keyword) if found.is_empty() && !self.allow_no_match && !stop.is_asked() => {
                Err(Failure::no_match(keyword, &self.registry, self.ecr.region()))
            }
            _ => Ok(found),
        }
    }

    /// What both sides of planned copies hold now.
    pub(super) async fn look_again(&self, copies: Vec<Copy>, at_once: usize, stop: &Stop) -> Vec<Seen> {
        look_again(copies, at_once, &self.ecr, &self.session, &self.ledger, stop).await
    }
}
