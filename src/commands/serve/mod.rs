//! `serve`: stays, and runs `sync` on a schedule.

mod job;
mod source;
mod teller;
mod waiting;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch::Sender;

use self::job::{Job, open, reopen};
use self::source::{Change, Source};
use self::waiting::{Woken, wait_until};
use super::signals::Signals;
use super::sync::{Alone, RunOptions, alone, once};
use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::events::Events;
use crate::ledger::LockError;
use crate::mapping::Only;
use crate::record::Metrics;
use crate::report::Report;
use crate::schedule::Past;
use crate::service::{Door, Moment, Status};
use crate::settings::Written;

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
    let mut source = Source::watch(context.file.clone(), &context.given).await?;
    let mut service = Service::begin(source.told(), options, context).await?;
    teller::first(service.next().map(|next| next.shown));
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
    /// When that was last put as the clock shows it.
    seen: Moment,
    /// How much of the jitter the next run gets: from 0 to 1.
    chance: f64,
    /// Whether a stop cut off what was running.
    cut_off: bool,
}

impl<'a> Service<'a> {
    async fn begin(file: Option<&Written>, options: &'a Options, context: &'a Context) -> Result<Self, CommandError> {
        let job = Job::of(file, options, context).await?;
        let (nobody, _) = Events::channel();
        let signals = Signals::listen(job.settings.grace, nobody)?;
        let seen = Moment::now();
        let metrics = Metrics::open(&job.settings.results);
        let mut status = Status::new(job.settings.overdue);
        status.metrics = metrics.kept();
        let (status, _) = tokio::sync::watch::channel(status);
        let door = open(job.settings.listen, &status).await?;
        teller::serving(&job.schedule, door.as_ref());
        teller::notes(&job.settings);
        Ok(Self {
            options,
            context,
            metrics,
            job: Arc::new(job),
            signals: Arc::new(signals),
            status,
            door,
            past: Past {
                since: seen.shown,
                began: None,
            },
            seen,
            chance: fastrand::f64(),
            cut_off: false,
        })
    }

    /// Waits for the next run; answers whether there is one.
    async fn wait(&mut self, source: &mut Source) -> bool {
        loop {
            let next = self.next();
            self.status.send_modify(|status| status.next_run = next);
            let by_the_clock = self.job.schedule.goes_by_the_clock();
            tokio::select! {
                biased;
                () = self.signals.stop.soft.cancelled() => return false,
                changed = source.changed() => self.reload(changed).await,
                woken = wait_until(next, by_the_clock) => match woken {
                    Woken::Due => return true,
                    Woken::ClockSet => {}
                },
            }
        }
    }

    fn next(&mut self) -> Option<Moment> {
        let now = Moment::now();
        let schedule = &self.job.schedule;
        if !schedule.goes_by_the_clock() {
            self.past = self.past.moved(now.set_since(self.seen));
        }
        // Kept: what a clock that was set back leaves ahead is put where it was found so, and not anew each time.
        self.past = self.past.until(now.shown);
        self.seen = now;
        let next = schedule.next(self.past, now.shown, self.chance)?;
        Some(now.when(next))
    }

    /// One run, if no other one is at work until the next is due.
    async fn run(&mut self, source: &mut Source) {
        self.past.began = Some(Timestamp::now());
        self.chance = fastrand::f64();
        if let Some(alone) = self.turn(source).await {
            self.work(alone, source).await;
        }
    }

    /// Waits for the ledger's lock, with `--wait` for that long. None where the run never begins: then nothing is written or posted.
    async fn turn(&mut self, source: &mut Source) -> Option<Alone> {
        let (due, stop) = (Instant::now(), self.signals.stop.clone());
        let number = self.status.borrow().ended() + 1;
        let mut is_told = false;
        loop {
            // What changes meanwhile may be the schedule, or the ledger.
            let (job, next) = (Arc::clone(&self.job), self.next());
            let until = match self.options.run.wait {
                Some(wait) => wait.saturating_sub(due.elapsed()),
                None => next.map_or(Duration::MAX, |next| {
                    next.counted.saturating_duration_since(Instant::now())
                }),
            };
            let tell = |held: &LockError| {
                if !std::mem::replace(&mut is_told, true) {
                    self.status.send_modify(|status| status.waiting = true);
                    teller::waits(number, held);
                }
            };
            let taken = tokio::select! {
                taken = alone(&job.settings, until, &stop, tell) => taken,
                changed = source.changed() => {
                    self.reload(changed).await;
                    continue;
                }
            };
            return match taken {
                _ if stop.is_asked() => None,
                Ok(alone) => Some(alone),
                Err(held) => {
                    self.status.send_modify(Status::miss);
                    teller::missed(number, &held, next.map(|next| next.shown));
                    None
                }
            };
        }
    }

    /// What changes meanwhile is noted, and is for the next run.
    async fn work(&mut self, alone: Alone, source: &mut Source) {
        let (job, context, stop) = (Arc::clone(&self.job), self.context, self.signals.stop.clone());
        let began = Moment::now();
        self.past.began = Some(began.shown);
        self.status.send_modify(|status| status.begin(began));
        let number = self.status.borrow().ended() + 1;
        teller::begins(number);
        let watch = Watch::within(Arc::clone(&self.signals), context, job.settings.grace);
        let (range, report) = (job.range.clone(), Report::begin());
        let mut at_work = Box::pin(once(&job.settings, range, alone, report, watch, context));
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
        teller::ended(number, &ended.report, next.map(|next| next.shown), context.output);
    }

    /// Those who ask are told before the process is gone.
    fn note_stop(&self) {
        self.status.send_modify(|status| status.stopping = true);
        teller::stops(self.signals.asked().map(|asked| asked.name));
    }

    /// Settings that cannot be used change nothing.
    async fn reload(&mut self, Change { why, file }: Change) {
        let read = match file {
            Ok(file) => self.apply(file.as_ref()).await,
            Err(error) => Err(error.into()),
        };
        let valid = read.is_ok();
        let overdue = self.job.settings.overdue;
        self.status.send_modify(|status| status.reloaded(valid, overdue));
        match read {
            Ok(()) => {
                teller::reloaded(why, &self.job.schedule, self.door.as_ref());
                teller::notes(&self.job.settings);
            }
            Err(error) => teller::kept(why, &error),
        }
    }

    async fn apply(&mut self, file: Option<&Written>) -> Result<(), CommandError> {
        let job = Job::of(file, self.options, self.context).await?;
        let (before, after) = (self.job.settings.listen, job.settings.listen);
        // A door may also be lost, to who took its address as it made room.
        if before != after || self.door.is_none() {
            reopen(&mut self.door, after, &self.status).await?;
        }
        self.past = job.schedule.after(&self.job.schedule, self.past, Timestamp::now());
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
