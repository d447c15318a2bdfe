use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Context;
use super::elsewhere::{Opened, Routes, Unreached, may_mean};
use super::watch::Watch;
use crate::aws::AwsOptions;
use crate::aws::ecr::Ecr;
use crate::credentials::Keyring;
use crate::engine::{EngineError, Registries, Session, direct, docker};
use crate::events::{Event, Events};
use crate::execute::{Ecrs, Remember};
use crate::ledger::Ledger;
use crate::mapping::{Only, Shard};
use crate::plan::{self, EngineKind, Plan, Policies, Policy, Safety, Upstream, Vanished, Viewed};
use crate::registry::{Client, Limit};
use crate::report::Failure;
use crate::settings::{Mistake, Settings, SettingsError};
use crate::stop::Stop;
use crate::survey::{Part, Place, Scope, Seen, Survey, SurveyError, Unmatched, look_again, survey};

/// Which repositories and tags a run is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Range {
    /// Repositories with this in their name; none for all.
    pub(super) keyword: Option<String>,
    /// Of those, only these; empty for all.
    pub(super) only: Vec<Only>,
    /// Of their images, only those of this part.
    pub(super) shard: Option<Shard>,
    /// Whether a repository's name alone says nothing.
    pub(super) is_named_alone: bool,
}

impl Range {
    /// Only this part of it.
    pub(crate) fn part(self, shard: Option<Shard>) -> Self {
        Self { shard, ..self }
    }

    /// Only what `images` or resource tags name.
    pub(crate) fn named_alone(self) -> Self {
        Self {
            is_named_alone: true,
            ..self
        }
    }

    /// What the settings and the command line say together. One of them has to say something.
    pub(crate) fn of(context: &Context, settings: &Settings, only: &[Only]) -> Result<Self, SettingsError> {
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
                only: once(only),
                ..Self::default()
            }),
        }
    }

    /// Of a range, what one engine has to do with; none where that is nothing.
    pub(super) fn within(&self, settings: &Settings) -> Option<Self> {
        let is_named = |only: &Only| settings.images.iter().any(|entry| may_mean(only, &entry.named));
        let is_of_other = |only: &Only| {
            let mut others = settings.of_other_engine.iter();
            others.any(|entry| may_mean(only, &entry.named))
        };
        let is_found = |only: &Only| {
            let name = settings
                .registry
                .as_deref()
                .map_or(&*only.repository, |host| only.name_in(host));
            settings.part.has(name)
        };
        let mut only = self.only.clone();
        only.retain(|only| match settings.part {
            Part::Of(_) => is_named(only),
            // Without a keyword, what entries name for the other engine alone is not found by its name.
            _ if self.keyword.is_none() && is_of_other(only) => is_named(only),
            Part::All | Part::AllBut(_) => is_found(only) || is_named(only),
        });
        // Where entries name the other engine for everything, there may be no daemon.
        let has_others = !settings.of_other_engine.is_empty();
        let has_nothing = settings.images.is_empty() && self.keyword.is_none() && !settings.resource_tags;
        let is_something = match self.only.is_empty() {
            true => !(has_others && has_nothing),
            false => !only.is_empty(),
        };
        is_something.then(|| Self { only, ..self.clone() })
    }
}

/// Each name once: what is missing is counted by them.
fn once(only: &[Only]) -> Vec<Only> {
    let mut all: Vec<Only> = Vec::new();
    for one in only {
        if !all.contains(one) {
            all.push(one.clone());
        }
    }
    all
}

/// All that surveying and copying need, made from the settings and ready to use.
pub(super) struct Desk {
    pub(super) session: Session,
    pub(super) registry: String,
    pub(super) policies: Policies,
    pub(super) ledger: Arc<Ledger>,
    /// The run's own registry first.
    places: Vec<Place>,
    /// What is named for registries that could not be reached, and why not.
    unreached: Vec<Unreached>,
    aws: AwsOptions,
    allow_no_match: bool,
    events: Events,
    /// When the ledger is kept.
    pub(super) remember: Remember,
}

impl Desk {
    /// Logs in at ECR and at the daemon. Nothing has been changed yet, so that a stop may drop it at any point.
    pub(super) async fn open(settings: &Settings, range: Range, watch: &Watch) -> Result<Self, Failure> {
        let opened = Self::open_unstopped(settings, range, None, watch.events.clone());
        unless_stopped(opened, watch).await
    }

    /// The same with a ledger that is open already, as others have it.
    pub(super) async fn beside(
        ledger: Arc<Ledger>,
        settings: &Settings,
        range: Range,
        watch: &Watch,
    ) -> Result<Self, Failure> {
        let opened = Self::open_unstopped(settings, range, Some(ledger), watch.events.clone());
        unless_stopped(opened, watch).await
    }

    async fn open_unstopped(
        settings: &Settings,
        range: Range,
        ledger: Option<Arc<Ledger>>,
        events: Events,
    ) -> Result<Self, Failure> {
        let own = Opened::open(&settings.aws, settings.account.clone(), settings.registry.clone())
            .await
            .map_err(|error| Failure::from(&error))?;
        let registry = own.host.clone();
        let source = format!("the token is from {} and for {}", own.ecr.region(), own.token.registry);
        let mut routes = Routes::open(settings, &own, &range.only).await;
        let keyring = routes.keyring(settings, &own);
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
        let ledger = match ledger {
            Some(ledger) => ledger,
            None => open_ledger(settings).await?,
        };
        let usual = Policy {
            platforms: settings.wanted_platforms(),
            keeps: session.keeps(),
            attestations: settings.direct.attestations,
            safety: settings.safety.clone(),
            now: Timestamp::now(),
        };
        let entries = settings.images.iter().filter_map(|entry| entry.safety.as_ref());
        let all = [&settings.safety].into_iter().chain(entries);
        let scope = Scope {
            registry: registry.clone(),
            discovers: !range.is_named_alone,
            part: own.part(settings),
            keyword: range.keyword,
            only: range.only,
            shard: range.shard,
            naming: settings.naming.clone(),
            images: Vec::new(),
            resource_tags: settings.resource_tags,
            max_results: settings.max_results,
            creation: settings.creation.clone(),
            backups: all.filter_map(|safety| safety.backup.clone()).collect(),
            compare: settings.compare,
            fixed_tags: settings.immutable_tags.clone(),
            allow_no_match: settings.allow_no_match,
            missing_only: settings.missing_only,
            at_once: questions,
        };
        let unreached = std::mem::take(&mut routes.unreached);
        Ok(Self {
            policies: routes.policies(usual, &own),
            session,
            ledger,
            places: routes.into_places(own, &scope),
            unreached,
            aws: settings.aws.clone(),
            registry,
            allow_no_match: settings.allow_no_match,
            events,
            remember: Remember::AtTheEnd,
        })
    }

    /// What registries said about their limits, by host.
    pub(super) fn limits(&self) -> BTreeMap<String, Limit> {
        self.session.limits()
    }

    /// Where repositories may be created.
    pub(super) fn ecrs(&self) -> Ecrs {
        let places = self.places.iter();
        places
            .map(|(scope, ecr)| (scope.registry.as_str().into(), ecr.clone()))
            .collect()
    }

    /// Asks both sides. A keyword that matches nothing is a failure unless the settings allow it.
    pub(super) async fn survey(&self, stop: &Stop) -> Result<Survey, Failure> {
        let mut found = survey(
            &self.places,
            &self.policies,
            &self.session,
            &self.ledger,
            stop,
            &self.events,
        )
        .await
        .map_err(|error| Failure::from(&error))?;
        found.closed.extend(self.unreached.iter().map(|one| one.closed.clone()));
        // What is named beside it is done all the same.
        let is_all = found.is_empty() && found.named.is_empty();
        let is_missed = |unmatched: &mut Unmatched| unmatched.keyword.is_some() || is_all;
        if self.allow_no_match || stop.is_asked() || !found.unmatched.as_mut().is_some_and(is_missed) {
            found.unmatched = None;
        }
        match found.unmatched.take_if(|_| is_all) {
            Some(unmatched) => Err(Failure::from(&unmatched)),
            None => Ok(found),
        }
    }

    /// Remembers what was found, for later runs: since when an upstream has an image, and what may be the last copy of one.
    pub(super) fn remember(&self, viewed: &[Viewed]) {
        for one in viewed {
            let policy = self.policies.of(&one.target);
            let (safety, now) = (&policy.safety, policy.now);
            match &one.upstream {
                Upstream::Has(has) if safety.min_age.is_some() => {
                    self.ledger.see(&one.follows, &has.top, now);
                }
                Upstream::Gone if safety.vanished == Vanished::Protect => {
                    self.ledger.protect(&one.target, now);
                }
                _ => {}
            }
        }
    }

    /// What is made of what was found, which the survey no longer has then.
    pub(super) fn plan(&self, survey: &mut Survey) -> Plan {
        plan::sync(std::mem::take(&mut survey.viewed), &self.policies).creating(&survey.missing)
    }

    /// What both sides of planned copies hold now.
    pub(super) async fn look_again(&self, plan: &Plan, at_once: usize, stop: &Stop) -> Vec<Seen> {
        let mut seen = look_again(plan, at_once, &self.ecrs(), &self.session, &self.ledger, stop).await;
        for (copy, now) in &mut seen {
            let may_be = |one: &&Unreached| one.may_be(&copy.target.repository, &self.aws);
            if let Some(Err(error)) = now
                && let SurveyError::NoRegistry(_) = **error
                && let Some(unreached) = self.unreached.iter().find(may_be)
            {
                *error = Arc::new(unreached.closed.why.clone());
            }
        }
        seen
    }
}

async fn unless_stopped(opened: impl Future<Output = Result<Desk, Failure>>, watch: &Watch) -> Result<Desk, Failure> {
    match watch.stop.soft.run_until_cancelled(opened).await {
        Some(opened) => opened,
        None => Err(Failure::stopped("logging in")),
    }
}

/// The ledger that the settings name. One that cannot be read costs time, unless a policy goes by it.
pub(super) async fn open_ledger(settings: &Settings) -> Result<Arc<Ledger>, Failure> {
    let (ledger, trouble) = Ledger::open(&settings.ledger, &settings.aws).await;
    let entries = settings.images.iter().filter_map(|entry| entry.safety.as_ref());
    let mut policies = entries.chain([&settings.safety]);
    if let Some(trouble) = trouble {
        // What was rolled back, seen or protected is known from there alone.
        if policies.any(Safety::goes_by_the_ledger) {
            let hint = "`policy` goes by what it remembers: mend it, or move it away to begin anew";
            return Err(Failure::new(&trouble, Some(hint)));
        }
        tracing::warn!(
            "{}; this run compares the images themselves",
            Failure::new(&trouble, None).in_one_line()
        );
    }
    Ok(Arc::new(ledger))
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
