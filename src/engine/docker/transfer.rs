//! A pull or push as the daemon tells of it, line by line.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{CreateImageInfo, ProgressDetail, PushImageInfo};
use futures::{Stream, StreamExt};

use super::answers;
use crate::events::Bytes;
use crate::image::Digest;

/// A line of a pull's or push's stream.
pub(super) trait Line {
    fn layer(&self) -> Option<&str>;
    fn status(&self) -> Option<&str>;
    fn progress(&self) -> Option<&ProgressDetail>;
}

impl Line for CreateImageInfo {
    fn layer(&self) -> Option<&str> {
        self.id.as_deref()
    }
    fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }
    fn progress(&self) -> Option<&ProgressDetail> {
        self.progress_detail.as_ref()
    }
}

impl Line for PushImageInfo {
    // bollard's type drops the layer's id.
    fn layer(&self) -> Option<&str> {
        None
    }
    fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }
    fn progress(&self) -> Option<&ProgressDetail> {
        self.progress_detail.as_ref()
    }
}

/// Reads a stream to its end, waiting `patience` for each line. Answers the last digest that a status line names: what was
/// pulled or pushed.
pub(super) async fn follow<L: Line>(
    mut lines: impl Stream<Item = Result<L, Error>> + Unpin,
    patience: Duration,
    mut progress: impl FnMut(Bytes),
) -> Result<Option<Digest>, Error> {
    let mut layers: HashMap<String, Bytes> = HashMap::new();
    let mut digest = None;
    loop {
        let Some(line) = tokio::time::timeout(patience, lines.next())
            .await
            .map_err(|_| Error::RequestTimeoutError)?
        else {
            return Ok(digest);
        };
        let line = line?;
        let status = line.status().unwrap_or_default();
        digest = answers::digest(status).or(digest);
        if let (true, Some(detail)) = (matches!(status, "Downloading" | "Pushing"), line.progress()) {
            advance(&mut layers, line.layer(), detail);
            progress(layers.values().fold(Bytes::default(), |sum, layer| Bytes {
                done: sum.done + layer.done,
                total: sum.total + layer.total,
            }));
        }
    }
}

fn advance(layers: &mut HashMap<String, Bytes>, layer: Option<&str>, detail: &ProgressDetail) {
    let known = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
    let (done, total) = (known(detail.current), known(detail.total));
    // Without an id, a layer's size tells it from the others well enough for a bar.
    let layer = layer.map_or_else(|| total.to_string(), str::to_owned);
    let bytes = layers.entry(layer).or_default();
    bytes.done = bytes.done.max(done);
    bytes.total = bytes.total.max(total).max(bytes.done);
}
