//! Amazon CloudWatch Logs: when somebody wrote to a log group last.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::api::{Api, Protocol, Service};
use super::pace::Pace;
use super::{AwsError, Login, Trouble};

const LOGS: Service = Service {
    id: "CloudWatch Logs",
    host: "logs",
    name: "logs",
    protocol: Protocol::Json {
        version: "1.1",
        target: "Logs_20140328",
    },
};

/// DescribeLogStreams in a second, in an account and region (CloudWatch Logs User Guide, "CloudWatch Logs quotas").
const STREAMS: u32 = 25;

/// The log groups of one account in one region.
#[derive(Debug)]
pub struct Logs {
    api: Api,
    region: String,
    pace: Pace,
}

/// When somebody wrote to a log group last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastEvent {
    /// Then; CloudWatch Logs may tell it an hour late.
    At(Timestamp),
    /// Nobody has: there is no stream with an event in it.
    NoStreams,
    /// There is no such group.
    NoGroup,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    log_streams: Option<Vec<Stream>>,
}

/// Times are milliseconds since 1970.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stream {
    last_event_timestamp: Option<i64>,
}

impl Logs {
    /// Those of an account.
    pub fn of(login: &Login, region: &str) -> Self {
        Self {
            api: Api::new(&login.at(region), LOGS),
            region: region.to_owned(),
            pace: Pace::per_second(STREAMS),
        }
    }

    /// The last event in the newest stream of a group.
    pub async fn last_event(&self, group: &str) -> Result<LastEvent, AwsError> {
        self.pace.turn().await;
        let input = json!({"logGroupName": group, "orderBy": "LastEventTime", "descending": true, "limit": 1});
        let on = format!("of {group} in {}", self.region);
        let page: Page = match self.api.call("DescribeLogStreams", on, &input).await {
            Ok(page) => page,
            Err(error) if error.trouble == Trouble::NotFound => return Ok(LastEvent::NoGroup),
            Err(error) => return Err(error),
        };
        let newest = page.log_streams.into_iter().flatten().next();
        let at = newest.and_then(|stream| stream.last_event_timestamp);
        let at = at.and_then(|at| Timestamp::from_millisecond(at).ok());
        Ok(at.map_or(LastEvent::NoStreams, LastEvent::At))
    }
}
