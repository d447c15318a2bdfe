//! Who carries out what messages say: a desk for each kind of plan, all with one ledger.

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
use crate::plan::{Action, CreateRepository, Plan, Saved};
use crate::report::{Failure, Report};
use crate::settings::Settings;
use crate::stop::Stop;

/// How long a desk is used. What it knows of repositories, such as the layers that are there, may have changed since: ECR's lifecycle policies
/// delete what expires.
const GOOD_FOR: Duration = Duration::from_hours(1);

/// All desks of a worker.
pub(super) struct Benches<'a> {
    context: &'a Context,
    ledger: Arc<Ledger>,
    open: Mutex<Vec<Arc<Bench>>>,
    trouble: OnceLock<Failure>,
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
    pub(super) fn new(context: &'a Context, ledger: Arc<Ledger>) -> Self {
        Self {
            context,
            ledger,
            open: Mutex::default(),
            trouble: OnceLock::new(),
        }
    }

    /// What keeps this worker from doing anything: another one may do better with the very same messages.
    pub(super) fn trouble(&self) -> Option<&Failure> {
        self.trouble.get()
    }

    /// The one for such a plan.
    ///
    /// # Errors
    /// What is this worker's own trouble, and no image's; or a stop.
    pub(super) async fn of(&self, saved: &Saved, watch: &Watch) -> Result<Arc<Bench>, Failure> {
        // One at a time: what one finds is for all.
        let mut open = self.open.lock().await;
        if let Some(trouble) = self.trouble() {
            return Err(trouble.clone());
        }
        let bench = self.found(&mut open, saved, watch).await;
        bench.inspect_err(|failure| {
            if !watch.stop.is_asked() {
                self.fail(failure.clone());
            }
        })
    }

    /// Says that this worker can do nothing more.
    fn fail(&self, trouble: Failure) {
        self.trouble.get_or_init(|| trouble);
    }

    async fn found(&self, open: &mut Vec<Arc<Bench>>, saved: &Saved, watch: &Watch) -> Result<Arc<Bench>, Failure> {
        open.retain(|bench| bench.opened.elapsed() < GOOD_FOR);
        let terms = Terms::of(saved);
        if let Some(bench) = open.iter().find(|bench| bench.terms == terms) {
            fits("the message", saved, &bench.settings)?;
            return Ok(Arc::clone(bench));
        }
        let bench = Arc::new(self.opened(terms, saved, watch).await?);
        open.push(Arc::clone(&bench));
        Ok(bench)
    }

    async fn opened(&self, terms: Terms, saved: &Saved, watch: &Watch) -> Result<Bench, Failure> {
        let settings = self.context.settings_for(terms.said.clone()).await;
        let mut settings = settings.map_err(|error| Failure::new(&error, None))?;
        settings.platforms = Some(terms.platforms.clone());
        // Before anybody is asked.
        fits("the message", saved, &settings)?;
        let ledger = Arc::clone(&self.ledger);
        let mut desk = Desk::beside(ledger, &settings, Range::default(), watch).await?;
        desk.remember = Remember::NowAndThen;
        is_own("the message", &terms.registry, &desk)?;
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
        carry_out_again(&plan, settings, desk, &mut report, (stop, &watch.events)).await;
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
