//! Who carries out what messages say: a desk for each kind of plan, all with one ledger.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::commands::Context;
use crate::commands::apply::{carry_out_again, fits, is_own};
use crate::commands::desk::{Desk, Range};
use crate::commands::watch::Watch;
use crate::execute::Remember;
use crate::image::Platforms;
use crate::ledger::Ledger;
use crate::mapping::Creation;
use crate::plan::{Action, CreateRepository, EngineKind, Plan, Saved};
use crate::report::{Failure, Report};
use crate::settings::Settings;
use crate::stop::Stop;

/// How long a desk is used. What it knows of repositories, such as the layers that are there, may have changed since: ECR's lifecycle policies
/// delete what expires.
const GOOD_FOR: Duration = Duration::from_hours(1);

/// After so many messages that do not fit, and none that does, it is the worker that does not.
const MOST_UNFIT: usize = 3;

/// All desks of a worker.
pub(super) struct Benches<'a> {
    context: &'a Context,
    ledger: Arc<Ledger>,
    daemon: Daemon,
    found: Mutex<Found>,
    trouble: OnceLock<Failure>,
}

/// Whether a worker may have a daemon beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Daemon {
    /// If there is one.
    Perhaps,
    /// It is a function.
    Never,
}

/// What was found of messages so far.
#[derive(Default)]
struct Found {
    open: Vec<Arc<Bench>>,
    /// Whether any message was for this worker.
    any_fits: bool,
    /// The ids of messages that were not.
    unfit: BTreeSet<String>,
}

/// Why there is no bench for a message.
pub(super) enum Unopened {
    /// This worker's own trouble, which is no message's; or a stop.
    Trouble(Failure),
    /// The message is for other settings, or none of ours.
    Unfit {
        failure: Failure,
        /// Whether these settings are right for others.
        others_fit: bool,
    },
}

/// A desk, and for which plans it may be used.
pub(super) struct Bench {
    terms: Terms,
    settings: Settings,
    desk: Desk,
    opened: Instant,
}

/// What a plan says in the place of settings.
#[derive(Debug, Clone, PartialEq)]
struct Terms {
    registry: String,
    said: Vec<(&'static str, String)>,
    platforms: Platforms,
}

impl Terms {
    fn of(saved: &Saved) -> Self {
        Self {
            registry: saved.registry.clone(),
            said: saved.as_settings(),
            platforms: saved.platforms.clone(),
        }
    }
}

impl<'a> Benches<'a> {
    pub(super) fn new(context: &'a Context, ledger: Arc<Ledger>, daemon: Daemon) -> Self {
        Self {
            context,
            ledger,
            daemon,
            found: Mutex::default(),
            trouble: OnceLock::new(),
        }
    }

    /// What keeps this worker from doing anything: another one may do better with the very same messages.
    pub(super) fn trouble(&self) -> Option<&Failure> {
        self.trouble.get()
    }

    /// The one for such a plan.
    pub(super) async fn of(&self, saved: &Saved, id: &str, watch: &Watch) -> Result<Arc<Bench>, Unopened> {
        // One at a time: what one finds is for all.
        let mut found = self.found.lock().await;
        if let Some(trouble) = self.trouble() {
            return Err(Unopened::Trouble(trouble.clone()));
        }
        match self.find(&mut found.open, saved, watch).await {
            Ok(bench) => {
                found.any_fits = true;
                Ok(bench)
            }
            Err(Misfit::Message(failure)) => Err(self.unfit(&mut found, id, failure)),
            Err(Misfit::Worker(failure)) => {
                if !watch.stop.is_asked() {
                    self.fail(failure.clone());
                }
                Err(Unopened::Trouble(failure))
            }
        }
    }

    /// Why there is none for a message that nobody can read who is like this worker.
    pub(super) async fn of_none(&self, id: &str, failure: Failure) -> Unopened {
        // Whether any other is for this worker is known once that is found.
        let mut found = self.found.lock().await;
        match self.trouble() {
            Some(trouble) => Unopened::Trouble(trouble.clone()),
            None => self.unfit(&mut found, id, failure),
        }
    }

    /// Counts a message that does not fit: where none does, and there are several, it is the worker that does not.
    fn unfit(&self, found: &mut Found, id: &str, failure: Failure) -> Unopened {
        found.unfit.insert(id.to_owned());
        if !found.any_fits && found.unfit.len() >= MOST_UNFIT {
            self.fail(failure.clone());
        }
        Unopened::Unfit {
            failure,
            others_fit: found.any_fits,
        }
    }

    /// Says that this worker can do nothing more.
    fn fail(&self, trouble: Failure) {
        self.trouble.get_or_init(|| trouble);
    }

    async fn find(&self, open: &mut Vec<Arc<Bench>>, saved: &Saved, watch: &Watch) -> Result<Arc<Bench>, Misfit> {
        open.retain(|bench| bench.opened.elapsed() < GOOD_FOR);
        if self.daemon == Daemon::Never && saved.engine == EngineKind::Docker {
            return Err(Misfit::Message(wants_a_daemon()));
        }
        let terms = Terms::of(saved);
        if let Some(bench) = open.iter().find(|bench| bench.terms == terms) {
            fits("the message", saved, &bench.settings).map_err(Misfit::Message)?;
            return Ok(Arc::clone(bench));
        }
        let bench = Arc::new(self.opened(terms, saved, watch).await?);
        open.push(Arc::clone(&bench));
        Ok(bench)
    }

    async fn opened(&self, terms: Terms, saved: &Saved, watch: &Watch) -> Result<Bench, Misfit> {
        let settings = self.context.settings_for(terms.said.clone()).await;
        let mut settings = settings.map_err(|error| Misfit::Worker(Failure::new(&error, None)))?;
        settings.platforms = Some(terms.platforms.clone());
        // Before anybody is asked.
        fits("the message", saved, &settings).map_err(Misfit::Message)?;
        let ledger = Arc::clone(&self.ledger);
        let desk = Desk::beside(ledger, &settings, Range::default(), watch).await;
        let mut desk = desk.map_err(Misfit::Worker)?;
        desk.remember = Remember::NowAndThen;
        is_own("the message", &terms.registry, &desk).map_err(Misfit::Message)?;
        Ok(Bench {
            terms,
            settings,
            desk,
            opened: Instant::now(),
        })
    }

    /// Looks at both sides again, and carries out what still holds.
    pub(super) async fn carry_out(&self, bench: &Bench, plan: &Plan, stop: &Stop, watch: &Watch) -> Report {
        let mut report = Report::begin();
        let plan = with_own_creation(plan, &bench.settings.creation);
        let (settings, desk) = (&bench.settings, &bench.desk);
        // How many images there will be nobody knows.
        let events = watch.events.without_plans();
        carry_out_again(&plan, settings, desk, &mut report, (stop, &events)).await;
        if desk.session.is_lost() && !stop.is_asked() {
            self.fail(Failure {
                message: "the daemon was lost, and did not come back".to_owned(),
                causes: Vec::new(),
                hint: Some("see what its log says, and start this again".into()),
            });
        }
        report
    }
}

/// What it is that does not fit.
enum Misfit {
    Message(Failure),
    Worker(Failure),
}

fn wants_a_daemon() -> Failure {
    Failure {
        message: "the message is for engine docker, and a function has no daemon".to_owned(),
        causes: Vec::new(),
        hint: Some("put images into the queue with engine: direct, or have `work run` do these".into()),
    }
}

/// The plan, but for what a repository will be like that is created: who may send messages does not say who may read it.
fn with_own_creation(plan: &Plan, creation: &Creation) -> Plan {
    let own = |action: &Action| match (action, creation) {
        (Action::Copy(_), _) => Some(action.clone()),
        (Action::CreateRepository(create), Creation::With(with)) => Some(Action::CreateRepository(CreateRepository {
            repository: create.repository.clone(),
            with: with.clone(),
        })),
        (Action::CreateRepository(_), Creation::Never | Creation::ByTemplate) => None,
    };
    Plan {
        stages: plan
            .stages
            .iter()
            .map(|stage| stage.iter().filter_map(own).collect())
            .collect(),
        ..Plan::default()
    }
}
