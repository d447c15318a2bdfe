//! `serve`: stays, and runs `sync` on a schedule.

mod job;
mod source;
mod teller;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch::Sender;

use self::job::{Job, open};
use self::source::Source;
use self::waiting::wait_until;
use super::signals::Signals;
use super::sync::{RunOptions, once};
use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::events::Events;
use crate::mapping::Only;
use crate::record::Metrics;
use crate::schedule::Past;
use crate::service::{Door, Status};

/// What `serve` may be told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Begin a run at once, and each later one so long after the beginning of the one before [setting: schedule.every]
    #[arg(long, value_name = "DURATION", conflicts_with = "cron")]
    pub every: Option<String>,
    /// Begin a run at the times of a cron expression [setting: schedule.cron]
    #[arg(long, value_name = "EXPRESSION")]
    pub cron: Option<String>,
    /// The time zone of the expression [setting: schedule.time_zone]
    #[arg(long, value_name = "NAME")]
    pub time_zone: Option<String>,
    /// Where /healthz and /metrics are answered [setting: serve.listen]
    #[arg(long, value_name = "ADDRESS:PORT|off")]
    pub listen: Option<String>,
    /// Only this repository, or this tag of it; may be given more than once
    #[arg(long, value_name = "REPOSITORY[:TAG]")]
    pub only: Vec<Only>,
    /// What every run that copies may be told.
    #[command(flatten)]
    pub run: RunOptions,
}

/// How long those may take who are asking something as the process ends.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Runs again and again, until a signal asks to stop.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    // Before the settings are read: what changes from here on is seen.
    let mut source = Source::watch(context.file.clone())?;
    let mut service = Service::begin(options, context).await?;
    while service.wait(&mut source).await {
        service.run(&mut source).await;
    }
    Ok(service.end().await)
}

/// The process that stays, between runs and while one is at work.
struct Service<'a> {
    options: &'a Options,
    context: &'a Context,
    job: Arc<Job>,
    signals: Arc<Signals>,
    status: Sender<Status>,
    door: Option<Door>,
    metrics: Metrics,
    past: Past,
    /// How much of the jitter the next run gets: from 0 to 1.
    chance: f64,
    /// Whether a stop cut off what was running.
    cut_off: bool,
}

impl<'a> Service<'a> {
    async fn begin(options: &'a Options, context: &'a Context) -> Result<Self, CommandError> {
        let job = Job::read(options, context)?;
        let (nobody, _) = Events::channel();
        let signals = Signals::listen(job.settings.grace, nobody)?;
        let (status, _) = tokio::sync::watch::channel(Status::new(job.settings.overdue));
        let door = open(job.settings.listen, &status).await?;
        teller::serving(&job.schedule, door.as_ref());
        Ok(Self {
            options,
            context,
            metrics: Metrics::open(&job.settings.results),
            job: Arc::new(job),
            signals: Arc::new(signals),
            status,
            door,
            past: Past {
                since: Timestamp::now(),
                began: None,
            },
            chance: fastrand::f64(),
            cut_off: false,
        })
    }

    /// Waits for the next run; answers whether there is one.
    async fn wait(&mut self, source: &mut Source) -> bool {
        loop {
            let next = self.next();
            self.status.send_modify(|status| status.next_run = next);
            let changed = tokio::select! {
                biased;
                () = self.signals.stop.soft.cancelled() => return false,
                changed = source.changed() => changed,
                () = wait_until(next, self.job.schedule.goes_by_the_clock()) => return true,
            };
            self.reload(changed).await;
        }
    }

    fn next(&self) -> Option<Timestamp> {
        self.job.schedule.next(self.past, Timestamp::now(), self.chance)
    }

    /// One run. What changes meanwhile is noted, and is for the next one.
    async fn run(&mut self, source: &mut Source) {
        let (job, context, stop) = (Arc::clone(&self.job), self.context, self.signals.stop.clone());
        let began = Timestamp::now();
        self.past.began = Some(began);
        self.chance = fastrand::f64();
        self.status.send_modify(|status| status.begin(began));
        let number = self.status.borrow().ended() + 1;
        teller::begins(number);
        let watch = Watch::within(Arc::clone(&self.signals), context, job.settings.grace);
        let range = job.range.clone();
        let mut at_work = Box::pin(once(&job.settings, range, self.options.run.wait, watch, context));
        let ended = loop {
            let stopping = self.status.borrow().stopping;
            tokio::select! {
                ended = &mut at_work => break ended,
                () = stop.soft.cancelled(), if !stopping => self.note_stop(),
                changed = source.changed() => self.reload(changed).await,
            }
        };
        self.cut_off = stop.hard.is_cancelled();
        let page = self.metrics.of(&ended.report);
        let next = self.next().filter(|_| !stop.is_asked());
        self.status.send_modify(|status| status.end(&ended.report, page, next));
        teller::ended(number, &ended.report, next, context.output);
    }

    /// Those who ask are told before the process is gone.
    fn note_stop(&self) {
        self.status.send_modify(|status| status.stopping = true);
        teller::stops(self.signals.asked().map(|asked| asked.name));
    }

    /// Settings that cannot be used change nothing.
    async fn reload(&mut self, why: &'static str) {
        let read = self.read_again().await;
        let valid = read.is_ok();
        let overdue = self.job.settings.overdue;
        self.status.send_modify(|status| status.reloaded(valid, overdue));
        match read {
            Ok(()) => teller::reloaded(why, &self.job.schedule, self.door.as_ref()),
            Err(error) => teller::kept(why, &error),
        }
    }

    async fn read_again(&mut self) -> Result<(), CommandError> {
        let job = Job::read(self.options, self.context)?;
        let (before, after) = (self.job.settings.listen, job.settings.listen);
        if before != after {
            // First: both may be one port, of one address and of all.
            if let Some(door) = self.door.take() {
                door.close(Duration::ZERO).await;
            }
            match open(after, &self.status).await {
                Ok(door) => self.door = door,
                Err(error) => {
                    self.door = open(before, &self.status).await?;
                    return Err(error);
                }
            }
        }
        if self.job.schedule != job.schedule {
            self.past.since = Timestamp::now();
        }
        self.job = Arc::new(job);
        Ok(())
    }

    /// 0 where the stop cut nothing off: what it left undone is the next process's first run.
    async fn end(mut self) -> ExitCode {
        if !self.status.borrow().stopping {
            self.note_stop();
        }
        if let Some(door) = self.door.take() {
            door.close(LAST_ANSWERS).await;
        }
        match self.signals.asked() {
            Some(asked) if self.cut_off => asked.exit_code,
            _ => 0,
        }
    }
}
