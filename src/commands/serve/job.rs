use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch::Sender;

use super::Options;
use crate::commands::desk::Range;
use crate::commands::{CommandError, Context};
use crate::report::Failure;
use crate::schedule::Schedule;
use crate::service::{Door, Status};
use crate::settings::{Mistake, Settings, SettingsError, Written};

/// What runs are told, and when they begin: read and checked whole.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) settings: Settings,
    pub(super) range: Range,
    pub(super) schedule: Schedule,
}

impl Job {
    pub(super) async fn of(file: Option<&Written>, options: &Options, context: &Context) -> Result<Self, CommandError> {
        let settings = Settings::with_secrets(file, &context.given).await?;
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

/// Listens there in the place of where `door` is. Where that cannot be had, the door stays.
pub(super) async fn reopen(
    door: &mut Option<Door>,
    listen: Option<SocketAddr>,
    status: &Sender<Status>,
) -> Result<(), CommandError> {
    let opened = open(listen, status).await;
    let port = listen.map(|address| address.port());
    let in_its_way = door.take_if(|old| opened.is_err() && port == Some(old.address().port()));
    let opened = match in_its_way {
        None => opened,
        // One port, of one address and of all.
        Some(old) => {
            let address = old.address();
            old.close(Duration::ZERO).await;
            match open(listen, status).await {
                Ok(new) => Ok(new),
                Err(error) => {
                    *door = open(Some(address), status).await?;
                    Err(error)
                }
            }
        }
    };
    if let Some(old) = std::mem::replace(door, opened?) {
        old.close(Duration::ZERO).await;
    }
    Ok(())
}
