use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

/// How long a clock is trusted that may be set.
const GLANCE: Duration = Duration::from_secs(1);

/// Waits until a moment has come; without one, for ever. A moment that is a distance comes after that, wherever a clock is set
/// meanwhile; a time by the clock comes when the clock shows it, also after the machine was asleep.
pub(super) async fn wait_until(moment: Option<Timestamp>, by_the_clock: bool) {
    let Some(moment) = moment else {
        return std::future::pending().await;
    };
    let left = || Duration::try_from(moment.duration_since(Timestamp::now())).unwrap_or_default();
    if !by_the_clock {
        return sleep(left()).await;
    }
    while !left().is_zero() {
        sleep(left().min(GLANCE)).await;
    }
}
