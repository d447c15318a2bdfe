use std::net::SocketAddr;

use tokio::sync::watch::Sender;

use super::Options;
use crate::commands::desk::Range;
use crate::commands::{CommandError, Context};
use crate::report::Failure;
use crate::schedule::Schedule;
use crate::service::{Door, Status};
use crate::settings::{Mistake, Settings, SettingsError};

/// What runs are told, and when they begin: read and checked whole.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) settings: Settings,
    pub(super) range: Range,
    pub(super) schedule: Schedule,
}

impl Job {
    pub(super) fn read(options: &Options, context: &Context) -> Result<Self, CommandError> {
        let settings = context.settings()?;
        let range = Range::of(context, &settings, &options.only)?;
        let schedule = settings.schedule.clone().ok_or_else(|| {
            SettingsError::Invalid(vec![Mistake {
                origin: context.source(),
                key: "schedule".to_owned(),
                problem: "is not set; name an interval in schedule.every (--every 15m), or a cron expression in schedule.cron \
                          (--cron \"0 3 * * *\")"
                    .to_owned(),
            }])
        })?;
        Ok(Self {
            settings,
            range,
            schedule,
        })
    }
}

/// Listens, if anywhere.
pub(super) async fn open(listen: Option<SocketAddr>, status: &Sender<Status>) -> Result<Option<Door>, CommandError> {
    let Some(address) = listen else { return Ok(None) };
    let hint = "another process may have this port: name another address in serve.listen (--listen), or off";
    match Door::open(address, status.subscribe()).await {
        Ok(door) => Ok(Some(door)),
        Err(error) => Err(CommandError::Failed(Failure::new(&error, Some(hint)))),
    }
}
